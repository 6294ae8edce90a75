//! `cargo xtask ci --full`: what takes long. For a release, or over night.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::packages::{self, MARIADB, POSTGRES, RABBITMQ, REDIS};
use crate::servers::Servers;
use crate::steps::{Steps, execute};
use crate::{checks, workspace};

/// A test that fails once in a hundred runs is a defect. This many runs of the fault tests find most of those.
const FAULT_ROUNDS: u32 = 50;

pub(crate) fn add_to(steps: &mut Steps) {
    checks::feature_powerset(steps);
    steps.run("repeated fault tests", repeat_fault_tests);
    steps.command(
        "ten million keys",
        workspace::cargo(["test", "--release", "--package", "nebula-cache", "--lib", "--", "--ignored", "ten_million"]),
    );
    steps.command("publishing rehearsal", workspace::cargo(["publish", "--workspace", "--dry-run", "--allow-dirty"]));
    steps.run("licences and sources", || cargo_deny(&["licenses", "bans", "sources"]));
    // Apart, because it is the one check that asks the network for its data every time.
    steps.run("advisories", || cargo_deny(&["advisories"]));
}

fn cargo_deny(checks: &[&str]) -> Result<String> {
    ensure_cargo_tool("cargo-deny")?;
    execute(workspace::cargo(["deny", "check"]).args(checks)).map(|()| String::new())
}

/// Installs a cargo subcommand if it is not there.
pub(crate) fn ensure_cargo_tool(name: &str) -> Result {
    let present = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if present.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    execute(&mut workspace::cargo(["install", name, "--locked"]))
        .map_err(|error| Error::new(format!("{error}; install it with: cargo install {name} --locked")))
}

/// Runs the tests that cut connections and kill servers again and again.
fn repeat_fault_tests() -> Result<String> {
    packages::ensure(&[REDIS, MARIADB, POSTGRES, RABBITMQ])?;
    let servers = Servers::start()?.with_rabbitmq()?;
    let campaigns = campaigns();
    if campaigns.is_empty() {
        return Err(Error::new("no fault tests were found"));
    }
    for round in 1..=FAULT_ROUNDS {
        eprintln!("-- round {round} of {FAULT_ROUNDS}");
        for (package, target) in &campaigns {
            let mut test =
                workspace::cargo(["test", "--quiet", "--package", package, "--all-features", "--test", target]);
            test.envs(servers.environment());
            execute(&mut test).map_err(|error| Error::new(format!("round {round}: {error}")))?;
        }
    }
    Ok(format!("{FAULT_ROUNDS} rounds of {} programs", campaigns.len()))
}

/// The test targets named after faults and crashes, with their packages.
fn campaigns() -> Vec<(&'static str, String)> {
    let packages = workspace::LIBRARIES.iter().map(|library| (*library, Path::new(library).join("tests")));
    let platform = ("ticketing", Path::new("examples/ticketing/tests").to_path_buf());
    packages
        .chain([platform])
        .flat_map(|(package, tests)| workspace::targets_in(&tests).into_iter().map(move |target| (package, target)))
        .filter(|(_, target)| target.contains("fault") || target.contains("crash"))
        .collect()
}
