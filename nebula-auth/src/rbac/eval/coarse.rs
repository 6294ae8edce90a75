//! A clock that costs one read of memory.

use std::{
    sync::{
        LazyLock, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the clock is set.
pub(crate) const TICK: Duration = Duration::from_millis(10);

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
static NOW: AtomicU64 = AtomicU64::new(0);
static STARTED: Once = Once::new();

/// Milliseconds, exactly.
pub(crate) fn precise() -> u64 {
    u64::try_from(ORIGIN.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds as of the last tick.
#[inline]
pub(crate) fn now() -> u64 {
    NOW.load(Ordering::Relaxed)
}

/// Starts the one thread that sets the clock. A thread, not a task: it also ticks while the runtime is blocked.
pub(crate) fn start() -> std::io::Result<()> {
    let mut result = Ok(());
    STARTED.call_once(|| {
        NOW.store(precise(), Ordering::Relaxed);
        let ticking = || {
            loop {
                NOW.store(precise(), Ordering::Relaxed);
                std::thread::sleep(TICK);
            }
        };
        result = std::thread::Builder::new().name("nebula-auth-clock".to_owned()).spawn(ticking).map(drop);
    });
    result
}

/// That time from now, in the clock's milliseconds.
pub(crate) fn after(from: u64, time: Duration) -> u64 {
    from.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
