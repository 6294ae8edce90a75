//! What a store keeps of people is sealed: with every operation, for what was there before, and against whoever reads the database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, RandomizedNonceKey},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use nebula_notification::{
    Address, Attachment, AudienceStore, Channel, Content, Error, ErrorKind, Fanout, Inbox, InboxQuery, Job, Kind,
    ManualClock, MemoryTemplates, Notification, NotificationTemplate, Notifier, ParamSpec, Phone, Preferences,
    Recipient, RecordQuery, RecordStore, Result, SealedPlace, Sealer, SqlStore,
    sqlx::{
        self, Row as _, SqlitePool,
        mysql::MySqlPoolOptions,
        postgres::PgPoolOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
    },
    testing::{self, ScriptedSender},
};
use nebula_test_support::{mariadb_database, postgres_database};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);

/// An application's sealer: AES-256-GCM, bound to table and row.
#[derive(Debug, Clone)]
struct Keys(Arc<[u8; 32]>);

impl Keys {
    fn new(seed: u8) -> Self {
        Self(Arc::new([seed; 32]))
    }
}

fn corrupt(what: &'static str) -> Error {
    Error::new(ErrorKind::Corrupt, what)
}

fn bound(place: SealedPlace<'_>) -> Aad<String> {
    Aad::from(format!("{}/{}", place.table, place.row))
}

#[async_trait]
impl Sealer for Keys {
    async fn seal(&self, place: SealedPlace<'_>, text: &str) -> Result<String> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.0[..]).unwrap();
        let mut sealed = text.as_bytes().to_vec();
        let nonce = key.seal_in_place_append_tag(bound(place), &mut sealed).unwrap();
        Ok(STANDARD_NO_PAD.encode([&nonce.as_ref()[..], &sealed[..]].concat()))
    }

    async fn open(&self, place: SealedPlace<'_>, sealed: &str) -> Result<String> {
        let bytes = STANDARD_NO_PAD.decode(sealed).map_err(|_| corrupt("no base 64"))?;
        let Some((nonce, sealed)) = bytes.split_first_chunk::<12>() else { return Err(corrupt("too short")) };
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.0[..]).unwrap();
        let mut sealed = sealed.to_vec();
        let text = key.open_in_place(nonce.into(), bound(place), &mut sealed);
        let text = text.map_err(|_| corrupt("it does not open here"))?;
        String::from_utf8(text.to_vec()).map_err(|_| corrupt("no text"))
    }

    async fn index(&self, address: &str) -> Result<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0[..]);
        Ok(hmac::sign(&key, address.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

mod sealers {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[derive(Debug)]
    struct Fixture(Keys);

    static NEXT: AtomicU8 = AtomicU8::new(1);

    impl testing::sealers::Fixture for Fixture {
        type Sealer = Keys;

        async fn start() -> Self {
            Self(Keys::new(NEXT.fetch_add(1, Ordering::Relaxed)))
        }

        async fn sealer(&self) -> Keys {
            self.0.clone()
        }
    }

    nebula_notification::sealer_suite!(Fixture);
}

#[derive(Debug)]
struct Database {
    store: SqlStore,
    _folder: Option<TempDir>,
}

async fn ready(store: SqlStore, folder: Option<TempDir>) -> Database {
    let store = store.with_timeout(PATIENCE);
    store.migrate().await.unwrap();
    Database { store, _folder: folder }
}

async fn sqlite_pool(folder: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("notification.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(PATIENCE);
    SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

async fn sqlite() -> Database {
    let folder = TempDir::new().unwrap();
    ready(SqlStore::new(sqlite_pool(&folder).await), Some(folder)).await
}

async fn postgres() -> Database {
    let options = PgPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
    ready(SqlStore::new(options.connect_lazy(&postgres_database().await).unwrap()), None).await
}

async fn mariadb() -> Database {
    let options = MySqlPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
    ready(SqlStore::new(options.connect_lazy(&mariadb_database().await).unwrap()), None).await
}

/// Sealed stores keep the contracts that open ones keep.
macro_rules! suites {
    ($($database:ident: $($module:ident $suite:ident),+;)+) => {
        $(mod $database {
            $(mod $module {
                use super::super::*;

                #[derive(Debug)]
                struct Fixture(Database);

                impl testing::$module::Fixture for Fixture {
                    type Store = SqlStore;

                    async fn start() -> Self {
                        Self($database().await)
                    }

                    fn store(&self) -> SqlStore {
                        self.0.store.clone().with_sealer(Keys::new(7))
                    }
                }

                nebula_notification::$suite!(Fixture);
            })+
        })+
    };
}

suites! {
    sqlite: audience audience_store_suite, inboxes inbox_store_suite, records record_store_suite;
    postgres: audience audience_store_suite, inboxes inbox_store_suite, records record_store_suite;
    mariadb: records record_store_suite;
}

const NUMBER: &str = "+8613800138000";

fn notifier(store: &SqlStore) -> (Notifier, ScriptedSender) {
    let content = Content::new().title("For {{ name }}").text("Order of {{ name }}");
    let template =
        NotificationTemplate::new("paid", Kind::Notice).param("name", ParamSpec::text()).content("en", content);
    let templates = MemoryTemplates::new().with(template).unwrap();
    let sms = ScriptedSender::new("sms", Channel::Sms);
    let builder = Notifier::builder(templates).records(store.clone()).audience(store.clone());
    let builder = builder.clock(ManualClock::at_unix(1_800_000_000));
    (builder.sender(sms.clone()).sender(Inbox::new(store.clone())).build(), sms)
}

fn paid(key: &str) -> Notification {
    let to = Recipient::user("ada").with(Phone::parse(NUMBER, None).unwrap());
    let file = Attachment::new("a.txt", "text/plain", *b"Ada Lovelace").unwrap();
    let paid = Notification::new("paid").to(to).fanout(Fanout::All).param("name", "Ada Lovelace");
    paid.attach(file).idempotency_key(key)
}

/// Every job, message, attachment and wish as it is kept.
async fn kept(pool: &SqlitePool) -> String {
    let mut all = String::new();
    for sql in [
        "SELECT address || body FROM nebula_notification_job",
        "SELECT body FROM nebula_notification_file",
        "SELECT body FROM nebula_notification_inbox",
        "SELECT subject FROM nebula_notification_audience",
    ] {
        for row in sqlx::query(sql).fetch_all(pool).await.unwrap() {
            all.push_str(&row.get::<String, _>(0));
            all.push('\n');
        }
    }
    all
}

fn address() -> String {
    Address::from(Phone::parse(NUMBER, None).unwrap()).key()
}

async fn by_address(store: &SqlStore) -> Vec<Job> {
    store.find(&RecordQuery::new().address(address())).await.unwrap()
}

#[tokio::test]
async fn nobody_reads_in_the_database_who_was_written_to_and_what() {
    let folder = TempDir::new().unwrap();
    let pool = sqlite_pool(&folder).await;
    let open = SqlStore::new(pool.clone()).with_timeout(PATIENCE);
    open.migrate().await.unwrap();
    // What an earlier version left.
    let (former, _) = notifier(&open);
    for number in 0..3 {
        former.enqueue(paid(&format!("former:{number}"))).await.unwrap();
    }
    open.set(&address(), Some(&Preferences::new().blocked())).await.unwrap();
    open.set("old", Some(&Preferences::new().blocked())).await.unwrap();
    let refused = open.seal_existing().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConfigInvalid);
    let clear = kept(&pool).await;
    assert!(clear.contains("Lovelace") && clear.contains("13800138000"));

    // With a sealer: what is new is sealed, in a transaction of the caller's as well, and what was there is read.
    let sealed = open.clone().with_sealer(Keys::new(1));
    let (now, _) = notifier(&sealed);
    let mut transaction = pool.begin().await.unwrap();
    let stored = now.enqueue_in::<sqlx::Sqlite>(&mut transaction, paid("new")).await.unwrap();
    transaction.commit().await.unwrap();
    let id = &stored.jobs[0].id;
    let job = RecordStore::get(&sealed, id).await.unwrap().unwrap();
    assert_eq!((job.attachments.len(), job.params.is_some()), (1, true));
    assert!(RecordStore::get(&open, id).await.is_err(), "without a sealer nobody reads it");
    let stranger = open.clone().with_sealer(Keys::new(2));
    assert!(RecordStore::get(&stranger, id).await.is_err(), "with another key neither");
    sealed.set("old", Some(&Preferences::new())).await.unwrap();
    assert_eq!(by_address(&sealed).await.len(), 1, "former ones are not found yet");

    // Killed in the middle: one row is sealed. Two at once, and once more, seal the rest once.
    sqlx::query(
        "CREATE TRIGGER killed BEFORE UPDATE ON nebula_notification_job WHEN \
         (SELECT count(*) FROM nebula_notification_job WHERE body LIKE 'sealed:%') > 2 \
         BEGIN SELECT raise(ABORT, 'killed'); END",
    )
    .execute(&pool)
    .await
    .unwrap();
    assert!(sealed.seal_existing().await.is_err());
    let half = kept(&pool).await;
    assert!(half.contains("Lovelace") && half.contains("sealed:"));
    sqlx::query("DROP TRIGGER killed").execute(&pool).await.unwrap();
    let (one, two) = tokio::join!(sealed.seal_existing(), sealed.seal_existing());
    assert!(one.unwrap() + two.unwrap() > 0);
    assert_eq!(sealed.seal_existing().await.unwrap(), 0);
    let all = kept(&pool).await;
    for text in ["Lovelace", "13800138000", "Order of"] {
        assert!(!all.contains(text), "{text}: {all}");
    }
    let jobs = by_address(&sealed).await;
    assert_eq!(jobs.len(), 4);
    assert!(jobs.iter().all(|job| job.attachments.len() == 1 && job.address.key() == address()));
    // Wishes hold as before; of two, the later one.
    assert!(AudienceStore::get(&sealed, &address()).await.unwrap().unwrap().blocked);
    assert!(!AudienceStore::get(&sealed, "old").await.unwrap().unwrap().blocked);

    // They are sent, and read in the inbox.
    AudienceStore::set(&sealed, &address(), None).await.unwrap();
    let (now, _) = notifier(&sealed);
    while now.run_due(100).await.unwrap() > 0 {}
    let inbox = Inbox::new(sealed.clone()).list("ada", &InboxQuery::new()).await.unwrap();
    assert_eq!(inbox.len(), 4);
    assert!(inbox.iter().all(|message| message.text == "Order of Ada Lovelace"), "{inbox:?}");
    assert!(!kept(&pool).await.contains("Lovelace"));
}

#[tokio::test]
async fn what_is_left_open_is_found_without_looking_at_everything() {
    let folder = TempDir::new().unwrap();
    let pool = sqlite_pool(&folder).await;
    SqlStore::new(pool.clone()).migrate().await.unwrap();
    for (statement, index) in [
        (include_str!("../src/sql/statements/inbox_open.sql"), "USING INDEX nebula_notification_inbox_open"),
        (include_str!("../src/sql/statements/file_open.sql"), "USING INDEX nebula_notification_file_open"),
        (include_str!("../src/sql/statements/job_open.sql"), "USING INDEX nebula_notification_job_address"),
        (include_str!("../src/sql/statements/audience_open.sql"), "USING PRIMARY KEY"),
    ] {
        let steps = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let steps = steps.fetch_all(&pool).await.unwrap();
        let plan: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
        assert!(plan.iter().any(|step| step.starts_with("SEARCH") && step.contains(index)), "{statement}: {plan:?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{statement}: {plan:?}");
    }
}
