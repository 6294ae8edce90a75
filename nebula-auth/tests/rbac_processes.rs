//! Three processes that check a permission all the time, while a fourth takes it away, from a user, with a role or from a
//! role, all of them with a cache on Redis that they share: with Redis and the database in order, with signals lost, with Redis cut off, with the database cut off. Prints how
//! long anybody was let through on old knowledge, which must never be longer than the lease, and mostly not longer than a
//! second; and nobody may be let through while nothing is known.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test is meant to panic")]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdin, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nebula_auth::{
    rbac::{
        Actor, EvaluatorOptions, Permission, PermissionEvaluator, PermissionKey, PermissionPattern, RbacService, Role,
        RoleName, SqlRbacStore, UserId,
    },
    sqlx::{PgPool, Postgres},
};
use nebula_redis::RedisConfig;
use nebula_test_support::{RedisServer, SqlEngine, SqlServer, TcpProxy, eventually};

const CHILD: &str = "NEBULA_AUTH_RBAC_CHILD";
const CHILDREN: usize = 3;
const KEY: &str = "q8Vw2RkT7mZ4xJ1cL9fH5bN3dS6gP0yA";
const LEASE: Duration = Duration::from_secs(3);
/// Within this other processes hear of a change while the database answers, with or without Redis: the poll of 400 ms, and
/// one answer. It is asserted of the median of many changes in many processes: a machine under load may withhold its turn
/// from a process now and then, which says nothing about the product, but not from most of them most of the time. No single
/// one may come near to what the lease forbids.
const SOON: Duration = Duration::from_secs(1);
/// What a machine under full load may need to give the clock's thread a turn, and the checker one to look at its watch.
const SCHEDULING: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(90);

fn millis() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

async fn store(url: &str) -> SqlRbacStore<Postgres> {
    SqlRbacStore::new(PgPool::connect_lazy(url).unwrap()).with_timeout(Duration::from_secs(2))
}

/// Prints `<answer> <when it began> <when the last different answer was asked for>` whenever the answer changes.
async fn child(urls: &str) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let (database, redis) = urls.split_once(' ').unwrap();
    let options = EvaluatorOptions::new().preload(0).lease(LEASE).timeout(Duration::from_millis(700));
    let evaluator = PermissionEvaluator::start(store(database).await, options).await.unwrap();
    let evaluator = evaluator.with_redis_signal(&RedisConfig::new(redis), "rbac").await.unwrap();
    // What is shared must not be believed for longer than what is not.
    let evaluator = evaluator.with_redis_cache(&RedisConfig::new(redis), "rbac", &KEY.into()).await.unwrap();
    let ann = UserId::new("ann").unwrap();
    let read = PermissionKey::of(&Permission::new("fault:read").unwrap());
    let (mut last, mut since) = ("", 0);
    loop {
        let asked = millis();
        let answer = match evaluator.check(&ann, read).await {
            Ok(true) => "yes",
            Ok(false) => "no",
            Err(_) => "unknown",
        };
        if answer != last {
            println!("{answer} {asked} {since}");
            last = answer;
        }
        since = asked;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What a process has said: the answer, since when, and when the one before was heard last.
type Said = (String, u128, u128);

struct Checker {
    child: Child,
    _stdin: ChildStdin,
    said: Arc<Mutex<Vec<Said>>>,
}

impl Checker {
    fn start(urls: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        let mut child =
            command.env(CHILD, urls).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let said = Arc::<Mutex<Vec<Said>>>::default();
        let (stdout, heard) = (child.stdout.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let parts: Vec<_> = line.split(' ').collect();
                let number = |at: usize| parts.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
                heard.lock().unwrap().push((parts[0].to_owned(), number(1), number(2)));
            }
        });
        Self { _stdin: child.stdin.take().unwrap(), child, said }
    }

    fn says(&self, answer: &str) -> bool {
        self.said.lock().unwrap().last().is_some_and(|(last, ..)| last == answer)
    }

    /// The last moment after `since` at which it let somebody through.
    fn last_yes(&self, since: u128) -> u128 {
        let said = self.said.lock().unwrap();
        let ends = said.windows(2).filter(|pair| pair[0].0 == "yes").map(|pair| pair[1].2);
        ends.filter(|end| *end > since).max().unwrap_or(since)
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How Ann comes by the permission, and loses it.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// As her own.
    Grant,
    /// By a role that she is given and that is taken from her.
    Assignment,
    /// By a role that she keeps, which gains and loses it.
    Role,
}

const WAYS: [Way; 3] = [Way::Grant, Way::Assignment, Way::Role];

struct Test {
    service: RbacService,
    checkers: Vec<Checker>,
    worst: Duration,
    /// How long each process took to hear of each change, by occasion.
    heard: BTreeMap<String, Vec<Duration>>,
}

impl Test {
    /// Two roles, of which one has the permission and Ann the other.
    async fn prepare(&self) {
        let (setup, ann) = (Actor::system("test"), UserId::new("ann").unwrap());
        let roles = [("reader", &["fault:read"][..]), ("keeper", &[])];
        for (name, patterns) in roles {
            let patterns = patterns.iter().map(|text| PermissionPattern::new(text).unwrap());
            let role = Role::new(RoleName::new(name).unwrap()).with_permissions(patterns);
            self.service.create_role(&setup, role).await.unwrap().into_result().unwrap();
        }
        let keeper = RoleName::new("keeper").unwrap();
        self.service.assign_role(&setup, &ann, &keeper, None).await.unwrap().into_result().unwrap();
    }

    async fn change(&self, way: Way, give: bool) {
        let (setup, ann) = (Actor::system("test"), UserId::new("ann").unwrap());
        let (read, role) = (PermissionPattern::new("fault:read").unwrap(), |name| RoleName::new(name).unwrap());
        let changed = match (way, give) {
            (Way::Grant, true) => self.service.grant(&setup, &ann, &read, None).await,
            (Way::Grant, false) => self.service.revoke(&setup, &ann, &read).await,
            (Way::Assignment, true) => self.service.assign_role(&setup, &ann, &role("reader"), None).await,
            (Way::Assignment, false) => self.service.unassign_role(&setup, &ann, &role("reader")).await,
            (Way::Role, true) => self.service.add_permission(&setup, &role("keeper"), &read).await,
            (Way::Role, false) => self.service.remove_permission(&setup, &role("keeper"), &read).await,
        };
        changed.unwrap().into_result().unwrap();
    }

    async fn grant(&self, way: Way) {
        self.change(way, true).await;
    }

    async fn all_say(&self, answer: &str) {
        eventually(PATIENCE, || async { self.checkers.iter().all(|checker| checker.says(answer)) }).await;
    }

    /// Takes the permission and measures until nobody is let through any more.
    async fn revoke(&mut self, way: Way, occasion: &str, then: &str) {
        self.change(way, false).await;
        let since = millis();
        self.all_say(then).await;
        let took = |checker: &Checker| Duration::from_millis(u64::try_from(checker.last_yes(since) - since).unwrap());
        let all: Vec<Duration> = self.checkers.iter().map(took).collect();
        let worst = all.iter().copied().max().unwrap();
        println!("staleness {occasion}, {way:?}: {all:?}, lease {} ms", LEASE.as_millis());
        self.heard.entry(occasion.to_owned()).or_default().extend(all);
        assert!(worst <= LEASE + SCHEDULING, "{occasion}: let through for {worst:?} on old knowledge");
        self.worst = self.worst.max(worst);
    }
}

async fn parent() {
    let database = SqlServer::start(SqlEngine::Postgres).await;
    let redis = RedisServer::start().await;
    let (to_database, to_redis) = (TcpProxy::to_port(database.port()).await, TcpProxy::to_port(redis.port()).await);
    let direct = database.create_database().await;
    let name = direct.rsplit('/').next().unwrap();
    let pool = PgPool::connect(&direct).await.unwrap();
    SqlRbacStore::migrate(&pool).await.unwrap();
    let here = PermissionEvaluator::start(SqlRbacStore::new(pool), EvaluatorOptions::new()).await.unwrap();
    let here = here.with_redis_signal(&RedisConfig::new(redis.url()), "rbac").await.unwrap();
    let urls = format!("{} {}", database.url_via(to_database.port(), name), redis.url_via(to_redis.port()));
    let checkers = (0..CHILDREN).map(|_| Checker::start(&urls)).collect();
    let mut test = Test { service: here.service(), checkers, worst: Duration::ZERO, heard: BTreeMap::new() };
    test.prepare().await;
    test.all_say("no").await;

    for way in WAYS.into_iter().chain(WAYS) {
        test.grant(way).await;
        test.all_say("yes").await;
        test.revoke(way, "with everything in order", "no").await;
    }
    // The signals are sent and never arrive.
    to_redis.black_hole_replies();
    for way in WAYS {
        test.grant(way).await;
        test.all_say("yes").await;
        test.revoke(way, "with signals lost", "no").await;
    }
    to_redis.cut().await;
    for way in WAYS {
        test.grant(way).await;
        test.all_say("yes").await;
        test.revoke(way, "with Redis cut off", "no").await;
    }
    to_redis.heal().await;
    for (way, occasion) in [(Way::Assignment, "with the database silent"), (Way::Role, "with the database cut off")] {
        test.grant(way).await;
        test.all_say("yes").await;
        match occasion {
            "with the database silent" => to_database.black_hole(),
            _ => to_database.cut().await,
        }
        test.revoke(way, occasion, "unknown").await;
        // Whatever was known, it lets nobody through, and it does not come back.
        tokio::time::sleep(Duration::from_millis(500)).await;
        test.all_say("unknown").await;
        to_database.heal().await;
        test.all_say("no").await;
    }
    for (occasion, mut all) in test.heard {
        all.sort_unstable();
        let median = all[all.len() / 2];
        println!("staleness {occasion}: median {} ms of {}", median.as_millis(), all.len());
        // Without the database nobody hears of anything, and the lease is the bound.
        assert!(median < SOON || occasion.contains("database"), "{occasion}: heard after {all:?}");
    }
    println!("staleness over all: {} ms at most, lease {} ms", test.worst.as_millis(), LEASE.as_millis());
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match env::var(CHILD) {
        Ok(urls) => runtime.block_on(child(&urls)),
        Err(_) => runtime.block_on(parent()),
    }
    ExitCode::SUCCESS
}
