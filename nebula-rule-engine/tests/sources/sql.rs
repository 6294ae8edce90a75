use nebula_rule_engine::sql::{SqlDatabase, SqlRules, migrate};
use nebula_rule_engine::sqlx::{MySql, Pool, Postgres, Sqlite, pool::PoolOptions};
use nebula_rule_engine::{ErrorKind, Format, Reload, RuleKeeper};
use nebula_test_support::{mariadb_database, postgres_database};

use crate::common::{rules, total};

async fn pool<DB: SqlDatabase>(url: &str) -> Pool<DB> {
    PoolOptions::new().max_connections(4).connect(url).await.unwrap()
}

async fn versions_are_kept_and_put_in_force<DB: SqlDatabase>(pool: Pool<DB>)
where
    Pool<DB>: Clone,
{
    // Several processes start at once.
    let (one, other) = tokio::join!(migrate(&pool), migrate(&pool));
    one.unwrap();
    other.unwrap();
    let store = SqlRules::new(pool);
    assert_eq!(RuleKeeper::open(store.source("shop")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.store("shop", &rules(10), Format::Json).await.unwrap(), 1);
    assert_eq!(store.store("shop", "{ broken", Format::Json).await.unwrap(), 2);
    let yaml = "name: shop\ncurrency: CNY\nphases: [{ id: p, groups: [] }]\n";
    assert_eq!(store.store("shop", yaml, Format::Yaml).await.unwrap(), 3);
    assert_eq!(store.store("other", &rules(90), Format::Json).await.unwrap(), 1);
    assert_eq!(RuleKeeper::open(store.source("shop")).await.unwrap_err().kind(), ErrorKind::NotFound);

    store.activate("shop", 1).await.unwrap();
    store.activate("other", 1).await.unwrap();
    let keeper = RuleKeeper::open(store.source("shop")).await.unwrap();
    assert_eq!((total(keeper.engine()), keeper.reload().await.unwrap()), ("81.00 CNY".into(), Reload::Unchanged));
    store.activate("shop", 2).await.unwrap();
    assert_eq!(keeper.reload().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(total(keeper.engine()), "81.00 CNY");
    store.activate("shop", 3).await.unwrap();
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
    assert_eq!(total(keeper.engine()), "100.00 CNY");
    // Back to an older one, for all who watch.
    store.activate("shop", 1).await.unwrap();
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
    assert_eq!(total(keeper.engine()), "81.00 CNY");
    assert_eq!(store.versions("shop").await.unwrap(), [3, 2, 1]);
    assert_eq!(store.activate("shop", 9).await.unwrap_err().kind(), ErrorKind::NotFound);

    // Whoever knows another version than the one in force changes nothing.
    assert_eq!((store.active("shop").await.unwrap(), store.active("none").await.unwrap()), (Some(1), None));
    assert_eq!(store.document("shop", 3).await.unwrap().text, yaml);
    assert_eq!(store.document("shop", 9).await.unwrap_err().kind(), ErrorKind::NotFound);
    for known in [None, Some(2), Some(9)] {
        assert!(!store.activate_after("shop", 3, known).await.unwrap(), "{known:?}");
    }
    assert_eq!(store.activate_after("shop", 9, Some(1)).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(store.activate_after("shop", 3, Some(1)).await.unwrap());
    assert_eq!(store.store("new", "{}", Format::Json).await.unwrap(), 1);
    let editors = (0..6).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.activate_after("new", 1, None).await.unwrap() })
    });
    let mut first = 0;
    for editor in editors.collect::<Vec<_>>() {
        first += u32::from(editor.await.unwrap());
    }
    assert_eq!((first, store.active("new").await.unwrap()), (1, Some(1)));
    assert_eq!(store.store("", "{}", Format::Json).await.unwrap_err().kind(), ErrorKind::Invalid);

    // Versions that are stored at once have numbers of their own.
    let stores = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                match store.store("busy", "{}", Format::Json).await {
                    Ok(version) => return version,
                    Err(error) if error.is_retryable() => tokio::task::yield_now().await,
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
    });
    let mut numbers = Vec::new();
    for task in stores.collect::<Vec<_>>() {
        numbers.push(task.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("rules.db").display());
    versions_are_kept_and_put_in_force::<Sqlite>(pool(&url).await).await;
}

#[tokio::test]
async fn postgres() {
    versions_are_kept_and_put_in_force::<Postgres>(pool(&postgres_database().await).await).await;
}

#[tokio::test]
async fn mariadb() {
    versions_are_kept_and_put_in_force::<MySql>(pool(&mariadb_database().await).await).await;
}
