use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    clock::{Clock, SystemClock},
    kind::Channel,
    outcome::{ErrorClass, Outcome},
    recipient::{Address, PushTarget},
    sender::{Delivery, NotificationSender},
};

/// A push service. The contract is that of a [`NotificationSender`].
#[async_trait]
pub trait PushProvider: fmt::Debug + Send + Sync + 'static {
    /// The provider's name: `jpush`.
    fn name(&self) -> &str;

    /// Sends one push.
    ///
    /// # Cancel safety
    /// Dropping the future does not call back what was written: the outcome is unknown then.
    async fn push(&self, message: &PushMessage) -> Outcome;
}

/// One push.
#[derive(Clone)]
#[non_exhaustive]
pub struct PushMessage {
    /// Whom it goes to. Never nobody: providers take an empty list for everybody.
    pub target: PushTarget,
    /// The title.
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// What the app gets along with it.
    pub extras: BTreeMap<String, String>,
    /// For how long the provider keeps it for devices that are offline; its default if it is not set.
    pub lifetime: Option<Duration>,
    /// What the attempt is known by.
    pub reference: String,
}

impl PushMessage {
    /// A push with that text.
    #[must_use]
    pub fn new(target: PushTarget, text: impl Into<String>) -> Self {
        let (title, extras, lifetime, reference) = Default::default();
        Self { target, title, text: text.into(), extras, lifetime, reference }
    }

    /// Sets the title.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Adds something that the app gets along with it.
    #[must_use]
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extras.insert(name.into(), value.into());
        self
    }

    /// Sets for how long the provider keeps it for devices that are offline.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Refuses an audience that is empty, which would reach everybody.
    #[cfg(any(feature = "jpush", feature = "umeng"))]
    pub(super) fn refusal(&self) -> Option<Outcome> {
        let refused =
            |error: crate::Error| Outcome::refused(ErrorClass::Recipient, "empty audience", error.to_string());
        self.target.check().err().map(refused)
    }
}

impl fmt::Debug for PushMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushMessage")
            .field("target", &self.target)
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

/// Sends notifications as pushes through a [`PushProvider`]. The app gets the template's name and the values along with the text.
#[derive(Clone)]
pub struct PushSender {
    provider: Arc<dyn PushProvider>,
    clock: Arc<dyn Clock>,
}

impl PushSender {
    /// Sends through that provider.
    #[must_use]
    pub fn new(provider: impl PushProvider) -> Self {
        Self { provider: Arc::new(provider), clock: Arc::new(SystemClock) }
    }

    /// The clock that remaining lifetimes are counted by; the system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

#[async_trait]
impl NotificationSender for PushSender {
    fn provider(&self) -> &str {
        self.provider.name()
    }

    fn channel(&self) -> Channel {
        Channel::Push
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        let (Address::Push(target), Some(text)) = (&delivery.address, &delivery.content.text) else {
            return Outcome::refused(ErrorClass::Unmapped, "no content", "the template has no text for a push");
        };
        let mut extras: BTreeMap<String, String> =
            delivery.params.iter().map(|(name, value)| (name.to_owned(), value.to_text())).collect();
        extras.insert("template".to_owned(), delivery.template.clone());
        let left = delivery.expires.map(|expires| expires.duration_since(self.clock.now()).unwrap_or_default());
        let message = PushMessage {
            target: target.clone(),
            title: delivery.content.title.clone(),
            text: text.clone(),
            extras,
            lifetime: left,
            reference: delivery.reference.clone(),
        };
        self.provider.push(&message).await
    }
}

impl fmt::Debug for PushSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushSender").field("provider", &self.provider).finish_non_exhaustive()
    }
}
