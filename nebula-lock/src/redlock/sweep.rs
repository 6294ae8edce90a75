//! Taking back what a node may have granted without being able to say so.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::node::Node;
use crate::backoff::Backoff;
use crate::lock::Claim;

/// Releases the claim on a node in the background until the node has answered, at most until `until`, when the lease has
/// ended by itself.
pub(super) fn sweep(node: &Arc<Node>, claim: &Claim, until: Instant, limit: Duration) {
    // Without a runtime nothing can be sent any more; the lease ends it.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(take_back(Arc::clone(node), claim.clone(), until, limit));
    }
}

async fn take_back(node: Arc<Node>, claim: Claim, until: Instant, limit: Duration) {
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
