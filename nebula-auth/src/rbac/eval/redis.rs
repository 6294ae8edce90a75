//! Tells other processes over Redis that something has changed.

use nebula_redis::{Event, RedisConfig, redis};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Announce, PermissionEvaluator, weak};
use crate::error::Error;

impl PermissionEvaluator {
    /// Announces changes of this process on a Redis channel, and asks the store at once what has changed when another
    /// process announces one. All processes of an application use the same channel.
    ///
    /// Redis only saves waiting: what has changed is always read from the store, an announcement carries nothing that
    /// could be believed or forged, and while Redis is away changes are seen at the pace of
    /// [`EvaluatorOptions::poll`](super::EvaluatorOptions::poll). After a reconnection the store is asked at once.
    ///
    /// # Errors
    /// If the configuration cannot be used. A Redis that is away is no error.
    ///
    /// # Cancel safety
    /// Safe: without the signal, or with it.
    pub async fn with_redis_signal(self, config: &RedisConfig, channel: &str) -> Result<Self, Error> {
        let failed = |error| Error::unavailable("the signal over Redis cannot be set up", error);
        let subscriber = config.subscriber().map_err(failed)?;
        let (sender, announcements) = unbounded_channel();
        self.shared.signals.lock().push(Box::new(Outgoing(sender)));
        tokio::spawn(publish(config.clone(), channel.to_owned(), announcements));
        let (shared, channel) = (weak(&self), channel.to_owned());
        tokio::spawn(async move {
            let mut subscription = loop {
                if shared.strong_count() == 0 {
                    return;
                }
                match subscriber.subscribe(&channel).await {
                    Ok(subscription) => break subscription,
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
                }
            };
            // Looked at now and then, so that an evaluator that is gone does not keep a connection.
            let pause = std::time::Duration::from_secs(10);
            loop {
                let heard = tokio::time::timeout(pause, subscription.next()).await;
                let Some(shared) = shared.upgrade() else { return };
                match heard {
                    Ok(Some(Event::Message { .. } | Event::Resubscribed | Event::Lagged(_))) => {
                        shared.wake.notify_one();
                    }
                    Ok(Some(_)) | Err(_) => {}
                    Ok(None) => return,
                }
            }
        });
        Ok(self)
    }
}

struct Outgoing(UnboundedSender<u64>);

impl Announce for Outgoing {
    fn announce(&self, sequence: u64) {
        // The other end goes only with the runtime.
        let _ = self.0.send(sequence);
    }
}

/// Publishes the newest number; what cannot be published now is not worth waiting for.
async fn publish(config: RedisConfig, channel: String, mut announcements: UnboundedReceiver<u64>) {
    let mut connection = None;
    while let Some(mut sequence) = announcements.recv().await {
        while let Ok(newer) = announcements.try_recv() {
            sequence = newer;
        }
        if connection.is_none() {
            connection = config.connect().await.ok();
        }
        let Some(link) = &mut connection else { continue };
        let publish = redis::cmd("PUBLISH").arg(&channel).arg(sequence).exec_async(link).await;
        if let Err(error) = publish {
            tracing::debug!(target: "nebula_auth", %error, "a change could not be announced; others will ask");
            connection = None;
        }
    }
}
