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
use crate::lock::{DistributedLock, Mode};
use crate::lost::LossReason;
use crate::manager::{LockManager, Shutdown};
use crate::owner::Owner;
use crate::segmented::{Allocation, SegmentGuard, SegmentedLock};

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

/// Several locks are had together or not at all, whatever nodes they live on.
pub async fn several_locks_are_all_or_none<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let (here, there) = (manager(&fixture), manager(&fixture));
    let keys: Vec<String> = (0..5).map(|number| format!("seat:{number}")).collect();
    let one = here.lock(&keys[3]).await?;
    let error = there.lock_all(&keys).wait(F::SHORT).await.err();
    assert_eq!(error.as_ref().map(Error::kind), Some(ErrorKind::WaitTimeout));
    assert_eq!(error.as_ref().and_then(Error::key), Some("seat:3"));
    assert!(there.try_lock_all(&keys).await?.is_none());
    let fence = one.fence();
    assert_eq!(one.release().await, Release::Released);
    // Those that were taken in vain are given back in the background.
    let guards = there.lock_all(keys.iter().rev()).await?;
    assert!(guards.iter().map(|guard| guard.key().as_str()).eq(&keys), "in their order");
    assert!(guards.iter().nth(3).is_some_and(|guard| guard.fence() > fence));
    assert!(here.try_lock(&keys[0]).await?.is_none() && here.try_lock_all(&keys[4..]).await?.is_none());
    assert_eq!(guards.run(async { 7 }).await, Ok(7));
    assert_eq!(guards.release().await, Release::Released);
    assert_eq!(here.shutdown(PATIENCE).await, Shutdown::Drained);
    assert_eq!(there.shutdown(PATIENCE).await, Shutdown::Drained);
    nothing_stays(&fixture).await;
    Ok(())
}

/// As many get in as there are segments, and whoever waits gets the one that becomes free.
pub async fn segments_are_shared_out<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let (here, there) = (manager(&fixture), manager(&fixture));
    let stock = |manager: &LockManager, allocation| {
        SegmentedLock::new(manager.clone(), "stock", 3).map(|stock| stock.with_allocation(allocation))
    };
    for allocation in [Allocation::RoundRobin, Allocation::Random, Allocation::InOrder] {
        let (near, far) = (stock(&here, allocation)?, stock(&there, allocation)?);
        let mut held = vec![near.lock().await?, far.lock().await?, near.lock().await?];
        let mut indices: Vec<usize> = held.iter().map(SegmentGuard::index).collect();
        indices.sort_unstable();
        assert_eq!(indices, [0, 1, 2]);
        assert!(far.try_lock().await?.is_none());
        assert_eq!(far.lock().wait(F::SHORT).await.err().map(|error| error.kind()), Some(ErrorKind::WaitTimeout));
        let freed = held.swap_remove(1);
        let (index, fence) = (freed.index(), freed.guard().fence());
        let (waiting, outcome) = tokio::join!(far.lock().into_future(), async {
            yield_now().await;
            freed.release().await
        });
        let waiting = waiting?;
        assert_eq!((waiting.index(), outcome), (index, Release::Released));
        assert!(waiting.guard().fence() > fence);
        for segment in held.into_iter().chain([waiting]) {
            assert_eq!(segment.release().await, Release::Released);
        }
        let segment = far.lock_for("somebody").await?;
        assert!(near.lock_all().wait(F::SHORT).await.is_err());
        assert_eq!(segment.release().await, Release::Released);
        let all = near.lock_all().await?;
        assert!(far.try_lock().await?.is_none());
        assert_eq!(all.release().await, Release::Released);
    }
    assert_eq!(here.shutdown(PATIENCE).await, Shutdown::Drained);
    assert_eq!(there.shutdown(PATIENCE).await, Shutdown::Drained);
    nothing_stays(&fixture).await;
    Ok(())
}

/// An owner gets its own lock as often as it asks, under one token, and it is free when the last guard is gone.
pub async fn owners_get_in_again<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let (here, there) = (manager(&fixture), manager(&fixture));
    let owner = Owner::random();
    for mode in [Mode::Exclusive, Mode::Write, Mode::Read] {
        let outer = here.lock("key").mode(mode).owner(owner).await?;
        let inner = here.lock("key").mode(mode).owner(owner).await?;
        let innermost = inner.reenter();
        assert_eq!((inner.fence(), innermost.fence()), (outer.fence(), outer.fence()));
        assert!(there.try_lock("key").await?.is_none());
        assert!(here.try_lock("key").owner(Owner::random()).await?.is_none(), "another owner");
        assert_eq!(outer.release().await, Release::StillHeld);
        drop(innermost);
        assert!(there.try_lock("key").await?.is_none());
        let fence = inner.fence();
        assert_eq!(inner.release().await, Release::Released);
        let next = there.lock("key").owner(owner).await?;
        assert!(next.fence() > fence, "a new hold");
        assert_eq!(next.release().await, Release::Released);
    }
    // The writer may read as well.
    let writer = here.write("key").owner(owner).await?;
    let reader = here.read("key").owner(owner).await?;
    assert_eq!(reader.fence(), writer.fence());
    assert_eq!((writer.release().await, reader.release().await), (Release::StillHeld, Release::Released));
    assert_eq!(here.shutdown(PATIENCE).await, Shutdown::Drained);
    assert_eq!(there.shutdown(PATIENCE).await, Shutdown::Drained);
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
