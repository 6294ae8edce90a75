//! Orders of which an authority refused a name after they were placed, and what came of it.

use serde::Serialize;
use utoipa::ToSchema;

use super::Identities;
use crate::{
    clock::Millis,
    ids::OrderId,
    problem::{Problem, Result},
    storage::{Connection, sql::query},
};

/// What came of an order with a refused name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Consequence {
    /// It was not paid: it ended, and its seats are free.
    Ended,
    /// It was paid: all of its money was asked back, at no fee. Its refund says how far that is.
    Refund,
    /// Nothing goes back by itself, as when somebody went in already: the staff decides.
    Staff,
    /// It was over anyway.
    Nothing,
}

impl Consequence {
    const ALL: [Self; 4] = [Self::Ended, Self::Refund, Self::Staff, Self::Nothing];

    /// The name in the database, in JSON and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Refund => "refund",
            Self::Staff => "staff",
            Self::Nothing => "nothing",
        }
    }

    fn of(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|one| one.as_str() == name);
        known.ok_or_else(|| Problem::internal(format!("the database has a consequence `{name}`")))
    }
}

/// That a name of an order was refused after the order was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct NameRefusal {
    /// When the authority said so.
    at: Millis,
    /// What came of it; absent for the moment in which nothing has.
    #[serde(skip_serializing_if = "Option::is_none")]
    consequence: Option<Consequence>,
}

impl NameRefusal {
    /// Whether something is still to come of it.
    pub(crate) const fn is_open(&self) -> bool {
        self.consequence.is_none()
    }
}

/// Writes down that a name was refused, for what is to come of it. Of several names of an order the first counts.
pub(super) async fn insert(connection: &mut Connection<'_>, order: OrderId) -> Result<()> {
    query("INSERT INTO refused_names (order_id, at) VALUES ($1, $2) ON CONFLICT (order_id) DO NOTHING")
        .bind(order)
        .bind(Millis::now().0)
        .execute(connection)
        .await?;
    Ok(())
}

impl Identities {
    /// Whether a name of an order was refused after it was placed.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn refusal(&self, order: OrderId) -> Result<Option<NameRefusal>> {
        let found = query("SELECT at, consequence FROM all_refused_names WHERE order_id = $1").bind(order);
        let Some(row) = found.fetch_optional(&self.0.database.read).await? else { return Ok(None) };
        let consequence = row.get::<Option<String>>("consequence")?.as_deref().map(Consequence::of).transpose()?;
        Ok(Some(NameRefusal { at: Millis(row.get("at")?), consequence }))
    }

    /// Writes down what came of it; `false` when that was known.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Written or not; call it again.
    pub(crate) async fn close_refusal(&self, order: OrderId, consequence: Consequence) -> Result<bool> {
        let write = query("UPDATE refused_names SET consequence = $1 WHERE order_id = $2 AND consequence IS NULL")
            .bind(consequence.as_str())
            .bind(order);
        let written = self
            .0
            .database
            .write
            .run::<_, Problem, _>(move |connection| Box::pin(async move { Ok(write.execute(connection).await?) }));
        Ok(written.await? == 1)
    }
}
