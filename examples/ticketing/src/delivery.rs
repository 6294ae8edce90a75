//! What delivers messages: the servers and services of the configuration, and the development outbox for the channels that nothing is
//! configured for.

use nebula_notification::{
    Channel, DevelopmentOutbox, Error, ErrorKind, MemoryTemplates, NotificationConfig, NotifierBuilder, Result,
};

use crate::problem::Problem;

/// Where messages go.
#[derive(Clone, Debug)]
pub struct Delivery {
    config: NotificationConfig,
    development: Option<DevelopmentOutbox>,
}

impl Delivery {
    /// By what is configured. What cannot be sent is `shown`, or goes nowhere.
    ///
    /// # Errors
    ///
    /// Never with the name that stands here.
    pub fn new(config: NotificationConfig, shown: bool) -> Result<Self> {
        let development = match shown {
            true => Some(DevelopmentOutbox::for_environment("development")?.quiet()),
            false => None,
        };
        Ok(Self { config, development })
    }

    /// Where messages are shown instead of sent, if they are.
    #[must_use]
    pub fn development(&self) -> Option<&DevelopmentOutbox> {
        self.development.as_ref()
    }

    /// A notifier with these templates that sends in these ways.
    ///
    /// # Errors
    ///
    /// The configuration or a template cannot work.
    pub async fn notifier(&self, templates: impl Fn() -> Result<MemoryTemplates>) -> Result<NotifierBuilder> {
        let configured = self.config.connect(templates()?).await?.circuits();
        let mut builder = self.config.builder(templates()?).await?;
        if let Some(outbox) = &self.development {
            for channel in [Channel::Email, Channel::Sms] {
                if !configured.iter().any(|circuit| circuit.channel == channel) {
                    builder = builder.sender(outbox.sender(channel));
                }
            }
        }
        Ok(builder)
    }
}

/// A message was not taken.
pub(crate) fn failed(error: Error) -> Problem {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Closed => Problem::unavailable(error),
        _ => Problem::internal(error),
    }
}
