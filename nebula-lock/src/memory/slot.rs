//! What is known of one key: who holds it and who waits for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::fence::Fence;
use crate::lock::{Claim, Holder, Mode};
use crate::owner::Owner;

#[derive(Debug, Default)]
pub(super) struct Slot {
    /// One, or several readers.
    holds: Vec<Hold>,
    /// Fair claims in the order of arrival.
    queue: Vec<Waiter>,
    /// Writers that wait; readers keep out of their way.
    writers: Vec<Waiter>,
}

#[derive(Debug)]
struct Hold {
    owner: Owner,
    fence: Fence,
    end: Instant,
    reads: bool,
    /// The place in the queue to which it was handed over, until its owner is heard of.
    handed: Option<u64>,
}

/// A claim that waits, and when it counts as dead unless it tries again.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) owner: Owner,
    pub(super) end: Instant,
    /// How long it wants to hold what is handed over to it.
    pub(super) lease: Duration,
    /// The number of its place.
    place: u64,
}

impl Slot {
    /// Forgets holds and waiters whose time is over; tells whether there were any.
    pub(super) fn prune(&mut self, now: Instant) -> bool {
        let before = self.len();
        self.holds.retain(|hold| hold.end > now);
        self.queue.retain(|waiter| waiter.end > now);
        self.writers.retain(|waiter| waiter.end > now);
        self.len() < before
    }

    fn len(&self) -> usize {
        self.holds.len() + self.queue.len() + self.writers.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_held(&self) -> bool {
        !self.holds.is_empty()
    }

    /// Lets the claim's own hold last until `end`; tells its fence and when it would have ended. A writer that asks to
    /// read becomes a reader.
    pub(super) fn extend(&mut self, claim: &Claim, end: Instant) -> Option<(Fence, Instant)> {
        let hold = self.holds.iter_mut().find(|hold| hold.owner == *claim.owner())?;
        hold.reads |= claim.mode() == Mode::Read;
        hold.handed = None;
        Some((hold.fence, std::mem::replace(&mut hold.end, end)))
    }

    /// When the claim's own hold ends.
    pub(super) fn end_of(&self, owner: &Owner) -> Option<Instant> {
        self.holds.iter().find(|hold| hold.owner == *owner).map(|hold| hold.end)
    }

    /// Whether the claim can have the key now.
    pub(super) fn admits(&self, claim: &Claim) -> bool {
        match claim.mode() {
            Mode::Exclusive | Mode::Write => self.holds.is_empty(),
            Mode::Fair => self.holds.is_empty() && self.queue.first().is_none_or(|first| first.owner == *claim.owner()),
            Mode::Read => self.holds.iter().all(|hold| hold.reads) && self.writers.is_empty(),
        }
    }

    pub(super) fn hold(&mut self, claim: &Claim, fence: Fence, end: Instant) {
        self.stop_waiting(claim.owner());
        let reads = claim.mode() == Mode::Read;
        self.holds.push(Hold { owner: *claim.owner(), fence, end, reads, handed: None });
    }

    /// Notes that the claim waits, until `end` unless it is heard of again. `number`: that of its place, if it has none yet.
    /// Tells which end was noted before, and the number of its place in the queue.
    pub(super) fn wait(
        &mut self,
        claim: &Claim,
        lease: Duration,
        end: Instant,
        number: u64,
    ) -> (Option<Instant>, Option<u64>) {
        let waiters = match claim.mode() {
            Mode::Fair => &mut self.queue,
            Mode::Write => &mut self.writers,
            Mode::Exclusive | Mode::Read => return (None, None),
        };
        let known = waiters.iter_mut().find(|waiter| waiter.owner == *claim.owner());
        let (before, place) = match known {
            Some(waiter) => {
                waiter.lease = lease;
                (Some(std::mem::replace(&mut waiter.end, end)), waiter.place)
            }
            None => {
                waiters.push(Waiter { owner: *claim.owner(), end, lease, place: number });
                (None, number)
            }
        };
        (before, (claim.mode() == Mode::Fair).then_some(place))
    }

    /// Takes whoever is next out of the queue, if the key is free.
    pub(super) fn next(&mut self) -> Option<Waiter> {
        (self.holds.is_empty() && !self.queue.is_empty()).then(|| self.queue.remove(0))
    }

    /// Makes whoever was next the holder.
    pub(super) fn hand_over(&mut self, next: &Waiter, fence: Fence, end: Instant) {
        self.holds.push(Hold { owner: next.owner, fence, end, reads: false, handed: Some(next.place) });
    }

    /// The number of the place to which the key was handed over, and the token, if that is all that the claim did for it.
    pub(super) fn handed_to(&self, owner: &Owner) -> Option<(u64, Fence)> {
        let hold = self.holds.iter().find(|hold| hold.owner == *owner)?;
        hold.handed.map(|place| (place, hold.fence))
    }

    /// Removes the claim's hold, and tells when it would have ended.
    pub(super) fn release(&mut self, owner: &Owner) -> Option<Instant> {
        let place = self.holds.iter().position(|hold| hold.owner == *owner)?;
        Some(self.holds.swap_remove(place).end)
    }

    pub(super) fn fence_of(&self, owner: &Owner) -> Option<Fence> {
        self.holds.iter().find(|hold| hold.owner == *owner).map(|hold| hold.fence)
    }

    /// Changes the token of a hold, if there is one.
    pub(super) fn settle(&mut self, owner: &Owner, fence: Fence) -> bool {
        let hold = self.holds.iter_mut().find(|hold| hold.owner == *owner);
        hold.map(|hold| hold.fence = fence).is_some()
    }

    pub(super) fn stop_waiting(&mut self, owner: &Owner) -> bool {
        let before = self.len();
        self.queue.retain(|waiter| waiter.owner != *owner);
        self.writers.retain(|waiter| waiter.owner != *owner);
        self.len() < before
    }

    /// How long the hold that ends last still lasts.
    pub(super) fn rest(&self, now: Instant) -> Option<Duration> {
        self.holds.iter().map(|hold| hold.end - now).max()
    }

    pub(super) fn holder(&self, now: Instant) -> Option<Holder> {
        let last = self.holds.iter().max_by_key(|hold| hold.end)?;
        let holder = Holder::new(last.owner, last.fence, last.end - now);
        let holder = if last.reads { holder.sharing_with(self.holds.len() - 1) } else { holder };
        Some(holder.with_waiting(self.queue.len() + self.writers.len()))
    }
}
