use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use redis::aio::{PubSub, PubSubSink};
use redis::{RedisError, RedisResult};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::registry::{Command, Registry, Verb};
use crate::client::Address;
use crate::error::classify;
use crate::link::{Backoff, Dialer, not_sent};

/// The one task behind a subscriber: owns the connection and the registry.
pub(super) struct Hub {
    dialer: Dialer,
    backoff: Backoff,
    inbox: UnboundedReceiver<Command>,
    registry: Arc<Mutex<Registry>>,
    last_error: Arc<Mutex<Option<RedisError>>>,
}

/// No handle and no subscription is left.
struct Abandoned;

enum Reply {
    Channel(Arc<str>, Verb, RedisResult<()>),
    Pong(RedisResult<()>),
    /// Whether another server is the right one now.
    Moved(bool),
}

type Replies = FuturesUnordered<BoxFuture<'static, Reply>>;

impl Hub {
    pub(super) fn new(
        dialer: Dialer,
        inbox: UnboundedReceiver<Command>,
        registry: Arc<Mutex<Registry>>,
        last_error: Arc<Mutex<Option<RedisError>>>,
    ) -> Self {
        Self { backoff: dialer.backoff.clone(), dialer, inbox, registry, last_error }
    }

    pub(super) async fn run(mut self) {
        // The only way out is that nobody is left.
        let Abandoned = self.work().await;
    }

    async fn work(&mut self) -> Abandoned {
        loop {
            while self.is_idle() {
                match self.inbox.recv().await {
                    Some(command) => self.registry.lock().apply(command),
                    None => return Abandoned,
                }
            }
            let dialer = self.dialer.clone();
            match self.meanwhile(async move { dialer.dial_pubsub().await }).await {
                Err(abandoned) => return abandoned,
                Ok(Ok((connection, address))) => {
                    let since = Instant::now();
                    *self.last_error.lock() = None;
                    tracing::debug!(target: "nebula_redis", "connected to redis for pub/sub");
                    match self.serve(connection, address).await {
                        Err(abandoned) => return abandoned,
                        Ok(error) => self.note(error, "the pub/sub link to redis broke; reconnecting"),
                    }
                    self.registry.lock().lost();
                    if since.elapsed() >= self.backoff.max() {
                        self.backoff.reset();
                    }
                }
                Ok(Err(error)) => {
                    if !classify(&error).is_retryable() {
                        self.registry.lock().refused_all(&error);
                    }
                    self.note(error, "cannot connect to redis for pub/sub");
                }
            }
            let pause = self.dialer.pause(&mut self.backoff);
            if let Err(abandoned) = self.meanwhile(sleep(pause)).await {
                return abandoned;
            }
        }
    }

    /// Waits for something and takes commands meanwhile.
    async fn meanwhile<T>(&mut self, wait: impl Future<Output = T> + Send) -> Result<T, Abandoned> {
        tokio::pin!(wait);
        loop {
            tokio::select! {
                value = &mut wait => return Ok(value),
                command = self.inbox.recv() => self.registry.lock().apply(command.ok_or(Abandoned)?),
            }
        }
    }

    /// Works with one connection until it breaks.
    async fn serve(&mut self, connection: PubSub, address: Option<Address>) -> Result<RedisError, Abandoned> {
        let (sink, mut messages) = connection.split();
        let keep_alive = self.dialer.keep_alive;
        let mut tick = interval_at(Instant::now() + keep_alive, keep_alive);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut replies = Replies::new();
        let mut heard = true;
        let mut pinging = false;
        let mut locating = false;
        self.ask_all(&sink, &replies);
        loop {
            tokio::select! {
                command = self.inbox.recv() => {
                    let command = command.ok_or(Abandoned)?;
                    let channel = Arc::clone(command.channel());
                    self.registry.lock().apply(command);
                    self.ask(&channel, &sink, &replies);
                }
                message = messages.next() => {
                    let Some(message) = message else { return Ok(not_sent("the server closed the link", None)) };
                    heard = true;
                    self.registry.lock().deliver(message.get_channel_name(), message.get_payload_bytes());
                }
                Some(reply) = replies.next() => {
                    heard |= !matches!(reply, Reply::Moved(_));
                    match reply {
                        Reply::Moved(false) => locating = false,
                        Reply::Moved(true) => return Ok(not_sent("another server is the right one now", None)),
                        Reply::Pong(Ok(())) => pinging = false,
                        Reply::Channel(channel, verb, Ok(())) => {
                            self.registry.lock().done(&channel, verb);
                            self.ask(&channel, &sink, &replies);
                        }
                        Reply::Channel(channel, _, Err(error)) if !ends_the_link(&error) => {
                            tracing::warn!(target: "nebula_redis", %error, %channel, "redis refused a subscription");
                            self.registry.lock().refused(&channel, &error);
                        }
                        Reply::Pong(Err(error)) | Reply::Channel(_, _, Err(error)) => return Ok(error),
                    }
                }
                _ = tick.tick() => {
                    if !std::mem::take(&mut heard) && !std::mem::replace(&mut pinging, true) {
                        replies.push(ping(sink.clone(), self.dialer.response_timeout));
                    }
                    if address.is_some() && !std::mem::replace(&mut locating, true) {
                        let (dialer, address) = (self.dialer.clone(), address.clone());
                        replies.push(async move { Reply::Moved(dialer.has_moved(address.as_ref()).await) }.boxed());
                    }
                    // Channels that the server has refused before.
                    self.ask_all(&sink, &replies);
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.registry.lock().is_empty()
    }

    fn ask_all(&mut self, sink: &PubSubSink, replies: &Replies) {
        let channels = self.registry.lock().channels();
        for channel in channels {
            self.ask(&channel, sink, replies);
        }
    }

    fn ask(&mut self, channel: &Arc<str>, sink: &PubSubSink, replies: &Replies) {
        let verb = self.registry.lock().next_request(channel);
        if let Some(verb) = verb {
            replies.push(request(sink.clone(), Arc::clone(channel), verb, self.dialer.response_timeout));
        }
    }

    fn note(&self, error: RedisError, what: &'static str) {
        tracing::warn!(target: "nebula_redis", %error, "{what}");
        *self.last_error.lock() = Some(error);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.registry.lock().close();
    }
}

/// A refusal of one channel (an ACL, say) leaves the link in order.
fn ends_the_link(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}

fn request(mut sink: PubSubSink, channel: Arc<str>, verb: Verb, within: Duration) -> BoxFuture<'static, Reply> {
    async move {
        let asked = async {
            match verb {
                Verb::Subscribe => sink.subscribe(&*channel).await,
                Verb::Unsubscribe => sink.unsubscribe(&*channel).await,
            }
        };
        let result = timeout(within, asked).await.unwrap_or_else(|_| Err(silent()));
        Reply::Channel(channel, verb, result)
    }
    .boxed()
}

fn ping(mut sink: PubSubSink, within: Duration) -> BoxFuture<'static, Reply> {
    async move {
        // The reply is a list on this kind of connection and a text on others; any will do.
        let asked = sink.ping::<redis::Value>();
        Reply::Pong(timeout(within, asked).await.unwrap_or_else(|_| Err(silent())).map(drop))
    }
    .boxed()
}

fn silent() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "no reply on the pub/sub link").into()
}
