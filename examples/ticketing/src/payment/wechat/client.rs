//! Requests that are signed, and answers whose signatures are checked.

use axum::http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::WeChatConfig;
use crate::{
    clock::Millis,
    payment::{
        provider::BadNotification,
        remote::{self, BadAccount, Failure, WINDOW},
        rsa::{SigningKey, VerifyingKey},
    },
    telemetry::context,
};

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: String,
    merchant: String,
    serial: String,
    own: SigningKey,
    theirs: VerifyingKey,
    their_serial: String,
}

impl Client {
    pub(super) fn new(config: &WeChatConfig, own: SigningKey, theirs: VerifyingKey) -> Result<Self, BadAccount> {
        let endpoint = config.endpoint.trim_end_matches('/').to_owned();
        Ok(Self {
            http: remote::client("wechat", &endpoint, config.timeout)?,
            endpoint,
            merchant: config.merchant_id.clone(),
            serial: config.serial.clone(),
            own,
            theirs,
            their_serial: config.public_key_id.clone(),
        })
    }

    /// Asks, and answers what was signed; `Null` for an empty answer.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let (status, headers, bytes) = self.send(method, &format!("{}{path}", self.endpoint), path, body).await?;
        // Refusals are signed, too; but what stands between may refuse in its own name.
        if !status.is_success() {
            let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let code = remote::word(&answer["code"]);
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                return Err(Failure::Refused { status: status.as_u16(), code });
            }
            self.check(&headers, &bytes, Millis::now())?;
            return Err(Failure::Refused { status: status.as_u16(), code });
        }
        self.check(&headers, &bytes, Millis::now())?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|_| Failure::Nonsense("an answer that is not JSON"))
    }

    /// Fetches a file. It is not signed; its hash was, in the answer that named it.
    pub(super) async fn download(&self, url: &str) -> Result<Vec<u8>, Failure> {
        // Nobody sends our signatures elsewhere.
        let path = url.strip_prefix(&self.endpoint).filter(|path| path.starts_with('/'));
        let path = path.ok_or(Failure::Nonsense("a bill that is somewhere else"))?;
        let (status, _, bytes) = self.send(Method::GET, url, path, String::new()).await?;
        if !status.is_success() {
            return Err(Failure::Refused { status: status.as_u16(), code: "no bill".to_owned() });
        }
        Ok(bytes)
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Failure> {
        let authorization = self.authorization(&method, path, &body).ok_or(Failure::Unsigned)?;
        let request = self
            .http
            .request(method, url)
            .header(header::AUTHORIZATION, authorization)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .header("Wechatpay-Serial", &self.their_serial)
            .body(body);
        let reply = context::propagate(request).send().await.map_err(reqwest::Error::without_url)?;
        let (status, headers) = (reply.status(), reply.headers().clone());
        let bytes = remote::body(reply).await?;
        Ok((status, headers, bytes))
    }

    fn authorization(&self, method: &Method, path: &str, body: &str) -> Option<String> {
        let (seconds, nonce) = (Millis::now().0 / 1_000, uuid::Uuid::new_v4().simple().to_string());
        let signature = self.own.sign(format!("{method}\n{path}\n{seconds}\n{nonce}\n{body}\n").as_bytes())?;
        Some(format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",\
             timestamp=\"{seconds}\",serial_no=\"{}\"",
            self.merchant, self.serial
        ))
    }

    /// Whether WeChat Pay signed this, lately.
    pub(super) fn check(&self, headers: &HeaderMap, body: &[u8], now: Millis) -> Result<(), BadNotification> {
        let header = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
                (Some(value), None) => Ok(value),
                _ => Err(BadNotification::Signature("a header of the signature is missing or repeated")),
            }
        };
        let (time, nonce) = (header("Wechatpay-Timestamp")?, header("Wechatpay-Nonce")?);
        let (signature, serial) = (header("Wechatpay-Signature")?, header("Wechatpay-Serial")?);
        if serial != self.their_serial {
            return Err(BadNotification::Signature("it was signed with another key than the configured one"));
        }
        let message = [time.as_bytes(), b"\n", nonce.as_bytes(), b"\n", body, b"\n"].concat();
        if !self.theirs.is_signed(&message, signature) {
            return Err(BadNotification::Signature("the signature does not match"));
        }
        let seconds: i64 = time.parse().map_err(|_| BadNotification::Signature("the time is not one"))?;
        remote::fresh(now, Millis(seconds.saturating_mul(1_000)), WINDOW)
    }
}
