//! What runs beside the requests: the listeners of the queues.

use std::time::{Duration, Instant, SystemTime};

use nebula_delay_queue::{DelayQueue, HandlerError, Outcome, Received};

use crate::{
    admission::Admission,
    clock::Millis,
    inventory::Inventory,
    notification::Notices,
    order::{Ending, storage as orders},
    outbox::{FOLLOW, Follow, ISSUE, Issue, NOTICE, Notice, REFUND, REMIND, Refund, Step, TIMEOUT, Timeout},
    payment::{Ended, Payments},
    problem::{Code, Problem},
    storage::Database,
    telemetry::Part,
    ticket::Tickets,
    wanted::Reminder,
};

/// How often the backlog of a queue is looked at.
const WATCHED: Duration = Duration::from_secs(10);

/// What the listeners work on.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The database.
    pub database: Database,
    /// Seats.
    pub inventory: Inventory,
    /// Money.
    pub payments: Payments,
    /// Tickets.
    pub tickets: Tickets,
    /// Waiting rooms.
    pub admission: Admission,
}

/// Starts the listeners: the ledger follows the database, paid orders get tickets, refunds reach the provider,
/// unpaid orders end. Looks after their queues.
///
/// # Errors
///
/// When a queue's name is not one.
pub fn listen((outbox, timeouts): (&DelayQueue, &DelayQueue), parts: Parts) -> Result<(), nebula_delay_queue::Error> {
    let Parts { payments, tickets, .. } = parts.clone();
    outbox
        .worker(FOLLOW)?
        .concurrency(16)
        .prefetch(64)
        .handle(move |message: Received<Follow>| {
            let parts = parts.clone();
            let part = Part::of_message(&message).about(message.body().order);
            part.run(async move { follow(&parts, &message).await })
        })
        .start()?;
    let provider = payments.clone();
    outbox
        .worker(REFUND)?
        .concurrency(4)
        .handle(move |message: Received<Refund>| {
            let provider = provider.clone();
            Part::of_message(&message).run(async move { provider.refund(&message.body().refund).await })
        })
        .start()?;
    outbox
        .worker(ISSUE)?
        .concurrency(16)
        .prefetch(64)
        .handle(move |message: Received<Issue>| {
            let issuer = tickets.clone();
            let part = Part::of_message(&message).about(message.body().order);
            part.run(async move { issuer.issue(message.body().order).await.map(drop) })
        })
        .start()?;
    timeouts
        .worker(TIMEOUT)?
        .concurrency(16)
        .prefetch(64)
        .handle(move |message: Received<Timeout>| {
            let orders = payments.clone();
            let part = Part::of_message(&message).about(message.body().order);
            part.run(async move { expire(&orders, message.into_body()).await })
        })
        .start()?;
    for (messages, queue) in
        [(outbox, FOLLOW), (outbox, ISSUE), (outbox, REFUND), (outbox, NOTICE), (outbox, REMIND), (timeouts, TIMEOUT)]
    {
        messages.watch(queue, WATCHED, WATCHED)?;
    }
    Ok(())
}

/// Tells buyers of what happened, in a process that is to do so.
///
/// # Errors
///
/// When the queue's name is none.
pub fn tell(outbox: &DelayQueue, notices: &Notices) -> Result<(), nebula_delay_queue::Error> {
    let reminding = notices.clone();
    outbox
        .worker(REMIND)?
        .concurrency(4)
        .handle(move |message: Received<Reminder>| {
            let notices = reminding.clone();
            Part::of_message(&message).run(async move { notices.remind(*message.body()).await })
        })
        .start()?;
    let notices = notices.clone();
    outbox
        .worker(NOTICE)?
        .concurrency(4)
        .handle(move |message: Received<Notice>| {
            let notices = notices.clone();
            Part::of_message(&message).run(async move { notices.tell(*message.body()).await })
        })
        .start()?;
    Ok(())
}

async fn follow(parts: &Parts, message: &Received<Follow>) -> Result<(), Problem> {
    let Parts { database, inventory, admission, .. } = parts;
    let (follow, begun) = (message.body(), Instant::now());
    match follow.step {
        Step::Sell => {
            inventory.sell(follow.session, follow.order).await?;
            // The message is due since the payment: both were committed together. The clock is the database's.
            let since = SystemTime::now().duration_since(message.due()).unwrap_or_default();
            let window = since.max(message.lateness() + begun.elapsed());
            metrics::histogram!("ticketing_payment_to_ledger_seconds").record(window);
        }
        Step::Release => inventory.release(follow.session, follow.order).await?,
        Step::Refund => inventory.refund(follow.session, follow.order).await?,
    }
    // Either way the buyer makes room for the next.
    let left = async {
        if !admission.has_room(follow.session).await? {
            return Ok(());
        }
        let Some(order) = orders::find(&database.read, follow.order).await? else { return Ok(()) };
        admission.leave(follow.session, order.user).await
    };
    if let Err(problem) = left.await {
        tracing::warn!(error = crate::problem::chain(&problem), "an admission ends by its time, not with its order");
    }
    Ok(())
}

async fn expire(payments: &Payments, timeout: Timeout) -> Result<Outcome, HandlerError> {
    Ok(match payments.end(timeout.order, Ending::Timeout).await {
        Ok(Ended::Ended(_) | Ended::Paid(_)) => Outcome::Done,
        Ok(Ended::NotYet(until)) => Outcome::RetryAfter(until.since(Millis::now())),
        // Armed, but never written: the request failed in between.
        Err(problem) if problem.code == Code::NotFound => Outcome::Done,
        Err(problem) => return Err(problem.into()),
    })
}
