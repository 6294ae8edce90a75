//! The second channel: finds what a crash or a lost message left behind, and mends it.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    clock::Millis,
    identity::Identities,
    ids::{OrderId, PaymentId, SessionId},
    inventory::{Inventory, SeatState, unsettled},
    order::{Ending, storage as orders},
    payment::{
        Payments,
        storage::{self as payments, PaymentState, refunds},
    },
    problem::{Problem, Result},
    refund::RefusedNames,
    storage::{
        Database,
        sql::{Column, query},
    },
    ticket::Tickets,
};

/// How much later than the delay queue the sweep ends an order: the queue should be the one that does it.
const OVERDUE: Duration = Duration::from_secs(2);
/// A hold this old without an order has none coming: its request ended long ago.
pub const ORPHAN: Duration = Duration::from_secs(30);
/// After this long without news the provider is asked about a payment.
const SILENCE: Duration = Duration::from_secs(15);
/// After this long without news the provider is asked about a refund, whatever became of its message.
const REFUND_RETRY: Duration = Duration::from_secs(60);
/// A notification is refused as stale long before it is forgotten here: the oldest that is read is of 26 hours ago.
const NOTIFICATIONS: Duration = Duration::from_secs(48 * 3_600);
/// Most items of a kind that are read at once.
const LIMIT: u32 = 500;
/// Most times that a run reads more of a kind: others wait for their turn.
const PAGES: u32 = 40;

/// What one run found and mended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Orders ended that the delay queue missed.
    pub overdue: u32,
    /// Orders whose seats the ledger still held wrongly.
    pub orphans: u32,
    /// Payments of which only a question to the provider brought news.
    pub pulled: u32,
    /// Refunds asked for at the provider.
    pub refunds: u32,
    /// Paid orders that had no tickets.
    pub issued: u32,
    /// Orders whose show is over.
    pub completed: u32,
    /// Sessions whose seats were counted anew.
    pub rebuilt: u32,
    /// Orders that were seen to because a name was refused.
    pub names: u32,
    /// Steps that could not be finished.
    pub failed: u32,
}

impl Swept {
    /// What was mended, by name.
    #[must_use]
    pub const fn counts(&self) -> [(&'static str, u32); 8] {
        [
            ("overdue", self.overdue),
            ("orphan", self.orphans),
            ("pulled", self.pulled),
            ("refund", self.refunds),
            ("issued", self.issued),
            ("completed", self.completed),
            ("rebuilt", self.rebuilt),
            ("name", self.names),
        ]
    }
}

/// The sweep on its parts.
#[derive(Debug)]
pub struct Sweep {
    database: Database,
    inventory: Inventory,
    payments: Payments,
    tickets: Tickets,
    show_length: Duration,
    names: Option<(Identities, RefusedNames)>,
}

impl Sweep {
    /// A sweep on its parts. A show is over when it began `show_length` ago.
    #[must_use]
    pub fn new(
        database: Database,
        inventory: Inventory,
        payments: Payments,
        tickets: Tickets,
        show_length: Duration,
    ) -> Self {
        Self { database, inventory, payments, tickets, show_length, names: None }
    }

    /// Has names checked that could not be when they were ordered, and sees to the orders of those who are refused.
    #[must_use]
    pub fn with_names(mut self, identities: Identities, refused: RefusedNames) -> Self {
        self.names = Some((identities, refused));
        self
    }

    /// One run. A step that fails is logged and left to the next run; the others go on.
    pub async fn run(&self) -> Swept {
        let mut swept = Swept::default();
        let steps = [
            ("overdue orders", self.overdue(&mut swept).await),
            ("silent payments", self.silent(&mut swept).await),
            ("unfinished refunds", self.refunds(&mut swept).await),
            ("tickets", self.tickets(&mut swept).await),
            ("ledgers", self.ledgers(&mut swept).await),
            ("old notifications", self.forget().await),
        ];
        for (what, step) in steps {
            swept.failed += u32::from(step.is_err());
            report(what, step);
        }
        if let Some((identities, refused)) = &self.names {
            for (what, step) in [
                ("names", identities.check_later().await.map(drop)),
                ("refused names", self.refused_names(refused, &mut swept).await),
            ] {
                swept.failed += u32::from(step.is_err());
                report(what, step);
            }
        }
        for (what, found) in swept.counts() {
            metrics::counter!("ticketing_swept_total", "what" => what).increment(found.into());
        }
        if swept.counts().iter().any(|(_, found)| *found > 0) {
            tracing::info!(?swept, "the sweep mended something");
        }
        swept
    }

    async fn overdue(&self, swept: &mut Swept) -> Result<()> {
        let before = Millis::now().minus(OVERDUE);
        let mut page = Page::first();
        while let Some(overdue) = page.next(&self.database, include_str!("sweep/overdue.sql"), before).await? {
            for order in overdue {
                match self.payments.end(order, Ending::Timeout).await {
                    Ok(_) => swept.overdue += 1,
                    Err(problem) => report("an overdue order", Err(problem)),
                }
            }
        }
        Ok(())
    }

    async fn silent(&self, swept: &mut Swept) -> Result<()> {
        let before = Millis::now().minus(SILENCE);
        let mut page = Page::first();
        while let Some(silent) = page.next(&self.database, include_str!("sweep/silent.sql"), before).await? {
            for payment in silent {
                match self.payments.pull(payment).await {
                    // A buyer who takes their time is no lost notification.
                    Ok(()) if self.is_settled(payment).await? => swept.pulled += 1,
                    Ok(()) => {}
                    Err(problem) => report("a silent payment", Err(problem)),
                }
            }
        }
        Ok(())
    }

    async fn refunds(&self, swept: &mut Swept) -> Result<()> {
        let before = Millis::now().minus(REFUND_RETRY);
        for refund in refunds::silent(&self.database.read, before, LIMIT).await? {
            match self.payments.pull_refund(refund).await {
                Ok(()) => swept.refunds += 1,
                Err(problem) => report("a refund", Err(problem)),
            }
        }
        Ok(())
    }

    async fn refused_names(&self, refused: &RefusedNames, swept: &mut Swept) -> Result<()> {
        let mut page = Page::first();
        let sql = include_str!("sweep/refused_names.sql");
        while let Some(orders) = page.next(&self.database, sql, Millis::now()).await? {
            for order in orders {
                match refused.settle(order).await {
                    Ok(done) => swept.names += u32::from(done),
                    Err(problem) => report("an order with a refused name", Err(problem)),
                }
            }
        }
        Ok(())
    }

    async fn tickets(&self, swept: &mut Swept) -> Result<()> {
        swept.issued = self.tickets.catch_up(ORPHAN, LIMIT).await?;
        swept.completed = self.tickets.complete(self.show_length, LIMIT).await?;
        Ok(())
    }

    async fn is_settled(&self, payment: PaymentId) -> Result<bool> {
        let payment = payments::find(&self.database.read, payment).await?;
        Ok(payment.is_some_and(|payment| payment.state != PaymentState::Pending))
    }

    /// Holds that the ledger keeps although the database knows better, and orders that the ledger does not know.
    async fn ledgers(&self, swept: &mut Swept) -> Result<()> {
        for session in unsettled(&self.database).await? {
            swept.orphans += self.inventory.sweep(session, ORPHAN).await?;
            swept.orphans += self.refunded(session).await?;
            if let Some(epoch) = self.misses_orders(session).await? {
                self.inventory.invalidate(session, epoch).await?;
                swept.rebuilt += 1;
            }
        }
        Ok(())
    }

    /// Frees the seats of orders whose money went back a while ago, if the ledger has not heard of it. Answers how many
    /// orders that were.
    async fn refunded(&self, session: SessionId) -> Result<u32> {
        let rows = query(include_str!("sweep/refunded_seats.sql"))
            .bind(session)
            .bind(Millis::now().minus(ORPHAN).0)
            .fetch_all(&self.database.read)
            .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let snapshot = self.inventory.snapshot(session).await?;
        let mut freed = BTreeSet::new();
        for row in rows {
            let (position, order): (u32, OrderId) = (row.get("position")?, row.get("order_id")?);
            // Whose seat it is, the ledger knows: it frees nothing that another order has by now.
            if snapshot.states.get(position as usize) == Some(&SeatState::Sold) && freed.insert(order) {
                self.inventory.refund(session, order).await?;
            }
        }
        Ok(u32::try_from(freed.len()).unwrap_or(u32::MAX))
    }

    /// The ledger's epoch, if a seat of an order that binds it, and has not just changed, is free in the ledger.
    async fn misses_orders(&self, session: SessionId) -> Result<Option<i64>> {
        let bound = query(include_str!("sweep/bound_seats.sql"))
            .bind(session)
            .bind(Millis::now().minus(ORPHAN).0)
            .fetch_all(&self.database.read)
            .await?;
        if bound.is_empty() {
            return Ok(None);
        }
        let snapshot = self.inventory.snapshot(session).await?;
        for row in bound {
            let position: u32 = row.get("position")?;
            if snapshot.states.get(position as usize) == Some(&SeatState::Available) {
                let order: OrderId = row.get("order_id")?;
                // An order that ended since it was read has freed its seat rightly.
                let now = orders::find(&self.database.read, order).await?;
                if now.is_some_and(|now| now.state.is_live() || now.state.owns_seats()) {
                    tracing::error!(%session, %order, position, "a seat of an order is free in the ledger");
                    return Ok(Some(snapshot.cursor.epoch));
                }
            }
        }
        Ok(None)
    }

    async fn forget(&self) -> Result<()> {
        let before = Millis::now().minus(NOTIFICATIONS);
        self.database.write.run(move |connection| Box::pin(payments::forget_notifications(connection, before))).await
    }
}

/// Reads through items that wait since a time, the oldest first. What cannot be mended now does not keep what comes after
/// it from being mended.
struct Page {
    /// Time and identifier of the last item.
    after: Option<(i64, String)>,
    left: u32,
}

impl Page {
    fn first() -> Self {
        Self { after: Some((i64::MIN, String::new())), left: PAGES }
    }

    /// The next items of a statement that answers `id` and `since`; `None` when there are no more.
    async fn next<T: Column>(
        &mut self,
        database: &Database,
        sql: &'static str,
        before: Millis,
    ) -> Result<Option<Vec<T>>> {
        let Some((since, id)) = self.after.take().filter(|_| self.left > 0) else { return Ok(None) };
        self.left -= 1;
        let rows = query(sql).bind(before.0).bind(since).bind(id).bind(LIMIT).fetch_all(&database.read).await?;
        if let (Some(last), true) = (rows.last(), rows.len() == LIMIT as usize) {
            self.after = Some((last.get("since")?, last.get("id")?));
        }
        let items: Vec<T> = rows.iter().map(|row| row.get("id")).collect::<std::result::Result<_, _>>()?;
        Ok(Some(items))
    }
}

fn report(what: &str, result: Result<(), Problem>) {
    if let Err(problem) = result {
        tracing::warn!(error = crate::problem::chain(&problem), "the sweep could not finish: {what}");
    }
}
