//! Umeng's U-Push.

use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use md5::{Digest as _, Md5};
use reqwest::{Method, Request, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::provider::{PushMessage, PushProvider};
use crate::{
    clock::{self, Clock, SystemClock, seconds},
    error::{Error, ErrorKind, Result},
    http::{self, Answer, Service, service_options},
    outcome::{ErrorClass, Outcome},
    random::hex,
    recipient::PushTarget,
};

/// The signature of a request: MD5 of the method, the address without its query, the body as it is sent, and the secret.
#[must_use]
pub fn umeng_sign(method: &str, url: &str, body: &str, app_master_secret: &str) -> String {
    let mut digest = Md5::new();
    for part in [method, url, body, app_master_secret] {
        digest.update(part.as_bytes());
    }
    hex(&digest.finalize())
}

/// The platform of an app: Umeng has a key pair and a form of message for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UmengPlatform {
    /// Android.
    Android,
    /// iOS.
    Ios,
}

/// Umeng's U-Push for the app of one platform: unicast to devices, customizedcast to aliases, groupcast to tags, broadcast; with
/// [`cast`](Self::cast) also lists, files, filters and policies.
///
/// Lifetimes are handed over as `expire_time`.
#[derive(Clone)]
pub struct UmengProvider {
    app_key: String,
    master_secret: SecretString,
    platform: UmengPlatform,
    alias_type: String,
    service: Service,
    production: bool,
    clock: Arc<dyn Clock>,
}

service_options!(UmengProvider, "umeng");

impl UmengProvider {
    /// The service at its usual address.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if no HTTP client can be made.
    pub fn new(
        platform: UmengPlatform,
        app_key: impl Into<String>,
        app_master_secret: impl Into<SecretString>,
    ) -> Result<Self> {
        Ok(Self {
            app_key: app_key.into(),
            master_secret: app_master_secret.into(),
            platform,
            alias_type: "user".to_owned(),
            service: Service::new("umeng", "https://msgapi.umeng.com")?,
            production: true,
            clock: Arc::new(SystemClock),
        })
    }

    /// The type under which the app registers aliases; `user` by default.
    #[must_use]
    pub fn with_alias_type(mut self, name: impl Into<String>) -> Self {
        self.alias_type = name.into();
        self
    }

    /// Whether pushes go to production, or to test devices.
    #[must_use]
    pub const fn with_production(mut self, production: bool) -> Self {
        self.production = production;
        self
    }

    /// The clock that requests are dated by; the system's by default.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    pub(super) fn app_key(&self) -> &str {
        &self.app_key
    }

    pub(super) fn alias_type(&self) -> &str {
        &self.alias_type
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// A question that sends nothing to anybody.
    pub(super) async fn ask(&self, path: &str, body: &Value) -> Result<Answer> {
        let away = |outcome: &Outcome| Error::new(ErrorKind::Unavailable, format!("Umeng did not answer: {outcome:?}"));
        let answer = self.service.ask(self.request(path, body)).await.map_err(|one| away(&one))?;
        match read(&answer) {
            Outcome::Accepted(_) => Ok(answer),
            Outcome::Refused(refusal) if refusal.class != ErrorClass::Transient => {
                Err(Error::new(ErrorKind::InvalidNotification, format!("Umeng refuses it: {}", refusal.code)))
            }
            // What is no message has no id in its answer.
            Outcome::Unknown(_) if answer.status == 200 => Ok(answer),
            outcome => Err(away(&outcome)),
        }
    }

    pub(super) fn stamp(&self) -> String {
        seconds(self.clock.now()).to_string()
    }

    fn request(&self, path: &str, body: &Value) -> Result<Request> {
        let mut url = self.service.at(path);
        let body = body.to_string();
        let sign = umeng_sign("POST", url.as_str(), &body, self.master_secret.expose_secret());
        url.set_query(Some(&format!("sign={sign}")));
        let mut request = Request::new(Method::POST, url);
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(body.into());
        Ok(request)
    }

    pub(super) fn envelope(&self, message: &PushMessage, fields: Value, policy: Value) -> Value {
        let mut body = json!({
            "appkey": self.app_key,
            "timestamp": self.stamp(),
            "production_mode": if self.production { "true" } else { "false" },
            "description": message.reference,
            "payload": self.payload(message),
        });
        if let (Value::Object(all), Value::Object(fields)) = (&mut body, fields) {
            all.extend(fields);
        }
        if policy.as_object().is_some_and(|policy| !policy.is_empty()) {
            body["policy"] = policy;
        }
        body
    }

    fn body(&self, message: &PushMessage) -> Value {
        let fields = match &message.target {
            PushTarget::Device(token) => json!({ "type": "unicast", "device_tokens": token }),
            PushTarget::Alias(alias) => {
                json!({ "type": "customizedcast", "alias_type": self.alias_type, "alias": alias })
            }
            PushTarget::Tags(tags) => {
                let tags: Vec<Value> = tags.iter().map(|tag| json!({ "tag": tag })).collect();
                json!({ "type": "groupcast", "filter": { "where": { "and": [{ "or": tags }] } } })
            }
            PushTarget::Everybody => json!({ "type": "broadcast" }),
        };
        let ends = message.lifetime.and_then(|lifetime| clock::beijing(self.clock.now() + lifetime));
        self.envelope(message, fields, ends.map_or(Value::Null, |ends| json!({ "expire_time": ends })))
    }

    pub(super) async fn send_body(&self, body: &Value) -> Outcome {
        match self.service.ask(self.request("/api/send", body)).await {
            Ok(answer) => read(&answer),
            Err(outcome) => outcome,
        }
    }

    fn payload(&self, message: &PushMessage) -> Value {
        let title = message.title.as_deref().unwrap_or(&message.text);
        match self.platform {
            UmengPlatform::Android => {
                let body = json!({ "ticker": title, "title": title, "text": message.text, "after_open": "go_app" });
                json!({ "display_type": "notification", "body": body, "extra": message.extras })
            }
            UmengPlatform::Ios => {
                let alert = json!({ "title": title, "body": message.text });
                let mut payload = json!({ "aps": { "alert": alert } });
                // `d` and `p` are Umeng's own.
                for (name, value) in
                    message.extras.iter().filter(|(name, _)| !["aps", "d", "p"].contains(&name.as_str()))
                {
                    payload[name] = json!(value);
                }
                payload
            }
        }
    }
}

#[async_trait]
impl PushProvider for UmengProvider {
    fn name(&self) -> &str {
        &self.service.name
    }

    async fn push(&self, message: &PushMessage) -> Outcome {
        if let Some(refusal) = message.refusal() {
            return refusal;
        }
        self.send_body(&self.body(message)).await
    }
}

fn read(answer: &Answer) -> Outcome {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let data = &body["data"];
    match body["ret"].as_str() {
        Some("SUCCESS") => match data["msg_id"].as_str().or_else(|| data["task_id"].as_str()) {
            Some(id) => Outcome::accepted(id),
            None => Outcome::unknown("no message id"),
        },
        Some("FAIL") => {
            let code = data["error_code"].as_str().map_or_else(|| data["error_code"].to_string(), str::to_owned);
            let class = match code.as_str() {
                "2050" => ErrorClass::Transient,
                "2016" | "2031" | "2000" | "2001" => ErrorClass::Recipient,
                "2002" | "2003" | "2022" | "2039" | "2040" | "2046" => ErrorClass::Content,
                _ => ErrorClass::Account,
            };
            Outcome::refused(class, code, data["error_msg"].as_str().unwrap_or_default())
        }
        _ => http::by_status(answer),
    }
}

impl fmt::Debug for UmengProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UmengProvider")
            .field("name", &self.service.name)
            .field("app_key", &self.app_key)
            .finish_non_exhaustive()
    }
}
