//! One test per bullet of the contract of [`QuorumNode`].

use super::{Fixture, LONG, claim};
use crate::error::Result;
use crate::fence::Fence;
use crate::lock::{Attempt, Claim, DistributedLock as _, Mode};
use crate::redlock::QuorumNode;

/// Farther ahead than any clock.
const AHEAD: u64 = 1 << 40;

async fn at(lock: &impl QuorumNode, claim: &Claim, fence: Fence) -> Result<Option<Fence>> {
    Ok(match lock.try_acquire_at(claim, LONG, fence).await? {
        Attempt::Acquired(fence) => Some(fence),
        Attempt::Busy(_) => None,
    })
}

/// `settle` makes a token the token of a hold, and all later ones greater.
pub async fn settled_tokens_stay_and_later_ones_are_greater<F: Fixture<Lock: QuorumNode>>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    for &mode in F::MODES {
        let of = |mode: Mode| claim("key").with_mode(mode);
        let (holder, late) = (of(mode), of(mode));
        let Some(first) = at(&lock, &holder, Fence::new(0)).await? else { unreachable!("the key is free") };
        let settled = Fence::new(first.get() + AHEAD);
        assert!(lock.settle(&holder, settled).await?, "{mode:?} holds");
        assert_eq!(lock.inspect(holder.key()).await?.map(|seen| seen.fence()), Some(settled), "{mode:?}");
        assert_eq!(at(&lock, &holder, first).await?, Some(settled), "{mode:?} keeps it");
        assert!(lock.renew(&holder, LONG).await?, "{mode:?} is untouched otherwise");
        assert!(lock.release(&holder).await?);
        let Some(second) = at(&lock, &late, first).await? else { unreachable!("the key is free") };
        assert!(second > settled, "{mode:?}: {second} after {settled}");
        assert!(lock.release(&late).await?);
        let belated = Fence::new(second.get() + AHEAD);
        assert!(!lock.settle(&holder, belated).await?, "{mode:?} does not hold any more");
        let third = at(&lock, &of(mode), first).await?;
        assert!(third > Some(belated), "{mode:?}: {third:?} after {belated}");
        assert!(!lock.settle(&holder, belated).await?, "another one holds");
        let Some(seen) = lock.inspect(holder.key()).await? else { unreachable!("it holds") };
        assert_eq!(Some(seen.fence()), third, "{mode:?}: and keeps its token");
        assert!(lock.release(&seen.claim(holder.key().clone()).with_mode(mode)).await?);
    }
    Ok(())
}

/// `try_settle` gives a hold the token, or one that no hold has had.
pub async fn contested_tokens_go_to_one_hold<F: Fixture<Lock: QuorumNode>>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    for &mode in F::MODES {
        let holder = claim("key").with_mode(mode);
        let Some(first) = at(&lock, &holder, Fence::new(0)).await? else { unreachable!("the key is free") };
        assert_eq!(lock.try_settle(&holder, first).await?, Some(first), "{mode:?} has it already");
        let raised = Fence::new(first.get() + AHEAD);
        assert_eq!(lock.try_settle(&holder, raised).await?, Some(raised), "{mode:?}: nobody has one as great");
        assert_eq!(lock.try_settle(&holder, raised).await?, Some(raised), "{mode:?}: asked for again");
        assert_eq!(lock.inspect(holder.key()).await?.map(|seen| seen.fence()), Some(raised), "{mode:?}");
        let Some(anew) = lock.try_settle(&holder, first).await? else { unreachable!("{mode:?} holds") };
        assert!(anew > raised, "{mode:?}: {anew} after {raised}");
        assert_eq!(at(&lock, &holder, first).await?, Some(anew), "{mode:?} keeps it");
        assert!(lock.renew(&holder, LONG).await?, "{mode:?} is untouched otherwise");
        assert!(lock.release(&holder).await?);
        assert_eq!(lock.try_settle(&holder, Fence::new(anew.get() + AHEAD)).await?, None, "{mode:?} does not hold");
    }
    // Of two that hold at the same time, one gets what both ask for.
    let (one, other) = (claim("shared").with_mode(Mode::Read), claim("shared").with_mode(Mode::Read));
    let (Some(_), Some(later)) = (at(&lock, &one, Fence::new(0)).await?, at(&lock, &other, Fence::new(0)).await?)
    else {
        unreachable!("readers share")
    };
    let wanted = Fence::new(later.get() + AHEAD);
    assert_eq!(lock.try_settle(&one, wanted).await?, Some(wanted));
    let given = lock.try_settle(&other, wanted).await?;
    assert!(given > Some(wanted), "{given:?} after {wanted}");
    assert_eq!(lock.try_settle(&one, wanted).await?, Some(wanted), "which stays with the first");
    assert!(lock.release(&one).await? && lock.release(&other).await?);
    Ok(())
}

/// `try_acquire_at` never gives a token that is not greater than all before, whatever was proposed.
pub async fn proposals_never_lower_a_token<F: Fixture<Lock: QuorumNode>>() -> Result<()> {
    let fixture = F::start().await;
    let lock = fixture.lock();
    let mut last = None;
    for &mode in F::MODES {
        for proposal in [0, 1, AHEAD, u64::from(last.unwrap_or(Fence::new(0))) + AHEAD, 2] {
            let (holder, rival) = (claim("key").with_mode(mode), claim("key"));
            let given = at(&lock, &holder, Fence::new(proposal)).await?;
            assert!(given > last, "{mode:?}: {given:?} after {last:?}, proposed {proposal}");
            assert_eq!(at(&lock, &holder, Fence::new(proposal + AHEAD)).await?, given, "{mode:?}: the own hold stays");
            assert_eq!(at(&lock, &rival, Fence::new(proposal + AHEAD)).await?, None, "{mode:?}: nobody else gets it");
            last = given;
            assert!(lock.release(&holder).await?);
        }
    }
    Ok(())
}
