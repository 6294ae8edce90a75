use serde::Deserialize;

use crate::{
    http::{self, Answer},
    outcome::{ErrorClass, Outcome},
};

#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message", default)]
    message: String,
    #[serde(rename = "BizId", default)]
    biz_id: Option<String>,
}

pub(super) fn read(answer: &Answer) -> Outcome {
    let Ok(reply) = serde_json::from_slice::<Reply>(&answer.body) else { return http::by_status(answer) };
    if reply.code == "OK" && answer.status == 200 {
        return match reply.biz_id {
            Some(id) => Outcome::accepted(id),
            None => Outcome::accepted_without_id(),
        };
    }
    match class(&reply.code) {
        ErrorClass::Unknown => Outcome::unknown(reply.code),
        class => Outcome::refused(class, reply.code, reply.message).retry_after(answer.retry_after),
    }
}

/// The class of a published code; one that nobody knows of is the account's until somebody looks at it.
pub(super) fn class(code: &str) -> ErrorClass {
    match code.strip_prefix("isv.").or_else(|| code.strip_prefix("isp.")).unwrap_or(code) {
        "MOBILE_NUMBER_ILLEGAL"
        | "MOBILE_COUNT_OVER_LIMIT"
        | "BUSINESS_LIMIT_CONTROL"
        | "BLACK_KEY_CONTROL_LIMIT"
        | "MOBILE_IN_BLACK"
        | "DENY_IP_RANGE" => ErrorClass::Recipient,
        "INVALID_JSON_PARAM"
        | "SMS_CONTENT_ILLEGAL"
        | "TEMPLATE_MISSING_PARAMETERS"
        | "TEMPLATE_PARAMS_ILLEGAL"
        | "INVALID_PARAMETERS"
        | "PARAM_LENGTH_LIMIT"
        | "PARAM_NOT_SUPPORT_URL" => ErrorClass::Content,
        "SYSTEM_ERROR" | "ServiceUnavailable" | "SignatureNonceUsed" => ErrorClass::Transient,
        "InternalError" | "UnknownError" => ErrorClass::Unknown,
        throttled if throttled.starts_with("Throttling") => ErrorClass::Transient,
        _ => ErrorClass::Account,
    }
}
