use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::server::{FakeReply, FakeRequest, FakeServer};
use crate::{
    clock::{Clock, seconds},
    tc3,
};

/// Tencent Cloud's SMS service, as far as it can be told from outside.
pub struct FakeTencent {
    server: FakeServer,
    service: Arc<Service>,
}

struct Service {
    id: String,
    key: String,
    clock: Arc<dyn Clock>,
    sent: Mutex<Vec<(String, Vec<String>)>>,
    /// Numbers, and the code that they are refused with.
    refused: Mutex<Vec<(String, String)>>,
}

impl FakeTencent {
    /// A service that knows one key pair.
    pub async fn start(id: &str, key: &str, clock: impl Clock) -> Self {
        let (sent, refused) = Default::default();
        let service =
            Arc::new(Service { id: id.to_owned(), key: key.to_owned(), clock: Arc::new(clock), sent, refused });
        let serving = Arc::clone(&service);
        let server = FakeServer::start(move |request| serving.answer(request)).await;
        Self { server, service }
    }

    /// The server behind it, for its address and faults.
    #[must_use]
    pub const fn server(&self) -> &FakeServer {
        &self.server
    }

    /// Refuses a number with a code from now on.
    pub fn refuse(&self, number: &str, code: &str) {
        self.service.refused.lock().push((number.to_owned(), code.to_owned()));
    }

    /// The numbers that messages were taken for, and the values.
    #[must_use]
    pub fn sent(&self) -> Vec<(String, Vec<String>)> {
        self.service.sent.lock().clone()
    }
}

impl fmt::Debug for FakeTencent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTencent").field("server", &self.server).finish_non_exhaustive()
    }
}

fn error(code: &str, message: &str) -> FakeReply {
    let fault = json!({ "Code": code, "Message": message });
    FakeReply::json(200, &json!({ "Response": { "Error": fault, "RequestId": "ed93f3cb" } }))
}

impl Service {
    fn answer(&self, request: &FakeRequest) -> FakeReply {
        match self.check(request) {
            Ok(()) => self.take(&request.json()),
            Err(refused) => refused,
        }
    }

    fn check(&self, request: &FakeRequest) -> Result<(), FakeReply> {
        let header = |name: &str| request.header(name);
        if (header("x-tc-action"), header("x-tc-version")) != ("SendSms", "2021-01-11") {
            return Err(error("InvalidAction", "there is no such action"));
        }
        if !header("content-type").starts_with("application/json") {
            return Err(error("InvalidParameter", "the content type is not application/json"));
        }
        let stamp: u64 = header("x-tc-timestamp").parse().map_err(|_| error("MissingParameter", "no time stamp"))?;
        if stamp.abs_diff(seconds(self.clock.now())) > 300 {
            return Err(error("AuthFailure.SignatureExpire", "the signature is too old"));
        }
        let wrong = || error("AuthFailure.SignatureFailure", "The provided credentials could not be validated.");
        let given = header("authorization");
        let names = given.split_once("SignedHeaders=").and_then(|(_, rest)| rest.split_once(',')).ok_or_else(wrong)?.0;
        let names: Vec<&str> = names.split(';').collect();
        if !["content-type", "host"].iter().all(|must| names.contains(must)) {
            return Err(wrong());
        }
        let headers: Vec<(&str, &str)> = names.iter().map(|name| (*name, header(name))).collect();
        let signed = tc3::sign(&self.id, &self.key, "sms", stamp, &headers, &request.body);
        if signed.authorization == given { Ok(()) } else { Err(wrong()) }
    }

    fn take(&self, body: &Value) -> FakeReply {
        let texts = |list: &Value| -> Option<Vec<String>> {
            list.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
        };
        let strings = ["SmsSdkAppId", "SignName", "TemplateId"].iter().all(|name| body[name].is_string());
        let (Some(numbers), Some(values), true) =
            (texts(&body["PhoneNumberSet"]), texts(&body["TemplateParamSet"]), strings)
        else {
            return error("InvalidParameter", "a parameter is not of type String");
        };
        let foreign = numbers.iter().filter(|number| !number.starts_with("+86")).count();
        if numbers.len() > 200 || (foreign > 0 && foreign < numbers.len()) {
            return error("LimitExceeded.PhoneNumberCountLimit", "too many numbers, or mixed ones");
        }
        let mut sent = self.sent.lock();
        let refused = self.refused.lock();
        let mut status = |number: &String| match refused.iter().find(|(theirs, _)| theirs == number) {
            Some((_, code)) => json!({ "SerialNo": "", "PhoneNumber": number, "Fee": 0, "SessionContext": "",
                "Code": code, "Message": "refused", "IsoCode": "CN" }),
            None => {
                sent.push((number.clone(), values.clone()));
                json!({ "SerialNo": format!("5000:{}", sent.len()), "PhoneNumber": number, "Fee": 1,
                    "SessionContext": body["SessionContext"], "Code": "Ok", "Message": "send success", "IsoCode": "CN" })
            }
        };
        let all: Vec<Value> = numbers.iter().map(&mut status).collect();
        FakeReply::json(200, &json!({ "Response": { "SendStatusSet": all, "RequestId": "a0aabda6" } }))
    }
}
