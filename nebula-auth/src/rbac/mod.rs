//! Roles, permissions and records: what somebody may do, and to what.
//!
//! [`RbacService`] administers, over a thin [`RbacStore`]; [`PermissionEvaluator`] answers, from memory.

mod authority;
mod codec;
mod eval;
mod memory;
pub(crate) mod millis;
mod model;
mod name;
mod permission;
mod policy;
mod service;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(crate) mod sql;
mod store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use self::sql::{RbacDatabase, SqlRbacStore};
pub use self::{
    authority::{Authority, Reach, ReachRule},
    eval::{
        Activation, EvaluatorOptions, Explanation, GrantedBy, KnownUser, MenuNode, PermissionEvaluator, PermissionKey,
        Question, ReachedBy, StaticPermission,
    },
    memory::MemoryRbacStore,
    model::{
        Assignment, DataRule, Department, FieldAccess, Resource, ResourceKind, Role, RowScope, Separation,
        SeparationKind, User,
    },
    name::{ConstraintName, DepartmentId, EntityName, NameError, ResourceId, RoleName, UserId},
    permission::{
        MAX_PERMISSION_BYTES, MAX_PERMISSION_SEGMENTS, Permission, PermissionError, PermissionPattern, check_permission,
    },
    policy::Policy,
    service::{Actor, RbacOutcome, RbacRefusal, RbacService, rights},
    store::{
        Changes, Commit, CommitOutcome, Document, DocumentKind, Expect, Head, RbacStore, StoredPolicy, StoredUser,
        UserWrite,
    },
};
