//! What becomes of orders of which the authority refused a name after they were placed.

use super::{
    domain::Refusal,
    service::{Asker, Refunds, Request},
};
use crate::{
    identity::{Consequence, Identities},
    ids::OrderId,
    office::Office,
    order::{
        Ending, OrderState,
        storage::{self as orders, OrderRow},
    },
    payment::{
        Ended, Payments,
        storage::refunds::{self, RefundRow},
    },
    problem::{Code, Result},
    storage::Database,
};

/// Who did it, as the log says.
const PLATFORM: &str = "system: names";

/// Ends unpaid orders with a refused name, and gives the money of paid ones back. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RefusedNames {
    database: Database,
    identities: Identities,
    payments: Payments,
    refunds: Refunds,
    office: Office,
}

impl RefusedNames {
    /// The service on its parts.
    #[must_use]
    pub fn new(
        database: Database,
        identities: Identities,
        payments: Payments,
        refunds: Refunds,
        office: Office,
    ) -> Self {
        Self { database, identities, payments, refunds, office }
    }

    /// Sees to one order, and writes into the log what came of it. `false` when nothing did: it was seen to before, or somebody else is
    /// about to end it or to give its money back.
    ///
    /// # Errors
    ///
    /// When the provider or the database cannot be asked: call it again.
    ///
    /// # Cancel safety
    ///
    /// Done in part; calling it again finds out what is left. The log may say it twice.
    pub async fn settle(&self, order: OrderId) -> Result<bool> {
        if !self.identities.refusal(order).await?.is_some_and(|refusal| refusal.is_open()) {
            return Ok(false);
        }
        let Some(consequence) = self.consequence(order).await? else { return Ok(false) };
        self.office.changed(PLATFORM, "order:name-refused", &format!("order {order}"), consequence.as_str()).await?;
        if self.identities.close_refusal(order, consequence).await? {
            metrics::counter!("ticketing_names_refused_total", "consequence" => consequence.as_str()).increment(1);
            tracing::info!(%order, consequence = consequence.as_str(), "a name of an order was refused");
        }
        Ok(true)
    }

    /// Each way answers the same again once it was gone, so a process may die anywhere.
    async fn consequence(&self, order: OrderId) -> Result<Option<Consequence>> {
        let Some(row) = orders::find(&self.database.read, order).await? else { return Ok(Some(Consequence::Nothing)) };
        // Whatever became of what was asked back before: it is not asked for twice.
        if refunds::of_order(&self.database.read, order).await?.iter().any(is_ours) {
            return Ok(Some(Consequence::Refund));
        }
        match row.state {
            OrderState::Locked | OrderState::Paying => match self.payments.end(order, Ending::NameRefused).await? {
                Ended::Ended(_) => self.ended(order).await.map(Some),
                // Paid while it was being ended: its money goes back with the next run.
                Ended::Paid(_) | Ended::NotYet(_) => Ok(None),
            },
            OrderState::Paid | OrderState::Issued => self.give_back(&row).await,
            OrderState::Refunding => Ok(None),
            _ => self.ended(order).await.map(Some),
        }
    }

    /// Whether it ended for this or anyway.
    async fn ended(&self, order: OrderId) -> Result<Consequence> {
        let last = orders::history(&self.database.read, order).await?.pop();
        let ours = last.is_some_and(|entry| entry.reason == Ending::NameRefused.reason());
        Ok(if ours { Consequence::Ended } else { Consequence::Nothing })
    }

    async fn give_back(&self, order: &OrderRow) -> Result<Option<Consequence>> {
        match self.refunds.quote(order, Asker::Platform).await? {
            Ok(_) => {}
            Err(Refusal::State) => return Ok(None),
            Err(Refusal::Used | Refusal::TooLate | Refusal::NothingLeft) => return Ok(Some(Consequence::Staff)),
        }
        let request = Request {
            order: order.id,
            by: None,
            asker: Asker::Platform,
            expected: None,
            reason: Ending::NameRefused.reason().to_owned(),
        };
        match self.refunds.ask(request).await {
            Ok(refund) => Ok(is_ours(&refund).then_some(Consequence::Refund)),
            // It changed meanwhile: the next run sees how.
            Err(problem) if problem.code == Code::RefundRefused => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

/// Whether the platform asked for it, for this.
fn is_ours(refund: &RefundRow) -> bool {
    refund.asked_by.is_none() && refund.reason == Ending::NameRefused.reason()
}
