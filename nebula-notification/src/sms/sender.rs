use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    gather::Gather,
    provider::{SmsMessage, SmsProvider},
};
use crate::{
    kind::{Channel, Kind},
    outcome::{ErrorClass, Outcome},
    recipient::Address,
    sender::{Delivery, NotificationSender},
    template::ProviderTemplate,
};

/// Sends notifications as text messages through an [`SmsProvider`].
///
/// How the provider knows a template is said by the [template](crate::Content::provider), or here, by
/// [`with_template`](Self::with_template); the template wins.
#[derive(Clone)]
pub struct SmsSender {
    provider: Arc<dyn SmsProvider>,
    templates: BTreeMap<String, ProviderTemplate>,
    gather: Option<Arc<Gather>>,
}

impl SmsSender {
    /// Sends through that provider.
    #[must_use]
    pub fn new(provider: impl SmsProvider) -> Self {
        Self { provider: Arc::new(provider), templates: BTreeMap::new(), gather: None }
    }

    /// Says how the provider knows a logical template.
    #[must_use]
    pub fn with_template(mut self, name: impl Into<String>, template: ProviderTemplate) -> Self {
        self.templates.insert(name.into(), template);
        self
    }

    /// Lets notices and marketing wait so long for others, and sends them in as few requests as the provider allows; 20 ms is enough for those
    /// of one notification. Codes and alarms never wait. Without it, each message is a request.
    ///
    /// When the answer to a request for many is lost, the outcome of all of them is unknown; Aliyun's receipts for such a request cannot be told
    /// apart by their references, so these jobs end as failed, and an operator decides.
    #[must_use]
    pub fn with_batches(mut self, wait: Duration) -> Self {
        self.gather = Some(Gather::new(wait));
        self
    }

    /// The message for a delivery; `None` if it is for no telephone, or the provider has no template for it.
    fn message(&self, delivery: &Delivery) -> Option<SmsMessage> {
        let Address::Phone(phone) = &delivery.address else { return None };
        let theirs = delivery.provider_templates.get(self.provider.name());
        let template = theirs.or_else(|| self.templates.get(&delivery.template))?;
        Some(SmsMessage {
            phone: phone.clone(),
            template: template.code.clone(),
            named: template.by_name(&delivery.params),
            positional: template.by_position(&delivery.params),
            sign_name: template.sign_name.clone(),
            reference: delivery.reference.clone(),
        })
    }
}

#[async_trait]
impl NotificationSender for SmsSender {
    fn provider(&self) -> &str {
        self.provider.name()
    }

    fn channel(&self) -> Channel {
        Channel::Sms
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        let Some(message) = self.message(delivery) else {
            return Outcome::refused(ErrorClass::Unmapped, "no template", "the provider has no template for it");
        };
        match &self.gather {
            Some(gather) if matches!(delivery.kind, Kind::Notice | Kind::Marketing) => {
                gather.send(&self.provider, message).await
            }
            _ => self.provider.send(&message).await,
        }
    }
}

impl fmt::Debug for SmsSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsSender").field("provider", &self.provider).finish_non_exhaustive()
    }
}
