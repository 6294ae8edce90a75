//! A server dies with the process that started it, however that ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nebula_test_support::{ServerProcess, ServerSpec, StartError, eventually};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

const LONG: Duration = Duration::from_secs(30);

fn runs(pid: u32) -> bool {
    // A zombie that waits for its (new) parent is as good as gone, but answers to signals.
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let zombie = state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    test_kill_process(pid).is_ok() && !zombie
}

async fn gone(pid: u32) {
    eventually(LONG, || async { !runs(pid) }).await;
}

/// A process that holds a server, the server's process id, and its folder.
fn held(server: &str) -> (Child, u32, PathBuf) {
    let mut holder = Command::new(env!("CARGO_BIN_EXE_hold-server"));
    let mut parent = holder.arg(server).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (pid, folder) = line.trim().split_once(' ').unwrap();
    (parent, pid.parse().unwrap(), folder.into())
}

#[tokio::test]
async fn a_server_dies_with_its_parent_even_on_sigkill() {
    for server in ["redis", "mariadb", "postgres"] {
        let (mut parent, pid, folder) = held(server);
        assert!(runs(pid));
        assert!(folder.join("server.log").is_file());

        kill_process(Pid::from_child(&parent), Signal::KILL).unwrap();
        parent.wait().unwrap();

        gone(pid).await;
        eventually(LONG, || async { !folder.exists() }).await;
    }
}

#[tokio::test]
async fn a_frozen_server_dies_with_its_parent_too() {
    for server in ["redis", "postgres"] {
        let (mut parent, pid, _) = held(server);
        // PostgreSQL's processes have groups of their own.
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let children: Vec<u32> = children.split_whitespace().map(|child| child.parse().unwrap()).collect();
        assert_eq!(children.is_empty(), server == "redis", "{children:?}");
        for pid in children.iter().chain([&pid]) {
            kill_process(Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap(), Signal::STOP).unwrap();
        }
        parent.kill().unwrap();
        parent.wait().unwrap();
        gone(pid).await;
        for child in children {
            gone(child).await;
        }
    }
}

/// A server that starts a helper of its own and notes both process ids.
fn family(folder: &Path) -> ServerSpec {
    let ready = folder.join("helper");
    ServerSpec::new("sh", folder).args(["-c", "sleep 1000 & echo $! > helper.new; mv helper.new helper; wait"]).probe(
        Arc::new(move |_| {
            let ready = ready.clone();
            Box::pin(async move { ready.is_file().then_some(()).ok_or_else(|| "no helper yet".to_owned()) })
        }),
    )
}

#[tokio::test]
async fn what_a_server_started_dies_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(family(folder.path())).await.unwrap();
    let helper: u32 = std::fs::read_to_string(folder.path().join("helper")).unwrap().trim().parse().unwrap();
    let pid = server.id();
    assert!(runs(helper) && runs(pid));
    drop(server);
    gone(pid).await;
    gone(helper).await;
    assert!(folder.path().join("server.log").is_file(), "a folder that is kept has lost its content");
}

#[tokio::test]
async fn the_end_of_a_server_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(family(folder.path())).await.unwrap();
    assert!(server.is_running());
    server.terminate();
    eventually(LONG, || async { !server.is_running() }).await;
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ServerSpec::new("sh", folder.path()).args(["-c", "echo no such database; exit 7"]);
    let spec = spec.probe(Arc::new(|_| Box::pin(async { Err("not up".to_owned()) })));
    let error = ServerProcess::start(spec).await.unwrap_err();
    assert!(matches!(&error, StartError::Ended { status, .. } if status == "7"), "{error:?}");
    assert!(error.to_string().contains("no such database"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_get_ready_says_what_the_probe_said() {
    let folder = tempfile::tempdir().unwrap();
    let spec = family(folder.path()).ready_within(Duration::from_millis(200));
    let spec = spec.probe(Arc::new(|_| Box::pin(async { Err("still warming up".to_owned()) })));
    let error = ServerProcess::start(spec).await.unwrap_err();
    assert!(matches!(error, StartError::NotReady { .. }), "{error:?}");
    assert!(error.to_string().contains("still warming up"), "{error}");
}

#[tokio::test]
async fn a_missing_program_names_the_command_that_installs_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = ServerProcess::start(ServerSpec::new("no-such-server", folder.path())).await.unwrap_err();
    assert!(matches!(&error, StartError::Missing { program } if program == "no-such-server"), "{error:?}");
    assert!(error.to_string().contains("cargo xtask test"), "{error}");
}

#[tokio::test]
async fn root_hands_a_server_over_to_another_user() {
    let folder = tempfile::tempdir().unwrap();
    let spec = ServerSpec::new("sh", folder.path())
        .run_as("nobody")
        .args(["-c", "id -un > who.new; mv who.new who; sleep 1000"]);
    let server = ServerProcess::start(spec).await.unwrap();
    let who = folder.path().join("who");
    let who = eventually(LONG, || async { std::fs::read_to_string(&who) }).await;
    let me = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let expected = if me.trim() == "root" { "nobody" } else { me.trim() };
    assert_eq!(who.trim(), expected, "{}", server.log_tail());
}
