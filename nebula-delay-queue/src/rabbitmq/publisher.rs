//! Publishing: declared before the first use, mandatory, confirmed, and never beyond the deadline.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use lapin::{
    Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::ShortString,
};
use parking_lot::RwLock;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};

use super::{
    error::amqp_error,
    ladder::Route,
    link::{Link, Session},
    names::{Names, destination, short},
    topology,
    wire::Copy,
};
use crate::{Clock, Error, ErrorKind, Priority, QueueName, Result};

/// As many messages as are published before the first confirm is awaited.
const WINDOW: usize = 1000;

/// Where a copy goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// To its queue, after this delay in milliseconds.
    Delay(u64),
    /// To the dead letters of its queue.
    Dead,
}

/// How high and how wide the ladder is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ladder {
    pub(super) levels: usize,
    /// How many queues each digit, and each lane, is spread over.
    pub(super) width: u8,
}

#[derive(Debug)]
pub(super) struct Publisher {
    link: Link,
    pub(super) names: Names,
    lanes: Vec<u64>,
    ladder: Ladder,
    /// Counts what was published, to spread it evenly.
    turn: AtomicU8,
    /// The exchanges in front of the levels.
    entries: Vec<ShortString>,
    pub(super) timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
    outlet: RwLock<Option<Arc<Outlet>>>,
    /// Held while an outlet is opened. Senders do not queue for it otherwise: with a thousand of them, handing a lock from
    /// task to task would take longer than publishing.
    opening: Mutex<()>,
}

/// A channel in confirm mode, and what was declared since its connection was made.
#[derive(Debug)]
struct Outlet {
    session: Arc<Session>,
    channel: Channel,
    declared: RwLock<Declared>,
    /// Counts what was declared.
    steps: AtomicUsize,
    /// Held while something is declared.
    declaring: Mutex<()>,
    /// Names as the driver wants them, because making them afresh for every message costs. By priority.
    places: RwLock<HashMap<QueueName, Arc<[Place; 3]>>>,
}

/// Where a queue's messages of one priority become ready, and how routing keys call it.
#[derive(Debug)]
struct Place {
    ready: ShortString,
    destination: String,
}

#[derive(Debug, Default)]
struct Declared {
    levels: usize,
    lanes: HashSet<u64>,
    queues: HashSet<QueueName>,
}

/// What has to be there before something can be published.
struct Needed<'a> {
    levels: usize,
    lanes: Vec<u64>,
    queue: &'a QueueName,
}

impl Outlet {
    /// Keeps what was declared.
    fn note(&self, change: impl FnOnce(&mut Declared)) {
        change(&mut self.declared.write());
        self.steps.fetch_add(1, Ordering::Relaxed);
    }
}

impl Declared {
    fn covers(&self, needed: &Needed<'_>) -> bool {
        self.levels >= needed.levels
            && self.queues.contains(needed.queue)
            && needed.lanes.iter().all(|lane| self.lanes.contains(lane))
    }
}

impl Publisher {
    pub(super) fn new(
        link: Link,
        names: Names,
        (lanes, ladder): (Vec<u64>, Ladder),
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let entries = (0..ladder.levels).map(|level| short(names.level(level))).collect::<Result<_>>()?;
        let (outlet, opening) = (RwLock::default(), Mutex::default());
        let turn = AtomicU8::default();
        Ok(Self { link, names, lanes, ladder, turn, entries, timeout, clock, outlet, opening })
    }

    /// Publishes copies of one queue and waits until the broker has them all.
    pub(super) async fn publish(&self, queue: &QueueName, copies: Vec<(Copy, Way)>) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        let mut copies = copies;
        while !copies.is_empty() {
            let later = copies.split_off(copies.len().min(WINDOW));
            // What went nowhere is tried once more, because somebody may have deleted the queue.
            let lost = self.attempt(queue, copies, deadline, false).await?;
            if !lost.is_empty() {
                self.forget(queue);
                self.attempt(queue, lost, deadline, true).await?;
            }
            copies = later;
        }
        Ok(())
    }

    /// Returns what could not be routed, unless that is an error.
    async fn attempt(
        &self,
        queue: &QueueName,
        mut copies: Vec<(Copy, Way)>,
        deadline: Instant,
        last: bool,
    ) -> Result<Vec<(Copy, Way)>> {
        let outlet = self.outlet(deadline).await?;
        self.within(&outlet, deadline, self.declare(&outlet, queue, &copies)).await?;
        self.unblocked(&outlet, deadline).await?;
        let work = async {
            let mut confirms = Vec::with_capacity(copies.len());
            for (copy, way) in &mut copies {
                let (exchange, key) = self.address(&outlet, queue, copy, *way)?;
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                let properties = copy.properties()?;
                let sent = outlet.channel.basic_publish(exchange, key, options, &copy.message.body, properties);
                confirms.push(sent.await.map_err(amqp_error("publishing a message"))?);
            }
            let mut lost = Vec::new();
            for (confirm, copy) in confirms.into_iter().zip(copies) {
                match confirm.await.map_err(amqp_error("waiting for the broker's confirmation"))? {
                    Confirmation::Ack(None) => {}
                    Confirmation::Ack(Some(_)) if !last => lost.push(copy),
                    Confirmation::Ack(Some(_)) => {
                        let text = format!("no queue takes messages of {queue}");
                        return Err(Error::new(ErrorKind::Unavailable, text));
                    }
                    Confirmation::Nack(_) | Confirmation::NotRequested => {
                        return Err(Error::new(ErrorKind::Unavailable, "the broker refused a message"));
                    }
                }
            }
            Ok(lost)
        };
        self.within(&outlet, deadline, work).await
    }

    /// Makes sure that a queue is there.
    pub(super) async fn ensure(&self, queue: &QueueName, deadline: Instant) -> Result<()> {
        let outlet = self.outlet(deadline).await?;
        self.within(&outlet, deadline, self.declare(&outlet, queue, &[])).await
    }

    /// A channel of its own for something that may fail without disturbing others.
    pub(super) async fn side_channel(&self, deadline: Instant) -> Result<Channel> {
        let session = self.link.session(deadline).await?;
        match timeout_at(deadline, session.connection.create_channel()).await {
            Ok(channel) => channel.map_err(amqp_error("opening a channel")),
            Err(_) => {
                session.give_up();
                Err(Error::new(ErrorKind::Timeout, "opening a channel"))
            }
        }
    }

    async fn outlet(&self, deadline: Instant) -> Result<Arc<Outlet>> {
        if let Some(outlet) = self.open_outlet() {
            return Ok(outlet);
        }
        let Ok(_opening) = timeout_at(deadline, self.opening.lock()).await else {
            return Err(Error::new(ErrorKind::Timeout, "waiting for a channel"));
        };
        // Somebody else may have opened one meanwhile.
        if let Some(outlet) = self.open_outlet() {
            return Ok(outlet);
        }
        let session = self.link.session(deadline).await?;
        let open = async {
            let channel = session.connection.create_channel().await.map_err(amqp_error("opening a channel"))?;
            let confirm = channel.confirm_select(ConfirmSelectOptions::default());
            confirm.await.map_err(amqp_error("asking for confirmations"))?;
            topology::base(&channel, &self.names).await?;
            Ok::<_, Error>(channel)
        };
        let channel = match timeout_at(deadline, open).await {
            Ok(channel) => channel?,
            Err(_) => {
                session.give_up();
                return Err(Error::new(ErrorKind::Timeout, "opening a channel"));
            }
        };
        let outlet = Arc::new(Outlet {
            session,
            channel,
            declared: RwLock::default(),
            steps: AtomicUsize::default(),
            declaring: Mutex::default(),
            places: RwLock::default(),
        });
        *self.outlet.write() = Some(Arc::clone(&outlet));
        Ok(outlet)
    }

    fn open_outlet(&self) -> Option<Arc<Outlet>> {
        let outlet = self.outlet.read().clone()?;
        (outlet.session.is_usable() && outlet.channel.status().connected()).then_some(outlet)
    }

    async fn declare(&self, outlet: &Outlet, queue: &QueueName, copies: &[(Copy, Way)]) -> Result<()> {
        let needed = self.needed(queue, copies);
        if outlet.declared.read().covers(&needed) {
            return Ok(());
        }
        let _declaring = outlet.declaring.lock().await;
        // Only who holds the lock above declares: what is missing now stays missing until it is declared here.
        let levels = outlet.declared.read().levels;
        for level in levels..needed.levels {
            topology::level(&outlet.channel, &self.names, level, self.ladder.width).await?;
            outlet.note(|declared| declared.levels = level + 1);
        }
        for lane in needed.lanes {
            if !outlet.declared.read().lanes.contains(&lane) {
                topology::lane(&outlet.channel, &self.names, lane, self.ladder.width).await?;
                outlet.note(|declared| declared.lanes.extend([lane]));
            }
        }
        if !outlet.declared.read().queues.contains(queue) {
            topology::ready(&outlet.channel, &self.names, queue).await?;
            outlet.note(|declared| declared.queues.extend([queue.clone()]));
        }
        Ok(())
    }

    fn needed<'a>(&self, queue: &'a QueueName, copies: &[(Copy, Way)]) -> Needed<'a> {
        let (mut levels, mut lanes) = (0, Vec::new());
        for (_, way) in copies {
            if let Way::Delay(delay) = way {
                if self.lanes.contains(delay) {
                    lanes.push(*delay);
                } else {
                    levels = levels.max(Route::of(*delay, self.ladder.levels).top.map_or(0, |level| level + 1));
                }
            }
        }
        Needed { levels, lanes, queue }
    }

    fn forget(&self, queue: &QueueName) {
        if let Some(outlet) = &*self.outlet.read() {
            outlet.declared.write().queues.remove(queue);
        }
    }

    /// Notes in the copy what its way leaves to the consumer, and says where to publish it.
    fn address(
        &self,
        outlet: &Outlet,
        queue: &QueueName,
        copy: &mut Copy,
        way: Way,
    ) -> Result<(ShortString, ShortString)> {
        if let Way::Dead = way {
            return Ok((short(self.names.dead_exchange())?, short(queue.as_str())?));
        }
        let places = self.places(outlet, queue)?;
        let Place { ready, destination } = &places[usize::from(copy.message.priority.rank())];
        match way {
            Way::Delay(delay) if !self.lanes.contains(&delay) => {
                let route = Route::of(delay, self.ladder.levels);
                (copy.hold_ms, copy.rest_ms) = (route.hold_ms, route.rest_ms);
                match route.top {
                    Some(top) => Ok((self.entries[top].clone(), short(route.key(self.strand(), destination))?)),
                    None => Ok((ShortString::default(), ready.clone())),
                }
            }
            Way::Delay(delay) => {
                (copy.hold_ms, copy.rest_ms) = (1, 0);
                Ok((short(self.names.lane(delay))?, short(Names::lane_key(self.strand(), destination))?))
            }
            Way::Dead => Err(Error::new(ErrorKind::Backend, "a dead letter has no way to its queue")),
        }
    }

    /// Which of a digit's queues the next message waits in.
    fn strand(&self) -> u8 {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.ladder.width
    }

    fn places(&self, outlet: &Outlet, queue: &QueueName) -> Result<Arc<[Place; 3]>> {
        if let Some(places) = outlet.places.read().get(queue) {
            return Ok(Arc::clone(places));
        }
        let place = |priority| {
            let ready = short(self.names.ready(queue, priority))?;
            Ok::<_, Error>(Place { ready, destination: destination(queue, priority) })
        };
        // In the order of their ranks.
        let [high, normal, low] = Priority::ALL;
        let places = Arc::new([place(high)?, place(normal)?, place(low)?]);
        outlet.places.write().insert(queue.clone(), Arc::clone(&places));
        Ok(places)
    }

    /// Waits while the broker lets nobody publish.
    async fn unblocked(&self, outlet: &Outlet, deadline: Instant) -> Result<()> {
        while outlet.session.connection.status().blocked() {
            if Instant::now() >= deadline {
                return Err(blocked());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn within<T>(
        &self,
        outlet: &Outlet,
        deadline: Instant,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let steps = || outlet.steps.load(Ordering::Relaxed);
        let before = steps();
        match timeout_at(deadline, work).await {
            Ok(result) => result,
            Err(_) if outlet.session.connection.status().blocked() => Err(blocked()),
            Err(_) => {
                // Nothing has come back for so long: the connection is probably dead without knowing it. Unless the broker is only
                // slow, as after a restart: the next call goes on with what is declared, instead of beginning afresh for ever.
                if steps() == before {
                    outlet.session.give_up();
                }
                Err(Error::new(ErrorKind::Timeout, format!("the broker did not answer within {:?}", self.timeout)))
            }
        }
    }
}

fn blocked() -> Error {
    Error::new(ErrorKind::Unavailable, "the broker lets nobody publish: it has raised a memory or disk alarm")
}
