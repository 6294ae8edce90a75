//! What the books have of a day.

use std::time::Duration;

use jiff::civil::Date;

use super::compare::{Books, Entry, refund_name};
use crate::{
    day,
    payment::{
        provider::{StatementEntry, StatementLine},
        storage::{
            charges,
            refunds::{self, RefundState},
        },
    },
    problem::Result,
    storage::Pool,
};

/// So much later the books may learn of what a bill names; what is later still is looked up one by one.
const LATE: Duration = Duration::from_secs(24 * 3_600);

/// The books of a day, and of whatever the bill names.
pub(super) async fn of(pool: &Pool, provider: &str, day: Date, bill: &[StatementLine]) -> Result<Books> {
    let (from, to) = day::bounds(day)?;
    let mut books = Books::default();
    for (range, of_the_day) in [((to, to.plus(LATE)), false), ((from, to), true)] {
        for charge in charges::between(pool, provider, range).await? {
            books.charges.insert(charge.txn, Entry { amount: charge.amount, of_the_day, done: true });
        }
        for refund in refunds::done_between(pool, provider, range).await? {
            books.refunds.insert(refund.id.to_string(), Entry { amount: refund.amount, of_the_day, done: true });
        }
    }
    for line in bill {
        match &line.entry {
            StatementEntry::Charge { txn, .. } if !books.charges.contains_key(txn) => {
                if let Some(charge) = charges::find(pool, provider, txn).await? {
                    let entry = Entry { amount: charge.amount, of_the_day: false, done: true };
                    books.charges.insert(txn.clone(), entry);
                }
            }
            StatementEntry::Refund { refund } => {
                let name = refund_name(refund);
                if !books.refunds.contains_key(&name)
                    && let Some(row) = refunds::find(pool, &name).await?
                {
                    let done = row.state == RefundState::Done;
                    books.refunds.insert(name, Entry { amount: row.amount, of_the_day: false, done });
                }
            }
            StatementEntry::Charge { .. } => {}
        }
    }
    Ok(books)
}
