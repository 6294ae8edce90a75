//! The conformance suite of [`RbacStore`]: one test per bullet of its contract, and what
//! [`RbacService`] promises when several administrators are at work, for every backend.
//!
//! ```
//! use nebula_auth::rbac::{MemoryRbacStore, testing::Fixture};
//!
//! struct Memory(MemoryRbacStore);
//!
//! impl Fixture for Memory {
//!     type Store = MemoryRbacStore;
//!
//!     async fn start() -> Self {
//!         Self(MemoryRbacStore::new())
//!     }
//!
//!     fn store(&self) -> MemoryRbacStore {
//!         self.0.clone()
//!     }
//!
//!     async fn peer(&self) -> MemoryRbacStore {
//!         self.0.clone()
//!     }
//! }
//!
//! nebula_auth::rbac_conformance_suite!(Memory);
//! # fn main() {}
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a failing check is meant to panic")]

mod contention;
mod contract;

use std::future::Future;

pub use self::{contention::*, contract::*};
use super::{
    Actor, Document, DocumentKind, Expect, RbacService, RbacStore, Role, RoleName, UserId, UserWrite,
    permission::PermissionPattern, store::Commit,
};

/// A store to be tested, with whatever keeps it alive.
pub trait Fixture: Send + Sync + Sized {
    /// The store.
    type Store: RbacStore;

    /// An empty store of its own.
    fn start() -> impl Future<Output = Self> + Send;

    /// A handle.
    fn store(&self) -> Self::Store;

    /// A handle as another process would have it: on the same data, with its own connections.
    fn peer(&self) -> impl Future<Output = Self::Store> + Send;
}

/// Generates the suite for a [`Fixture`], for its store and for the same store behind `Arc<dyn RbacStore>`.
#[macro_export]
macro_rules! rbac_conformance_suite {
    ($fixture:ty) => {
        $crate::rbac_conformance_suite!(@tests $fixture;
            an_empty_store_knows_nobody,
            commits_are_atomic_and_numbered,
            one_of_many_commits_with_one_expectation_wins,
            commits_about_other_users_do_not_conflict,
            reads_show_one_moment,
            users_are_told_apart_byte_by_byte,
            changes_names_who_changed,
            holders_and_users_find_who_is_there,
            health_answers,
            concurrent_grants_all_arrive,
            concurrent_parents_never_make_a_cycle,
            nobody_escalates_while_losing_power,
            separation_holds_under_contention,
            a_deleted_role_does_not_come_back,
        );
    };
    (@tests $fixture:ty; $($name:ident,)+) => {
        mod direct {
            use super::*;
            use $crate::rbac::testing::Fixture as _;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let fixture = <$fixture>::start().await;
                let (store, peer) = (fixture.store(), fixture.peer().await);
                $crate::rbac::testing::$name(::std::sync::Arc::new(store), ::std::sync::Arc::new(peer)).await;
            })+
        }

        mod erased {
            use super::*;
            use $crate::rbac::testing::Fixture as _;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let fixture = <$fixture>::start().await;
                let store: ::std::sync::Arc<dyn $crate::rbac::RbacStore> = ::std::sync::Arc::new(fixture.store());
                let peer: ::std::sync::Arc<dyn $crate::rbac::RbacStore> = ::std::sync::Arc::new(fixture.peer().await);
                $crate::rbac::testing::$name(::std::sync::Arc::new(store), ::std::sync::Arc::new(peer)).await;
            })+
        }
    };
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn role(name: &str) -> RoleName {
    RoleName::new(name).expect("a name")
}

fn pattern(text: &str) -> PermissionPattern {
    PermissionPattern::new(text).expect("a pattern")
}

fn setup() -> Actor {
    Actor::system("test")
}

async fn done(change: impl Future<Output = Result<super::RbacOutcome, crate::Error>>) {
    change.await.expect("the store answers").into_result().expect("the change is made");
}

/// A role with these permissions and parents.
async fn make_role(service: &RbacService, name: &str, permissions: &[&str], parents: &[&str]) {
    let mut new = Role::new(role(name)).with_permissions(permissions.iter().map(|text| pattern(text)));
    new.parents.extend(parents.iter().map(|parent| role(parent)));
    done(service.create_role(&setup(), new)).await;
}

fn write(id: &str, body: Option<&str>, roles: &[&str]) -> UserWrite {
    UserWrite { id: user(id), body: body.map(str::to_owned), roles: roles.iter().map(|name| role(name)).collect() }
}

fn document(id: &str, body: Option<&str>) -> Document {
    Document { kind: DocumentKind::Role, id: id.to_owned(), body: body.map(str::to_owned) }
}

fn commit(expect: Expect, documents: Vec<Document>, users: Vec<UserWrite>) -> Commit {
    Commit { expect, documents, users, record: None }
}
