use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::sleep};

use super::provider::{SmsMessage, SmsProvider};
use crate::outcome::Outcome;

/// So many messages do not wait for more.
const FULL: usize = 100;

/// Gathers messages that come at about the same time and sends them together.
pub(super) struct Gather {
    wait: Duration,
    waiting: Mutex<Vec<Waiting>>,
}

struct Waiting {
    message: SmsMessage,
    tell: oneshot::Sender<Outcome>,
}

impl Gather {
    pub(super) fn new(wait: Duration) -> Arc<Self> {
        Arc::new(Self { wait, waiting: Mutex::default() })
    }

    /// Sends a message with those that come while it waits. Whoever drops the future before they go takes the message back.
    pub(super) async fn send(self: &Arc<Self>, provider: &Arc<dyn SmsProvider>, message: SmsMessage) -> Outcome {
        let (tell, told) = oneshot::channel();
        let count = {
            let mut waiting = self.waiting.lock();
            waiting.push(Waiting { message, tell });
            waiting.len()
        };
        // The one who comes first sees to all; in a task, so that nobody who gives up stops the others.
        if count == 1 || count == FULL {
            let (this, provider) = (Arc::clone(self), Arc::clone(provider));
            tokio::spawn(async move {
                if count < FULL {
                    sleep(this.wait).await;
                }
                this.flush(&*provider).await;
            });
        }
        told.await.unwrap_or_else(|_| Outcome::unknown("no answer"))
    }

    async fn flush(&self, provider: &dyn SmsProvider) {
        let all = std::mem::take(&mut *self.waiting.lock());
        let wanted = all.into_iter().filter(|one| !one.tell.is_closed());
        let (messages, tell): (Vec<_>, Vec<_>) = wanted.map(|one| (one.message, one.tell)).unzip();
        for (tell, outcome) in tell.into_iter().zip(provider.send_batch(&messages).await) {
            // Who does not listen any more has written down that it does not know.
            let _ = tell.send(outcome);
        }
    }
}
