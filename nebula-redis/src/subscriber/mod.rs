//! Channels of Redis: one connection for all subscriptions of a process.

mod hub;
mod queue;
mod registry;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use redis::RedisError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, ErrorKind, Result};
use crate::link::{Dialer, not_sent};
use hub::Hub;
use queue::Queue;
use registry::{Command, Listener, Registry, Wanted};

/// Events that a subscription holds for a reader that is slow; older ones are then dropped and counted.
const BUFFER: usize = 256;

/// What a [`Subscription`] reports.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Somebody published.
    Message {
        /// The channel.
        channel: Arc<str>,
        /// What was published.
        payload: Bytes,
    },
    /// The link was lost and the subscription is confirmed again. Messages may have been missed in between: whoever
    /// waits for something to change looks again now.
    Resubscribed,
    /// This reader was too slow and so many events were dropped, the oldest first. Treat it like
    /// [`Resubscribed`](Self::Resubscribed).
    Lagged(u64),
}

/// Subscribes to channels over one connection of its own; clones share it.
///
/// - The connection is opened by the first subscription and kept up as long as there are any: endless attempts with
///   back-off and jitter. A link that is silent is tested with `PING`; one that does not answer is replaced.
/// - A channel is subscribed on the server once, however many [`Subscription`]s there are, and unsubscribed when the
///   last one is dropped.
/// - Delivery is Redis pub/sub: at most once. [`Event::Resubscribed`] tells when messages may be missing.
///
/// ```
/// use nebula_redis::{Event, RedisConfig, redis};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let url = nebula_test_support::redis_url().await;
/// # let channel = nebula_test_support::unique("doc");
/// let config = RedisConfig::new(url);
/// let subscriber = config.subscriber()?;
/// let mut subscription = subscriber.subscribe(&channel).await?;
///
/// let mut connection = config.connect().await?;
/// redis::cmd("PUBLISH").arg(&channel).arg("free").exec_async(&mut connection).await?;
///
/// let Some(Event::Message { payload, .. }) = subscription.next().await else { panic!("no message") };
/// assert_eq!(&payload[..], b"free");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Subscriber {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    commands: mpsc::UnboundedSender<Command>,
    registry: Arc<Mutex<Registry>>,
    next_id: AtomicU64,
    /// How long a subscription may take: a connection and a reply.
    patience: Duration,
    last_error: Arc<Mutex<Option<RedisError>>>,
    stop: CancellationToken,
    stopped: CancellationToken,
}

impl Subscriber {
    pub(crate) fn start(dialer: Dialer) -> Result<Self> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| Error::new(ErrorKind::ConfigInvalid, "no tokio runtime").with_source(error))?;
        let (commands, inbox) = mpsc::unbounded_channel();
        let shared = Shared {
            commands,
            registry: Arc::default(),
            next_id: AtomicU64::new(0),
            patience: dialer.connect_timeout + dialer.response_timeout,
            last_error: Arc::default(),
            stop: CancellationToken::new(),
            stopped: CancellationToken::new(),
        };
        let hub = Hub::new(dialer, inbox, Arc::clone(&shared.registry), Arc::clone(&shared.last_error));
        let (stop, stopped) = (shared.stop.clone(), shared.stopped.clone().drop_guard());
        runtime.spawn(async move {
            let _stopped = stopped;
            stop.run_until_cancelled(hub.run()).await;
        });
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Subscribes; returns once the server has confirmed it. What is published after that is delivered.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when the server did not confirm within connect timeout + response timeout,
    /// [`ErrorKind::AuthFailed`] and [`ErrorKind::PermissionDenied`] as soon as the server says so,
    /// [`ErrorKind::Closed`] after [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// Dropping the future takes the subscription back.
    pub async fn subscribe(&self, channel: &str) -> Result<Subscription> {
        self.listen(channel, None).await
    }

    /// Like [`subscribe`](Self::subscribe), but yields only messages that are `wanted`; the reader is not woken for others.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// # Cancel safety
    /// Dropping the future takes the subscription back.
    pub async fn subscribe_for(
        &self,
        channel: &str,
        wanted: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Result<Subscription> {
        self.listen(channel, Some(Box::new(wanted))).await
    }

    /// Like [`subscribe_for`](Self::subscribe_for), if that takes no command, because the server has confirmed a subscription to this
    /// channel already. What is published from now on is delivered. `None`: there is no such subscription.
    #[must_use]
    pub fn join(&self, channel: &str, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Option<Subscription> {
        let (subscription, listener) = self.listener(channel, Some(Box::new(wanted)));
        // On the way out, the subscription takes back what was never added; that does no harm.
        self.shared.registry.lock().join(channel, listener).then_some(subscription)
    }

    fn listener(&self, channel: &str, wanted: Option<Wanted>) -> (Subscription, Listener) {
        let queue = Arc::new(Queue::new(BUFFER));
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let listener = Listener { id, queue: Arc::clone(&queue), wanted, confirm: None };
        (Subscription { id, channel: channel.into(), queue, shared: Arc::clone(&self.shared) }, listener)
    }

    async fn listen(&self, channel: &str, wanted: Option<Wanted>) -> Result<Subscription> {
        let (confirm, confirmed) = oneshot::channel();
        // Armed before the command is sent: from here on every exit unsubscribes.
        let (subscription, listener) = self.listener(channel, wanted);
        let listener = Listener { confirm: Some(confirm), ..listener };
        let channel = Arc::clone(&subscription.channel);
        let closed = || Error::new(ErrorKind::Closed, "the subscriber was shut down");
        self.shared.commands.send(Command::Subscribe { channel, listener }).map_err(|_| closed())?;
        match timeout(self.shared.patience, confirmed).await {
            Ok(Ok(Ok(()))) => Ok(subscription),
            Ok(Ok(Err(error))) => Err(Error::from_redis(error, "cannot subscribe")),
            Ok(Err(_)) => Err(closed()),
            Err(_) => {
                let last = self.shared.last_error.lock().clone();
                Err(Error::from_redis(not_sent("no confirmation in time", last), "cannot subscribe"))
            }
        }
    }

    /// Closes the connection. Every [`Subscription`] yields what it still holds and then `None`.
    ///
    /// # Cancel safety
    /// Cancel safe; the shutdown goes on.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.stopped.cancelled().await;
    }
}

/// A subscription to one channel. Dropping the last one of a channel unsubscribes from it on the server.
#[derive(Debug)]
pub struct Subscription {
    id: u64,
    channel: Arc<str>,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
}

impl Subscription {
    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The next event; `None` after [`Subscriber::shutdown`].
    ///
    /// # Cancel safety
    /// Cancel safe: no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        self.queue.next().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _ = self.shared.commands.send(Command::Unsubscribe { channel: Arc::clone(&self.channel), id: self.id });
    }
}
