//! Puts the locks to the test: client processes compete for locks while servers, clients and the network between them are
//! killed, frozen and cut off; what the clients wrote down is judged in the end.
//!
//! `cargo run -p nebula-lock --example nemesis -- --seconds 3 --topology single`
//!
//! In earnest: `cargo run --release -p nebula-lock --example nemesis -- --seconds 60`.
//! It ends with a table and with a status other than zero if a promise was broken.

mod engine;

use std::process::ExitCode;
use std::time::Duration;

use engine::campaign::Plan;
use engine::fleet::{Program, orders};
use engine::site::{Style, Topology};

const USAGE: &str =
    "usage: nemesis [--seconds N] [--topology single|forgetful|redlock|sentinel|cluster|all] [--style fenced|grouped|plain|all]
               [--seed N]

Without --style: every topology with fenced locks, and one server with the other styles as well.";

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
    let (campaigns, time, seed) = arguments()?;
    let file = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut kept = true;
    for (topology, style) in campaigns {
        let program = Program { file: file.clone(), arguments: Vec::new() };
        let mut plan = Plan::new(topology, time, program).with_style(style);
        plan.seed = seed.unwrap_or(plan.seed);
        let report = plan.run().await.map_err(|error| error.to_string())?;
        print!("{report}");
        kept &= report.violations.is_empty();
    }
    println!("{}", if kept { "every promise was kept" } else { "a promise was BROKEN" });
    Ok(kept)
}

type Campaigns = Vec<(Topology, Style)>;

fn arguments() -> Result<(Campaigns, Duration, Option<u64>), String> {
    let (mut topologies, mut styles, mut seconds, mut seed) = (Topology::ALL.to_vec(), None, 60, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        let number = || value.parse::<u64>().map_err(|_| USAGE.to_owned());
        match name.as_str() {
            "--seconds" => seconds = number()?,
            "--seed" => seed = Some(number()?),
            "--topology" => topologies.retain(|topology| value == "all" || topology.name() == value),
            "--style" => {
                let named = |style: &Style| value == "all" || style.name() == value;
                styles = Some(Style::ALL.into_iter().filter(named).collect::<Vec<_>>());
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    let wanted = |topology: Topology, style: Style| match &styles {
        Some(styles) => styles.contains(&style),
        None => style == Style::Fenced || topology == Topology::Single,
    };
    let all = topologies.iter().flat_map(|topology| Style::ALL.map(|style| (*topology, style)));
    let campaigns: Campaigns =
        all.filter(|(topology, style)| style.suits(*topology) && wanted(*topology, *style)).collect();
    if campaigns.is_empty() { Err(USAGE.to_owned()) } else { Ok((campaigns, Duration::from_secs(seconds), seed)) }
}
