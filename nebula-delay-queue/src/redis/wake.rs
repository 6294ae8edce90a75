//! Wake-ups: what Redis publishes becomes hints in this process.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use nebula_redis::Subscriber;
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{QueueName, WakeupHub, Wakeups};

const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Wake {
    hub: WakeupHub,
    link: Option<Arc<Link>>,
}

/// Goes away with the last clone of the backend, and the forwarding tasks with it.
struct Link {
    subscriber: Subscriber,
    forwarded: Mutex<HashSet<QueueName>>,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl Wake {
    pub(super) fn new(subscriber: Option<Subscriber>) -> Self {
        let link = subscriber.map(|subscriber| {
            let stop = CancellationToken::new();
            Arc::new(Link { subscriber, forwarded: Mutex::default(), stop: stop.clone(), _stop: stop.drop_guard() })
        });
        Self { hub: WakeupHub::default(), link }
    }

    /// Wakes this process's workers, unless they hear it from the server anyway.
    pub(super) fn local(&self, queue: &QueueName) {
        if self.link.is_none() {
            self.hub.notify(queue);
        }
    }

    pub(super) fn subscribe(&self, queue: &QueueName, channel: &str) -> Wakeups {
        let wakeups = self.hub.subscribe(queue);
        if let Some(link) = &self.link
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
            && link.forwarded.lock().insert(queue.clone())
        {
            let forward = forward(link.subscriber.clone(), self.hub.clone(), queue.clone(), channel.to_owned());
            runtime.spawn(link.stop.clone().run_until_cancelled_owned(forward));
        }
        wakeups
    }

    pub(super) fn poll_interval(&self) -> Duration {
        if self.link.is_some() { Duration::from_secs(1) } else { Duration::from_millis(100) }
    }
}

async fn forward(subscriber: Subscriber, hub: WakeupHub, queue: QueueName, channel: String) {
    loop {
        match subscriber.subscribe(&channel).await {
            Ok(mut subscription) => {
                // Every kind of event, a lost and regained link among them, is a reason to look.
                hub.notify(&queue);
                while subscription.next().await.is_some() {
                    hub.notify(&queue);
                }
                return;
            }
            Err(error) if error.kind() == nebula_redis::ErrorKind::Closed => return,
            Err(error) => {
                tracing::warn!(%queue, %error, "no wake-ups from redis for now; workers poll");
                sleep(PAUSE).await;
            }
        }
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wake").field("published", &self.link.is_some()).finish_non_exhaustive()
    }
}
