//! The contract of [`RbacStore`], bullet by bullet.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{commit, document, role, user, write};
use crate::rbac::{CommitOutcome, DocumentKind, Expect, Head, RbacStore};

fn now_or_later(sequence: u64) -> Expect {
    Expect::Sequence(sequence)
}

async fn must(store: &dyn RbacStore, change: &crate::rbac::Commit) -> Head {
    match store.commit(change).await.expect("the store answers") {
        CommitOutcome::Committed(head) => head,
        CommitOutcome::Conflict => panic!("the commit conflicts with nothing"),
    }
}

/// An empty store is at head 0/0 and knows nobody; its clock is that of all processes that share it.
pub async fn an_empty_store_knows_nobody(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let none = Head { sequence: 0, policy: 0 };
    assert_eq!(store.head().await.expect("an answer"), none);
    let stored = store.policy().await.expect("an answer");
    assert_eq!((stored.head, stored.documents.len()), (none, 0));
    let ann = store.user(&user("ann")).await.expect("an answer");
    assert_eq!((ann.head, ann.version, ann.body, ann.id), (none, 0, None, user("ann")));
    assert_eq!(store.users(None, 10).await.expect("an answer"), Vec::new());
    assert_eq!(store.holders(&role("clerk")).await.expect("an answer"), Vec::new());
    assert_eq!(store.changes(0, 10).await.expect("an answer").users, Some(Vec::new()));
    let (here, there) = (ann.now, peer.user(&user("ann")).await.expect("an answer").now);
    let apart = there.duration_since(here).unwrap_or_else(|error| error.duration());
    assert!(apart < Duration::from_secs(60), "{here:?} and {there:?}");
    let wall = SystemTime::now().duration_since(here).unwrap_or_else(|error| error.duration());
    assert!(wall < Duration::from_secs(3600), "the clock counts from 1970 in UTC: {here:?}");
}

/// `commit` is atomic and raises the sequence by one; every user in it gets that version; the policy's number becomes it
/// exactly if there are documents.
pub async fn commits_are_atomic_and_numbered(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let both = commit(now_or_later(0), vec![document("r", Some("{}"))], vec![write("ann", Some("a"), &["r"])]);
    assert_eq!(must(&store, &both).await, Head { sequence: 1, policy: 1 });
    let users = vec![write("ann", Some("ä\u{1f512}"), &[]), write("bob", Some("b"), &[])];
    assert_eq!(must(&peer, &commit(now_or_later(1), Vec::new(), users)).await, Head { sequence: 2, policy: 1 });
    for id in ["ann", "bob"] {
        assert_eq!(store.user(&user(id)).await.expect("an answer").version, 2, "{id}");
    }
    assert_eq!(store.user(&user("ann")).await.expect("an answer").body.as_deref(), Some("ä\u{1f512}"));
    let change = commit(now_or_later(2), vec![document("r", Some("{\"x\":1}")), document("s", Some("{}"))], Vec::new());
    assert_eq!(must(&store, &change).await, Head { sequence: 3, policy: 3 });
    let gone = commit(now_or_later(3), vec![document("r", None)], Vec::new());
    must(&store, &gone).await;
    let documents = peer.policy().await.expect("an answer").documents;
    assert_eq!(documents, [document("s", Some("{}"))]);
}

/// Of any number of concurrent commits with the same expectation exactly one is `Committed`; `Conflict` changes nothing.
pub async fn one_of_many_commits_with_one_expectation_wins(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let stores = [store, peer];
    for by_version in [false, true] {
        let before = stores[0].head().await.expect("an answer");
        let version = stores[0].user(&user("ann")).await.expect("an answer").version;
        let mut racing = tokio::task::JoinSet::new();
        for number in 0..8usize {
            let store = Arc::clone(&stores[number % 2]);
            let expect = match by_version {
                false => Expect::Sequence(before.sequence),
                true => Expect::Versions { policy: before.policy, users: vec![(user("ann"), version)] },
            };
            let body = format!("{number}");
            racing.spawn(async move {
                let change = commit(expect, Vec::new(), vec![write("ann", Some(&body), &["r"])]);
                (body, store.commit(&change).await.expect("the store answers"))
            });
        }
        let mut winners = Vec::new();
        while let Some(result) = racing.join_next().await {
            if let (body, CommitOutcome::Committed(head)) = result.expect("no panic") {
                winners.push((body, head));
            }
        }
        let [(body, head)] = &winners[..] else { panic!("{} won", winners.len()) };
        assert_eq!(head.sequence, before.sequence + 1);
        let ann = stores[1].user(&user("ann")).await.expect("an answer");
        assert_eq!((ann.body.as_deref(), ann.version, ann.head), (Some(body.as_str()), head.sequence, *head));
    }
    let policy = stores[0].head().await.expect("an answer").policy + 1;
    let stale = commit(Expect::Versions { policy, users: Vec::new() }, vec![document("r", Some("{}"))], Vec::new());
    assert_eq!(stores[0].commit(&stale).await.expect("an answer"), CommitOutcome::Conflict);
    assert_eq!(stores[0].policy().await.expect("an answer").documents, Vec::new());
}

/// Commits that expect versions of other users and the same policy do not conflict.
pub async fn commits_about_other_users_do_not_conflict(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let stores = [store, peer];
    let mut racing = tokio::task::JoinSet::new();
    for number in 0..10usize {
        let store = Arc::clone(&stores[number % 2]);
        racing.spawn(async move {
            let id = format!("u{number}");
            let expect = Expect::Versions { policy: 0, users: vec![(user(&id), 0)] };
            store.commit(&commit(expect, Vec::new(), vec![write(&id, Some("x"), &[])])).await.expect("an answer")
        });
    }
    let outcomes = racing.join_all().await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, CommitOutcome::Committed(_))), "{outcomes:?}");
    assert_eq!(stores[0].head().await.expect("an answer"), Head { sequence: 10, policy: 0 });
}

/// `policy` and `user` show one moment, and everything that was committed before the call.
pub async fn reads_show_one_moment(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let writer = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for sequence in 0..40u64 {
                let text = (sequence + 1).to_string();
                let change = commit(
                    now_or_later(sequence),
                    vec![document("a", Some(&text)), document("b", Some(&text))],
                    vec![write("ann", Some(&text), &["a"])],
                );
                must(&*store, &change).await;
            }
        }
    });
    let mut last = 0;
    while last < 40 {
        let stored = peer.policy().await.expect("an answer");
        let bodies: Vec<_> =
            stored.documents.iter().map(|document| document.body.clone().unwrap_or_default()).collect();
        let expected = stored.head.policy.to_string();
        assert!(bodies.iter().all(|body| *body == expected), "{bodies:?} at {:?}", stored.head);
        let ann = peer.user(&user("ann")).await.expect("an answer");
        assert!(ann.head.sequence >= stored.head.sequence, "time goes on");
        assert_eq!(ann.version, ann.head.sequence);
        assert_eq!(ann.body.unwrap_or_else(|| "0".to_owned()), ann.version.to_string());
        last = stored.head.sequence;
        if writer.is_finished() && last < 40 {
            assert_eq!(peer.head().await.expect("an answer").sequence, 40, "the writer failed");
        }
    }
    writer.await.expect("no panic");
}

/// `user` tells users apart byte by byte; one that was removed keeps its version.
pub async fn users_are_told_apart_byte_by_byte(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let ids = ["ann", "Ann", "änn", "a\u{308}nn", "ANN", "ann%", "ann_", "a'nn", "\u{1f512}"];
    for (sequence, id) in ids.iter().enumerate() {
        let expect = now_or_later(u64::try_from(sequence).expect("few"));
        must(&store, &commit(expect, Vec::new(), vec![write(id, Some(id), &["r"])])).await;
    }
    for id in ids {
        assert_eq!(peer.user(&user(id)).await.expect("an answer").body.as_deref(), Some(id));
    }
    let head = must(&store, &commit(now_or_later(9), Vec::new(), vec![write("ann", None, &[])])).await;
    let ann = peer.user(&user("ann")).await.expect("an answer");
    assert_eq!((ann.body, ann.version), (None, head.sequence));
    assert_eq!(peer.users(None, 100).await.expect("an answer").len(), 8);
}

/// `changes` names every user whose version is above the given sequence, removed ones included, or none if too many.
pub async fn changes_names_who_changed(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    must(&store, &commit(now_or_later(0), Vec::new(), vec![write("a", Some("1"), &[]), write("b", Some("1"), &[])]))
        .await;
    must(&store, &commit(now_or_later(1), vec![document("r", Some("{}"))], Vec::new())).await;
    must(&store, &commit(now_or_later(2), Vec::new(), vec![write("b", None, &[])])).await;
    for (since, expected) in [(0, vec!["a", "b"]), (1, vec!["b"]), (2, vec!["b"]), (3, vec![]), (9, vec![])] {
        let changes = peer.changes(since, 2).await.expect("an answer");
        assert_eq!(changes.head, Head { sequence: 3, policy: 2 });
        let mut users = changes.users.expect("not too many");
        users.sort();
        assert_eq!(users, expected.into_iter().map(user).collect::<Vec<_>>(), "since {since}");
    }
    assert_eq!(peer.changes(0, 1).await.expect("an answer").users, None);
}

/// `holders` finds the users last written with that role; `users` goes through all that are there, in pages.
pub async fn holders_and_users_find_who_is_there(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    let users = vec![
        write("a", Some("1"), &["clerk", "boss"]),
        write("b", Some("1"), &["clerk"]),
        write("c", Some("1"), &["boss"]),
        write("d", Some("1"), &[]),
    ];
    must(&store, &commit(now_or_later(0), Vec::new(), users)).await;
    let again = vec![write("b", Some("2"), &["boss"]), write("c", None, &[])];
    must(&store, &commit(now_or_later(1), Vec::new(), again)).await;
    let ids =
        |stored: Vec<crate::rbac::StoredUser>| stored.into_iter().map(|user| user.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(peer.holders(&role("clerk")).await.expect("an answer")), ["a"]);
    let bosses = peer.holders(&role("boss")).await.expect("an answer");
    assert_eq!(
        bosses.iter().map(|user| (user.version, user.body.as_deref())).collect::<Vec<_>>(),
        [(1, Some("1")), (2, Some("2"))]
    );
    assert_eq!(ids(bosses), ["a", "b"]);
    assert_eq!(ids(peer.users(None, 2).await.expect("an answer")), ["a", "b"]);
    assert_eq!(ids(peer.users(Some(&user("b")), 2).await.expect("an answer")), ["d"]);
}

/// `health` answers for a store that works.
pub async fn health_answers(store: Arc<dyn RbacStore>, peer: Arc<dyn RbacStore>) {
    store.health().await.expect("the store is healthy");
    peer.health().await.expect("the store is healthy");
    assert_eq!(DocumentKind::ALL.map(|kind| DocumentKind::from_name(kind.as_str())), DocumentKind::ALL.map(Some));
}
