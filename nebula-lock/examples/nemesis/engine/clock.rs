//! One clock for all processes of the machine.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock, which is the same in every process.
pub(crate) fn now() -> u64 {
    read(ClockId::Monotonic)
}

/// How far the wall clock, by which servers make tokens, is ahead of the monotonic one.
pub(crate) fn wall_ahead() -> u64 {
    read(ClockId::Realtime).saturating_sub(now())
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}
