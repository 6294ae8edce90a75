//! Compares a bill with the books. Nothing here asks anybody.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    money::Money,
    payment::provider::{StatementEntry, StatementLine},
};

/// A bill compared with the books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// Whose bill.
    pub provider: String,
    /// Of which day, as providers count days.
    pub day: String,
    /// When they were compared.
    pub at: String,
    /// Lines that agree.
    pub matched: u32,
    /// The others.
    pub differences: Vec<Difference>,
}

/// Where a bill and the books do not agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// How.
    pub kind: Kind,
    /// The charge, by the provider's name, or the refund, by ours.
    pub subject: String,
    /// What the bill says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Money>,
    /// What the books say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Money>,
}

/// Kinds of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The bill has a charge, the books do not: somebody paid and nobody knows.
    ChargeNotOurs,
    /// The books have a charge, the bill does not: something was sold for nothing.
    ChargeNotTheirs,
    /// Both have the charge, with different amounts.
    ChargeAmount,
    /// The bill has a refund, the books do not.
    RefundNotOurs,
    /// The books have a refund as done, the bill does not: somebody waits for money.
    RefundNotTheirs,
    /// Both have the refund, with different amounts.
    RefundAmount,
    /// The bill has a refund that the books believe to be unfinished.
    RefundNotDone,
}

/// What the books know of the lines of a bill, and what they have of the day.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    /// Charges by the provider's name: those of the day, and those that the bill names.
    pub(super) charges: BTreeMap<String, Entry>,
    /// Refunds by our name, alike.
    pub(super) refunds: BTreeMap<String, Entry>,
}

/// A charge or a refund in the books.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) amount: Money,
    /// Whether the books have it on this very day: then the bill should have it, or the bill of the day before.
    pub(super) of_the_day: bool,
    pub(super) done: bool,
}

/// Our name of a refund, however the provider writes identifiers.
pub(super) fn refund_name(name: &str) -> String {
    uuid::Uuid::parse_str(name).map_or_else(|_| name.to_owned(), |id| id.to_string())
}

/// The lines that agree, and where they do not. `before` is the bill of the day before: what a provider took just before
/// midnight the books learn just after it.
pub(super) fn compare(bill: &[StatementLine], before: &[StatementLine], books: &Books) -> (u32, Vec<Difference>) {
    let mut matched = 0;
    let mut differences = Vec::new();
    for line in bill {
        let (subject, entry, absent, other) = match &line.entry {
            StatementEntry::Charge { txn, .. } => {
                (txn.clone(), books.charges.get(txn), Kind::ChargeNotOurs, Kind::ChargeAmount)
            }
            StatementEntry::Refund { refund } => {
                let name = refund_name(refund);
                let entry = books.refunds.get(&name);
                (name, entry, Kind::RefundNotOurs, Kind::RefundAmount)
            }
        };
        let kind = match entry {
            None => Some(absent),
            Some(entry) if entry.amount != line.amount => Some(other),
            Some(entry) if !entry.done => Some(Kind::RefundNotDone),
            Some(_) => None,
        };
        match kind {
            None => matched += 1,
            Some(kind) => {
                let ours = entry.map(|entry| entry.amount);
                differences.push(Difference { kind, subject, theirs: Some(line.amount), ours });
            }
        }
    }
    let (charged, refunded) = names(bill.iter().chain(before));
    let missing = |entries: &BTreeMap<String, Entry>, there: &BTreeSet<String>, kind| {
        let missing = entries.iter().filter(|(name, entry)| entry.of_the_day && entry.done && !there.contains(*name));
        missing
            .map(|(name, entry)| Difference { kind, subject: name.clone(), theirs: None, ours: Some(entry.amount) })
            .collect::<Vec<_>>()
    };
    differences.extend(missing(&books.charges, &charged, Kind::ChargeNotTheirs));
    differences.extend(missing(&books.refunds, &refunded, Kind::RefundNotTheirs));
    (matched, differences)
}

fn names<'l>(lines: impl Iterator<Item = &'l StatementLine>) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut charges, mut refunds) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        match &line.entry {
            StatementEntry::Charge { txn, .. } => charges.insert(txn.clone()),
            StatementEntry::Refund { refund } => refunds.insert(refund_name(refund)),
        };
    }
    (charges, refunds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    fn cny(minor: i64) -> Money {
        Money { minor, currency: Currency::CNY }
    }

    fn charge(txn: &str, minor: i64) -> StatementLine {
        let entry = StatementEntry::Charge { txn: txn.to_owned(), payment: String::new() };
        StatementLine { entry, amount: cny(minor) }
    }

    fn refund(name: &str, minor: i64) -> StatementLine {
        StatementLine { entry: StatementEntry::Refund { refund: name.to_owned() }, amount: cny(minor) }
    }

    fn entry(minor: i64, of_the_day: bool, done: bool) -> Entry {
        Entry { amount: cny(minor), of_the_day, done }
    }

    #[test]
    fn each_kind_of_difference_is_told_apart() {
        let id = uuid::Uuid::from_u128(7);
        let books = Books {
            charges: BTreeMap::from([
                ("same".to_owned(), entry(100, true, true)),
                ("dearer".to_owned(), entry(100, true, true)),
                ("lost".to_owned(), entry(5, true, true)),
                ("before".to_owned(), entry(6, true, true)),
                ("next day".to_owned(), entry(7, false, true)),
            ]),
            refunds: BTreeMap::from([
                (id.to_string(), entry(50, true, true)),
                ("open".to_owned(), entry(3, false, false)),
                ("cheaper".to_owned(), entry(3, true, true)),
                ("gone".to_owned(), entry(4, true, true)),
            ]),
        };
        let bill = [
            charge("same", 100),
            charge("dearer", 101),
            charge("unknown", 1),
            charge("next day", 7),
            // Providers that allow no hyphens.
            refund(&id.simple().to_string(), 50),
            refund("open", 3),
            refund("cheaper", 2),
            refund("foreign", 9),
        ];
        let (matched, differences) = compare(&bill, &[charge("before", 6)], &books);
        assert_eq!(matched, 3);
        let found: Vec<_> = differences.iter().map(|one| (one.kind, one.subject.as_str())).collect();
        assert_eq!(
            found,
            [
                (Kind::ChargeAmount, "dearer"),
                (Kind::ChargeNotOurs, "unknown"),
                (Kind::RefundNotDone, "open"),
                (Kind::RefundAmount, "cheaper"),
                (Kind::RefundNotOurs, "foreign"),
                (Kind::ChargeNotTheirs, "lost"),
                (Kind::RefundNotTheirs, "gone"),
            ]
        );
        assert_eq!((differences[0].theirs, differences[0].ours), (Some(cny(101)), Some(cny(100))));
        assert_eq!(compare(&[], &[], &Books::default()), (0, Vec::new()));
    }
}
