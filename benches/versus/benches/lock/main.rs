//! Locks on Redis: ours against the bare commands (the limit) and rslock.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod contention;
mod limit;
mod ours;
mod peer;

use std::time::Duration;

use nebula_lock::{LockGuard, LockManager, Release};
use nebula_test_support::{Effort, RedisServer, Unit, Versus};
use nebula_versus::{rounds, throughput};

use crate::contention::contend;
use crate::limit::Limit;

/// Long enough that no caller gives up.
const PATIENCE: Duration = Duration::from_secs(600);
const LEASE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    let server = RedisServer::start().await;
    let url = server.url();
    for tasks in [1, 16, 64, 256] {
        distinct_keys(&url, effort, tasks).await;
    }
    one_key(&url, effort).await;
}

/// Pairs of acquisition and release per second, each task on a key of its own.
async fn distinct_keys(url: &str, effort: Effort, tasks: usize) {
    let time = effort.pick(Duration::from_millis(250), Duration::from_secs(1));
    let locks = ours::connect(url).await;
    let limit = Limit::connect(url).await;
    let rslock = peer::connect(url);

    let ours = async || throughput(tasks, time, &locks, async |locks, task| ours::pair(&locks, &key(task)).await).await;
    let bare = async || throughput(tasks, time, &limit, async |limit, task| limit.pair(&key(task)).await).await;
    let peers =
        async || throughput(tasks, time, &rslock, async |rslock, task| peer::pair(&rslock, &key(task)).await).await;

    let mut versus = Versus::new(&format!("lock pairs t={tasks}"));
    for _ in 0..rounds(effort) {
        versus.round("bare commands (limit)", &ours, &bare).await;
        versus.round("rslock", &ours, &peers).await;
    }
    versus.print();
}

/// Sixteen tasks want one key and hold it for a millisecond.
async fn one_key(url: &str, effort: Effort) {
    let time = effort.pick(Duration::from_secs(2), Duration::from_secs(10));
    let locks = ours::connect(url).await;
    let rslock = peer::patient(url);
    let mut waits = Versus::new("lock one key t=16 hold=1ms wait p99").unit(Unit::Millis);
    let mut rates = Versus::new("lock one key t=16 hold=1ms acquisitions");
    for _ in 0..rounds(effort) {
        let take = async |locks: LockManager| locks.lock("wanted").wait(PATIENCE).await.unwrap();
        let give = async |_, guard: LockGuard| assert_eq!(guard.release().await, Release::Released);
        let ours = contend(16, time, &locks, take, give).await;
        let take = async |rslock: rslock::LockManager| rslock.lock("theirs", LEASE).await.unwrap();
        let give = async |rslock: rslock::LockManager, lock| rslock.unlock(&lock).await;
        let theirs = contend(16, time, &rslock, take, give).await;
        waits.record("rslock", ours.p99, theirs.p99);
        rates.record("rslock", ours.rate, theirs.rate);
    }
    waits.print();
    rates.print();
}

fn key(task: usize) -> String {
    format!("seat:{task}")
}
