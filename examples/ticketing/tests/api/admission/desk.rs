//! The back office: policies and the blacklist, with permission and written down.

use nebula_auth::audit::AuditQuery;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::problem::Code;

use super::help::{order, steps, with};
use crate::common::{Account, TestApp, expect, expect_problem};

async fn send(app: &TestApp, method: Method, who: &Account, path: &str, body: &Value) -> reqwest::Response {
    app.request(method, path).bearer_auth(&who.access).json(body).send().await.unwrap()
}

#[tokio::test]
async fn who_may_changes_what_a_sale_asks_and_it_is_written_down() {
    let app = TestApp::start().await;
    let hall = app.hall(10).await;
    let (merchant, clerk, mei) = (
        app.register_staff("merchant@example.com", "merchant-admin").await,
        app.register_staff("clerk@example.com", "box-office").await,
        app.register("mei@example.com").await,
    );
    let path = format!("/admin/sessions/{hall}/admission");
    let wanted = json!({"policy": {"limits": true, "room": {"admitted": 7}}});
    expect_problem(app.get_as(&mei, &path).await, Code::Forbidden).await;
    expect_problem(send(&app, Method::PUT, &clerk, &path, &wanted).await, Code::Forbidden).await;
    let before = expect(app.get_as(&clerk, &path).await, StatusCode::OK).await;
    assert_eq!(
        (&before["flash"], &before["policy"]["sold_out"], &before["policy"]["room"]),
        (&json!(false), &json!(true), &Value::Null)
    );
    let after = expect(send(&app, Method::PUT, &merchant, &path, &wanted).await, StatusCode::OK).await;
    assert_eq!(after["policy"]["room"], json!({"admitted": 7, "stay_seconds": 900, "grace_seconds": 30}));
    assert_eq!(expect(app.get_as(&clerk, &path).await, StatusCode::OK).await, after);
    let view = expect(app.get(&format!("/sessions/{hall}/admission")).await, StatusCode::OK).await;
    assert_eq!(view["steps"], json!(["sold-out", "limits", "waiting-room"]));

    for (body, field) in [
        (json!({"policy": {"room": {"admitted": 0}}}), "room.admitted"),
        (json!({"policy": {"room": {"stay_seconds": 5}}}), "room.stay_seconds"),
        (json!({"policy": {"room": {"grace_seconds": 601}}}), "room.grace_seconds"),
    ] {
        let problem = expect_problem(send(&app, Method::PUT, &merchant, &path, &body).await, Code::InvalidValue).await;
        assert_eq!(problem["field"], field);
    }
    let unknown = json!({"policy": {"rooms": 1}});
    expect_problem(send(&app, Method::PUT, &merchant, &path, &unknown).await, Code::MalformedRequest).await;
    // The sale is open: too late for another domain.
    let flash = json!({"flash": true, "policy": {}});
    expect_problem(send(&app, Method::PUT, &merchant, &path, &flash).await, Code::SaleUnderWay).await;

    let log = app.app.office.log().query(&AuditQuery::default()).await.unwrap();
    let entry = log.entries.iter().find(|entry| entry.record.what == "admission.change").unwrap();
    assert_eq!((&entry.record.who, &entry.record.on), (&merchant.id.to_string(), &format!("session:{hall}")));
    assert!(entry.record.reason.contains("\"admitted\":7"));
}

#[tokio::test]
async fn a_buyer_a_network_or_a_device_is_blocked_until_taken_off_the_list() {
    let app = TestApp::start_with(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".to_owned()]).await;
    let hall = app.hall(20).await;
    steps(&app, hall, with(|policy| policy.blacklist = true)).await;
    let (boss, support, mei) = (
        app.register_admin("boss@example.com").await,
        app.register_staff("support@example.com", "support").await,
        app.register("mei@example.com").await,
    );
    let entry = |kind: &str, value: &str| json!({"kind": kind, "value": value, "reason": "resold tickets"});
    let path = "/admin/blacklist";
    expect_problem(send(&app, Method::POST, &support, path, &entry("device", "d-1")).await, Code::Forbidden).await;
    let here = [("x-forwarded-for", "203.0.113.77"), ("device-id", "d-1")];
    for (number, (kind, value)) in
        [("user", mei.id.to_string()), ("network", "203.0.113.0/24".to_owned()), ("device", "d-1".to_owned())]
            .into_iter()
            .enumerate()
    {
        let seat = format!("1-{}", number + 1);
        let made = expect(send(&app, Method::POST, &boss, path, &entry(kind, &value)).await, StatusCode::CREATED).await;
        assert_eq!(made["made_by"], json!(boss.id));
        let problem = expect_problem(order(&app, &mei, hall, &seat, &here).await, Code::Blocked).await;
        assert!(!problem.to_string().contains("resold"), "the reason is the office's business: {problem}");
        // It is the platform's list: no merchant's people read it.
        expect_problem(app.get_as(&support, path).await, Code::Forbidden).await;
        let listed = expect(app.get_as(&boss, path).await, StatusCode::OK).await;
        assert_eq!(listed["entries"][0]["value"], value.as_str());
        let one = format!("{path}/{}", made["id"].as_str().unwrap());
        expect_problem(send(&app, Method::DELETE, &boss, &one, &json!({})).await, Code::MalformedRequest).await;
        let gone = send(&app, Method::DELETE, &boss, &format!("{one}?reason=appeal"), &json!({})).await;
        assert_eq!(gone.status(), StatusCode::NO_CONTENT);
        let again = send(&app, Method::DELETE, &boss, &format!("{one}?reason=appeal"), &json!({})).await;
        expect_problem(again, Code::NotFound).await;
        expect(order(&app, &mei, hall, &seat, &here).await, StatusCode::CREATED).await;
    }
    for (kind, value) in [("network", "0.0.0.0/0"), ("user", "mei"), ("device", "")] {
        expect_problem(send(&app, Method::POST, &boss, path, &entry(kind, value)).await, Code::InvalidValue).await;
    }
    let log = app.app.office.log().query(&AuditQuery::default()).await.unwrap();
    let whats: Vec<_> = log.entries.iter().map(|entry| (&*entry.record.what, &*entry.record.reason)).collect();
    assert!(whats.contains(&("blacklist.put", "resold tickets")) && whats.contains(&("blacklist.remove", "appeal")));
}
