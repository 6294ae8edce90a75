use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::server::{FakeReply, FakeRequest, FakeServer, pairs};
use crate::{acs3, clock::Clock, digest::sha256_hex};

/// Aliyun's SMS service, as far as it can be told from outside.
pub struct FakeAliyun {
    server: FakeServer,
    service: Arc<Service>,
}

struct Service {
    id: String,
    secret: String,
    clock: Arc<dyn Clock>,
    nonces: Mutex<HashSet<String>>,
    sent: Mutex<Vec<(String, Value)>>,
    /// Numbers, and the code that they are refused with.
    refused: Mutex<Vec<(String, String)>>,
}

impl FakeAliyun {
    /// A service that knows one key pair.
    pub async fn start(id: &str, secret: &str, clock: impl Clock) -> Self {
        let (nonces, sent, refused) = Default::default();
        let (id, secret, clock) = (id.to_owned(), secret.to_owned(), Arc::new(clock));
        let service = Arc::new(Service { id, secret, clock, nonces, sent, refused });
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
    pub fn sent(&self) -> Vec<(String, Value)> {
        self.service.sent.lock().clone()
    }
}

impl fmt::Debug for FakeAliyun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeAliyun").field("server", &self.server).finish_non_exhaustive()
    }
}

fn error(status: u16, code: &str, message: &str) -> FakeReply {
    let body = json!({ "RequestId": "A-B-C", "HostId": "dysmsapi.aliyuncs.com", "Code": code, "Message": message });
    FakeReply::json(status, &body)
}

impl Service {
    fn answer(&self, request: &FakeRequest) -> FakeReply {
        match self.check(request) {
            Err(refused) => refused,
            Ok(()) => match request.header("x-acs-action") {
                "SendSms" => self.one(request),
                "SendBatchSms" => self.batch(request),
                _ => error(404, "InvalidAction.NotFound", "Specified api is not found."),
            },
        }
    }

    fn check(&self, request: &FakeRequest) -> Result<(), FakeReply> {
        let header = |name: &str| request.header(name);
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/") || header("x-acs-version") != "2017-05-25"
        {
            return Err(error(400, "InvalidVersion", "Specified parameter Version is not valid."));
        }
        let date: jiff::Timestamp =
            header("x-acs-date").parse().map_err(|_| error(400, "InvalidTimeStamp.Format", "no date"))?;
        let (date, now) = (SystemTime::from(date), self.clock.now());
        let off = date.duration_since(now).or_else(|_| now.duration_since(date)).unwrap();
        if off > Duration::from_secs(15 * 60) {
            return Err(error(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."));
        }
        if sha256_hex(&request.body) != header("x-acs-content-sha256") {
            return Err(error(400, "InvalidContentSha256", "The hash is not that of the body."));
        }
        if !request.body.is_empty() && header("content-type") != "application/x-www-form-urlencoded" {
            return Err(error(400, "UnsupportedContentType", "The content type is not supported."));
        }
        let wrong = || error(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.");
        let given = header("authorization");
        let names = given.split_once("SignedHeaders=").and_then(|(_, rest)| rest.split_once(',')).ok_or_else(wrong)?.0;
        let names: Vec<&str> = names.split(';').collect();
        let must = |name: &&String| name.starts_with("x-acs-") || ["host", "content-type"].contains(&name.as_str());
        if !request.headers.keys().filter(must).all(|name| names.contains(&name.as_str())) {
            return Err(wrong());
        }
        let headers: Vec<(&str, &str)> = names.iter().map(|name| (*name, header(name))).collect();
        let all = request.pairs();
        let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let query = acs3::canonical_query(&all);
        let signed = acs3::sign(&self.id, &self.secret, "POST", "/", &query, &headers, header("x-acs-content-sha256"));
        if signed.authorization != given {
            return Err(wrong());
        }
        if !self.nonces.lock().insert(header("x-acs-signature-nonce").to_owned()) {
            return Err(error(400, "SignatureNonceUsed", "Specified signature nonce was used already."));
        }
        Ok(())
    }

    fn one(&self, request: &FakeRequest) -> FakeReply {
        let pairs = request.pairs();
        let get = |name: &str| pairs.get(name).cloned().unwrap_or_default();
        if ["PhoneNumbers", "SignName", "TemplateCode"].iter().any(|name| get(name).is_empty()) {
            return error(400, "MissingParameter", "a parameter is missing");
        }
        let params = match get("TemplateParam").as_str() {
            "" => json!({}),
            text => serde_json::from_str(text).unwrap_or_default(),
        };
        self.take(&[(get("PhoneNumbers"), params)])
    }

    fn batch(&self, request: &FakeRequest) -> FakeReply {
        let form = pairs(std::str::from_utf8(&request.body).unwrap());
        let list = |name: &str| -> Vec<Value> { serde_json::from_str(&form[name]).unwrap_or_default() };
        let (numbers, names, params) = (list("PhoneNumberJson"), list("SignNameJson"), list("TemplateParamJson"));
        let even = numbers.len() == names.len() && numbers.len() == params.len() && numbers.len() <= 100;
        if !even || request.pairs().keys().ne(["TemplateCode"]) {
            return error(400, "isv.PARAM_COUNT", "the lists differ in length");
        }
        let number = |number: &Value| number.as_str().unwrap_or_default().to_owned();
        let all: Vec<(String, Value)> = numbers.iter().map(number).zip(params).collect();
        self.take(&all)
    }

    /// All of them, or none.
    fn take(&self, messages: &[(String, Value)]) -> FakeReply {
        let refused = |code: &str, message: &str| {
            FakeReply::json(200, &json!({ "Message": message, "RequestId": "C0A0BE93", "Code": code }))
        };
        for (number, params) in messages {
            let texts = params.as_object().is_some_and(|all| all.values().all(Value::is_string));
            if !texts {
                return refused("isv.INVALID_JSON_PARAM", "JSON参数不合法，只接受字符串值");
            }
            if !number.bytes().all(|byte| byte.is_ascii_digit()) || number.is_empty() {
                return refused("isv.MOBILE_NUMBER_ILLEGAL", "非法手机号");
            }
            if let Some((_, code)) = self.refused.lock().iter().find(|(theirs, _)| theirs == number) {
                return refused(code, "触发天级流控Permits:10");
            }
        }
        let mut sent = self.sent.lock();
        sent.extend(messages.iter().cloned());
        let id = format!("9006197469364984{}^0", sent.len());
        FakeReply::json(200, &json!({ "RequestId": "F655A8D5", "Message": "OK", "BizId": id, "Code": "OK" }))
    }
}
