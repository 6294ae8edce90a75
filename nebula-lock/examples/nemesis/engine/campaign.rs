//! One run: clients at work, faults one after the other, and in the end the judgement.

use std::time::Duration;

use nebula_lock::{LockManager, Shutdown};
use nebula_test_support::TcpProxy;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, timeout};

use super::check::{Rules, judge};
use super::client::{Kind, Orders, segments};
use super::clock::wall_ahead;
use super::controls::Broken;
use super::faults::{Fault, World};
use super::fleet::{Fleet, Program};
use super::held::Wish;
use super::report::Report;
use super::site::{Site, Style, Topology};
use super::store::Store;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// What is left of waiting callers ends after this, if they do not come back.
const WAITERS_LIVE: Duration = Duration::from_secs(6);

/// How long a client may take to finish its work and its clean-up, beyond what it waits for.
const CLIENTS_END: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) topology: Topology,
    pub(crate) style: Style,
    pub(crate) time: Duration,
    /// So many kinds of faults at least, however long it takes.
    pub(crate) variety: usize,
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) tasks: usize,
    pub(crate) keys: usize,
    /// What clients ask for; each as often as it is named.
    pub(crate) kinds: Vec<Kind>,
    pub(crate) lease: Duration,
    /// How long a lock may stay taken, beyond the lease of whoever had it, when everything works again; see
    /// [`Topology::grace`].
    pub(crate) grace: Duration,
    pub(crate) broken: Option<Broken>,
    /// What happens, one at a time; if it is empty, anything.
    pub(crate) faults: Vec<Fault>,
    /// How long it lasts, in leases.
    pub(crate) length: std::ops::Range<f64>,
    /// Nothing happens at all, and nobody polls: whoever misses a wake-up waits for hours.
    pub(crate) calm: bool,
    pub(crate) long_holds: bool,
    /// How to start this program as a client.
    pub(crate) program: Program,
}

impl Plan {
    pub(crate) fn new(topology: Topology, time: Duration, program: Program) -> Self {
        let seed = rand::random();
        let (lease, grace) = (Duration::from_secs(1), topology.grace());
        let style = Style::default();
        let kinds = topology.kinds(style);
        Self {
            topology,
            style,
            time,
            variety: 0,
            seed,
            clients: 4,
            tasks: 6,
            keys: 4,
            kinds,
            lease,
            grace,
            broken: None,
            faults: Vec::new(),
            length: 0.1..2.0,
            calm: false,
            long_holds: false,
            program,
        }
    }

    /// The same with locks that are taken in another way.
    pub(crate) fn with_style(self, style: Style) -> Self {
        Self { style, kinds: self.topology.kinds(style), ..self }
    }

    /// Without faults, and with nothing but wake-ups to go by.
    pub(crate) fn calm(topology: Topology, time: Duration, program: Program) -> Self {
        let lease = Duration::from_hours(1);
        Self { calm: true, lease, kinds: vec![Kind::Exclusive], ..Self::new(topology, time, program) }
    }

    /// Runs the campaign. It ends, whatever the locks do.
    pub(crate) async fn run(self) -> Result<Report> {
        // Clients that hang are killed, and so is everything else when this future is dropped.
        let most = self.time + self.time + Duration::from_secs(300);
        let topology = self.topology;
        match timeout(most, self.campaign()).await {
            Ok(report) => report,
            Err(_) => Err(format!("the campaign on {} did not end within {most:?}", topology.name()).into()),
        }
    }

    async fn campaign(self) -> Result<Report> {
        let folder = tempfile::Builder::new().prefix("nebula-nemesis-").tempdir()?;
        let mut rng = StdRng::seed_from_u64(self.seed);
        let store = Store::start().await?;
        let site = Site::start(self.topology, self.clients).await?;
        let mut store_links = Vec::new();
        for _ in 0..self.clients {
            store_links.push(TcpProxy::to(([127, 0, 0, 1], store.port()).into()).await?);
        }
        let orders = (0..self.clients).map(|client| self.orders(&site, client, &store_links[client])).collect();
        let fleet = Fleet::start(self.program.clone(), folder.path(), orders).await?;
        let mut world = World { site, fleet, store_links };
        let mut report = Report::new(self.topology, self.style, self.seed);
        let (begin, ahead) = (Instant::now(), wall_ahead());
        self.recovered(&store, &mut report).await;
        while (begin.elapsed() < self.time || report.faults.len() < self.variety) && report.violations.is_empty() {
            if self.calm {
                sleep(Duration::from_millis(100)).await;
            } else {
                self.round(&mut world, &mut report, &mut rng).await?;
            }
            self.recovered(&store, &mut report).await;
        }
        // Those that were caught may hang; no need to wait for them.
        let end = if report.violations.is_empty() { self.patience() + CLIENTS_END } else { self.grace };
        report.violations.extend(world.fleet.finish(end, !self.calm).await);
        world.site.note_failovers().await;
        self.everything_is_free(&world.site, &mut report).await?;
        let mut rules = Rules { excuses: world.site.excuses.clone(), ..Rules::default() };
        rules.lease = u64::try_from(self.lease.as_nanos())?;
        // `lost()` goes by a timer and by nothing else, so it comes with the next turn of the runtime. On a busy machine one thread
        // of it may be off the processor while another runs; whoever waits for a reply first takes as long as a command may.
        rules.told_within = u64::try_from((self.lease / 2).as_nanos())?;
        rules.drift = wall_ahead().abs_diff(ahead);
        rules.tokens = self.style != Style::Plain;
        rules.wall_ahead = (rules.tokens && self.topology.tokens_tell_the_time()).then_some(ahead);
        let history = world.fleet.history()?;
        report.conclude(&history, &judge(&history, &rules), &store.damage(), begin.elapsed());
        if !report.violations.is_empty() {
            report.evidence = Some(folder.keep());
        }
        Ok(report)
    }

    fn orders(&self, site: &Site, client: usize, store: &TcpProxy) -> Orders {
        Orders {
            client: 0,
            seed: self.seed,
            address: site.address(client),
            store: store.port(),
            journal: std::path::PathBuf::new(),
            keys: (0..self.keys).map(key).collect(),
            kinds: self.kinds.clone(),
            style: self.style.of_client(self.topology, client),
            tasks: self.tasks,
            lease: self.lease,
            wait: self.lease * 5,
            retry_interval: self.calm.then_some(self.lease),
            long_holds: self.long_holds,
            moods: !self.calm,
            broken: self.broken,
        }
    }

    /// How long a lock may stay taken.
    fn patience(&self) -> Duration {
        if self.calm { self.grace } else { self.lease + self.grace }
    }

    /// One or two faults at once, for a time between a fraction of the lease and more than the whole.
    async fn round(&self, world: &mut World, report: &mut Report, rng: &mut StdRng) -> Result<()> {
        let mut faults: Vec<Fault> = Vec::new();
        for _ in 0..rng.random_range(1..=2) {
            let fault = match self.faults.len() {
                0 => Fault::any(self.topology, self.clients, rng),
                count => self.faults[rng.random_range(0..count)],
            };
            if faults.iter().all(|other| fault.goes_with(*other, self.topology)) {
                faults.push(fault);
            }
        }
        // What takes an instant happens while the servers can still be asked.
        faults.sort_by_key(|fault| fault.lasts());
        let length = if faults.iter().any(|fault| fault.lasts()) { rng.random_range(self.length.clone()) } else { 0.1 };
        for fault in &faults {
            world.strike(*fault).await?;
            report.struck(*fault);
        }
        sleep(self.lease.mul_f64(length)).await;
        for fault in faults.iter().rev() {
            world.undo(*fault).await?;
        }
        Ok(())
    }

    /// Liveness: each lock, and some segment, passes to somebody within a lease, and some more, now that nothing is in the way.
    async fn recovered(&self, store: &Store, report: &mut Report) {
        let begin = Instant::now();
        let mut watched: Vec<Vec<String>> = (0..self.keys).map(|number| vec![key(number)]).collect();
        if self.kinds.contains(&Kind::Segment) {
            watched.push(segments().collect());
        }
        let opened = |keys: &[String]| keys.iter().map(|key| store.opened(key)).sum::<u64>();
        let before: Vec<u64> = watched.iter().map(|keys| opened(keys)).collect();
        while let Some((keys, _)) = watched.iter().zip(&before).find(|(keys, before)| opened(keys) <= **before) {
            if begin.elapsed() > self.patience() {
                let (keys, after, faults) = (keys.join(" or "), begin.elapsed(), report.last_faults());
                report.violations.push(format!("nobody got {keys} within {after:?} after {faults}"));
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        report.recovery(begin.elapsed());
    }

    /// Whatever the dead had ends with its lease, whoever waits gets in, and nothing is left on the servers.
    async fn everything_is_free(&self, site: &Site, report: &mut Report) -> Result<()> {
        let begin = Instant::now();
        let patience = self.patience() + WAITERS_LIVE;
        let locks = LockManager::new(site.direct().connect(self.style)?);
        let mut wishes = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| self.kinds.contains(kind)) {
            match kind.mode() {
                Some(mode) => wishes.extend((0..self.keys).map(|number| Wish::One(key(number), mode))),
                None if kind == Kind::All => wishes.push(Wish::All((0..self.keys).map(key).collect())),
                None => wishes.push(Wish::All(segments().collect())),
            }
        }
        for wish in wishes {
            match wish.ask(&locks, patience, None).await {
                Ok(held) => drop(held.release().await),
                Err(error) => report.violations.push(format!("not free after the end: {error}")),
            }
        }
        if locks.shutdown(patience).await != Shutdown::Drained {
            report.violations.push("the last manager did not drain".to_owned());
        }
        drop(locks);
        loop {
            let left = site.leftovers().await?;
            if left.is_empty() {
                break;
            }
            if begin.elapsed() > patience * 2 {
                report.violations.push(format!("left behind: {}", left.join(", ")));
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        report.recovery(begin.elapsed().min(patience));
        Ok(())
    }
}

fn key(number: usize) -> String {
    format!("account:{number}")
}
