//! Methods: `&self` of a type that is `Clone`, `self: Arc<Self>`, self-calls, single flight, callers that leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nebula_cache::{Cache, CacheError, CacheManager, cache_evict, cache_put, cached};

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct User {
    id: u64,
    name: String,
}

#[derive(Clone)]
pub struct Users {
    cache: Cache<u64, User>,
    rows: Arc<AtomicU64>,
}

pub struct Shared {
    users: Users,
}

impl Users {
    /// The user.
    #[must_use]
    #[cached(cache = self.cache, key = id, ttl = Duration::from_secs(self.rows.load(Ordering::SeqCst) + 60))]
    pub async fn get(&self, id: u64) -> Result<Option<User>, CacheError> {
        self.rows.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(self.row(id))
    }

    fn row(&self, id: u64) -> Option<User> {
        (id < 100).then(|| User { id, name: format!("user {id}") })
    }

    /// A call of the type's own method goes through the cache as well.
    pub async fn name(&self, id: u64) -> Result<Option<String>, CacheError> {
        Ok(self.get(id).await?.map(|user| user.name))
    }

    #[cache_put(cache = self.cache, key = |user| user.id, ttl = "5m")]
    pub async fn rename(&self, mut user: User, name: &str) -> Result<User, CacheError> {
        user.name = name.to_owned();
        Ok(user)
    }

    #[cache_evict(cache = self.cache, key = *id)]
    pub async fn delete(&self, id: &u64, time: Duration) -> Result<(), CacheError> {
        tokio::time::sleep(time).await;
        Ok(())
    }
}

impl Shared {
    #[cached(cache = self.users.cache, key = id)]
    async fn get(self: Arc<Self>, id: u64) -> Option<User> {
        self.users.get(id + 1).await.ok().flatten()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cached_methods() -> Result<(), CacheError> {
    let cache = CacheManager::local().cache("users").build()?;
    let users = Users { cache, rows: Arc::default() };
    let all: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn({
                let users = users.clone();
                async move { users.get(7).await }
            })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap()?.unwrap().id, 7);
    }
    assert_eq!(users.rows.load(Ordering::SeqCst), 1, "one load for a hundred callers");

    // A caller that leaves does not end the load.
    assert!(tokio::time::timeout(Duration::from_millis(5), users.get(8)).await.is_err());
    assert_eq!(users.name(8).await?.as_deref(), Some("user 8"));
    assert_eq!(users.rows.load(Ordering::SeqCst), 2);
    assert_eq!(users.get(100).await?, None);

    let user = users.get(7).await?.unwrap();
    users.rename(user, "Ada").await?;
    assert_eq!(users.name(7).await?.as_deref(), Some("Ada"));
    users.delete(&7, Duration::ZERO).await?;
    assert_eq!(users.name(7).await?.as_deref(), Some("user 7"));

    // Whoever leaves in the middle of a change may have made it.
    users.cache.put(7, User { id: 7, name: "old".to_owned() }).await?;
    assert!(tokio::time::timeout(Duration::from_millis(5), users.delete(&7, Duration::from_secs(600))).await.is_err());
    while users.name(7).await?.as_deref() == Some("old") {
        tokio::task::yield_now().await;
    }

    let shared = Arc::new(Shared { users });
    assert_eq!(Arc::clone(&shared).get(20).await.unwrap().id, 21);
    assert_eq!(shared.users.cache.get(&20).await?.unwrap().id, 21);
    Ok(())
}
