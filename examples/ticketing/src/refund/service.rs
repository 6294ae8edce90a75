//! Asking for money back, agreeing to it, refusing it.

use super::domain::{Policy, Quote, Refusal};
use crate::{
    clock::Millis,
    ids::{OrderId, RefundId, UserId},
    money::Money,
    order::{
        OrderState,
        storage::{self as orders, OrderRow},
    },
    outbox::{Outbox, Topic},
    payment::{
        keep,
        storage::{
            self as payments, PaymentState,
            refunds::{self, RefundKind, RefundRow, RefundState},
        },
    },
    problem::{Code, Problem, Result},
    show::Catalog,
    storage::Database,
    ticket::storage as tickets,
};

/// Refunds. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Refunds {
    database: Database,
    catalog: Catalog,
    outbox: Outbox,
    policy: Policy,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The buyer, by the rules.
    Buyer,
    /// The platform, for an order that should not have been sold: all of it goes back, at whatever time.
    Platform,
    /// A clerk at a counter, for whoever bought there, by the rules: a colleague has to agree.
    Counter,
    /// Somebody of the staff, whose word is enough.
    Staff {
        /// All of it goes back, at whatever time.
        goodwill: bool,
    },
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The order.
    pub order: OrderId,
    /// Whose account asks; nobody's when the platform does.
    pub by: Option<UserId>,
    /// In which role.
    pub asker: Asker,
    /// What the asker believes goes back.
    pub expected: Option<Money>,
    /// Why.
    pub reason: String,
}

/// A quote, or why there is none.
type Offer = std::result::Result<Quote, Refusal>;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = match refusal {
            Refusal::State => "Money goes back only for orders that are paid and not over.",
            Refusal::TooLate => "The show begins too soon for money to go back.",
            Refusal::Used => "A ticket of this order was used.",
            Refusal::NothingLeft => "After the fees nothing is left to go back.",
        };
        Self::new(Code::RefundRefused, detail).with("reason", refusal)
    }
}

impl Refunds {
    /// The service on its parts.
    #[must_use]
    pub fn new(database: Database, catalog: Catalog, outbox: Outbox, policy: Policy) -> Self {
        Self { database, catalog, outbox, policy }
    }

    /// What would go back of an order if somebody asked now.
    ///
    /// # Errors
    ///
    /// When the database cannot say. That nothing goes back is an answer.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn quote(&self, order: &OrderRow, asker: Asker) -> Result<Offer> {
        let session = self.catalog.session(order.session).await?;
        let used = tickets::of_order(&self.database.read, order.id).await?;
        if used.iter().any(|ticket| ticket.state == tickets::TicketState::Used) {
            return Ok(Err(Refusal::Used));
        }
        Ok(self.offer(order, session.starts_at, asker))
    }

    fn offer(&self, order: &OrderRow, starts_at: Millis, asker: Asker) -> Offer {
        match asker {
            Asker::Staff { goodwill: true } | Asker::Platform => {
                Policy::goodwill(order.state, order.total, Millis::now())
            }
            Asker::Staff { goodwill: false } | Asker::Buyer | Asker::Counter => {
                self.policy.quote(order.state, order.total, starts_at, Millis::now())
            }
        }
    }

    /// Asks for the money of an order: its tickets open no door from now on. Asked again, it is the same refund.
    ///
    /// # Errors
    ///
    /// [`Code::RefundRefused`] with a `reason`, [`Code::RefundChanged`] when another amount goes back than the asker
    /// believes; nothing is changed then.
    ///
    /// # Cancel safety
    ///
    /// Asked for or not; asking again finds out.
    pub async fn ask(&self, request: Request) -> Result<RefundRow> {
        let found = orders::find_any(&self.database.read, request.order).await?;
        let found = found.ok_or_else(|| Problem::not_found("order"))?;
        if found.archived_at.is_some() {
            let known = refunds::of_order(&self.database.read, found.id).await?.into_iter();
            let mut asked = known.filter(|refund| refund.kind == RefundKind::Order);
            let returned = asked.find(|refund| refund.state == RefundState::Done);
            return returned.ok_or_else(|| Refusal::State.into());
        }
        let starts_at = self.catalog.session(found.session).await?.starts_at;
        let this = self.clone();
        let refund = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move {
                    let order = orders::lock(connection, request.order).await?;
                    let order = order.ok_or_else(|| Problem::not_found("order"))?;
                    let known = refunds::of_order(&mut *connection, order.id).await?.into_iter();
                    let mut asked = known.filter(|refund| refund.kind == RefundKind::Order);
                    if let Some(refund) = asked.find(|refund| refund.state != RefundState::Refused) {
                        return Ok(refund);
                    }
                    let quote = this.offer(&order, starts_at, request.asker)?;
                    if request.expected.is_some_and(|expected| expected != quote.amount) {
                        let detail = format!("{} goes back now.", quote.amount);
                        return Err(Problem::new(Code::RefundChanged, detail).with("amount", quote.amount));
                    }
                    let refund = this.row(connection, &order, &request, &quote).await?;
                    if !tickets::void(connection, order.id).await? {
                        return Err(Refusal::Used.into());
                    }
                    let why = match request.asker {
                        Asker::Platform => &request.reason,
                        _ => "refund asked for",
                    };
                    orders::transition(connection, order.id, order.state, OrderState::Refunding, why).await?;
                    if !refunds::insert(connection, &refund).await? {
                        return Err(Problem::unavailable("another refund of the order came in between"));
                    }
                    if request.asker == Asker::Platform {
                        this.outbox.record(connection, &refund.notice(Topic::ReturnedByName)).await?;
                    }
                    if refund.state == RefundState::Pending {
                        this.outbox.record(connection, &refund.message()).await?;
                    }
                    Ok(refund)
                })
            })
            .await?;
        self.outbox.wake();
        Ok(refund)
    }

    async fn row(
        &self,
        connection: &mut crate::storage::Connection<'_>,
        order: &OrderRow,
        request: &Request,
        quote: &Quote,
    ) -> Result<RefundRow> {
        let paid = payments::of_order(connection, order.id).await?;
        let paid = paid.into_iter().find(|payment| payment.state == PaymentState::Succeeded);
        let (payment, txn) = paid
            .and_then(|payment| payment.txn.map(|txn| (payment.id, txn)))
            .ok_or_else(|| Problem::internal("a paid order without a charge"))?;
        let waits = match request.asker {
            Asker::Buyer => self.policy.review,
            Asker::Counter => true,
            // Money of a till is handed out by somebody, or not at all.
            Asker::Platform => self.policy.review || order.user == UserId::COUNTER,
            Asker::Staff { .. } => false,
        };
        Ok(RefundRow {
            id: RefundId::new(),
            kind: RefundKind::Order,
            payment,
            order: order.id,
            txn,
            amount: quote.amount,
            fee: quote.fee,
            reason: request.reason.clone(),
            state: if waits { RefundState::Requested } else { RefundState::Pending },
            asked_by: request.by,
            from: Some(order.state),
            note: None,
            created_at: Millis::now(),
        })
    }

    /// The staff agrees: the money goes to the provider. So does a charge that the provider refused to take back before.
    ///
    /// # Errors
    ///
    /// [`Code::RefundState`] when there is nothing to agree to.
    ///
    /// # Cancel safety
    ///
    /// Agreed or not; the refund's state says so.
    pub async fn approve(&self, id: RefundId) -> Result<RefundRow> {
        let outbox = self.outbox.clone();
        self.decide(id, move |connection, refund| {
            Box::pin(async move {
                let again = refund.kind == RefundKind::Charge && refund.state == RefundState::Refused;
                if refund.state != RefundState::Requested && !again {
                    return Err(nothing_to_decide(&refund));
                }
                refunds::transition(connection, refund.id, refund.state, RefundState::Pending, None).await?;
                if refund.kind == RefundKind::Order {
                    outbox.record(connection, &refund.notice(Topic::RefundAgreed)).await?;
                }
                outbox.record(connection, &refund.message()).await
            })
        })
        .await
    }

    /// The staff refuses what a buyer asked for: the order is what it was before, and its tickets open doors again.
    ///
    /// # Errors
    ///
    /// [`Code::RefundState`] when the money is on its way already, or this was decided before.
    ///
    /// # Cancel safety
    ///
    /// Refused or not; the refund's state says so.
    pub async fn refuse(&self, id: RefundId, why: String) -> Result<RefundRow> {
        let outbox = self.outbox.clone();
        self.decide(id, move |connection, refund| {
            Box::pin(async move {
                if refund.state != RefundState::Requested {
                    return Err(nothing_to_decide(&refund));
                }
                refunds::transition(connection, refund.id, refund.state, RefundState::Refused, Some(&why)).await?;
                keep(connection, &outbox, &refund, &why).await
            })
        })
        .await
    }

    /// Changes a refund while nobody else changes it or its order.
    async fn decide<F>(&self, id: RefundId, change: F) -> Result<RefundRow>
    where
        F: for<'a, 'c> FnOnce(
                &'a mut crate::storage::Connection<'c>,
                RefundRow,
            ) -> futures_util::future::BoxFuture<'a, Result<()>>
            + Send
            + 'static,
    {
        let unknown = || Problem::not_found("refund");
        let order = refunds::find(&self.database.read, &id.to_string()).await?.ok_or_else(unknown)?.order;
        let refund = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move {
                    orders::lock(connection, order).await?;
                    let refund = refunds::find(&mut *connection, &id.to_string()).await?.ok_or_else(unknown)?;
                    change(connection, refund).await?;
                    refunds::find(connection, &id.to_string()).await?.ok_or_else(unknown)
                })
            })
            .await?;
        self.outbox.wake();
        Ok(refund)
    }
}

fn nothing_to_decide(refund: &RefundRow) -> Problem {
    let detail = format!("The refund is {}.", refund.state.as_str());
    Problem::new(Code::RefundState, detail).with("state", refund.state)
}
