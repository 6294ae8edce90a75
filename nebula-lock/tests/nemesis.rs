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
use engine::faults::{Fault, Weather, Who};
use engine::fleet::{Program, orders};
use engine::report::Report;
use engine::site::{Style, Topology};

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
    let report = promises_are_kept_with(topology, Style::Fenced, seconds).await;
    assert!(report.damage.writes > 0, "too little happened to prove anything: {report}");
}

async fn promises_are_kept_with(topology: Topology, style: Style, seconds: u64) -> Report {
    let plan = Plan { variety: 3, ..plan(topology, seconds) }.with_style(style);
    let kinds: Vec<_> = plan.kinds.iter().map(|kind| kind.name()).collect();
    let report = plan.run().await.unwrap();
    println!("{report}");
    assert!(report.violations.is_empty(), "{report}");
    // A slow machine grants few of them in so short a time: each kind in one of both ways, and one that asks replicas.
    let taken = |kind: &str| report.taken.keys().any(|taken| taken.trim_end_matches("+replicas") == kind);
    assert!(kinds.iter().all(|kind| taken(kind)), "not every kind of lock took part: {report}");
    let asked = report.taken.keys().any(|taken| taken.ends_with("+replicas"));
    assert!(asked || !topology.fails_over(), "no replica was asked: {report}");
    assert!(report.holds > 20, "too little happened to prove anything: {report}");
    assert!(report.faults.len() >= 3, "too few faults to prove anything: {report}");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_that_share_script_calls() {
    let report = promises_are_kept_with(Topology::Single, Style::Grouped, 10).await;
    assert!(report.damage.writes > 0, "too little happened to prove anything: {report}");
}

/// They exclude each other as others do; only nothing is protected from a holder that comes late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locks_without_tokens() {
    let report = promises_are_kept_with(Topology::Single, Style::Plain, 10).await;
    assert_eq!(report.damage.writes, 0, "a guarded register takes nothing from them: {report}");
    assert!(report.damage.refused > 0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_that_keeps_its_data() {
    promises_are_kept(Topology::Single, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_that_forgets() {
    promises_are_kept(Topology::Forgetful, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_of_five() {
    promises_are_kept(Topology::Redlock, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_sentinels_replace() {
    promises_are_kept(Topology::Sentinel, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_whose_masters_are_replaced() {
    promises_are_kept(Topology::Cluster, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_misses_a_wake_up() {
    let report =
        Plan { grace: Duration::from_secs(60), ..Plan::calm(Topology::Single, Duration::from_secs(5), program()) };
    let report = report.run().await.unwrap();
    println!("{report}");
    assert!(report.violations.is_empty() && report.holds > 20, "{report}");
}

/// Chance decides whether a campaign meets what is broken, and a busy machine lets little happen: several are made.
const CAMPAIGNS: usize = 5;

async fn is_caught(broken: Broken, plan: Plan, complains: impl Fn(&Report) -> bool) {
    for _ in 0..CAMPAIGNS {
        let plan = Plan { broken: Some(broken), grace: Duration::from_secs(3), ..plan.clone() };
        let report = plan.run().await.unwrap();
        println!("{report}");
        if let Some(folder) = &report.evidence {
            std::fs::remove_dir_all(folder).unwrap();
        }
        if complains(&report) {
            return;
        }
    }
    panic!("{broken:?} goes unnoticed");
}

fn of_kinds(kinds: &[Kind]) -> Plan {
    Plan { kinds: kinds.to_vec(), ..plan(Topology::Single, 8) }
}

fn complains(report: &Report, about: &str) -> bool {
    report.violations.iter().any(|violation| violation.contains(about))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_deletes_blindly_is_caught() {
    let plan = of_kinds(&[Kind::Exclusive, Kind::Fair]);
    is_caught(Broken::BlindDelete, plan, |report| complains(report, "two holders") && complains(report, "vanished"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_keeps_its_dead_is_caught() {
    let stuck = |report: &Report| complains(report, "not free after the end") || complains(report, "nobody got");
    is_caught(Broken::NoPrune, of_kinds(&[Kind::Fair]), stuck).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_after_the_loss_is_caught() {
    // One client is cut off for longer than its leases last, while others want what it has.
    let faults = (0..4).map(|client| Fault::Network(Weather::Cut, Who::One(client), 1)).collect();
    let (kinds, long_holds) = (vec![Kind::Exclusive], true);
    let plan = Plan { kinds, faults, length: 2.0..3.0, long_holds, ..plan(Topology::Single, 10) };
    let both = |report: &Report| complains(report, "two holders") && complains(report, "was believed in");
    is_caught(Broken::RenewAfterLoss, plan, both).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_that_does_not_look_twice_is_caught() {
    let plan = Plan::calm(Topology::Single, Duration::from_secs(60), program());
    is_caught(Broken::NoSecondLook, plan, |report| complains(report, "nobody got")).await;
}
