//! The rules of each merchant in the database, revision by revision, and those in force in memory.

use std::{sync::Arc, time::Duration};

use nebula_rule_engine::{
    Document, ErrorKind, Format, RuleSet,
    sql::{SqlRules, migrate},
};
use nebula_tenant::TenantId;

use super::{coupon::Coupon, domain};
use crate::{
    ids::CouponId,
    money::Currency,
    problem::{Code, Problem, Result},
    remembered::Cache,
    storage::{Database, Pool},
};

/// How long it is believed which revision is in force: another process may have changed it.
const AGE: Duration = Duration::from_millis(500);
/// How many compiled sets are kept.
const COMPILED: usize = 256;

/// Rules of a merchant, compiled.
#[derive(Debug)]
pub struct Rules {
    /// Counts the merchant's texts, from 1; 0 where the merchant has none.
    pub revision: i64,
    /// The rules.
    pub set: RuleSet,
}

impl Rules {
    /// Whether they are for prices in this currency.
    #[must_use]
    pub fn are_for(&self, currency: Currency) -> bool {
        self.set.definition().currency.code() == currency.code()
    }
}

/// The rules of all merchants. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RuleBook(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    active: Cache<TenantId, Option<i64>>,
    compiled: Cache<(TenantId, i64, Option<CouponId>), Arc<Rules>>,
}

/// Reads and writes on SQLite take different connections: those who write stand in one line.
#[derive(Debug)]
enum Store {
    Sqlite { read: SqlRules<sqlx::Sqlite>, write: SqlRules<sqlx::Sqlite> },
    Postgres(SqlRules<sqlx::Postgres>),
}

macro_rules! on {
    ($store:expr, $side:ident, $rules:ident => $call:expr) => {
        match $store {
            Store::Sqlite { $side: $rules, .. } => $call,
            Store::Postgres($rules) => $call,
        }
    };
}

impl RuleBook {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// The database cannot be used.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn open(database: &Database) -> Result<Self, nebula_rule_engine::Error> {
        let store = match (&database.read, &database.queue) {
            (Pool::Sqlite(read), Pool::Sqlite(write)) => {
                migrate(write).await?;
                Store::Sqlite { read: SqlRules::new(read.clone()), write: SqlRules::new(write.clone()) }
            }
            (_, Pool::Postgres(pool)) | (Pool::Postgres(pool), _) => {
                migrate(pool).await?;
                Store::Postgres(SqlRules::new(pool.clone()))
            }
        };
        let (active, compiled) =
            (Cache::new("rules", COMPILED, Some(AGE)), Cache::new("compiled-rules", COMPILED, None));
        Ok(Self(Arc::new(Inner { store, active, compiled })))
    }

    /// The rules in force, if the merchant has any; at most half a second old.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn active(&self, merchant: &TenantId) -> Result<Option<Arc<Rules>>> {
        let revision = self.0.active.get(merchant.clone(), || self.active_revision(merchant)).await?;
        match revision {
            Some(revision) => self.rules(merchant, revision).await.map(Some),
            None => Ok(None),
        }
    }

    /// A revision, in force or not.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn rules(&self, merchant: &TenantId, revision: i64) -> Result<Arc<Rules>> {
        let load = || async {
            let text = self.text(merchant, revision).await?;
            // What was put in force once compiles; what does not is a defect.
            let set = domain::compile(merchant.as_str(), &text).map_err(Problem::internal)?;
            Ok(Arc::new(Rules { revision, set }))
        };
        self.0.compiled.get((merchant.clone(), revision, None), load).await
    }

    /// A revision, or list prices for 0, with a coupon of the merchant's as one more rule. What a coupon is worth never
    /// changes, so the same is made again years later.
    ///
    /// # Errors
    ///
    /// As [`rules`](Self::rules).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn with_coupon(&self, revision: i64, coupon: &Coupon) -> Result<Arc<Rules>> {
        let merchant = &coupon.merchant;
        let load = || async {
            let def = match revision {
                0 => domain::list_prices(merchant.as_str(), coupon.minimum.currency.code()),
                revision => Ok(self.rules(merchant, revision).await?.set.definition().clone()),
            };
            let def = coupon.appended_to(def.map_err(Problem::internal)?);
            let set = RuleSet::compile(&def).map_err(Problem::internal)?;
            Ok(Arc::new(Rules { revision, set }))
        };
        self.0.compiled.get((merchant.clone(), revision, Some(coupon.id)), load).await
    }

    /// The text of a revision.
    ///
    /// # Errors
    ///
    /// As [`rules`](Self::rules).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn text(&self, merchant: &TenantId, revision: i64) -> Result<String> {
        let read = on!(&self.0.store, read, rules => rules.document(merchant.as_str(), revision).await);
        read.map(|Document { text, .. }| text).map_err(failed)
    }

    /// The latest revisions, from the newest.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn revisions(&self, merchant: &TenantId) -> Result<Vec<i64>> {
        on!(&self.0.store, read, rules => rules.versions(merchant.as_str()).await).map_err(failed)
    }

    /// Which revision is in force now.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn active_revision(&self, merchant: &TenantId) -> Result<Option<i64>> {
        on!(&self.0.store, read, rules => rules.active(merchant.as_str()).await).map_err(failed)
    }

    /// Checks a text without storing it.
    ///
    /// # Errors
    ///
    /// [`Code::RulesRefused`] with what was found.
    pub async fn check(&self, merchant: &TenantId, text: String) -> Result<RuleSet> {
        let name = merchant.to_string();
        // A proof may take a while: keep the threads that answer other requests free.
        let checked = tokio::task::spawn_blocking(move || domain::compile(&name, &text)).await;
        checked.map_err(Problem::internal)?.map_err(|error| refused(&error))
    }

    /// Stores a text and puts it in force, if `known` is what is in force now; of several at once, one is in force, and the
    /// others are stored and nothing more.
    ///
    /// # Errors
    ///
    /// [`Code::RulesRefused`], [`Code::VersionConflict`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be in force.
    pub async fn publish(&self, merchant: &TenantId, text: String, known: Option<i64>) -> Result<i64> {
        self.check(merchant, text.clone()).await?;
        let stored = on!(&self.0.store, write, rules => rules.store(merchant.as_str(), &text, Format::Yaml).await);
        let revision = stored.map_err(failed)?;
        self.activate(merchant, revision, known).await?;
        Ok(revision)
    }

    /// Puts an earlier revision back in force, if `known` is what is in force now.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], [`Code::VersionConflict`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// It may be in force.
    pub async fn roll_back(&self, merchant: &TenantId, revision: i64, known: Option<i64>) -> Result<()> {
        self.rules(merchant, revision).await?;
        self.activate(merchant, revision, known).await
    }

    /// Of several who know the same, one comes first.
    async fn activate(&self, merchant: &TenantId, revision: i64, known: Option<i64>) -> Result<()> {
        let name = merchant.as_str();
        let done = on!(&self.0.store, write, rules => rules.activate_after(name, revision, known).await);
        self.0.active.forget(merchant);
        if done.map_err(failed)? {
            return Ok(());
        }
        Err(Problem::stale().with("version", self.active_revision(merchant).await?))
    }
}

fn failed(error: nebula_rule_engine::Error) -> Problem {
    match error.kind() {
        ErrorKind::NotFound => Problem::not_found("revision of the rules"),
        ErrorKind::Unavailable => Problem::unavailable(error),
        _ => Problem::internal(error),
    }
}

fn refused(error: &nebula_rule_engine::Error) -> Problem {
    Problem::new(Code::RulesRefused, error.context().to_owned()).with("problems", error.problems())
}
