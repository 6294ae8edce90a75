//! `cargo xtask test`: everything that can fail, on real servers.

use std::process::Command;
use std::thread;

use crate::error::{Error, Result};
use crate::packages::{self, BROWSER, BROWSER_DRIVER, MARIADB, Need, PGBOUNCER, POSTGRES, RABBITMQ, REDIS};
use crate::servers::Servers;
use crate::shared::SharedServers;
use crate::steps::{Steps, execute};
use crate::{disk, programs, second_look, test_programs, workspace};

pub(crate) fn run(arguments: &[String]) -> Result {
    let mut steps = Steps::new();
    if arguments.is_empty() {
        everything(&mut steps, Steps::new)?;
    } else {
        let servers = servers(arguments)?;
        let mut tests = cargo_test(arguments);
        tests.envs(servers.environment());
        steps.command("tests", tests);
    }
    steps.conclude()
}

/// Installs and starts what the tests need.
fn servers(arguments: &[String]) -> Result<Servers> {
    let needs = needs(arguments);
    packages::ensure(&needs)?;
    let servers = Servers::start()?;
    if needs.contains(&RABBITMQ) { servers.with_rabbitmq() } else { Ok(servers) }
}

/// Every example and every test. While the tests run, so does `beside`.
pub(crate) fn everything(steps: &mut Steps, beside: impl FnOnce() -> Steps + Send) -> Result {
    let servers = servers(&[])?;
    let mut tests = Vec::new();
    steps.run("build", || {
        // One selection of packages and features for all commands: nothing is built twice.
        execute(all_features("build").args(["--examples", "--bins"]))?;
        tests = test_programs::build(all_features("test"))?;
        Ok(format!("test programs: {}, {:.0} GB of the disk are free", tests.len(), disk::free()?))
    });
    // What an earlier build left behind says nothing about this one.
    if !steps.all_passed() {
        return Ok(());
    }
    steps.run("examples", || programs::run(&programs::all(&workspace::built_programs()?)?, &servers));
    let shared = SharedServers::start(&workspace::built_programs()?, &servers.environment())?;
    let mut environment = servers.environment();
    environment.extend(shared.environment().iter().cloned());
    environment.push(("LD_LIBRARY_PATH".to_owned(), workspace::compiler_libraries()?));
    let mut failed = Vec::new();
    thread::scope(|scope| {
        let beside = scope.spawn(beside);
        steps.run("tests", || {
            failed = test_programs::run_all(&tests, workspace::cores(), &environment)?;
            Ok(if failed.is_empty() { String::new() } else { format!("programs that failed once: {}", failed.len()) })
        });
        beside.join().map(|beside| steps.append(beside)).map_err(|_| Error::new("what ran beside has panicked"))
    })?;
    if !failed.is_empty() {
        steps.run("second look", || second_look::at(&failed, &environment));
    }
    let mut doctests = all_features("test");
    doctests.arg("--doc").envs(environment);
    steps.command("doctests", doctests);
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
const ON_SQL: [&str; 8] = [
    "nebula-auth",
    "nebula-delay-queue",
    "nebula-lock",
    "nebula-notification",
    "nebula-rule-engine",
    "nebula-tenant",
    "nebula-test-support",
    "ticketing",
];

/// The crates whose tests talk to a RabbitMQ broker.
const ON_RABBITMQ: [&str; 3] = ["nebula-delay-queue", "nebula-test-support", "ticketing"];

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
    if names("nebula-tenant") {
        needs.push(PGBOUNCER);
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
        assert_eq!(line(&all_features("test")), "test --workspace --exclude nebula-versus --all-features");
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
        assert_eq!(needs(&[]).len(), 7);
        assert_eq!(needs(&words("--workspace")).len(), 7);
        assert_eq!(needs(&words("some_filter")).len(), 7);
        assert_eq!(needs(&words("-p nebula-redis")).len(), 1);
        assert_eq!(needs(&words("-p nebula-lock")).len(), 3, "SQL servers");
        assert_eq!(needs(&words("-p nebula-delay-queue")).len(), 4, "SQL servers and a broker");
        assert_eq!(needs(&words("-p nebula-tenant")).len(), 4, "SQL servers and a pooler");
        assert_eq!(needs(&words("-p ticketing")).len(), 6, "everything else");
    }
}
