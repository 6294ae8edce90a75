//! A program that is run to its end, or to its deadline.

use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Context, Result};

/// What became of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Both streams in their order.
    pub(crate) said: String,
    /// Why it did not succeed.
    pub(crate) failure: Option<String>,
    pub(crate) took: Duration,
}

/// Runs a program without input, and kills it at the deadline. What it says goes to a file first: no pipe that could run
/// full, or that children of the program could keep open.
pub(crate) fn run(mut command: Command, deadline: Duration) -> Result<Ended> {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let log = std::env::temp_dir().join(format!("nebula-run-{}-{run}", std::process::id()));
    let output = File::create_new(&log).context(format_args!("creating {}", log.display()))?;
    let errors = output.try_clone().context("sharing the log")?;
    let started = Instant::now();
    let spawned = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
    let child = spawned.context(format_args!("starting {}", command.get_program().display()));
    let failure = child.and_then(|mut child| {
        loop {
            match child.try_wait().context("waiting")? {
                Some(status) => break Ok((!status.success()).then(|| status.to_string())),
                None if started.elapsed() > deadline => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break Ok(Some(format!("still running after {} s", deadline.as_secs())));
                }
                None => sleep(Duration::from_millis(20)),
            }
        }
    });
    let said = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
    let _ = std::fs::remove_file(&log);
    Ok(Ended { said, failure: failure?, took: started.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_a_program_says_is_kept_with_how_it_ended() {
        let ended = run(shell("echo said; echo complained >&2; exit 3"), Duration::from_secs(60)).unwrap();
        assert_eq!(ended.said, "said\ncomplained\n");
        assert!(ended.failure.unwrap().contains("exit status: 3"));
        assert_eq!(run(shell("exit 0"), Duration::from_secs(60)).unwrap().failure, None);
        assert!(run(Command::new("no-such-program-here"), Duration::from_secs(60)).is_err());
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let ended = run(shell("echo begun; exec sleep 600"), Duration::from_millis(300)).unwrap();
        assert!(ended.failure.unwrap().contains("still running"));
        assert_eq!(ended.said, "begun\n");
    }
}
