//! The contract of [`TemplateStore`].

use std::{fmt, future::Future, time::SystemTime};

use crate::{Content, ErrorKind, Kind, NotificationTemplate, ParamSpec, ProviderTemplate, PutTemplate, TemplateStore};

/// Brings one store to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The store.
    type Store: TemplateStore + Clone;

    /// Starts, or connects to, a store whose templates nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> Self::Store;
}

/// Defines one `#[tokio::test]` for each part of the contract of [`TemplateStore`].
#[macro_export]
macro_rules! template_store_suite {
    ($fixture:ty) => {
        $crate::template_store_suite!(@tests $fixture:
            versions_count_up, lost_updates_are_refused, removed_is_gone, names_are_listed_once);
    };
    (@tests $fixture:ty: $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::templates::$name::<$fixture>().await;
        })+
    };
}

fn template(name: &str, text: &str) -> NotificationTemplate {
    let content = Content::new().title("订单 {{ order }}").text(text).html("<p>{{ order }}</p>");
    NotificationTemplate::new(name, Kind::Notice)
        .param("order", ParamSpec::text().with_max(20))
        .content("zh-CN", content.provider("tencent", ProviderTemplate::positional("1110", ["order"])))
        .content("en", Content::new().text(text))
}

async fn put(store: &impl TemplateStore, template: &NotificationTemplate, expected: u32) -> PutTemplate {
    store.put(template, expected, SystemTime::UNIX_EPOCH).await.unwrap()
}

pub async fn versions_count_up<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    assert!(store.get("order", None).await.unwrap().is_none());
    for version in 1..=3 {
        let next = template("order", &format!("version {version}"));
        assert_eq!(put(&store, &next, version - 1).await, PutTemplate::Stored(version));
        let latest = store.get("order", None).await.unwrap().unwrap();
        assert_eq!((latest.version, &latest.template, latest.stored), (version, &next, SystemTime::UNIX_EPOCH));
    }
    let first = store.get("order", Some(1)).await.unwrap().unwrap();
    assert_eq!(first.template, template("order", "version 1"));
    assert!(store.get("order", Some(4)).await.unwrap().is_none());
    assert_eq!(store.versions("order").await.unwrap(), [3, 2, 1]);
    let wrong = store.put(&template("order", "{{ unknown }}"), 3, SystemTime::UNIX_EPOCH).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidTemplate);
}

pub async fn lost_updates_are_refused<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    assert_eq!(put(&store, &template("lost", "one"), 1).await, PutTemplate::Conflict(0));
    assert_eq!(put(&store, &template("lost", "one"), 0).await, PutTemplate::Stored(1));
    assert_eq!(put(&store, &template("lost", "two"), 0).await, PutTemplate::Conflict(1));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = fixture.store();
        all.spawn(async move { put(&store, &template("lost", &format!("crowd {number}")), 1).await });
    }
    let stored = all.join_all().await.into_iter().filter(|one| *one == PutTemplate::Stored(2)).count();
    assert_eq!(stored, 1);
}

pub async fn removed_is_gone<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    put(&store, &template("old", "one"), 0).await;
    assert!(store.remove("old").await.unwrap());
    assert!(!store.remove("old").await.unwrap());
    assert!(!store.remove("never").await.unwrap());
    assert!(store.get("old", None).await.unwrap().is_none());
    assert!(store.get("old", Some(1)).await.unwrap().is_some());
    assert_eq!(put(&store, &template("old", "two"), 0).await, PutTemplate::Stored(2));
    assert_eq!(store.get("old", None).await.unwrap().unwrap().version, 2);
}

pub async fn names_are_listed_once<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    for name in ["b", "a", "gone", "B"] {
        put(&store, &template(name, "one"), 0).await;
    }
    put(&store, &template("a", "two"), 1).await;
    store.remove("gone").await.unwrap();
    let listed = store.list().await.unwrap();
    let listed: Vec<(&str, u32)> = listed.iter().map(|one| (one.template.name(), one.version)).collect();
    assert_eq!(listed, [("B", 1), ("a", 2), ("b", 1)]);
}
