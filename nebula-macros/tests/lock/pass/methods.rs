//! Methods: fields in the key, `&mut self`, owned arguments, early returns, conversions by `?`.

use std::sync::Arc;
use std::time::Duration;

use nebula_lock::{ErrorKind, Fence, LockError, LockManager, MemoryLock, distributed_lock};

#[derive(Debug)]
enum AppError {
    Lock(LockError),
    Number,
}

impl From<LockError> for AppError {
    fn from(error: LockError) -> Self {
        Self::Lock(error)
    }
}

impl From<std::num::ParseIntError> for AppError {
    fn from(_: std::num::ParseIntError) -> Self {
        Self::Number
    }
}

struct Venue {
    hall: String,
    floor: (u8, u8),
}

struct Office {
    locks: Arc<LockManager>,
    venue: Venue,
    sold: u32,
}

const SHOW: &str = "gala";

impl Office {
    #[distributed_lock(manager = self.locks, key = "{SHOW}:{self.venue.hall}:{self.venue.floor.1}:{seat}:{{x}}")]
    async fn held(&self, seat: &str) -> Result<bool, AppError> {
        let holder = self.locks.inspect(format!("gala:main:2:{seat}:{{x}}")).await?;
        Ok(holder.is_some())
    }

    #[distributed_lock(manager = self.locks, key = format!("sum:{a}"), wait = "0s", lease = "1m 30s", fence = token)]
    async fn sum(&mut self, a: String, b: String) -> Result<(u32, Fence), AppError> {
        if b.is_empty() {
            return Ok((0, token));
        }
        self.sold += a.parse::<u32>()? + b.parse::<u32>()?;
        drop((a, b));
        Ok((self.sold, token))
    }

    #[distributed_lock(manager = self.locks, key = "same", wait = Duration::from_millis(5))]
    async fn nested(&self, depth: u32) -> Result<u32, AppError> {
        if depth == 0 { Ok(0) } else { Box::pin(self.nested(depth - 1)).await }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_hold_locks() {
    let locks = Arc::new(LockManager::new(MemoryLock::new()));
    let venue = Venue { hall: "main".to_owned(), floor: (1, 2) };
    let mut office = Office { locks, venue, sold: 0 };
    assert!(office.held("A-1").await.unwrap());
    assert_eq!(office.sum("1".to_owned(), "2".to_owned()).await.unwrap().0, 3);
    assert_eq!(office.sum("1".to_owned(), String::new()).await.unwrap().0, 0);
    assert!(matches!(office.sum("1".to_owned(), "x".to_owned()).await, Err(AppError::Number)));
    let Err(AppError::Lock(error)) = office.nested(1).await else { panic!("the lock is not reentrant") };
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert_eq!(office.locks.health().await.unwrap().held, 0);
}
