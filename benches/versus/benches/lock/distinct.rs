//! Tasks that each have a key of their own.

use std::time::{Duration, Instant};

use nebula_test_support::Versus;
use nebula_versus::throughput;

use crate::cost::{Meter, Spent};
use crate::sides::{self, Side};

/// Pairs of acquisition and release per second. In each round every side runs once, and who begins changes.
pub(crate) async fn compare(url: &str, server: u32, tasks: usize, rounds: u32, time: Duration) {
    let sides = sides::all(url).await;
    let mut spent = vec![Spent::default(); sides.len()];
    let mut tables: Vec<_> = sides.iter().map(|side| Versus::new(&format!("lock {side} pairs t={tasks}"))).collect();
    for round in 0..rounds as usize {
        let mut rates = vec![0.0; sides.len()];
        for turn in 0..sides.len() {
            let place = (round + turn) % sides.len();
            let meter = Meter::start(server);
            let started = Instant::now();
            rates[place] = pairs(&sides[place], tasks, time).await;
            spent[place].add(meter.stop((rates[place] * started.elapsed().as_secs_f64()) as u64));
        }
        let of = |name: &str| sides.iter().position(|side| side.to_string() == name).map_or(0.0, |at| rates[at]);
        for (at, side) in sides.iter().enumerate() {
            if !matches!(side, Side::Limit(_)) {
                tables[at].record("bare commands (limit)", rates[at], of("limit"));
            }
            if matches!(side, Side::Ours(..)) {
                tables[at].record("rslock", rates[at], of("rslock"));
            }
        }
    }
    for table in tables {
        table.print();
    }
    for (side, spent) in sides.iter().zip(spent) {
        println!("cost lock-{side}-pairs-t={tasks} {spent}");
    }
}

/// Loads one side for a while, for a profiler to look at.
pub(crate) async fn load(url: &str, server: u32, name: &str, tasks: usize, time: Duration) {
    let sides = sides::all(url).await;
    let side = sides.iter().find(|side| side.to_string() == name).unwrap();
    let meter = Meter::start(server);
    let started = Instant::now();
    let rate = pairs(side, tasks, time).await;
    let spent = meter.stop((rate * started.elapsed().as_secs_f64()) as u64);
    println!("load {name} t={tasks} rate={rate:.0} {spent}");
}

async fn pairs(side: &Side, tasks: usize, time: Duration) -> f64 {
    throughput(tasks, time, side, async |side, task| side.pair(&format!("seat:{task}")).await).await
}
