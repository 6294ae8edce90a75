//! Messages that carry their tenant, and consumers that reject those that do not.
//!
//! [`TenantQueue::send`] writes the tenant whose work it is into the envelope, and into the message's id: two tenants never
//! have the same message, and what one sends, cancels or moves is its own. [`TenantListener`] handles a message as its tenant's work.
//! One without a tenant, with two, or of a tenant that is not served becomes a dead letter, and an [`AuditEvent`].

use std::fmt;
use std::sync::Arc;

use metrics::counter;
use nebula_delay_queue::{
    Cancel, DelayMessage, DelayQueue, DelayQueueListener, HandlerError, MessageId, Outcome, Received, Reschedule,
    Schedule, SendOutcome, WorkerBuilder,
};
use serde::Serialize;

use crate::audit::{self, AuditEvent};
use crate::context::{TenantContext, current};
use crate::directory::{TenantDirectory, TenantStatus};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::scoped::joined;

/// The header of the envelope.
pub const MESSAGE_TENANT: &str = "x-nebula-tenant";

/// A queue of messages that carry their tenant. Cheap to clone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
/// use std::sync::Arc;
/// use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue, Received, listener_fn};
/// use nebula_tenant::message::TenantQueue;
/// use nebula_tenant::registry::{MemoryTenants, Tenant, TenantRegistry};
/// use nebula_tenant::{TenantContext, TenantId, TenantStatus, current};
///
/// let star: TenantId = "star".parse()?;
/// let tenants = TenantRegistry::new(MemoryTenants::new());
/// tenants.insert(&Tenant::new(star.clone()).with_status(TenantStatus::Active)).await?;
///
/// let queue = TenantQueue::new(DelayQueue::new(MemoryDelayQueue::new()), Arc::new(tenants));
/// let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
/// let worker = queue.worker("orders", listener_fn(move |_: Received<u64>| {
///     let told = told.clone();
///     async move { told.send(current()).map_err(|_| "nobody listens") }
/// }))?.start()?;
///
/// assert!(queue.send("orders", &DelayMessage::new(7_u64)).await.is_err(), "nobody said whose");
/// TenantContext::of(star).scope(queue.send("orders", &DelayMessage::new(7_u64))).await??;
/// assert_eq!(hears.recv().await.expect("it is handled")?.as_str(), "star");
/// # worker.shutdown(std::time::Duration::from_secs(1)).await;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TenantQueue {
    queue: DelayQueue,
    directory: Arc<dyn TenantDirectory>,
}

impl TenantQueue {
    /// Over this queue, for the tenants that the directory knows.
    #[must_use]
    pub fn new(queue: DelayQueue, directory: Arc<dyn TenantDirectory>) -> Self {
        Self { queue, directory }
    }

    /// Sends a message of the tenant whose work it is. Its id is that of the tenant's alone.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said whose, [`ErrorKind::Conflict`] if the message names another tenant,
    /// [`ErrorKind::Unavailable`] or [`ErrorKind::Config`] with the queue's error as its source, also after its shutdown.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the message was stored. Sending the same message again is safe.
    pub async fn send<T: Serialize + Sync>(
        &self,
        queue: &str,
        message: &DelayMessage<T>,
    ) -> Result<SendOutcome, Error> {
        let tenant = current()?;
        let mut raw = message.encode().map_err(failed)?;
        match raw.headers.get(MESSAGE_TENANT).map(|named| named.parse::<TenantId>()) {
            None => {}
            Some(Ok(named)) if named == tenant => {}
            Some(named) => {
                if let Ok(named) = named {
                    audit::conflict("message", &tenant, &named);
                }
                return Err(Error::new(ErrorKind::Conflict, "a message that names another tenant"));
            }
        }
        raw.id = own_id(&tenant, raw.id.as_str())?;
        raw.headers.insert(MESSAGE_TENANT.to_owned(), tenant.to_string());
        self.queue.send_raw(queue, raw).await.map_err(failed)
    }

    /// Takes back a message of the tenant whose work it is.
    ///
    /// # Errors
    /// As those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Cancelling again is safe.
    pub async fn cancel(&self, queue: &str, id: &str) -> Result<Cancel, Error> {
        let id = own_id(&current()?, id)?;
        self.queue.cancel(queue, id).await.map_err(failed)
    }

    /// Moves a message of the tenant whose work it is to another time.
    ///
    /// # Errors
    /// As those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Moving again is safe.
    pub async fn reschedule(&self, queue: &str, id: &str, schedule: Schedule) -> Result<Reschedule, Error> {
        let id = own_id(&current()?, id)?;
        self.queue.reschedule(queue, id, schedule).await.map_err(failed)
    }

    /// Starts to describe a worker whose listener handles each message as its tenant's work.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is not a queue's name.
    pub fn worker<L: DelayQueueListener>(
        &self,
        queue: &str,
        listener: L,
    ) -> Result<WorkerBuilder<TenantListener<L>>, Error> {
        let listener = TenantListener::new(listener, Arc::clone(&self.directory));
        Ok(self.queue.worker(queue).map_err(failed)?.listener(listener))
    }
}

impl fmt::Debug for TenantQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantQueue").field("queue", &self.queue).finish_non_exhaustive()
    }
}

fn own_id(tenant: &TenantId, id: &str) -> Result<MessageId, Error> {
    MessageId::new(joined(tenant, [id])).map_err(failed)
}

fn failed(error: nebula_delay_queue::Error) -> Error {
    let kind = if error.is_retryable() { ErrorKind::Unavailable } else { ErrorKind::Config };
    Error::new(kind, "the queue does not take this").with_source(error)
}

/// Handles each message as the work of its tenant, and rejects what is nobody's.
pub struct TenantListener<L> {
    listener: L,
    directory: Arc<dyn TenantDirectory>,
}

impl<L> TenantListener<L> {
    /// Around this listener, for the tenants that the directory knows.
    #[must_use]
    pub fn new(listener: L, directory: Arc<dyn TenantDirectory>) -> Self {
        Self { listener, directory }
    }
}

impl<L> fmt::Debug for TenantListener<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantListener").finish_non_exhaustive()
    }
}

/// Whose a message is, by its envelope alone.
fn named<T>(message: &Received<T>) -> Result<TenantId, &'static str> {
    let header = message.header(MESSAGE_TENANT).ok_or("tenant-missing")?;
    let tenant: TenantId = header.parse().map_err(|_| "tenant-malformed")?;
    // The id was made with the tenant: a header that was changed, or a message of a bare queue, does not fit.
    let id = message.id().as_str();
    let own = id.strip_prefix(&joined(&tenant, [])).and_then(|rest| rest.split_once(':'));
    match own {
        Some((length, rest)) if length == rest.len().to_string() => Ok(tenant),
        _ => Err("tenant-conflict"),
    }
}

impl<L: DelayQueueListener> DelayQueueListener for TenantListener<L> {
    type Message = L::Message;

    async fn on_message(&self, message: Received<L::Message>) -> Result<Outcome, HandlerError> {
        let reject = |reason: &'static str| {
            counter!("nebula_tenant_messages_refused_total", "reason" => reason).increment(1);
            audit::record(&AuditEvent::Message { reason });
            Ok(Outcome::DeadLetter(reason.to_owned()))
        };
        let tenant = match named(&message) {
            Ok(tenant) => tenant,
            Err(reason) => return reject(reason),
        };
        // A directory that cannot say is a failed attempt, which is tried again.
        match self.directory.status(&tenant).await? {
            Some(TenantStatus::Active) => {}
            Some(TenantStatus::Preparing) => return reject("tenant-preparing"),
            Some(TenantStatus::Suspended) => return reject("tenant-suspended"),
            Some(TenantStatus::Archived | TenantStatus::Erasing | TenantStatus::Erased) => {
                return reject("tenant-archived");
            }
            None => return reject("tenant-unknown"),
        }
        TenantContext::of(tenant).scope(self.listener.on_message(message)).await?
    }
}
