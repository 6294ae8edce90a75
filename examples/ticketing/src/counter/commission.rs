//! What agents keep of what they sell for a merchant.

use nebula_tenant::TenantId;

use crate::{
    problem::{Problem, Result},
    storage::{
        Database,
        sql::{Target, query},
    },
};

/// Basis points of everything.
const WHOLE: u32 = 10_000;

/// The rate of a merchant, in basis points; nothing until one is set.
pub(super) async fn of(target: impl Into<Target<'_>>, merchant: &TenantId) -> Result<i64> {
    let rate = query("SELECT basis_points FROM commissions WHERE tenant_id = $1").bind(merchant.as_str());
    Ok(rate.scalar_optional(target).await?.unwrap_or(0))
}

/// Sets the rate of a merchant. What was sold keeps the one that it was sold for.
pub(super) async fn set(database: &Database, merchant: &TenantId, basis_points: u32) -> Result<()> {
    if basis_points > WHOLE {
        return Err(Problem::invalid("basis_points", format!("`basis_points` is 0 to {WHOLE}.")));
    }
    let put = query(include_str!("sql/put_commission.sql")).bind(merchant.as_str()).bind(basis_points);
    database.write.run(move |connection| Box::pin(async move { Ok(put.execute(connection).await.map(drop)?) })).await
}
