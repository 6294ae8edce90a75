//! The conformance suite: every bullet of the backends' contracts as a test, for any backend.
//!
//! ```
//! # fn main() {}
//! use nebula_delay_queue::{MemoryDelayQueue, conformance_suite, testing::Fixture};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryDelayQueue);
//!
//! impl Fixture for Memory {
//!     type Backend = MemoryDelayQueue;
//!
//!     async fn start() -> Self {
//!         Self(MemoryDelayQueue::new())
//!     }
//!
//!     fn backend(&self) -> MemoryDelayQueue {
//!         self.0.clone()
//!     }
//! }
//!
//! conformance_suite!(Memory);
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these functions are tests, told apart by their names: they fail by panicking"
)]

pub mod consumer;
pub mod idempotency;
#[cfg(feature = "rabbitmq")]
pub mod ledger;
pub mod producer;
pub mod trace;
pub mod worker;

use std::{
    fmt,
    future::Future,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep};

use crate::{
    Claimed, Clock, DelayQueueBackend, DelayQueueConsumer, Delivery, MessageId, QueueName, RawMessage, Schedule,
};

/// A lease that does not end during a test.
const LONG: Duration = Duration::from_secs(600);

/// A lease that ends soon.
const SHORT: Duration = Duration::from_millis(150);

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(180);

/// Brings one backend to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The backend.
    type Backend: DelayQueueBackend + Clone;

    /// Starts, or connects to, a backend whose queues nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The backend. Several calls see the same queues.
    fn backend(&self) -> Self::Backend;

    /// The backend in a process whose wall clock is wrong, if it looks at that. By default it does not: time is another
    /// clock's, such as a server's.
    fn with_wrong_clock(&self, clock: WrongClock) -> impl Future<Output = Self::Backend> + Send {
        let _ = clock;
        std::future::ready(self.backend())
    }
}

/// A wall clock that is an hour off.
#[derive(Clone, Copy, Debug)]
pub enum WrongClock {
    /// It shows what will be true in an hour.
    Fast,
    /// It shows what was true an hour ago.
    Slow,
}

impl Clock for WrongClock {
    fn now(&self) -> SystemTime {
        const HOUR: Duration = Duration::from_secs(3600);
        match self {
            Self::Fast => SystemTime::now() + HOUR,
            Self::Slow => SystemTime::now() - HOUR,
        }
    }
}

/// Defines one `#[tokio::test]` for each part of the contract, run with the given [`Fixture`](crate::testing::Fixture).
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:ty) => {
        $crate::conformance_suite!(@tests $fixture, producer:
            ping_answers, everything_about_a_message_arrives, never_early, a_wrong_clock_moves_no_delay, past_due_times_are_due_now,
            duplicates_change_nothing, an_id_is_free_again_at_the_end, queues_are_independent,
            batches_answer_in_order, cancelled_messages_never_come, claimed_messages_cannot_be_cancelled,
            rescheduling_moves_both_ways, bad_messages_are_refused);
        $crate::conformance_suite!(@tests $fixture, consumer:
            claims_are_bounded_and_ordered, claims_are_exclusive, ended_leases_return_their_messages,
            stale_tokens_are_refused, acknowledged_messages_are_gone, retried_messages_pause,
            given_back_messages_lose_no_attempt, extended_leases_last, buried_messages_tell_their_story,
            replayed_messages_start_afresh, purged_messages_are_gone, next_due_tells_how_long_to_sleep,
            statistics_count_every_state, statistics_tell_what_is_overdue, what_waits_can_be_looked_at,
            nothing_asked_nothing_answered);
        $crate::conformance_suite!(@tests $fixture, worker:
            every_message_is_handled, new_messages_end_the_sleep, handlers_see_the_whole_message,
            stuck_and_failing_handlers_hold_nobody_up, failures_are_retried_then_buried,
            panics_and_deadlines_are_failures, long_handlers_keep_their_leases, hopeless_messages_are_buried_unseen,
            draining_gives_back_what_has_not_begun, batches_settle_each_message_by_its_outcome,
            duplicates_take_effect_once);
    };
    (@tests $fixture:ty, $module:ident: $($name:ident),+ $(,)?) => {
        mod $module {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::testing::$module::$name::<$fixture>().await;
            })+
        }
    };
}

fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

fn id(text: &str) -> MessageId {
    MessageId::new(text).unwrap()
}

fn message(text: &str) -> RawMessage {
    RawMessage::new(id(text), format!("\"{text}\""))
}

fn after(text: &str, delay: Duration) -> RawMessage {
    message(text).with_schedule(Schedule::After(delay))
}

fn ids(claimed: &Claimed) -> Vec<&str> {
    claimed.deliveries.iter().map(|delivery| delivery.message.id.as_str()).collect()
}

/// Claims until something comes.
async fn claim_some(
    backend: &impl DelayQueueConsumer,
    queue: &QueueName,
    max: usize,
    lease: Duration,
) -> Vec<Delivery> {
    let started = Instant::now();
    loop {
        let claimed = backend.claim(queue, max, lease).await.unwrap();
        if !claimed.deliveries.is_empty() {
            return claimed.deliveries;
        }
        assert!(started.elapsed() < PATIENCE, "nothing was claimable within {PATIENCE:?}");
        sleep(claimed.next_due.unwrap_or(SHORT).clamp(Duration::from_millis(1), SHORT)).await;
    }
}

/// Claims one message, which must be there at some time.
async fn claim_one(backend: &impl DelayQueueConsumer, queue: &QueueName, lease: Duration) -> Delivery {
    claim_some(backend, queue, 1, lease).await.pop().unwrap()
}

/// Waits until a condition holds.
async fn eventually<Fut: Future<Output = bool>>(what: &str, condition: impl Fn() -> Fut) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
