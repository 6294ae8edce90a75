//! Which tenants there are, on all stores, and what becomes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use nebula_tenant::quota::{MemoryUsage, Resource, SqlUsage, Taken, UsageStore};
use nebula_tenant::registry::{
    Changed, Lifecycle, MemoryTenants, Saved, SqlTenants, Tenant, TenantRegistry, TenantStore,
};
use nebula_tenant::seal::{LocalMasterKey, MemoryKeyStore, Place, TenantCipher};
use nebula_tenant::{ErrorKind, TenantContext, TenantDirectory, TenantId, TenantStatus, as_host, current};
use nebula_test_support::{mariadb_database, postgres_database};

mod memory {
    async fn make() -> super::MemoryTenants {
        super::MemoryTenants::new()
    }
    nebula_tenant::conformance_suite!(make);
}

mod sqlite {
    async fn make() -> super::SqlTenants<sqlx::Sqlite> {
        let folder = tempfile::tempdir().unwrap().keep();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("tenants.db"));
        let options = options.create_if_missing(true).busy_timeout(std::time::Duration::from_secs(60));
        let store = super::SqlTenants::new(sqlx::SqlitePool::connect_with(options).await.unwrap());
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        store
    }
    nebula_tenant::conformance_suite!(make);
}

mod postgres {
    async fn make() -> super::SqlTenants<sqlx::Postgres> {
        let pool = sqlx::PgPool::connect(&super::postgres_database().await).await.unwrap();
        let store = super::SqlTenants::new(pool);
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        store
    }
    nebula_tenant::conformance_suite!(make);
}

mod mariadb {
    async fn make() -> super::SqlTenants<sqlx::MySql> {
        let pool = sqlx::MySqlPool::connect(&super::mariadb_database().await).await.unwrap();
        let store = super::SqlTenants::new(pool);
        store.migrate().await.unwrap();
        store.migrate().await.unwrap();
        store
    }
    nebula_tenant::conformance_suite!(make);
}

fn id(name: &str) -> TenantId {
    name.parse().unwrap()
}

async fn platform<T>(work: impl Future<Output = T>) -> T {
    as_host("a test", work).await.unwrap()
}

fn done(changed: Changed) -> Tenant {
    match changed {
        Changed::Done(tenant) => tenant,
        refused => panic!("{refused:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_seen_here_at_once_and_elsewhere_within_the_time_that_answers_are_kept() {
    let store: Arc<dyn TenantStore> = Arc::new(MemoryTenants::new());
    let (here, there) = (TenantRegistry::new(Arc::clone(&store)), TenantRegistry::new(store));
    for registry in [&here, &there] {
        assert_eq!(registry.status(&id("star")).await.unwrap(), None);
        assert_eq!(registry.by_domain("star.example").await.unwrap(), None);
    }
    let star = Tenant::new(id("star")).with_domain("star.example").unwrap();
    assert!(matches!(here.insert(&star).await.unwrap(), Saved::Done(_)));
    assert_eq!(here.by_domain("star.example").await.unwrap(), Some(id("star")));
    assert_eq!(there.by_domain("star.example").await.unwrap(), None, "it has an answer");
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(there.by_domain("star.example").await.unwrap(), Some(id("star")));

    assert_eq!(there.status(&id("star")).await.unwrap(), Some(TenantStatus::Preparing));
    let active = (*here.get(&id("star")).await.unwrap().unwrap()).clone().with_status(TenantStatus::Active);
    assert!(matches!(here.save(&active).await.unwrap(), Saved::Done(_)));
    assert_eq!(there.status(&id("star")).await.unwrap(), Some(TenantStatus::Preparing));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(there.status(&id("star")).await.unwrap(), Some(TenantStatus::Active));
    let _ = here.suspend(&id("star")).await.unwrap();
    assert_eq!(here.status(&id("star")).await.unwrap(), Some(TenantStatus::Suspended));
}

#[tokio::test]
async fn there_are_ways_from_status_to_status() {
    let registry = TenantRegistry::new(MemoryTenants::new());
    let star = id("star");
    assert_eq!(registry.suspend(&star).await.unwrap(), Changed::Unknown);
    let _ = registry.insert(&Tenant::new(star.clone()).with_status(TenantStatus::Active)).await.unwrap();
    assert_eq!(done(registry.suspend(&star).await.unwrap()).status, TenantStatus::Suspended);
    assert_eq!(done(registry.suspend(&star).await.unwrap()).status, TenantStatus::Suspended, "again is fine");
    assert_eq!(done(registry.archive(&star).await.unwrap()).status, TenantStatus::Archived);
    assert_eq!(registry.suspend(&star).await.unwrap(), Changed::NotFrom(TenantStatus::Archived));
    assert_eq!(done(registry.resume(&star).await.unwrap()).status, TenantStatus::Active);
}

#[tokio::test]
async fn a_tenant_is_served_when_all_its_steps_are_done() {
    let registry = TenantRegistry::new(MemoryTenants::new());
    let (works, log) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (working, told, later) = (Arc::clone(&works), Arc::clone(&log), Arc::clone(&log));
    let lifecycle = Lifecycle::builder(registry.clone())
        .step("schema", move |tenant| {
            assert_eq!(current().unwrap(), tenant, "it is the tenant's work");
            told.lock().unwrap().push("schema");
            async { Ok(()) }
        })
        .step("seed", move |_| {
            let (fine, later) = (working.load(Ordering::SeqCst), Arc::clone(&later));
            async move {
                later.lock().unwrap().push("seed");
                if fine { Ok(()) } else { Err("not today".into()) }
            }
        })
        .build();
    let star = || Tenant::new(id("star")).with_plan("gold");
    assert_eq!(lifecycle.create(star()).await.unwrap_err().kind(), ErrorKind::NoTenant, "not anybody's work");
    let of_tenant = TenantContext::of(id("moon")).scope(lifecycle.create(star())).await.unwrap();
    assert_eq!(of_tenant.unwrap_err().kind(), ErrorKind::Conflict, "not a tenant's work");

    assert_eq!(platform(lifecycle.create(star())).await.unwrap_err().kind(), ErrorKind::Step);
    assert_eq!(registry.status(&id("star")).await.unwrap(), Some(TenantStatus::Preparing));
    works.store(true, Ordering::SeqCst);
    let Saved::Done(served) = platform(lifecycle.create(star())).await.unwrap() else { panic!("it is not created") };
    assert_eq!((served.status, served.plan.as_str()), (TenantStatus::Active, "gold"));
    assert_eq!(*log.lock().unwrap(), ["schema", "seed", "seed"], "what was done is not done again");
    assert_eq!(platform(lifecycle.create(star())).await.unwrap(), Saved::IdTaken);
}

#[tokio::test]
async fn a_migration_of_all_goes_on_where_it_stopped() {
    let registry = TenantRegistry::new(MemoryTenants::new());
    for number in 0..40 {
        let status = match number {
            37 => TenantStatus::Preparing,
            38 => TenantStatus::Erased,
            39 => TenantStatus::Suspended,
            _ => TenantStatus::Active,
        };
        let _ = registry.insert(&Tenant::new(id(&format!("t{number}"))).with_status(status)).await.unwrap();
    }
    let (healed, done, at_once, most) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (heals, does, running, peak) =
        (Arc::clone(&healed), Arc::clone(&done), Arc::clone(&at_once), Arc::clone(&most));
    let lifecycle = Lifecycle::builder(registry)
        .step("one", move |tenant| {
            let (heals, does, running, peak) =
                (Arc::clone(&heals), Arc::clone(&does), Arc::clone(&running), Arc::clone(&peak));
            async move {
                peak.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::SeqCst);
                match tenant.as_str() {
                    _ if heals.load(Ordering::SeqCst) => {}
                    "t7" => return Err("it is locked".into()),
                    "t8" => panic!("a step that panics"),
                    _ => {}
                }
                does.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
        })
        .build();
    let seen = Mutex::new(Vec::new());
    let first = platform(lifecycle.migrate(4, |progress| seen.lock().unwrap().push(progress))).await.unwrap();
    let mut failed: Vec<_> = first.failed.iter().map(|failed| failed.tenant.to_string()).collect();
    failed.sort_unstable();
    assert_eq!((first.tenants, first.steps, failed), (36, 36, vec!["t7".to_owned(), "t8".to_owned()]));
    assert_eq!(most.load(Ordering::SeqCst), 4);
    let seen = seen.into_inner().unwrap();
    let last = seen.last().unwrap();
    assert_eq!((seen.len(), last.total, last.through, last.failed), (38, 38, 38, 2));

    healed.store(true, Ordering::SeqCst);
    let again = platform(lifecycle.migrate(4, |_| ())).await.unwrap();
    assert_eq!((again.tenants, again.steps, again.failed.len()), (38, 2, 0));
    assert_eq!(done.load(Ordering::SeqCst), 38);
}

#[tokio::test]
async fn what_is_erased_stays_erased() {
    let registry = TenantRegistry::new(MemoryTenants::new());
    let cipher = TenantCipher::new(MemoryKeyStore::new(), LocalMasterKey::new("k", &vec![7; 32].into()).unwrap());
    let (rows, stuck) = (Arc::new(Mutex::new(vec!["a row of star", "a row of moon"])), Arc::new(AtomicBool::new(true)));
    let (kept, gone, sticks) = (Arc::clone(&rows), Arc::clone(&rows), Arc::clone(&stuck));
    let lifecycle = Lifecycle::builder(registry.clone())
        .section("rows.txt", move |tenant| {
            let name = tenant.to_string();
            let rows: Vec<_> = kept.lock().unwrap().iter().filter(|row| row.ends_with(&name)).copied().collect();
            stream::iter(rows.into_iter().map(|row| Ok(row.as_bytes().to_vec())))
        })
        .erasure("rows", move |tenant| {
            let (gone, stuck) = (Arc::clone(&gone), sticks.load(Ordering::SeqCst));
            async move {
                if stuck {
                    return Err("the database is away".into());
                }
                gone.lock().unwrap().retain(|row| !row.ends_with(tenant.as_str()));
                Ok(())
            }
        })
        .shred(cipher.clone())
        .build();
    let star = Tenant::new(id("star")).with_domain("star.example").unwrap().with_setting("owner", "Ann");
    assert!(matches!(platform(lifecycle.create(star.clone())).await.unwrap(), Saved::Done(_)));
    let as_star = |work| TenantContext::of(id("star")).scope(work);
    let sealed = as_star(cipher.seal(Place::column("a", "b"), b"secret")).await.unwrap().unwrap();

    let mut sink = BTreeMap::new();
    platform(lifecycle.export(&id("star"), &mut sink)).await.unwrap();
    assert_eq!(sink["rows.txt"], b"a row of star");
    assert!(String::from_utf8_lossy(&sink["tenant.json"]).contains("Ann"));
    let nobody = platform(lifecycle.export(&id("nobody"), &mut sink)).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Unknown);

    assert_eq!(platform(lifecycle.erase(&id("star"))).await.unwrap(), Changed::NotFrom(TenantStatus::Active));
    let _ = registry.archive(&id("star")).await.unwrap();
    assert_eq!(lifecycle.erase(&id("star")).await.unwrap_err().kind(), ErrorKind::NoTenant);
    assert_eq!(platform(lifecycle.erase(&id("star"))).await.unwrap_err().kind(), ErrorKind::Step);
    // The keys go first, and there is no way back.
    let opened = TenantContext::of(id("star")).scope(cipher.open(Place::column("a", "b"), &sealed)).await.unwrap();
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::NoKey);
    assert_eq!(registry.resume(&id("star")).await.unwrap(), Changed::NotFrom(TenantStatus::Erasing));

    stuck.store(false, Ordering::SeqCst);
    let left = done(platform(lifecycle.erase(&id("star"))).await.unwrap());
    assert_eq!((left.status, left.domains.len(), left.settings.len()), (TenantStatus::Erased, 0, 0));
    assert_eq!(*rows.lock().unwrap(), ["a row of moon"]);
    assert_eq!(
        done(platform(lifecycle.erase(&id("star"))).await.unwrap()).status,
        TenantStatus::Erased,
        "again is fine"
    );
    assert_eq!(platform(lifecycle.create(star)).await.unwrap(), Saved::IdTaken, "nobody gets its name");
    assert_eq!(registry.by_domain("star.example").await.unwrap(), None);
}

/// What every store of usage has to do.
async fn counts(store: impl UsageStore) {
    let store = Arc::new(store);
    let (star, moon, of) = (id("star"), id("moon"), Resource::Storage);
    assert_eq!(store.take(&star, of, 60, Some(100)).await.unwrap(), Taken::Done { used: 60 });
    assert_eq!(store.take(&star, of, 41, Some(100)).await.unwrap(), Taken::Refused { used: 60, limit: 100 });
    assert_eq!(store.take(&star, Resource::Jobs, 1, Some(1)).await.unwrap(), Taken::Done { used: 1 });
    assert_eq!(store.take(&moon, of, 101, Some(100)).await.unwrap(), Taken::Refused { used: 0, limit: 100 });
    assert_eq!(store.take(&moon, of, 1_000, None).await.unwrap(), Taken::Done { used: 1_000 });
    store.give_back(&star, of, 20).await.unwrap();
    assert_eq!(store.take(&star, of, 0, Some(100)).await.unwrap(), Taken::Done { used: 40 });
    store.give_back(&star, of, 500).await.unwrap();
    let takes = (0..20).map(|_| {
        let (store, star) = (Arc::clone(&store), star.clone());
        tokio::spawn(async move { store.take(&star, of, 10, Some(100)).await.unwrap() })
    });
    let mut done = 0;
    for take in takes.collect::<Vec<_>>() {
        done += usize::from(matches!(take.await.unwrap(), Taken::Done { .. }));
    }
    assert_eq!(done, 10, "never beyond the limit, and up to it");
    assert_eq!(store.take(&star, of, 0, None).await.unwrap(), Taken::Done { used: 100 });
}

#[tokio::test]
async fn usage_is_counted_in_memory_and_in_databases() {
    counts(MemoryUsage::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let file =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("usage.db")).create_if_missing(true);
    let sqlite =
        SqlUsage::new(sqlx::SqlitePool::connect_with(file.busy_timeout(Duration::from_secs(60))).await.unwrap());
    sqlite.migrate().await.unwrap();
    counts(sqlite).await;
    let postgres = SqlUsage::new(sqlx::PgPool::connect(&postgres_database().await).await.unwrap());
    postgres.migrate().await.unwrap();
    counts(postgres).await;
    let mariadb = SqlUsage::new(sqlx::MySqlPool::connect(&mariadb_database().await).await.unwrap());
    mariadb.migrate().await.unwrap();
    counts(mariadb).await;
}
