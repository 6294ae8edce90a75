//! Steps: named pieces of work that are announced, timed, and summed up in a table at the end.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::disk;
use crate::error::{Context, Error, Result};

/// What has been done so far. A failed step does not stop the next one: one run tells everything.
#[derive(Debug)]
pub(crate) struct Steps {
    started: Instant,
    done: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Passed(String),
    Failed(String),
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }

    /// Runs one step. What it returns is the remark that stands beside it in the table.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Result<String>) {
        eprintln!("\n==> {name}");
        let started = Instant::now();
        let outcome = match work() {
            Ok(remark) => Outcome::Passed(remark),
            Err(error) => {
                eprintln!("xtask: {name}: {error}");
                Outcome::Failed(error.to_string())
            }
        };
        let took = started.elapsed();
        eprintln!("<== {name}: {}", time(took));
        self.done.push(Step { name: name.to_owned(), took, outcome });
    }

    /// Runs one step that is a single command.
    pub(crate) fn command(&mut self, name: &str, mut command: Command) {
        self.run(name, || execute(&mut command).map(|()| String::new()));
    }

    /// Adds the steps that were done beside these.
    pub(crate) fn append(&mut self, beside: Self) {
        self.done.extend(beside.done);
    }

    pub(crate) fn all_passed(&self) -> bool {
        self.done.iter().all(|step| matches!(step.outcome, Outcome::Passed(_)))
    }

    /// The table, then the verdict.
    pub(crate) fn conclude(&self) -> Result {
        println!("\n{}", self.table());
        if self.all_passed() {
            return Ok(());
        }
        let failed: Vec<&str> = self
            .done
            .iter()
            .filter(|step| matches!(step.outcome, Outcome::Failed(_)))
            .map(|step| step.name.as_str())
            .collect();
        let disk = disk::complaint().map(|complaint| format!("\n{complaint}")).unwrap_or_default();
        Err(Error::new(format!("failed: {}{disk}", failed.join(", "))))
    }

    fn table(&self) -> String {
        let width = self.done.iter().map(|step| step.name.len()).max().unwrap_or(0).max("total".len());
        let mut table = String::new();
        for step in &self.done {
            let (word, remark) = match &step.outcome {
                Outcome::Passed(remark) => ("ok", remark),
                Outcome::Failed(reason) => ("FAILED", reason),
            };
            let first_line = remark.lines().next().unwrap_or_default();
            let line = format!("{:width$}  {word:6}  {:>8}  {first_line}", step.name, time(step.took));
            let _ = writeln!(table, "{}", line.trim_end());
        }
        let verdict = if self.all_passed() { "ok" } else { "FAILED" };
        let _ = write!(table, "{:width$}  {verdict:6}  {:>8}", "total", time(self.started.elapsed()));
        table
    }
}

/// Runs a command with our own output and no input.
pub(crate) fn execute(command: &mut Command) -> Result {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let status = command.stdin(Stdio::null()).status().context(format_args!("`{shown}` could not be started"))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("`{shown}` ended with {status}"))) }
}

/// Runs a command that leaves room for others, and shows what it printed when it has ended.
pub(crate) fn execute_beside(command: &Command) -> Result {
    let shown = shown(command);
    let mut beside = Command::new("nice");
    beside.args(["-n", "19"]).arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => beside.env(name, value),
            None => beside.env_remove(name),
        };
    }
    let output = beside.output().context(format_args!("`{shown}` could not be started"))?;
    let printed = [output.stdout, output.stderr].map(|printed| String::from_utf8_lossy(&printed).into_owned()).concat();
    eprintln!("$ {shown}\n{printed}");
    if output.status.success() { Ok(()) } else { Err(Error::new(format!("`{shown}` ended with {}", output.status))) }
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut shown = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(shown, " {}", argument.to_string_lossy());
    }
    shown
}

fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds >= 60 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1}s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_lets_the_next_one_run_and_fails_the_whole() {
        let mut steps = Steps::new();
        steps.run("first", || Err(Error::new("broken\nsecond line")));
        steps.run("second", || Ok("3 programs".to_owned()));
        let table = steps.table();
        assert!(table.contains("first   FAILED") && table.contains("broken"), "{table}");
        assert!(!table.contains("second line"), "one line per step: {table}");
        assert!(table.contains("second  ok") && table.contains("3 programs"), "{table}");
        assert_eq!(steps.conclude().unwrap_err().to_string(), "failed: first");
    }

    #[test]
    fn steps_that_pass_make_a_whole_that_passes() {
        let mut steps = Steps::new();
        steps.command("true", Command::new("true"));
        assert!(steps.conclude().is_ok());
    }

    #[test]
    fn a_command_that_fails_or_is_absent_is_named() {
        let error = execute(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c exit 3") && error.contains('3'), "{error}");
        let error = execute(&mut Command::new("no-such-program-here")).unwrap_err().to_string();
        assert!(error.contains("no-such-program-here"), "{error}");
    }

    #[test]
    fn what_is_done_beside_is_the_same_command() {
        let mut command = Command::new("sh");
        command.args(["-c", "test \"$WHERE\" = here && test $(nice) = 19"]).env("WHERE", "here");
        execute_beside(&command).unwrap();
        let error = execute_beside(command.env_remove("WHERE")).unwrap_err().to_string();
        assert!(error.starts_with("`sh -c"), "{error}");
        let (mut steps, mut beside) = (Steps::new(), Steps::new());
        beside.run("second", || Err(Error::new("broken")));
        steps.append(beside);
        assert!(!steps.all_passed());
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(time(Duration::from_millis(1_250)), "1.2s");
        assert_eq!(time(Duration::from_secs(61)), "1m 01s");
    }
}
