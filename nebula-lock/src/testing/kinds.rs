//! Fair claims, readers and writers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::{Fixture, LONG, PATIENCE, claim, eventually, nothing_stays};
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::guard::Release;
use crate::lock::{Attempt, Claim, DistributedLock, Mode};
use crate::manager::{LockManager, Shutdown};
use crate::watch::Hint;

fn of(mode: Mode) -> Claim {
    claim("key").with_mode(mode)
}

async fn acquire(lock: &impl DistributedLock, claim: &Claim, lease: Duration) -> Result<Option<Fence>> {
    Ok(match lock.try_acquire(claim, lease).await? {
        Attempt::Acquired(fence) => Some(fence),
        Attempt::Busy(_) => None,
    })
}

/// Asks for what the backend does not offer: that is an error, and neither a lock nor a refusal.
async fn is_refused<F: Fixture>(mode: Mode) -> Result<()> {
    let fixture = F::start().await;
    let refused = fixture.lock().try_acquire(&of(mode), LONG).await;
    assert_eq!(refused.as_ref().err().map(Error::kind), Some(ErrorKind::Unsupported), "{refused:?}");
    assert_eq!(fixture.stored().await, 0);
    let refused = LockManager::new(fixture.lock()).lock("key").mode(mode).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Unsupported));
    nothing_stays(&fixture).await;
    Ok(())
}

/// Whatever the modes, claims of one key exclude each other, except for readers.
pub async fn kinds_exclude_each_other<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let mut last = None;
    for &first in F::MODES {
        for &second in F::MODES {
            let (holder, rival) = (of(first), of(second));
            let fence = acquire(&lock, &holder, LONG).await?;
            assert!(fence > last, "{first:?}: {fence:?} after {last:?}");
            last = fence;
            assert_eq!(acquire(&lock, &holder, LONG).await?, fence, "{first:?} keeps its hold");
            let shared = (first, second) == (Mode::Read, Mode::Read);
            let got = acquire(&lock, &rival, LONG).await?;
            assert_eq!(got.is_some(), shared, "{second:?} while {first:?} holds");
            assert_eq!(lock.release(&rival).await?, shared);
            assert!(lock.renew(&holder, LONG).await?, "{first:?} still holds");
            assert!(!lock.renew(&rival, LONG).await?, "{second:?} does not");
            assert!(lock.release(&holder).await?);
            assert!(!lock.release(&holder).await?, "only once");
            last = last.max(got);
        }
    }
    assert_eq!(fixture.stored().await, 0);
    Ok(())
}

/// Of fair claims that wait, only the one that came first can acquire.
pub async fn fair_claims_get_it_in_order<F: Fixture>() -> Result<()> {
    if !F::MODES.contains(&Mode::Fair) {
        return is_refused::<F>(Mode::Fair).await;
    }
    let fixture = F::start().await;
    let lock = fixture.lock();
    let mut holder = of(Mode::Fair);
    assert!(acquire(&lock, &holder, LONG).await?.is_some());
    let queue: Vec<_> = (0..5).map(|_| of(Mode::Fair)).collect();
    for waiter in &queue {
        assert_eq!(acquire(&lock, waiter, LONG).await?, None);
    }
    for (place, next) in queue.iter().enumerate() {
        assert!(lock.release(&holder).await?);
        for later in &queue[place + 1..] {
            assert_eq!(acquire(&lock, later, LONG).await?, None, "it is the turn of another");
        }
        assert_eq!(acquire(&lock, &of(Mode::Fair), F::SHORT).await?, None, "nor does a newcomer get it");
        assert!(acquire(&lock, next, LONG).await?.is_some(), "the turn of number {place}");
        holder = next.clone();
    }
    assert!(lock.release(&holder).await?);
    Ok(())
}

/// A lock that is handed over holds, under the token and for the time that were told.
pub async fn handed_over_locks_hold<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    for &mode in F::MODES.iter().filter(|mode| **mode != Mode::Read) {
        let (holder, next, rival) = (of(mode), of(mode), of(mode));
        let held = acquire(&lock, &holder, LONG).await?;
        assert_eq!(acquire(&lock, &next, LONG).await?, None);
        let mut watch = lock.watch(&next).await?;
        let Attempt::Busy(busy) = lock.try_acquire(&next, LONG).await? else { unreachable!("it is held") };
        assert!(lock.join_watch(&next).is_none_or(|joined| joined.is_live() == watch.is_live()));
        assert!(lock.release(&holder).await?);
        assert_eq!(busy.place().is_some(), F::HANDS_OVER.contains(&mode), "{mode:?}: as the fixture says");
        let Some(place) = busy.place() else {
            assert!(acquire(&lock, &next, LONG).await? > held, "nothing is handed over without a place");
            assert!(lock.release(&next).await?);
            continue;
        };
        let seen = lock.inspect(next.key()).await?;
        assert!(seen.as_ref().is_some_and(|seen| seen.remaining() <= place.lasts()), "{mode:?}: {seen:?}");
        assert_eq!(seen.map(|seen| (*seen.owner(), Some(seen.fence()) > held)), Some((*next.owner(), true)));
        if watch.is_live() {
            let told = lock.inspect(next.key()).await?.map(|seen| seen.fence());
            let called = timeout(PATIENCE, async {
                loop {
                    if let Hint::HandedOver { place, fence } = watch.changed().await {
                        return (place, Some(fence));
                    }
                }
            });
            assert_eq!(called.await.ok(), Some((place.number(), told)), "{mode:?}: the claim is told of it");
        }
        assert_eq!(acquire(&lock, &rival, LONG).await?, None, "it is taken");
        assert!(!lock.release(&rival).await?);
        assert!(acquire(&lock, &next, LONG).await? > held);
        let seen = lock.inspect(next.key()).await?;
        assert!(seen.is_some_and(|seen| seen.remaining() > LONG / 2), "an attempt starts the whole lease");
        assert!(lock.release(&next).await?);
    }
    nothing_stays(&fixture).await;
    Ok(())
}

/// Waiters that are not heard of again, or released, no longer stand in the way.
pub async fn dead_waiters_are_passed_over<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    if F::MODES.contains(&Mode::Fair) {
        dead_fair_claims_are_passed_over(&lock).await?;
    }

    let (reader, writer) = (of(Mode::Read), of(Mode::Write));
    assert!(acquire(&lock, &reader, LONG).await?.is_some());
    assert_eq!(acquire(&lock, &writer, LONG).await?, None);
    assert_eq!(acquire(&lock, &of(Mode::Read), LONG).await?, None);
    assert!(!lock.release(&writer).await?, "it only waited");
    assert!(acquire(&lock, &of(Mode::Read), F::SHORT).await?.is_some(), "the writer stands aside");
    assert_eq!(acquire(&lock, &of(Mode::Write), LONG).await?, None, "a writer that is never heard of again");
    let late = of(Mode::Read);
    eventually("readers get in again", async || acquire(&lock, &late, LONG).await.transpose()).await?;
    assert!(lock.release(&late).await? && lock.release(&reader).await?);
    nothing_stays(&fixture).await;
    Ok(())
}

async fn dead_fair_claims_are_passed_over(lock: &impl DistributedLock) -> Result<()> {
    let (holder, left, last) = (of(Mode::Fair), of(Mode::Fair), of(Mode::Fair));
    assert!(acquire(lock, &holder, LONG).await?.is_some());
    // Several, so that their times of grace would add up if they were passed over one by one.
    for _ in 0..5 {
        assert_eq!(acquire(lock, &of(Mode::Fair), LONG).await?, None);
    }
    assert_eq!(acquire(lock, &left, LONG).await?, None);
    assert!(!lock.release(&left).await?, "it only waited");
    assert!(lock.release(&holder).await?);
    eventually("the dead are passed over", async || acquire(lock, &last, LONG).await.transpose()).await?;
    assert!(lock.release(&last).await?);
    Ok(())
}

/// Readers hold together, each with a lease of its own.
pub async fn readers_share<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let (brief, long) = (of(Mode::Read), of(Mode::Read));
    let first = acquire(&lock, &long, LONG).await?;
    let second = acquire(&lock, &brief, F::SHORT).await?;
    assert!(first.is_some() && second > first, "each has a fence of its own");
    assert_eq!(acquire(&lock, &long, LONG).await?, first, "which it keeps");
    assert!(lock.renew(&long, LONG).await?, "which keeps nobody else alive");
    eventually("the brief lease ends", async || {
        let seen = lock.inspect(long.key()).await.ok()??;
        (seen.other_readers() == 0).then_some(())
    })
    .await;
    assert!(!lock.renew(&brief, LONG).await?);
    assert!(!lock.release(&brief).await?);
    assert!(lock.renew(&long, LONG).await?, "the other lease is untouched");
    assert_eq!(
        lock.inspect(long.key()).await?.map(|seen| (*seen.owner(), seen.other_readers())),
        Some((*long.owner(), 0))
    );
    assert!(acquire(&lock, &brief, LONG).await? > second, "a new hold, a new fence");
    assert!(lock.release(&long).await?);
    assert_eq!(acquire(&lock, &of(Mode::Exclusive), LONG).await?, None, "one reader is left");
    assert!(lock.release(&brief).await?);
    assert!(acquire(&lock, &of(Mode::Exclusive), LONG).await?.is_some());
    Ok(())
}

/// While a writer waits, no new reader gets in.
pub async fn waiting_writer_bars_readers<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let (reader, writer, late) = (of(Mode::Read), of(Mode::Write), of(Mode::Read));
    assert!(acquire(&lock, &reader, LONG).await?.is_some());
    assert_eq!(acquire(&lock, &writer, LONG).await?, None);
    assert_eq!(acquire(&lock, &late, LONG).await?, None);
    assert!(lock.renew(&reader, LONG).await?, "those inside stay");
    assert_eq!(lock.inspect(reader.key()).await?.map(|seen| seen.waiting()), Some(1));
    assert!(lock.release(&reader).await?);
    assert_eq!(acquire(&lock, &late, LONG).await?, None, "it is the writer's turn");
    assert!(acquire(&lock, &writer, LONG).await?.is_some());
    assert!(lock.release(&writer).await?);
    assert!(acquire(&lock, &late, LONG).await?.is_some());
    Ok(())
}

/// An attempt to read by the writer that holds makes it a reader with the same fence.
pub async fn writer_may_turn_reader<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let manager = LockManager::new(fixture.lock()).with_lease(LONG).with_wait(PATIENCE);
    let guard = manager.write("key").await?;
    let fence = guard.fence();
    let waiting = tokio::spawn({
        let manager = manager.clone();
        async move { manager.read("key").await }
    });
    eventually("the reader waits", async || (manager.health().await.ok()?.waiting == 1).then_some(())).await;
    let guard = guard.downgrade().await?;
    assert_eq!((guard.fence(), guard.mode(), guard.is_lost()), (fence, Mode::Read, false));
    let Ok(Ok(other)) = waiting.await else { unreachable!("the reader gets in") };
    assert!(other.fence() > fence);
    assert!(manager.try_lock("key").mode(Mode::Write).await?.is_none());
    assert_eq!((guard.release().await, other.release().await), (Release::Released, Release::Released));
    assert!(manager.lock("key").await?.downgrade().await.is_err(), "only writers can");
    assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    nothing_stays(&fixture).await;
    Ok(())
}

/// Readers overlap with each other but never with a writer, and everybody gets a turn.
pub async fn readers_and_writers_at_work<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let managers = [0, 1].map(|_| LockManager::new(fixture.lock()).with_wait(PATIENCE * 4));
    let inside = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..60_usize)
        .map(|number| {
            let (manager, inside) = (managers[number % 2].clone(), Arc::clone(&inside));
            tokio::spawn(async move {
                let (readers, writers) = (&inside.0, &inside.1);
                let fence;
                if number % 5 == 0 {
                    let guard = manager.write("key").await?;
                    fence = guard.fence();
                    assert_eq!(writers.fetch_add(1, Ordering::SeqCst) + readers.load(Ordering::SeqCst), 0);
                    sleep(Duration::from_millis(1)).await;
                    writers.fetch_sub(1, Ordering::SeqCst);
                    assert_eq!(guard.release().await, Release::Released);
                } else {
                    let guard = manager.read("key").await?;
                    fence = guard.fence();
                    readers.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(writers.load(Ordering::SeqCst), 0);
                    sleep(Duration::from_millis(1)).await;
                    readers.fetch_sub(1, Ordering::SeqCst);
                    assert_eq!(guard.release().await, Release::Released);
                }
                Ok::<_, Error>(fence)
            })
        })
        .collect();
    let mut fences = HashSet::new();
    for task in tasks {
        let Ok(Ok(fence)) = task.await else { unreachable!("everybody gets a turn") };
        assert!(fences.insert(fence), "readers that hold together have tokens of their own: {fence}");
    }
    for manager in managers {
        assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    }
    nothing_stays(&fixture).await;
    Ok(())
}

/// Callers of two managers get a fair lock in the order in which they came, also when one of them goes away.
pub async fn fair_turns_at_work<F: Fixture>() -> Result<()> {
    if !F::MODES.contains(&Mode::Fair) {
        return is_refused::<F>(Mode::Fair).await;
    }
    let fixture = F::start().await;
    let managers = [0, 1].map(|_| LockManager::new(fixture.lock()).with_wait(PATIENCE));
    let guard = managers[0].lock("key").fair().await?;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..8_usize {
        let (manager, order) = (managers[number % 2].clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let guard = manager.lock("key").fair().await?;
            order.lock().push(number);
            yield_now().await;
            assert_eq!(guard.release().await, Release::Released);
            Ok::<_, Error>(())
        }));
        eventually("it stands in the queue", async || {
            let holder = managers[0].inspect("key").await.ok()??;
            (holder.waiting() == number + 1).then_some(())
        })
        .await;
    }
    tasks.remove(2).abort();
    eventually("it has left the queue", async || {
        let holder = managers[0].inspect("key").await.ok()??;
        (holder.waiting() == 7).then_some(())
    })
    .await;
    assert_eq!(guard.release().await, Release::Released);
    for task in tasks {
        assert!(matches!(task.await, Ok(Ok(()))), "everybody gets a turn");
    }
    assert_eq!(*order.lock(), [0, 1, 3, 4, 5, 6, 7]);
    for manager in managers {
        assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    }
    nothing_stays(&fixture).await;
    Ok(())
}
