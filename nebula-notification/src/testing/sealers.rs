//! The contract of [`Sealer`].

use std::{collections::BTreeSet, fmt, future::Future};

use crate::{ErrorKind, SealedPlace, Sealer};

/// Brings one sealer to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The sealer.
    type Sealer: Sealer;

    /// Starts one with keys that nobody else has.
    fn start() -> impl Future<Output = Self> + Send;

    /// The sealer, as a process has it that has just started: the keys are the same.
    fn sealer(&self) -> impl Future<Output = Self::Sealer> + Send;
}

/// Defines one `#[tokio::test]` for each part of the contract of [`Sealer`].
#[macro_export]
macro_rules! sealer_suite {
    ($fixture:ty) => {
        $crate::sealer_suite!(@tests $fixture:
            what_was_sealed_opens, it_opens_in_its_place_only, equal_texts_do_not_look_alike,
            addresses_are_found_by_their_index);
    };
    (@tests $fixture:ty: $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::sealers::$name::<$fixture>().await;
        })+
    };
}

const PLACE: SealedPlace<'static> = SealedPlace { table: "nebula_notification_job", row: "j1" };
const ADDRESS: &str = "email:ada@example.org";

/// `what_was_sealed_opens`.
#[doc(hidden)]
pub async fn what_was_sealed_opens<F: Fixture>() {
    let fixture = F::start().await;
    let (one, other) = (fixture.sealer().await, fixture.sealer().await);
    for text in ["", "{}", "订单 '1'\n\u{0}", &"x".repeat(100_000)] {
        let sealed = one.seal(PLACE, text).await.unwrap();
        assert_eq!(other.open(PLACE, &sealed).await.unwrap(), text);
    }
}

/// `it_opens_in_its_place_only`.
#[doc(hidden)]
pub async fn it_opens_in_its_place_only<F: Fixture>() {
    let sealer = F::start().await.sealer().await;
    let sealed = sealer.seal(PLACE, ADDRESS).await.unwrap();
    let mut altered = sealed.clone();
    let middle = altered.len() / 2;
    let other = if altered.as_bytes()[middle] == b'A' { "B" } else { "A" };
    altered.replace_range(middle..=middle, other);
    for (place, sealed) in [
        (SealedPlace { row: "j2", ..PLACE }, sealed.as_str()),
        (SealedPlace { table: "nebula_notification_inbox", ..PLACE }, &sealed),
        (PLACE, &altered),
        (PLACE, &sealed[..sealed.len() / 2]),
        (PLACE, ""),
        (PLACE, "not sealed at all"),
    ] {
        let refused = sealer.open(place, sealed).await.expect_err("it opened");
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{place:?}");
    }
}

/// `equal_texts_do_not_look_alike`.
#[doc(hidden)]
pub async fn equal_texts_do_not_look_alike<F: Fixture>() {
    let sealer = F::start().await.sealer().await;
    let (one, two) = (sealer.seal(PLACE, ADDRESS).await.unwrap(), sealer.seal(PLACE, ADDRESS).await.unwrap());
    assert_ne!(one, two);
    assert!(![one, two].iter().any(|sealed| sealed.contains("ada") || sealed.contains("example")));
}

/// `addresses_are_found_by_their_index`.
#[doc(hidden)]
pub async fn addresses_are_found_by_their_index<F: Fixture>() {
    let fixture = F::start().await;
    let (one, again, stranger) = (fixture.sealer().await, fixture.sealer().await, F::start().await.sealer().await);
    let mut all = BTreeSet::new();
    for address in [ADDRESS, "email:Ada@example.org", "sms:+8613800138000", "sms:+8613800138001", ""] {
        let index = one.index(address).await.unwrap();
        assert_eq!(again.index(address).await.unwrap(), index);
        assert_ne!(stranger.index(address).await.unwrap(), index, "it needs no key");
        assert!(index.is_ascii() && (16..=128).contains(&index.len()) && !index.contains("1380013"), "{index}");
        assert!(all.insert(index), "two addresses have one index");
    }
}
