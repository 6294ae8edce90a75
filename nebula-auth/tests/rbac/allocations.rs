//! What a check costs in memory, on any machine: nothing.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use nebula_auth::rbac::{
    Actor, EvaluatorOptions, MemoryRbacStore, Permission, PermissionEvaluator, PermissionKey, PermissionPattern, UserId,
};

/// What it answers without waiting.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

#[tokio::test]
async fn a_check_of_a_known_user_allocates_nothing() {
    let options = EvaluatorOptions::new().lease(Duration::from_secs(120)).timeout(Duration::from_secs(60));
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), options).await.unwrap();
    let key = |name: &str| PermissionKey::of(&Permission::new(name).unwrap());
    let (read, delete) = (key("allocation:read"), key("allocation:delete"));
    // An id of the usual length, that of a UUID, and the longest.
    let users = [7, 36, 128].map(|length| UserId::new("a".repeat(length)).unwrap());
    for user in &users {
        let given = PermissionPattern::new("allocation:read").unwrap();
        evaluator.service().grant(&Actor::system("test"), user, &given, None).await.unwrap().into_result().unwrap();
        // The first question reads the store, the second takes the answer into this thread's memory.
        assert!(evaluator.check(user, read).await.unwrap() && evaluator.check(user, read).await.unwrap());
    }
    let allocated = allocation_counter::measure(|| {
        for user in &users {
            for _ in 0..100 {
                assert_eq!(evaluator.cached(user.as_str(), read), Some(true));
                assert_eq!(evaluator.cached(user.as_str(), delete), Some(false));
                assert!(at_once(evaluator.check(user, read)).unwrap());
                assert!(!at_once(evaluator.check(user, delete)).unwrap());
            }
        }
        // Not known is found out without, too.
        assert_eq!(evaluator.cached("somebody else", read), None);
    });
    assert_eq!((allocated.count_total, allocated.bytes_total), (0, 0));
}

#[test]
fn allocations_are_counted() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(Box::new(1u64)))).count_total, 1);
}
