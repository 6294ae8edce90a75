//! Aliyun's SMS service, version 2017-05-25.

mod errors;
mod receipt;
mod request;

/// The signature `ACS3-HMAC-SHA256`.
pub mod acs3;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

use super::{
    batch,
    provider::{SmsMessage, SmsProvider},
};
use crate::{
    clock::{Clock, SystemClock},
    error::Result,
    http::{Service, service_options},
    outcome::{ErrorClass, Outcome},
    phone::Phone,
};

/// The most messages of one batch.
const BATCH: usize = 100;

/// The key pair of an account, and the token if the pair is a temporary one.
#[derive(Clone, Debug)]
pub struct AliyunCredentials {
    pub(super) id: String,
    pub(super) secret: SecretString,
    pub(super) token: Option<SecretString>,
}

impl AliyunCredentials {
    /// A key pair.
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, access_key_secret: impl Into<SecretString>) -> Self {
        Self { id: access_key_id.into(), secret: access_key_secret.into(), token: None }
    }

    /// The token of a temporary key pair.
    #[must_use]
    pub fn with_security_token(mut self, token: impl Into<SecretString>) -> Self {
        self.token = Some(token.into());
        self
    }
}

/// Aliyun's SMS service.
///
/// Mainland numbers are sent in the national form, others with their calling code. Values are always JSON texts, since numbers
/// are refused. The provider has no idempotency: after a timeout the outcome is unknown until the receipt.
///
/// ```
/// use nebula_notification::{AliyunCredentials, AliyunSms, SmsSender};
///
/// let credentials = AliyunCredentials::new("LTAI…", "secret");
/// let sender = SmsSender::new(AliyunSms::new(credentials, "票务平台")?);
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone)]
pub struct AliyunSms {
    credentials: AliyunCredentials,
    sign_name: String,
    service: Service,
    clock: Arc<dyn Clock>,
}

service_options!(AliyunSms, "aliyun");

impl AliyunSms {
    /// The service at its usual address, sending under that signature.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) if no HTTP client can be made.
    pub fn new(credentials: AliyunCredentials, sign_name: impl Into<String>) -> Result<Self> {
        let service = Service::new("aliyun", "https://dysmsapi.aliyuncs.com")?;
        Ok(Self { credentials, sign_name: sign_name.into(), service, clock: Arc::new(SystemClock) })
    }

    /// The clock that requests are dated by; the system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    async fn ask(&self, call: request::Call) -> Outcome {
        match self.service.ask(request::build(self, &call)).await {
            Ok(answer) => errors::read(&answer),
            Err(outcome) => outcome,
        }
    }

    /// One request for all of them. The provider takes all or none and does not say because of whom: what it refuses for a number or
    /// for what is said is asked again by halves, so that only those are refused whom it concerns.
    fn together<'a>(&'a self, messages: &'a [&'a SmsMessage]) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            if let [only] = messages {
                return vec![self.ask(request::send_sms(self, only)).await];
            }
            let outcome = self.ask(request::send_batch(self, messages)).await;
            if !matches!(outcome.class(), Some(ErrorClass::Recipient | ErrorClass::Content)) {
                return vec![outcome; messages.len()];
            }
            let (some, others) = messages.split_at(messages.len() / 2);
            let (mut some, others) = tokio::join!(self.together(some), self.together(others));
            some.extend(others);
            some
        })
    }
}

#[async_trait]
impl SmsProvider for AliyunSms {
    fn name(&self) -> &str {
        &self.service.name
    }

    async fn send(&self, message: &SmsMessage) -> Outcome {
        self.ask(request::send_sms(self, message)).await
    }

    /// Messages of one template go together, a hundred at a time.
    async fn send_batch(&self, messages: &[SmsMessage]) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::unknown("not asked"); messages.len()];
        for group in batch::groups(messages, BATCH, |one, other| one.template == other.template) {
            let chosen: Vec<&SmsMessage> = group.iter().map(|&at| &messages[at]).collect();
            for (at, outcome) in group.into_iter().zip(self.together(&chosen).await) {
                outcomes[at] = outcome;
            }
        }
        outcomes
    }
}

/// As the provider wants numbers: mainland ones without the calling code, others with it and without `+`.
fn number(phone: &Phone) -> &str {
    if phone.calling_code() == 86 { phone.national() } else { phone.as_str().trim_start_matches('+') }
}

impl fmt::Debug for AliyunSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AliyunSms")
            .field("name", &self.service.name)
            .field("host", &self.service.host)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
