//! What a job is.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::schedule::Schedule;
use crate::{
    clock::Millis,
    problem::{Problem, Result},
};

/// A run that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What a run did, by name.
pub type Did = Map<String, Value>;

/// How a run ended that did not fail.
#[derive(Debug)]
pub enum Ran {
    /// It did this.
    Done(Did),
    /// The process stops: another one makes the run again.
    Stopped,
}

impl Ran {
    /// It did so many of these.
    #[must_use]
    pub fn did(counts: impl IntoIterator<Item = (&'static str, u64)>) -> Self {
        Self::Done(counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect())
    }
}

/// Where a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On whoever has this lock.
    One(&'static str),
    /// On each server.
    Each,
}

type Work = dyn Fn(CancellationToken) -> BoxFuture<'static, Result<Ran>> + Send + Sync;

/// A job.
pub struct Job {
    pub(super) name: &'static str,
    pub(super) schedule: Schedule,
    pub(super) place: Place,
    pub(super) patience: Duration,
    work: Box<Work>,
    pub(super) here: Mutex<Here>,
}

/// What this process knows of a job of its own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Here {
    pub(super) running: bool,
    pub(super) began: Option<Millis>,
}

impl Job {
    /// A job that each server has to do for itself.
    #[must_use]
    pub fn new<F: Future<Output = Result<Ran>> + Send + 'static>(
        name: &'static str,
        schedule: Schedule,
        work: impl Fn(CancellationToken) -> F + Send + Sync + 'static,
    ) -> Self {
        let work = Box::new(move |stopping| work(stopping).boxed());
        Self { name, schedule, place: Place::Each, patience: PATIENCE, work, here: Mutex::default() }
    }

    /// One server at a time does it for all: whoever has this lock.
    #[must_use]
    pub const fn alone(mut self, lock: &'static str) -> Self {
        self.place = Place::One(lock);
        self
    }

    /// A run may take so long, instead of an hour.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// A run to its end. That it panics is a failure of its own.
    pub(super) async fn work(&self, stopping: &CancellationToken) -> Result<Ran> {
        let work = std::panic::AssertUnwindSafe((self.work)(stopping.clone())).catch_unwind();
        match tokio::time::timeout(self.patience, work).await {
            Ok(Ok(ran)) => ran,
            Ok(Err(_)) => Err(Problem::internal("the job panicked")),
            Err(_) => Err(Problem::internal(format!("the job took longer than {:?}", self.patience))),
        }
    }

    /// The lock of a job that one server does.
    #[must_use]
    pub fn lock(&self) -> Option<&'static str> {
        match self.place {
            Place::One(lock) => Some(lock),
            Place::Each => None,
        }
    }
}

/// As long as it lives, this process is at it.
pub(super) struct Running(pub(super) Arc<Job>);

impl Running {
    /// Unless it is at it already.
    pub(super) fn begin(job: &Arc<Job>) -> Option<Self> {
        let mut here = job.here.lock();
        let free = !here.running;
        here.running = true;
        drop(here);
        free.then(|| Self(Arc::clone(job)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.here.lock().running = false;
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, schedule, place, .. } = self;
        f.debug_struct("Job")
            .field("name", name)
            .field("schedule", schedule)
            .field("place", place)
            .finish_non_exhaustive()
    }
}
