//! Taking back what a node may have granted without being able to say so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::node::Node;
use crate::backoff::Backoff;
use crate::lock::Claim;

/// The sweeps that are under way, by claim.
#[derive(Debug, Default)]
pub(super) struct Sweeps(Mutex<HashMap<Claim, Vec<JoinHandle<()>>>>);

impl Sweeps {
    /// Releases the claim on a node in the background until the node has answered, at most until `until`, when the lease
    /// has ended by itself.
    pub(super) fn start(self: &Arc<Self>, node: &Arc<Node>, claim: &Claim, until: Instant, limit: Duration) {
        // Without a runtime nothing can be sent any more; the lease ends it.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut sweeps = self.0.lock();
        sweeps.retain(|_, handles| {
            handles.retain(|handle| !handle.is_finished());
            !handles.is_empty()
        });
        let handle = runtime.spawn(sweep(Arc::clone(node), claim.clone(), until, limit));
        sweeps.entry(claim.clone()).or_default().push(handle);
    }

    /// Ends the sweeps after a claim that is about to be tried again: they would take back what it gets.
    pub(super) async fn stop(&self, claim: &Claim) {
        let handles = self.0.lock().remove(claim).unwrap_or_default();
        for handle in handles {
            handle.abort();
            // It ends at its next await; a release that it has sent arrives before whatever is sent after.
            let _ = handle.await;
        }
    }
}

async fn sweep(node: Arc<Node>, claim: Claim, until: Instant, limit: Duration) {
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    let mut answers = 0;
    while answers < 2 {
        match node.ask(limit, node.lock.release(&claim)).await {
            Ok(true) => return,
            // The command that it follows may still be on its way: ask once more.
            Ok(false) => answers += 1,
            Err(_) => {}
        }
        if Instant::now() >= until {
            return;
        }
        sleep(backoff.pause()).await;
    }
}
