//! A client process: tasks that take locks, work under them and write down what they see.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use nebula_lock::{
    DistributedLock, Error, ErrorKind, LockGuard, LockManager, LossReason, Lost, Mode, SegmentedLock, Shutdown,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::clock::now;
use super::controls::Broken;
use super::held::{Held, Wish};
use super::history::{Event, How, Journal};
use super::site::{Address, Style};
use super::store::Way;

/// What a client is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// Different for every process.
    pub(crate) client: u64,
    pub(crate) seed: u64,
    pub(crate) address: Address,
    pub(crate) store: u16,
    pub(crate) journal: PathBuf,
    pub(crate) keys: Vec<String>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) style: Style,
    pub(crate) tasks: usize,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    /// How often those who wait try again without being woken, if it is not as usual.
    pub(crate) retry_interval: Option<Duration>,
    /// Holds last for seconds, so that leases end under them.
    pub(crate) long_holds: bool,
    /// Requests with a lease or a patience of their own.
    pub(crate) moods: bool,
    /// What is broken on purpose, to see whether it is noticed.
    pub(crate) broken: Option<Broken>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Exclusive,
    Fair,
    Read,
    Write,
    /// Several keys at once.
    All,
    /// One of several segments.
    Segment,
}

/// The resource that is divided.
const STOCK: &str = "stock";
const SEGMENTS: usize = 2;

/// The keys of its segments.
pub(crate) fn segments() -> impl Iterator<Item = String> {
    (0..SEGMENTS).map(|number| format!("{STOCK}#{number}"))
}

/// No answer for so long after the end of the time to wait means that there will be none.
const HUNG: Duration = Duration::from_secs(30);

/// How often a client looks whether its leases were extended.
const LOOK: Duration = Duration::from_millis(20);

/// A client that sees its own clock make such a step did not get to run, where it has something to do all the time.
const STALL: Duration = Duration::from_millis(50);

/// How long the clean-up after the end may take: the longest lease and some more.
const DRAINED_WITHIN: Duration = Duration::from_secs(60);

struct Client {
    orders: Orders,
    locks: LockManager,
    stock: SegmentedLock,
    journal: Journal,
    holds: AtomicU64,
    stop: CancellationToken,
}

/// A lock that a client has.
struct Begun<'a> {
    guard: &'a LockGuard,
    hold: u64,
    until: u64,
    /// Hears of the loss.
    told: AbortOnDropHandle<()>,
}

/// Works until it is told to end with SIGTERM, or killed.
pub(crate) async fn run(orders: Orders) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let backend = orders.address.connect(orders.style)?;
    let backend: Arc<dyn DistributedLock> = match orders.broken {
        Some(broken) => broken.wrap(backend, &orders.address).await?,
        None => backend,
    };
    let mut locks = LockManager::new(backend)
        .with_lease(orders.lease)
        .with_wait(orders.wait)
        .with_command_timeout((orders.lease / 2).min(Duration::from_secs(5)));
    if let Some(interval) = orders.retry_interval {
        locks = locks.with_retry_interval(interval);
    }
    let client = Arc::new(Client {
        journal: Journal::open(&orders.journal)?,
        stock: SegmentedLock::new(locks.clone(), STOCK, SEGMENTS)?,
        locks,
        holds: AtomicU64::new(0),
        stop: CancellationToken::new(),
        orders,
    });
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let tasks: Vec<_> = (0..client.orders.tasks).map(|task| tokio::spawn(Arc::clone(&client).work(task))).collect();
    let stalls = tokio::spawn(Arc::clone(&client).note_stalls());
    terminate.recv().await;
    client.stop.cancel();
    for task in tasks {
        task.await?;
    }
    stalls.abort();
    if client.locks.shutdown(DRAINED_WITHIN).await != Shutdown::Drained {
        client.complain("the manager did not drain");
    }
    Ok(())
}

impl Client {
    async fn work(self: Arc<Self>, task: usize) {
        let mut rng = StdRng::seed_from_u64(self.orders.seed ^ (self.orders.client << 8) ^ task as u64);
        let mut way = Way::new(self.orders.store);
        let (kinds, mut turn) = (&self.orders.kinds, task);
        while !self.stop.is_cancelled() {
            // Each kind has its turn at the beginning; then chance decides.
            let begins = turn < task + kinds.len();
            let kind = kinds[if begins { turn % kinds.len() } else { rng.random_range(0..kinds.len()) }];
            turn += 1;
            let wait = if self.orders.moods && rng.random_bool(0.2) { Duration::ZERO } else { self.orders.wait };
            let own = self.orders.moods && rng.random_bool(0.2);
            let lease = own.then(|| self.orders.lease.mul_f64(rng.random_range(0.2..=1.0)));
            let gives_up =
                (self.orders.moods && rng.random_bool(0.1)).then(|| Duration::from_micros(rng.random_range(0..20_000)));
            let asked = now();
            let request = self.wish(kind, &mut rng).ask(&self.locks, wait, lease);
            let answer = async {
                match gives_up {
                    Some(patience) => timeout(patience, request).await.ok(),
                    None => Some(request.await),
                }
            };
            match timeout(wait + HUNG, answer).await {
                Ok(Some(Ok(held))) => self.hold(kind, held, asked, &mut way, &mut rng).await,
                Ok(Some(Err(error))) => {
                    self.failed(&error);
                    // Servers that are down refuse fast.
                    sleep(Duration::from_millis(rng.random_range(1..50))).await;
                }
                Ok(None) => {}
                Err(_) => self.complain("a request for a lock got no answer"),
            }
        }
    }

    fn wish(&self, kind: Kind, rng: &mut StdRng) -> Wish {
        let keys = &self.orders.keys;
        let mut key = || keys[rng.random_range(0..keys.len())].clone();
        match kind.mode() {
            Some(mode) => Wish::One(key(), mode),
            None if kind == Kind::All => Wish::All(vec![key(), key()]),
            None => Wish::Segment(self.stock.clone()),
        }
    }

    /// What it does every few milliseconds comes late when it is frozen, or starved.
    async fn note_stalls(self: Arc<Self>) {
        let mut last = now();
        loop {
            sleep(STALL / 5).await;
            let at = now();
            if Duration::from_nanos(at - last) > STALL {
                self.journal.note(&Event::Stalled { client: self.orders.client, from: last, to: at });
            }
            last = at;
        }
    }

    async fn hold(self: &Arc<Self>, kind: Kind, held: Held, asked: u64, way: &mut Way, rng: &mut StdRng) {
        self.journal.note(&Event::Took { kind: self.label(kind) });
        let begun: Vec<Begun<'_>> = held.guards().into_iter().map(|guard| self.begin(guard, asked)).collect();
        let careful = rng.random_bool(0.5);
        // Short work mostly; sometimes long enough for several renewals.
        let pause = if rng.random_bool(0.98) { rng.random_range(0..2) } else { rng.random_range(10..150) };
        let pause = if self.orders.long_holds { rng.random_range(200..500) } else { pause };
        let (steps, pause) = (rng.random_range(1..8), Duration::from_millis(pause));
        let work = async {
            let mut seen = Vec::new();
            for Begun { guard, .. } in begun.iter().filter(|begun| begun.guard.mode() != Mode::Read) {
                let (key, fence) = (guard.key().as_str(), guard.fence().get());
                seen.push((key, fence, way.open(key, fence).await));
            }
            sleep(pause * steps).await;
            for (key, fence, seen) in seen {
                if let Ok(seen) = seen {
                    // Without the store nothing can be written; that is no business of the lock.
                    let _ = way.write(key, fence, seen, careful).await;
                }
            }
        };
        let work = async {
            tokio::select! {
                _ = join_all(begun.iter().map(|begun| self.look_on(begun))) => {}
                () = work => {}
            }
        };
        // A client that does not care works on under a lock that it has lost, as many do.
        let lost = if careful {
            held.run(work).await.err()
        } else {
            work.await;
            None
        };
        let at = now();
        begun.iter().for_each(|begun| begun.told.abort());
        for Begun { guard, hold, .. } in &begun {
            // Of several, one was lost; the others are given back with it.
            let how = match lost.as_ref().filter(|lost| lost.key() == guard.key()).map(Lost::reason) {
                None => How::GivenBack,
                Some(LossReason::Gone) => How::Gone,
                Some(_) => How::Expired,
            };
            self.journal.note(&Event::Ended { hold: *hold, at, how });
            if how != How::GivenBack && (!guard.is_lost() || !guard.remaining().is_zero()) {
                self.complain("a lost lock came back");
            }
        }
        let only = if let [begun] = &*begun { Some(begun.hold) } else { None };
        drop(begun);
        if rng.random_bool(0.8) {
            let outcome = format!("{:?}", held.release().await);
            // That of several is the worst of them, of which nobody can tell whose it is.
            if let Some(hold) = only {
                self.journal.note(&Event::Outcome { hold, at: now(), outcome });
            }
        }
    }

    fn begin<'a>(self: &Arc<Self>, guard: &'a LockGuard, asked: u64) -> Begun<'a> {
        let hold = (self.orders.client << 32) | self.holds.fetch_add(1, Ordering::Relaxed);
        let (at, until) = (now(), until(guard));
        let (key, fence, shared) = (guard.key().to_string(), guard.fence().get(), guard.mode() == Mode::Read);
        self.journal.note(&Event::Acquired { hold, key, shared, fence, asked, at, until });
        let told = tokio::spawn({
            let (client, lost) = (Arc::clone(self), guard.lost());
            async move {
                lost.await;
                client.journal.note(&Event::Told { hold, at: now() });
            }
        });
        Begun { guard, hold, until, told: AbortOnDropHandle::new(told) }
    }

    /// What requests of this kind are counted as.
    fn label(&self, kind: Kind) -> String {
        let suffix = if self.orders.style == Style::Replicated { "+replicas" } else { "" };
        format!("{}{suffix}", kind.name())
    }

    /// Notes, for ever, how far the lease is extended.
    async fn look_on(&self, Begun { guard, hold, until: known, .. }: &Begun<'_>) {
        let (mut lost, mut known) = (false, *known);
        loop {
            let (is_lost, until) = (guard.is_lost(), until(guard));
            if lost && !is_lost {
                self.complain("a lost lock came back");
            }
            lost = is_lost;
            // Reading two clocks one after the other makes a difference of microseconds.
            if !lost && until > known + 1_000_000 {
                known = until;
                self.journal.note(&Event::Extended { hold: *hold, until });
            }
            sleep(LOOK).await;
        }
    }

    fn failed(&self, error: &Error) {
        let kind = error.kind();
        let expected = [
            ErrorKind::WaitTimeout,
            ErrorKind::Unavailable,
            ErrorKind::OutcomeUnknown,
            ErrorKind::ReadOnly,
            ErrorKind::InvalidLease,
            // Of several locks, the first one was lost before the last one was free.
            ErrorKind::Lost,
            ErrorKind::NotReplicated,
        ];
        self.journal.note(&Event::Failed { kind: format!("{kind:?}") });
        if !expected.contains(&kind) {
            self.complain(&format!("an unexpected error: {error} {error:?}").replace('\n', " "));
        }
    }

    fn complain(&self, text: &str) {
        self.journal.note(&Event::Complaint { text: format!("client {}: {text}", self.orders.client) });
    }
}

/// Until when the guard may be believed in. The clock is read first: a process that is paused between the two readings
/// errs on the safe side.
fn until(guard: &LockGuard) -> u64 {
    let now = now();
    now + u64::try_from(guard.remaining().as_nanos()).unwrap_or(u64::MAX / 2)
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [Self::Exclusive, Self::Fair, Self::Write, Self::Read, Self::All, Self::Segment];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Fair => "fair",
            Self::Read => "read",
            Self::Write => "write",
            Self::All => "several",
            Self::Segment => "segment",
        }
    }

    /// How a single lock is asked for; nothing for what is more than that.
    pub(crate) const fn mode(self) -> Option<Mode> {
        Some(match self {
            Self::Exclusive => Mode::Exclusive,
            Self::Fair => Mode::Fair,
            Self::Read => Mode::Read,
            Self::Write => Mode::Write,
            Self::All | Self::Segment => return None,
        })
    }
}
