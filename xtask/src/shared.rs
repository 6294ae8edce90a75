//! The servers that take long to start, once for all tests of a run: SQL servers, a cluster, sentinels.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::error::{Context, Error, Result};
use crate::servers::Environment;

/// The program of `nebula-test-support` that keeps them. It ends them when the other end of its standard input is gone,
/// also if we are killed.
const KEEPER: &str = "shared-servers";

#[derive(Debug)]
pub(crate) struct SharedServers {
    keeper: Child,
    environment: Environment,
}

impl SharedServers {
    /// Starts them with the program that cargo has put into the folder `built`.
    pub(crate) fn start(built: &Path, environment: &Environment) -> Result<Self> {
        Self::keep(Command::new(built.join(KEEPER)).envs(environment.iter().cloned()))
    }

    fn keep(command: &mut Command) -> Result<Self> {
        let keeper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut shared =
            Self { keeper: keeper.context(format_args!("starting {KEEPER}"))?, environment: Environment::new() };
        let said = shared.keeper.stdout.take().ok_or_else(|| Error::new("no standard output"))?;
        for line in BufReader::new(said).lines() {
            let line = line.context(format_args!("reading from {KEEPER}"))?;
            match line.split_once('=') {
                Some((name, value)) => shared.environment.push((name.to_owned(), value.to_owned())),
                None => return Ok(shared),
            }
        }
        Err(Error::new(format!("{KEEPER} ended before its servers had started; what it said stands above")))
    }

    /// What tells the tests where they are.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

impl Drop for SharedServers {
    fn drop(&mut self) {
        // Its servers end with it in whatever way it ends, and nobody has to wait until a thousand databases are deleted.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Result<SharedServers> {
        SharedServers::keep(Command::new("sh").args(["-c", text]))
    }

    #[test]
    fn its_variables_are_read_and_it_ends_with_us() {
        let shared = script("echo A=1; echo B=x=y; echo; cat >/dev/null").unwrap();
        let expected = [("A", "1"), ("B", "x=y")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(shared.environment(), &expected);
        drop(shared);
    }

    #[test]
    fn an_early_end_is_an_error() {
        assert!(script("echo A=1").unwrap_err().to_string().contains("before its servers"));
    }
}
