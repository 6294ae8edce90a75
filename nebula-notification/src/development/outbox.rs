use std::{collections::VecDeque, fmt, io::Write, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::Serialize;

use crate::{
    clock,
    error::{Error, ErrorKind, Result},
    kind::{Channel, Kind},
    outcome::Outcome,
    random,
    recipient::{Address, PushTarget},
    sender::{Delivery, NotificationSender},
};

/// Environments in which messages may be shown instead of sent.
const ALLOWED: [&str; 4] = ["development", "dev", "local", "test"];

/// The most messages that are kept.
const KEPT: usize = 500;

/// Shows messages, codes included, in the terminal and on a page, and sends none: for the developer's machine.
///
/// Whoever opens the page reads everybody's codes, so it has to be asked for by naming an environment that is none of production.
///
/// ```
/// use nebula_notification::{Channel, DevelopmentOutbox, MemoryTemplates, Notifier};
///
/// let outbox = DevelopmentOutbox::for_environment("development")?;
/// let notifier = Notifier::builder(MemoryTemplates::new())
///     .sender(outbox.sender(Channel::Sms))
///     .sender(outbox.sender(Channel::Email))
///     .build();
/// let app: axum::Router = axum::Router::new().nest("/outbox", outbox.router());
/// assert!(DevelopmentOutbox::for_environment("production").is_err());
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone)]
pub struct DevelopmentOutbox(Arc<Inner>);

struct Inner {
    messages: Mutex<VecDeque<ShownMessage>>,
    terminal: bool,
}

/// A message that was shown. It has everything in it: addresses and codes.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct ShownMessage {
    /// Its id; sorts by time.
    pub id: String,
    /// The channel it would have gone by.
    pub channel: Channel,
    /// What it is for.
    pub kind: Kind,
    /// Whom it would have gone to.
    pub to: String,
    /// The template.
    pub template: String,
    /// The title.
    pub title: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The HTML, as source.
    pub html: Option<String>,
    /// The values, a code among them.
    pub params: std::collections::BTreeMap<String, String>,
    /// Names of files that go along.
    pub files: Vec<String>,
    /// When, in milliseconds since 1970.
    #[serde(with = "clock::stored")]
    pub at: SystemTime,
}

impl fmt::Debug for ShownMessage {
    /// Logs are kept for longer than this outbox: what it says is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShownMessage").field("id", &self.id).field("template", &self.template).finish_non_exhaustive()
    }
}

impl DevelopmentOutbox {
    /// An outbox, if the application says that it runs in `development` (or `dev`, `local`, `test`).
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for any other environment, and for none.
    pub fn for_environment(environment: &str) -> Result<Self> {
        if !ALLOWED.contains(&environment.trim().to_ascii_lowercase().as_str()) {
            let text = format!(
                "the development sender shows codes to whoever looks: it is for the environments {}, not for {environment:?}",
                ALLOWED.join(", "),
            );
            return Err(Error::new(ErrorKind::ConfigInvalid, text));
        }
        Ok(Self(Arc::new(Inner { messages: Mutex::default(), terminal: true })))
    }

    /// Shows messages on the page only, and nothing in the terminal.
    #[must_use]
    pub fn quiet(self) -> Self {
        let messages = Mutex::new(self.0.messages.lock().clone());
        Self(Arc::new(Inner { messages, terminal: false }))
    }

    /// What stands in for sending on a channel.
    #[must_use]
    pub fn sender(&self, channel: Channel) -> DevelopmentSender {
        DevelopmentSender { outbox: self.clone(), channel }
    }

    /// The messages, the latest first; 500 are kept.
    #[must_use]
    pub fn messages(&self) -> Vec<ShownMessage> {
        self.0.messages.lock().iter().rev().cloned().collect()
    }

    /// Forgets all messages.
    pub fn clear(&self) {
        self.0.messages.lock().clear();
    }

    fn show(&self, channel: Channel, delivery: &Delivery) -> String {
        let message = ShownMessage {
            id: random::public_id(),
            channel,
            kind: delivery.kind,
            to: plain(&delivery.address),
            template: delivery.template.clone(),
            title: delivery.content.title.clone(),
            text: delivery.content.text.clone(),
            html: delivery.content.html.clone(),
            params: delivery.params.iter().map(|(name, value)| (name.to_owned(), value.to_text())).collect(),
            files: delivery.attachments.iter().map(|one| one.name().to_owned()).collect(),
            at: SystemTime::now(),
        };
        if self.0.terminal {
            print(&message);
        }
        let id = message.id.clone();
        let mut messages = self.0.messages.lock();
        if messages.len() == KEPT {
            messages.pop_front();
        }
        messages.push_back(message);
        id
    }
}

/// To the terminal itself, not to the log: logs are shipped elsewhere. That nobody reads it is no failure.
fn print(message: &ShownMessage) {
    // What comes from outside must not move the cursor.
    let clean = |text: &str| -> String {
        text.chars().map(|one| if one.is_control() && one != '\n' { '\u{fffd}' } else { one }).collect()
    };
    let mut out = format!("── {} to {} · {} ({}) ──\n", message.channel, message.to, message.template, message.kind);
    for line in [&message.title, &message.text].into_iter().flatten() {
        out.push_str(&clean(line));
        out.push('\n');
    }
    for (name, value) in &message.params {
        out.push_str(&clean(&format!("   {name} = {value}\n")));
    }
    let _ = std::io::stderr().lock().write_all(out.as_bytes());
}

fn plain(address: &Address) -> String {
    match address {
        Address::Phone(phone) => phone.as_str().to_owned(),
        Address::Email(email) => email.as_str().to_owned(),
        Address::Push(PushTarget::Device(name) | PushTarget::Alias(name)) => name.clone(),
        Address::Push(PushTarget::Tags(tags)) => tags.join(", "),
        Address::Push(PushTarget::Everybody) => "*".to_owned(),
        Address::OpenId(id) | Address::Endpoint(id) | Address::User(id) => id.clone(),
    }
}

impl fmt::Debug for DevelopmentOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevelopmentOutbox").field("messages", &self.0.messages.lock().len()).finish_non_exhaustive()
    }
}

/// Puts the messages of a channel into a [`DevelopmentOutbox`].
#[derive(Clone, Debug)]
pub struct DevelopmentSender {
    outbox: DevelopmentOutbox,
    channel: Channel,
}

#[async_trait]
impl NotificationSender for DevelopmentSender {
    fn provider(&self) -> &str {
        "development"
    }

    fn channel(&self) -> Channel {
        self.channel
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        Outcome::accepted(self.outbox.show(self.channel, delivery))
    }
}
