//! The names of all metrics, and the only code that writes them.

use std::{sync::Once, time::Duration};

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::{DeadReason, Delivery, QueueName, QueueStats, SendOutcome};

const SENT: &str = "nebula_delay_queue_sent_total";
const DELIVERED: &str = "nebula_delay_queue_delivered_total";
const HANDLED: &str = "nebula_delay_queue_handled_total";
const DEAD: &str = "nebula_delay_queue_dead_total";
const LATENESS: &str = "nebula_delay_queue_lateness_seconds";
const HANDLER: &str = "nebula_delay_queue_handler_seconds";
const IN_FLIGHT: &str = "nebula_delay_queue_in_flight";
const MESSAGES: &str = "nebula_delay_queue_messages";
const ERRORS: &str = "nebula_delay_queue_worker_errors_total";
const WAITING: &str = "nebula_delay_queue_waiting";
const OVERDUE: &str = "nebula_delay_queue_overdue";
const OLDEST: &str = "nebula_delay_queue_oldest_lateness_seconds";
const MISSING: &str = "nebula_delay_queue_missing";
#[cfg(feature = "sql")]
const RELAYED: &str = "nebula_delay_queue_relayed_total";
#[cfg(feature = "sql")]
const RELAY_LAG: &str = "nebula_delay_queue_relay_lag_seconds";
#[cfg(feature = "sql")]
const RELAY_FAILURES: &str = "nebula_delay_queue_relay_failures_total";
const TRACE_LOST: &str = "nebula_delay_queue_trace_lost_total";

pub(crate) fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_counter!(SENT, "Messages sent, by outcome (accepted, duplicate)");
        describe_counter!(DELIVERED, "Messages handed to a worker, retries included");
        describe_counter!(HANDLED, "Deliveries by result (done, retried, dead, returned, lease-lost)");
        describe_counter!(DEAD, "Dead letters by reason");
        describe_histogram!(LATENESS, Unit::Seconds, "Time from when a message could be claimed until it was");
        describe_histogram!(HANDLER, Unit::Seconds, "Duration of handler calls");
        describe_gauge!(IN_FLIGHT, "Messages that this process holds under a lease");
        describe_gauge!(MESSAGES, "Messages by state (backlog, delayed, leased, dead), when last asked");
        describe_gauge!(WAITING, "Messages that wait, due or not, when last asked");
        describe_gauge!(OVERDUE, "Messages that could have been claimed for a second or longer, when last asked");
        describe_gauge!(
            OLDEST,
            Unit::Seconds,
            "How long the message that waits longest could have been claimed, when last asked"
        );
        describe_gauge!(
            MISSING,
            "Messages that should have been delivered and have not been, when last watched (at most 100)"
        );
        describe_counter!(TRACE_LOST, "Events that could not be written to the trace store");
        #[cfg(feature = "sql")]
        {
            describe_counter!(RELAYED, "Messages that a relay moved, by outcome (accepted, duplicate, refused)");
            describe_histogram!(RELAY_LAG, Unit::Seconds, "Time from when a message was stored until it was moved");
            describe_counter!(RELAY_FAILURES, "Times that a relay could not move messages");
        }
        describe_counter!(ERRORS, "Backend errors that workers met, by operation");
    });
}

pub(crate) fn sent(queue: &QueueName, outcomes: &[SendOutcome]) {
    let accepted = outcomes.iter().filter(|outcome| outcome.is_accepted()).count();
    let duplicates = outcomes.len() - accepted;
    if accepted > 0 {
        counter!(SENT, "queue" => queue.label(), "outcome" => "accepted").increment(accepted as u64);
    }
    if duplicates > 0 {
        counter!(SENT, "queue" => queue.label(), "outcome" => "duplicate").increment(duplicates as u64);
    }
}

pub(crate) fn delivered(queue: &QueueName, deliveries: &[Delivery]) {
    counter!(DELIVERED, "queue" => queue.label()).increment(deliveries.len() as u64);
    let lateness = histogram!(LATENESS, "queue" => queue.label());
    for delivery in deliveries {
        lateness.record(delivery.lateness.as_secs_f64());
    }
}

pub(crate) fn handled(queue: &QueueName, result: &'static str, count: u64) {
    if count > 0 {
        counter!(HANDLED, "queue" => queue.label(), "result" => result).increment(count);
    }
}

pub(crate) fn dead(queue: &QueueName, reason: &DeadReason) {
    counter!(DEAD, "queue" => queue.label(), "reason" => reason.name()).increment(1);
}

pub(crate) fn handler_ran(queue: &QueueName, duration: Duration) {
    histogram!(HANDLER, "queue" => queue.label()).record(duration.as_secs_f64());
}

pub(crate) fn in_flight(queue: &QueueName, count: usize) {
    gauge!(IN_FLIGHT, "queue" => queue.label()).set(count as f64);
}

pub(crate) fn worker_error(queue: &QueueName, operation: &'static str) {
    counter!(ERRORS, "queue" => queue.label(), "operation" => operation).increment(1);
}

#[cfg(feature = "sql")]
pub(crate) fn relayed(queue: &QueueName, moved: &[Duration], duplicates: u64, refused: u64) {
    for (outcome, count) in [("accepted", moved.len() as u64), ("duplicate", duplicates), ("refused", refused)] {
        if count > 0 {
            counter!(RELAYED, "queue" => queue.to_string(), "outcome" => outcome).increment(count);
        }
    }
    let lag = histogram!(RELAY_LAG, "queue" => queue.to_string());
    moved.iter().for_each(|waited| lag.record(waited.as_secs_f64()));
}

#[cfg(feature = "sql")]
pub(crate) fn relay_failed(queue: &QueueName) {
    counter!(RELAY_FAILURES, "queue" => queue.to_string()).increment(1);
}

pub(crate) fn missing(queue: &QueueName, count: usize) {
    gauge!(MISSING, "queue" => queue.label()).set(count as f64);
}

pub(crate) fn trace_lost(count: u64) {
    counter!(TRACE_LOST).increment(count);
}

pub(crate) fn stats(queue: &QueueName, stats: &QueueStats) {
    let states =
        [("backlog", stats.backlog), ("delayed", stats.delayed), ("leased", stats.leased), ("dead", stats.dead)];
    for (state, count) in states {
        gauge!(MESSAGES, "queue" => queue.label(), "state" => state).set(count as f64);
    }
    // What a backend does not know is no gauge rather than a zero.
    for (name, count) in [(WAITING, stats.total), (OVERDUE, stats.overdue)] {
        if let Some(count) = count {
            gauge!(name, "queue" => queue.label()).set(count as f64);
        }
    }
    if stats.overdue.is_some() {
        gauge!(OLDEST, "queue" => queue.label()).set(stats.oldest_lateness.as_secs_f64());
    }
}
