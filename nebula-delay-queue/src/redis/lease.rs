//! What a lease's token stands for, and what the lease is called in Redis.

use std::fmt::Write as _;

use crate::{LeaseToken, Priority, Receipt};

/// The state of a delivery, all of which is in its token: whoever proves a lease brings along what the scripts need to
/// know, and nothing else has to be written when a message is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    /// Of the claim.
    pub(super) random: u64,
    pub(super) attempts: u32,
    /// First due, in milliseconds since 1970.
    pub(super) first: u64,
    pub(super) rank: u8,
}

const RANK_BITS: u32 = 2;
const ATTEMPT_BITS: u32 = 18;
const FIRST_BITS: u32 = 44;

impl Lease {
    pub(super) fn token(self) -> LeaseToken {
        let state = ((self.first << ATTEMPT_BITS) | u64::from(self.attempts)) << RANK_BITS | u64::from(self.rank);
        LeaseToken::from_u128((u128::from(self.random) << 64) | u128::from(state))
    }

    fn of(token: LeaseToken) -> Self {
        let token = token.as_u128();
        let bits = |at: u32, count: u32| (token as u64 >> at) & ((1 << count) - 1);
        Self {
            random: (token >> 64) as u64,
            attempts: bits(RANK_BITS, ATTEMPT_BITS) as u32,
            first: bits(RANK_BITS + ATTEMPT_BITS, FIRST_BITS),
            rank: bits(0, RANK_BITS) as u8,
        }
    }

    /// Reads what a claim answered, and the id after it. `None` for what no script writes.
    pub(super) fn parse(name: &str) -> Option<(Self, &str)> {
        let mut parts = name.splitn(5, '|');
        let random = u64::from_str_radix(parts.next()?, 16).ok()?;
        let (attempts, first) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let rank = parts.next()?.parse().ok()?;
        Some((Self { random, attempts, first, rank }, parts.next()?))
    }

    pub(super) fn priority(self) -> Priority {
        Priority::from_rank(self.rank.into())
    }
}

/// Writes the name under which a lease is in Redis.
fn write_name(receipt: &Receipt, to: &mut String) {
    let Lease { random, attempts, first, rank } = Lease::of(receipt.token);
    // Writing to a string does not fail.
    let _ = write!(to, "{random:016x}|{attempts}|{first}|{rank}|{}", receipt.id.as_str());
}

pub(super) fn name(receipt: &Receipt) -> String {
    let mut name = String::new();
    write_name(receipt, &mut name);
    name
}

/// The names of several leases, in one piece of memory.
pub(super) struct Names {
    text: String,
    ends: Vec<usize>,
}

impl Names {
    pub(super) fn of(receipts: &[Receipt]) -> Self {
        let mut names =
            Self { text: String::with_capacity(receipts.len() * 80), ends: Vec::with_capacity(receipts.len()) };
        for receipt in receipts {
            write_name(receipt, &mut names.text);
            names.ends.push(names.text.len());
        }
        names
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut from = 0;
        self.ends.iter().map(move |end| &self.text[std::mem::replace(&mut from, *end)..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageId;

    #[test]
    fn a_token_keeps_the_state() {
        for lease in [
            Lease { random: 7, attempts: 1, first: 1_800_000_000_000, rank: 2 },
            Lease { random: u64::MAX, attempts: (1 << 18) - 1, first: (1 << 44) - 1, rank: 1 },
        ] {
            let receipt = Receipt { id: MessageId::new("a|b").unwrap(), token: lease.token() };
            let mut name = String::new();
            write_name(&receipt, &mut name);
            assert_eq!(Lease::parse(&name), Some((lease, "a|b")));
        }
    }

    #[test]
    fn a_foreign_token_is_nobodys_lease() {
        let mut name = String::new();
        write_name(&Receipt { id: MessageId::new("a").unwrap(), token: LeaseToken::random() }, &mut name);
        assert!(name.ends_with("|a"));
        assert_eq!(Lease::parse("junk"), None);
    }
}
