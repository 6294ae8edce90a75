//! Stores keep their contracts: in this process, on Redis, and in every database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use nebula_notification::{
    MemoryAudience, MemoryCodes, MemoryInbox, MemoryLimits, MemoryRecords, MemoryTemplates, RedisCodes, RedisLimits,
    SqlStore,
    nebula_redis::{Connection, RedisConfig},
    sqlx::{
        MySqlPool, PgPool, SqlitePool,
        mysql::MySqlPoolOptions,
        postgres::PgPoolOptions,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
    },
    testing,
};
use nebula_test_support::{mariadb_database, postgres_database, redis_url, unique};
use tempfile::TempDir;

macro_rules! memory {
    ($module:ident, $suite:ident, $store:ident) => {
        mod $module {
            use super::*;

            #[derive(Debug)]
            struct Memory($store);

            impl testing::$module::Fixture for Memory {
                type Store = $store;

                async fn start() -> Self {
                    Self($store::new())
                }

                fn store(&self) -> $store {
                    self.0.clone()
                }
            }

            nebula_notification::$suite!(Memory);
        }
    };
}

memory!(audience, audience_store_suite, MemoryAudience);
memory!(codes, code_store_suite, MemoryCodes);
memory!(inboxes, inbox_store_suite, MemoryInbox);
memory!(limits, limit_store_suite, MemoryLimits);
memory!(records, record_store_suite, MemoryRecords);
memory!(templates, template_store_suite, MemoryTemplates);

macro_rules! redis {
    ($module:ident, $suite:ident, $store:ident, $here:ident) => {
        mod $here {
            use super::*;

            #[derive(Debug)]
            struct Redis($store<Connection>);

            impl testing::$module::Fixture for Redis {
                type Store = $store<Connection>;

                async fn start() -> Self {
                    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
                    Self($store::new(connection).with_namespace(unique("notify")))
                }

                fn store(&self) -> Self::Store {
                    self.0.clone()
                }
            }

            nebula_notification::$suite!(Redis);
        }
    };
}

redis!(codes, code_store_suite, RedisCodes, redis_codes);
redis!(limits, limit_store_suite, RedisLimits, redis_limits);

/// A database of its own for each test, gone with it.
#[derive(Debug)]
struct Database {
    store: SqlStore,
    _folder: Option<TempDir>,
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

async fn ready(store: SqlStore, folder: Option<TempDir>) -> Database {
    let store = store.with_timeout(PATIENCE);
    store.migrate().await.unwrap();
    Database { store, _folder: folder }
}

async fn sqlite() -> Database {
    let folder = TempDir::new().unwrap();
    ready(SqlStore::new(sqlite_pool(&folder).await), Some(folder)).await
}

async fn sqlite_pool(folder: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("notification.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(PATIENCE);
    SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

async fn mariadb() -> Database {
    ready(SqlStore::new(mariadb_pool().await), None).await
}

async fn mariadb_pool() -> MySqlPool {
    let options = MySqlPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
    options.connect_lazy(&mariadb_database().await).unwrap()
}

async fn postgres() -> Database {
    ready(SqlStore::new(postgres_pool().await), None).await
}

async fn postgres_pool() -> PgPool {
    let options = PgPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE);
    options.connect_lazy(&postgres_database().await).unwrap()
}

macro_rules! sql {
    ($database:ident: $($module:ident $suite:ident),+) => {
        mod $database {
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
                        self.0.store.clone()
                    }
                }

                nebula_notification::$suite!(Fixture);
            })+
        }
    };
}

macro_rules! databases {
    ($($database:ident),+) => {
        $(sql!($database: audience audience_store_suite, codes code_store_suite, inboxes inbox_store_suite,
            records record_store_suite, templates template_store_suite);)+
    };
}

databases!(sqlite, mariadb, postgres);

#[tokio::test]
async fn several_processes_may_migrate_at_once() {
    for database in [sqlite().await, mariadb().await, postgres().await] {
        let again = (0..3).map(|_| database.store.migrate());
        futures_util::future::try_join_all(again).await.unwrap();
    }
}

/// What a restart leaves, on a database: nothing that was promised is lost, and what nobody knows is said to be unknown.
mod restart {
    use std::time::Duration;

    use async_trait::async_trait;
    use nebula_notification::{
        AttemptState, Channel, Content, Delivery, JobStatus, Kind, ManualClock, Notification, NotificationSender,
        NotificationTemplate, Notifier, Outcome, ParamSpec, Phone, PutTemplate, RecordQuery, TemplateStore,
        testing::ScriptedSender,
    };

    use super::*;

    /// Takes a message and never answers, as a provider does whose answer comes after the process has died.
    #[derive(Debug, Clone)]
    struct Silent(std::sync::Arc<tokio::sync::Semaphore>);

    #[async_trait]
    impl NotificationSender for Silent {
        fn provider(&self) -> &str {
            "sms"
        }

        fn channel(&self) -> Channel {
            Channel::Sms
        }

        async fn send(&self, _: &Delivery) -> Outcome {
            self.0.add_permits(1);
            std::future::pending().await
        }
    }

    fn notification(name: &str) -> Notification {
        Notification::new(name).to(Phone::parse("+8613800138000", None).unwrap()).param("order", "T-1")
    }

    /// A process: everything but the database is its own.
    fn process(store: &SqlStore, clock: &ManualClock, sender: impl NotificationSender) -> Notifier {
        let builder = Notifier::builder(store.clone()).records(store.clone()).audience(store.clone());
        builder.clock(clock.clone()).sender(sender).build()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn schedules_expiries_keys_and_doubts_survive() {
        let database = sqlite().await;
        let (store, clock) = (&database.store, ManualClock::at_unix(1_800_000_000));
        for (name, kind) in [("paid", Kind::Notice), ("alarm", Kind::Alarm)] {
            let content = Content::new().text("Order {{ order }}");
            let template =
                NotificationTemplate::new(name, kind).param("order", ParamSpec::text()).content("en", content);
            assert_eq!(
                store.put(&template, 0, nebula_notification::Clock::now(&clock)).await.unwrap(),
                PutTemplate::Stored(1)
            );
        }
        let sms = ScriptedSender::new("sms", Channel::Sms);
        let first = process(store, &clock, sms.clone());
        let (hour, now) = (Duration::from_secs(3600), first.now());
        let later = first.send(notification("paid").at(now + hour).idempotency_key("order:1")).await.unwrap();
        let short = notification("paid").at(now + hour).expires_after(Duration::from_secs(60));
        let short = first.send(short).await.unwrap();
        assert!(sms.seen().is_empty());
        // It dies while the provider has two messages in its hands.
        let taken = Silent(std::sync::Arc::new(tokio::sync::Semaphore::new(0)));
        let dying = process(store, &clock, taken.clone());
        let work = [
            tokio::spawn({
                let dying = dying.clone();
                async move { dying.send(notification("paid")).await }
            }),
            tokio::spawn({
                let dying = dying.clone();
                async move { dying.send(notification("alarm")).await }
            }),
        ];
        let _both = taken.0.acquire_many(2).await.unwrap();
        work.iter().for_each(tokio::task::JoinHandle::abort);

        let second = process(store, &clock, sms.clone());
        // Its lease is not over: nobody takes it away from who may still be alive.
        assert_eq!(second.run_due(10).await.unwrap(), 0);
        clock.advance(Duration::from_secs(300));
        assert_eq!(second.run_due(10).await.unwrap(), 2);
        let all = second.find(&RecordQuery::new()).await.unwrap();
        let of = |template: &str| {
            all.iter()
                .find(|job| job.template == template && job.id != later.jobs[0].id && job.id != short.jobs[0].id)
                .unwrap()
        };
        let doubtful = of("paid");
        assert_eq!((doubtful.status, doubtful.attempts[0].state), (JobStatus::Unknown, AttemptState::Unknown));
        let alarm = of("alarm");
        assert_eq!((alarm.status, alarm.attempts.len()), (JobStatus::Accepted, 2), "an alarm is rather sent twice");
        assert_eq!(sms.seen().len(), 1);
        // A receipt says what became of it.
        let receipt =
            nebula_notification::DeliveryReceipt::delivered("sms").reference(doubtful.attempts[0].reference.as_str());
        assert_eq!(
            second.receipt(receipt).await.unwrap(),
            nebula_notification::Settled::Delivered(doubtful.id.clone())
        );

        let again = second.send(notification("paid").at(now + hour).idempotency_key("order:1")).await.unwrap();
        assert!(again.duplicate && again.jobs[0].id == later.jobs[0].id);
        clock.advance(hour);
        assert_eq!(second.run_due(10).await.unwrap(), 2);
        assert_eq!(second.job(&later.jobs[0].id).await.unwrap().unwrap().status, JobStatus::Accepted);
        assert_eq!(second.job(&short.jobs[0].id).await.unwrap().unwrap().status, JobStatus::Expired);
        assert_eq!(sms.seen().len(), 2);
    }
}

/// Several processes over one database, and one that has a transaction of its own.
mod together {
    use std::collections::BTreeSet;

    use nebula_notification::{
        CachedTemplates, Channel, Content, JobStatus, Kind, ManualClock, MemoryTemplates, Notification,
        NotificationTemplate, Notifier, Phone, RecordQuery, sqlx, testing::ScriptedSender,
    };

    use super::*;

    fn process(store: &SqlStore, clock: &ManualClock, sms: &ScriptedSender) -> Notifier {
        let paid = NotificationTemplate::new("paid", Kind::Notice).content("en", Content::new().text("Paid."));
        let templates = CachedTemplates::new(MemoryTemplates::new().with(paid).unwrap());
        let builder = Notifier::builder(templates).records(store.clone()).audience(store.clone());
        builder.clock(clock.clone()).sender(sms.clone()).build()
    }

    fn paid(recipients: u32) -> Notification {
        let phone = |at: u32| Phone::parse(&format!("+861380013{at:04}"), None).unwrap();
        (0..recipients).fold(Notification::new("paid"), |all, at| all.to(phone(at)))
    }

    /// Three pump at once what one has stored: every number is asked for once.
    async fn nobody_is_sent_to_twice(database: Database) {
        let (clock, sms) = (ManualClock::at_unix(1_800_000_000), ScriptedSender::new("sms", Channel::Sms));
        let [one, two, three] = [0; 3].map(|_| process(&database.store, &clock, &sms));
        // 64, 8 and 1 at a time go into the database: all sizes are there.
        let stored = one.enqueue(paid(149)).await.unwrap();
        assert_eq!(stored.jobs.len(), 149);
        loop {
            let found = tokio::join!(one.run_due(1000), two.run_due(1000), three.run_due(1000));
            if (found.0.unwrap(), found.1.unwrap(), found.2.unwrap()) == (0, 0, 0) {
                break;
            }
        }
        let numbers: BTreeSet<_> = sms.seen().into_iter().map(|one| one.address.key()).collect();
        assert_eq!((sms.seen().len(), numbers.len()), (149, 149));
        let accepted = two.find(&RecordQuery::new().status(JobStatus::Accepted).limit(1000_u32)).await.unwrap();
        let mut ids: Vec<String> = stored.jobs.into_iter().map(|job| job.id).collect();
        ids.reverse();
        assert_eq!(accepted.into_iter().map(|job| job.id).collect::<Vec<_>>(), ids);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_is_sent_to_twice_by_several_processes() {
        for database in [sqlite().await, mariadb().await, postgres().await] {
            nobody_is_sent_to_twice(database).await;
        }
    }

    macro_rules! transactions {
        ($name:ident, $database:ty, |$folder:ident| $pool:expr) => {
            #[tokio::test]
            async fn $name() {
                let $folder = &TempDir::new().unwrap();
                let pool: sqlx::Pool<$database> = $pool.await;
                let store = SqlStore::new(pool.clone()).with_timeout(PATIENCE);
                store.migrate().await.unwrap();
                sqlx::query("CREATE TABLE paid_orders (id BIGINT NOT NULL)").execute(&pool).await.unwrap();
                let (clock, sms) = (ManualClock::at_unix(1_800_000_000), ScriptedSender::new("sms", Channel::Sms));
                let notifier = process(&store, &clock, &sms);
                let order = || paid(2).idempotency_key("order:1:paid");
                for committed in [false, true] {
                    let mut transaction = pool.begin().await.unwrap();
                    sqlx::query("INSERT INTO paid_orders VALUES (1)").execute(&mut *transaction).await.unwrap();
                    let stored = notifier.enqueue_in::<$database>(&mut transaction, order()).await.unwrap();
                    assert!(!stored.duplicate && stored.jobs.len() == 2);
                    assert_eq!(notifier.run_due(10).await.unwrap(), 0, "nothing is certain yet");
                    if committed {
                        transaction.commit().await.unwrap();
                    } else {
                        transaction.rollback().await.unwrap();
                    }
                    assert_eq!(notifier.run_due(10).await.unwrap(), if committed { 2 } else { 0 });
                    assert_eq!(sms.seen().len(), if committed { 2 } else { 0 });
                    if committed {
                        let mut again = pool.begin().await.unwrap();
                        let known = notifier.enqueue_in::<$database>(&mut again, order()).await.unwrap();
                        assert!(known.duplicate && known.jobs[0].id == stored.jobs[0].id);
                    }
                }
                notifier.shutdown(PATIENCE).await;
                let mut late = pool.begin().await.unwrap();
                assert!(notifier.enqueue_in::<$database>(&mut late, order()).await.is_err());
            }
        };
    }

    transactions!(sqlite_commits_both_or_neither, sqlx::Sqlite, |folder| sqlite_pool(folder));
    transactions!(mariadb_commits_both_or_neither, sqlx::MySql, |_folder| mariadb_pool());
    transactions!(postgres_commits_both_or_neither, sqlx::Postgres, |_folder| postgres_pool());
}
