//! Puts the locks to the test: client processes compete for locks while servers, clients and the network between them are
//! killed, frozen and cut off; what the clients wrote down is judged in the end.
//!
//! `cargo run -p nebula-lock --example nemesis -- --seconds 5`
//!
//! In earnest: `cargo run --release -p nebula-lock --example nemesis -- --seconds 60`.
//! It ends with a table and with a status other than zero if a promise was broken.

mod engine;

use std::process::ExitCode;
use std::time::Duration;

use engine::campaign::Plan;
use engine::fleet::{Program, orders};
use engine::site::Topology;

const USAGE: &str =
    "usage: nemesis [--seconds N] [--topology single|forgetful|redlock|sentinel|cluster|all] [--seed N]";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match orders() {
        Some(orders) => runtime.block_on(engine::client::run(orders)).map(|()| true).map_err(|error| error.to_string()),
        None => runtime.block_on(campaigns()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every promise was kept.
async fn campaigns() -> Result<bool, String> {
    let (topologies, time, seed) = arguments()?;
    let file = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut kept = true;
    for topology in topologies {
        let program = Program { file: file.clone(), arguments: Vec::new() };
        let mut plan = Plan::new(topology, time, program);
        plan.seed = seed.unwrap_or(plan.seed);
        let report = plan.run().await.map_err(|error| error.to_string())?;
        print!("{report}");
        kept &= report.violations.is_empty();
    }
    println!("{}", if kept { "every promise was kept" } else { "a promise was BROKEN" });
    Ok(kept)
}

fn arguments() -> Result<(Vec<Topology>, Duration, Option<u64>), String> {
    let (mut topologies, mut seconds, mut seed) = (Topology::ALL.to_vec(), 60, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        let number = || value.parse::<u64>().map_err(|_| USAGE.to_owned());
        match name.as_str() {
            "--seconds" => seconds = number()?,
            "--seed" => seed = Some(number()?),
            "--topology" if value == "all" => {}
            "--topology" => {
                topologies.retain(|topology| topology.name() == value);
                if topologies.is_empty() {
                    return Err(USAGE.to_owned());
                }
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok((topologies, Duration::from_secs(seconds), seed))
}
