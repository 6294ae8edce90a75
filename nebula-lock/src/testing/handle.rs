//! What [`LockManager`] promises, on top of the backend under test.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::{Fixture, LONG, PATIENCE, claim, eventually, nothing_stays};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::Release;
use crate::lock::DistributedLock;
use crate::lost::LossReason;
use crate::manager::{LockManager, Shutdown};

fn manager<F: Fixture>(fixture: &F) -> LockManager {
    LockManager::new(fixture.lock()).with_lease(LONG).with_wait(PATIENCE)
}

/// A reachable backend is healthy, and the manager counts what it holds.
pub async fn ping_answers<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let manager = manager(&fixture);
    let guard = manager.lock("key").await?;
    assert_eq!(manager.health().await?.held, 1);
    guard.release().await;
    eventually("nothing is held", async || (manager.health().await.ok()?.held == 0).then_some(())).await;
    Ok(())
}

/// A release says what it found; a second manager sees the lock free.
pub async fn release_tells_the_outcome<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let (here, there) = (manager(&fixture), manager(&fixture));
    let guard = here.lock("key").await?;
    assert!(there.try_lock("key").await?.is_none());
    let error = there.lock("key").wait(F::SHORT).await.err();
    assert_eq!(error.as_ref().map(Error::kind), Some(ErrorKind::WaitTimeout));
    assert_eq!(error.as_ref().and_then(Error::key), Some("key"));
    assert_eq!(guard.release().await, Release::Released);
    assert!(there.try_lock("key").await?.is_some());
    Ok(())
}

/// Dropping a guard releases the lock, also without anybody asking for the outcome.
pub async fn dropped_guard_releases<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let manager = manager(&fixture);
    drop(manager.lock("dropped").await?);
    drop(manager.lock("ordered").await?.release());
    assert!(manager.try_lock_for("dropped", PATIENCE).await?.is_some());
    assert!(manager.try_lock_for("ordered", PATIENCE).await?.is_some());
    assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    nothing_stays(&fixture).await;
    Ok(())
}

/// Each of several waiting callers gets the lock, with a greater fence than the one before.
pub async fn waiting_callers_get_it_in_turn<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    // Two managers, so that neither knows of the other's callers.
    let managers = [manager(&fixture), manager(&fixture)];
    let last = AtomicUsize::new(0);
    let turns = join_all((0..20).map(async |number: usize| {
        let guard = managers[number % 2].lock("key").await?;
        let fence = usize::try_from(guard.fence().get()).unwrap_or(usize::MAX);
        assert!(last.swap(fence, Ordering::SeqCst) < fence, "fences follow the order of the holds");
        assert_eq!(guard.release().await, Release::Released);
        Ok(())
    }));
    turns.await.into_iter().collect()
}

/// A lock whose holder is gone passes to a waiting caller when the lease ends.
pub async fn expired_lock_passes_to_a_waiting_caller<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    // Holders that are never heard of again.
    fixture.lock().try_acquire(&claim("key"), F::SHORT).await?;
    let guard = manager(&fixture).lock("key").await?;
    assert_eq!(guard.release().await, Release::Released);
    Ok(())
}

/// A lock without an explicit lease is renewed until it is released.
pub async fn renewed_beyond_its_lease<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lease = Duration::from_secs(2);
    let manager = manager(&fixture).with_lease(lease);
    let guard = manager.lock("key").await?;
    let lost = guard.run(sleep(lease + lease / 2)).await;
    assert_eq!(lost, Ok(()), "the lease was renewed");
    assert_eq!(manager.inspect("key").await?.map(|holder| holder.fence()), Some(guard.fence()));
    assert_eq!(guard.release().await, Release::Released);
    Ok(())
}

/// A lock that disappears from the backend is lost at the next renewal, and stays lost.
pub async fn stolen_lock_is_noticed<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let manager = manager(&fixture).with_watchdog(LONG).with_lease(Duration::from_secs(3));
    let guard = manager.lock("key").await?;
    assert_eq!(manager.force_release("key").await?.map(|holder| holder.fence()), Some(guard.fence()));
    assert_eq!(manager.force_release("key").await?, None);
    let lost = timeout(PATIENCE, guard.lost()).await.map(|lost| lost.reason());
    assert!(matches!(lost, Ok(LossReason::Gone | LossReason::Expired)), "{lost:?}");
    assert!(guard.is_lost());
    assert!(guard.run(std::future::pending::<()>()).await.is_err());
    assert_eq!(guard.release().await, Release::AlreadyLost);
    let readers = [manager.read("key").await?, manager.read("key").await?];
    assert!(
        manager.force_release("key").await?.is_some_and(|holder| holder.is_shared() && holder.other_readers() == 1)
    );
    assert!(manager.force_release("key").await?.is_some_and(|holder| holder.is_shared()));
    assert_eq!(manager.inspect("key").await?, None);
    drop(readers);
    Ok(())
}

/// Callers that go away, however far they got, leave neither locks nor watches.
pub async fn cancelled_acquisitions_leave_nothing<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let manager = manager(&fixture);
    let held = manager.lock("held").await?;
    for number in 0..300_u32 {
        let key = if number % 3 == 0 { "held".to_owned() } else { format!("key:{number}") };
        let mut request = manager.lock(key).into_future();
        let mut finished = false;
        for _ in 0..number % 7 {
            finished = finished || request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
            if finished {
                break;
            }
            if number % 2 == 0 { yield_now().await } else { sleep(Duration::from_micros(u64::from(number))).await }
        }
        drop(request);
    }
    assert_eq!(held.release().await, Release::Released);
    assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    nothing_stays(&fixture).await;
    Ok(())
}

/// A thousand tasks compete for one key: each gets it once, none together with another.
pub async fn thousand_tasks_on_one_key<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let manager = manager(&fixture).with_wait(PATIENCE * 4);
    let inside = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let (manager, inside) = (manager.clone(), Arc::clone(&inside));
            tokio::spawn(async move {
                let guard = manager.lock("key").await?;
                assert!(!inside.swap(true, Ordering::SeqCst), "two holders at once");
                yield_now().await;
                inside.store(false, Ordering::SeqCst);
                assert_eq!(guard.release().await, Release::Released);
                Ok::<_, Error>(())
            })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await, Ok(Ok(()))), "every task gets its turn");
    }
    assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    nothing_stays(&fixture).await;
    Ok(())
}
