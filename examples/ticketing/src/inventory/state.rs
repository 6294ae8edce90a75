//! What a ledger tells about a session: states, counts, and places in its change log.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::ids::SeatPosition;

/// State of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SeatState {
    /// Free to take.
    Available = b'A',
    /// Held by an unpaid order.
    Locked = b'L',
    /// Paid for.
    Sold = b'S',
}

impl SeatState {
    /// The letter used in snapshots, change logs and the HTTP interface.
    #[must_use]
    pub fn letter(self) -> char {
        char::from(self as u8)
    }

    /// Reads the letter.
    #[must_use]
    pub fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'A' => Some(Self::Available),
            b'L' => Some(Self::Locked),
            b'S' => Some(Self::Sold),
            _ => None,
        }
    }
}

impl Serialize for SeatState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_char(self.letter())
    }
}

/// All seats at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Where to go on reading changes.
    pub cursor: Cursor,
    /// One state a seat, by position.
    pub states: Vec<SeatState>,
}

impl Snapshot {
    /// Counts the states.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let count = |state| {
            let seats = self.states.iter().filter(|s| **s == state).count();
            u32::try_from(seats).unwrap_or(u32::MAX)
        };
        let seats = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        Counts { cursor: self.cursor, seats, locked: count(SeatState::Locked), sold: count(SeatState::Sold) }
    }
}

/// Counts of a session; `seats` = available + locked + sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The moment they belong to.
    pub cursor: Cursor,
    /// Seats of the plan.
    pub seats: u32,
    /// Held by unpaid orders.
    pub locked: u32,
    /// Paid for.
    pub sold: u32,
}

impl Counts {
    /// Seats free to take.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.seats.saturating_sub(self.locked).saturating_sub(self.sold)
    }
}

/// A place in a session's change log. As text: `<epoch>-<sequence>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The ledger's epoch: a place in an older generation's log means nothing in this one.
    pub epoch: i64,
    /// Number of the last change seen; 0 before the first.
    pub sequence: u64,
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a cursor is written <epoch>-<sequence>")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (epoch, sequence) = text.split_once('-').ok_or(CursorError)?;
        if !text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            return Err(CursorError);
        }
        let epoch = epoch.parse().map_err(|_| CursorError)?;
        Ok(Self { epoch, sequence: sequence.parse().map_err(|_| CursorError)? })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What `changes` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The changes after the cursor, oldest first; a seat may occur more than once.
    Since {
        /// Where to go on; the cursor asked with when there is nothing new.
        cursor: Cursor,
        /// The new states.
        seats: Vec<(SeatPosition, SeatState)>,
        /// The counts at this moment, which may be later than `cursor`.
        counts: Counts,
    },
    /// The log does not reach back to the cursor: take a snapshot.
    Reset,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_and_print() {
        let cursor = Cursor { epoch: 1_790_000_000_000_000, sequence: 7 };
        assert_eq!(cursor.to_string(), "1790000000000000-7");
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "-", "1", "1-", "-1", "1--2", "+1-2", "1-+2", "1-2-3", "1-18446744073709551616", "a-b"] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
        }
    }
}
