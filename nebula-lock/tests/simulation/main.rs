//! Deterministic simulation of guards, renewal, waiting and clean-up: thousands of runs on paused time, each of which
//! follows from its seed alone.
//!
//! A failure prints its seed; `NEBULA_SIMULATION_SEED=<seed>` runs that one alone and tells its story.
//! `NEBULA_SIMULATION_RUNS=<number>` sets how many runs there are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(dead_code, reason = "the checkers are shared with the nemesis, which uses all of them")]

#[path = "../../examples/nemesis/engine/check.rs"]
mod check;
#[path = "../../examples/nemesis/engine/held.rs"]
mod held;
#[path = "../../examples/nemesis/engine/history.rs"]
mod history;
#[path = "../support/polls.rs"]
mod polls;

mod broken;
mod caller;
mod network;
mod server;
mod world;

use broken::Defect;
use world::{Case, Outcome, run};

const STORM: Case = Case { seed: 0, forgetful: false, calm: false, fair: false, defect: None };
const AMNESIA: Case = Case { forgetful: true, ..STORM };
const IN_LINE: Case = Case { fair: true, ..STORM };
const CALM: Case = Case { calm: true, ..STORM };

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// Runs many seeds, or the one that is asked for, and adds up what happened.
fn explore(case: Case, runs: u64) -> (usize, usize, usize) {
    if let Some(seed) = number("NEBULA_SIMULATION_SEED") {
        let outcome = run(Case { seed, ..case });
        println!("{}", outcome.story);
        assert_eq!(outcome.violations, Vec::<String>::new());
        return (usize::MAX, usize::MAX, usize::MAX);
    }
    let (mut holds, mut lost, mut overlaps) = (0, 0, 0);
    for seed in 0..number("NEBULA_SIMULATION_RUNS").unwrap_or(runs) {
        let outcome = run(Case { seed, ..case });
        assert!(
            outcome.violations.is_empty(),
            "NEBULA_SIMULATION_SEED={seed} ({case:?}) finds:\n{}",
            outcome.violations.join("\n")
        );
        holds += outcome.holds;
        lost += outcome.lost;
        overlaps += outcome.overlaps;
    }
    println!("{holds} holds, {lost} leases that ended under their holders, {overlaps} overlaps");
    (holds, lost, overlaps)
}

#[test]
fn promises_are_kept_in_every_storm() {
    let (holds, lost, _) = explore(STORM, 1700);
    assert!(holds > 10_000 && lost > 100, "too little happened to prove anything");
}

#[test]
fn a_server_that_forgets_breaks_no_other_promise() {
    let (holds, lost, overlaps) = explore(AMNESIA, 800);
    assert!(holds > 5_000 && lost > 50 && overlaps > 0, "too little happened to prove anything");
}

#[test]
fn no_wake_up_is_missed() {
    let (holds, ..) = explore(CALM, 100);
    assert!(holds > 3_000, "too little happened to prove anything");
}

#[test]
fn promises_are_kept_where_everybody_stands_in_line() {
    let (holds, lost, overlaps) = explore(IN_LINE, 300);
    assert!(holds > 1_000 && lost > 10 && overlaps == 0, "too little happened to prove anything");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for case in [STORM, AMNESIA, CALM] {
        for seed in 0..5 {
            let story = || run(Case { seed, ..case }).story;
            assert_eq!(story(), story(), "{case:?} {seed}");
        }
    }
}

/// The first complaint about a broken backend.
fn caught(case: Case, defect: Defect, about: &str) {
    let complaint = |outcome: Outcome| outcome.violations.into_iter().find(|text| text.contains(about));
    let complaint = (0..300).find_map(|seed| {
        let found = complaint(run(Case { seed, defect: Some(defect), ..case }))?;
        Some(format!("seed {seed}: {found}"))
    });
    println!("{defect:?}: {}", complaint.unwrap_or_else(|| panic!("{defect:?} goes unnoticed")));
}

#[test]
fn a_release_that_deletes_blindly_is_caught() {
    caught(STORM, Defect::BlindDelete, "two holders");
}

#[test]
fn a_renewal_after_the_loss_is_caught() {
    caught(AMNESIA, Defect::RenewAfterLoss, "too long after a wipe");
}

#[test]
fn a_renewal_without_a_reply_that_counts_is_caught() {
    caught(STORM, Defect::SilenceIsConsent, "was believed in");
    caught(STORM, Defect::SilenceIsConsent, "was not told of its end until");
}

#[test]
fn a_guard_that_tells_late_is_caught() {
    // By the clock of the server, and by that of the holder.
    caught(STORM, Defect::LateWord, "was not told of its end until");
    caught(STORM, Defect::LateWord, "was not told of the end of its lease until");
}

#[test]
fn a_waiter_that_does_not_look_twice_is_caught() {
    caught(CALM, Defect::NoSecondLook, "a wake-up was missed");
}

#[test]
fn a_queue_that_keeps_its_dead_is_caught() {
    caught(STORM, Defect::NoPrune, "not free in the end");
}

#[test]
fn a_lock_handed_over_to_a_place_that_was_lost_is_caught() {
    caught(IN_LINE, Defect::AnyPlace, "was believed in");
}

#[test]
fn a_clock_beyond_the_margin_is_caught() {
    caught(STORM, Defect::FastClock, "was believed in");
    caught(STORM, Defect::FastClock, "was not told of its end until");
}
