//! Requests that are signed, and answers whose signatures are checked.

use axum::http::header;
use serde_json::Value;

use super::{
    AlipayConfig,
    fields::{self, Fields},
};
use crate::{
    clock::Millis,
    day,
    endpoint::is_here,
    payment::{
        provider::BadNotification,
        remote::{self, BadAccount, Failure},
        rsa::{SigningKey, VerifyingKey},
    },
    telemetry::context,
};

/// What Alipay answers when it did what it was asked for.
const DONE: &str = "10000";

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: String,
    app: String,
    own: SigningKey,
    theirs: VerifyingKey,
}

/// An instant as Alipay writes it: China's time, in whole seconds.
pub(super) fn time(at: Millis) -> Option<String> {
    let at = jiff::Timestamp::from_second(at.0.div_euclid(1_000)).ok()?;
    Some(day::BILLS.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Reads what [`time`] writes.
pub(super) fn instant(text: &str) -> Option<Millis> {
    let at = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    Some(Millis(day::BILLS.to_timestamp(at).ok()?.as_millisecond()))
}

impl Client {
    pub(super) fn new(config: &AlipayConfig, own: SigningKey, theirs: VerifyingKey) -> Result<Self, BadAccount> {
        let http = remote::client("alipay", &config.endpoint, config.timeout)?;
        Ok(Self { http, endpoint: config.endpoint.clone(), app: config.app_id.clone(), own, theirs })
    }

    pub(super) fn app(&self) -> &str {
        &self.app
    }

    /// Asks, and answers what was signed.
    pub(super) async fn ask(&self, method: &str, content: &Value, extra: &[(&str, &str)]) -> Result<Value, Failure> {
        let form = fields::form(&self.request(method, content, extra)?);
        let request = self
            .http
            .post(&self.endpoint)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded;charset=utf-8")
            .body(form);
        let reply = context::propagate(request).send().await.map_err(reqwest::Error::without_url)?;
        let status = reply.status();
        let bytes = remote::body(reply).await?;
        if !status.is_success() {
            return Err(Failure::Refused { status: status.as_u16(), code: "no answer of Alipay's".to_owned() });
        }
        let answer = self.checked(method, &bytes)?;
        match answer["code"].as_str() {
            Some(DONE) => Ok(answer),
            Some(code) => {
                let status = code.parse().map_err(|_| Failure::Nonsense("a code"))?;
                Err(Failure::Refused { status, code: remote::word(&answer["sub_code"]) })
            }
            None => Err(Failure::Nonsense("an answer without a code")),
        }
    }

    /// A signed address, for a buyer to go to.
    pub(super) fn link(&self, method: &str, content: &Value, extra: &[(&str, &str)]) -> Result<String, Failure> {
        Ok(format!("{}?{}", self.endpoint, fields::form(&self.request(method, content, extra)?)))
    }

    /// Fetches a file. It is not signed: the answer that named it was.
    pub(super) async fn download(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let elsewhere = Failure::Nonsense("a bill that is somewhere else");
        let mut url = reqwest::Url::parse(url).map_err(|_| Failure::Nonsense("the address of a bill"))?;
        // A stand-in on this machine has its bills there, too.
        if !is_here(&self.endpoint) || !is_here(url.as_str()) {
            if !url.host_str().is_some_and(|host| host.ends_with(".alipay.com")) {
                return Err(elsewhere);
            }
            if url.set_scheme("https").is_err() {
                return Err(elsewhere);
            }
        }
        let reply = self.http.get(url).send().await.map_err(reqwest::Error::without_url)?;
        let status = reply.status();
        if !status.is_success() {
            return Err(Failure::Refused { status: status.as_u16(), code: "no bill".to_owned() });
        }
        remote::body(reply).await
    }

    fn request(&self, method: &str, content: &Value, extra: &[(&str, &str)]) -> Result<Fields, Failure> {
        let time = time(Millis::now()).ok_or(Failure::Unsigned)?;
        let content = content.to_string();
        let common = [
            ("app_id", self.app.as_str()),
            ("method", method),
            ("format", "JSON"),
            ("charset", "utf-8"),
            ("sign_type", "RSA2"),
            ("timestamp", time.as_str()),
            ("version", "1.0"),
            ("biz_content", content.as_str()),
        ];
        let all = common.iter().chain(extra).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut fields: Fields = all.collect();
        let signature = self.own.sign(fields::signed(&fields, &["sign"]).as_bytes()).ok_or(Failure::Unsigned)?;
        fields.insert("sign".to_owned(), signature);
        Ok(fields)
    }

    /// What stands under the method's name, as it was signed: byte for byte.
    fn checked(&self, method: &str, bytes: &[u8]) -> Result<Value, Failure> {
        let whole: Value =
            serde_json::from_slice(bytes).map_err(|_| Failure::Nonsense("an answer that is not JSON"))?;
        let named = format!("{}_response", method.replace('.', "_"));
        let name = if whole.get(&named).is_some() { named.as_str() } else { "error_response" };
        let signature = whole["sign"].as_str().ok_or(BadNotification::Signature("the answer is not signed"))?;
        let prefix = format!("{{\"{name}\":");
        let rest = bytes.trim_ascii_start().strip_prefix(prefix.as_bytes()).ok_or(Failure::Nonsense("its order"))?;
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
        let Some(Ok(answer)) = values.next() else { return Err(Failure::Nonsense("an answer that is not JSON")) };
        if !self.theirs.is_signed(&rest[..values.byte_offset()], signature) {
            return Err(BadNotification::Signature("the signature does not match").into());
        }
        Ok(answer)
    }

    /// The fields of a notification that Alipay signed.
    pub(super) fn opened(&self, body: &[u8]) -> Result<Fields, BadNotification> {
        let fields = fields::parse(body).ok_or(BadNotification::Signature("a field is there twice"))?;
        let signature = fields.get("sign").ok_or(BadNotification::Signature("it is not signed"))?;
        if fields.get("sign_type").map(String::as_str) != Some("RSA2") {
            return Err(BadNotification::Signature("it is not signed by RSA2"));
        }
        if !self.theirs.is_signed(fields::signed(&fields, &["sign", "sign_type"]).as_bytes(), signature) {
            return Err(BadNotification::Signature("the signature does not match"));
        }
        Ok(fields)
    }
}
