//! Bounds how many hashes run at once: each occupies a core and its full memory.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::{
    error::{Error, ErrorKind},
    telemetry,
};

#[derive(Debug, Clone)]
pub(super) struct Gate {
    permits: Arc<Semaphore>,
    deadline: Duration,
}

impl Gate {
    pub(super) fn new(concurrent: usize, deadline: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(concurrent.clamp(1, Semaphore::MAX_PERMITS))), deadline }
    }

    /// Runs `work` on a blocking thread once there is room.
    ///
    /// The permit travels with the work: a caller that goes away frees its place in the queue, but not the core that
    /// its hash still occupies.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let arrived = Instant::now();
        let permit: OwnedSemaphorePermit = match timeout(self.deadline, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(closed)) => return Err(Error::internal("the hashing queue is closed").with_source(closed)),
            Err(_) => {
                telemetry::password_busy();
                let text = format!("no room for another password hash within {:?}", self.deadline);
                return Err(Error::new(ErrorKind::Busy, text));
            }
        };
        let started = Instant::now();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        let result = task.await.map_err(|error| Error::internal("the hashing thread failed").with_source(error))?;
        telemetry::password_hashed(operation, started - arrived, started.elapsed());
        result
    }
}
