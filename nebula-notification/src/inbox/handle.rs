use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{Stream, stream};
use tokio::{sync::broadcast, time::Instant};

use super::store::{InboxMessage, InboxQuery, InboxSelection, InboxState, InboxStore};
use crate::{
    clock::{Clock, SystemClock},
    error::{ErrorKind, Result},
    kind::Channel,
    outcome::{ErrorClass, Outcome},
    random,
    recipient::Address,
    sender::{Delivery, NotificationSender},
    telemetry,
};

/// How many changes a listener may lag behind before it looks for itself.
const BACKLOG: usize = 256;

/// The inboxes within the application: a [sender](NotificationSender) that puts messages in, and what pages read.
///
/// ```
/// use nebula_notification::{Content, Inbox, InboxQuery, Kind, MemoryInbox, MemoryTemplates, Notification, NotificationTemplate, Notifier, Recipient};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let template = NotificationTemplate::new("welcome", Kind::Notice).content("en", Content::new().text("Welcome!"));
/// let inbox = Inbox::new(MemoryInbox::new());
/// let notifier = Notifier::builder(MemoryTemplates::new().with(template)?).sender(inbox.clone()).build();
/// notifier.send(Notification::new("welcome").to(Recipient::user("ada"))).await?;
///
/// assert_eq!(inbox.state("ada").await?.unread, 1);
/// let messages = inbox.list("ada", &InboxQuery::new()).await?;
/// assert_eq!(messages[0].text, "Welcome!");
/// inbox.mark_read("ada", &[messages[0].id.clone()]).await?;
/// assert_eq!(inbox.state("ada").await?.unread, 0);
/// # Ok::<_, nebula_notification::Error>(())
/// # }).unwrap();
/// ```
///
/// [`watch`](Self::watch) tells of changes: at once for those made through a clone of this handle, and within the
/// [poll interval](Self::with_poll) for those made by other processes.
#[derive(Clone)]
pub struct Inbox {
    store: Arc<dyn InboxStore>,
    clock: Arc<dyn Clock>,
    changed: broadcast::Sender<Arc<str>>,
    poll: Duration,
}

impl Inbox {
    /// Inboxes in that store.
    #[must_use]
    pub fn new(store: impl InboxStore) -> Self {
        let (changed, _) = broadcast::channel(BACKLOG);
        Self { store: Arc::new(store), clock: Arc::new(SystemClock), changed, poll: Duration::from_secs(3) }
    }

    /// The clock; the system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How often [`watch`](Self::watch) looks for what other processes have changed; every 3 s by default.
    #[must_use]
    pub fn with_poll(mut self, every: Duration) -> Self {
        self.poll = every.max(Duration::from_millis(10));
        self
    }

    /// Messages of a user.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn list(&self, user: &str, query: &InboxQuery) -> Result<Vec<InboxMessage>> {
        self.store.list(user, query, self.clock.now()).await
    }

    /// What a user has in the inbox, and how much of it is unread.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn state(&self, user: &str) -> Result<InboxState> {
        self.store.state(user, self.clock.now()).await
    }

    /// Marks messages of a user as read; how many were not. Ids of other users' messages change nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future marks all or none.
    pub async fn mark_read(&self, user: &str, ids: &[String]) -> Result<u64> {
        let count = self.store.mark(user, InboxSelection::Ids(ids), self.clock.now()).await?;
        self.tell(user);
        Ok(count)
    }

    /// Marks everything in a user's inbox as read; how many messages were not.
    ///
    /// # Errors
    /// As [`mark_read`](Self::mark_read).
    ///
    /// # Cancel safety
    /// As [`mark_read`](Self::mark_read).
    pub async fn mark_all_read(&self, user: &str) -> Result<u64> {
        let count = self.store.mark(user, InboxSelection::All, self.clock.now()).await?;
        self.tell(user);
        Ok(count)
    }

    /// Removes messages of a user; how many.
    ///
    /// # Errors
    /// As [`mark_read`](Self::mark_read).
    ///
    /// # Cancel safety
    /// As [`mark_read`](Self::mark_read).
    pub async fn remove(&self, user: &str, ids: &[String]) -> Result<u64> {
        let count = self.store.remove(user, InboxSelection::Ids(ids)).await?;
        self.tell(user);
        Ok(count)
    }

    /// Removes messages of all users that are older than that, and those that have ended; how many.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future removes some of them.
    pub async fn forget_older_than(&self, age: Duration) -> Result<u64> {
        let now = self.clock.now();
        self.store.forget(now.checked_sub(age).unwrap_or(std::time::UNIX_EPOCH), now).await
    }

    /// The state of a user's inbox: as it is now, and whenever it has changed. Several changes at once are told as one. While the store
    /// cannot be reached nothing is told.
    pub fn watch(&self, user: &str) -> impl Stream<Item = InboxState> + Send + use<> {
        let watching = Watching {
            inbox: self.clone(),
            changes: self.changed.subscribe(),
            user: user.to_owned(),
            last: None,
            next: Instant::now(),
        };
        stream::unfold(watching, |mut watching| async move {
            loop {
                watching.wait().await;
                match watching.inbox.state(&watching.user).await {
                    Ok(state) if watching.last.as_ref() == Some(&state) => {}
                    Ok(state) => {
                        watching.last = Some(state.clone());
                        return Some((state, watching));
                    }
                    Err(error) => telemetry::inbox_unknown(&error),
                }
            }
        })
    }

    fn tell(&self, user: &str) {
        // Nobody may be listening.
        let _ = self.changed.send(user.into());
    }
}

struct Watching {
    inbox: Inbox,
    changes: broadcast::Receiver<Arc<str>>,
    user: String,
    last: Option<InboxState>,
    next: Instant,
}

impl Watching {
    /// Until the next look: a change that was told of, or the time for it.
    async fn wait(&mut self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(self.next) => break,
                told = self.changes.recv() => match told {
                    Ok(user) if *user != *self.user => {}
                    // The inbox of this stream holds a sender, so it is never closed.
                    Ok(_) | Err(_) => break,
                },
            }
        }
        self.next = Instant::now() + self.inbox.poll;
    }
}

#[async_trait]
impl NotificationSender for Inbox {
    fn provider(&self) -> &str {
        "inbox"
    }

    fn channel(&self) -> Channel {
        Channel::Inbox
    }

    /// An attempt whose answer was lost may be repeated: the same reference is put in once. Codes are not put in: an inbox is no second
    /// factor.
    async fn send(&self, delivery: &Delivery) -> Outcome {
        let (Address::User(user), Some(text)) = (&delivery.address, &delivery.content.text) else {
            return Outcome::refused(ErrorClass::Unmapped, "no content", "the template has no text for an inbox");
        };
        if delivery.kind.is_secret() {
            return Outcome::refused(ErrorClass::Unmapped, "code", "codes are not kept in inboxes");
        }
        let message = InboxMessage {
            id: random::public_id(),
            reference: delivery.reference.clone(),
            template: delivery.template.clone(),
            title: delivery.content.title.clone(),
            text: text.clone(),
            created: self.clock.now(),
            seen: None,
            ends: delivery.expires,
        };
        match self.store.add(user, &message).await {
            Ok(_) => {
                self.tell(user);
                Outcome::accepted(message.id)
            }
            // What is put in a second time by the next attempt is a message twice: nobody knows whether the first is there.
            Err(error) if error.kind() == ErrorKind::Unavailable => Outcome::unknown("store"),
            Err(error) => Outcome::refused(ErrorClass::Content, "store", error.to_string()),
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("store", &self.store).field("poll", &self.poll).finish_non_exhaustive()
    }
}
