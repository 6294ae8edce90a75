//! The test programs that cargo builds, and how they are run: several at a time, since most of them wait most of the time,
//! and each with a deadline.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::child::{self, Ended};
use crate::error::{Context, Error, Result};
use crate::servers::Environment;

/// A program that has not ended after this has got stuck. The longest takes two minutes.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestProgram {
    /// The source it is built from, as seen from the root: `nebula-lock/tests/redis.rs`.
    pub(crate) name: String,
    file: PathBuf,
    /// Where it expects to run.
    package: PathBuf,
}

impl TestProgram {
    /// Runs it as cargo would.
    pub(crate) fn run(&self, arguments: &[&str], environment: &Environment) -> Result<Ended> {
        let mut command = Command::new(&self.file);
        command.args(arguments).current_dir(&self.package).env("CARGO_MANIFEST_DIR", &self.package);
        command.envs(environment.iter().cloned());
        child::run(command, DEADLINE)
    }

    #[cfg(test)]
    pub(crate) fn shell(script: &std::path::Path) -> Self {
        Self { name: "a script".to_owned(), file: script.to_path_buf(), package: "/".into() }
    }
}

/// Builds what `cargo test` would run. `command` is that with `--no-run`.
pub(crate) fn build(mut command: Command) -> Result<Vec<TestProgram>> {
    command.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("starting cargo")?;
    if !output.status.success() {
        return Err(Error::new("the tests do not compile"));
    }
    let root = std::env::current_dir().context("where is the workspace?")?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let programs: Vec<_> = messages.lines().filter_map(|message| program(message, &root)).collect();
    if programs.is_empty() {
        return Err(Error::new("cargo names no test programs: has the format of its messages changed?"));
    }
    Ok(programs)
}

/// Reads a `compiler-artifact` message of cargo, if it tells of a program that contains tests.
fn program(message: &str, root: &std::path::Path) -> Option<TestProgram> {
    let text = |name: &str| {
        let (_, value) = message.split_once(&format!("\"{name}\":\""))?;
        value.split_once('"').map(|(value, _)| value)
    };
    let profile = message.split_once("\"profile\":{")?.1.split_once('}')?.0;
    if text("reason")? != "compiler-artifact" || !profile.contains("\"test\":true") {
        return None;
    }
    let source = PathBuf::from(text("src_path")?);
    Some(TestProgram {
        name: source.strip_prefix(root).unwrap_or(&source).display().to_string(),
        file: text("executable")?.into(),
        package: PathBuf::from(text("manifest_path")?).parent()?.to_path_buf(),
    })
}

/// Runs all of them, `at_once` at a time, and shows what each has said when it ends. Those that fail are returned.
pub(crate) fn run_all(
    programs: &[TestProgram],
    at_once: usize,
    environment: &Environment,
) -> Result<Vec<(TestProgram, Ended)>> {
    let (next, failed, shown) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(0_usize));
    let work = || -> Result {
        while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let ended = program.run(&[], environment)?;
            let mut count = shown.lock().map_err(|_| Error::new("another worker has panicked"))?;
            *count += 1;
            let verdict = ended.failure.as_deref().map_or("ok".to_owned(), |failure| format!("FAILED: {failure}"));
            let place = format!("{count}/{}", programs.len());
            println!("\n     Running {} ({place})\n{}", program.name, ended.said.trim_end());
            println!("     {}: {verdict}, {:.1} s", program.name, ended.took.as_secs_f64());
            if ended.failure.is_some() {
                failed.lock().map_err(|_| Error::new("another worker has panicked"))?.push((program.clone(), ended));
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| Error::new("a worker has panicked"))?)
    })?;
    failed.into_inner().map_err(|_| Error::new("a worker has panicked"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const ARTIFACT: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///r/a#0.1.0","manifest_path":"/r/a/Cargo.toml","target":{"kind":["test"],"crate_types":["bin"],"name":"redis","src_path":"/r/a/tests/redis.rs","edition":"2024","doc":false,"doctest":false,"test":true},"profile":{"opt_level":"0","debuginfo":1,"debug_assertions":true,"overflow_checks":true,"test":true},"features":[],"filenames":["/r/t/redis-1"],"executable":"/r/t/redis-1","fresh":true}"#;

    #[test]
    fn test_programs_are_read_from_cargos_messages() {
        let expected =
            TestProgram { name: "a/tests/redis.rs".to_owned(), file: "/r/t/redis-1".into(), package: "/r/a".into() };
        assert_eq!(program(ARTIFACT, Path::new("/r")), Some(expected));
        let example = ARTIFACT.replace("checks\":true,\"test\":true", "checks\":true,\"test\":false");
        assert_eq!(program(&example, Path::new("/r")), None, "a program without tests");
        let library = ARTIFACT.replace("\"executable\":\"/r/t/redis-1\"", "\"executable\":null");
        assert_eq!(program(&library, Path::new("/r")), None, "a library");
        assert_eq!(program(r#"{"reason":"build-finished","success":true}"#, Path::new("/r")), None);
    }

    #[test]
    fn all_are_run_whatever_fails() {
        let folder = crate::servers::temporary_directory("scripts").unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
            TestProgram::shell(&path)
        };
        let programs = [script("a", "exit 1"), script("b", "test \"$WHERE\" = here"), script("c", "exit 3")];
        let failed = run_all(&programs, 2, &vec![("WHERE".to_owned(), "here".to_owned())]).unwrap();
        let mut files: Vec<_> = failed.iter().map(|(program, _)| program.file.clone()).collect();
        files.sort();
        assert_eq!(files, [folder.join("a"), folder.join("c")]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
