//! JPush, REST API v3.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, tz};
use reqwest::{Client, Method, Request, Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::provider::{PushMessage, PushProvider};
use crate::{
    error::{Error, ErrorKind, Result},
    http::{self, Answer, TIMEOUT},
    outcome::{ErrorClass, Outcome},
    recipient::PushTarget,
};

/// The longest that JPush keeps a push.
const MAX_LIFETIME: Duration = Duration::from_secs(10 * 24 * 3600);

/// JPush, REST API v3: pushes to devices, aliases, tags and everybody, dry runs, and scheduled pushes.
///
/// ```
/// use nebula_notification::{JpushProvider, PushSender};
///
/// let sender = PushSender::new(JpushProvider::new("app key", "master secret")?);
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone)]
pub struct JpushProvider {
    app_key: String,
    master_secret: SecretString,
    name: Arc<str>,
    url: Url,
    client: Client,
    production: bool,
}

/// A push that waits at JPush.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct JpushSchedule {
    /// Its id, by which it is called back.
    #[serde(rename = "schedule_id")]
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

impl JpushProvider {
    /// The service at its usual address. Pushes to iOS go to production.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if no HTTP client can be made.
    pub fn new(app_key: impl Into<String>, master_secret: impl Into<SecretString>) -> Result<Self> {
        let (url, _) = http::endpoint("https://api.jpush.cn")?;
        let (app_key, master_secret) = (app_key.into(), master_secret.into());
        Ok(Self { app_key, master_secret, name: "jpush".into(), url, client: http::client(TIMEOUT)?, production: true })
    }

    /// Another address: of a fake.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for what is no such address.
    pub fn with_endpoint(mut self, url: &str) -> Result<Self> {
        (self.url, _) = http::endpoint(url)?;
        Ok(self)
    }

    /// Another name than `jpush` in records.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Whether pushes to iOS go to production, or to development builds. Always said, since defaults differ.
    #[must_use]
    pub const fn with_apns_production(mut self, production: bool) -> Self {
        self.production = production;
        self
    }

    /// What JPush would say to a push, without sending it.
    pub async fn validate(&self, message: &PushMessage) -> Outcome {
        self.post("/v3/push/validate", message).await
    }

    /// Leaves a push at JPush until a time.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRecipient`] for an empty audience, [`ErrorKind::InvalidNotification`] for what JPush does not take,
    /// [`ErrorKind::Unavailable`] if it does not answer: it may have it.
    pub async fn schedule(&self, name: &str, at: SystemTime, message: &PushMessage) -> Result<JpushSchedule> {
        message.target.check()?;
        let moment = Timestamp::try_from(at).map_err(|_| Error::new(ErrorKind::InvalidNotification, "no such time"))?;
        // Without a zone: JPush counts in UTC+8.
        let time = moment.to_zoned(tz::TimeZone::fixed(tz::offset(8))).strftime("%Y-%m-%d %H:%M:%S").to_string();
        let trigger = json!({ "single": { "time": time } });
        let body = json!({ "name": name, "enabled": true, "trigger": trigger, "push": self.body(message) });
        let answer = self.ask(Method::POST, "/v3/schedules", Some(&body)).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::new(ErrorKind::Corrupt, "JPush has answered with no schedule").with_source(error))
    }

    /// Calls a scheduled push back.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    pub async fn unschedule(&self, id: &str) -> Result<()> {
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(Error::new(ErrorKind::InvalidNotification, "this is no id of a schedule"));
        }
        self.ask(Method::DELETE, &format!("/v3/schedules/{id}"), None).await.map(drop)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let away = |outcome: Outcome| Error::new(ErrorKind::Unavailable, format!("JPush did not answer: {outcome:?}"));
        let answer = http::call(&self.client, self.request(method, path, body)?).await.map_err(away)?;
        match (answer.status, fault(&answer)) {
            (200, _) => Ok(answer),
            (_, Outcome::Refused(refusal)) if refusal.class != ErrorClass::Transient => {
                Err(Error::new(ErrorKind::InvalidNotification, format!("JPush refuses it: {}", refusal.code)))
            }
            (_, outcome) => Err(away(outcome)),
        }
    }

    async fn post(&self, path: &str, message: &PushMessage) -> Outcome {
        if let Some(refusal) = message.refusal() {
            return refusal;
        }
        let request = match self.request(Method::POST, path, Some(&self.body(message))) {
            Ok(request) => request,
            Err(error) => return Outcome::refused(ErrorClass::Transient, "not sent", error.to_string()),
        };
        match http::call(&self.client, request).await {
            Ok(answer) if answer.status == 200 => match serde_json::from_slice::<Value>(&answer.body) {
                // Both a string and a number have been seen.
                Ok(body) => match &body["msg_id"] {
                    Value::String(id) => Outcome::accepted(id.as_str()),
                    Value::Number(id) => Outcome::accepted(id.to_string()),
                    _ => Outcome::unknown("no message id"),
                },
                Err(_) => Outcome::unknown("an answer that is not understood"),
            },
            Ok(answer) => fault(&answer),
            Err(outcome) => outcome,
        }
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Request> {
        let mut url = self.url.clone();
        url.set_path(path);
        let mut request = Request::new(method, url);
        let pair = format!("{}:{}", self.app_key, self.master_secret.expose_secret());
        let basic = format!("Basic {}", STANDARD.encode(pair));
        let mut basic = HeaderValue::from_str(&basic).map_err(|_| Error::internal("a header cannot be written"))?;
        basic.set_sensitive(true);
        request.headers_mut().insert("authorization", basic);
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        *request.body_mut() = body.map(|body| body.to_string().into());
        Ok(request)
    }

    fn body(&self, message: &PushMessage) -> Value {
        let audience = match &message.target {
            PushTarget::Everybody => json!("all"),
            PushTarget::Device(id) => json!({ "registration_id": [id] }),
            PushTarget::Alias(alias) => json!({ "alias": [alias] }),
            PushTarget::Tags(tags) => json!({ "tag": tags }),
        };
        let mut android = json!({ "alert": message.text, "extras": message.extras });
        let mut alert = json!(message.text);
        if let Some(title) = &message.title {
            android["title"] = json!(title);
            alert = json!({ "title": title, "body": message.text });
        }
        let ios = json!({ "alert": alert, "extras": message.extras });
        let mut options = json!({ "apns_production": self.production });
        if let Some(lifetime) = message.lifetime {
            options["time_to_live"] = json!(lifetime.min(MAX_LIFETIME).as_secs());
        }
        let notification = json!({ "alert": message.text, "android": android, "ios": ios });
        json!({ "platform": "all", "audience": audience, "notification": notification, "options": options })
    }
}

#[async_trait]
impl PushProvider for JpushProvider {
    fn name(&self) -> &str {
        &self.name
    }

    async fn push(&self, message: &PushMessage) -> Outcome {
        self.post("/v3/push", message).await
    }
}

/// The published codes.
fn fault(answer: &Answer) -> Outcome {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(code) = body["error"]["code"].as_u64() else { return http::by_status(answer) };
    let message = body["error"]["message"].as_str().unwrap_or_default();
    let class = match code {
        1030 | 2002 | 8203 => ErrorClass::Transient,
        // The request was read, and something broke.
        1000 | 8200 => return Outcome::unknown(code.to_string()),
        1011 => ErrorClass::Recipient,
        1002 | 1003 | 1005 | 8100 | 8104 => ErrorClass::Content,
        _ => ErrorClass::Account,
    };
    Outcome::refused(class, code.to_string(), message).retry_after(answer.retry_after)
}

impl fmt::Debug for JpushProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JpushProvider")
            .field("name", &self.name)
            .field("app_key", &self.app_key)
            .finish_non_exhaustive()
    }
}
