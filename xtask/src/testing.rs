//! `cargo xtask test`: everything that can fail, on real servers.

use std::process::Command;

use crate::error::Result;
use crate::packages::{self, BROWSER, BROWSER_DRIVER, MARIADB, Need, POSTGRES, RABBITMQ, REDIS};
use crate::servers::Servers;
use crate::steps::{Steps, execute};
use crate::{programs, second_look, workspace};

pub(crate) fn run(arguments: &[String]) -> Result {
    let mut steps = Steps::default();
    add_to(&mut steps, arguments)?;
    steps.conclude()
}

/// The steps of `test`, for a list that goes on after them.
pub(crate) fn add_to(steps: &mut Steps, arguments: &[String]) -> Result {
    let needs = needs(arguments);
    packages::ensure(&needs)?;
    let mut servers = Servers::start()?;
    if needs.contains(&RABBITMQ) {
        servers = servers.with_rabbitmq()?;
    }
    if arguments.is_empty() {
        // One selection of packages and features for all three commands: nothing is built twice. Examples come first,
        // so that the results of the tests are what stands last on the screen.
        let mut build = all_features("build");
        build.args(["--examples", "--bins"]);
        steps.command("build", build);
        // What an earlier build left behind says nothing about this one.
        if steps.all_passed() {
            steps.run("examples", || programs::run(&programs::all(&workspace::built_programs()?)?, &servers));
        }
    }
    steps.run("tests", || {
        let on_servers = |mut command: Command| {
            command.envs(servers.environment());
            command
        };
        let mut tests = on_servers(cargo_test(arguments));
        if !arguments.is_empty() {
            return execute(&mut tests).map(|()| String::new());
        }
        second_look::run(&mut tests, || on_servers(cargo_test(&["--tests".to_owned()])))
    });
    Ok(())
}

fn all_features(subcommand: &str) -> Command {
    let mut command = workspace::cargo([subcommand]);
    command.args(workspace::ALL_BUT_PEERS).arg("--all-features");
    command
}

fn cargo_test(arguments: &[String]) -> Command {
    if selects_packages(arguments) {
        let mut command = workspace::cargo(["test", "--all-features"]);
        command.args(arguments);
        return command;
    }
    let mut command = all_features("test");
    command.arg("--no-fail-fast").args(arguments);
    command
}

/// Whether cargo has to be told which packages to test.
fn selects_packages(arguments: &[String]) -> bool {
    names_packages(arguments) || cargos_own(arguments).any(|argument| ["--workspace", "--all"].contains(&argument))
}

fn names_packages(arguments: &[String]) -> bool {
    let is_short = |argument: &str| argument.starts_with("-p") && !argument.starts_with("--");
    cargos_own(arguments).any(|argument| is_short(argument) || argument.starts_with("--package"))
}

/// What stands before a second `--`; the rest is for the test programs.
fn cargos_own(arguments: &[String]) -> impl Iterator<Item = &str> {
    arguments.iter().map(String::as_str).take_while(|argument| *argument != "--")
}

/// The crates whose tests talk to SQL servers.
const ON_SQL: [&str; 7] = [
    "nebula-auth",
    "nebula-delay-queue",
    "nebula-lock",
    "nebula-rule-engine",
    "nebula-tenant",
    "nebula-test-support",
    "ticketing",
];

/// The crates whose tests talk to a RabbitMQ broker.
const ON_RABBITMQ: [&str; 2] = ["nebula-delay-queue", "nebula-test-support"];

/// Only some tests talk to SQL servers, and only the platform's end-to-end test drives a browser.
fn needs(arguments: &[String]) -> Vec<Need> {
    let all = !names_packages(arguments);
    let names = |package: &str| all || cargos_own(arguments).any(|argument| argument.contains(package));
    let mut needs = vec![REDIS];
    if ON_SQL.iter().any(|package| names(package)) {
        needs.extend([MARIADB, POSTGRES]);
    }
    if ON_RABBITMQ.iter().any(|package| names(package)) {
        needs.push(RABBITMQ);
    }
    if names("ticketing") {
        needs.extend([BROWSER, BROWSER_DRIVER]);
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn line(command: &Command) -> String {
        command.get_args().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn without_arguments_everything_but_the_peers_is_tested() {
        assert_eq!(line(&cargo_test(&[])), "test --workspace --exclude nebula-versus --all-features --no-fail-fast");
    }

    #[test]
    fn a_chosen_package_replaces_the_whole() {
        assert_eq!(line(&cargo_test(&words("-p nebula-lock"))), "test --all-features -p nebula-lock");
        assert_eq!(line(&cargo_test(&words("--package=ticketing"))), "test --all-features --package=ticketing");
    }

    #[test]
    fn a_filter_keeps_the_whole() {
        let given = words("fence -- -p");
        assert!(line(&cargo_test(&given)).contains("--workspace"), "the second `-p` is the test program's");
        assert!(line(&cargo_test(&given)).ends_with("fence -- -p"));
    }

    #[test]
    fn what_is_needed_follows_from_the_packages() {
        assert_eq!(needs(&[]).len(), 6);
        assert_eq!(needs(&words("--workspace")).len(), 6);
        assert_eq!(needs(&words("some_filter")).len(), 6);
        assert_eq!(needs(&words("-p nebula-redis")).len(), 1);
        assert_eq!(needs(&words("-p nebula-lock")).len(), 3, "SQL servers");
        assert_eq!(needs(&words("-p nebula-delay-queue")).len(), 4, "SQL servers and a broker");
        assert_eq!(needs(&words("-p ticketing")).len(), 5, "SQL servers and a browser");
    }
}
