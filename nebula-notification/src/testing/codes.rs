//! The contract of [`CodeStore`].

use std::{fmt, future::Future, sync::Arc, time::Duration};

use crate::{CodeDigest, CodeStore, Guess, NewCode, PutCode};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(200);

/// Brings one store to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The store.
    type Store: CodeStore + Clone;

    /// Starts, or connects to, a store whose codes nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> Self::Store;
}

/// Defines one `#[tokio::test]` for each part of the contract of [`CodeStore`].
#[macro_export]
macro_rules! code_store_suite {
    ($fixture:ty) => {
        $crate::code_store_suite!(@tests $fixture:
            the_right_code_is_accepted_once, tries_are_counted_first, a_new_code_voids_the_old, cooling_down, codes_end,
            revoked_codes_are_gone, keys_are_independent);
    };
    (@tests $fixture:ty: $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::codes::$name::<$fixture>().await;
        })+
    };
}

fn digest(code: u32) -> CodeDigest {
    let mut bytes = [0; 32];
    bytes[28..].copy_from_slice(&code.to_be_bytes());
    CodeDigest(bytes)
}

fn code(key: &str, code: u32) -> NewCode {
    NewCode { key: key.to_owned(), digest: digest(code), lifetime: LONG, tries: 5, cool_down: Duration::ZERO }
}

/// Guesses many times at once; how often it was right, and how often it was compared at all.
async fn guess_at_once(store: impl CodeStore + Clone, key: &str, guesses: impl Iterator<Item = u32>) -> (usize, usize) {
    let store = Arc::new(store);
    let mut all = tokio::task::JoinSet::new();
    for chunk in guesses.collect::<Vec<_>>().chunks(250) {
        let (store, key, chunk) = (Arc::clone(&store), key.to_owned(), chunk.to_vec());
        all.spawn(async move {
            let guess = |number: u32| {
                let (store, key) = (Arc::clone(&store), key.clone());
                async move { store.guess(&key, &digest(number)).await.unwrap() }
            };
            futures_util::future::join_all(chunk.into_iter().map(guess)).await
        });
    }
    let answers: Vec<Guess> = all.join_all().await.into_iter().flatten().collect();
    let count = |wanted: Guess| answers.iter().filter(|one| **one == wanted).count();
    (count(Guess::Right), count(Guess::Right) + count(Guess::Wrong))
}

pub async fn the_right_code_is_accepted_once<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    assert_eq!(store.put(&code("once", 7)).await.unwrap(), PutCode::Stored);
    assert_eq!(store.guess("once", &digest(8)).await.unwrap(), Guess::Wrong);
    assert_eq!(store.guess("once", &digest(7)).await.unwrap(), Guess::Right);
    assert_eq!(store.guess("once", &digest(7)).await.unwrap(), Guess::None);
    for round in 0..50 {
        let key = format!("pair{round}");
        store.put(&code(&key, 7)).await.unwrap();
        let (right, _) = guess_at_once(fixture.store(), &key, [7, 7].into_iter()).await;
        assert_eq!(right, 1, "two submit the right code at once");
    }
}

pub async fn tries_are_counted_first<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    store.put(&code("tries", 7)).await.unwrap();
    for _ in 0..5 {
        assert_eq!(store.guess("tries", &digest(8)).await.unwrap(), Guess::Wrong);
    }
    assert_eq!(store.guess("tries", &digest(7)).await.unwrap(), Guess::None, "the right one comes too late");
    store.put(&code("crowd", u32::MAX)).await.unwrap();
    let (right, compared) = guess_at_once(fixture.store(), "crowd", 0..2000).await;
    assert_eq!((right, compared), (0, 5));
    assert_eq!(store.guess("crowd", &digest(u32::MAX)).await.unwrap(), Guess::None);
}

pub async fn a_new_code_voids_the_old<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    store.put(&code("new", 1)).await.unwrap();
    for _ in 0..4 {
        let _ = store.guess("new", &digest(9)).await.unwrap();
    }
    store.put(&code("new", 2)).await.unwrap();
    assert_eq!(store.guess("new", &digest(1)).await.unwrap(), Guess::Wrong);
    for _ in 0..3 {
        assert_eq!(store.guess("new", &digest(9)).await.unwrap(), Guess::Wrong);
    }
    assert_eq!(store.guess("new", &digest(2)).await.unwrap(), Guess::Right);
}

pub async fn cooling_down<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let put = async |number: u32, cool_down: Duration| {
        store.put(&NewCode { cool_down, ..code("cool", number) }).await.unwrap()
    };
    assert_eq!(put(1, LONG).await, PutCode::Stored);
    let PutCode::CoolDown { retry_after } = put(2, LONG).await else { panic!("it was too soon") };
    assert!(retry_after > LONG / 2 && retry_after <= LONG, "{retry_after:?}");
    assert_eq!(store.guess("cool", &digest(1)).await.unwrap(), Guess::Right, "the first one still holds");
    assert!(matches!(put(3, LONG).await, PutCode::CoolDown { .. }), "a code that is used does not end it");
    let brief = |number| NewCode { cool_down: SHORT, ..code("brief", number) };
    assert_eq!(store.put(&brief(1)).await.unwrap(), PutCode::Stored);
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(store.put(&brief(2)).await.unwrap(), PutCode::Stored);
}

pub async fn codes_end<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    store.put(&NewCode { lifetime: SHORT, ..code("end", 7) }).await.unwrap();
    // A guess does not extend it.
    let _ = store.guess("end", &digest(8)).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(store.guess("end", &digest(7)).await.unwrap(), Guess::None);
}

pub async fn revoked_codes_are_gone<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let cool = NewCode { cool_down: LONG, ..code("revoked", 7) };
    store.put(&cool).await.unwrap();
    store.revoke("revoked", &digest(8)).await.unwrap();
    assert!(matches!(store.put(&cool).await.unwrap(), PutCode::CoolDown { .. }), "a newer code stays");
    store.revoke("revoked", &digest(7)).await.unwrap();
    assert_eq!(store.guess("revoked", &digest(7)).await.unwrap(), Guess::None);
    assert_eq!(store.put(&cool).await.unwrap(), PutCode::Stored);
}

pub async fn keys_are_independent<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    store.put(&NewCode { cool_down: LONG, ..code("one", 1) }).await.unwrap();
    assert_eq!(store.put(&code("other", 2)).await.unwrap(), PutCode::Stored);
    assert_eq!(store.guess("other", &digest(1)).await.unwrap(), Guess::Wrong);
    store.revoke("other", &digest(2)).await.unwrap();
    assert_eq!(store.guess("one", &digest(1)).await.unwrap(), Guess::Right);
}
