//! Answers, from memory as long as that may be believed.

mod cache;
pub(crate) mod coarse;
mod explain;
mod feed;
mod key;
mod known;
#[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "only Redis is such a level"))]
mod level;
mod menu;
mod options;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_level;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) use self::cache::Held;
use self::{cache::Cache, level::Level};
pub use self::{
    explain::{Explanation, GrantedBy, Question, ReachedBy},
    key::{PermissionKey, StaticPermission},
    known::KnownUser,
    menu::MenuNode,
    options::EvaluatorOptions,
};
use super::{
    authority::{Active, Authority},
    codec,
    model::SeparationKind,
    name::{ConstraintName, RoleName, UserId},
    permission::Permission,
    policy::Policy,
    service::{Observer, RbacService},
    store::{Head, RbacStore, StoredUser},
};
use crate::{
    error::{Error, ErrorKind},
    telemetry,
};

/// For how long the store's clock is reckoned with the one here.
const CLOCK_LASTS: Duration = Duration::from_mins(10);

/// Says what users may do, in nanoseconds.
///
/// What the store says about a user is kept in this process: as one bit per permission that the program checks. A check of
/// a known user reads three numbers and one bit; it takes no lock, allocates nothing and reads no clock.
///
/// - **Here, at once.** A change through a service that was made with [`service`](Self::service) is seen by every check
///   that begins after the change has returned.
/// - **Elsewhere, soon.** Every process asks the store what has changed, every 400 ms by default; with a signal (feature
///   `redis`) it asks at once when another process says so. Lost signals cost no more than that.
/// - **Never beyond the lease.** When the store does not answer, what is known may be used until its lease (3 s by default)
///   is over, and then no more: questions go to the store itself, and if it cannot answer, the answer is an error and
///   nobody is let through. The lease counts from before the store was asked, and is watched by a thread of its own
///   every 10 ms.
/// - **No late fill.** A user who is changed while they are read is read again.
/// - **Read once for all.** With a cache on Redis (feature `redis`, `with_redis_cache`) processes share what they have read; it is
///   believed under the same conditions, and Redis is not trusted with it.
///
/// Clones share everything; with the last one the background task ends.
///
/// ```
/// use nebula_auth::rbac::{
///     Actor, EvaluatorOptions, MemoryRbacStore, Permission, PermissionEvaluator, PermissionKey, PermissionPattern,
///     RbacService, UserId,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), EvaluatorOptions::new()).await?;
/// let rbac = evaluator.service();
/// let (ann, read) = (UserId::new("ann")?, PermissionKey::of(&Permission::new("order:read")?));
///
/// assert!(!evaluator.check(&ann, read).await?);
/// rbac.grant(&Actor::system("demo"), &ann, &PermissionPattern::new("order:*")?, None).await?.into_result()?;
/// assert!(evaluator.check(&ann, read).await?);
/// assert_eq!(evaluator.cached("ann", read), Some(true)); // synchronous, for whoever is known
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct PermissionEvaluator {
    shared: Arc<Shared>,
    _running: Arc<Running>,
}

/// Ends the background task.
struct Running(Arc<Notify>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

pub(crate) struct Shared {
    store: Arc<dyn RbacStore>,
    options: EvaluatorOptions,
    cache: Cache,
    /// Up to here every change is known.
    position: Mutex<Head>,
    /// The highest number that the store has shown: what it says with a lower one is from the past.
    seen: AtomicU64,
    /// The highest one of a commit that changed the policy.
    seen_policy: AtomicU64,
    /// What processes share.
    level: OnceLock<Level>,
    policy: Mutex<Option<(u64, Arc<Policy>)>>,
    wake: Arc<Notify>,
    stop: Arc<Notify>,
    signals: Mutex<Vec<Box<dyn Announce>>>,
}

/// Tells other processes that something has changed.
pub(crate) trait Announce: Send + Sync {
    fn announce(&self, sequence: u64);
}

/// Roles chosen for one session, and what comes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// This is what may be done with them.
    Active(Authority),
    /// The user does not have this role.
    NotHeld(RoleName),
    /// These roles must not be used together.
    Conflict(ConstraintName),
    /// The token belongs to no session that could use roles of its own.
    NoSession,
}

impl PermissionEvaluator {
    /// Reads the policy and the first users, and begins to follow changes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for options that make no sense; whatever the store reports.
    ///
    /// # Cancel safety
    /// Safe: nothing is left behind.
    pub async fn start(store: impl RbacStore, options: EvaluatorOptions) -> Result<Self, Error> {
        options.check()?;
        coarse::start().map_err(|error| {
            Error::internal("the clock of the permission cache cannot be started").with_source(error)
        })?;
        let shared = Arc::new(Shared {
            store: Arc::new(store),
            cache: Cache::new(options.capacity),
            options,
            position: Mutex::default(),
            seen: AtomicU64::new(0),
            seen_policy: AtomicU64::new(0),
            level: OnceLock::new(),
            policy: Mutex::default(),
            wake: Arc::default(),
            stop: Arc::default(),
            signals: Mutex::default(),
        });
        let head = shared.store.head().await?;
        shared.saw(head);
        *shared.position.lock() = head;
        shared.catch_up().await?;
        shared.preload().await?;
        tokio::spawn(feed::follow(Arc::downgrade(&shared)));
        let running = Arc::new(Running(Arc::clone(&shared.stop)));
        Ok(Self { shared, _running: running })
    }

    /// Administers the same store, in such a way that changes are seen here at once.
    #[must_use]
    pub fn service(&self) -> RbacService {
        let observer: Arc<dyn Observer> = Arc::<Shared>::clone(&self.shared);
        RbacService::new(Arc::clone(&self.shared.store)).observed_by(observer)
    }

    /// Whether a user has a permission, if that is known at this moment. Never waits; nothing means: ask
    /// [`check`](Self::check).
    #[inline]
    #[must_use]
    pub fn cached(&self, user: &str, key: PermissionKey) -> Option<bool> {
        self.shared.cache.check(user, key)
    }

    /// Whether a user has a permission. Asks the store if it has to.
    ///
    /// # Errors
    /// If the answer is not known and the store cannot give it. Then nobody is to be let through.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    #[inline]
    pub async fn check(&self, user: &UserId, key: PermissionKey) -> Result<bool, Error> {
        if let Some(answer) = self.cached(user.as_str(), key) {
            return Ok(answer);
        }
        let held = self.shared.read(user).await?;
        // Younger than the set: the patterns know.
        Ok(held.has(key).unwrap_or_else(|| held.authority.allows(&key.permission())))
    }

    /// As [`check`](Self::check), for a permission whose name is known only at run time.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn check_name(&self, user: &UserId, permission: &Permission) -> Result<bool, Error> {
        match PermissionKey::known(permission) {
            Some(key) => self.check(user, key).await,
            None => Ok(self.held(user).await?.authority.allows(permission)),
        }
    }

    /// Whether a user has a role, inherited ones included.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn has_role(&self, user: &UserId, role: &RoleName) -> Result<bool, Error> {
        Ok(self.held(user).await?.authority.roles.contains(role))
    }

    /// Everything that a user may do.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn authority(&self, user: &UserId) -> Result<Authority, Error> {
        Ok(self.held(user).await?.authority.clone())
    }

    /// What a user may do in a session in which they use only these roles.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn activate(&self, user: &UserId, roles: &BTreeSet<RoleName>) -> Result<Activation, Error> {
        let held = self.held(user).await?;
        if let Some(role) = roles.iter().find(|role| !held.has_own(role)) {
            return Ok(Activation::NotHeld(role.clone()));
        }
        let all = held.policy.closure(roles);
        let mut rules = held.policy.separations.values().filter(|rule| rule.kind == SeparationKind::Dynamic);
        if let Some(rule) = rules.find(|rule| rule.is_broken_by(&all)) {
            return Ok(Activation::Conflict(rule.name.clone()));
        }
        Ok(Activation::Active(held.chosen(roles)))
    }

    pub(crate) async fn held(&self, user: &UserId) -> Result<Arc<Held>, Error> {
        match self.shared.cache.get(user.as_str()) {
            Some(held) => Ok(held),
            None => self.shared.read(user).await,
        }
    }

    /// How many users are known at this moment.
    #[must_use]
    pub fn cached_users(&self) -> usize {
        self.shared.cache.len()
    }

    /// Whether this process knows at this moment what others have changed.
    ///
    /// # Errors
    /// If it does not, or if the store does not answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn health(&self) -> Result<(), Error> {
        self.shared.store.health().await?;
        if self.shared.cache.is_fresh() {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Unavailable, "it is not known what other processes have changed"))
        }
    }
}

impl fmt::Debug for PermissionEvaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermissionEvaluator").field("store", &self.shared.store).finish_non_exhaustive()
    }
}

impl Shared {
    /// Reads a user from the store, once for all who ask at the same time.
    async fn read(&self, user: &UserId) -> Result<Arc<Held>, Error> {
        let reading = async {
            // A user who is changed all the time is answered about at the third reading without being kept.
            let mut last = None;
            for attempt in 0..3 {
                let flight = self.cache.take_off(user);
                let _landing = Landing { cache: &self.cache, user, flight: &flight };
                let _turn = flight.turn.lock().await;
                if let Some(held) = self.cache.get(user.as_str())
                    && held.has_all()
                {
                    return Ok(held);
                }
                if flight.stale.load(Ordering::Acquire) {
                    continue;
                }
                if attempt == 0
                    && let Some(held) = self.recall(user).await
                {
                    if self.cache.land(&flight, &held) {
                        return Ok(held);
                    }
                    continue;
                }
                let held = self.fetch(user).await?;
                if self.cache.land(&flight, &held) {
                    return Ok(held);
                }
                last = Some(held);
            }
            match last {
                // Read after the question was asked: as good an answer as any.
                Some(held) => Ok(held),
                None => self.fetch(user).await,
            }
        };
        let answer = tokio::time::timeout(self.options.timeout, reading).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, "the store did not say in time what a user may do"))
        });
        if answer.is_err() {
            telemetry::permissions_read("failed");
        }
        answer
    }

    fn saw(&self, head: Head) {
        self.seen.fetch_max(head.sequence, Ordering::AcqRel);
        self.seen_policy.fetch_max(head.policy, Ordering::AcqRel);
    }

    /// From what processes share, if it is known here that nothing has changed since.
    async fn recall(&self, user: &UserId) -> Option<Arc<Held>> {
        let level = self.level.get()?;
        if !self.cache.is_fresh() || self.options.max_age.is_zero() {
            return None;
        }
        let stored = level.shared.recall(user).await?;
        let seen = self.seen.load(Ordering::Acquire);
        if !level.journal.lock().vouches(user, stored.head.sequence, seen) {
            return None;
        }
        let policy = stored.head.policy.max(self.seen_policy.load(Ordering::Acquire));
        let policy = self.policy_at(Head { policy, ..stored.head }).await.ok()?;
        // Rather too late than too early: what is given for a time ends at its time, or before.
        let asked = coarse::precise();
        let now = (*level.clock.lock())
            .filter(|(_, since)| asked < coarse::after(*since, CLOCK_LASTS))
            .map(|(shown, since)| shown + Duration::from_millis(asked.saturating_sub(since)))?
            .max(stored.now);
        let lasts = self.options.max_age.checked_sub(now.duration_since(stored.now).unwrap_or_default())?;
        let held = self.hold(&stored, policy, (now, asked), lasts).ok()?;
        // What is believed is believed because the store was heard of within the lease.
        if !self.cache.is_fresh() {
            return None;
        }
        telemetry::permissions_read("shared");
        Some(held)
    }

    async fn fetch(&self, user: &UserId) -> Result<Arc<Held>, Error> {
        let known = self.seen.load(Ordering::Acquire);
        let asked = coarse::precise();
        let stored = self.store.user(user).await?;
        if stored.head.sequence < known {
            return Err(Error::new(ErrorKind::Unavailable, "the store answers from the past"));
        }
        self.saw(stored.head);
        let policy = self.policy_at(stored.head).await?;
        let held = self.hold(&stored, policy, (stored.now, asked), self.options.max_age)?;
        telemetry::permissions_read("read");
        if let Some(level) = self.level.get() {
            *level.clock.lock() = Some((stored.now, asked));
            level.shared.remember(&stored);
        }
        Ok(held)
    }

    /// What a record comes to at a moment: on the store's clock, and on the coarse one.
    fn hold(
        &self,
        stored: &StoredUser,
        policy: Arc<Policy>,
        (now, asked): (SystemTime, u64),
        mut lasts: Duration,
    ) -> Result<Arc<Held>, Error> {
        let record = codec::user(&stored.id, stored.body.as_deref())?;
        let authority = record.as_ref().map(|user| Authority::of(&policy, user, Active::Compatible, now));
        let authority = authority.unwrap_or_default();
        if let Some(until) = authority.until {
            lasts = lasts.min(until.duration_since(now).unwrap_or_default());
        }
        // The coarse clock is late by a tick, within which no time at all would still be some.
        let deadline = if lasts.is_zero() { 0 } else { coarse::after(asked, lasts) };
        Ok(self.cache.held(stored.id.clone(), record, authority, policy, (now, deadline)))
    }

    /// The policy as of that head or later.
    async fn policy_at(&self, head: Head) -> Result<Arc<Policy>, Error> {
        if let Some((version, policy)) = self.policy.lock().as_ref()
            && *version >= head.policy
        {
            return Ok(Arc::clone(policy));
        }
        let stored = self.store.policy().await?;
        if stored.head.policy < head.policy {
            return Err(Error::new(ErrorKind::Unavailable, "the store answers from the past"));
        }
        let policy = Arc::new(codec::policy(&stored)?);
        let mut known = self.policy.lock();
        if known.as_ref().is_none_or(|(version, _)| *version < stored.head.policy) {
            *known = Some((stored.head.policy, Arc::clone(&policy)));
        }
        Ok(policy)
    }

    async fn preload(&self) -> Result<(), Error> {
        let head = self.store.head().await?;
        self.policy_at(head).await?;
        let users = self
            .store
            .users(None, self.options.preload.min(u32::try_from(self.options.capacity).unwrap_or(u32::MAX)))
            .await?;
        for user in users {
            self.read(&user.id).await?;
        }
        Ok(())
    }
}

/// Forgets the reading when whoever reads is done or gone.
struct Landing<'a> {
    cache: &'a Cache,
    user: &'a UserId,
    flight: &'a Arc<cache::Flight>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.cache.give_up(self.user, self.flight);
    }
}

/// For parts that must not keep the evaluator alive.
#[cfg_attr(not(feature = "redis"), expect(dead_code, reason = "only signals need it"))]
pub(crate) fn weak(evaluator: &PermissionEvaluator) -> Weak<Shared> {
    Arc::downgrade(&evaluator.shared)
}
