//! Changes and their entries in the audit log, in one database.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nebula_auth::{
    audit::{AuditLog, AuditRecord, AuditSink as _, Decision, SqlAuditSink, Verification},
    rbac::{Actor, PermissionPattern, RbacService, RbacStore, SqlRbacStore, UserId},
    sqlx::{
        self, MySqlPool, PgPool, SqlitePool,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
    },
};
use nebula_test_support::{eventually, mariadb_database, postgres_database};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

async fn sqlite(folder: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("auth.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(PATIENCE);
    SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

async fn grant(service: &RbacService, user: usize) -> Result<(), nebula_auth::Error> {
    let (id, pattern) = (UserId::new(format!("u{user}")).unwrap(), PermissionPattern::new("order:read").unwrap());
    let outcome = service.grant(&Actor::system("test"), &id, &pattern, None).await?;
    assert!(outcome.is_done());
    Ok(())
}

/// Changes that are broken off anywhere, while others write to the log: every commit has its entry, every entry its commit.
async fn every_commit_has_its_entry(store: Arc<dyn RbacStore>, log: AuditLog, other: AuditLog) {
    let service = RbacService::new(Arc::clone(&store)).with_audit(log.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..24usize {
        let (service, other) = (service.clone(), other.clone());
        tasks.spawn(async move {
            match number % 3 {
                0 => grant(&service, number).await.unwrap(),
                // Before, in the middle of, or after the transaction.
                1 => {
                    let while_it_lasts = Duration::from_micros(300 * number as u64);
                    let _ = tokio::time::timeout(while_it_lasts, grant(&service, number)).await;
                }
                _ => {
                    let record = AuditRecord {
                        who: format!("u{number}"),
                        what: "order:read".to_owned(),
                        on: String::new(),
                        decision: Decision::Denied,
                        reason: "permission_denied".to_owned(),
                        request_id: None,
                    };
                    other.write(record).await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
    // What was broken off may still be under way at the server.
    eventually(PATIENCE, || async {
        let entries = log.read(0, 1000).await.map_err(|error| error.to_string())?;
        let done = store.head().await.map_err(|error| error.to_string())?.sequence;
        let mut commits = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.record.decision == Decision::Changed) {
            *commits.entry(entry.record.reason.clone()).or_insert(0) += 1;
        }
        let expected: BTreeMap<String, i32> = (1..=done).map(|number| (format!("commit {number}"), 1)).collect();
        let others = entries.iter().filter(|entry| entry.record.decision != Decision::Changed);
        assert!(others.into_iter().all(|entry| entry.record.decision == Decision::Denied), "no attempt is needed");
        if commits == expected && done >= 8 { Ok(()) } else { Err(format!("{commits:?} for {done} commits")) }
    })
    .await;
    assert!(matches!(log.verify().await.unwrap(), Verification::Intact { .. }));
}

macro_rules! recorded {
    ($name:ident, $pool:expr, $change:expr) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let folder = TempDir::new().unwrap();
            let connect = $pool;
            let url = connect(&folder).await;
            let (pool, other) = (url.clone().await_pool(&folder).await, url.await_pool(&folder).await);
            SqlRbacStore::migrate(&pool).await.unwrap();
            let store = SqlRbacStore::new(pool.clone()).with_timeout(PATIENCE);
            let (sink, peer) = (SqlAuditSink::new(pool.clone()), SqlAuditSink::new(other));
            assert_eq!(store.log_place(), sink.place());
            assert_ne!(store.log_place(), peer.place(), "another pool has other transactions");
            let log = AuditLog::new(sink);
            every_commit_has_its_entry(Arc::new(store.clone()), log.clone(), AuditLog::new(peer)).await;

            // A log that cannot be written: nothing is changed.
            let service = RbacService::new(store.clone()).with_audit(log.clone());
            let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&pool).await;
            let before = store.head().await.unwrap();
            run("ALTER TABLE nebula_auth_audit RENAME TO hidden").await.unwrap();
            grant(&service, 1000).await.unwrap_err();
            assert_eq!(store.head().await.unwrap(), before);
            run("ALTER TABLE hidden RENAME TO nebula_auth_audit").await.unwrap();
            grant(&service, 1000).await.unwrap();
            assert_eq!(store.head().await.unwrap().sequence, before.sequence + 1);

            // And what is written stays.
            let entries = log.read(0, 1000).await.unwrap();
            for sql in $change {
                let error = run(sql).await.unwrap_err().to_string();
                assert!(error.contains("append-only"), "{sql}: {error}");
            }
            assert_eq!(log.read(0, 1000).await.unwrap(), entries);
        }
    };
}

/// Where a database is.
#[derive(Clone)]
struct File;
#[derive(Clone)]
struct Postgres(String);
#[derive(Clone)]
struct MariaDb(String);

impl File {
    async fn await_pool(self, folder: &TempDir) -> SqlitePool {
        sqlite(folder).await
    }
}

impl Postgres {
    async fn await_pool(self, _: &TempDir) -> PgPool {
        PgPool::connect(&self.0).await.unwrap()
    }
}

impl MariaDb {
    async fn await_pool(self, _: &TempDir) -> MySqlPool {
        MySqlPool::connect(&self.0).await.unwrap()
    }
}

recorded!(
    sqlite_records_changes_with_them,
    async |_: &TempDir| File,
    [
        "UPDATE nebula_auth_audit SET who = 'eve' WHERE number = 1",
        "UPDATE OR REPLACE nebula_auth_audit SET number = 1 WHERE number = 2",
        "DELETE FROM nebula_auth_audit WHERE number = 1",
        "DELETE FROM nebula_auth_audit",
        "INSERT OR REPLACE INTO nebula_auth_audit (number, at_ms, who, hash, body) VALUES (1, 0, '', '', '')",
    ]
);

recorded!(
    postgres_records_changes_with_them,
    async |_: &TempDir| Postgres(postgres_database().await),
    [
        "UPDATE nebula_auth_audit SET who = 'eve' WHERE number = 1",
        "DELETE FROM nebula_auth_audit WHERE number = 1",
        "TRUNCATE nebula_auth_audit",
        "INSERT INTO nebula_auth_audit (number, at_ms, who, hash, body) VALUES (1, 0, '', '', '')
     ON CONFLICT (number) DO UPDATE SET who = 'eve'",
    ]
);

recorded!(
    mariadb_records_changes_with_them,
    async |_: &TempDir| MariaDb(mariadb_database().await),
    [
        "UPDATE nebula_auth_audit SET who = 'eve' WHERE number = 1",
        "DELETE FROM nebula_auth_audit WHERE number = 1",
        "REPLACE INTO nebula_auth_audit (number, at_ms, who, hash, body) VALUES (1, 0, '', '', '')",
        "INSERT INTO nebula_auth_audit (number, at_ms, who, hash, body) VALUES (1, 0, '', '', '')
     ON DUPLICATE KEY UPDATE who = 'eve'",
    ]
);
