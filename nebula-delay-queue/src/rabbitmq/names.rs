//! How exchanges and queues are called.

use lapin::types::ShortString;

use super::ladder;
use crate::{Error, ErrorKind, Priority, QueueName, Result};

/// All names begin with the prefix, which carries the version of the topology.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    dead: Option<String>,
}

impl Names {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, dead: None }
    }

    pub(super) fn set_dead_exchange(&mut self, name: String) {
        self.dead = Some(name);
    }

    /// The exchange in front of a level.
    pub(super) fn level(&self, level: usize) -> String {
        format!("{}.level.{level}", self.prefix)
    }

    /// A queue of a digit.
    pub(super) fn step(&self, level: usize, digit: u64, strand: u8) -> String {
        stranded(format!("{}.level.{level}.{digit}", self.prefix), strand)
    }

    /// The exchange below the ladder, and below a level.
    pub(super) fn below(&self, level: usize) -> String {
        match level.checked_sub(1) {
            Some(next) => self.level(next),
            None => self.deliver(),
        }
    }

    pub(super) fn deliver(&self) -> String {
        format!("{}.deliver", self.prefix)
    }

    pub(super) fn unroutable(&self) -> String {
        format!("{}.unroutable", self.prefix)
    }

    pub(super) fn dead_exchange(&self) -> String {
        self.dead.clone().unwrap_or_else(|| format!("{}.dead", self.prefix))
    }

    pub(super) fn dead(&self, queue: &QueueName) -> String {
        format!("{}.dead.{queue}", self.prefix)
    }

    pub(super) fn ready(&self, queue: &QueueName, priority: Priority) -> String {
        format!("{}.ready.{}", self.prefix, destination(queue, priority))
    }

    /// A lane: the way of one hot delay, in one step.
    pub(super) fn lane(&self, delay_ms: u64) -> String {
        format!("{}.lane.{delay_ms}", self.prefix)
    }

    /// A queue of a lane.
    pub(super) fn lane_step(&self, delay_ms: u64, strand: u8) -> String {
        stranded(self.lane(delay_ms), strand)
    }

    /// The key of something that takes a lane; the digits count for nothing there.
    pub(super) fn lane_key(strand: u8, destination: &str) -> String {
        ladder::Route::of(0, ladder::LEVELS).key(strand, destination)
    }
}

/// Most ladders have one strand, which needs no number.
fn stranded(name: String, strand: u8) -> String {
    if strand == 0 { name } else { format!("{name}.{strand}") }
}

/// What stands behind the digits of a routing key. The band comes first, so that it cannot be a word of the queue's name.
pub(super) fn destination(queue: &QueueName, priority: Priority) -> String {
    format!("{}.{queue}", priority.rank())
}

pub(super) fn short(text: impl Into<String>) -> Result<ShortString> {
    ShortString::try_new(text)
        .map_err(|error| Error::new(ErrorKind::InvalidName, "a name is too long for AMQP").with_source(error))
}
