//! The decorators against the contract: whatever they are put around, it stays a lock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use nebula_lock::testing::Fixture;
use nebula_lock::{
    DistributedLock, ErrorKind, LockKey, LockManager, MemoryLock, Mode, Observed, Prefixed, Release, conformance_suite,
};

/// Defines a fixture that puts something around the backend in memory.
macro_rules! around_memory {
    ($name:ident, $lock:ty, $around:expr) => {
        #[derive(Debug)]
        struct $name(MemoryLock);

        impl Fixture for $name {
            type Lock = $lock;
            const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

            async fn start() -> Self {
                Self(MemoryLock::new())
            }

            fn lock(&self) -> Self::Lock {
                $around(self.0.clone())
            }

            async fn stored(&self) -> usize {
                self.0.keys() + self.0.watched()
            }
        }
    };
}

around_memory!(Named, Prefixed<MemoryLock>, |lock| Prefixed::new(lock, "p:").expect("a prefix"));
around_memory!(Measured, Observed<MemoryLock>, |lock| Observed::new(lock, "memory"));
around_memory!(Stacked, Arc<dyn DistributedLock>, |lock| {
    let named = Prefixed::new(Arc::new(lock) as Arc<dyn DistributedLock>, "p:").expect("a prefix");
    Arc::new(Observed::new(Box::new(named) as Box<dyn DistributedLock>, "memory"))
});

mod prefixed {
    use super::*;
    conformance_suite!(Named);
}

mod observed {
    use super::*;
    conformance_suite!(Measured);
}

mod stacked {
    use super::*;
    conformance_suite!(Stacked);
}

#[tokio::test(start_paused = true)]
async fn a_prefix_confines_every_operation() {
    let server = MemoryLock::new();
    let confined = Prefixed::new(server.clone(), "p:").unwrap();
    let (inside, outside) = (LockManager::new(confined), LockManager::new(server));
    let theirs = outside.lock("key").await.unwrap();
    let ours = inside.lock("key").await.unwrap();
    assert_eq!(inside.force_release("key").await.unwrap().map(|holder| holder.fence()), Some(ours.fence()));
    assert!(inside.inspect("key").await.unwrap().is_none());
    assert_eq!(outside.inspect("key").await.unwrap().map(|holder| holder.fence()), Some(theirs.fence()));
    assert_eq!(ours.release().await, Release::AlreadyLost);
    let waiting = outside.lock("p:key").await.unwrap();
    let woken = tokio::spawn({
        let inside = inside.clone();
        async move { inside.lock("key").wait(Duration::from_secs(5)).await.map(drop) }
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    waiting.release().await;
    assert!(woken.await.unwrap().is_ok());
    let long = "k".repeat(LockKey::MAX_BYTES);
    assert_eq!(inside.lock(long).await.unwrap_err().kind(), ErrorKind::InvalidKey, "too long with its prefix");
    assert_eq!(Prefixed::new(MemoryLock::new(), "").unwrap_err().kind(), ErrorKind::InvalidKey);
}
