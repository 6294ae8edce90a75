//! The trait that a backend implements, and its value types.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::fence::Fence;
use crate::key::LockKey;
use crate::owner::Owner;
use crate::watch::Watch;

/// The few atomic operations that only a backend can do. Waiting, renewal, deadlines, clean-up and statistics are
/// written once, for all backends, in [`LockManager`](crate::LockManager).
///
/// A *claim* is one owner's wish for one key. A claim *holds* from a successful `try_acquire` until it is released or
/// its lease, counted on the backend's clock from the last successful `try_acquire` or `renew`, has passed.
///
/// # Contract
///
/// The suite in [`testing`](crate::testing) (feature `testing`) has one test of the same name for each bullet.
///
/// - `exclusion`: at most one claim per key holds at any time; keys do not influence each other.
/// - `busy_says_when_to_look_again`: an attempt on a held key changes nothing and tells how long the holder's lease
///   still lasts, if the backend knows.
/// - `same_owner_keeps_its_hold`: an attempt by the holder succeeds with the same fence and starts the lease anew, so
///   that an attempt with an unknown outcome can be repeated. It never cuts the lease: should one come late, what a
///   renewal has added meanwhile stays.
/// - `lease_expires`: an unrenewed hold ends by itself; the key is free then.
/// - `renew_extends_own_hold`: `renew` starts the holder's lease anew and returns `true`.
/// - `renew_never_resurrects`: `renew` of anybody but the holder, or after expiry, returns `false` and changes nothing.
/// - `release_frees`: `release` by the holder returns `true`, and the key is free.
/// - `release_of_others_is_refused`: `release` by anybody but the holder returns `false` and changes nothing.
/// - `fences_increase`: fences of one key strictly increase, over releases and expiries.
/// - `watch_wakes`: a watch opened before a release of the key yields after it, also that of a reader whom a waiting writer keeps
///   out of a free lock. Where the lock is handed over, the watch of whoever it was handed to is enough. It may yield at other times
///   as well.
/// - `handed_over_locks_hold`: when a lock is released, a backend may hand it over to the claim that is next in line and that it
///   gave a [`Place`] when it last tried. That claim then holds without a further attempt, for what is left of its place, and its
///   watch yields [`Hint::HandedOver`](crate::Hint::HandedOver). Should it try nevertheless, that starts its whole lease.
/// - `inspect_tells_the_holder`: `inspect` shows owner, fence and remaining lease of the holder, and `None` when free.
/// - `kinds_exclude_each_other`: whatever the modes, claims of one key exclude each other, except for readers.
/// - `fair_claims_get_it_in_order`: of fair claims that wait, only the one that came first can acquire.
/// - `dead_waiters_are_passed_over`: a fair claim, or a waiting writer, that does not try again within a few seconds
///   no longer stands in the way of others; one that is released stands aside at once.
/// - `readers_share`: readers hold together, each with a lease and a fence of its own.
/// - `waiting_writer_bars_readers`: while a writer waits, no new reader gets in.
/// - `writer_may_turn_reader`: an attempt to read by the writer that holds makes it a reader with the same fence.
/// - `nothing_is_left`: after release or expiry, nothing is stored for the key that would grow with the number of keys.
#[async_trait]
pub trait DistributedLock: fmt::Debug + Send + Sync + 'static {
    /// Takes the lock if it is free, for `lease`. `Err`: the backend could not say.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) if the claim may hold nevertheless;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for fair claims, if the backend has no order of arrival.
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt>;

    /// Starts the lease of a hold anew. `false`: the claim does not hold.
    ///
    /// # Errors
    ///
    /// When the backend could not say.
    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool>;

    /// Gives the claim up, also one that only waits. `false`: the claim did not hold.
    ///
    /// # Errors
    ///
    /// When the backend could not say.
    async fn release(&self, claim: &Claim) -> Result<bool>;

    /// Opens a source of hints that the claim's key may have become free. Hints may come without reason; the caller
    /// tries again after opening the watch, and from time to time without a hint.
    ///
    /// # Errors
    ///
    /// When no watch can be opened now; the caller polls then.
    async fn watch(&self, claim: &Claim) -> Result<Watch>;

    /// Joins a watch of the claim's key that is open already, if that takes no command. Whoever does so before an attempt need
    /// not try a second time to be sure that no hint was missed. `None`, as by default: there is no such watch.
    fn join_watch(&self, claim: &Claim) -> Option<Watch> {
        let _ = claim;
        None
    }

    /// Who holds the key, and how many wait for it as far as they are believed to be alive.
    ///
    /// # Errors
    ///
    /// When the backend could not say.
    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>>;

    /// Asks the backend for a sign of life.
    ///
    /// # Errors
    ///
    /// When there is none.
    async fn ping(&self) -> Result<()>;
}

/// One owner's wish for one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    key: LockKey,
    owner: Owner,
    mode: Mode,
}

/// What a claim wants the lock for. Claims of every mode exclude each other, except for readers among themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Alone, in no particular order.
    #[default]
    Exclusive,
    /// Alone, in the order of arrival among fair claims.
    Fair,
    /// Together with other readers. New readers wait while a writer waits.
    Read,
    /// Alone.
    Write,
}

impl Claim {
    /// The claim of `owner` on `key`, exclusive.
    #[must_use]
    pub const fn new(key: LockKey, owner: Owner) -> Self {
        Self { key, owner, mode: Mode::Exclusive }
    }

    /// Changes the mode.
    #[must_use]
    pub const fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// What the lock is wanted for.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The key that is claimed.
    #[must_use]
    pub const fn key(&self) -> &LockKey {
        &self.key
    }

    /// Who claims it.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }
}

/// The outcome of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The claim holds now.
    Acquired(Fence),
    /// Somebody else holds the key.
    Busy(Busy),
}

/// What an attempt on a held key learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    retry_after: Option<Duration>,
    place: Option<Place>,
}

/// A place in the line for a lock that is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    number: u64,
    lasts: Duration,
}

impl Place {
    /// A place with a number that the claim never had before, which is kept for so long after the attempt arrived.
    #[must_use]
    pub const fn new(number: u64, lasts: Duration) -> Self {
        Self { number, lasts }
    }

    /// What tells it from earlier places of the same claim.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// How long after the attempt it is kept, and how long after the attempt a lock is held that is handed over to it.
    #[must_use]
    pub const fn lasts(&self) -> Duration {
        self.lasts
    }
}

impl Busy {
    /// Held, for an unknown time.
    #[must_use]
    pub const fn new() -> Self {
        Self { retry_after: None, place: None }
    }

    /// Adds the time after which the holder's lease ends if it is not renewed.
    #[must_use]
    pub const fn with_retry_after(mut self, rest: Duration) -> Self {
        self.retry_after = Some(rest);
        self
    }

    /// The time after which the holder's lease ends if it is not renewed.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Adds that the lock may be handed over to this place in line.
    #[must_use]
    pub const fn with_place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same for a claim that is to try again in any case.
    #[cfg(feature = "redis")]
    pub(crate) const fn without_place(mut self) -> Self {
        self.place = None;
        self
    }

    /// The place in line to which the lock may be handed over.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        self.place
    }
}

/// Who holds a key, as [`DistributedLock::inspect`] sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    owner: Owner,
    fence: Fence,
    remaining: Duration,
    shared: bool,
    other_readers: usize,
    waiting: usize,
}

impl Holder {
    /// A holder whose lease lasts for another `remaining`.
    #[must_use]
    pub const fn new(owner: Owner, fence: Fence, remaining: Duration) -> Self {
        Self { owner, fence, remaining, shared: false, other_readers: 0, waiting: 0 }
    }

    /// The owner.
    #[must_use]
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The claim that holds, of a mode that suits its release.
    #[must_use]
    pub const fn claim(&self, key: LockKey) -> Claim {
        Claim::new(key, self.owner).with_mode(if self.shared { Mode::Read } else { Mode::Exclusive })
    }

    /// The fence token of the hold.
    #[must_use]
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// How long the lease lasts if it is not renewed.
    #[must_use]
    pub const fn remaining(&self) -> Duration {
        self.remaining
    }

    /// Says that it is a reader, together with this number of others.
    #[must_use]
    pub const fn sharing_with(mut self, others: usize) -> Self {
        self.shared = true;
        self.other_readers = others;
        self
    }

    /// Whether it is a reader.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.shared
    }

    /// How many readers share the lock with this one, whose lease ends last.
    #[must_use]
    pub const fn other_readers(&self) -> usize {
        self.other_readers
    }

    /// Adds the number of waiting claims.
    #[must_use]
    pub const fn with_waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// How many claims the backend knows to be waiting: those in a fair queue, and writers that wait for readers. Those that were
    /// not heard of for longer than waiters are believed in are not counted.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }
}

macro_rules! forward {
    ($pointer:ty) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<L: DistributedLock + ?Sized> DistributedLock for $pointer {
            async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
                (**self).try_acquire(claim, lease).await
            }

            async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
                (**self).renew(claim, lease).await
            }

            async fn release(&self, claim: &Claim) -> Result<bool> {
                (**self).release(claim).await
            }

            async fn watch(&self, claim: &Claim) -> Result<Watch> {
                (**self).watch(claim).await
            }

            fn join_watch(&self, claim: &Claim) -> Option<Watch> {
                (**self).join_watch(claim)
            }

            async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
                (**self).inspect(key).await
            }

            async fn ping(&self) -> Result<()> {
                (**self).ping().await
            }
        }
    };
}

forward!(Arc<L>);
forward!(Box<L>);
