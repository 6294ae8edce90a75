//! One simulated run: client processes, a server, a network, and fate, all from one seed and on paused time.

use std::sync::Arc;
use std::time::Duration;

use nebula_lock::{LockManager, Mode, Shutdown};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::broken::{Defect, Defective};
use super::caller::Caller;
use super::check::{Excuse, Rules, judge};
use super::history::{History, Hold};
use super::network::{Link, Weather};
use super::server::{Condition, HEARTBEAT, Server};

/// What kind of run it is; everything else follows from the seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    /// The server loses its data at times.
    pub(crate) forgetful: bool,
    /// No faults, but no polling either: whoever misses a wake-up waits for hours.
    pub(crate) calm: bool,
    /// Everybody stands in line.
    pub(crate) fair: bool,
    pub(crate) defect: Option<Defect>,
}

#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    /// What every client wrote down.
    pub(crate) story: String,
    pub(crate) holds: usize,
    pub(crate) lost: usize,
    pub(crate) overlaps: usize,
}

pub(crate) const MODES: [Mode; 6] =
    [Mode::Exclusive, Mode::Exclusive, Mode::Exclusive, Mode::Fair, Mode::Read, Mode::Write];

/// A resource that is divided, beside the keys.
pub(crate) const STOCK: &str = "stock";
pub(crate) const SEGMENTS: usize = 2;

/// `lost()` goes by a timer, which counts in milliseconds, and leaves one to whoever keeps the hold.
const TOLD_WITHIN: Duration = Duration::from_millis(2);

/// Time is counted from a day before the beginning, so that there is a before.
const MORNING: Duration = Duration::from_hours(24);

pub(crate) struct Fate {
    start: Instant,
    pub(crate) case: Case,
    pub(crate) lease: Duration,
    watchdog: Option<Duration>,
    max_hold: Option<Duration>,
    pub(crate) command_timeout: Duration,
    patience: Option<Duration>,
    retry_interval: Duration,
    local_queue: bool,
    pub(crate) keys: usize,
    tasks: usize,
    /// Late requests arrive so much later.
    late: Duration,
    pub(crate) stop: CancellationToken,
}

struct Client {
    id: u64,
    link: Link,
    locks: LockManager,
    story: Arc<Mutex<String>>,
    tasks: Vec<JoinHandle<()>>,
    died: Option<u64>,
}

pub(crate) fn run(case: Case) -> Outcome {
    nebula_lock::testing::seed(Some(case.seed));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(live(case));
    drop(runtime);
    nebula_lock::testing::seed(None);
    outcome
}

async fn live(case: Case) -> Outcome {
    let mut rng = StdRng::seed_from_u64(case.seed);
    let fate = Arc::new(Fate::new(case, &mut rng));
    // One per cent is what the locks allow for; some of it is taken up by milliseconds that are rounded down.
    let rate = if case.defect == Some(Defect::FastClock) { 0.95 } else { rng.random_range(0.9905..1.01) };
    let server = Server::new(rate, case.defect == Some(Defect::NoPrune));
    let mut clients: Vec<Client> = (1..=rng.random_range(2..=4)).map(|id| Client::start(id, &server, &fate)).collect();
    let mut excuses = Vec::new();
    if case.calm {
        sleep(Duration::from_secs(10)).await;
    } else {
        for _ in 0..rng.random_range(5..25) {
            fate.strike(&server, &mut clients, &mut excuses, &mut rng).await;
            sleep(fate.longest().mul_f64(rng.random_range(0.05..0.8))).await;
        }
    }
    server.becomes(Condition::Up);
    clients.iter().for_each(|client| client.link.heals());
    sleep(fate.longest()).await;
    let mut violations = fate.end(&server, &mut clients).await;

    let mut history = History::default();
    let mut story = String::new();
    for client in &clients {
        let text = client.story.lock();
        history.add(&text, client.died).unwrap();
        story.push_str(&text);
    }
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap();
    let (lease, told_within) = (nanos(fate.longest()), nanos(TOLD_WITHIN));
    let verdict = judge(&history, &Rules { lease, excuses: excuses.clone(), told_within, ..Rules::default() });
    violations.extend(verdict.violations);
    for hold in &history.holds {
        let end = server.end_of(hold.fence).map(|end| fate.time(end));
        violations.extend(believed_too_long(hold, end, &excuses));
    }
    let lost = history.holds.iter().filter(|hold| hold.noticed.is_some()).count();
    Outcome { violations, story, holds: history.holds.len(), lost, overlaps: verdict.overlaps }
}

/// What the holder believed, and when it was told of the loss, against what the server knows, to the nanosecond.
fn believed_too_long(hold: &Hold, end: Option<u64>, excuses: &[Excuse]) -> Vec<String> {
    let Some(end) = end else { return vec![format!("the server never granted token {}", hold.fence)] };
    let mut complaints = Vec::new();
    for (what, at) in [("believed in", Some(hold.end)), ("not told of its end until", hold.told)] {
        let Some(at) = at.filter(|at| *at > end) else { continue };
        // What the server forgets nobody can know.
        if !excuses.iter().any(|excuse| excuse.from >= hold.asked && excuse.from <= at) {
            let late = Duration::from_nanos(at - end);
            complaints.push(format!("hold {:x} was {what} {late:?} after it ended on the server", hold.id));
        }
    }
    complaints
}

impl Fate {
    fn new(case: Case, rng: &mut StdRng) -> Self {
        let hours = Duration::from_hours(1);
        let mut time = |from: f64, to: f64| Duration::from_secs_f64(rng.random_range(from..to));
        let lease = if case.calm { hours } else { time(0.1, 5.0) };
        let other = time(0.1, 5.0);
        let (timeout, patience) = (lease.min(Duration::from_secs(5)).mul_f64(0.8), lease / 4);
        let max_hold = time(0.2, 8.0);
        let retry_interval = if case.calm { hours } else { time(0.01, 0.3) };
        let late = (lease.max(other) * 2).min(time(0.1, 12.0));
        Self {
            start: Instant::now(),
            case,
            lease,
            watchdog: (!case.calm && rng.random_bool(0.4)).then_some(other),
            max_hold: (!case.calm && rng.random_bool(0.2)).then_some(max_hold),
            command_timeout: timeout.mul_f64(rng.random_range(0.2..1.0)),
            patience: (!case.calm && rng.random_bool(0.5)).then_some(patience),
            retry_interval,
            local_queue: rng.random_bool(0.5),
            keys: rng.random_range(1..=2),
            tasks: rng.random_range(1..=4),
            late,
            stop: CancellationToken::new(),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.time(Instant::now())
    }

    fn time(&self, at: Instant) -> u64 {
        u64::try_from((at - self.start + MORNING).as_nanos()).unwrap()
    }

    /// The longest lease that any lock has.
    pub(crate) fn longest(&self) -> Duration {
        self.lease.max(self.watchdog.unwrap_or_default())
    }

    /// The latest that a lock can be free after everybody who had it is gone: requests may still be under way.
    fn patience(&self) -> Duration {
        self.late + self.longest().mul_f64(1.02) + HEARTBEAT * 2 + Duration::from_secs(5)
    }

    fn manager(&self, link: &Link) -> LockManager {
        let mut locks = LockManager::new(Defective::new(Arc::new(link.clone()), self.case.defect))
            .with_lease(self.lease)
            .with_command_timeout(self.command_timeout)
            .with_retry_interval(self.retry_interval)
            .with_local_queue(self.local_queue);
        if let Some(watchdog) = self.watchdog {
            locks = locks.with_watchdog(watchdog);
        }
        if let Some(most) = self.max_hold {
            locks = locks.with_max_hold(most);
        }
        locks
    }

    async fn strike(
        self: &Arc<Self>,
        server: &Server,
        clients: &mut Vec<Client>,
        excuses: &mut Vec<Excuse>,
        rng: &mut StdRng,
    ) {
        let alive: Vec<usize> = (0..clients.len()).filter(|place| clients[*place].died.is_none()).collect();
        let victim = alive[rng.random_range(0..alive.len())];
        match rng.random_range(0..12) {
            0..5 => clients[victim].link.becomes(storm(rng)),
            5 | 6 => clients[victim].link.heals(),
            7 => server.becomes(Condition::Frozen),
            8 => server.becomes(Condition::Down),
            9 => {
                server.becomes(Condition::Up);
                alive.iter().for_each(|place| server.reconnected(clients[*place].id));
            }
            10 => {
                clients[victim].dies(self, server);
                let id = clients.len() as u64 + 1;
                clients.push(Client::start(id, server, self));
            }
            _ if self.case.forgetful => {
                let now = self.now();
                server.forget();
                excuses.push(Excuse { from: now, to: now, total: true });
            }
            _ => server.set_clock_back(Duration::from_millis(rng.random_range(1..5000))),
        }
    }

    /// Everybody ends; then nothing may be left.
    async fn end(self: &Arc<Self>, server: &Server, clients: &mut [Client]) -> Vec<String> {
        let mut violations = Vec::new();
        self.stop.cancel();
        for client in clients.iter_mut().filter(|client| client.died.is_none()) {
            for task in &mut client.tasks {
                if timeout(self.patience() * 10, task).await.is_err() {
                    violations.push(format!("a task of client {} hangs", client.id));
                }
            }
        }
        let link = Link::new(1000, server.clone(), self.case.seed, None, Duration::ZERO);
        let examiner = LockManager::new(link).with_lease(Duration::from_secs(1));
        let segments = (0..SEGMENTS).map(|segment| format!("{STOCK}#{segment}"));
        for key in (0..self.keys).map(key).chain(segments) {
            for mode in MODES {
                if let Err(error) = examiner.lock(&key).mode(mode).wait(self.patience()).await {
                    violations.push(format!("not free in the end: {error}"));
                }
            }
        }
        for client in clients.iter().filter(|client| client.died.is_none()) {
            if client.locks.shutdown(self.patience()).await != Shutdown::Drained {
                violations.push(format!("client {} did not drain", client.id));
            }
            match client.locks.health().await {
                Ok(health) if health.held == 0 && health.waiting == 0 => {}
                health => violations.push(format!("client {} is not idle: {health:?}", client.id)),
            }
        }
        if examiner.shutdown(self.patience()).await != Shutdown::Drained {
            violations.push("the examiner did not drain".to_owned());
        }
        sleep(self.patience()).await;
        let left = server.left();
        if left != (0, 0) {
            violations.push(format!("left behind: {} locks, {} subscriptions", left.0, left.1));
        }
        violations
    }
}

fn storm(rng: &mut StdRng) -> Weather {
    let mut weather = Weather::fine();
    for _ in 0..rng.random_range(1..=3) {
        let chance = if rng.random_bool(0.3) { 1.0 } else { rng.random_range(0.05..0.6) };
        match rng.random_range(0..6) {
            0 => weather.delay = Duration::from_millis(rng.random_range(10..2000)),
            1 => weather.lose_requests = chance,
            2 => weather.lose_replies = chance,
            3 => weather.repeat = chance,
            4 => weather.late = chance,
            _ => weather.refuse = chance,
        }
    }
    weather
}

impl Client {
    fn start(id: u64, server: &Server, fate: &Arc<Fate>) -> Self {
        let link = Link::new(id, server.clone(), fate.case.seed, fate.patience, fate.late);
        let locks = fate.manager(&link);
        let story = Arc::new(Mutex::new(String::new()));
        let tasks = (0..fate.tasks as u64)
            .map(|task| {
                let rng = StdRng::seed_from_u64(fate.case.seed ^ (id << 16) ^ (task << 8));
                let (first, story) = ((id << 32) | (task << 24), Arc::clone(&story));
                let caller = Caller::new(Arc::clone(fate), locks.clone(), story, first, rng);
                tokio::spawn(caller.work())
            })
            .collect();
        Self { id, link, locks, story, tasks, died: None }
    }

    /// As with SIGKILL: what is under way arrives, and that is all.
    fn dies(&mut self, fate: &Fate, server: &Server) {
        self.link.dies();
        self.tasks.iter().for_each(JoinHandle::abort);
        server.disconnected(self.id);
        self.died = Some(fate.now());
    }
}

pub(crate) fn key(number: usize) -> String {
    format!("key:{number}")
}
