//! Who sold an order, where it was sold at a counter: kept beside the order.

use serde::Serialize;

use crate::{
    clock::Millis,
    ids::{OrderId, UserId},
    problem::{Problem, Result},
    storage::{
        Connection,
        sql::{Row, Target, query},
    },
};

/// Whose counter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = SalesChannel)]
pub enum Channel {
    /// The merchant's own.
    BoxOffice,
    /// That of somebody who sells for several merchants, for a commission.
    Agent,
}

impl Channel {
    /// The name in the database and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BoxOffice => "BOX_OFFICE",
            Self::Agent => "AGENT",
        }
    }

    /// Reads that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::BoxOffice, Self::Agent].into_iter().find(|channel| channel.as_str() == name)
    }
}

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
pub(super) async fn insert(connection: &mut Connection<'_>, order: OrderId, sale: &Sale, at: Millis) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for channel in [Channel::BoxOffice, Channel::Agent] {
            assert_eq!(Channel::from_name(channel.as_str()), Some(channel));
            assert_eq!(serde_json::to_value(channel).unwrap(), channel.as_str());
        }
        assert_eq!(Channel::from_name("ONLINE"), None);
    }
}
