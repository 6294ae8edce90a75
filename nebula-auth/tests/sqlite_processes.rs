//! Several processes exchange one refresh token at the same moment, on one database file.
//!
//! The parent starts copies of itself, lets them go by creating a file, and compares what they got.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test is meant to panic")]

use std::{
    collections::HashSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use nebula_auth::{
    KeySet, NewSession, RefreshOptions, Refreshed, SessionService, SigningKey, SqliteRefreshStore, TokenService,
    migrate,
    secrecy::{ExposeSecret, SecretString},
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

const CHILDREN: usize = 4;
const REFRESHERS_PER_CHILD: usize = 25;
const KEY: &str = "kQ4vW8zR1tY6uI3oP9aS5dF2gH7jK0lX";
const CHILD: &str = "NEBULA_AUTH_TEST_CHILD";

async fn sessions(folder: &Path) -> SessionService {
    let options = SqliteConnectOptions::new()
        .filename(folder.join("auth.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(60));
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
    migrate(&pool).await.unwrap();
    let keys = KeySet::new(SigningKey::hs256_named_by_hash(KEY).unwrap());
    let tokens = TokenService::new(keys, "issuer", "audience").unwrap();
    SessionService::new(tokens, SqliteRefreshStore::new(pool)).with_grace(Duration::from_secs(60)).unwrap()
}

async fn child(folder: &Path) {
    let sessions = sessions(folder).await;
    let token = SecretString::from(fs::read_to_string(folder.join("token")).unwrap());
    fs::write(folder.join(format!("ready-{}", std::process::id())), "").unwrap();
    tokio::time::timeout(Duration::from_secs(120), async {
        while !folder.join("go").exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("the parent gives the word within two minutes");
    let refreshers: Vec<_> = (0..REFRESHERS_PER_CHILD)
        .map(|_| {
            let (sessions, token) = (sessions.clone(), token.clone());
            tokio::spawn(async move { sessions.refresh(&token, RefreshOptions::new()).await.unwrap() })
        })
        .collect();
    for refresher in refreshers {
        match refresher.await.unwrap() {
            Refreshed::Renewed(pair) => println!("{}", pair.refresh_token.expose_secret()),
            Refreshed::Refused(refusal) => println!("refused: {refusal}"),
        }
    }
}

async fn parent(folder: &Path) {
    let sessions = sessions(folder).await;
    let first = sessions.start(NewSession::new("ann")).await.unwrap();
    fs::write(folder.join("token"), first.refresh_token.expose_secret()).unwrap();

    let children: Vec<_> = (0..CHILDREN)
        .map(|_| Command::new(env::current_exe().unwrap()).env(CHILD, folder).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let ready = || fs::read_dir(folder).unwrap().filter(|entry| is_ready(&entry.as_ref().unwrap().path())).count();
    tokio::time::timeout(Duration::from_secs(60), async {
        while ready() < CHILDREN {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the processes start within a minute");
    fs::write(folder.join("go"), "").unwrap();

    let mut lines = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "a process failed");
        lines.extend(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned));
    }
    assert_eq!(lines.len(), CHILDREN * REFRESHERS_PER_CHILD);
    let successors: HashSet<_> = lines.iter().collect();
    assert_eq!(successors.len(), 1, "every refresher gets the same successor: {successors:?}");

    let successor = SecretString::from(lines.remove(0));
    let next = sessions.refresh(&successor, RefreshOptions::new()).await.unwrap();
    assert!(matches!(next, Refreshed::Renewed(_)), "the session lives on");
    let late = sessions.refresh(&first.refresh_token, RefreshOptions::new()).await.unwrap();
    assert!(matches!(late, Refreshed::Refused(_)), "the first token is used up");
}

fn is_ready(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ready-"))
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(folder) = env::var_os(CHILD) {
        runtime.block_on(child(&PathBuf::from(folder)));
    } else {
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(parent(folder.path()));
        println!("{CHILDREN} processes with {REFRESHERS_PER_CHILD} refreshers each: one successor");
    }
    ExitCode::SUCCESS
}
