//! The RabbitMQ backend: a ladder of quorum queues for the delays, one quorum queue per priority for what is due.

mod consumer;
mod dead;
mod error;
mod feed;
mod inbox;
mod index;
mod indexed;
mod ladder;
mod line;
mod link;
mod names;
mod publisher;
mod settling;
mod topology;
mod wire;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use lapin::uri::AMQPUri;
use parking_lot::Mutex;
use tokio::{sync::Mutex as AsyncMutex, time::timeout_at};
use tokio_util::{sync::CancellationToken, sync::DropGuard};

use self::{
    feed::Feed,
    index::Index,
    ladder::{LEVELS, MOST_WIDTH},
    link::Link,
    names::Names,
    publisher::{Ladder, Publisher, Way},
    wire::Copy,
};
use crate::{
    Cancel, Capabilities, Clock, DelayQueueProducer, Error, ErrorKind, MessageId, MessageLedger, QueueName, RawMessage,
    Reschedule, Result, Schedule, SendOutcome, SystemClock, WakeupHub,
    clock::{duration_ms, floor_ms},
};

const LONGEST_PREFIX: usize = 30;
const MOST_LANES: usize = 16;
const ALIVE: &str = "asking for a sign of life";

/// Queues on a RabbitMQ broker (3.10 or newer), or a cluster of brokers.
///
/// A delayed message climbs down a ladder of at most seven quorum queues, whose messages all live equally long and are
/// dead-lettered at least once; then it is held for the last milliseconds by the consumer. An immediate message goes
/// straight to its queue. Everything is published as mandatory and confirmed by a majority of the brokers before a call
/// returns. Delays are counted by the broker and on this process's monotonic clock: no wall clock decides when a message
/// comes, except that [`Schedule::At`] is turned into a delay by the sender's.
///
/// What a broker cannot do is refused with [`ErrorKind::Unsupported`]: it finds no message by its id, so that there is
/// no `cancel` and no `reschedule`, and an id is not deduplicated when it is sent: a message that is sent twice comes
/// twice. Nor can it count what waits in the ladder, which all queues share. [`Capabilities`] tells so in advance.
/// [`with_ledger`](Self::with_ledger) makes up for all of it.
///
/// An attempt of a process that died or lost its connection is counted from the second such death on: whatever the
/// broker had pushed to it comes again, most of which no handler has seen. How late a message is, and whether it has
/// expired, is reckoned with the clocks of sender and worker, as the broker shows its own to nobody.
///
/// ```no_run
/// # async fn example() -> nebula_delay_queue::Result<()> {
/// use nebula_delay_queue::{DelayQueue, RabbitDelayQueue};
/// use std::time::Duration;
///
/// let rabbit = RabbitDelayQueue::options("amqp://guest:guest@127.0.0.1:5672/%2f")
///     .lane(Duration::from_secs(15 * 60)) // a delay that most messages have takes one step instead of four
///     .connect()
///     .await?;
/// let queue = DelayQueue::new(rabbit);
/// # Ok(()) }
/// ```
///
/// # Losses of connection
///
/// Two connections (a blocked publisher must not keep consumers from acknowledging) are made again for as long as a
/// clone of this value exists. An operation waits for them until its deadline, then fails with a retryable error.
/// Messages that were leased on a lost connection are delivered again at once, and their receipts are stale.
#[derive(Clone, Debug)]
pub struct RabbitDelayQueue {
    publisher: Arc<Publisher>,
    consuming: Link,
    hub: WakeupHub,
    feeds: Arc<Mutex<HashMap<QueueName, Arc<Feed>>>>,
    dead_gate: Arc<AsyncMutex<()>>,
    index: Option<Index>,
    queue_prefix: Option<QueueName>,
    stop: Arc<Stop>,
}

#[derive(Debug)]
struct Stop {
    token: CancellationToken,
    _guard: DropGuard,
}

/// How to connect a [`RabbitDelayQueue`].
#[derive(Clone)]
#[must_use = "options do nothing until `connect`"]
pub struct RabbitOptions {
    uri: String,
    user: Option<String>,
    password: Option<String>,
    prefix: String,
    queue_prefix: Option<QueueName>,
    dead_letter_exchange: Option<String>,
    lanes: Vec<Duration>,
    levels: usize,
    width: u8,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl RabbitOptions {
    /// Wins over the user and the password in the URI.
    pub fn credentials(mut self, user: Option<String>, password: Option<String>) -> Self {
        (self.user, self.password) = (user, password);
        self
    }

    /// What all exchanges and queues begin with: at most 30 letters, digits, `.`, `_` and `-`. `nebula-delay.2` by
    /// default; the number is the version of the topology.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Puts `prefix.` before every queue name: for applications that share one ladder, which is cheaper than many.
    pub fn queue_prefix(mut self, prefix: QueueName) -> Self {
        self.queue_prefix = Some(prefix);
        self
    }

    /// The exchange (direct) that dead letters are published to, with the queue's name as routing key: for those who
    /// bind queues of their own to it. `<prefix>.dead` by default.
    pub fn dead_letter_exchange(mut self, name: impl Into<String>) -> Self {
        self.dead_letter_exchange = Some(name.into());
        self
    }

    /// Gives a delay that very many messages have a queue of its own, so that they take one step rather than one per
    /// digit. At most 16; the delay must be met to the millisecond.
    pub fn lane(mut self, delay: Duration) -> Self {
        self.lanes.push(delay);
        self
    }

    /// How high the ladder is: 1 to 7 levels of 15 queues each, 7 by default. In one round, 7 take a delay of 49 days, 6 of three
    /// days, 5 of four and a half hours, 4 of a quarter of an hour and more. What is longer goes round again, which takes a
    /// running worker whenever it comes down.
    pub fn levels(mut self, levels: usize) -> Self {
        self.levels = levels;
        self
    }

    /// Over how many queues each digit of the ladder, and each lane, is spread: 1 to 16, 1 by default. The broker hands on
    /// what is due from one queue at some thousands of messages a second, since each is confirmed before the next few follow; four
    /// hand on between two and three times as much, eight no more than four. Each more costs 15 quorum queues for every level that is used, and the time to
    /// declare them. Processes may differ in this.
    pub fn width(mut self, width: u8) -> Self {
        self.width = width;
        self
    }

    /// How long any operation may take, waiting for a lost connection or for a blocked broker included. 10 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The clock that messages with [`Schedule::At`] are timed by, and from which lateness and expiry are reckoned; the
    /// operating system's by default. Delays do not depend on it.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] for an address, a name or a lane that is not allowed and for wrong credentials,
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Timeout`] if the broker cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was opened is closed.
    pub async fn connect(self) -> Result<RabbitDelayQueue> {
        let invalid = |text: &'static str| Error::new(ErrorKind::ConfigInvalid, text);
        // The address may hold a password: its text stays out of the error.
        let mut uri: AMQPUri = self.uri.parse().map_err(|_| invalid("the broker's address is not an AMQP URI"))?;
        if uri.scheme == lapin::uri::AMQPScheme::AMQPS && !cfg!(feature = "tls") {
            return Err(invalid("`amqps` needs the feature `tls` of nebula-delay-queue"));
        }
        let login = &mut uri.authority.userinfo;
        login.username = self.user.unwrap_or_else(|| std::mem::take(&mut login.username));
        login.password = self.password.unwrap_or_else(|| std::mem::take(&mut login.password));
        uri.query.heartbeat.get_or_insert(10);
        check_name(&self.prefix, LONGEST_PREFIX)?;
        let mut names = Names::new(self.prefix);
        if let Some(exchange) = self.dead_letter_exchange {
            check_name(&exchange, 200)?;
            names.set_dead_exchange(exchange);
        }
        let lanes: Vec<u64> = self.lanes.into_iter().map(duration_ms).collect();
        if lanes.len() > MOST_LANES {
            return Err(invalid("there are at most 16 lanes"));
        }
        if lanes.iter().any(|lane| !(1..=u64::from(u32::MAX)).contains(lane)) {
            return Err(invalid("a lane is for a delay between 1 ms and 49 days"));
        }
        if !(1..=LEVELS).contains(&self.levels) {
            return Err(invalid("the ladder has 1 to 7 levels"));
        }
        if !(1..=MOST_WIDTH).contains(&self.width) {
            return Err(invalid("the ladder is 1 to 16 queues wide"));
        }
        let ladder = Ladder { levels: self.levels, width: self.width };
        let publishing = Link::open(uri.clone(), "nebula-delay-queue, publishing".to_owned()).await?;
        let consuming = Link::open(uri, "nebula-delay-queue, consuming".to_owned()).await?;
        let token = CancellationToken::new();
        Ok(RabbitDelayQueue {
            publisher: Arc::new(Publisher::new(publishing, names, (lanes, ladder), self.timeout, self.clock)?),
            consuming,
            hub: WakeupHub::default(),
            feeds: Arc::default(),
            dead_gate: Arc::default(),
            index: None,
            queue_prefix: self.queue_prefix,
            stop: Arc::new(Stop { _guard: token.clone().drop_guard(), token }),
        })
    }
}

/// The address stays out of logs: it may hold a password.
impl std::fmt::Debug for RabbitOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RabbitOptions")
            .field("prefix", &self.prefix)
            .field("queue_prefix", &self.queue_prefix)
            .field("dead_letter_exchange", &self.dead_letter_exchange)
            .field("lanes", &self.lanes)
            .field("levels", &self.levels)
            .field("width", &self.width)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn check_name(name: &str, longest: usize) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > longest || !name.bytes().all(allowed) {
        let text = format!("{name:?} must have 1 to {longest} letters, digits, `.`, `_` and `-`");
        return Err(Error::new(ErrorKind::ConfigInvalid, text));
    }
    Ok(())
}

impl RabbitDelayQueue {
    /// Starts to describe a connection to the broker at an AMQP URI such as
    /// `amqp://user:password@host:5672/vhost?heartbeat=10`.
    pub fn options(uri: impl Into<String>) -> RabbitOptions {
        RabbitOptions {
            uri: uri.into(),
            user: None,
            password: None,
            prefix: "nebula-delay.2".to_owned(),
            queue_prefix: None,
            dead_letter_exchange: None,
            lanes: Vec::new(),
            levels: LEVELS,
            width: 1,
            timeout: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
        }
    }

    /// Lets a ledger find messages by their ids: `cancel`, `reschedule`, duplicates that are refused when they are sent,
    /// and counts of what is delayed, all as with any other backend.
    ///
    /// Every process that sends to or works off these queues needs the same ledger. A ledger that cannot be reached makes
    /// sending, claiming and settling fail with its error. One that has lost its records makes no message lost: whatever
    /// comes and is unknown is handed out, what was cancelled included.
    #[must_use]
    pub fn with_ledger(mut self, ledger: impl MessageLedger) -> Self {
        self.index = Some(Index::new(Arc::new(ledger)));
        self
    }

    /// The full name of a queue.
    fn destination(&self, queue: &QueueName) -> Result<QueueName> {
        match &self.queue_prefix {
            Some(prefix) => QueueName::new(format!("{prefix}.{queue}")),
            None => Ok(queue.clone()),
        }
    }

    /// What brings this queue's messages; started at the first call.
    fn feed(&self, queue: &QueueName) -> Result<Arc<Feed>> {
        let queue = self.destination(queue)?;
        let mut feeds = self.feeds.lock();
        if let Some(feed) = feeds.get(&queue) {
            return Ok(Arc::clone(feed));
        }
        let feed = Feed::new(queue.clone(), Arc::clone(&self.publisher), self.hub.clone());
        let running = Arc::clone(&feed).run(self.consuming.clone());
        tokio::spawn(self.stop.token.clone().run_until_cancelled_owned(running));
        feeds.insert(queue, Arc::clone(&feed));
        Ok(feed)
    }

    fn running(&self, queue: &QueueName) -> Option<Arc<Feed>> {
        self.feeds.lock().get(queue).cloned()
    }
}

#[async_trait]
impl DelayQueueProducer for RabbitDelayQueue {
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        let outcome = self.enqueue_batch(queue, vec![message]).await?.pop();
        outcome.ok_or_else(|| Error::new(ErrorKind::Backend, "a message without an outcome"))
    }

    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>> {
        for message in &messages {
            message.check()?;
        }
        if let Some(index) = &self.index {
            return self.send_indexed(index, queue, messages).await;
        }
        let now = self.publisher.clock.now();
        let outcomes = messages.iter().map(|message| SendOutcome::Accepted(message.id.clone())).collect();
        let copies = messages.into_iter().map(|message| {
            let way = Way::Delay(delay_ms(message.schedule, now));
            (Copy::first(message, now), way)
        });
        self.publisher.publish(&self.destination(queue)?, copies.collect()).await?;
        Ok(outcomes)
    }

    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        if let Some(index) = &self.index {
            return index.cancel(&self.destination(queue)?, id).await;
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            "a broker cannot cancel: it finds no message by its id, unless it has a ledger",
        ))
    }

    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule> {
        schedule.check()?;
        if let Some(index) = &self.index {
            return self.reschedule_indexed(index, queue, id, schedule).await;
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            "a broker cannot reschedule: it finds no message by its id, unless it has a ledger",
        ))
    }

    fn capabilities(&self) -> Capabilities {
        match &self.index {
            Some(_) => Capabilities::FULL,
            None => Capabilities { finds_by_id: false, counts_delayed: false, knows_next_due: false },
        }
    }

    async fn ping(&self) -> Result<()> {
        let (deadline, channel) = self.aside().await?;
        let echo = async { channel.close(200, "done".into()).await.map_err(error::amqp_error(ALIVE)) };
        timeout_at(deadline, echo).await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, ALIVE)))
    }
}

fn delay_ms(schedule: Schedule, now: SystemTime) -> u64 {
    match schedule {
        Schedule::After(delay) => duration_ms(delay),
        Schedule::At(_) => schedule.due_ms(now).saturating_sub(floor_ms(now)),
    }
}
