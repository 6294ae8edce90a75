//! The audit log.

use std::{sync::Arc, time::Duration};

use nebula_auth::{
    ErrorKind,
    access::{AuthContext, Requirement},
    audit::{
        Appended, AuditEntry, AuditLog, AuditRecord, AuditSink, Decision, EntryHash, FileAuditSink, MemoryAuditSink,
        SqlAuditSink, TracingAuditSink, Verification, verify,
    },
    rbac::SqlRbacStore,
    sqlx::{
        MySqlPool, PgPool,
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    },
};
use nebula_test_support::{mariadb_database, postgres_database};
use tempfile::TempDir;

use super::{context, evaluator, mfa, order};

fn record(who: &str) -> AuditRecord {
    AuditRecord {
        who: who.to_owned(),
        what: "order:read".to_owned(),
        on: "order 7".to_owned(),
        decision: Decision::Denied,
        reason: "permission_denied".to_owned(),
        request_id: None,
    }
}

/// What every sink promises.
async fn contract(sink: Arc<dyn AuditSink>, peer: Arc<dyn AuditSink>) {
    assert_eq!(sink.last().await.unwrap(), None);
    let logs = [AuditLog::new(Arc::clone(&sink)), AuditLog::new(Arc::clone(&peer))];
    let writing: Vec<_> = (0..20usize)
        .map(|number| {
            let log = logs[number % 2].clone();
            tokio::spawn(async move {
                log.write(record(&format!("user {number}\r\n\"ä\u{1f512}\""))).await.unwrap().number
            })
        })
        .collect();
    let mut numbers = Vec::new();
    for task in writing {
        numbers.push(task.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    let Verification::Intact { entries: 20, last } = logs[0].verify().await.unwrap() else { panic!("not intact") };
    assert_eq!(peer.last().await.unwrap(), Some((20, last)));
    let entries = peer.read(18, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [19, 20]);
    assert_eq!(sink.append(&entries[0]).await.unwrap(), Appended::Taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    let sink = MemoryAuditSink::new();
    contract(Arc::new(sink.clone()), Arc::new(sink)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_the_contract_and_survives_half_a_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let sink = FileAuditSink::open(&path).unwrap();
    contract(Arc::new(sink.clone()), Arc::new(sink.clone())).await;
    assert!(FileAuditSink::open(&path).unwrap_err().is_retryable(), "one process at a time");
    drop(sink);
    // A crash in the middle of writing.
    let mut bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 20, "one line each, whatever is in them");
    bytes.extend_from_slice(b"{\"number\":21,\"at");
    std::fs::write(&path, &bytes).unwrap();
    // The lock goes with the last task that had the file.
    let sink = nebula_test_support::eventually(Duration::from_secs(60), || async { FileAuditSink::open(&path) }).await;
    let log = AuditLog::new(sink);
    assert_eq!(log.write(record("after")).await.unwrap().number, 21);
    assert!(matches!(log.verify().await.unwrap(), Verification::Intact { entries: 21, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_keep_the_contract() {
    let folder = TempDir::new().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("audit.db"))
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(30));
    let sqlite = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    SqlRbacStore::migrate(&sqlite).await.unwrap();
    contract(Arc::new(SqlAuditSink::new(sqlite.clone())), Arc::new(SqlAuditSink::new(sqlite))).await;

    let postgres = PgPool::connect(&postgres_database().await).await.unwrap();
    SqlRbacStore::migrate(&postgres).await.unwrap();
    contract(Arc::new(SqlAuditSink::new(postgres.clone())), Arc::new(SqlAuditSink::new(postgres))).await;

    let mariadb = MySqlPool::connect(&mariadb_database().await).await.unwrap();
    SqlRbacStore::migrate(&mariadb).await.unwrap();
    contract(Arc::new(SqlAuditSink::new(mariadb.clone())), Arc::new(SqlAuditSink::new(mariadb))).await;
}

#[tokio::test]
async fn every_change_to_a_log_shows() {
    let log = AuditLog::new(MemoryAuditSink::new());
    for number in 0..5 {
        log.write(record(&format!("user {number}"))).await.unwrap();
    }
    let entries = log.read(0, 10).await.unwrap();
    assert!(matches!(verify(&entries), Verification::Intact { entries: 5, .. }));
    let changed = |change: fn(&mut AuditEntry)| {
        let mut entries = entries.clone();
        change(&mut entries[2]);
        verify(&entries)
    };
    let changes: [fn(&mut AuditEntry); 8] = [
        |entry| entry.record.who = "eve".to_owned(),
        |entry| entry.record.what = "order:write".to_owned(),
        |entry| entry.record.on = String::new(),
        |entry| entry.record.decision = Decision::Granted,
        |entry| entry.record.reason = String::new(),
        |entry| entry.record.request_id = Some(String::new()),
        |entry| entry.at_ms += 1,
        |entry| entry.number += 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(changed(change), Verification::Broken { number: 3 }, "change {number}");
    }
    let mut without = entries.clone();
    without.remove(1);
    assert_eq!(verify(&without), Verification::Broken { number: 2 });
    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    assert_eq!(verify(&swapped), Verification::Broken { number: 2 });
    // Moving text from one field to the next is a change, too.
    let mut moved = entries;
    moved[2].record.who = "user 2o".to_owned();
    moved[2].record.what = "rder:read".to_owned();
    assert_eq!(verify(&moved), Verification::Broken { number: 3 });
}

#[tokio::test]
async fn refusals_and_second_factors_are_written_down() {
    let evaluator = evaluator().await;
    let log = AuditLog::new(MemoryAuditSink::new());
    let context = context(&evaluator, mfa(Duration::ZERO)).await.with_audit(log.clone()).with_request_id("r-1");
    context.require(&Requirement::permission::<order::Read>()).await.unwrap();
    context.require(&Requirement::Mfa(Duration::from_secs(60))).await.unwrap();
    let _ = context.require(&Requirement::permission::<order::Delete>()).await.unwrap_err();
    let anonymous = AuthContext::anonymous(evaluator).with_audit(log.clone());
    let _ = anonymous.require(&Requirement::Authenticated).await.unwrap_err();
    let lines: Vec<_> = log.read(0, 10).await.unwrap().into_iter().map(|entry| entry.record).collect();
    let line = |who: &str, what: &str, decision, reason: &str, id: Option<&str>| AuditRecord {
        who: who.to_owned(),
        what: what.to_owned(),
        on: String::new(),
        decision,
        reason: reason.to_owned(),
        request_id: id.map(str::to_owned),
    };
    assert_eq!(
        lines,
        [
            line("ann", "mfa within 1m", Decision::Granted, "", Some("r-1")),
            line("ann", "order:delete", Decision::Denied, "permission_denied", Some("r-1")),
            line("", "authenticated", Decision::Denied, "missing_credentials", None),
        ]
    );
}

#[tokio::test]
async fn changes_of_roles_are_written_down_with_who_made_them() {
    use nebula_auth::rbac::{Actor, MemoryRbacStore, PermissionPattern, RbacService, Role, RoleName, UserId};

    let log = AuditLog::new(MemoryAuditSink::new());
    let service = RbacService::new(MemoryRbacStore::new()).with_audit(log.clone());
    let (setup, bob) = (Actor::system("test"), UserId::new("bob").unwrap());
    let role = Role::new(RoleName::new("clerk").unwrap());
    service.create_role(&setup, role).await.unwrap().into_result().unwrap();
    let everything = PermissionPattern::everything();
    let refused = service.grant(&Actor::User(bob.clone()), &bob, &everything, None).await.unwrap();
    assert!(!refused.is_done());
    let entries = log.read(0, 10).await.unwrap();
    let lines: Vec<_> = entries.iter().map(|entry| &entry.record).collect();
    let fields = |at: usize| {
        let record = lines[at];
        (record.who.as_str(), record.what.as_str(), record.on.as_str(), record.decision, record.reason.as_str())
    };
    assert_eq!(lines.len(), 3);
    assert_eq!(fields(0), ("system: test", "rbac:role:write", "clerk", Decision::Attempted, ""));
    assert_eq!(fields(1), ("system: test", "rbac:role:write", "clerk", Decision::Changed, "commit 1"));
    assert_eq!(fields(2), ("bob", "rbac:user:write", "user bob", Decision::Denied, "not_allowed"));
}

/// Has room for so many entries.
#[derive(Debug)]
struct Small(MemoryAuditSink, u64);

#[async_trait::async_trait]
impl AuditSink for Small {
    async fn last(&self) -> Result<Option<(u64, EntryHash)>, nebula_auth::Error> {
        self.0.last().await
    }

    async fn append(&self, entry: &AuditEntry) -> Result<Appended, nebula_auth::Error> {
        match entry.number <= self.1 {
            true => self.0.append(entry).await,
            false => Err(nebula_auth::Error::new(ErrorKind::Unavailable, "no room")),
        }
    }

    async fn read(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, nebula_auth::Error> {
        self.0.read(after, limit).await
    }
}

/// Wherever the log fails: what is done is in it.
#[tokio::test]
async fn nothing_is_changed_that_the_log_does_not_know_of() {
    use nebula_auth::rbac::{Actor, MemoryRbacStore, PermissionPattern, RbacService, RbacStore, UserId};

    for room in 0..=4 {
        let (store, sink) = (MemoryRbacStore::new(), MemoryAuditSink::new());
        let log = AuditLog::new(Small(sink.clone(), room));
        let service = RbacService::new(store.clone()).with_audit(log);
        let (setup, ann) = (Actor::system("test"), UserId::new("ann").unwrap());
        let mut made = 0;
        for permission in ["order:read", "order:write"] {
            let pattern = PermissionPattern::new(permission).unwrap();
            made += u64::from(service.grant(&setup, &ann, &pattern, None).await.is_ok());
        }
        let (done, entries) = (store.head().await.unwrap().sequence, sink.read(0, 10).await.unwrap());
        let count = |decision| entries.iter().filter(|entry| entry.record.decision == decision).count() as u64;
        assert_eq!((made, entries.len() as u64), (room / 2, room), "reported as made only with both entries");
        assert_eq!((count(Decision::Attempted), count(Decision::Changed)), (done, made), "room for {room}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let evaluator = evaluator().await;
    let context =
        context(&evaluator, mfa(Duration::ZERO)).await.with_audit(AuditLog::new(Small(MemoryAuditSink::new(), 0)));
    let error = context.require(&Requirement::Mfa(Duration::from_secs(60))).await.unwrap_err();
    assert_eq!(error.status(), 503);
    let error = context.require(&Requirement::permission::<order::Delete>()).await.unwrap_err();
    assert_eq!(error.status(), 403, "a refusal stays one");
}

#[tokio::test]
async fn a_log_in_tracing_goes_on_and_cannot_be_read() {
    let log = AuditLog::new(TracingAuditSink::new());
    assert_eq!(log.write(record("a")).await.unwrap().number, 1);
    assert_eq!(log.write(record("b")).await.unwrap().number, 2);
    assert_eq!(log.read(0, 1).await.unwrap_err().kind(), ErrorKind::InvalidInput);
}
