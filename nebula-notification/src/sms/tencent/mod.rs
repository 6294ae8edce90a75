//! Tencent Cloud's SMS service, version 2021-01-11.

mod errors;
mod receipt;
mod request;

/// The signature `TC3-HMAC-SHA256`.
pub mod tc3;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use secrecy::SecretString;

use super::{
    batch,
    provider::{SmsMessage, SmsProvider},
};
use crate::{
    clock::{Clock, SystemClock},
    error::Result,
    http::{Service, service_options},
    outcome::Outcome,
};

/// The most numbers of one request.
const BATCH: usize = 200;

/// The key pair of an account, and the token if the pair is a temporary one.
#[derive(Clone, Debug)]
pub struct TencentCredentials {
    id: String,
    key: SecretString,
    token: Option<SecretString>,
}

impl TencentCredentials {
    /// A key pair.
    #[must_use]
    pub fn new(secret_id: impl Into<String>, secret_key: impl Into<SecretString>) -> Self {
        Self { id: secret_id.into(), key: secret_key.into(), token: None }
    }

    /// The token of a temporary key pair.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<SecretString>) -> Self {
        self.token = Some(token.into());
        self
    }
}

/// Tencent Cloud's SMS service.
///
/// Values are positional texts. A request can succeed for some numbers and fail for others: each has its own outcome.
///
/// ```
/// use nebula_notification::{SmsSender, TencentCredentials, TencentSms};
///
/// let credentials = TencentCredentials::new("AKID…", "secret");
/// let sender = SmsSender::new(TencentSms::new(credentials, "1400006666", "票务平台")?);
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone)]
pub struct TencentSms {
    credentials: TencentCredentials,
    app_id: String,
    sign_name: String,
    region: String,
    service: Service,
    clock: Arc<dyn Clock>,
}

service_options!(TencentSms, "tencent");

impl TencentSms {
    /// The service at its usual address, for an SMS application, sending under that signature.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) if no HTTP client can be made.
    pub fn new(
        credentials: TencentCredentials,
        sms_sdk_app_id: impl Into<String>,
        sign_name: impl Into<String>,
    ) -> Result<Self> {
        Ok(Self {
            credentials,
            app_id: sms_sdk_app_id.into(),
            sign_name: sign_name.into(),
            region: "ap-guangzhou".to_owned(),
            service: Service::new("tencent", "https://sms.tencentcloudapi.com")?,
            clock: Arc::new(SystemClock),
        })
    }

    /// Another region than `ap-guangzhou`.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// The clock that requests are dated by; the system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    async fn ask(&self, messages: &[&SmsMessage]) -> Vec<Outcome> {
        let all = |outcome: Outcome| vec![outcome; messages.len()];
        match self.service.ask(request::build(self, messages)).await {
            Ok(answer) => errors::read(&answer, messages),
            Err(outcome) => all(outcome),
        }
    }
}

#[async_trait]
impl SmsProvider for TencentSms {
    fn name(&self) -> &str {
        &self.service.name
    }

    async fn send(&self, message: &SmsMessage) -> Outcome {
        self.ask(&[message]).await.pop().unwrap_or_else(|| Outcome::unknown("no answer"))
    }

    /// Messages that say the same go together: one request has one template, one signature and one list of values.
    async fn send_batch(&self, messages: &[SmsMessage]) -> Vec<Outcome> {
        // All numbers of a request are mainland ones, or none is.
        let mainland = |message: &SmsMessage| message.phone.calling_code() == 86;
        let same = |one: &SmsMessage, other: &SmsMessage| {
            other.template == one.template
                && other.positional == one.positional
                && other.sign_name == one.sign_name
                && mainland(other) == mainland(one)
        };
        let mut outcomes = vec![Outcome::unknown("not asked"); messages.len()];
        for group in batch::groups(messages, BATCH, same) {
            let chosen: Vec<&SmsMessage> = group.iter().map(|&at| &messages[at]).collect();
            for (at, outcome) in group.into_iter().zip(self.ask(&chosen).await) {
                outcomes[at] = outcome;
            }
        }
        outcomes
    }
}

impl fmt::Debug for TencentSms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TencentSms")
            .field("name", &self.service.name)
            .field("host", &self.service.host)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
