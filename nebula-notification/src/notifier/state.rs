use std::{sync::Arc, time::Duration, time::SystemTime};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{queue::RetryQueue, route::Routes};
use crate::{
    audience::{AudienceStore, QuietHours},
    clock::Clock,
    error::{Error, ErrorKind, Result},
    kind::Kind,
    limit::Limits,
    record::{Job, RecordStore},
    telemetry,
    template::{StoredTemplate, TemplateStore},
};

/// How often a change is tried when others change the same job.
const SWAPS: usize = 16;

pub(super) struct Inner {
    pub(super) templates: Arc<dyn TemplateStore>,
    pub(super) records: Arc<dyn RecordStore>,
    pub(super) audience: Arc<dyn AudienceStore>,
    pub(super) limits: Option<Limits>,
    pub(super) quiet: Vec<(Kind, QuietHours)>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) routes: Routes,
    pub(super) queue: Option<Arc<dyn RetryQueue>>,
    pub(super) options: Options,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// What one attempt may take.
    pub(super) attempt_timeout: Duration,
    /// What one round of attempts may take.
    pub(super) round_timeout: Duration,
    /// Tries at one provider within a round.
    pub(super) tries: u32,
    /// The pause before the second try; doubled for each further one.
    pub(super) pause: Duration,
    /// Rounds.
    pub(super) rounds: u32,
    /// The pause before the second round; doubled for each further one.
    pub(super) round_pause: Duration,
    /// How long a receipt is waited for when the outcome is unknown.
    pub(super) receipt_wait: Duration,
}

impl Inner {
    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// For how long nobody else works on a job that somebody is at.
    pub(super) fn lease(&self) -> Duration {
        self.options.round_timeout + self.options.attempt_timeout + Duration::from_secs(30)
    }

    pub(super) async fn template(&self, name: &str, version: Option<u32>) -> Result<Arc<StoredTemplate>> {
        let unknown = || Error::new(ErrorKind::UnknownTemplate, format!("there is no template {name:?}"));
        self.templates.get(name, version).await?.ok_or_else(unknown)
    }

    /// Changes a job, on top of whatever others have changed meanwhile. The change says whether it still applies.
    pub(super) async fn update(&self, job: &mut Job, change: impl Fn(&mut Job) -> bool + Send + Sync) -> Result<bool> {
        for _ in 0..SWAPS {
            let mut changed = job.clone();
            if !change(&mut changed) {
                return Ok(false);
            }
            changed.version += 1;
            changed.updated = self.now();
            if self.records.swap(&changed).await? {
                *job = changed;
                return Ok(true);
            }
            let Some(fresh) = self.records.get(&job.id).await? else {
                return Err(Error::new(ErrorKind::Unavailable, "the record is gone"));
            };
            *job = fresh;
        }
        Err(Error::new(ErrorKind::Unavailable, "others change the same record all the time"))
    }

    /// Says when a job wants to be looked at. The pump finds it in any case, so a queue that fails is no failure.
    pub(super) async fn tell_queue(&self, job: &Job) {
        let Some(queue) = self.queue.as_ref().filter(|_| job.status.is_open()) else { return };
        if let Err(error) = queue.later(&job.id, job.due).await {
            telemetry::queue_failed(&error);
        }
    }
}
