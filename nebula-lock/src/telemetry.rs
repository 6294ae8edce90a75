//! Names of metrics and the few places that record them; the table is in the crate's documentation.

use std::time::Duration;

use metrics::{counter, histogram};

use crate::guard::Release;
use crate::lost::LossReason;

/// How an acquisition ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Acquired,
    Busy,
    Failed,
    Abandoned,
}

/// A counter whose labels are literals needs no allocation.
macro_rules! count {
    ($name:literal, $label:literal, $value:expr, $($variant:pat => $text:literal),+) => {
        match $value {
            $($variant => counter!($name, $label => $text).increment(1),)+
        }
    };
}

pub(crate) fn acquisition(ending: Ending, waited: Duration) {
    count!("nebula_lock_acquisitions_total", "outcome", ending,
        Ending::Acquired => "acquired",
        Ending::Busy => "busy",
        Ending::Failed => "failed",
        Ending::Abandoned => "abandoned");
    if matches!(ending, Ending::Acquired) {
        histogram!("nebula_lock_wait_seconds").record(waited.as_secs_f64());
    }
}

pub(crate) fn held_long() {
    counter!("nebula_lock_long_holds_total").increment(1);
}

pub(crate) fn contended() {
    counter!("nebula_lock_contended_total").increment(1);
}

pub(crate) fn renewal_failed() {
    counter!("nebula_lock_renewal_failures_total").increment(1);
}

pub(crate) fn lost(reason: LossReason, held: Duration) {
    counter!("nebula_lock_lost_total", "reason" => reason.label()).increment(1);
    histogram!("nebula_lock_hold_seconds").record(held.as_secs_f64());
}

/// The end of a hold.
pub(crate) fn released(outcome: Release, held: Duration) {
    release(outcome);
    histogram!("nebula_lock_hold_seconds").record(held.as_secs_f64());
}

pub(crate) fn release(outcome: Release) {
    count!("nebula_lock_releases_total", "outcome", outcome,
        Release::Released => "released",
        Release::AlreadyLost => "already_lost",
        Release::StillHeld => "still_held",
        Release::Unknown => "unknown");
}

pub(crate) fn node_failed(number: usize) {
    counter!("nebula_lock_node_failures_total", "node" => number.to_string()).increment(1);
}

/// What a backend answered to a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Done,
    Refused,
    Failed,
}

pub(crate) fn command(backend: &'static str, command: &'static str, answer: Answer, took: Duration) {
    let outcome = match answer {
        Answer::Done => "done",
        Answer::Refused => "refused",
        Answer::Failed => "failed",
    };
    histogram!("nebula_lock_command_seconds", "backend" => backend, "command" => command, "outcome" => outcome)
        .record(took.as_secs_f64());
}
