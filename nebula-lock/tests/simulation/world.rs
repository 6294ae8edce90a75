//! One simulated run: client processes, a server, a network, and fate, all from one seed and on paused time.

use std::fmt::Write;
use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nebula_lock::{LockGuard, LockManager, LossReason, Mode, Shutdown};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::broken::{Defect, Defective};
use super::check::{Excuse, Rules, judge};
use super::history::{Event, History, How};
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

const MODES: [Mode; 6] = [Mode::Exclusive, Mode::Exclusive, Mode::Exclusive, Mode::Fair, Mode::Read, Mode::Write];

/// Time is counted from a day before the beginning, so that there is a before.
const MORNING: Duration = Duration::from_hours(24);

struct Fate {
    start: Instant,
    case: Case,
    lease: Duration,
    watchdog: Option<Duration>,
    max_hold: Option<Duration>,
    command_timeout: Duration,
    patience: Option<Duration>,
    retry_interval: Duration,
    local_queue: bool,
    keys: usize,
    tasks: usize,
    /// Late requests arrive so much later.
    late: Duration,
    stop: CancellationToken,
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
    let lease = u64::try_from(fate.longest().as_nanos()).unwrap();
    let verdict = judge(&history, &Rules { lease, excuses: excuses.clone(), ..Rules::default() });
    violations.extend(verdict.violations);
    // What the holder believed against what the server knows, to the nanosecond.
    for hold in &history.holds {
        let end = server.end_of(hold.fence).map(|end| fate.time(end));
        let excused = excuses.iter().any(|excuse| excuse.from >= hold.asked && excuse.from <= hold.end);
        match end {
            Some(end) if end >= hold.end || excused => {}
            Some(end) => {
                let late = Duration::from_nanos(hold.end - end);
                violations.push(format!("hold {:x} was believed in {late:?} after it ended on the server", hold.id));
            }
            None => violations.push(format!("the server never granted token {}", hold.fence)),
        }
    }
    let lost = history.holds.iter().filter(|hold| hold.noticed.is_some()).count();
    Outcome { violations, story, holds: history.holds.len(), lost, overlaps: verdict.overlaps }
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

    fn now(&self) -> u64 {
        self.time(Instant::now())
    }

    fn time(&self, at: Instant) -> u64 {
        u64::try_from((at - self.start + MORNING).as_nanos()).unwrap()
    }

    /// The longest lease that any lock has.
    fn longest(&self) -> Duration {
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
        for key in 0..self.keys {
            for mode in MODES {
                if let Err(error) = examiner.lock(name(key)).mode(mode).wait(self.patience()).await {
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
                let caller = Caller {
                    fate: Arc::clone(fate),
                    locks: locks.clone(),
                    story: Arc::clone(&story),
                    next: (id << 32) | (task << 24),
                    rng,
                };
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

struct Caller {
    fate: Arc<Fate>,
    locks: LockManager,
    story: Arc<Mutex<String>>,
    next: u64,
    rng: StdRng,
}

impl Caller {
    async fn work(mut self) {
        let turns = if self.fate.case.calm { 30 } else { usize::MAX };
        for _ in 0..turns {
            if self.fate.stop.is_cancelled() {
                return;
            }
            self.turn().await;
        }
    }

    async fn turn(&mut self) {
        let fate = Arc::clone(&self.fate);
        let mode = MODES[self.rng.random_range(0..MODES.len())];
        let mode = if fate.case.fair { Mode::Fair } else { mode };
        let wait = match self.rng.random_range(0..5) {
            _ if fate.case.calm => Duration::from_hours(10),
            0 => Duration::ZERO,
            _ => fate.lease.mul_f64(self.rng.random_range(0.1..3.0)),
        };
        let key = name(self.rng.random_range(0..fate.keys));
        let mut request = self.locks.lock(key).mode(mode).wait(wait);
        if !fate.case.calm && self.rng.random_bool(0.3) {
            request = request.lease(fate.lease.mul_f64(self.rng.random_range(0.1..=1.0)));
        }
        let asked = fate.now();
        // Gives up after so many polls, or after some time, or not at all.
        let polls = if self.rng.random_bool(0.1) { self.rng.random_range(0..3) } else { usize::MAX };
        let time = if self.rng.random_bool(0.1) { wait.mul_f64(self.rng.random()) } else { Duration::MAX };
        let time = if fate.case.calm { time.min(Duration::from_secs(600)) } else { time };
        // An attempt at the end, the opening of a watch before it, and one before that.
        let most = wait + fate.command_timeout * 3 + Duration::from_millis(10);
        let answer = timeout(time.min(most), Polls(request.into_future(), polls)).await;
        let waited = Duration::from_nanos(fate.now() - asked);
        if fate.case.calm && waited > Duration::from_secs(60) {
            self.complain(&format!("a wake-up was missed: {mode:?} waited for {waited:?}"));
        }
        match answer {
            Ok(Some(Ok(guard))) => self.hold(guard, asked).await,
            Ok(Some(Err(error))) => {
                self.note(&Event::Failed { kind: format!("{:?}", error.kind()) });
                sleep(Duration::from_millis(self.rng.random_range(1..100))).await;
            }
            Ok(None) => {}
            Err(_) if time >= most => self.complain("a request got no answer in time"),
            Err(_) => {}
        }
    }

    async fn hold(&mut self, guard: LockGuard, asked: u64) {
        let fate = Arc::clone(&self.fate);
        let hold = self.next;
        self.next += 1;
        let (at, until) = (fate.now(), self.until(&guard));
        let (key, fence, shared) = (guard.key().to_string(), guard.fence().get(), guard.mode() == Mode::Read);
        self.note(&Event::Acquired { hold, key, shared, fence, asked, at, until });
        let length = match self.rng.random_range(0..4) {
            _ if fate.case.calm => Duration::from_millis(self.rng.random_range(0..50)),
            0 => fate.longest().mul_f64(self.rng.random_range(0.0..2.0)),
            _ => Duration::from_millis(self.rng.random_range(0..50)),
        };
        let careful = self.rng.random_bool(0.5);
        let work = self.look_on(&guard, hold, until, length / 10);
        let lost = if careful {
            guard.run(work).await.err()
        } else {
            work.await;
            None
        };
        let how = match lost.map(|lost| lost.reason()) {
            None => How::GivenBack,
            Some(LossReason::Gone) => How::Gone,
            Some(_) => How::Expired,
        };
        let at = fate.now();
        self.note(&Event::Ended { hold, at, how });
        match self.rng.random_range(0..10) {
            0 | 1 => drop(guard),
            2 => {
                let again = guard.reenter();
                drop(guard);
                again.release().await;
            }
            3 if guard.mode() == Mode::Write => drop(guard.downgrade().await),
            _ => {
                let (begin, outcome) = (Instant::now(), guard.release().await);
                // A renewal on its way is waited for.
                if begin.elapsed() > fate.command_timeout * 2 + Duration::from_millis(10) {
                    self.complain("a release got no answer in time");
                }
                self.note(&Event::Outcome { hold, at: fate.now(), outcome: format!("{outcome:?}") });
            }
        }
    }

    async fn look_on(&self, guard: &LockGuard, hold: u64, mut known: u64, pause: Duration) {
        let mut lost = false;
        for _ in 0..10 {
            sleep(pause).await;
            let until = self.until(guard);
            if lost && !guard.is_lost() {
                self.complain("a lost lock came back");
            }
            lost = guard.is_lost();
            if !lost && until > known {
                known = until;
                self.note(&Event::Extended { hold, until });
            }
        }
    }

    fn until(&self, guard: &LockGuard) -> u64 {
        self.fate.now() + u64::try_from(guard.remaining().as_nanos()).unwrap()
    }

    fn note(&self, event: &Event) {
        writeln!(self.story.lock(), "{event}").unwrap();
    }

    fn complain(&self, text: &str) {
        self.note(&Event::Complaint { text: text.to_owned() });
    }
}

fn name(key: usize) -> String {
    format!("key:{key}")
}

/// Polls a future so many times at most; `None` if it was not ready then.
struct Polls<F>(F, usize);

impl<F: Future + Unpin> Future for Polls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(left) = self.1.checked_sub(1) else { return Poll::Ready(None) };
        self.1 = left;
        let outcome = Pin::new(&mut self.0).poll(context).map(Some);
        if outcome.is_pending() && left == 0 { Poll::Ready(None) } else { outcome }
    }
}
