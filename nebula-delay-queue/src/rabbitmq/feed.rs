//! Keeps one queue's messages coming: consumers that are there again after every loss, as many messages ahead as are
//! asked for, and none when nobody asks.

use std::{
    future::ready,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use lapin::{
    BasicProperties, Consumer, ConsumerDelegate,
    message::{Delivery as Pushed, DeliveryResult},
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions},
    types::FieldTable,
};
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    error::amqp_error,
    inbox::{Entry, Inbox},
    line::{Intake, Line},
    link::{Link, Session},
    names::short,
    publisher::{Publisher, Way},
    topology::DELIVERY_LIMIT,
    wire::{Copy, Death, salvage},
};
use crate::{DeadReason, Delivery, Error, ErrorKind, Priority, QueueName, Result, WakeupHub, error::chain};

/// A queue that nobody has asked for this long gets no more messages, and those that wait here go back.
const PATIENCE: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(250);
const FEWEST_AHEAD: u32 = 16;
const MOST_AHEAD: u32 = 32_768;
/// How long a claim waits for consumers that were there before; a stopping worker waits for its claim. The first ones are
/// waited for until the deadline, as their queues may have to be declared.
const CLAIM_WAIT: Duration = Duration::from_secs(2);
/// A claim that got something asks the broker for more at most this often.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
const REQUEUE: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };

#[derive(Debug)]
pub(super) struct Feed {
    pub(super) queue: QueueName,
    pub(super) publisher: Arc<Publisher>,
    hub: WakeupHub,
    pub(super) runtime: Handle,
    pub(super) inbox: Mutex<Inbox>,
    /// How many messages the broker may push ahead of their acknowledgement.
    ahead: AtomicU32,
    asked: Mutex<Instant>,
    looked: Mutex<Option<Instant>>,
    parked: AtomicBool,
    /// Whether there have been consumers.
    begun: AtomicBool,
    /// The channel of the consumers, while it is there.
    line: watch::Sender<Option<Line>>,
    /// Something has changed about what is wanted.
    wanted: Notify,
    lost: Notify,
    /// Cloned by whoever has still something to acknowledge on the channel.
    passing: Arc<()>,
    origin: Instant,
}

impl Feed {
    pub(super) fn new(queue: QueueName, publisher: Arc<Publisher>, hub: WakeupHub) -> Arc<Self> {
        Arc::new(Self {
            queue,
            publisher,
            hub,
            runtime: Handle::current(),
            inbox: Mutex::default(),
            ahead: AtomicU32::new(0),
            asked: Mutex::new(Instant::now()),
            looked: Mutex::default(),
            parked: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            line: watch::Sender::new(None),
            wanted: Notify::new(),
            lost: Notify::new(),
            passing: Arc::default(),
            origin: Instant::now(),
        })
    }

    pub(super) async fn claim(
        self: &Arc<Self>,
        max: usize,
        lease: Duration,
    ) -> Result<(Vec<Delivery>, Option<Duration>)> {
        *self.asked.lock() = Instant::now();
        self.plan_ahead(max);
        let line = self.live().await?;
        if self.should_look(max) {
            // What the broker has pushed meanwhile is here once it has answered.
            let (epoch, looked) = (line.intake.epoch, self.look(line, max).await);
            if looked.is_err() && !self.inbox.lock().takes_in(epoch) {
                // It was taking its leave, because nobody had asked for so long.
                self.look(self.live().await?, max).await?;
            } else {
                looked?;
            }
        }
        let now = Instant::now();
        let mut inbox = self.inbox.lock();
        let (deliveries, suspects) = inbox.claim(max, lease, now, self.publisher.clock.now());
        let head = inbox.head(now);
        self.hub.observe(&self.queue, head.map(|head| self.in_ms(head)));
        drop(inbox);
        for mut suspect in suspects {
            suspect.copy.attempts = suspect.copy.attempts.saturating_add(1);
            suspect.copy.charged = true;
            self.pass_on(suspect, Way::Delay(0));
        }
        Ok((deliveries, head.map(|head| head.duration_since(now))))
    }

    /// Wakes sleeping workers for what can be claimed at a time.
    pub(super) fn offer(&self, at: Instant) {
        self.hub.offer(&self.queue, self.in_ms(at));
    }

    fn in_ms(&self, time: Instant) -> u64 {
        u64::try_from(time.duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }

    /// Adapts how many messages are pushed ahead: those in work, and about as many again.
    fn plan_ahead(&self, max: usize) {
        let needed = (self.inbox.lock().leased() + max).saturating_mul(2);
        let needed = u32::try_from(needed).unwrap_or(MOST_AHEAD).clamp(FEWEST_AHEAD, MOST_AHEAD).next_power_of_two();
        let before = self.ahead.fetch_max(needed, Ordering::Relaxed);
        if needed > before || self.parked.load(Ordering::Relaxed) {
            self.wanted.notify_one();
        }
    }

    async fn live(&self) -> Result<Line> {
        let mut line = self.line.subscribe();
        let there = line.wait_for(Option::is_some);
        let awaited = self.begun.load(Ordering::Relaxed) && !self.parked.load(Ordering::Relaxed);
        let patience = if awaited { CLAIM_WAIT } else { self.publisher.timeout };
        match timeout(patience, there).await {
            Ok(Ok(line)) => {
                line.clone().ok_or_else(|| Error::new(ErrorKind::Unavailable, "not connected to the broker"))
            }
            _ => Err(Error::new(ErrorKind::Unavailable, "not connected to the broker")),
        }
    }

    fn should_look(&self, max: usize) -> bool {
        let here = self.inbox.lock().claimable();
        let mut looked = self.looked.lock();
        if max > 0 && (here >= max || here > 0 && looked.is_some_and(|time| time.elapsed() < LOOK_AGAIN)) {
            return false;
        }
        *looked = Some(Instant::now());
        true
    }

    /// Takes a message in. Called by the driver, in the order in which messages come. What comes on a channel that is given
    /// up is nobody's: the broker delivers it again.
    pub(super) fn arrive(&self, intake: &Intake, message: Pushed) {
        intake.tags.lock().saw(message.delivery_tag);
        let (body, acker) = (Bytes::from(message.data), message.acker);
        match Copy::parse(&message.properties, body.clone()) {
            Ok(copy) if copy.rest_ms > 0 => {
                let delay = copy.rest_ms;
                self.pass_on(Entry { copy, acker }, Way::Delay(delay));
            }
            // Others died while it waited beside them.
            Ok(copy) if copy.returned >= DELIVERY_LIMIT / 2 => {
                let delay = copy.hold_ms;
                self.pass_on(Entry { copy, acker }, Way::Delay(delay));
            }
            Ok(copy) => {
                let at = self.inbox.lock().arrive(Entry { copy, acker }, intake.epoch, Instant::now());
                if let Some(at) = at {
                    self.offer(at);
                }
            }
            Err(error) => self.bury_unread(&message.properties, body, acker, &chain(&*error)),
        }
    }

    fn bury_unread(&self, properties: &BasicProperties, body: Bytes, acker: lapin::Acker, error: &str) {
        tracing::error!(queue = %self.queue, error, "a message from the broker is not understood");
        let now = self.publisher.clock.now();
        let mut copy = Copy::first(salvage(properties, body), now);
        copy.last_error = Some(error.to_owned());
        copy.death = Some(Death { reason: DeadReason::Undecodable, died: now });
        self.pass_on(Entry { copy, acker }, Way::Dead);
    }

    /// Publishes a message anew and then acknowledges what it came in. If that fails, the broker delivers it again.
    pub(super) fn pass_on(&self, entry: Entry, way: Way) {
        let (publisher, queue, passing) = (Arc::clone(&self.publisher), self.queue.clone(), Arc::clone(&self.passing));
        self.runtime.spawn(async move {
            let published = publisher.publish(&queue, vec![(entry.copy, way)]).await;
            match published {
                Ok(()) => {
                    let _ = entry.acker.ack(BasicAckOptions::default()).await;
                }
                Err(error) => {
                    tracing::warn!(%queue, error = chain(&error), "could not pass a message on");
                    sleep(TICK).await;
                    let _ = entry.acker.nack(REQUEUE).await;
                }
            }
            drop(passing);
        });
    }

    /// Acknowledges what nobody is to see. It is in nobody's hands any more: who waits for the answer may go away.
    pub(super) fn dismiss(&self, entry: Entry) {
        let passing = Arc::clone(&self.passing);
        self.runtime.spawn(async move {
            let _ = entry.acker.ack(BasicAckOptions::default()).await;
            drop(passing);
        });
    }

    /// Runs until dropped.
    pub(super) async fn run(self: Arc<Self>, link: Link) {
        let mut pause = TICK;
        loop {
            while self.parked.load(Ordering::Relaxed) && self.is_idle() {
                self.wanted.notified().await;
            }
            match self.consume(&link).await {
                Ok(()) => pause = TICK,
                Err(error) => {
                    tracing::warn!(queue = %self.queue, error = chain(&error), "could not consume");
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Consumes until the channel is lost.
    async fn consume(self: &Arc<Self>, link: &Link) -> Result<()> {
        let deadline = Instant::now() + self.publisher.timeout;
        let session = link.session(deadline).await?;
        // What was lost before is no news.
        let _ = self.lost.notified().now_or_never();
        self.publisher.ensure(&self.queue, deadline).await?;
        let mut ahead = self.ahead.load(Ordering::Relaxed);
        let opened = self.within(&session, async {
            let channel = session.connection.create_channel().await.map_err(amqp_error("opening a channel"))?;
            let line = Line::new(channel, self.inbox.lock().begin());
            let consumers = self.subscribe(&line, ahead).await?;
            Ok((line, consumers))
        });
        let (line, mut consumers) = opened.await?;
        self.parked.store(false, Ordering::Relaxed);
        self.line.send_replace(Some(line.clone()));
        self.begun.store(true, Ordering::Relaxed);
        // Workers that slept through it had better look.
        self.hub.notify(&self.queue);
        let result = loop {
            tokio::select! {
                () = self.lost.notified() => break Ok(()),
                () = session.ended() => break Ok(()),
                () = self.wanted.notified() => {}
                () = sleep(TICK) => {}
            }
            consumers.iter_mut().for_each(|subscription| self.collect(&line.intake, subscription));
            if !line.channel.status().connected() {
                break Ok(());
            }
            self.requeue_missed(&line);
            let idle = self.is_idle();
            let hogging = self.inbox.lock().unleased() > 0 || !self.hub.has_subscribers(&self.queue);
            if idle && hogging && !consumers.is_empty() {
                self.parked.store(true, Ordering::Relaxed);
                let parted = self.unsubscribe(&line, std::mem::take(&mut consumers));
                if let Err(error) = self.within(&session, parted).await {
                    break Err(error);
                }
            }
            if self.parked.load(Ordering::Relaxed) {
                if idle {
                    self.give_back();
                    // What the broker had pushed before it knew that nobody listens, nobody has heard: it takes that back
                    // with the channel, which goes as soon as nothing is in work.
                    let passing = Arc::strong_count(&self.passing) > 1;
                    if !passing && self.inbox.lock().is_empty() && !line.intake.tags.lock().asking {
                        break Ok(());
                    }
                    continue;
                }
                self.parked.store(false, Ordering::Relaxed);
            }
            let wanted = self.ahead.load(Ordering::Relaxed);
            // Further consumers beside those that are there: one that is cancelled may be pushed messages that are lost on
            // their way.
            let more = if consumers.is_empty() { wanted } else { wanted.saturating_sub(ahead) };
            if more > 0 {
                ahead = wanted;
                match self.within(&session, self.subscribe(&line, more)).await {
                    Ok(further) => consumers.extend(further),
                    Err(error) => break Err(error),
                }
            }
        };
        self.line.send_replace(None);
        self.inbox.lock().begin();
        // Gives everything back that the broker still counts as ours.
        let _ = timeout(Duration::from_secs(1), line.channel.close(200, "done".into())).await;
        result
    }

    /// Gives a channel up, unless another one has taken its place already.
    pub(super) fn lose(&self, intake: &Intake) {
        if self.inbox.lock().takes_in(intake.epoch) {
            self.lost.notify_one();
        }
    }

    /// Nobody has asked for messages lately.
    fn is_idle(&self) -> bool {
        self.asked.lock().elapsed() > PATIENCE
    }

    /// Gives back what was pushed to consumers that were cancelled at that moment, and has not come to anybody.
    fn requeue_missed(&self, line: &Line) {
        for tag in line.intake.tags.lock().missed() {
            tracing::debug!(queue = %self.queue, tag, "a message went past a cancelled consumer");
            let channel = line.channel.clone();
            self.runtime.spawn(async move { channel.basic_nack(tag, REQUEUE).await });
        }
    }

    /// Waits for the broker, but not for ever: a connection on which nothing has come back for so long is of no use any more.
    async fn within<T>(&self, session: &Session, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        tokio::select! {
            biased;
            result = timeout(self.publisher.timeout, work) => result.unwrap_or_else(|_| {
                session.give_up();
                Err(Error::new(ErrorKind::Timeout, "no answer from the broker to a consumer"))
            }),
            () = session.ended() => Err(Error::new(ErrorKind::Unavailable, "the connection to the broker is lost")),
        }
    }

    /// Consumers that are pushed so many messages ahead of their acknowledgement.
    async fn subscribe(self: &Arc<Self>, line: &Line, ahead: u32) -> Result<Vec<Subscription>> {
        let ahead = u16::try_from(ahead.max(FEWEST_AHEAD)).unwrap_or(u16::MAX);
        let qos = line.channel.basic_qos(ahead, BasicQosOptions::default());
        qos.await.map_err(amqp_error("setting the prefetch"))?;
        let mut consumers = Vec::new();
        for priority in Priority::ALL {
            let queue = short(self.publisher.names.ready(&self.queue, priority))?;
            let options = BasicConsumeOptions::default();
            let consumer = line.channel.basic_consume(queue, "".into(), options, FieldTable::default()).await;
            let consumer = consumer.map_err(amqp_error("consuming"))?;
            let retired = Arc::new(AtomicBool::new(false));
            consumer.set_delegate(Delegate {
                feed: Arc::downgrade(self),
                intake: line.intake.clone(),
                retired: Arc::clone(&retired),
            });
            let mut subscription = Subscription { consumer, retired };
            self.collect(&line.intake, &mut subscription);
            consumers.push(subscription);
        }
        Ok(consumers)
    }

    async fn unsubscribe(&self, line: &Line, consumers: Vec<Subscription>) -> Result<()> {
        for mut subscription in consumers {
            subscription.retired.store(true, Ordering::Relaxed);
            let cancel = line.channel.basic_cancel(subscription.consumer.tag(), BasicCancelOptions::default());
            cancel.await.map_err(amqp_error("cancelling a consumer"))?;
            self.collect(&line.intake, &mut subscription);
        }
        Ok(())
    }

    /// Takes in what came in the moment before the driver knew the delegate, and lies where nobody looks.
    fn collect(&self, intake: &Intake, subscription: &mut Subscription) {
        while let Some(Some(Ok(message))) = subscription.consumer.next().now_or_never() {
            self.arrive(intake, message);
        }
    }

    /// Returns to the broker what nobody here asks for, at the end of the queue and without an attempt counted.
    fn give_back(&self) {
        let entries = self.inbox.lock().give_up(Instant::now(), self.publisher.clock.now());
        for (entry, rest_ms) in entries {
            self.pass_on(entry, Way::Delay(rest_ms));
        }
    }
}

struct Subscription {
    consumer: Consumer,
    retired: Arc<AtomicBool>,
}

/// Takes messages in as the driver reads them, so that they are here before the answer to any later question is.
struct Delegate {
    feed: std::sync::Weak<Feed>,
    intake: Intake,
    /// We have cancelled it. What is on its way comes nevertheless.
    retired: Arc<AtomicBool>,
}

impl ConsumerDelegate for Delegate {
    fn on_new_delivery(&self, delivery: DeliveryResult) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if let Some(feed) = self.feed.upgrade() {
            match delivery {
                Ok(Some(message)) => feed.arrive(&self.intake, message),
                Ok(None) if self.retired.load(Ordering::Relaxed) => {}
                Ok(None) => {
                    tracing::warn!(queue = %feed.queue, "the broker cancelled a consumer");
                    feed.lose(&self.intake);
                }
                Err(error) => {
                    tracing::warn!(queue = %feed.queue, %error, "a consumer is lost");
                    feed.lose(&self.intake);
                }
            }
        }
        Box::pin(ready(()))
    }
}
