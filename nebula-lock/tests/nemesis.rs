//! Proof by faults: the engine of the example `nemesis`, in short runs; and that its checkers notice broken locks.
//!
//! Runs are random; a failure prints its seed and keeps what the clients wrote down.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../examples/nemesis/engine/mod.rs"]
mod engine;

use std::time::Duration;

use engine::campaign::Plan;
use engine::client::Kind;
use engine::controls::Broken;
use engine::fleet::{Program, orders};
use engine::report::Report;
use engine::site::Topology;

const CLIENT: &str = "clients_are_processes_of_their_own";

/// This very program, running the one test below.
fn program() -> Program {
    let arguments = [CLIENT, "--exact", "--nocapture"].map(str::to_owned).to_vec();
    Program { file: std::env::current_exe().unwrap(), arguments }
}

fn plan(topology: Topology, seconds: u64) -> Plan {
    Plan::new(topology, Duration::from_secs(seconds), program())
}

/// With orders in its environment it is a client. Without, it sees to it that there are others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_processes_of_their_own() {
    if let Some(orders) = orders() {
        return engine::client::run(orders).await.unwrap();
    }
    let report = plan(Topology::Single, 0).run().await.unwrap();
    assert_eq!(report.violations, Vec::<String>::new());
    assert!(report.holds > 0 && report.damage.writes > 0, "nobody did anything: {report}");
}

async fn promises_are_kept(topology: Topology, seconds: u64) {
    let report = plan(topology, seconds).run().await.unwrap();
    println!("{report}");
    assert!(report.violations.is_empty(), "{report}");
    assert!(report.holds > 50 && report.damage.writes > 0, "too little happened to prove anything: {report}");
    assert!(report.faults.len() > 1, "too few faults to prove anything: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_that_keeps_its_data() {
    promises_are_kept(Topology::Single, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_that_forgets() {
    promises_are_kept(Topology::Forgetful, 15).await;
}

async fn broken(broken: Broken, kinds: &[Kind]) -> Report {
    let mut plan = plan(Topology::Single, 4);
    plan.broken = Some(broken);
    plan.kinds = kinds.to_vec();
    plan.grace = Duration::from_secs(3);
    let report = plan.run().await.unwrap();
    println!("{report}");
    if let Some(folder) = &report.evidence {
        std::fs::remove_dir_all(folder).unwrap();
    }
    report
}

fn complains(report: &Report, about: &str) -> bool {
    report.violations.iter().any(|violation| violation.contains(about))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_deletes_blindly_is_caught() {
    let report = broken(Broken::BlindDelete, &[Kind::Exclusive, Kind::Fair]).await;
    assert!(complains(&report, "two holders") && complains(&report, "vanished"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_keeps_its_dead_is_caught() {
    let report = broken(Broken::NoPrune, &[Kind::Fair]).await;
    assert!(complains(&report, "not free after the end") || complains(&report, "nobody got"), "{report}");
}
