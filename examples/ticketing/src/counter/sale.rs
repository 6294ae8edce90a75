//! What is kept of a sale at a counter, beside its order.

use super::domain::Channel;
use crate::{
    clock::Millis,
    ids::{OrderId, UserId},
    problem::{Problem, Result},
    storage::{
        Connection,
        sql::{Row, Target, query},
    },
};

/// Who sells an order, where, to whom.
#[derive(Clone, Debug)]
pub struct Sale {
    /// Whose seats they are.
    pub merchant: String,
    /// Who sells.
    pub clerk: UserId,
    /// Where.
    pub channel: Channel,
    /// What the clerk's agency keeps, in basis points.
    pub commission_bp: i64,
    /// The buyer's name, sealed.
    pub name_sealed: Option<String>,
    /// The buyer's address, sealed.
    pub email_sealed: Option<String>,
    /// In which language the buyer is written to.
    pub language: String,
}

/// The same as the database has it.
#[derive(Clone, Debug)]
pub struct SaleRow {
    /// What was kept.
    pub sale: Sale,
    /// When the seats were held.
    pub at: Millis,
}

fn read(row: &Row) -> Result<SaleRow> {
    let channel: String = row.get("channel")?;
    let unknown = || Problem::internal(format!("the database has a sale in channel `{channel}`"));
    let sale = Sale {
        merchant: row.get("tenant_id")?,
        clerk: row.get("clerk_id")?,
        channel: Channel::from_name(&channel).ok_or_else(unknown)?,
        commission_bp: row.get("commission_bp")?,
        name_sealed: row.get("name_sealed")?,
        email_sealed: row.get("email_sealed")?,
        language: row.get("language")?,
    };
    Ok(SaleRow { sale, at: Millis(row.get("at")?) })
}

/// Keeps it with its order, in one transaction.
pub(crate) async fn insert(connection: &mut Connection<'_>, order: OrderId, sale: &Sale, at: Millis) -> Result<()> {
    query(include_str!("sql/insert_sale.sql"))
        .bind(order)
        .bind(&sale.merchant)
        .bind(sale.clerk)
        .bind(sale.channel.as_str())
        .bind(sale.commission_bp)
        .bind(sale.name_sealed.clone())
        .bind(sale.email_sealed.clone())
        .bind(&sale.language)
        .bind(at.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// How an order was sold at a counter; nothing if it was not.
pub(crate) async fn find(target: impl Into<Target<'_>>, order: OrderId) -> Result<Option<SaleRow>> {
    let row = query("SELECT * FROM all_counter_sales WHERE order_id = $1").bind(order).fetch_optional(target).await?;
    row.as_ref().map(read).transpose()
}
