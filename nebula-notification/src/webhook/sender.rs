use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use reqwest::{Client, Method, Request, Url, header::HeaderValue};
use secrecy::SecretString;
use serde_json::json;

use super::{
    guard::{PublicOnly, is_private, is_public},
    signature::{self, ID, SIGNATURE, TIMESTAMP},
};
use crate::{
    clock::{Clock, SystemClock, seconds},
    error::{Error, ErrorKind, Result},
    http::{self, TIMEOUT},
    kind::Channel,
    outcome::{ErrorClass, Outcome},
    recipient::Address,
    sender::{Delivery, NotificationSender},
};

/// Posts notifications as signed JSON to end points that the application has named; recipients are
/// [`Address::Endpoint`] with such a name.
///
/// The request carries `webhook-id`, `webhook-timestamp` and `webhook-signature` (`v1,` and the HMAC-SHA256 of `id.timestamp.body`), as
/// "Standard Webhooks" has them; [`WebhookVerifier`](crate::WebhookVerifier) checks them. The id is that of the job: whoever gets it twice
/// because an answer was lost knows the second by it. An answer of 2xx means taken, 5xx and 429 that it is tried again, any other 4xx that
/// it is not; redirections are not followed. Addresses of this machine and of private networks are refused, whatever name
/// they hide behind, unless [allowed](Self::with_private_addresses).
///
/// ```
/// use nebula_notification::WebhookSender;
///
/// let sender = WebhookSender::new()?.with_endpoint("erp", "https://erp.example/hooks", "a secret of at least 24 bytes")?;
/// assert!(WebhookSender::new()?.with_endpoint("meta", "http://169.254.169.254/", "a secret of at least 24 bytes").is_err());
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone)]
pub struct WebhookSender {
    name: Arc<str>,
    client: Client,
    timeout: Duration,
    private: bool,
    endpoints: BTreeMap<String, (Url, Arc<hmac::Key>)>,
    clock: Arc<dyn Clock>,
}

fn client(timeout: Duration, private: bool) -> Result<Client> {
    let mut builder =
        Client::builder().timeout(timeout).connect_timeout(timeout / 2).redirect(reqwest::redirect::Policy::none());
    if !private {
        // A proxy would look names up itself.
        builder = builder.no_proxy().dns_resolver(PublicOnly);
    }
    builder
        .build()
        .map_err(|error| Error::new(ErrorKind::ConfigInvalid, "the HTTP client cannot be made").with_source(error))
}

impl WebhookSender {
    /// A sender that knows no end point yet.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if no HTTP client can be made.
    pub fn new() -> Result<Self> {
        Ok(Self {
            name: "webhook".into(),
            client: client(TIMEOUT, false)?,
            timeout: TIMEOUT,
            private: false,
            endpoints: BTreeMap::new(),
            clock: Arc::new(SystemClock),
        })
    }

    /// Another name than `webhook` in records.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// What one request may take; 8 s by default.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if no HTTP client can be made.
    pub fn with_timeout(mut self, timeout: Duration) -> Result<Self> {
        self.timeout = timeout;
        self.client = client(timeout, self.private)?;
        Ok(self)
    }

    /// Allows end points on this machine and in private networks, for all of this sender. Say it before they are named.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if no HTTP client can be made.
    pub fn with_private_addresses(mut self) -> Result<Self> {
        self.private = true;
        self.client = client(self.timeout, true)?;
        Ok(self)
    }

    /// Names an end point: its address, and the secret that it shares (at least 24 bytes; or `whsec_` and base64).
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for what is no address of `https` (or `http`) or has a user in it, for an address that is private, and for a
    /// secret that is too short.
    pub fn with_endpoint(
        mut self,
        name: impl Into<String>,
        url: &str,
        secret: impl Into<SecretString>,
    ) -> Result<Self> {
        let refuse = |what: &str| Error::new(ErrorKind::ConfigInvalid, format!("webhook: {what}"));
        let url: Url = url.parse().map_err(|_| refuse("this is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("an end point is http or https, without a user"));
        }
        // Names are judged when they are looked up; addresses are not looked up.
        let host = url.host_str().ok_or_else(|| refuse("it has no host"))?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if !self.private && literal.is_ok_and(|address| !is_public(address)) {
            return Err(refuse("the address is private"));
        }
        let key = Arc::new(signature::key(&secret.into())?);
        self.endpoints.insert(name.into(), (url, key));
        Ok(self)
    }

    /// The clock that requests are dated by; the system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    fn request(&self, url: &Url, key: &hmac::Key, delivery: &Delivery) -> Result<Request> {
        // The reference is the job's id and the number of the attempt.
        let id = delivery.reference.split('.').next().unwrap_or_default();
        let body = json!({
            "id": id,
            "reference": delivery.reference,
            "kind": delivery.kind,
            "template": delivery.template,
            "locale": delivery.locale,
            "title": delivery.content.title,
            "text": delivery.content.text,
            "params": delivery.params,
        });
        let body = body.to_string();
        let timestamp = seconds(self.clock.now()).to_string();
        let signature = signature::sign(key, id, &timestamp, body.as_bytes());
        let mut request = Request::new(Method::POST, url.clone());
        let headers =
            [(ID, id), (TIMESTAMP, &timestamp), (SIGNATURE, &signature), ("content-type", "application/json")];
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| Error::internal("a header cannot be written"))?;
            request.headers_mut().insert(name, value);
        }
        *request.body_mut() = Some(body.into());
        Ok(request)
    }
}

#[async_trait]
impl NotificationSender for WebhookSender {
    fn provider(&self) -> &str {
        &self.name
    }

    fn channel(&self) -> Channel {
        Channel::Webhook
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        let Address::Endpoint(name) = &delivery.address else {
            return Outcome::refused(ErrorClass::Unmapped, "address", "this is no end point");
        };
        let Some((url, key)) = self.endpoints.get(name) else {
            return Outcome::refused(ErrorClass::Unmapped, "address", "there is no end point of that name");
        };
        let request = match self.request(url, key, delivery) {
            Ok(request) => request,
            Err(error) => return Outcome::refused(ErrorClass::Content, "not sent", error.to_string()),
        };
        let response = match self.client.execute(request).await {
            Ok(response) => response,
            Err(error) if is_private(&error) => {
                return Outcome::refused(
                    ErrorClass::Account,
                    "private address",
                    "the end point is not on the internet",
                );
            }
            Err(error) => return http::lost(&error),
        };
        // What it says beside that is not read.
        match response.status().as_u16() {
            200..=299 => Outcome::accepted_without_id(),
            status @ (408 | 425 | 429 | 500..=599) => {
                let wait = http::retry_after(&response);
                Outcome::refused(ErrorClass::Transient, format!("http {status}"), "not taken").retry_after(wait)
            }
            status => Outcome::refused(ErrorClass::Account, format!("http {status}"), "not taken"),
        }
    }
}

impl fmt::Debug for WebhookSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.endpoints.keys().collect();
        f.debug_struct("WebhookSender").field("name", &self.name).field("endpoints", &names).finish_non_exhaustive()
    }
}
