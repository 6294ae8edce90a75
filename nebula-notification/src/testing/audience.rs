//! The contract of [`AudienceStore`].

use std::{fmt, future::Future, time::UNIX_EPOCH};

use crate::{AudienceStore, Channel, Preferences, QuietHours, change_wishes};

/// Brings one store to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The store.
    type Store: AudienceStore + Clone;

    /// Starts, or connects to, a store whose wishes nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> Self::Store;
}

/// Defines one `#[tokio::test]` for each part of the contract of [`AudienceStore`].
#[macro_export]
macro_rules! audience_store_suite {
    ($fixture:ty) => {
        $crate::audience_store_suite!(@tests $fixture:
            what_was_set_is_read, setting_nothing_removes, subjects_differ_by_every_byte, only_what_was_read_is_replaced);
    };
    (@tests $fixture:ty: $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::audience::$name::<$fixture>().await;
        })+
    };
}

fn full() -> Preferences {
    Preferences::new()
        .consent(Channel::Email, "form v2, 'newsletter'", UNIX_EPOCH)
        .unsubscribe(Channel::Sms)
        .refuse_marketing(Channel::Push)
        .quiet(QuietHours::new("22:00", "08:00", "Asia/Shanghai").unwrap())
        .prefer([Channel::Push, Channel::Email])
}

pub async fn what_was_set_is_read<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    assert_eq!(store.get("user:ada").await.unwrap(), None);
    store.set("user:ada", Some(&full())).await.unwrap();
    assert_eq!(store.get("user:ada").await.unwrap(), Some(full()));
    let blocked = Preferences::new().blocked();
    store.set("user:ada", Some(&blocked)).await.unwrap();
    assert_eq!(fixture.store().get("user:ada").await.unwrap(), Some(blocked));
}

pub async fn setting_nothing_removes<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    store.set("email:gone@example.org", None).await.unwrap();
    store.set("email:gone@example.org", Some(&full())).await.unwrap();
    store.set("email:gone@example.org", None).await.unwrap();
    assert_eq!(store.get("email:gone@example.org").await.unwrap(), None);
}

pub async fn subjects_differ_by_every_byte<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let long = format!("push:tags:{}", "concert,".repeat(200));
    let subjects = ["user:ann", "user:Ann", "user:ann ", "user:änn", "user:' OR ''='", &long, &format!("{long}x")];
    for (number, subject) in subjects.iter().enumerate() {
        let mine = Preferences::new().consent(Channel::Email, number.to_string(), UNIX_EPOCH);
        store.set(subject, Some(&mine)).await.unwrap();
    }
    for (number, subject) in subjects.iter().enumerate() {
        let found = store.get(subject).await.unwrap().unwrap();
        assert_eq!(found.consent[&Channel::Email].source, number.to_string(), "{subject:?}");
    }
}

pub async fn only_what_was_read_is_replaced<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let (one, two) = (full(), Preferences::new().blocked());
    assert!(!store.replace("user:new", Some(&one), Some(&two)).await.unwrap());
    assert!(store.replace("user:new", None, None).await.unwrap());
    assert!(store.replace("user:new", None, Some(&one)).await.unwrap());
    assert!(!store.replace("user:new", None, Some(&two)).await.unwrap());
    assert!(store.replace("user:new", Some(&one), Some(&two)).await.unwrap());
    assert!(!store.replace("user:new", Some(&one), None).await.unwrap());
    assert!(store.replace("user:new", Some(&two), None).await.unwrap());
    assert_eq!(store.get("user:new").await.unwrap(), None);
    // Changes of many at once are all kept.
    let mut all = tokio::task::JoinSet::new();
    for channel in [Channel::Sms, Channel::Email, Channel::Push, Channel::Inbox] {
        let store = fixture.store();
        all.spawn(async move { change_wishes(&store, "user:crowd", |it| it.unsubscribe(channel)).await.unwrap() });
    }
    all.join_all().await;
    assert_eq!(store.get("user:crowd").await.unwrap().unwrap().unsubscribed.len(), 4);
}
