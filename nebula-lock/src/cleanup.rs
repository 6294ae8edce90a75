//! Taking back what an unanswered command may have left on the backend.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use crate::backoff::Backoff;
use crate::core::Core;
use crate::lock::Claim;

/// Releases `claim` until the backend has answered, at most until `until`, when the lease has ended by itself.
///
/// A command that timed out may still be on its way, on another connection than the release. So when the first answer
/// is that there is nothing to release, it asks once more a little later, unless nothing is `under_way`.
pub(crate) async fn sweep(core: &Core, claim: &Claim, until: Instant, under_way: bool, command_timeout: Duration) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    let mut answers = 0_u32;
    loop {
        match timeout(command_timeout, core.backend.release(claim)).await {
            Ok(Ok(true)) => return debug!(key = %claim.key(), "took back a lock nobody waits for"),
            Ok(Ok(false)) => answers += 1,
            Ok(Err(error)) => debug!(key = %claim.key(), %error, "clean-up has to try again"),
            Err(_) => debug!(key = %claim.key(), "no reply to clean-up yet"),
        }
        if answers > u32::from(under_way) || Instant::now() >= until {
            return;
        }
        sleep(backoff.pause()).await;
    }
}
