//! The program as a child process.
#![allow(clippy::panic, clippy::unwrap_used, dead_code, missing_docs, unreachable_pub, reason = "helps tests")]

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// The running program with its output captured; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    pub welcome: String,
    pub url: String,
}

pub fn ticketing(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ticketing"));
    command.args(arguments).arg("--data").arg(folder).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn ended(folder: &Path, arguments: &[&str]) -> Output {
    ticketing(folder, arguments).output().unwrap()
}

impl Program {
    /// Starts a server on any free port and waits until it listens.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(ticketing(folder, &[&["--port", "0"], arguments].concat()))
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut welcome = String::new();
        while !welcome.contains("Ctrl-C") {
            assert!(output.read_line(&mut welcome).unwrap() > 0, "it ended: {welcome}");
        }
        let at = welcome.find("http://").unwrap();
        let url = welcome[at..].split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        Self { child, output, welcome, url }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; answers the exit code and what was printed since the start.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), rest);
            }
            assert!(Instant::now() < deadline, "it does not end: {rest}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
