use std::collections::HashMap;

use serde::Deserialize;

use crate::{
    http::{self, Answer},
    outcome::{ErrorClass, Outcome},
    sms::provider::SmsMessage,
};

#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "Response")]
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    #[serde(default)]
    error: Option<Fault>,
    #[serde(default)]
    send_status_set: Vec<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fault {
    code: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    #[serde(default)]
    serial_no: String,
    #[serde(default)]
    phone_number: String,
    #[serde(default)]
    fee: u32,
    code: String,
    #[serde(default)]
    message: String,
}

/// One outcome for each message. A status belongs to the message of its number, whatever their order.
pub(super) fn read(answer: &Answer, messages: &[&SmsMessage]) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; messages.len()];
    let Ok(reply) = serde_json::from_slice::<Reply>(&answer.body) else { return all(http::by_status(answer)) };
    if let Some(fault) = reply.response.error {
        return all(refused(fault.code, fault.message, answer));
    }
    let mut by_number: HashMap<String, Outcome> = HashMap::new();
    for status in reply.response.send_status_set {
        let outcome = if status.code == "Ok" {
            Outcome::accepted(status.serial_no).with_units(status.fee)
        } else {
            refused(status.code, status.message, answer)
        };
        by_number.insert(status.phone_number, outcome);
    }
    let missing = || Outcome::unknown("no status for the number");
    messages.iter().map(|message| by_number.get(message.phone.as_str()).cloned().unwrap_or_else(missing)).collect()
}

fn refused(code: String, message: String, answer: &Answer) -> Outcome {
    match class(&code) {
        ErrorClass::Unknown => Outcome::unknown(code),
        class => Outcome::refused(class, code, message).retry_after(answer.retry_after),
    }
}

/// The class of a published code; one that nobody knows of is the account's until somebody looks at it.
pub(super) fn class(code: &str) -> ErrorClass {
    let (group, detail) = code.split_once('.').unwrap_or((code, ""));
    match (group, detail) {
        ("InternalError", "Timeout") => ErrorClass::Unknown,
        ("InternalError", "SigVerificationFail" | "SendAndRecvFail" | "OtherError") => ErrorClass::Transient,
        ("RequestLimitExceeded" | "InternalError" | "ServiceUnavailable", _) => ErrorClass::Transient,
        ("LimitExceeded", "AppDailyLimit" | "AppCountryOrRegionDailyLimit" | "AppMainlandChinaDailyLimit") => {
            ErrorClass::Account
        }
        // `LimitExceeded.PhoneNumber…`, `.DeliveryFrequencyLimit` and the like: per number.
        ("LimitExceeded", _)
        | ("FailedOperation", "PhoneNumberInBlacklist" | "PhoneNumberOnBlacklist" | "MarketingSendTimeConstraint")
        | ("InvalidParameterValue", "IncorrectPhoneNumber" | "ProhibitedUseUrlInTemplateParameter") => {
            if detail == "ProhibitedUseUrlInTemplateParameter" { ErrorClass::Content } else { ErrorClass::Recipient }
        }
        ("FailedOperation", "ContainSensitiveWord" | "MissingTemplateToModify" | "ParametersOtherError")
        | (
            "InvalidParameterValue",
            "ContentLengthLimit" | "TemplateParameterFormatError" | "TemplateParameterLengthLimit",
        )
        | ("InvalidParameter" | "MissingParameter", _) => ErrorClass::Content,
        _ => ErrorClass::Account,
    }
}
