//! JPush, REST API v3.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Method, Request, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::Instant};

use super::provider::{PushMessage, PushProvider};
use crate::{
    error::{Error, ErrorKind, Result},
    http::{self, Answer, Service, service_options},
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
    service: Service,
    production: bool,
    /// Ids that pushes are sent under, fetched a hundred at a time; none if pushes go without.
    ids: Option<Arc<Mutex<Ids>>>,
}

/// Ids for pushes that may be asked twice.
#[derive(Default)]
struct Ids {
    left: Vec<String>,
    until: Option<Instant>,
}

/// JPush keeps the answer to an id for a day; ours are used for half of one.
const IDS_LIVE: Duration = Duration::from_secs(12 * 3600);

service_options!(JpushProvider, "jpush");

impl JpushProvider {
    /// The service at its usual address. Pushes to iOS go to production.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if no HTTP client can be made.
    pub fn new(app_key: impl Into<String>, master_secret: impl Into<SecretString>) -> Result<Self> {
        let service = Service::new("jpush", "https://api.jpush.cn")?;
        Ok(Self { app_key: app_key.into(), master_secret: master_secret.into(), service, production: true, ids: None })
    }

    /// Whether pushes to iOS go to production, or to development builds. Always said, since defaults differ.
    #[must_use]
    pub const fn with_apns_production(mut self, production: bool) -> Self {
        self.production = production;
        self
    }

    /// Sends every push under an id (`cid`) of JPush's. When its answer is lost, it is asked once more under the same id, and JPush says
    /// what became of the first instead of sending a second: fewer outcomes are unknown.
    #[must_use]
    pub fn with_ids(mut self) -> Self {
        self.ids = Some(Arc::default());
        self
    }

    /// An id for a push, from those that were fetched. Pushes go without one when there are none: it is a matter of comfort.
    async fn id(&self) -> Option<String> {
        let mut ids = self.ids.as_ref()?.lock().await;
        if ids.until.is_none_or(|until| until <= Instant::now()) {
            ids.left.clear();
        }
        if ids.left.is_empty() {
            let answer = self.ask(Method::GET, "/v3/push/cid?count=100&type=push", None).await.ok()?;
            let body: Value = serde_json::from_slice(&answer.body).ok()?;
            ids.left = body["cidlist"].as_array()?.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect();
            ids.until = Some(Instant::now() + IDS_LIVE);
        }
        ids.left.pop()
    }

    /// What JPush would say to a push, without sending it.
    ///
    /// # Cancel safety
    /// Nothing is sent.
    pub async fn validate(&self, message: &PushMessage) -> Outcome {
        self.post("/v3/push/validate", message).await
    }

    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let away = |outcome: Outcome| Error::new(ErrorKind::Unavailable, format!("JPush did not answer: {outcome:?}"));
        let answer = self.service.ask(self.request(method, path, body)).await.map_err(away)?;
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
        self.post_body(path, &self.body(message)).await
    }

    async fn post_body(&self, path: &str, body: &Value) -> Outcome {
        match self.service.ask(self.request(Method::POST, path, Some(body))).await {
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
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.service.at(path);
        url.set_query(query);
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

    pub(super) fn body(&self, message: &PushMessage) -> Value {
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
        &self.service.name
    }

    async fn push(&self, message: &PushMessage) -> Outcome {
        if let Some(refusal) = message.refusal() {
            return refusal;
        }
        let mut body = self.body(message);
        let Some(id) = self.id().await else { return self.post_body("/v3/push", &body).await };
        body["cid"] = json!(id);
        match self.post_body("/v3/push", &body).await {
            Outcome::Unknown(_) => self.post_body("/v3/push", &body).await,
            known => known,
        }
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
            .field("name", &self.service.name)
            .field("app_key", &self.app_key)
            .finish_non_exhaustive()
    }
}
