//! Work that comes back, for whoever's it was when it was planned.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use crate::audit;
use crate::context::{TenantContext, current};
use crate::error::{Error, ErrorKind};

/// `tokio::time::interval` that ticks for whoever's work it was when it was made. Made by [`interval`].
#[derive(Debug)]
pub struct Interval {
    context: TenantContext,
    ticks: tokio::time::Interval,
}

/// Ticks at once, and then in every period. What was missed is not made up for.
///
/// # Errors
/// [`ErrorKind::NoTenant`] if nobody said whose work this is, [`ErrorKind::Config`] for a period of nothing.
///
/// # Panics
/// Outside of a Tokio runtime with time.
pub fn interval(period: Duration) -> Result<Interval, Error> {
    let context = TenantContext::current()?;
    if period.is_zero() {
        return Err(Error::new(ErrorKind::Config, "a period of nothing"));
    }
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(Interval { context, ticks })
}

impl Interval {
    /// The next tick.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] and [`ErrorKind::Conflict`] in nobody's and in another's work: what follows the tick would not be
    /// the work of whoever planned it.
    ///
    /// # Cancel safety
    /// No tick is lost.
    pub async fn tick(&mut self) -> Result<Instant, Error> {
        if TenantContext::current()? != self.context {
            if let (Some(planned), Ok(present)) = (self.context.tenant(), current()) {
                audit::conflict("interval", planned, &present);
            }
            return Err(Error::new(ErrorKind::Conflict, "an interval of one tenant in another's work"));
        }
        Ok(self.ticks.tick().await)
    }
}

/// Spawns work that is done at once and then in every period, as the work of whoever's this is, until the handle is aborted.
///
/// # Errors
/// As those of [`interval`]: nothing is spawned.
///
/// # Panics
/// As [`interval`].
pub fn every<F>(period: Duration, mut work: impl FnMut() -> F + Send + 'static) -> Result<JoinHandle<()>, Error>
where
    F: Future<Output = ()> + Send,
{
    let mut ticks = interval(period)?;
    super::spawn(async move {
        // It is the same context for as long as it runs.
        while ticks.tick().await.is_ok() {
            work().await;
        }
    })
}
