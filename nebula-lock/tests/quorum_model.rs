//! Quorums under adversarial schedules: messages are delayed for seconds, reordered and lost, clients crash and retry. Each
//! seed is a schedule; time is simulated. And the checks notice when nodes break their promises.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/net.rs"]
mod net;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nebula_lock::{Attempt, Claim, DistributedLock, Fence, LockKey, LockManager, Mode, Owner, Redlock};
use net::{Flaw, Node};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

const LEASE: Duration = Duration::from_millis(1500);

/// What the clients did to each other.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
struct Events {
    /// What is believed to be held now, and whether others may share it.
    inside: HashMap<usize, bool>,
    /// Everything that was ever held, and whether others could share it, in the order of the beginnings.
    holds: Vec<(Fence, bool)>,
    /// How many were held together with others.
    shared: usize,
    violations: Vec<String>,
}

impl Seen {
    /// How much has happened so far.
    fn now(&self) -> usize {
        self.0.lock().holds.len()
    }

    /// Notes a hold of a claim that was made at `asked`; returns its number.
    fn enter(&self, who: usize, fence: Fence, mode: Mode, asked: usize) -> usize {
        let (mut events, shared) = (self.0.lock(), mode == Mode::Read);
        let number = events.holds.len();
        if events.inside.values().any(|other| !(shared && *other)) {
            events.violations.push(format!("client {who} gets a lock that another one holds"));
        }
        events.shared += usize::from(!events.inside.is_empty());
        if events.holds.iter().any(|(other, _)| *other == fence) {
            events.violations.push(format!("client {who} gets token {fence}, which another one has got"));
        }
        // Greater than that of everybody who was there before it asked, or with whom it cannot share.
        let before = events.holds.iter().enumerate();
        let before = before.filter(|(place, (_, other))| *place < asked || !(shared && *other));
        if let Some(newest) = before.map(|(_, (other, _))| *other).max().filter(|newest| *newest > fence) {
            events.violations.push(format!("client {who} gets token {fence} after {newest}"));
        }
        events.holds.push((fence, shared));
        events.inside.insert(number, shared);
        number
    }

    /// A writer became a reader.
    fn share(&self, number: usize) {
        self.0.lock().inside.insert(number, true);
    }

    fn leave(&self, number: usize) {
        self.0.lock().inside.remove(&number);
    }
}

/// Mostly readers: they are the ones that meet.
fn any_mode(random: &mut StdRng) -> Mode {
    [Mode::Exclusive, Mode::Write, Mode::Read, Mode::Read, Mode::Read][random.random_range(0..5)]
}

/// Locks through a manager, as applications do: waits, renews, releases.
async fn worker(who: usize, quorum: Redlock, seen: Seen, mut random: StdRng, end: Instant) {
    let locks = LockManager::new(quorum).with_lease(LEASE).with_retry_interval(Duration::from_millis(20));
    while Instant::now() < end {
        let wait = Duration::from_millis(random.random_range(0..3_000));
        let (mode, asked) = (any_mode(&mut random), seen.now());
        if let Ok(Some(mut guard)) = locks.try_lock_for("key", wait).mode(mode).await {
            let number = seen.enter(who, guard.fence(), mode, asked);
            // Returns as soon as the lock is lost.
            let _ = guard.run(sleep(Duration::from_millis(random.random_range(0..800)))).await;
            if mode == Mode::Write && random.random_bool(0.5) {
                let fence = guard.fence();
                // While it asks, others may read already.
                seen.share(number);
                match guard.downgrade().await {
                    Ok(reader) => guard = reader,
                    Err(_) => {
                        seen.leave(number);
                        continue;
                    }
                }
                assert_eq!(guard.fence(), fence, "client {who}");
                let _ = guard.run(sleep(Duration::from_millis(random.random_range(0..400)))).await;
            }
            seen.leave(number);
            let _ = guard.release().await;
        }
        sleep(Duration::from_millis(random.random_range(0..50))).await;
    }
}

/// Talks to the quorum directly: asks again and again as the same owner, gives up half-way, and crashes while it holds.
async fn rogue(who: usize, quorum: Redlock, seen: Seen, mut random: StdRng, end: Instant) {
    while Instant::now() < end {
        let mode = any_mode(&mut random);
        let claim = Claim::new(LockKey::new("key").unwrap(), Owner::random()).with_mode(mode);
        for _ in 0..random.random_range(1..6) {
            let (sent, asked) = (Instant::now(), seen.now());
            let patience = sent + Duration::from_millis(random.random_range(1..1_000));
            let Ok(Ok(Attempt::Acquired(fence))) = timeout_at(patience, quorum.try_acquire(&claim, LEASE)).await else {
                sleep(Duration::from_millis(random.random_range(0..100))).await;
                continue;
            };
            let valid = sent + LEASE - LEASE / 100 - Duration::from_millis(2);
            if valid <= Instant::now() {
                break;
            }
            let number = seen.enter(who, fence, mode, asked);
            if random.random_bool(0.3) {
                // It is never heard of again.
                sleep_until(valid).await;
                seen.leave(number);
                break;
            }
            sleep_until(valid.min(Instant::now() + Duration::from_millis(random.random_range(0..600)))).await;
            seen.leave(number);
            drop(quorum.release(&claim).await);
        }
        sleep(Duration::from_millis(random.random_range(0..50))).await;
    }
}

fn run(seed: u64, nodes: usize, flaw: Flaw) -> (usize, usize, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let nodes: Vec<Node> = (0..nodes as u64).map(|node| Node::new(seed * 100 + node, flaw)).collect();
        let seen = Seen::default();
        let end = Instant::now() + Duration::from_secs(40);
        let mut clients = Vec::new();
        for who in 0..5_usize {
            // Each client has its own connections, so to say: nothing is shared but the nodes.
            let quorum = Redlock::new(nodes.clone()).unwrap().with_node_timeout(Duration::from_millis(100));
            let random = StdRng::seed_from_u64(seed * 100 + 50 + who as u64);
            let seen = seen.clone();
            clients.push(if who < 3 {
                tokio::spawn(worker(who, quorum, seen, random, end))
            } else {
                tokio::spawn(rogue(who, quorum, seen, random, end))
            });
        }
        for client in clients {
            client.await.unwrap();
        }
        let mut events = seen.0.lock();
        (events.holds.len(), events.shared, std::mem::take(&mut events.violations))
    })
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

#[test]
fn no_schedule_breaks_exclusion_or_the_order_of_tokens() {
    let first = number("NEBULA_SIMULATION_SEED").unwrap_or(0);
    let runs = number("NEBULA_SIMULATION_RUNS").unwrap_or(24).max(1);
    let (mut holds, mut shared) = (0, 0);
    for seed in first..first + runs {
        let nodes = [5, 3, 4][usize::try_from(seed % 3).unwrap()];
        let (got, together, violations) = run(seed, nodes, Flaw::None);
        assert_eq!(violations, Vec::<String>::new(), "seed {seed}, {nodes} nodes");
        holds += got as u64;
        shared += together as u64;
    }
    println!("{holds} holds in {runs} schedules, {shared} of them shared");
    assert!(holds > runs * 15, "too little happened to prove anything: {holds} holds");
    assert!(shared > runs * 3, "too few met to prove anything: {shared}");
}

fn caught(flaw: Flaw, what: &str) {
    let found = (0..60).flat_map(|seed| run(seed, 3, flaw).2).any(|violation| violation.contains(what));
    assert!(found, "nobody notices {flaw:?}");
}

#[test]
fn nodes_that_ignore_tokens_are_noticed() {
    caught(Flaw::IgnoresTokens, "token");
}

#[test]
fn nodes_that_give_one_token_to_several_readers_are_noticed() {
    caught(Flaw::SharesTokens, "which another one has got");
}

#[test]
fn nodes_that_release_anybody_are_noticed() {
    caught(Flaw::ReleasesAnybody, "another one holds");
}

/// The documented limit: what a node has forgotten, it grants to others.
#[test]
fn nodes_that_restart_empty_again_and_again_are_noticed() {
    caught(Flaw::Forgets, "another one holds");
}
