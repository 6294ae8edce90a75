//! The back office: who works here, what they may do, and the log of what they did.
//!
//! Roles and the log are nebula-auth's: in a file of their own beside the platform's, or on the same PostgreSQL server.

mod demo;
mod desk;
pub mod fields;
mod http;
mod names;
mod reason;
mod roles;
mod sees;
mod staff;

use std::{path::Path, sync::Arc};

use nebula_auth::{
    audit::{AuditLog, AuditRecord, AuditSink, Decision, SqlAuditSink},
    rbac::{
        Actor, EvaluatorOptions, PermissionEvaluator, RbacService, RbacStore, RoleName, SqlRbacStore,
        UserId as SubjectId,
    },
};
use nebula_redis::RedisConfig;

pub(crate) use self::http::secured;
pub use self::{
    demo::{STAFF, appoint, second_merchant},
    desk::Desk,
    fields::{Sight, Spot, Whose},
    names::{
        PERMISSIONS, account, admission, blacklist, catalog, coupon, job, limits, merchant, order, queue, refund,
        rehearsal, rule, sale, staff as people, statement, stock, system, ticket, till,
    },
    reason::{Why, reason},
    staff::{Employee, MERCHANT_ROLES, Reach},
};
use crate::{
    ids::UserId,
    problem::{Problem, Result},
    storage::{Database, Pool, side_file},
};

/// Where roles and the log are kept, within the data folder.
pub(crate) const ACCESS_FILE: &str = "access.db";

/// Who may do what in the back office. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Office {
    evaluator: PermissionEvaluator,
    log: AuditLog,
}

impl Office {
    /// Opens the store and the log, and makes the roles that are not there yet.
    ///
    /// # Errors
    ///
    /// The store cannot be opened; the text says why.
    ///
    /// # Cancel safety
    ///
    /// Some of the roles may be there; the next start makes the others.
    pub async fn open(data: &Path, database: &Database) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (store, sink): (Arc<dyn RbacStore>, Arc<dyn AuditSink>) = match &database.read {
            Pool::Postgres(pool) => {
                SqlRbacStore::migrate(pool).await?;
                (Arc::new(SqlRbacStore::new(pool.clone())), Arc::new(SqlAuditSink::new(pool.clone())))
            }
            Pool::Sqlite(_) => {
                let pool = side_file(&data.join(ACCESS_FILE)).await?;
                SqlRbacStore::migrate(&pool).await?;
                (Arc::new(SqlRbacStore::new(pool.clone())), Arc::new(SqlAuditSink::new(pool)))
            }
        };
        let log = AuditLog::new(sink);
        let service = RbacService::new(Arc::clone(&store)).with_audit(log.clone());
        roles::prepare(&service).await?;
        roles::carry_over(&service, database).await?;
        let evaluator = PermissionEvaluator::start(store, EvaluatorOptions::new()).await?;
        Ok(Self { evaluator, log })
    }

    /// Tells other processes of changes over Redis, and hears of theirs.
    ///
    /// # Errors
    ///
    /// The configuration cannot be used.
    ///
    /// # Cancel safety
    ///
    /// Safe: with the signal or without.
    pub async fn with_signal(self, redis: &RedisConfig, channel: &str) -> Result<Self, nebula_auth::Error> {
        Ok(Self { evaluator: self.evaluator.with_redis_signal(redis, channel).await?, log: self.log })
    }

    /// Knows what everybody may do.
    #[must_use]
    pub fn evaluator(&self) -> &PermissionEvaluator {
        &self.evaluator
    }

    /// Changes roles and who has them; every change is in the log.
    #[must_use]
    pub fn service(&self) -> RbacService {
        self.evaluator.service().with_audit(self.log.clone())
    }

    /// What was decided and changed.
    #[must_use]
    pub fn log(&self) -> &AuditLog {
        &self.log
    }

    /// Writes into the log that somebody changed something, for a reason.
    ///
    /// # Errors
    ///
    /// The log failed.
    ///
    /// # Cancel safety
    ///
    /// It may be written.
    pub async fn changed(&self, who: &str, what: &str, on: &str, reason: &str) -> Result<()> {
        let record = AuditRecord {
            who: who.to_owned(),
            what: what.to_owned(),
            on: on.to_owned(),
            decision: Decision::Changed,
            reason: reason.to_owned(),
            request_id: crate::request_id::current(),
        };
        self.log.write(record).await.map(drop).map_err(Problem::unavailable)
    }

    /// The roles of an account, inherited ones included; none for buyers.
    ///
    /// # Errors
    ///
    /// The store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn roles_of(&self, user: UserId) -> Result<Vec<String>> {
        let authority = self.evaluator.authority(&subject(user)?).await.map_err(Problem::unavailable)?;
        Ok(authority.roles.iter().map(ToString::to_string).collect())
    }

    /// That there are such roles.
    ///
    /// # Errors
    ///
    /// There is none of a name, and the text says so; or the store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn knows(&self, roles: &[String]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if roles.is_empty() {
            return Ok(());
        }
        let known = self.service().policy().await?;
        let known: Vec<_> = known.roles.keys().map(RoleName::as_str).collect();
        match roles.iter().find(|role| !known.contains(&role.as_str())) {
            None => Ok(()),
            Some(role) => {
                let known = known.join(", ");
                Err(format!("accounts.require-second-factor: there is no role `{role}`; there are: {known}").into())
            }
        }
    }

    /// Gives an account a role, on behalf of the platform itself.
    ///
    /// # Errors
    ///
    /// There is no such role, the account has one that it must not be combined with, or the store failed.
    ///
    /// # Cancel safety
    ///
    /// It is given or not.
    pub async fn assign(&self, user: UserId, role: &str, occasion: &'static str) -> Result<()> {
        let role = RoleName::new(role).map_err(Problem::internal)?;
        let given = self.service().assign_role(&Actor::system(occasion), &subject(user)?, &role, None).await;
        given.map_err(Problem::unavailable)?.into_result().map_err(Problem::internal)?;
        Ok(())
    }
}

fn subject(user: UserId) -> Result<SubjectId> {
    SubjectId::new(user.to_string()).map_err(Problem::internal)
}
