use reqwest::{
    Method, Request,
    header::{HeaderName, HeaderValue},
};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::{TencentSms, tc3};
use crate::{
    clock::seconds,
    error::{Error, Result},
    sms::provider::SmsMessage,
};

const ACTION: &str = "SendSms";
const VERSION: &str = "2021-01-11";
const JSON: &str = "application/json; charset=utf-8";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    phone_number_set: Vec<&'a str>,
    sms_sdk_app_id: &'a str,
    sign_name: &'a str,
    template_id: &'a str,
    template_param_set: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    session_context: &'a str,
}

pub(super) fn build(provider: &TencentSms, messages: &[&SmsMessage]) -> Result<Request> {
    let first = messages.first().ok_or_else(|| Error::internal("no message"))?;
    let body = Body {
        phone_number_set: messages.iter().map(|message| message.phone.as_str()).collect(),
        sms_sdk_app_id: &provider.app_id,
        sign_name: first.sign_name.as_ref().unwrap_or(&provider.sign_name),
        template_id: &first.template,
        template_param_set: &first.positional,
        // One context for the whole request: of several messages, none could be told by it.
        session_context: if messages.len() == 1 { &first.reference } else { "" },
    };
    let failed = |error| Error::internal("the request cannot be written").with_source(error);
    let body = serde_json::to_vec(&body).map_err(failed)?;
    let timestamp = seconds(provider.clock.now());
    let signed_headers = [("content-type", JSON), ("host", provider.service.host.as_str()), ("x-tc-action", ACTION)];
    let (id, key) = (&provider.credentials.id, provider.credentials.key.expose_secret());
    let signed = tc3::sign(id, key, "sms", timestamp, &signed_headers, &body);
    let timestamp = timestamp.to_string();
    let mut headers = vec![
        ("content-type", JSON),
        ("x-tc-action", ACTION),
        ("x-tc-version", VERSION),
        ("x-tc-timestamp", timestamp.as_str()),
        ("x-tc-region", provider.region.as_str()),
        ("authorization", signed.authorization.as_str()),
    ];
    if let Some(token) = &provider.credentials.token {
        headers.push(("x-tc-token", token.expose_secret()));
    }
    let mut request = Request::new(Method::POST, provider.service.at("/"));
    for (name, value) in headers {
        let bad = |_| Error::internal("a header cannot be written");
        let mut value = HeaderValue::from_str(value).map_err(bad)?;
        value.set_sensitive(true);
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    *request.body_mut() = Some(body.into());
    Ok(request)
}
