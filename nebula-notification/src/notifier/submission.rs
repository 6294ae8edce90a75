use std::fmt;

use crate::record::{Job, JobStatus, JobView};

/// What became of a notification so far: one job for each recipient and channel, with every attempt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Submission {
    /// The notification's id.
    pub notification: String,
    /// Whether its key was used before: then these are the jobs of back then.
    pub duplicate: bool,
    /// Its jobs.
    pub jobs: Vec<JobView>,
}

impl Submission {
    pub(crate) fn new(jobs: &[Job], duplicate: bool) -> Self {
        let notification = jobs.first().map(|job| job.notification.clone()).unwrap_or_default();
        Self { notification, duplicate, jobs: jobs.iter().map(JobView::from).collect() }
    }

    /// Whether a provider has every message.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.jobs.iter().all(|job| job.status.is_sent())
    }

    /// Whether nothing was sent and nothing will be: every job has failed, is suppressed, cancelled or over.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        let lost = |job: &JobView| !job.status.is_sent() && !job.status.is_open();
        self.jobs.iter().all(lost)
    }

    /// The jobs that have failed for good.
    pub fn failed(&self) -> impl Iterator<Item = &JobView> {
        self.jobs.iter().filter(|job| matches!(job.status, JobStatus::Failed | JobStatus::Expired))
    }

    /// One error that carries every attempt, if [everything has failed](Self::is_failed).
    ///
    /// # Errors
    /// [`AllFailed`].
    pub fn into_result(self) -> Result<Self, AllFailed> {
        if self.is_failed() { Err(AllFailed(self)) } else { Ok(self) }
    }
}

/// Nothing of a notification was sent.
#[derive(Debug)]
pub struct AllFailed(pub Submission);

impl fmt::Display for AllFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "notification {} was not sent", self.0.notification)?;
        for job in &self.0.jobs {
            write!(f, "; {} to {}: {}", job.channel, job.address, job.status)?;
            if let Some(reason) = &job.reason {
                write!(f, " ({reason})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for AllFailed {}
