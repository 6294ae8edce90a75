//! The handle that applications hold.

mod breaker;
mod builder;
mod deliver;
mod gate;
mod plan;
mod pump;
mod queue;
mod receipts;
mod route;
mod state;
mod submission;

use std::{fmt, sync::Arc, time::Duration, time::SystemTime};

use futures_util::{StreamExt, stream};

pub use self::{
    breaker::Circuit,
    builder::NotifierBuilder,
    pump::Pump,
    queue::RetryQueue,
    route::Route,
    submission::{AllFailed, Submission},
};
use self::{deliver::Payload, state::Inner};
use crate::{
    error::{Error, ErrorKind, Result},
    notification::Notification,
    record::{Inserted, Job, JobStatus, JobView, RecordQuery, RecordStore, Statistic},
    telemetry,
    template::{Rendered, TemplateStore},
};

/// How many jobs of one notification are worked on at a time.
const PARALLEL: usize = 64;

/// Sends notifications: chooses channels and providers, keeps limits and wishes, tries again, and keeps a record of everything.
///
/// Clones share everything. See the [crate's page](crate) for an example.
#[derive(Clone)]
pub struct Notifier(Arc<Inner>);

impl Notifier {
    /// A notifier with templates, and everything else in this process, to be told how to send.
    pub fn builder(templates: impl TemplateStore) -> NotifierBuilder {
        NotifierBuilder::new(templates)
    }

    /// Sends a notification, and answers when every job has been through its first round of attempts: sent, refused, waiting
    /// for its time, or unknown. The second time with the same idempotency key it answers how far the first has come.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNotification`], [`InvalidRecipient`](ErrorKind::InvalidRecipient),
    /// [`UnknownTemplate`](ErrorKind::UnknownTemplate), [`InvalidTemplate`](ErrorKind::InvalidTemplate),
    /// [`InvalidParams`](ErrorKind::InvalidParams) and [`TooLarge`](ErrorKind::TooLarge) for what is not allowed: then nothing was
    /// sent. [`Unavailable`](ErrorKind::Unavailable) if a store cannot be reached: with an idempotency key, call again.
    /// [`Closed`](ErrorKind::Closed) after [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// The work is done in a task of its own: whoever drops the future only does not hear of it.
    pub async fn send(&self, notification: Notification) -> Result<Submission> {
        let this = self.clone();
        self.in_background(async move { this.submit(notification, true).await }).await
    }

    /// Stores a notification and answers at once: it is sent by a [running pump](Self::start), or by whoever listens to the
    /// [retry queue](RetryQueue). Codes cannot be stored.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn enqueue(&self, notification: Notification) -> Result<Submission> {
        let this = self.clone();
        self.in_background(async move { this.submit(notification, false).await }).await
    }

    /// The jobs of a notification that is to be stored and sent later.
    #[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
    pub(crate) async fn plan(&self, notification: &Notification) -> Result<Vec<Job>> {
        if self.0.stop.is_cancelled() {
            return Err(Error::new(ErrorKind::Closed, "no more notifications are taken"));
        }
        Ok(plan::plan(&self.0, notification, false).await?.jobs)
    }

    async fn submit(&self, notification: Notification, at_once: bool) -> Result<Submission> {
        let inner = &self.0;
        let planned = plan::plan(inner, &notification, at_once).await?;
        if let Inserted::Existing(jobs) = inner.records.insert(notification.key.as_deref(), &planned.jobs).await? {
            return Ok(Submission::new(&jobs, true));
        }
        let payload = Payload::new(notification.params, planned.template);
        let jobs: Vec<Result<Job>> = stream::iter(planned.jobs)
            .map(|job| {
                let payload = payload.clone();
                async move {
                    match job.status {
                        JobStatus::Sending => deliver::run(inner, job, &payload).await,
                        _ => {
                            inner.tell_queue(&job).await;
                            Ok(job)
                        }
                    }
                }
            })
            .buffered(PARALLEL)
            .collect()
            .await;
        Ok(Submission::new(&jobs.into_iter().collect::<Result<Vec<_>>>()?, false))
    }

    /// Works on a job whose time has come: what a listener of the [retry queue](RetryQueue) calls. `None` if there is nothing
    /// to do: it is not its time, somebody else is at it, or it is closed.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if a store cannot be reached: call again later.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn run(&self, job: &str) -> Result<Option<JobView>> {
        let (this, id) = (self.clone(), job.to_owned());
        self.in_background(async move {
            let Some(job) = this.0.records.get(&id).await? else { return Ok(None) };
            Ok(pump::resume(&this.0, job).await?.as_ref().map(JobView::from))
        })
        .await
    }

    /// Works on up to `max` jobs whose time has come; how many there were.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if a store cannot be reached.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn run_due(&self, max: u32) -> Result<usize> {
        let this = self.clone();
        self.in_background(async move { pump::run_due(&this.0, max).await }).await
    }

    /// Looks for due jobs every so often, in a task of its own, until the answer is dropped or the notifier shut down. Any
    /// number of processes may do so.
    #[must_use = "the pump stops when it is dropped"]
    pub fn start(&self, every: Duration) -> Pump {
        pump::start(self.clone(), every)
    }

    /// Sends a failed job once more, as a new round of the same job.  `None` if there is no such job, or it cannot be sent
    /// again: its values were secret, or it did not fail.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if a store cannot be reached.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn resend(&self, job: &str) -> Result<Option<JobView>> {
        let (this, id) = (self.clone(), job.to_owned());
        self.in_background(async move { pump::resend(&this.0, &id).await }).await
    }

    /// Calls a waiting job back. `false` if it is not waiting.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached.
    pub async fn cancel(&self, job: &str) -> Result<bool> {
        let Some(mut job) = self.0.records.get(job).await? else { return Ok(false) };
        let waiting = |job: &mut Job| {
            let waits = job.status == JobStatus::Waiting;
            if waits {
                job.set(JobStatus::Cancelled, None);
            }
            waits
        };
        self.0.update(&mut job, waiting).await
    }

    /// Settles what a provider has said about a message: an unknown outcome becomes known, an accepted message arrives or fails.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached: answer the provider with an error, so that it comes again.
    pub async fn receipt(&self, receipt: crate::DeliveryReceipt) -> Result<crate::Settled> {
        receipts::settle(&self.0, &receipt).await
    }

    /// Fills a template in without sending: what would be said to a reader of that language.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn preview(&self, template: &str, locale: &str, params: &crate::Params) -> Result<Rendered> {
        self.0.template(template, None).await?.template.render(locale, params)
    }

    /// Looks a job up.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached.
    pub async fn job(&self, id: &str) -> Result<Option<JobView>> {
        Ok(self.0.records.get(id).await?.as_ref().map(JobView::from))
    }

    /// Looks for jobs, the latest first, with addresses masked.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached.
    pub async fn find(&self, query: &RecordQuery) -> Result<Vec<JobView>> {
        Ok(self.0.records.find(query).await?.iter().map(JobView::from).collect())
    }

    /// Counts the attempts of jobs made within a span, by provider and template.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached.
    pub async fn statistics(&self, since: SystemTime, until: SystemTime) -> Result<Vec<Statistic>> {
        self.0.records.statistics(since, until).await
    }

    /// The templates.
    #[must_use]
    pub fn templates(&self) -> &dyn TemplateStore {
        &*self.0.templates
    }

    /// The records.
    #[must_use]
    pub fn records(&self) -> &dyn RecordStore {
        &*self.0.records
    }

    /// What recipients want.
    #[must_use]
    pub fn audience(&self) -> &dyn crate::AudienceStore {
        &*self.0.audience
    }

    /// The senders and the states of their circuits.
    #[must_use]
    pub fn circuits(&self) -> Vec<Circuit> {
        self.0.routes.circuits()
    }

    /// The time by the notifier's clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.now()
    }

    /// Whether the record store answers, and some sender of every channel can be tried.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if not, with what is wrong.
    pub async fn health(&self) -> Result<()> {
        self.0.records.find(&RecordQuery::new().limit(1u32)).await?;
        match self.0.routes.closed_channel() {
            None => Ok(()),
            Some(channel) => {
                Err(Error::new(ErrorKind::Unavailable, format!("the circuits of all senders for {channel} are open")))
            }
        }
    }

    /// Takes no more notifications and waits until those under way are through. `false` if the time is over first: what is left
    /// is found by other processes when its lease ends.
    pub async fn shutdown(&self, timeout: Duration) -> bool {
        self.0.stop.cancel();
        self.0.tasks.close();
        tokio::time::timeout(timeout, self.0.tasks.wait()).await.is_ok()
    }

    /// Runs work that must not stop half-way because its caller does.
    async fn in_background<R: Send + 'static>(
        &self,
        work: impl Future<Output = Result<R>> + Send + 'static,
    ) -> Result<R> {
        if self.0.stop.is_cancelled() {
            return Err(Error::new(ErrorKind::Closed, "no more notifications are taken"));
        }
        self.0.tasks.spawn(work).await.unwrap_or_else(|error| {
            telemetry::task_failed(&error);
            Err(Error::internal("the task that sent has ended without an answer"))
        })
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("routes", &self.0.routes).finish_non_exhaustive()
    }
}
