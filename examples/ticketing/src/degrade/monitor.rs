//! Measures how late the event loop and the database are, and listens to operators.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Degrade, Governor, storage};
use crate::problem::{Code, chain};

/// How often the event loop is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// How often the database is, and operators are listened to.
const PAUSE: Duration = Duration::from_secs(1);
/// What one look counts of the average.
const WEIGHT: f64 = 0.3;

impl Degrade {
    /// Measures and listens until `stopping`.
    pub async fn watch(self, stopping: CancellationToken) {
        let watching = async { tokio::join!(self.look_at_the_loop(), self.look_at_the_database()) };
        stopping.run_until_cancelled(watching).await;
    }

    async fn look_at_the_loop(&self) {
        let mut governor = Governor::default();
        let mut average = 0.0_f64;
        loop {
            let asked = Instant::now();
            sleep(EVERY).await;
            let late = asked.elapsed().saturating_sub(EVERY);
            // A process that was stopped for a while is not late for long.
            let late = late.min(self.0.config.lateness * 10);
            average += WEIGHT * (late.as_secs_f64() - average);
            let micros = u64::try_from(Duration::from_secs_f64(average).as_micros()).unwrap_or(u64::MAX);
            self.0.lateness.store(micros, Ordering::Relaxed);
            if self.0.config.automatic {
                let level = governor.observe(&self.0.config, Instant::now(), self.pressure());
                let before = self.0.automatic.swap(level.number(), Ordering::Relaxed);
                if before != level.number() {
                    let pressure = self.pressure();
                    tracing::warn!(before, level = level.number(), ?pressure, "the level of what is given up changed");
                }
            }
            metrics::gauge!("ticketing_event_loop_lateness_seconds").set(average);
            metrics::gauge!("ticketing_degradation_level").set(f64::from(self.level().number()));
        }
    }

    async fn look_at_the_database(&self) {
        loop {
            let asked = Instant::now();
            let longest = self.0.config.wait * 2;
            let wait = match timeout(longest, storage::knock(&self.0.database)).await {
                Ok(Err(problem)) if problem.code == Code::Busy => longest,
                // That it is away says nothing of how busy it is.
                Ok(Err(_)) => Duration::ZERO,
                Ok(Ok(())) | Err(_) => asked.elapsed(),
            };
            self.0.wait.store(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            metrics::gauge!("ticketing_database_wait_seconds").set(wait.as_secs_f64());
            match storage::read(&self.0.database).await {
                Ok(orders) => *self.0.ordered.write() = orders,
                Err(problem) => {
                    tracing::debug!(error = chain(&problem), "what operators say could not be read");
                }
            }
            sleep(PAUSE).await;
        }
    }
}
