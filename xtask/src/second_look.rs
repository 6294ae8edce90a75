//! A second look at the few tests that failed: a program that fails is told apart from one that was held up.
//!
//! Hundreds of tests kill, freeze and part servers while all cores are busy. What fails there is repeated on an idle
//! machine, more than once. A test that then passes each time is reported as unsteady, by name and in the table: a defect
//! to look into, of which the first output is on the screen. Everything else fails the run, as does a crowd of them.

use std::collections::BTreeSet;
use std::process::Command;

use crate::error::{Error, Result};
use crate::steps::{Captured, execute_captured};

/// More than these are no accident.
const MOST: usize = 3;
/// How often each of them has to pass, one after another.
const TIMES: u32 = 3;

/// Runs all tests, and those that failed again. `again` makes the command that takes names of tests as arguments.
pub(crate) fn run(first: &mut Command, again: impl Fn() -> Command) -> Result<String> {
    let captured = execute_captured(first)?;
    let Err(error) = captured.verdict() else { return Ok(String::new()) };
    let suspects = suspects(&captured).ok_or(error)?;
    let names = suspects.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    eprintln!("\nFailed once: {names}. Each has to pass {TIMES} times now.");
    for _ in 0..TIMES {
        let mut command = again();
        command.args(["--", "--exact", "--test-threads=1"]).args(&suspects);
        let repeated = execute_captured(&mut command)?;
        repeated.verdict()?;
        let passed = passed(&repeated.stdout);
        if let Some(missing) = suspects.iter().find(|name| !passed.contains(name.as_str())) {
            return Err(Error::new(format!("{missing} failed, and did not run when it was repeated")));
        }
    }
    Ok(format!("UNSTEADY, to be looked into: {names}"))
}

/// The tests that failed, if they are few and explain why the command did.
fn suspects(captured: &Captured) -> Option<BTreeSet<String>> {
    let failed: Vec<_> = captured.stdout.lines().filter_map(|line| verdict_of(line, "FAILED")).collect();
    let results: Vec<_> = captured.stdout.lines().filter_map(failures).collect();
    // A program that dies, does not compile, or fails as a documentation test has no line that tells its tests.
    let blamed = captured.stderr.lines().filter(|line| blames_a_target(line)).collect::<Vec<_>>();
    let explained = blamed.len() == results.len() && !blamed.iter().any(|line| line.contains("--doc"));
    // What a test prints past the capture may hide the line of another.
    let all_named = results.iter().sum::<usize>() == failed.len();
    let names: BTreeSet<String> = failed.iter().map(|name| (*name).to_owned()).collect();
    (explained && all_named && (1..=MOST).contains(&failed.len())).then_some(names)
}

/// The number in a line like "test result: FAILED. 69 passed; 1 failed; 0 ignored; …".
fn failures(line: &str) -> Option<usize> {
    let counts = line.strip_prefix("test result: FAILED.")?;
    Some(counts.split(';').find_map(|count| count.trim().strip_suffix(" failed")?.parse().ok()).unwrap_or(MOST + 1))
}

/// The list at the end of `cargo test --no-fail-fast`: "    `-p nebula-lock --test redis`".
fn blames_a_target(line: &str) -> bool {
    line.starts_with("    `-") && line.trim_end().ends_with('`')
}

fn passed(stdout: &str) -> BTreeSet<&str> {
    stdout.lines().filter_map(|line| verdict_of(line, "ok")).collect()
}

/// The name in a line like "test queue::keeps_order ... ok".
fn verdict_of<'a>(line: &'a str, verdict: &str) -> Option<&'a str> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    (result == verdict).then(|| name.strip_suffix(" - should panic").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        command
    }

    const ONE_FAILED: &str = "echo 'test a::b ... FAILED'; echo 'test a::c ... ok'; echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored'; \
                              printf 'error: 1 target failed:\\n    `-p x --test y`\\n' >&2; exit 101";

    #[test]
    fn what_passes_is_not_repeated() {
        let remark = run(&mut sh("echo 'test a ... ok'"), || panic!("nothing to repeat")).unwrap();
        assert_eq!(remark, "");
    }

    #[test]
    fn a_failure_that_goes_away_is_named() {
        let remark = run(&mut sh(ONE_FAILED), || sh("echo \"test $4 ... ok\"")).unwrap();
        assert_eq!(remark, "UNSTEADY, to be looked into: a::b");
    }

    #[test]
    fn a_failure_that_stays_fails() {
        assert!(run(&mut sh(ONE_FAILED), || sh("echo \"test $4 ... FAILED\"; exit 101")).is_err());
    }

    #[test]
    fn a_test_that_is_not_found_again_fails() {
        let error = run(&mut sh(ONE_FAILED), || sh("true")).unwrap_err().to_string();
        assert!(error.contains("a::b"), "{error}");
    }

    #[test]
    fn crowds_crashes_and_documentation_are_not_excused() {
        let captured = |stdout: &str, stderr: &str| Captured::failed(stdout, stderr);
        let blame = "    `-p x --lib`\n";
        let one = "test a ... FAILED\ntest result: FAILED. 0 passed; 1 failed\n";
        assert!(suspects(&captured(one, blame)).is_some());
        assert!(suspects(&captured(one, "")).is_none(), "cargo blames nobody");
        assert!(suspects(&captured(one, &format!("{blame}    `-p x --test died`\n"))).is_none(), "one program died");
        assert!(suspects(&captured(one, "    `-p x --doc`\n")).is_none(), "documentation");
        assert!(suspects(&captured("", blame)).is_none(), "no test failed");
        assert!(suspects(&captured(&one.replace("1 failed", "2 failed"), blame)).is_none(), "one is not named");
        let crowd: String = (0..=MOST).map(|n| format!("test t{n} ... FAILED\n")).collect();
        assert!(
            suspects(&captured(&format!("{crowd}test result: FAILED. 0 passed; 4 failed\n"), blame)).is_none(),
            "too many"
        );
    }
}
