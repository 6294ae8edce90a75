//! The contract of [`InboxStore`].

use std::{
    fmt,
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{InboxMessage, InboxQuery, InboxSelection, InboxState, InboxStore};

/// Brings one store to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The store.
    type Store: InboxStore + Clone;

    /// Starts, or connects to, a store whose inboxes nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> Self::Store;
}

/// Defines one `#[tokio::test]` for each part of the contract of [`InboxStore`].
#[macro_export]
macro_rules! inbox_store_suite {
    ($fixture:ty) => {
        $crate::inbox_store_suite!(@tests $fixture:
            a_reference_is_put_in_once, inboxes_are_apart, listed_by_pages, reading_is_counted,
            what_has_ended_is_not_shown, forgotten_is_gone);
    };
    (@tests $fixture:ty: $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::inboxes::$name::<$fixture>().await;
        })+
    };
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn message(id: &str) -> InboxMessage {
    InboxMessage {
        id: id.to_owned(),
        reference: format!("{id}.1"),
        template: "order.paid".to_owned(),
        title: Some("订单 '1'".to_owned()),
        text: "Paid.\nEnjoy!".to_owned(),
        created: at(0),
        seen: None,
        ends: None,
    }
}

fn ids(messages: &[InboxMessage]) -> String {
    messages.iter().map(|message| message.id.as_str()).collect::<Vec<_>>().join(" ")
}

async fn fill(store: &impl InboxStore, user: &str, all: &[&str]) {
    for id in all {
        assert!(store.add(user, &message(id)).await.unwrap());
    }
}

pub async fn a_reference_is_put_in_once<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let one = message("a1");
    assert!(store.add("ada", &one).await.unwrap());
    assert!(!store.add("ada", &InboxMessage { id: "a2".to_owned(), ..one.clone() }).await.unwrap());
    assert!(store.add("bob", &InboxMessage { id: "a3".to_owned(), ..one.clone() }).await.unwrap(), "another inbox");
    assert_eq!(store.list("ada", &InboxQuery::new(), at(1)).await.unwrap(), [one]);
    let mut all = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (store, mine) = (fixture.store(), InboxMessage { id: format!("c{number}"), ..message("crowd") });
        all.spawn(async move { store.add("ada", &mine).await.unwrap() });
    }
    assert_eq!(all.join_all().await.into_iter().filter(|added| *added).count(), 1);
}

pub async fn inboxes_are_apart<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    fill(&store, "ann", &["b1", "b2"]).await;
    fill(&store, "Ann", &["b3"]).await;
    let mine = ["b1".to_owned(), "b3".to_owned()];
    assert_eq!(store.mark("Ann", InboxSelection::Ids(&mine), at(1)).await.unwrap(), 1);
    assert_eq!(store.remove("Ann", InboxSelection::Ids(&mine)).await.unwrap(), 1);
    let state = store.state("ann", at(1)).await.unwrap();
    assert_eq!(state, InboxState { unread: 2, total: 2, latest: Some("b2".to_owned()) });
    assert_eq!(store.state("Ann", at(1)).await.unwrap(), InboxState::default());
    assert_eq!(store.remove("ann", InboxSelection::All).await.unwrap(), 2);
}

pub async fn listed_by_pages<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    fill(&store, "ada", &["d1", "d2", "d3", "d4"]).await;
    store.mark("ada", InboxSelection::Ids(&["d3".to_owned()]), at(1)).await.unwrap();
    let list = async |query: InboxQuery| ids(&store.list("ada", &query, at(1)).await.unwrap());
    assert_eq!(list(InboxQuery::new()).await, "d4 d3 d2 d1");
    assert_eq!(list(InboxQuery::new().limit(2)).await, "d4 d3");
    assert_eq!(list(InboxQuery::new().limit(2).before("d3")).await, "d2 d1");
    assert_eq!(list(InboxQuery::new().unread()).await, "d4 d2 d1");
    assert_eq!(list(InboxQuery::new().unread().before("d4").limit(1)).await, "d2");
}

pub async fn reading_is_counted<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    assert_eq!(store.state("ada", at(1)).await.unwrap(), InboxState::default());
    fill(&store, "ada", &["e1", "e2", "e3"]).await;
    let some = ["e1".to_owned(), "e2".to_owned(), "e9".to_owned()];
    assert_eq!(store.mark("ada", InboxSelection::Ids(&some), at(5)).await.unwrap(), 2);
    assert_eq!(store.mark("ada", InboxSelection::Ids(&some), at(6)).await.unwrap(), 0);
    let state = store.state("ada", at(7)).await.unwrap();
    assert_eq!((state.unread, state.total), (1, 3));
    let first = store.list("ada", &InboxQuery::new(), at(7)).await.unwrap().pop().unwrap();
    assert_eq!(first.seen, Some(at(5)), "when it was read first");
    assert_eq!(store.mark("ada", InboxSelection::All, at(8)).await.unwrap(), 1);
    assert_eq!(store.state("ada", at(9)).await.unwrap().unread, 0);
}

pub async fn what_has_ended_is_not_shown<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    store.add("ada", &InboxMessage { ends: Some(at(10)), ..message("f1") }).await.unwrap();
    assert_eq!(store.state("ada", at(9)).await.unwrap().total, 1);
    assert_eq!(ids(&store.list("ada", &InboxQuery::new(), at(9)).await.unwrap()), "f1");
    assert_eq!(store.state("ada", at(10)).await.unwrap(), InboxState::default());
    assert!(store.list("ada", &InboxQuery::new().unread(), at(10)).await.unwrap().is_empty());
    assert_eq!(store.mark("ada", InboxSelection::All, at(10)).await.unwrap(), 0);
}

pub async fn forgotten_is_gone<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    for (id, created, ends) in [("g1", 0, None), ("g2", 5, None), ("g3", 6, Some(7)), ("g4", 6, Some(9))] {
        let one = InboxMessage { created: at(created), ends: ends.map(at), ..message(id) };
        store.add("ada", &one).await.unwrap();
    }
    assert_eq!(store.forget(at(5), at(8)).await.unwrap(), 2);
    assert_eq!(ids(&store.list("ada", &InboxQuery::new(), at(8)).await.unwrap()), "g4 g2");
}
