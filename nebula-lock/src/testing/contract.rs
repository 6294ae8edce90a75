//! One test per bullet of the contract of [`DistributedLock`].

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{Fixture, LONG, PATIENCE, claim, eventually, nothing_stays};
use crate::error::Result;
use crate::fence::Fence;
use crate::lock::{Attempt, Claim, DistributedLock, Mode};
use crate::owner::Owner;

async fn acquire(lock: &impl DistributedLock, claim: &Claim, lease: Duration) -> Result<Option<Fence>> {
    Ok(match lock.try_acquire(claim, lease).await? {
        Attempt::Acquired(fence) => Some(fence),
        Attempt::Busy(_) => None,
    })
}

/// Waits until nobody holds the key.
async fn free(lock: &impl DistributedLock, claim: &Claim) {
    eventually("the lease ends", async || match lock.inspect(claim.key()).await {
        Ok(None) => Some(()),
        _ => None,
    })
    .await;
}

/// At most one claim per key holds; keys do not influence each other.
pub async fn exclusion<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let rivals: Vec<_> = (0..32).map(|_| claim("one")).collect();
    let attempts = join_all(rivals.iter().map(|rival| acquire(&lock, rival, LONG))).await;
    let attempts = attempts.into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(attempts.iter().flatten().count(), 1, "exactly one of many gets the lock");
    assert!(acquire(&lock, &claim("other"), LONG).await?.is_some(), "another key is free");
    Ok(())
}

/// An attempt on a held key changes nothing and tells how long the lease still lasts.
pub async fn busy_says_when_to_look_again<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let holder = claim("key");
    let fence = acquire(&lock, &holder, LONG).await?;
    let Attempt::Busy(busy) = lock.try_acquire(&claim("key"), LONG / 10).await? else {
        unreachable!("the key is held");
    };
    assert!(busy.retry_after().is_none_or(|rest| rest <= LONG && rest > LONG / 2), "{busy:?}");
    let seen = lock.inspect(holder.key()).await?;
    assert_eq!(seen.as_ref().map(|seen| (*seen.owner(), Some(seen.fence()))), Some((*holder.owner(), fence)));
    assert!(seen.is_some_and(|seen| seen.remaining() > LONG / 2), "the rival's lease has no effect");
    Ok(())
}

/// An attempt by the holder succeeds with the same fence and starts the lease anew.
pub async fn same_owner_keeps_its_hold<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let holder = claim("key");
    let first = acquire(&lock, &holder, LONG / 10).await?;
    assert!(first.is_some());
    assert_eq!(acquire(&lock, &holder, LONG).await?, first);
    let seen = lock.inspect(holder.key()).await?;
    assert!(seen.is_some_and(|seen| seen.remaining() > LONG / 2), "the lease was started anew");
    // The mark that others are waiting must not make the holder a stranger.
    assert_eq!(acquire(&lock, &claim("key"), LONG).await?, None);
    assert_eq!(acquire(&lock, &holder, LONG).await?, first);
    for mode in F::MODES {
        let holder = claim(&format!("{mode:?}")).with_mode(*mode);
        let first = acquire(&lock, &holder, LONG).await?;
        assert!(first.is_some());
        // As an earlier attempt that comes late.
        assert_eq!(acquire(&lock, &holder, LONG / 10).await?, first);
        let seen = lock.inspect(holder.key()).await?;
        assert!(seen.is_some_and(|seen| seen.remaining() > LONG / 2), "the lease was cut: {mode:?}");
    }
    Ok(())
}

/// An unrenewed hold ends by itself.
pub async fn lease_expires<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    assert!(acquire(&lock, &claim("key"), F::SHORT).await?.is_some());
    let next = claim("key");
    let got = eventually("the key is free", async || acquire(&lock, &next, LONG).await.transpose()).await;
    got.map(drop)
}

/// `renew` starts the holder's lease anew.
pub async fn renew_extends_own_hold<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let holder = claim("key");
    assert!(acquire(&lock, &holder, LONG / 10).await?.is_some());
    assert!(lock.renew(&holder, LONG).await?);
    assert!(lock.inspect(holder.key()).await?.is_some_and(|seen| seen.remaining() > LONG / 2));
    assert_eq!(acquire(&lock, &claim("key"), LONG).await?, None, "and still excludes others");
    assert!(lock.renew(&holder, LONG).await?, "also after somebody found it held");
    Ok(())
}

/// `renew` of anybody but the holder, or after expiry, changes nothing.
pub async fn renew_never_resurrects<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let holder = claim("key");
    assert!(!lock.renew(&holder, LONG).await?, "a free key");
    assert!(acquire(&lock, &holder, F::SHORT).await?.is_some());
    free(&lock, &holder).await;
    assert!(!lock.renew(&holder, LONG).await?, "an expired hold");
    assert_eq!(lock.inspect(holder.key()).await?, None);
    assert!(acquire(&lock, &claim("key"), LONG / 10).await?.is_some());
    assert!(!lock.renew(&holder, LONG).await?, "somebody else's hold");
    assert!(lock.inspect(holder.key()).await?.is_some_and(|seen| seen.remaining() <= LONG / 10));
    Ok(())
}

/// `release` by the holder frees the key.
pub async fn release_frees<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let holder = claim("key");
    assert!(acquire(&lock, &holder, LONG).await?.is_some());
    assert!(lock.release(&holder).await?);
    assert!(!lock.release(&holder).await?, "only once");
    assert!(acquire(&lock, &claim("key"), LONG).await?.is_some());
    Ok(())
}

/// `release` by anybody but the holder changes nothing.
pub async fn release_of_others_is_refused<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let (late, holder) = (claim("key"), claim("key"));
    assert!(!lock.release(&late).await?, "a free key");
    assert!(acquire(&lock, &late, F::SHORT).await?.is_some());
    free(&lock, &late).await;
    assert!(acquire(&lock, &holder, LONG).await?.is_some());
    assert!(!lock.release(&late).await?, "the lock has passed on");
    assert_eq!(lock.inspect(holder.key()).await?.map(|seen| *seen.owner()), Some(*holder.owner()));
    Ok(())
}

/// Fences of one key strictly increase, over releases and expiries.
pub async fn fences_increase<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let mut last = None;
    for round in 0..40 {
        let holder = claim("key");
        let lease = if round % 10 == 0 { F::SHORT } else { LONG };
        let fence = eventually("the key is free", async || acquire(&lock, &holder, lease).await.transpose()).await?;
        assert!(Some(fence) > last, "{fence:?} after {last:?}");
        last = Some(fence);
        if lease == LONG {
            assert!(lock.release(&holder).await?);
        }
    }
    Ok(())
}

/// A watch opened before a release yields after it.
pub async fn watch_wakes<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    for _ in 0..20 {
        let (holder, waiter) = (claim("key"), claim("key"));
        assert!(acquire(&lock, &holder, LONG).await?.is_some());
        assert_eq!(acquire(&lock, &waiter, LONG).await?, None);
        let mut watch = lock.watch(&waiter).await?;
        if !watch.is_live() {
            return Ok(());
        }
        assert_eq!(acquire(&lock, &waiter, LONG).await?, None);
        assert!(lock.release(&holder).await?);
        assert!(timeout(PATIENCE, watch.changed()).await.is_ok(), "the watch yields after the release");
    }
    let [holder, writer, reader] = [Mode::Read, Mode::Write, Mode::Read].map(|mode| claim("shared").with_mode(mode));
    assert!(acquire(&lock, &holder, LONG).await?.is_some());
    assert_eq!(acquire(&lock, &writer, LONG).await?, None);
    assert_eq!(acquire(&lock, &reader, LONG).await?, None);
    let mut watch = lock.watch(&reader).await?;
    assert_eq!(acquire(&lock, &reader, LONG).await?, None);
    assert!(lock.release(&holder).await?);
    assert!(timeout(PATIENCE, watch.changed()).await.is_ok(), "the last reader has left");
    // It is the writer's turn, which is not there yet: the lock that the reader waits for is free.
    assert_eq!(acquire(&lock, &reader, LONG).await?, None);
    assert!(acquire(&lock, &writer, LONG).await?.is_some());
    assert!(lock.release(&writer).await?);
    assert!(timeout(PATIENCE, watch.changed()).await.is_ok(), "the writer has left as well");
    assert!(acquire(&lock, &reader, LONG).await?.is_some());
    Ok(())
}

/// `inspect` shows the holder, and `None` when free.
pub async fn inspect_tells_the_holder<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let holder = claim("key");
    assert_eq!(lock.inspect(holder.key()).await?, None);
    let fence = acquire(&lock, &holder, LONG).await?;
    let Some(seen) = lock.inspect(holder.key()).await? else { unreachable!("the key is held") };
    assert_eq!((seen.owner(), Some(seen.fence())), (holder.owner(), fence));
    assert!(seen.remaining() <= LONG && seen.remaining() > LONG / 2, "{seen:?}");
    assert!(lock.release(&holder).await?);
    assert_eq!(lock.inspect(holder.key()).await?, None);
    Ok(())
}

/// After release or expiry nothing is stored for the key.
pub async fn nothing_is_left<F: Fixture>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    for number in 0..50 {
        let holder = claim(&format!("key:{number}"));
        let lease = if number % 2 == 0 { LONG } else { F::SHORT };
        assert!(acquire(&lock, &holder, lease).await?.is_some());
        let rival = Claim::new(holder.key().clone(), Owner::random());
        // A rival that comes late may find the short lease ended; then it is the one to clean up.
        let _ = acquire(&lock, &rival, F::SHORT).await?;
        drop(lock.watch(&rival).await?);
        if lease == LONG {
            assert!(lock.release(&holder).await?);
        }
    }
    nothing_stays(&fixture).await;
    Ok(())
}
