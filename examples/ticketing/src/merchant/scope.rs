//! The wall between merchants, in front of the platform's own way to run statements.

use nebula_tenant::{
    TenantContext, TenantId, current,
    wall::{Refusal, SqlDialect, Wall},
};

use crate::{
    problem::{Problem, Result},
    storage::{
        Pool,
        sql::{Query, Row, Target, Value, query},
    },
};

/// Tables whose rows are one merchant's each, with the keys that are unique over all of them. Tables that are not listed
/// cannot be spoken of in a scope.
const TABLES: [(&str, &[&[&str]]); 18] = [
    ("venues", &[&["id"]]),
    ("plans", &[&["id"]]),
    ("shows", &[&["id"]]),
    ("sessions", &[&["id"]]),
    ("session_prices", &[&["session_id", "category"]]),
    ("orders", &[&["id"]]),
    ("merchant_invitations", &[&["id"], &["code_hash"]]),
    ("coupons", &[&["id"]]),
    ("order_prices", &[&["order_id"], &["coupon"]]),
    ("counter_sales", &[&["order_id"]]),
    ("tills", &[]),
    ("till_entries", &[&["id"]]),
    ("order_attendees", &[&["order_id", "position"]]),
    ("attendee_grams", &[]),
    // With what is archived.
    ("all_orders", &[&["id"]]),
    ("all_order_attendees", &[&["order_id", "position"]]),
    ("all_order_prices", &[&["order_id"], &["coupon"]]),
    ("all_counter_sales", &[&["order_id"]]),
];

/// The wall for this database.
pub(super) fn wall(pool: &Pool) -> Result<Wall> {
    let dialect = match pool {
        Pool::Sqlite(_) => SqlDialect::Sqlite,
        Pool::Postgres(_) => SqlDialect::Postgres,
    };
    let mut wall = Wall::builder(dialect);
    for (table, keys) in TABLES {
        wall = wall.tenant_table(table);
        for key in keys {
            wall = wall.global_key(table, key.iter().copied());
        }
    }
    wall.build().map_err(Problem::internal)
}

/// What one merchant has, and nothing else. Cheap to clone; it may be taken along into a transaction.
#[derive(Clone, Debug)]
pub struct Scope {
    wall: Wall,
    tenant: TenantId,
}

impl Scope {
    /// Of the merchant whose work this is.
    pub(super) fn current(wall: &Wall) -> Result<Self> {
        Ok(Self { wall: wall.clone(), tenant: current().map_err(Problem::internal)? })
    }

    /// Of that merchant, for whom the caller has found out that the work is done.
    pub(super) fn of(wall: &Wall, tenant: &TenantId) -> Result<Self> {
        TenantContext::of(tenant.clone()).sync_scope(|| Self::current(wall)).map_err(Problem::internal)?
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// A statement on the merchant's rows.
    pub fn query(&self, sql: &'static str) -> ScopedQuery {
        ScopedQuery { scope: self.clone(), sql, values: Vec::new() }
    }
}

/// A statement that sees and changes one merchant's rows, whatever it says.
#[derive(Clone, Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct ScopedQuery {
    scope: Scope,
    sql: &'static str,
    values: Vec<Value>,
}

impl ScopedQuery {
    /// Binds the next parameter.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it and answers the number of rows that it changed.
    ///
    /// # Errors
    ///
    /// The wall does not let it pass, which is a defect, or the database failed. So for every function here.
    ///
    /// # Cancel safety
    ///
    /// As [`Query::execute`]. So for every function here.
    pub async fn execute<'t>(self, target: impl Into<Target<'t>>) -> Result<u64> {
        Ok(self.walled().map_err(Problem::internal)?.execute(target).await?)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    ///
    /// See [`execute`](Self::execute).
    pub async fn fetch_optional<'t>(self, target: impl Into<Target<'t>>) -> Result<Option<Row>> {
        Ok(self.walled().map_err(Problem::internal)?.fetch_optional(target).await?)
    }

    /// All rows.
    ///
    /// # Errors
    ///
    /// See [`execute`](Self::execute).
    pub async fn fetch_all<'t>(self, target: impl Into<Target<'t>>) -> Result<Vec<Row>> {
        Ok(self.walled().map_err(Problem::internal)?.fetch_all(target).await?)
    }

    /// Whether there is a row.
    ///
    /// # Errors
    ///
    /// See [`execute`](Self::execute).
    pub async fn exists<'t>(self, target: impl Into<Target<'t>>) -> Result<bool> {
        Ok(self.fetch_optional(target).await?.is_some())
    }

    fn walled(self) -> Result<Query, Refusal> {
        use nebula_tenant::wall::Slot;

        let rewritten = self.scope.wall.rewrite(self.sql)?;
        let mut walled = query(crate::storage::sql::Sql::Built(rewritten.sql().to_owned()));
        for slot in rewritten.slots() {
            walled = match slot {
                Slot::Tenant => walled.bind(self.scope.tenant.as_str()),
                // One that is missing is refused by the database.
                Slot::Argument(place) => match self.values.get(*place) {
                    Some(value) => walled.bind(value.clone()),
                    None => walled,
                },
            };
        }
        Ok(walled)
    }
}
