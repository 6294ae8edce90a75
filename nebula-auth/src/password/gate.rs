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

/// Occupies a place until it is dropped.
#[cfg(test)]
pub(crate) struct Occupied {
    release: Option<std::sync::mpsc::Sender<()>>,
    task: tokio::task::JoinHandle<Result<(), Error>>,
}

#[cfg(test)]
impl Occupied {
    /// The caller goes away; its work goes on.
    pub(crate) fn abandon(&self) {
        self.task.abort();
    }

    /// The work ends.
    pub(crate) fn release(&mut self) {
        self.release = None;
    }
}

#[cfg(test)]
impl Gate {
    /// For tests on one thread: after this, one place is taken for certain.
    pub(super) async fn occupy(&self) -> Occupied {
        let (release, released) = std::sync::mpsc::channel();
        let gate = self.clone();
        let work = move || {
            let _ = released.recv();
            Ok(())
        };
        let task = tokio::spawn(async move { gate.run("test", work).await });
        tokio::task::yield_now().await;
        assert_eq!(self.permits.available_permits(), 0);
        Occupied { release: Some(release), task }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(result: Result<(), Error>) -> ErrorKind {
        result.unwrap_err().kind()
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_for_the_deadline_and_no_longer() {
        let gate = Gate::new(1, Duration::from_secs(5));
        let mut occupied = gate.occupy().await;
        // The paused clock does not advance by itself while a blocking thread works.
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.run("test", || Ok(())).await }
        });
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(4_999)).await;
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert_eq!(kind(waiting.await.unwrap()), ErrorKind::Busy);
        occupied.release();
        gate.run("test", || Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_free_the_core_it_occupies() {
        let gate = Gate::new(1, Duration::ZERO);
        let mut occupied = gate.occupy().await;
        occupied.abandon();
        tokio::task::yield_now().await;
        assert!(occupied.task.is_finished());
        assert_eq!(kind(gate.run("test", || Ok(())).await), ErrorKind::Busy);
        occupied.release();
        let patient = Gate { deadline: Duration::from_secs(60), ..gate };
        patient.run("test", || Ok(())).await.unwrap();
    }

    #[tokio::test]
    async fn a_caller_that_stops_waiting_leaves_no_trace() {
        let gate = Gate::new(1, Duration::from_secs(60));
        let mut occupied = gate.occupy().await;
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.run("test", || Ok(())).await }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        occupied.release();
        gate.run("test", || Ok(())).await.unwrap();
        assert_eq!(gate.permits.available_permits(), 1);
    }

    #[tokio::test]
    async fn work_that_panics_is_an_error_and_frees_its_place() {
        let gate = Gate::new(1, Duration::from_secs(60));
        assert_eq!(kind(gate.run("test", || panic!("on purpose")).await), ErrorKind::Internal);
        gate.run("test", || Ok(())).await.unwrap();
    }
}
