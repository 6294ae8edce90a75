//! Runs the examples of the libraries and the quickstart programs: what the documents tell people to type must work.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::child::{self, Ended};
use crate::error::{Context, Error, Result};
use crate::servers::Servers;
use crate::workspace;

/// An example shows something and ends; one that is still running after this has got stuck.
const DEADLINE: Duration = Duration::from_secs(120);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// As the reader knows it: `nebula-lock example basic`.
    name: String,
    file: PathBuf,
    /// What its documentation says to call it with.
    arguments: Vec<String>,
}

/// The address that examples name in their documentation.
const DOCUMENTED_REDIS: &str = "redis://127.0.0.1/";

/// Every example of every library, and every quickstart program, in the directory that cargo has built them into.
pub(crate) fn all(built: &Path) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for library in workspace::LIBRARIES {
        let folder = Path::new(library).join("examples");
        for name in workspace::targets_in(&folder) {
            let arguments = documented_arguments(&folder, &name)?;
            let file = built.join("examples").join(&name);
            programs.push(Program { name: format!("{library} example {name}"), file, arguments });
        }
    }
    let folder = Path::new("examples/quickstart/src/bin");
    for name in workspace::targets_in(folder) {
        let arguments = documented_arguments(folder, &name)?;
        programs.push(Program { name: format!("quickstart {name}"), file: built.join(&name), arguments });
    }
    let mut files: Vec<&PathBuf> = programs.iter().map(|program| &program.file).collect();
    files.sort();
    match files.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(programs),
        Some(pair) => Err(Error::new(format!("two examples would both be built as {}", pair[0].display()))),
    }
}

fn documented_arguments(folder: &Path, name: &str) -> Result<Vec<String>> {
    let candidates = [folder.join(name).with_extension("rs"), folder.join(name).join("main.rs")];
    let source = candidates.iter().find(|path| path.is_file()).unwrap_or(&candidates[0]);
    let text = std::fs::read_to_string(source).context(format_args!("reading {}", source.display()))?;
    Ok(arguments_in(&text))
}

/// What follows `--` in the first `cargo run` of a program's documentation.
fn arguments_in(source: &str) -> Vec<String> {
    let line =
        source.lines().take_while(|line| line.starts_with("//!")).find_map(|line| line.split_once("`cargo run "));
    let command = line.map(|(_, rest)| rest.split('`').next().unwrap_or(rest)).unwrap_or_default();
    let arguments = command.split_once(" -- ").map(|(_, arguments)| arguments).unwrap_or_default();
    arguments.split_whitespace().map(str::to_owned).collect()
}

/// Runs them one after the other. The output is shown for those that fail.
pub(crate) fn run(programs: &[Program], servers: &Servers) -> Result<String> {
    if programs.is_empty() {
        return Err(Error::new("no examples were found"));
    }
    let mut failed = Vec::new();
    for program in programs {
        let mut command = Command::new(&program.file);
        command.args(program.arguments.iter().map(|argument| argument.replace(DOCUMENTED_REDIS, servers.redis_url())));
        command.envs(servers.environment());
        let problem = match child::run(command, DEADLINE) {
            Ok(Ended { failure: None, took, .. }) => {
                eprintln!("ok      {}  {:.1}s", program.name, took.as_secs_f64());
                continue;
            }
            Ok(Ended { failure: Some(failure), said, .. }) => format!("{failure}\n{said}"),
            Err(error) => error.to_string(),
        };
        eprintln!("FAILED  {}: {problem}", program.name);
        failed.push(program.name.as_str());
    }
    if failed.is_empty() {
        Ok(format!("programs run: {}", programs.len()))
    } else {
        Err(Error::new(format!("{} of {} failed: {}", failed.len(), programs.len(), failed.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_does_not_keep_the_others_from_running() {
        let program = |name: &str, argument: &str| Program {
            name: name.to_owned(),
            file: name.into(),
            arguments: vec![argument.to_owned()],
        };
        let servers = Servers::start().unwrap();
        let three = [program("false", ""), program("true", ""), program("no-such-program-here", "")];
        let error = run(&three, &servers).unwrap_err().to_string();
        assert_eq!(error, "2 of 3 failed: false, no-such-program-here");
        assert_eq!(run(&[program("true", "")], &servers).unwrap(), "programs run: 1");
    }

    #[test]
    fn arguments_come_from_the_documentation() {
        let source =
            "//! Lists locks.\n//!\n//! `cargo run -p x --example y -- redis://127.0.0.1/ list seat:`\n\nfn main() {}";
        assert_eq!(arguments_in(source), ["redis://127.0.0.1/", "list", "seat:"]);
        assert!(arguments_in("//! `cargo run -p x --example y`\n").is_empty());
        assert!(arguments_in("fn main() {}\n//! `cargo run -p x -- y`\n").is_empty());
    }

    #[test]
    fn no_examples_at_all_is_a_mistake() {
        assert!(run(&[], &Servers::start().unwrap()).is_err());
    }
}
