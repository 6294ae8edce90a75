//! Changes of roles and users, judged before they are made.

mod draft;
mod policies;
mod refusal;
mod users;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::time::Instant;

pub(crate) use self::draft::Draft;
use self::draft::{Judgement, Users};
pub use self::refusal::RbacRefusal;
use super::{
    authority::{Active, Authority},
    codec,
    model::User,
    name::{RoleName, UserId},
    permission::Permission,
    policy::Policy,
    store::{Commit, CommitOutcome, Expect, Head, RbacStore, StoredUser, UserWrite},
};
use crate::{
    audit::{AuditLog, AuditRecord, Decision},
    error::{Error, ErrorKind},
};

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A user, who needs the permission for the change and cannot give or take what they do not have.
    User(UserId),
    /// The application itself, for example when it sets up its first administrator. It is bound by cycles and
    /// separations, not by permissions.
    System {
        /// On which occasion; it stands in the audit log.
        occasion: &'static str,
    },
}

impl Actor {
    /// The application itself, on that occasion.
    #[must_use]
    pub const fn system(occasion: &'static str) -> Self {
        Self::System { occasion }
    }

    fn name(&self) -> String {
        match self {
            Self::User(id) => id.to_string(),
            Self::System { occasion } => format!("system: {occasion}"),
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a refused change was not made"]
pub enum RbacOutcome {
    /// It is made; this is the store's head after it. If there was nothing to change, the head is as it was.
    Done(Head),
    /// It is not made.
    Refused(RbacRefusal),
}

impl RbacOutcome {
    /// The refusal as an error, for `?`.
    ///
    /// # Errors
    /// The refusal.
    pub fn into_result(self) -> Result<Head, RbacRefusal> {
        match self {
            Self::Done(head) => Ok(head),
            Self::Refused(refusal) => Err(refusal),
        }
    }

    /// Whether the change is made.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// What to tell about a commit when its outcome is known, or is not going to be.
pub(crate) type Report = Box<dyn FnOnce(Option<Made<'_>>) + Send>;

/// A policy, and the commit that made it.
type Known = Option<(u64, Arc<Policy>)>;

/// Hears of changes that this process makes: first that one may be under way, then what came of it.
pub(crate) trait Observer: Send + Sync {
    /// A commit is about to be sent. Unless it is reported, nobody knows whether it was done.
    fn attempt(self: Arc<Self>) -> Report;
}

/// A change that was made.
pub(crate) struct Made<'a> {
    pub(crate) head: Head,
    pub(crate) policy: bool,
    pub(crate) users: &'a [UserId],
}

/// Administers roles, users, departments, resources and constraints.
///
/// Every change is judged on what the store holds, and the store makes it only if that is still so: cycles, separation
/// of duty and escalation cannot slip in between two administrators, two processes or two transactions. When others
/// change the same things at the same time, the change is judged and tried again, for 10 s at most.
///
/// - **Escalation.** A user who makes a change needs the permission for that kind of change ([`rights`]) and gives or takes
///   only what they have themselves: roles by name, permissions, and records with their fields. A role whose rule
///   depends on its holder's department can be changed only by those who reach all records. `*` includes every role and
///   permission, but no records: those come from data rules alone.
/// - **Separation of duty** counts inherited roles, for changes of roles as well as of users.
/// - **Last administrator.** The last role with `*` keeps it.
///
/// Clones share everything.
///
/// ```
/// use nebula_auth::rbac::{Actor, MemoryRbacStore, PermissionPattern, RbacService, Role, RoleName, UserId};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let rbac = RbacService::new(MemoryRbacStore::new());
/// let setup = Actor::system("first start");
/// let (admin, ann) = (RoleName::new("admin")?, UserId::new("ann")?);
/// let role = Role::new(admin.clone()).with_permissions([PermissionPattern::everything()]);
/// rbac.create_role(&setup, role).await?.into_result()?;
/// rbac.assign_role(&setup, &ann, &admin, None).await?.into_result()?;
///
/// // Bob has nothing, and so he can give nothing.
/// let bob = UserId::new("bob")?;
/// let refused = rbac.assign_role(&Actor::User(bob.clone()), &bob, &admin, None).await?;
/// assert_eq!(refused.into_result().unwrap_err().code(), "not_allowed");
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct RbacService {
    store: Arc<dyn RbacStore>,
    /// The policy as read last, with the head it belongs to.
    known: Arc<Mutex<Known>>,
    observers: Vec<Arc<dyn Observer>>,
    audit: Option<AuditLog>,
    deadline: Duration,
}

impl std::fmt::Debug for RbacService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RbacService").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The permissions that changes need.
pub mod rights {
    /// To change users: their roles, grants, departments.
    pub const USERS: &str = "rbac:user:write";
    /// To change roles.
    pub const ROLES: &str = "rbac:role:write";
    /// To change departments.
    pub const DEPARTMENTS: &str = "rbac:department:write";
    /// To change the tree of resources.
    pub const RESOURCES: &str = "rbac:resource:write";
    /// To change separation of duty.
    pub const SEPARATIONS: &str = "rbac:separation:write";
    /// To change the list of permissions.
    pub const PERMISSIONS: &str = "rbac:permission:write";
}

/// Which users a change of the policy has to look at.
enum Concerns {
    Nobody,
    Holders(BTreeSet<RoleName>),
    Everybody,
}

impl RbacService {
    /// Administers what that store holds.
    pub fn new(store: impl RbacStore) -> Self {
        Self {
            store: Arc::new(store),
            known: Arc::default(),
            observers: Vec::new(),
            audit: None,
            deadline: Duration::from_secs(10),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn RbacStore> {
        &self.store
    }

    /// Writes every change and every refusal to that log, with who made it or asked for it. A change that was made and
    /// could not be written down is reported as an error, and stands.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
    }

    /// Writes down what became of a change.
    async fn note(
        &self,
        actor: &Actor,
        right: &'static str,
        on: String,
        outcome: RbacOutcome,
    ) -> Result<RbacOutcome, Error> {
        let Some(log) = &self.audit else { return Ok(outcome) };
        let (decision, reason) = match &outcome {
            RbacOutcome::Done(head) => (Decision::Changed, format!("commit {}", head.sequence)),
            RbacOutcome::Refused(refusal) => (Decision::Denied, refusal.code().to_owned()),
        };
        let who = actor.name();
        log.write(AuditRecord { who, what: right.to_owned(), on, decision, reason, request_id: None }).await?;
        Ok(outcome)
    }

    pub(crate) fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// The whole policy as it is now.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn policy(&self) -> Result<Arc<Policy>, Error> {
        let head = self.store.head().await?;
        Ok(self.policy_at(head).await?.1)
    }

    /// What a user was given; nothing for somebody unknown.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, Error> {
        let stored = self.store.user(id).await?;
        codec::user(id, stored.body.as_deref())
    }

    /// Up to `limit` users after that id, in the order of their ids.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<User>, Error> {
        let stored = self.store.users(after, limit).await?;
        stored.iter().filter_map(|user| codec::user(&user.id, user.body.as_deref()).transpose()).collect()
    }

    /// What a user may do at this moment, straight from the store: the answer of last resort, and for administrators.
    /// Applications ask a
    /// [`PermissionEvaluator`](crate::rbac::PermissionEvaluator).
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn authority(&self, id: &UserId) -> Result<Authority, Error> {
        let stored = self.store.user(id).await?;
        let policy = self.policy_at(stored.head).await?.1;
        let user = codec::user(id, stored.body.as_deref())?;
        Ok(user.map(|user| Authority::of(&policy, &user, Active::Compatible, stored.now)).unwrap_or_default())
    }

    /// The policy as of that head or later.
    async fn policy_at(&self, head: Head) -> Result<(u64, Arc<Policy>), Error> {
        if let Some((version, policy)) = self.known.lock().as_ref()
            && *version == head.policy
        {
            return Ok((*version, Arc::clone(policy)));
        }
        let stored = self.store.policy().await?;
        let read = (stored.head.policy, Arc::new(codec::policy(&stored)?));
        let mut known = self.known.lock();
        if known.as_ref().is_none_or(|(version, _)| *version < read.0) {
            *known = Some(read.clone());
        }
        Ok(read)
    }

    /// Changes one user.
    async fn change_user(
        &self,
        actor: &Actor,
        id: &UserId,
        edit: impl Fn(&mut Option<User>) -> Result<(), RbacRefusal> + Send + Sync,
    ) -> Result<RbacOutcome, Error> {
        let outcome = self.try_user(actor, id, edit).await?;
        self.note(actor, rights::USERS, format!("user {id}"), outcome).await
    }

    async fn try_user(
        &self,
        actor: &Actor,
        id: &UserId,
        edit: impl Fn(&mut Option<User>) -> Result<(), RbacRefusal> + Send + Sync,
    ) -> Result<RbacOutcome, Error> {
        let started = Instant::now();
        for attempt in 0.. {
            let stored = self.store.user(id).await?;
            let (version, policy) = self.policy_at(stored.head).await?;
            let mut users = vec![(id.clone(), stored.version)];
            let authority = match actor {
                Actor::System { .. } => None,
                Actor::User(actor) => {
                    let acting = if actor == id { stored.clone() } else { self.store.user(actor).await? };
                    users.push((actor.clone(), acting.version));
                    Some(authority(&policy, &acting)?)
                }
            };
            let before = codec::user(id, stored.body.as_deref())?;
            let mut after = before.clone();
            if let Err(refusal) = allowed(authority.as_ref(), rights::USERS).and_then(|()| edit(&mut after)) {
                return Ok(RbacOutcome::Refused(refusal));
            }
            if before == after {
                return Ok(RbacOutcome::Done(stored.head));
            }
            let draft = |user| Draft { policy: Arc::clone(&policy), users: BTreeMap::from([(id.clone(), user)]) };
            let (before, after) = (draft(before), draft(after));
            let judgement = Judgement { before: &before, after: &after, actor: authority.as_ref(), now: stored.now };
            if let Err(refusal) = judgement.judge() {
                return Ok(RbacOutcome::Refused(refusal));
            }
            let expect = Expect::Versions { policy: version, users };
            if let Some(head) = self.commit(expect, &before, &after).await? {
                return Ok(RbacOutcome::Done(head));
            }
            self.pause(started, attempt).await?;
        }
        unreachable_loop()
    }

    /// Changes the policy, and users with it where `concerns` and `then` say so.
    async fn change_policy(
        &self,
        actor: &Actor,
        (right, on): (&'static str, &str),
        edit: impl Fn(&mut Policy) -> Result<(), RbacRefusal> + Send + Sync,
        concerns: impl Fn(&Policy, &Policy) -> Concerns + Send + Sync,
        then: impl Fn(&mut Users) -> Result<(), RbacRefusal> + Send + Sync,
    ) -> Result<RbacOutcome, Error> {
        let outcome = self.try_policy(actor, right, edit, concerns, then).await?;
        self.note(actor, right, on.to_owned(), outcome).await
    }

    async fn try_policy(
        &self,
        actor: &Actor,
        right: &'static str,
        edit: impl Fn(&mut Policy) -> Result<(), RbacRefusal> + Send + Sync,
        concerns: impl Fn(&Policy, &Policy) -> Concerns + Send + Sync,
        then: impl Fn(&mut Users) -> Result<(), RbacRefusal> + Send + Sync,
    ) -> Result<RbacOutcome, Error> {
        let started = Instant::now();
        for attempt in 0.. {
            let head = self.store.head().await?;
            let (_, policy) = self.policy_at(head).await?;
            let (authority, now) = match actor {
                Actor::System { .. } => (None, SystemTime::now()),
                Actor::User(actor) => {
                    let acting = self.store.user(actor).await?;
                    (Some(authority(&policy, &acting)?), acting.now)
                }
            };
            let mut after = (*policy).clone();
            if let Err(refusal) = allowed(authority.as_ref(), right).and_then(|()| edit(&mut after)) {
                return Ok(RbacOutcome::Refused(refusal));
            }
            let (users, now) = self.concerned(concerns(&policy, &after), now).await?;
            let before = Draft { policy: Arc::clone(&policy), users: users.clone() };
            let mut after = Draft { policy: Arc::new(after), users };
            if let Err(refusal) = then(&mut after.users) {
                return Ok(RbacOutcome::Refused(refusal));
            }
            if before.policy == after.policy && before.users == after.users {
                return Ok(RbacOutcome::Done(head));
            }
            let judgement = Judgement { before: &before, after: &after, actor: authority.as_ref(), now };
            if let Err(refusal) = judgement.judge() {
                return Ok(RbacOutcome::Refused(refusal));
            }
            // Everything was read after this head: if it still stands, everything read still does.
            if let Some(head) = self.commit(Expect::Sequence(head.sequence), &before, &after).await? {
                return Ok(RbacOutcome::Done(head));
            }
            self.pause(started, attempt).await?;
        }
        unreachable_loop()
    }

    async fn concerned(&self, concerns: Concerns, mut now: SystemTime) -> Result<(Users, SystemTime), Error> {
        let mut found: Vec<StoredUser> = Vec::new();
        match concerns {
            Concerns::Nobody => {}
            Concerns::Holders(roles) => {
                for role in &roles {
                    found.extend(self.store.holders(role).await?);
                }
            }
            Concerns::Everybody => {
                const PAGE: u32 = 1000;
                loop {
                    let page = self.store.users(found.last().map(|user| &user.id), PAGE).await?;
                    let last = page.len() < 1000;
                    found.extend(page);
                    if last {
                        break;
                    }
                }
            }
        }
        let mut users = Users::new();
        for stored in found {
            now = stored.now;
            let user = codec::user(&stored.id, stored.body.as_deref())?;
            users.insert(stored.id, user);
        }
        Ok((users, now))
    }

    /// The new head, or nothing if somebody else was first.
    async fn commit(&self, expect: Expect, before: &Draft, after: &Draft) -> Result<Option<Head>, Error> {
        let documents = match Arc::ptr_eq(&before.policy, &after.policy) {
            true => Vec::new(),
            false => codec::difference(&before.policy, &after.policy)?,
        };
        let mut users = Vec::new();
        for (id, user) in after.users.iter().filter(|(id, user)| before.users.get(*id) != Some(*user)) {
            let roles = user.iter().flat_map(|user| user.roles.keys().cloned()).collect();
            let body = user.as_ref().map(codec::encode).transpose()?;
            users.push(UserWrite { id: id.clone(), body, roles });
        }
        let commit = Commit { expect, documents, users };
        // Armed before the commit is sent: dropped with this future, they say that its outcome is open.
        let armed: Vec<_> = self.observers.iter().map(|observer| Armed(Some(Arc::clone(observer).attempt()))).collect();
        let outcome = self.store.commit(&commit).await?;
        let CommitOutcome::Committed(head) = outcome else {
            return Ok(None);
        };
        let users: Vec<UserId> = commit.users.iter().map(|user| user.id.clone()).collect();
        for mut armed in armed {
            if let Some(report) = armed.0.take() {
                report(Some(Made { head, policy: !commit.documents.is_empty(), users: &users }));
            }
        }
        Ok(Some(head))
    }

    /// Waits a little, and longer the more others are at it.
    async fn pause(&self, started: Instant, attempt: u32) -> Result<(), Error> {
        if started.elapsed() >= self.deadline {
            return Err(Error::new(ErrorKind::Busy, "others kept changing the same roles or users; try again"));
        }
        let longest = 1u64 << attempt.min(6);
        let random = uuid::Uuid::new_v4().as_u64_pair().0 % (longest * 1000);
        tokio::time::sleep(Duration::from_micros(200 + random)).await;
        Ok(())
    }
}

/// Reports when it is dropped that nobody knows what came of it.
struct Armed(Option<Report>);

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(report) = self.0.take() {
            report(None);
        }
    }
}

fn unreachable_loop() -> Result<RbacOutcome, Error> {
    Err(Error::internal("a change of roles was tried too often"))
}

fn authority(policy: &Policy, stored: &StoredUser) -> Result<Authority, Error> {
    let user = codec::user(&stored.id, stored.body.as_deref())?;
    Ok(user.map(|user| Authority::of(policy, &user, Active::Compatible, stored.now)).unwrap_or_default())
}

fn allowed(authority: Option<&Authority>, right: &'static str) -> Result<(), RbacRefusal> {
    let needed = Permission::new(right).map_err(|_| RbacRefusal::NotAllowed { permission: right })?;
    match authority {
        Some(authority) if !authority.allows(&needed) => Err(RbacRefusal::NotAllowed { permission: right }),
        _ => Ok(()),
    }
}
