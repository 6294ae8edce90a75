use jiff::Timestamp;
use reqwest::{
    Method, Request,
    header::{HeaderName, HeaderValue},
};
use secrecy::ExposeSecret;

use super::{AliyunSms, acs3, number};
use crate::{
    digest::sha256_hex,
    error::{Error, Result},
    random,
    sms::provider::SmsMessage,
};

const VERSION: &str = "2017-05-25";
const FORM: &str = "application/x-www-form-urlencoded";

/// A request before it is dated and signed.
pub(super) struct Call {
    action: &'static str,
    query: Vec<(&'static str, String)>,
    /// Form fields; a request without any has an empty body.
    form: Vec<(&'static str, String)>,
}

pub(super) fn send_sms(provider: &AliyunSms, message: &SmsMessage) -> Call {
    let sign_name = message.sign_name.as_ref().unwrap_or(&provider.sign_name);
    let mut query = vec![
        ("PhoneNumbers", number(&message.phone).to_owned()),
        ("SignName", sign_name.clone()),
        ("TemplateCode", message.template.clone()),
    ];
    if !message.named.is_empty() {
        query.push(("TemplateParam", serde_json::json!(message.named).to_string()));
    }
    if !message.reference.is_empty() {
        query.push(("OutId", message.reference.clone()));
    }
    Call { action: "SendSms", query, form: Vec::new() }
}

pub(super) fn send_batch(provider: &AliyunSms, messages: &[&SmsMessage]) -> Call {
    let json = |values: Vec<serde_json::Value>| serde_json::Value::from(values).to_string();
    let template = messages.first().map(|message| message.template.clone()).unwrap_or_default();
    let numbers = messages.iter().map(|one| number(&one.phone).into()).collect();
    let names = messages.iter().map(|one| one.sign_name.as_ref().unwrap_or(&provider.sign_name).clone().into());
    let params = messages.iter().map(|one| serde_json::json!(one.named)).collect();
    let form = vec![
        ("PhoneNumberJson", json(numbers)),
        ("SignNameJson", json(names.collect())),
        ("TemplateParamJson", json(params)),
    ];
    Call { action: "SendBatchSms", query: vec![("TemplateCode", template)], form }
}

pub(super) fn build(provider: &AliyunSms, call: &Call) -> Result<Request> {
    let pairs = |fields: &[(&'static str, String)]| {
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        acs3::canonical_query(&pairs)
    };
    let (query, body) = (pairs(&call.query), pairs(&call.form));
    let now = Timestamp::try_from(provider.clock.now()).map_err(|_| Error::internal("the clock is out of range"))?;
    let (date, nonce) = (now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), random::nonce()?);
    let hash = sha256_hex(body.as_bytes());
    let mut headers = vec![
        ("host", provider.service.host.as_str()),
        ("x-acs-action", call.action),
        ("x-acs-version", VERSION),
        ("x-acs-date", date.as_str()),
        ("x-acs-signature-nonce", nonce.as_str()),
        ("x-acs-content-sha256", hash.as_str()),
    ];
    if !body.is_empty() {
        headers.push(("content-type", FORM));
    }
    if let Some(token) = &provider.credentials.token {
        headers.push(("x-acs-security-token", token.expose_secret()));
    }
    let (id, secret) = (&provider.credentials.id, provider.credentials.secret.expose_secret());
    let signed = acs3::sign(id, secret, "POST", "/", &query, &headers, &hash);
    let mut url = provider.service.at("/");
    url.set_query(Some(&query));
    let mut request = Request::new(Method::POST, url);
    headers.push(("authorization", &signed.authorization));
    for (name, value) in headers {
        // The client sets the host from the URL.
        if name != "host" {
            let bad = |_| Error::internal("a header cannot be written");
            let mut value = HeaderValue::from_str(value).map_err(bad)?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    // An empty body is sent as one, with its length.
    *request.body_mut() = Some(body.into());
    Ok(request)
}
