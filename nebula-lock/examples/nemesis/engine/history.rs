//! What clients did, as they wrote it down themselves.
//!
//! Each event is one line, written with one system call before the client goes on. The kernel keeps it when the client is
//! killed in the next instant.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

/// The file of one client process.
#[derive(Debug)]
pub(crate) struct Journal(File);

/// Times are those of [`now`](super::clock::now).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A guard was handed out. `until`: how long its holder may believe in it if it is not renewed.
    Acquired { hold: u64, key: String, shared: bool, fence: u64, asked: u64, at: u64, until: u64 },
    /// The holder saw that its lease was extended.
    Extended { hold: u64, until: u64 },
    /// The holder stopped relying on the lock.
    Ended { hold: u64, at: u64, how: How },
    /// `lost()` resolved.
    Told { hold: u64, at: u64 },
    /// The client did not get to run: it was frozen, or starved.
    Stalled { client: u64, from: u64, to: u64 },
    /// A request for this kind of lock was granted.
    Took { kind: String },
    /// The answer to a release.
    Outcome { hold: u64, at: u64, outcome: String },
    /// A request for a lock ended without one.
    Failed { kind: String },
    /// The client saw something that must not be.
    Complaint { text: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The holder is about to release, or to drop the guard.
    GivenBack,
    /// The lease ended by the holder's clock.
    Expired,
    /// The backend said that the hold is gone.
    Gone,
}

impl Journal {
    pub(crate) fn open(file: &Path) -> io::Result<Self> {
        OpenOptions::new().create(true).append(true).open(file).map(Self)
    }

    /// Panics if the disk is full: a history with gaps proves nothing.
    pub(crate) fn note(&self, event: &Event) {
        let line = format!("{event}\n");
        let written = (&self.0).write_all(line.as_bytes());
        assert!(written.is_ok(), "cannot write the history: {written:?}");
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Acquired { hold, key, shared, fence, asked, at, until } => {
                write!(f, "acquired {hold} {key} {} {fence} {asked} {at} {until}", u8::from(*shared))
            }
            Self::Extended { hold, until } => write!(f, "extended {hold} {until}"),
            Self::Ended { hold, at, how } => write!(f, "ended {hold} {at} {how:?}"),
            Self::Told { hold, at } => write!(f, "told {hold} {at}"),
            Self::Stalled { client, from, to } => write!(f, "stalled {client} {from} {to}"),
            Self::Took { kind } => write!(f, "took {kind}"),
            Self::Outcome { hold, at, outcome } => write!(f, "outcome {hold} {at} {outcome}"),
            Self::Failed { kind } => write!(f, "failed {kind}"),
            Self::Complaint { text } => write!(f, "complaint {text}"),
        }
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u64>().map_err(|error| format!("{error} in {line:?}"));
        Ok(match *words {
            ["acquired", hold, key, shared, fence, asked, at, until] => Self::Acquired {
                hold: number(hold)?,
                key: key.to_owned(),
                shared: shared == "1",
                fence: number(fence)?,
                asked: number(asked)?,
                at: number(at)?,
                until: number(until)?,
            },
            ["extended", hold, until] => Self::Extended { hold: number(hold)?, until: number(until)? },
            ["ended", hold, at, how] => Self::Ended { hold: number(hold)?, at: number(at)?, how: how.parse()? },
            ["told", hold, at] => Self::Told { hold: number(hold)?, at: number(at)? },
            ["stalled", client, from, to] => {
                Self::Stalled { client: number(client)?, from: number(from)?, to: number(to)? }
            }
            ["took", kind] => Self::Took { kind: kind.to_owned() },
            ["outcome", hold, at, outcome] => {
                Self::Outcome { hold: number(hold)?, at: number(at)?, outcome: outcome.to_owned() }
            }
            ["failed", kind] => Self::Failed { kind: kind.to_owned() },
            ["complaint", ..] => Self::Complaint { text: words[1..].join(" ") },
            _ => return Err(format!("not an event: {line:?}")),
        })
    }
}

impl FromStr for How {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::GivenBack, Self::Expired, Self::Gone]
            .into_iter()
            .find(|how| format!("{how:?}") == word)
            .ok_or_else(|| format!("not an end: {word:?}"))
    }
}

/// From the moment a client had a lock to the moment from which it no longer relied on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) shared: bool,
    pub(crate) fence: u64,
    pub(crate) asked: u64,
    pub(crate) begin: u64,
    /// What its clock, or its own will, put an end to, whichever came first.
    pub(crate) end: u64,
    /// The last `until` that the holder saw.
    pub(crate) until: u64,
    /// When it learned that the hold was gone although it should have lasted until later.
    pub(crate) vanished: Option<u64>,
    /// When it noticed the end of its lease, if it did.
    pub(crate) noticed: Option<u64>,
    /// When `lost()` resolved; if it did not, when the holder stopped relying on the lock without having been told.
    pub(crate) told: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) holds: Vec<Hold>,
    /// Requests that were granted, by kind.
    pub(crate) taken: HashMap<String, u64>,
    /// Requests without a lock, by reason.
    pub(crate) failures: HashMap<String, u64>,
    pub(crate) outcomes: HashMap<String, u64>,
    pub(crate) complaints: Vec<String>,
    /// By client, when it did not get to run.
    pub(crate) stalls: HashMap<u64, Vec<(u64, u64)>>,
}

impl History {
    /// Adds what one process wrote. `died`: when it was certainly gone, if it was killed.
    pub(crate) fn add(&mut self, text: &str, died: Option<u64>) -> Result<(), String> {
        let mut places = HashMap::new();
        // A line without an end was being written when the client was killed.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            match line.parse()? {
                Event::Acquired { hold: id, key, shared, fence, asked, at: begin, until } => {
                    places.insert(id, self.holds.len());
                    let end = died.unwrap_or(u64::MAX).min(until).max(begin);
                    let (vanished, noticed, told) = (None, None, None);
                    self.holds.push(Hold { id, key, shared, fence, asked, begin, end, until, vanished, noticed, told });
                }
                Event::Extended { hold, until } => {
                    let hold = self.known(&places, hold)?;
                    hold.until = until;
                    hold.end = died.unwrap_or(u64::MAX).min(until).max(hold.begin);
                }
                Event::Ended { hold, at, how } => {
                    let hold = self.known(&places, hold)?;
                    hold.end = at.min(hold.until).max(hold.begin);
                    hold.told.get_or_insert(at);
                    match how {
                        How::GivenBack => {}
                        How::Expired => hold.noticed = Some(at),
                        How::Gone => hold.vanished = Some(at).filter(|at| *at < hold.until),
                    }
                }
                Event::Told { hold, at } => {
                    let hold = self.known(&places, hold)?;
                    hold.told = Some(hold.told.map_or(at, |told| told.min(at)));
                }
                Event::Stalled { client, from, to } => self.stalls.entry(client).or_default().push((from, to)),
                Event::Took { kind } => *self.taken.entry(kind).or_default() += 1,
                Event::Outcome { hold, at, outcome } => {
                    let hold = self.known(&places, hold)?;
                    // The reply itself came while the lease lasted, so the release found it neither in time nor expired.
                    if outcome == "AlreadyLost" && at < hold.until && hold.noticed.is_none() {
                        hold.vanished.get_or_insert(at);
                    }
                    *self.outcomes.entry(outcome).or_default() += 1;
                }
                Event::Failed { kind } => *self.failures.entry(kind).or_default() += 1,
                Event::Complaint { text } => self.complaints.push(text),
            }
        }
        Ok(())
    }

    /// For how long a client did not get to run between two times.
    pub(crate) fn stalled(&self, client: u64, from: u64, to: u64) -> u64 {
        let stalls = self.stalls.get(&client).into_iter().flatten();
        stalls.map(|(begin, end)| to.min(*end).saturating_sub(from.max(*begin))).sum()
    }

    fn known(&mut self, places: &HashMap<u64, usize>, hold: u64) -> Result<&mut Hold, String> {
        let place = places.get(&hold).and_then(|place| self.holds.get_mut(*place));
        place.ok_or_else(|| format!("nothing is known of hold {hold:x}"))
    }
}
