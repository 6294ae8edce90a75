//! All rules of a set that apply to five facts: ours with the trace of fired rows, against the same rules as a loop over a
//! Rust struct (the limit of what an application would write by hand), and against engines that test rule by rule.
//!
//! Every side says how many rules it found, and they have to agree. The engines get facts in their own form, made before;
//! `cel` and `rhai` get a context that is made before, too.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod sides;

use std::hint::black_box;

use nebula_test_support::{Effort, Unit, Versus};
use nebula_versus::rounds;

use self::sides::{Cel, DataLogic, Limit, Ours, Rhai, Side, Zen, asked, rules};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let effort = Effort::from_args();
    for count in [10, 100, 1_000] {
        let rules = rules(count);
        let facts = asked();
        let ours = Ours::new(&rules, &facts);
        let peers: [(&str, Box<dyn Side>, u64); 5] = [
            ("struct loop (limit)", Box::new(Limit::new(&rules, &facts)), 20_000_000),
            ("datalogic-rs", Box::new(DataLogic::new(&rules, &facts)), 1_000_000),
            ("zen-expression", Box::new(Zen::new(&rules, &facts)), 400_000),
            ("cel", Box::new(Cel::new(&rules, &facts)), 200_000),
            ("rhai", Box::new(Rhai::new(&rules, &facts)), 200_000),
        ];
        let expected = found(&ours, facts.len());
        let mut versus = Versus::new(&format!("{count} rules")).unit(Unit::OpsPerSec);
        for _ in 0..rounds(effort) {
            for (name, peer, rule_tests) in &peers {
                assert_eq!(found(peer.as_ref(), facts.len()), expected, "{name} finds other rules");
                let own = effort.pick(100_000, 500_000);
                let theirs = (effort.pick(rule_tests / 4, *rule_tests) / count as u64).max(20);
                versus
                    .round(
                        name,
                        async || run(&ours, facts.len(), own),
                        async || run(peer.as_ref(), facts.len(), theirs),
                    )
                    .await;
            }
        }
        versus.print();
    }
}

/// How many rules apply to all facts together.
fn found(side: &dyn Side, facts: usize) -> usize {
    (0..facts).map(|place| side.evaluate(place)).sum()
}

fn run(side: &dyn Side, facts: usize, times: u64) -> f64 {
    let started = std::time::Instant::now();
    for place in (0..facts).cycle().take(usize::try_from(times).unwrap()) {
        black_box(side.evaluate(black_box(place)));
    }
    Unit::OpsPerSec.figure(times, started.elapsed())
}
