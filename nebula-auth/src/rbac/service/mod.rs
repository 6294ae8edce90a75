//! Changes of roles and users, judged before they are made.

mod actor;
mod change;
mod draft;
mod observer;
mod policies;
mod refusal;
mod trail;
mod users;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

pub(crate) use self::observer::{Observer, Report};
pub use self::{
    actor::{Actor, RbacOutcome},
    refusal::RbacRefusal,
};
use super::{
    authority::{Active, Authority},
    codec,
    model::User,
    name::UserId,
    policy::Policy,
    store::{Head, RbacStore},
};
use crate::{audit::AuditLog, error::Error};

/// A policy, and the commit that made it.
type Known = Option<(u64, Arc<Policy>)>;

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

    /// Writes every change and every refusal to that log, with who made it or asked for it. There is no change that the log
    /// does not know of:
    ///
    /// - Where log and store are on one pool of a database
    ///   ([`SqlAuditSink`](crate::audit::SqlAuditSink) and [`SqlRbacStore`](crate::rbac::SqlRbacStore) made from clones of it),
    ///   the entry is part of the transaction: both are there or neither.
    /// - Elsewhere an entry says first what is about to be done ([`Decision::Attempted`](crate::audit::Decision::Attempted)),
    ///   and another one then what came of it. If the first cannot be written, nothing is changed. If the second cannot, or
    ///   the process ends in between, the log says that the outcome is open; the caller gets an error, and the change stands.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.audit = Some(log);
        self
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
}
