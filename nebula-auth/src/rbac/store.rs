//! What a store of roles and users must be able to do.

use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;

use super::name::{RoleName, UserId};
use crate::{
    audit::{LogPlace, PendingEntry},
    error::Error,
};

/// How far a store has come. Every commit raises `sequence`; one that changes the policy sets `policy` to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Head {
    /// The number of the last commit.
    pub sequence: u64,
    /// The number of the last commit that changed roles, departments, resources, constraints or permissions.
    pub policy: u64,
}

/// What a document of the policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DocumentKind {
    /// A role.
    Role,
    /// A department.
    Department,
    /// A node of the resource tree.
    Resource,
    /// A separation-of-duty constraint.
    Separation,
    /// The name of a permission.
    Permission,
}

impl DocumentKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Role, Self::Department, Self::Resource, Self::Separation, Self::Permission];

    /// A stable name of at most 16 bytes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Department => "department",
            Self::Resource => "resource",
            Self::Separation => "separation",
            Self::Permission => "permission",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One entry of the policy. What the body says is none of the store's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is about.
    pub kind: DocumentKind,
    /// Its id among those of its kind: at most 128 bytes, compared byte by byte.
    pub id: String,
    /// The content; nothing in a commit deletes the entry.
    pub body: Option<String>,
}

/// The whole policy at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// That moment.
    pub head: Head,
    /// Its entries, in any order.
    pub documents: Vec<Document>,
}

/// One user at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUser {
    /// That moment.
    pub head: Head,
    /// The store's clock at that moment.
    pub now: SystemTime,
    /// Who.
    pub id: UserId,
    /// The commit that last changed the user; 0 if none ever did.
    pub version: u64,
    /// The content, unless there is no such user.
    pub body: Option<String>,
}

/// What changed after a given commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// How far this goes.
    pub head: Head,
    /// The users that changed; nothing if they are more than was asked for.
    pub users: Option<Vec<UserId>>,
}

/// What must still be as it was read, or the commit is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing at all was committed since.
    Sequence(u64),
    /// The policy and these users are at these versions.
    Versions {
        /// [`Head::policy`]
        policy: u64,
        /// [`StoredUser::version`]
        users: Vec<(UserId, u64)>,
    },
}

/// A user in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserWrite {
    /// Who.
    pub id: UserId,
    /// The content; nothing removes the user.
    pub body: Option<String>,
    /// The roles by which [`RbacStore::holders`] finds them.
    pub roles: Vec<RoleName>,
}

/// Changes that become visible together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The condition.
    pub expect: Expect,
    /// Entries of the policy.
    pub documents: Vec<Document>,
    /// Users.
    pub users: Vec<UserWrite>,
    /// What goes to the audit log with them; only for a store that has a [`log_place`](RbacStore::log_place).
    pub record: Option<PendingEntry>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is done, and this is the head it made.
    Committed(Head),
    /// Something else was committed before; nothing was changed.
    Conflict,
}

/// Keeps roles and users, and decides which of several concurrent commits comes first.
///
/// All rules (who may grant what, no cycles, separation of duty) are judged by [`RbacService`](super::RbacService) on
/// what it read; a store only has to refuse a commit when what was read is no longer so.
///
/// # Contract
/// - An empty store is at head 0/0 and knows nobody; its clock is that of all processes that share it.
/// - `commit` is atomic and raises the sequence by exactly one; every user in it gets that sequence as version; the
///   policy's number becomes it exactly if there are documents.
/// - `commit` checks its expectation in the same transaction: of any number of concurrent commits with the same
///   expectation about the same thing exactly one is `Committed`, also across processes; `Conflict` changes nothing.
/// - A store with a `log_place` writes a commit's record to the audit log there in the same transaction, as
///   [`PendingEntry::entry`] makes it with the last entry and the new sequence; without the entry there is no commit.
/// - Commits that expect versions of other users and the same policy do not conflict.
/// - `policy` and `user` show one moment: the head they name and the content that belongs to it. What was committed
///   before a call began is seen by it.
/// - `user` tells users apart byte by byte; one that was removed keeps its version.
/// - `changes` names every user whose version is above the given sequence, removed ones included, or none if they are
///   more than `limit`.
/// - `holders` finds the users last written with that role; `users` goes through all that are there, in the order of
///   their ids, in pages.
#[async_trait]
pub trait RbacStore: fmt::Debug + Send + Sync + 'static {
    /// How far the store has come.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn head(&self) -> Result<Head, Error>;

    /// What changed after commit `since`.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn changes(&self, since: u64, limit: u32) -> Result<Changes, Error>;

    /// The whole policy.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn policy(&self) -> Result<StoredPolicy, Error>;

    /// One user.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn user(&self, id: &UserId) -> Result<StoredUser, Error>;

    /// At most `limit` users that are there, after that id.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<StoredUser>, Error>;

    /// The users that have this role themselves, not by inheritance.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn holders(&self, role: &RoleName) -> Result<Vec<StoredUser>, Error>;

    /// Changes everything in the commit if its expectation holds.
    ///
    /// # Errors
    /// If the store cannot answer; the commit may have been done.
    ///
    /// # Cancel safety
    /// The commit is done as a whole or not at all; which one is open.
    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, Error>;

    /// Whether the store answers.
    ///
    /// # Errors
    /// If it does not.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn health(&self) -> Result<(), Error>;

    /// Where an audit log has to be kept so that `commit` writes records to it.
    fn log_place(&self) -> Option<LogPlace> {
        None
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: RbacStore + ?Sized> RbacStore for Arc<T> {
    async fn head(&self) -> Result<Head, Error> {
        (**self).head().await
    }

    async fn changes(&self, since: u64, limit: u32) -> Result<Changes, Error> {
        (**self).changes(since, limit).await
    }

    async fn policy(&self) -> Result<StoredPolicy, Error> {
        (**self).policy().await
    }

    async fn user(&self, id: &UserId) -> Result<StoredUser, Error> {
        (**self).user(id).await
    }

    async fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<StoredUser>, Error> {
        (**self).users(after, limit).await
    }

    async fn holders(&self, role: &RoleName) -> Result<Vec<StoredUser>, Error> {
        (**self).holders(role).await
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, Error> {
        (**self).commit(commit).await
    }

    async fn health(&self) -> Result<(), Error> {
        (**self).health().await
    }

    fn log_place(&self) -> Option<LogPlace> {
        (**self).log_place()
    }
}
