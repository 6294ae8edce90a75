//! What JPush, Umeng and WeChat check in every request, for fakes of them: `None` is let pass.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::server::{FakeReply, FakeRequest};

fn is_json(request: &FakeRequest) -> bool {
    request.header("content-type").split(';').next() == Some("application/json")
}

fn texts(value: &Value, most: usize) -> bool {
    let text = |one: &Value| one.as_str().is_some_and(|one| !one.is_empty() && one.len() <= 40);
    value.as_array().is_some_and(|all| !all.is_empty() && all.len() <= most && all.iter().all(text))
}

/// JPush: who asks, JSON, and a push that reaches somebody, with options of their types. A mistake in types is `1003`.
#[must_use]
pub fn jpush_refuses(request: &FakeRequest, app_key: &str, master_secret: &str) -> Option<FakeReply> {
    let error =
        |status: u16, code: u64| Some(FakeReply::json(status, &json!({ "error": { "code": code, "message": "no" } })));
    let basic = format!("Basic {}", STANDARD.encode(format!("{app_key}:{master_secret}")));
    if request.header("authorization") != basic {
        return error(401, 1004);
    }
    if request.body.is_empty() {
        return None;
    }
    let body = request.json();
    if !is_json(request) || !body.is_object() {
        return error(400, 1003);
    }
    let push = match request.path.strip_prefix("/v3/schedules") {
        Some(_) if body["push"].is_null() => return None,
        Some(_) => &body["push"],
        None => &body,
    };
    let audience = match &push["audience"] {
        Value::String(all) => all == "all",
        Value::Object(kinds) => {
            let fits = |(kind, list): (&String, &Value)| match kind.as_str() {
                "tag" | "tag_and" | "tag_not" => texts(list, 20),
                "alias" | "registration_id" => texts(list, 1000),
                _ => false,
            };
            !kinds.is_empty() && kinds.iter().all(fits)
        }
        _ => false,
    };
    let options = &push["options"];
    let lives = options["time_to_live"].is_null() || options["time_to_live"].as_u64().is_some_and(|it| it <= 864_000);
    let says = push["notification"].is_object() || push["message"].is_object();
    let cid = push["cid"].is_null() || push["cid"].as_str().is_some_and(|id| !id.is_empty() && id.len() <= 64);
    if !audience || push["platform"] != "all" || !says || !lives || !options["apns_production"].is_boolean() || !cid {
        return error(400, 1003);
    }
    None
}

/// Umeng at that address: JSON, the signature over address and body, a time within ten minutes, and values of their types.
#[cfg(feature = "umeng")]
#[must_use]
pub fn umeng_refuses(
    request: &FakeRequest,
    url: &str,
    master_secret: &str,
    now: std::time::SystemTime,
) -> Option<FakeReply> {
    let fail = |code: &str| {
        let data = json!({ "error_code": code, "error_msg": "no" });
        Some(FakeReply::json(400, &json!({ "ret": "FAIL", "data": data })))
    };
    let (text, body) = (String::from_utf8_lossy(&request.body), request.json());
    if request.method != "POST" || !is_json(request) || !body.is_object() {
        return fail("2000");
    }
    let sign = crate::umeng_sign("POST", &format!("{url}{}", request.path), &text, master_secret);
    if request.pairs().get("sign") != Some(&sign) {
        return fail("2027");
    }
    // In seconds or in milliseconds.
    let stamp = body["timestamp"].as_str().filter(|stamp| matches!(stamp.len(), 10 | 13));
    let stamp = stamp.and_then(|stamp| stamp.get(..10)?.parse::<u64>().ok());
    if stamp.is_none_or(|stamp| stamp.abs_diff(crate::clock::seconds(now)) > 600) {
        return fail("2028");
    }
    if !body["appkey"].is_string() {
        return fail("2021");
    }
    if request.path != "/api/send" {
        return None;
    }
    let known = ["unicast", "listcast", "broadcast", "groupcast", "filecast", "customizedcast"];
    let policy = body["policy"].as_object().into_iter().flatten();
    let time = |value: &Value| value.as_str().is_some_and(|time| time.len() == 19);
    let mut policy = policy.map(|(name, value)| match name.as_str() {
        "start_time" | "expire_time" => time(value),
        "max_send_num" => value.is_u64(),
        "out_biz_no" => value.is_string(),
        _ => false,
    });
    let fits = body["type"].as_str().is_some_and(|kind| known.contains(&kind))
        && matches!(body["production_mode"].as_str(), Some("true" | "false"))
        && body["payload"].is_object()
        && policy.all(|fits| fits);
    if fits { None } else { fail("2003") }
}

/// WeChat: JSON by `POST`, and in messages texts for a user, a template and every value.
#[must_use]
pub fn wechat_refuses(request: &FakeRequest) -> Option<FakeReply> {
    let bad = |code: i64| Some(FakeReply::json(200, &json!({ "errcode": code, "errmsg": "no" })));
    let body = request.json();
    if request.method != "POST" || !is_json(request) || !body.is_object() {
        return bad(47001);
    }
    if request.path != "/cgi-bin/message/subscribe/send" {
        return None;
    }
    let values = |all: &serde_json::Map<String, Value>| all.values().all(|one| one["value"].is_string());
    if !body["touser"].is_string() {
        return bad(40003);
    }
    if !body["data"].as_object().is_some_and(values) || !body["template_id"].is_string() {
        return bad(47003);
    }
    None
}
