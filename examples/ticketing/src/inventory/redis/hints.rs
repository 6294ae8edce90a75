//! Hints from the server's channels: one subscription for each session that is watched in this process.

use std::{collections::HashMap, sync::Arc, time::Duration};

use nebula_redis::Subscriber;
use parking_lot::Mutex;
use tokio::{sync::watch, time::sleep};

/// Pause before another attempt to subscribe.
const RETRY: Duration = Duration::from_secs(1);

pub(super) struct Hints {
    subscriber: Subscriber,
    channels: Channels,
}

type Channels = Arc<Mutex<HashMap<String, watch::Sender<()>>>>;

impl Hints {
    pub(super) fn new(subscriber: Subscriber) -> Self {
        Self { subscriber, channels: Channels::default() }
    }

    /// A watch on `channel`. It is subscribed while somebody watches.
    pub(super) fn watch(&self, channel: String) -> watch::Receiver<()> {
        let mut channels = self.channels.lock();
        if let Some(sender) = channels.get(&channel) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(());
        channels.insert(channel.clone(), sender.clone());
        let pump = Pump { subscriber: self.subscriber.clone(), channels: Arc::clone(&self.channels), channel, sender };
        drop(channels);
        tokio::spawn(pump.run());
        receiver
    }
}

/// Carries the hints of one channel.
struct Pump {
    subscriber: Subscriber,
    channels: Channels,
    channel: String,
    sender: watch::Sender<()>,
}

impl Pump {
    async fn run(self) {
        loop {
            tokio::select! {
                () = self.carry() => {}
                () = self.sender.closed() => {}
            }
            // Nobody may begin to watch between the question and the removal.
            let mut channels = self.channels.lock();
            if self.sender.receiver_count() == 0 {
                channels.remove(&self.channel);
                return;
            }
        }
    }

    /// Until the subscription ends.
    async fn carry(&self) {
        match self.subscriber.subscribe(&self.channel).await {
            Ok(mut subscription) => {
                // What changed before the server confirmed the subscription was not heard.
                self.sender.send_replace(());
                // Each event, whatever it is, says: look again.
                while subscription.next().await.is_some() {
                    self.sender.send_replace(());
                }
            }
            Err(error) => tracing::warn!(%error, channel = self.channel, "no hints about seats for now"),
        }
        sleep(RETRY).await;
    }
}
