//! Steps: named pieces of work that are announced, timed, and summed up in a table at the end.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// What has been done so far. A failed step does not stop the next one: one run tells everything.
#[derive(Debug, Default)]
pub(crate) struct Steps {
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
        Err(Error::new(format!("failed: {}", failed.join(", "))))
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
        let total = self.done.iter().map(|step| step.took).sum();
        let verdict = if self.all_passed() { "ok" } else { "FAILED" };
        let _ = write!(table, "{:width$}  {verdict:6}  {:>8}", "total", time(total));
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

/// What a command printed, all of which has been shown as well.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(crate) stdout: String,
    /// Without colours.
    pub(crate) stderr: String,
    failure: Option<String>,
}

impl Captured {
    pub(crate) fn verdict(&self) -> Result {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(Error::new(failure.clone())))
    }

    #[cfg(test)]
    pub(crate) fn failed(stdout: &str, stderr: &str) -> Self {
        Self { stdout: stdout.to_owned(), stderr: stderr.to_owned(), failure: Some("failed".to_owned()) }
    }
}

/// Runs a command without input, shows what it prints, and keeps it.
pub(crate) fn execute_captured(command: &mut Command) -> Result<Captured> {
    let shown = shown(command);
    eprintln!("$ {shown}");
    let starting = format!("`{shown}` could not be started");
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context(starting)?;
    let errors = child.stderr.take().map(|stderr| std::thread::spawn(move || tee(stderr, |line| eprint!("{line}"))));
    let stdout = child.stdout.take().map(|stdout| tee(stdout, |line| print!("{line}"))).unwrap_or_default();
    let stderr = errors.and_then(|errors| errors.join().ok()).unwrap_or_default();
    let status = child.wait().context(format_args!("waiting for `{shown}`"))?;
    let failure = (!status.success()).then(|| format!("`{shown}` ended with {status}"));
    Ok(Captured { stdout, stderr: without_colours(&stderr), failure })
}

/// Shows everything, line by line, and returns it.
fn tee(from: impl Read, show: impl Fn(&str)) -> String {
    let (mut from, mut line, mut all) = (BufReader::new(from), Vec::new(), String::new());
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        show(&text);
        all += &text;
        line.clear();
    }
    all
}

/// Removes ANSI sequences like "ESC[1;31m".
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |clean, part| {
        clean + part.split_once(|end: char| end.is_ascii_alphabetic()).map_or("", |(_, rest)| rest)
    })
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
        let mut steps = Steps::default();
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
        let mut steps = Steps::default();
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
    fn what_a_command_prints_is_kept_without_colours() {
        let script = "printf 'out\\nno end'; printf '\\033[1;31merror\\033[0m: x' >&2; exit 3";
        let captured = execute_captured(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!((captured.stdout.as_str(), captured.stderr.as_str()), ("out\nno end", "error: x"));
        assert!(captured.verdict().unwrap_err().to_string().contains('3'));
        assert!(execute_captured(&mut Command::new("true")).unwrap().verdict().is_ok());
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(time(Duration::from_millis(1_250)), "1.2s");
        assert_eq!(time(Duration::from_secs(61)), "1m 01s");
    }
}
