//! A client process: tasks that take locks, work under them and write down what they see.

use std::future::IntoFuture;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nebula_lock::{DistributedLock, Error, ErrorKind, LockGuard, LockManager, LossReason, Mode, Shutdown};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::clock::now;
use super::controls::Broken;
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

/// [`Mode`], in a form that can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Exclusive,
    Fair,
    Read,
    Write,
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
    journal: Journal,
    holds: AtomicU64,
    stop: CancellationToken,
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
        while !self.stop.is_cancelled() {
            let key = &self.orders.keys[rng.random_range(0..self.orders.keys.len())];
            let kind = self.orders.kinds[rng.random_range(0..self.orders.kinds.len())];
            let wait = if self.orders.moods && rng.random_bool(0.2) { Duration::ZERO } else { self.orders.wait };
            let mut request = self.locks.lock(key).mode(kind.into()).wait(wait);
            if self.orders.moods && rng.random_bool(0.2) {
                request = request.lease(self.orders.lease.mul_f64(rng.random_range(0.2..=1.0)));
            }
            let gives_up =
                (self.orders.moods && rng.random_bool(0.1)).then(|| Duration::from_micros(rng.random_range(0..20_000)));
            let asked = now();
            let request = request.into_future();
            let answer = async {
                match gives_up {
                    Some(patience) => timeout(patience, request).await.ok(),
                    None => Some(request.await),
                }
            };
            match timeout(wait + HUNG, answer).await {
                Ok(Some(Ok(guard))) => self.hold(guard, asked, &mut way, &mut rng).await,
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

    async fn hold(self: &Arc<Self>, guard: LockGuard, asked: u64, way: &mut Way, rng: &mut StdRng) {
        let hold = (self.orders.client << 32) | self.holds.fetch_add(1, Ordering::Relaxed);
        let at = now();
        let until = until(&guard);
        let (key, fence, shared) = (guard.key().to_string(), guard.fence().get(), guard.mode() == Mode::Read);
        self.journal.note(&Event::Acquired { hold, key: key.clone(), shared, fence, asked, at, until });
        let told = tokio::spawn({
            let (client, lost) = (Arc::clone(self), guard.lost());
            async move {
                lost.await;
                client.journal.note(&Event::Told { hold, at: now() });
            }
        });
        let careful = rng.random_bool(0.5);
        // Short work mostly; sometimes long enough for several renewals.
        let pause = if rng.random_bool(0.98) { rng.random_range(0..2) } else { rng.random_range(10..150) };
        let pause = if self.orders.long_holds { rng.random_range(200..500) } else { pause };
        let (steps, pause) = (rng.random_range(1..8), Duration::from_millis(pause));
        let work = async {
            let seen = if shared { None } else { Some(way.open(&key, fence).await) };
            sleep(pause * steps).await;
            if let Some(Ok(seen)) = seen {
                // Without the store nothing can be written; that is no business of the lock.
                let _ = way.write(&key, fence, seen, careful).await;
            }
        };
        let work = async {
            tokio::select! {
                () = self.look_on(&guard, hold, until) => {}
                () = work => {}
            }
        };
        // A client that does not care works on under a lock that it has lost, as many do.
        let lost = if careful {
            guard.run(work).await.err()
        } else {
            work.await;
            None
        };
        let at = now();
        told.abort();
        let how = match lost.map(|lost| lost.reason()) {
            None => How::GivenBack,
            Some(LossReason::Gone) => How::Gone,
            Some(_) => How::Expired,
        };
        self.journal.note(&Event::Ended { hold, at, how });
        if how != How::GivenBack && (!guard.is_lost() || !guard.remaining().is_zero()) {
            self.complain("a lost lock came back");
        }
        if rng.random_bool(0.8) {
            let outcome = format!("{:?}", guard.release().await);
            self.journal.note(&Event::Outcome { hold, at: now(), outcome });
        }
    }

    /// Notes, for ever, how far the lease is extended.
    async fn look_on(&self, guard: &LockGuard, hold: u64, mut known: u64) {
        let mut lost = false;
        loop {
            let (is_lost, until) = (guard.is_lost(), until(guard));
            if lost && !is_lost {
                self.complain("a lost lock came back");
            }
            lost = is_lost;
            // Reading two clocks one after the other makes a difference of microseconds.
            if !lost && until > known + 1_000_000 {
                known = until;
                self.journal.note(&Event::Extended { hold, until });
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

impl From<Kind> for Mode {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Exclusive => Self::Exclusive,
            Kind::Fair => Self::Fair,
            Kind::Read => Self::Read,
            Kind::Write => Self::Write,
        }
    }
}
