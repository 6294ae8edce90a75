//! The platform on PostgreSQL: the tests of its API once more, each on a database of its own; and how it starts over.
#![allow(
    clippy::future_not_send,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "../api"]
mod api {
    mod account;
    mod admission {
        mod chain;
        mod desk;
        mod help;
        mod person;
    }
    mod archive;
    mod best;
    mod catalog;
    mod codes;
    mod counter;
    mod coupons;
    mod desk;
    mod document;
    mod identity;
    mod load;
    mod merchants;
    mod office;
    mod operations;
    mod orders;
    mod payments;
    mod pictures;
    mod rules;
    mod s3_server;
    mod screen;
    mod seats;
    mod second_factor;
    mod tickets;
    mod wanted;
}
#[path = "../common/mod.rs"]
mod common;
#[path = "../program/mod.rs"]
mod program;

use nebula_test_support::postgres_database;
use program::Program;
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn a_reset_takes_everything_of_the_platform_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let url = postgres_database().await;
    let command = |arguments: &[&str]| {
        let mut command = program::ticketing(&data, arguments);
        command.env("NEBULA_TICKETING__DATABASE__PROVIDER", "postgres").env("NEBULA_TICKETING__DATABASE__URL", &url);
        command
    };
    let mut database = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE somebody_elses (id BIGINT)").execute(&mut database).await.unwrap();
    for _ in 0..2 {
        let server = Program::spawn(command(&["--port", "0"]));
        let refused = command(&["reset", "--yes"]).output().unwrap();
        assert!(!refused.status.success(), "{refused:?}");
        let shows: i64 = sqlx::query_scalar("SELECT count(*) FROM shows").fetch_one(&mut database).await.unwrap();
        assert!(shows > 0);
        server.signal(Signal::TERM);
        assert_eq!(server.end().0, Some(0));

        let reset = command(&["reset", "--yes"]).output().unwrap();
        assert!(reset.status.success(), "{reset:?}");
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
        let left: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut database).await.unwrap();
        assert_eq!(left, ["somebody_elses"]);
    }
}

#[tokio::test]
async fn two_ledgers_for_one_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = postgres_database().await;
    let command = |data: &str| {
        let mut command = program::ticketing(&folder.path().join(data), &["--port", "0"]);
        command.env("NEBULA_TICKETING__DATABASE__PROVIDER", "postgres").env("NEBULA_TICKETING__DATABASE__URL", &url);
        command
    };
    let one = Program::spawn(command("one"));
    // As on another machine: nothing of the data folder is shared.
    let two = command("two").output().unwrap();
    let text = String::from_utf8_lossy(&two.stderr).into_owned();
    assert!(!two.status.success() && text.contains("ledger.provider") && text.contains("redis"), "{text}");
    one.signal(Signal::KILL);
    assert_eq!(one.end().0, None);
    // A crash gives the right back; but without the key of personal data nobody goes on.
    let two = command("two").output().unwrap();
    let text = String::from_utf8_lossy(&two.stderr).into_owned();
    assert!(!two.status.success() && text.contains("personal-data.key"), "{text}");
    let key = std::fs::read_to_string(folder.path().join("one/personal-data.secret")).unwrap();
    let mut with_key = command("two");
    with_key.env("NEBULA_TICKETING__PERSONAL_DATA__KEY", key.trim());
    let two = Program::spawn(with_key);
    two.signal(Signal::TERM);
    assert_eq!(two.end().0, Some(0));
}
