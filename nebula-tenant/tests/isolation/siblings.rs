//! What a request touches besides the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nebula_cache::CacheManager;
use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue, Received, Worker, listener_fn};
use nebula_lock::{LockManager, MemoryLock};
use nebula_tenant::message::TenantQueue;
use nebula_tenant::quota::{Admission, Quotas, Resource, Taken};
use nebula_tenant::registry::{MemoryTenants, Tenant, TenantRegistry};
use nebula_tenant::scoped::{TenantCache, TenantLocks};
use nebula_tenant::{TenantContext, TenantId, TenantStatus, current, spawn};
use nebula_test_support::eventually;

/// A cache, locks, a queue and quotas that all tenants share.
#[derive(Clone)]
pub(crate) struct Siblings {
    cache: TenantCache<u32, String>,
    locks: TenantLocks,
    queue: TenantQueue,
    plain: DelayQueue,
    quotas: Quotas,
    /// How many messages of each tenant were handled, and how many of its requests hold its lock.
    handled: Arc<Mutex<HashMap<String, usize>>>,
    holding: Arc<Mutex<HashMap<String, usize>>>,
}

/// Whoever holds its tenant's lock, until it is dropped, also by a cancellation.
struct Held(String, Arc<Mutex<HashMap<String, usize>>>);

impl Held {
    fn by(tenant: &str, holding: &Arc<Mutex<HashMap<String, usize>>>) -> Self {
        let mut all = holding.lock().unwrap();
        let held = all.entry(tenant.to_owned()).or_default();
        *held += 1;
        assert_eq!(*held, 1, "two hold one tenant's lock");
        Self(tenant.to_owned(), Arc::clone(holding))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.1.lock().unwrap().get_mut(&self.0).unwrap() -= 1;
    }
}

impl Siblings {
    pub(crate) async fn of(tenants: impl IntoIterator<Item = TenantId>) -> (Self, Worker) {
        let registry = TenantRegistry::new(MemoryTenants::new());
        for tenant in tenants {
            let _ = registry.insert(&Tenant::new(tenant).with_status(TenantStatus::Active)).await.unwrap();
        }
        let plain = DelayQueue::new(MemoryDelayQueue::new());
        let queue = TenantQueue::new(plain.clone(), Arc::new(registry.clone()));
        let handled = Arc::new(Mutex::new(HashMap::new()));
        let counts = Arc::clone(&handled);
        let listener = listener_fn(move |message: Received<String>| {
            let counts = Arc::clone(&counts);
            async move {
                let me = current().unwrap().to_string();
                assert_eq!(message.body(), &me, "somebody else's message");
                *counts.lock().unwrap().entry(me).or_insert(0_usize) += 1;
            }
        });
        let worker = queue.worker("visits", listener).unwrap().start().unwrap();
        let siblings = Self {
            cache: TenantCache::new(CacheManager::local().cache("names").build().unwrap()),
            locks: TenantLocks::new(LockManager::new(MemoryLock::new()).with_wait(Duration::from_secs(120))),
            queue,
            plain,
            quotas: Quotas::new(registry, 8).with_patience(Duration::from_secs(300)),
            handled,
            holding: Arc::default(),
        };
        (siblings, worker)
    }

    /// As part of a request.
    pub(crate) async fn visit(&self, number: usize) {
        let me = current().unwrap().to_string();
        let turn = self.quotas.admit().await.unwrap();
        assert!(matches!(turn, Admission::Granted(_)), "there is no limit: {turn:?}");
        drop(turn);
        let load = async { current().map(|tenant| Some(tenant.to_string())) };
        assert_eq!(*self.cache.get_or_load(7, load).await.unwrap().unwrap(), me, "somebody else's value");
        assert!(matches!(self.quotas.take(Resource::Jobs, 1).await.unwrap(), Taken::Done { .. }));
        let message = DelayMessage::builder().body(me.clone()).id(number.to_string()).build().unwrap();
        let _ = self.queue.send("visits", &message).await.unwrap();

        let guard = self.locks.lock("seat").unwrap().await.unwrap();
        let held = Held::by(&me, &self.holding);
        let aside = spawn(async { current().unwrap().to_string() }).unwrap().await.unwrap();
        assert_eq!(aside, me);
        drop(held);
        let _ = guard.release().await;
    }

    /// Everybody's messages were handled in their name, and everybody's jobs counted in theirs. `whole`: those of whom no
    /// request was cancelled, with the number of their requests; others have at most as many.
    pub(crate) async fn settled(&self, whole: &HashMap<String, usize>, most: usize) {
        eventually(Duration::from_secs(120), || async {
            let handled = self.handled.lock().unwrap().clone();
            let missing: Vec<_> = whole.iter().filter(|(name, visits)| handled.get(*name) != Some(visits)).collect();
            if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} of {handled:?}")) }
        })
        .await;
        assert!(self.handled.lock().unwrap().values().all(|handled| *handled <= most));
        assert!(self.plain.dead_letters("visits", 0, 10).await.unwrap().is_empty());
        for (name, visits) in whole {
            let tenant: TenantId = name.parse().unwrap();
            let none_more =
                TenantContext::of(tenant).scope(self.quotas.take(Resource::Jobs, 0)).await.unwrap().unwrap();
            assert_eq!(none_more, Taken::Done { used: *visits as u64 }, "{name}");
        }
    }
}
