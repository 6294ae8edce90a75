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

/// Programs that take minutes each: crowds of callers, client processes under the nemesis, SQL servers that are killed.
const LONG_CAMPAIGNS: [(&str, &str); 3] =
    [("nebula-lock", "crowds"), ("nebula-lock", "nemesis"), ("nebula-delay-queue", "sql")];
const LONG_ROUNDS: u32 = 5;

/// For each topology and style of locking.
const NEMESIS_SECONDS: &str = "60";

/// Random statements on each database, compared with what they do where a tenant is alone.
const WALL_STATEMENTS: &str = "20000";

pub(crate) fn add_to(steps: &mut Steps) {
    checks::feature_powerset(steps);
    steps.run("repeated fault tests", || repeat(FAULT_ROUNDS, &campaigns()));
    let long = LONG_CAMPAIGNS.map(|(package, target)| (package, target.to_owned()));
    steps.run("repeated crowds and campaigns", || repeat(LONG_ROUNDS, &long));
    let mut nemesis = workspace::cargo(["run", "--release", "--package", "nebula-lock", "--example", "nemesis"]);
    nemesis.args(["--", "--seconds", NEMESIS_SECONDS, "--style", "all"]);
    steps.command("nemesis", nemesis);
    steps.command(
        "ten million keys",
        workspace::cargo(["test", "--release", "--package", "nebula-cache", "--lib", "--", "--ignored", "ten_million"]),
    );
    steps.command(
        "a million tokens and patterns",
        workspace::cargo([
            "test",
            "--release",
            "--package",
            "nebula-auth",
            "--all-features",
            "--test",
            "fuzz",
            "--",
            "--ignored",
        ]),
    );
    let mut oracle =
        workspace::cargo(["test", "--release", "--package", "nebula-tenant", "--all-features", "--test", "oracle"]);
    oracle.env("NEBULA_WALL_STATEMENTS", WALL_STATEMENTS).env("NEBULA_WALL_SEED", "2");
    steps.command("many statements at the wall", oracle);
    steps.command(
        "a hundred thousand guesses on Redis",
        workspace::cargo(["test", "--package", "nebula-notification", "--test", "codes", "--", "--ignored"]),
    );
    steps.command(
        "a million inputs to the rule engine",
        workspace::cargo([
            "test",
            "--release",
            "--package",
            "nebula-rule-engine",
            "--test",
            "rules",
            "--",
            "--ignored",
            "a_million_inputs",
        ]),
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

/// Runs test programs again and again.
fn repeat(rounds: u32, campaigns: &[(&str, String)]) -> Result<String> {
    packages::ensure(&[REDIS, MARIADB, POSTGRES, RABBITMQ])?;
    let servers = Servers::start()?.with_rabbitmq()?;
    if campaigns.is_empty() {
        return Err(Error::new("no fault tests were found"));
    }
    for round in 1..=rounds {
        eprintln!("-- round {round} of {rounds}");
        for (package, target) in campaigns {
            let mut test =
                workspace::cargo(["test", "--quiet", "--package", package, "--all-features", "--test", target]);
            test.envs(servers.environment());
            execute(&mut test).map_err(|error| Error::new(format!("round {round}: {error}")))?;
        }
    }
    Ok(format!("{rounds} rounds of {} programs", campaigns.len()))
}

/// The test targets named after faults, crashes and what is killed, with their packages.
fn campaigns() -> Vec<(&'static str, String)> {
    let packages = workspace::LIBRARIES.iter().map(|library| (*library, Path::new(library).join("tests")));
    let platform = ("ticketing", Path::new("examples/ticketing/tests").to_path_buf());
    packages
        .chain([platform])
        .flat_map(|(package, tests)| workspace::targets_in(&tests).into_iter().map(move |target| (package, target)))
        .filter(|(_, target)| ["crash", "fault", "kill", "process", "relay"].iter().any(|word| target.contains(word)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_exists() {
        for (package, target) in LONG_CAMPAIGNS {
            assert!(workspace::targets_in(&Path::new("..").join(package).join("tests")).contains(&target.to_owned()));
        }
    }
}
