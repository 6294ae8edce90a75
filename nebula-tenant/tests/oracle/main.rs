//! Random statements, run behind the wall in a database that tenants share, and as they are in a database that holds one tenant
//! alone: the answers have to be the same, and nobody else's rows may change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod generate;
mod world;

use nebula_tenant::db::TenantDatabase;
use nebula_tenant::wall::SqlDialect;
use nebula_test_support::{mariadb_database, postgres_database};

use generate::Generator;
use world::{Answers, World};

/// `NEBULA_WALL_STATEMENTS` asks for more, `NEBULA_WALL_SEED` for others.
fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

async fn compare<DB: Answers>(shared: &str, alone: &str, statements: u64) {
    let seed = number("NEBULA_WALL_SEED", 1);
    let world = World::<DB>::new(shared, alone).await;
    let others = world.others().await;
    let mut generator = Generator::new(seed, DB::DIALECT);
    let (mut answered, mut rows, mut changed) = (0_u64, 0, 0);
    for place in 0..number("NEBULA_WALL_STATEMENTS", statements) {
        let statement = generator.statement();
        let told = |what: &str| format!("{what} (seed {seed}, statement {place}):\n{}", statement.sql);
        let (behind, plain) = world.both(&statement.sql, statement.reads).await;
        match (behind, plain) {
            (Ok(behind), Ok(plain)) => {
                assert_eq!(behind, plain, "{}", told("other answers than alone"));
                answered += 1;
                rows += behind.len();
                changed += u64::from(!statement.reads && behind.first().is_some_and(|row| row != "0"));
            }
            // A key is taken, say.
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => panic!("{}\n{error}", told("only behind the wall it works")),
            (Err(error), Ok(_)) => panic!("{}\n{error}", told("behind the wall it does not work")),
        }
        if !statement.reads {
            assert_eq!(world.own().await, world.alone().await, "{}", told("other rows than alone"));
        }
        if place % 50 == 0 || !statement.reads {
            assert_eq!(world.others().await, others, "{}", told("somebody else's rows changed"));
        }
        if place % 100 == 99 {
            world.refill().await;
        }
    }
    // The test is worth nothing if little of it gets an answer.
    assert!(answered * 10 >= statements * 8, "{answered} of {statements} were answered");
    assert!(rows as u64 > statements && changed > statements / 20, "{rows} rows, {changed} changes");
}

#[tokio::test]
async fn sqlite_answers_as_if_alone() {
    compare::<sqlx::Sqlite>("sqlite::memory:", "sqlite::memory:", 1000).await;
}

#[tokio::test]
async fn postgres_answers_as_if_alone() {
    compare::<sqlx::Postgres>(&postgres_database().await, &postgres_database().await, 300).await;
}

#[tokio::test]
async fn mariadb_answers_as_if_alone() {
    compare::<sqlx::MySql>(&mariadb_database().await, &mariadb_database().await, 300).await;
}

#[test]
fn every_dialect_is_here() {
    let all = [<sqlx::Sqlite as TenantDatabase>::DIALECT, sqlx::Postgres::DIALECT, sqlx::MySql::DIALECT];
    assert_eq!(all, [SqlDialect::Sqlite, SqlDialect::Postgres, SqlDialect::MySql]);
}
