//! Clients that are cut off from a server that lives on.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use nebula_lock::{ErrorKind, LockManager, LossReason, Mode, Release};
use nebula_test_support::TcpProxy;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Partition {
    /// Connections are reset, new ones refused.
    Cut,
    /// Half open: commands are carried out and never answered.
    LosesReplies,
}

impl Partition {
    pub(crate) const ALL: [Self; 2] = [Self::Cut, Self::LosesReplies];

    pub(crate) async fn over(self, link: &TcpProxy) {
        match self {
            Self::Cut => link.cut().await,
            Self::LosesReplies => link.black_hole_replies(),
        }
    }
}

/// `locks` reach the server of both keys through `link`, `rival` reaches it directly. `locks` have a short lease.
pub(crate) async fn is_survived(
    partition: Partition,
    link: &TcpProxy,
    (locks, rival): (&LockManager, &LockManager),
    [key, other]: [&str; 2],
    meanwhile: impl AsyncFnOnce(),
) {
    let guard = Arc::new(locks.lock(key).wait(PATIENCE).await.unwrap());
    partition.over(link).await;
    // It gets the lock when the lease has ended on the server: by then the holder knows.
    let next = tokio::spawn({
        let (request, guard) = (rival.lock(key).wait(PATIENCE).into_future(), Arc::clone(&guard));
        async move {
            let next = request.await.unwrap();
            (guard.is_lost(), next)
        }
    });
    let modes = [Mode::Exclusive, Mode::Fair, Mode::Read, Mode::Write];
    let asked =
        modes.into_iter().flat_map(|mode| [Duration::ZERO, Duration::from_millis(500)].map(|wait| (mode, wait)));
    let asked = asked.map(|(mode, wait)| locks.lock(other).mode(mode).wait(wait).into_future());
    for answer in timeout(PATIENCE, join_all(asked)).await.expect("answers in time") {
        let error = answer.unwrap_err();
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{partition:?}: {error}");
    }
    meanwhile().await;
    let lost = timeout(PATIENCE, guard.run(std::future::pending::<()>())).await.expect("told in time").unwrap_err();
    assert_eq!(lost.reason(), LossReason::Expired, "{partition:?}");
    let (told, next) = timeout(PATIENCE, next).await.expect("the lease has ended").unwrap();
    assert!(told, "{partition:?}: the server let another in before the holder knew");
    assert!(next.fence() > guard.fence());
    let guard = Arc::into_inner(guard).expect("the rival has looked at it");
    assert_eq!(guard.release().await, Release::AlreadyLost);

    link.heal().await;
    let last = next.fence();
    assert_eq!(next.release().await, Release::Released);
    for (key, mode) in [(key, Mode::Exclusive), (other, Mode::Fair), (key, Mode::Read), (other, Mode::Write)] {
        let guard = locks.lock(key).mode(mode).wait(PATIENCE).await.unwrap();
        assert!(guard.fence() > last || key == other, "{partition:?}");
        assert_eq!(guard.release().await, Release::Released, "{partition:?}");
    }
}
