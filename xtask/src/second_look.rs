//! A second look at the few tests that failed: a program that fails is told apart from one that was held up.
//!
//! Hundreds of tests kill, freeze and part servers while all cores are busy. What fails there is repeated on an idle
//! machine, more than once. A test that then passes each time is reported as unsteady, by name and in the table: a defect
//! to look into, of which the first output is on the screen. Everything else fails the run, as does a crowd of them.

use std::collections::BTreeSet;

use crate::child::Ended;
use crate::error::{Error, Result};
use crate::servers::Environment;
use crate::test_programs::TestProgram;

/// More than these are no accident.
const MOST: usize = 3;
/// How often each of them has to pass, one after another.
const TIMES: u32 = 3;

/// Looks again at the programs that failed. What it returns is the remark on those that passed then.
pub(crate) fn at(failed: &[(TestProgram, Ended)], environment: &Environment) -> Result<String> {
    if failed.is_empty() {
        return Ok(String::new());
    }
    let refused = || Error::new(failed.iter().map(|(program, _)| program.name.as_str()).collect::<Vec<_>>().join(", "));
    let suspects: Vec<_> = failed.iter().map(|(_, ended)| suspects(&ended.said)).collect();
    let count: usize = suspects.iter().flatten().map(BTreeSet::len).sum();
    if count > MOST || suspects.iter().any(Option::is_none) {
        return Err(refused());
    }
    let mut names = Vec::new();
    for ((program, _), suspects) in failed.iter().zip(suspects.iter().flatten()) {
        names.extend(suspects.iter().map(|test| format!("{test} of {}", program.name)));
        for _ in 0..TIMES {
            repeat(program, suspects, environment)?;
        }
    }
    Ok(format!("UNSTEADY, to be looked into: {}", names.join(", ")))
}

fn repeat(program: &TestProgram, tests: &BTreeSet<String>, environment: &Environment) -> Result {
    let mut arguments = vec!["--exact", "--test-threads=1"];
    arguments.extend(tests.iter().map(String::as_str));
    let repeated = program.run(&arguments, environment)?;
    println!("\n     Again {}\n{}", program.name, repeated.said.trim_end());
    if let Some(failure) = repeated.failure {
        return Err(Error::new(format!("{}, again: {failure}", program.name)));
    }
    let passed = passed(&repeated.said);
    match tests.iter().find(|name| !passed.contains(name.as_str())) {
        None => Ok(()),
        Some(missing) => Err(Error::new(format!("{missing} failed, and did not run when it was repeated"))),
    }
}

/// The tests that failed, if they explain why their program did.
fn suspects(said: &str) -> Option<BTreeSet<String>> {
    let failed: BTreeSet<String> =
        said.lines().filter_map(|line| verdict_of(line, "FAILED")).map(str::to_owned).collect();
    // A program that dies prints no result. What a test prints past the capture may hide the line of another.
    let counted = said.lines().find_map(failures)?;
    (counted == failed.len() && counted > 0).then_some(failed)
}

/// The number in a line like "test result: FAILED. 69 passed; 1 failed; 0 ignored; …".
fn failures(line: &str) -> Option<usize> {
    let counts = line.strip_prefix("test result: FAILED.")?;
    counts.split(';').find_map(|count| count.trim().strip_suffix(" failed")?.parse().ok())
}

fn passed(said: &str) -> BTreeSet<&str> {
    said.lines().filter_map(|line| verdict_of(line, "ok")).collect()
}

/// The name in a line like "test queue::keeps_order ... ok".
fn verdict_of<'a>(line: &'a str, verdict: &str) -> Option<&'a str> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    (result == verdict).then(|| name.strip_suffix(" - should panic").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    /// A test program, and what it says when it is run once more.
    struct Script(PathBuf);

    impl Script {
        fn saying(again: &str) -> Self {
            let folder = crate::servers::temporary_directory("again").unwrap();
            let path = folder.join("script");
            std::fs::write(&path, format!("#!/bin/sh\n{again}\n")).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
            Self(path)
        }

        fn failed(&self, said: &str) -> (TestProgram, Ended) {
            let ended = Ended { said: said.to_owned(), failure: Some("failed".to_owned()), took: Duration::ZERO };
            (TestProgram::shell(&self.0), ended)
        }
    }

    impl Drop for Script {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    const ONE_FAILED: &str =
        "test a::b ... FAILED\ntest a::c ... ok\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n";

    #[test]
    fn where_nothing_failed_nothing_is_said() {
        assert_eq!(at(&[], &Environment::new()).unwrap(), "");
    }

    #[test]
    fn a_failure_that_goes_away_is_named() {
        let script = Script::saying("echo \"test $3 ... ok\"");
        let remark = at(&[script.failed(ONE_FAILED)], &Environment::new()).unwrap();
        assert_eq!(remark, "UNSTEADY, to be looked into: a::b of a script");
    }

    #[test]
    fn a_failure_that_stays_fails() {
        let script = Script::saying("echo \"test $3 ... FAILED\"; exit 101");
        assert!(at(&[script.failed(ONE_FAILED)], &Environment::new()).is_err());
    }

    #[test]
    fn a_test_that_is_not_found_again_fails() {
        let script = Script::saying("true");
        let error = at(&[script.failed(ONE_FAILED)], &Environment::new()).unwrap_err().to_string();
        assert!(error.contains("a::b"), "{error}");
    }

    #[test]
    fn crowds_and_crashes_are_not_excused() {
        let script = Script::saying("for test; do echo \"test $test ... ok\"; done");
        let looked =
            |said: &[&str]| at(&said.iter().map(|said| script.failed(said)).collect::<Vec<_>>(), &Environment::new());
        assert!(looked(&[ONE_FAILED]).is_ok());
        assert!(looked(&["test a ... ok\n"]).is_err(), "the program died");
        assert!(looked(&[ONE_FAILED, "test a ... ok\n"]).is_err(), "one of two died");
        assert!(looked(&[&ONE_FAILED.replace("1 failed", "2 failed")]).is_err(), "one is not named");
        assert!(looked(&[ONE_FAILED; MOST]).is_ok());
        assert!(looked(&[ONE_FAILED; MOST + 1]).is_err(), "too many");
    }
}
