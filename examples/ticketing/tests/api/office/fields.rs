//! Which fields of a record each role sees: in one order, in lists, in searches, in tills; and from the next request on.

use std::{collections::BTreeMap, time::Duration};

use nebula_auth::rbac::{Actor, DataRule, FieldAccess, Permission, PermissionPattern, Role, RoleName, RowScope};
use nebula_test_support::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use ticketing::{problem::Code, storage::sql::query};

use crate::common::{Account, TestApp, expect, expect_problem};

const PATIENCE: Duration = Duration::from_secs(60);

/// What somebody sees of one order at the desk.
async fn order_at_desk(app: &TestApp, who: &Account, id: &str) -> Value {
    expect(app.get_as(who, &format!("/desk/nebula/orders/{id}")).await, StatusCode::OK).await
}

fn rules(entity: &str, rows: RowScope, fields: &[(&str, FieldAccess)]) -> DataRule {
    let fields: BTreeMap<_, _> = fields.iter().map(|(name, access)| ((*name).to_owned(), *access)).collect();
    DataRule { entity: entity.parse().unwrap(), rows, fields }
}

/// An order that a clerk sold at a counter to somebody with a name and an address, paid by card.
async fn sold(app: &TestApp, clerk: &Account, seat: &str) -> String {
    let session = app.hall(20).await;
    let body = json!({"session_id": session, "seats": [seat],
        "buyer": {"name": "Anne Li", "email": "anne@example.com", "language": "en"}});
    let request = app.request(Method::POST, "/desk/nebula/counter/orders").bearer_auth(&clerk.access);
    let held = request.header("idempotency-key", format!("{seat}-{session}")).json(&body).send().await.unwrap();
    let order = expect(held, StatusCode::CREATED).await["order"]["id"].as_str().unwrap().to_owned();
    let money = json!({"method": "card", "reference": "TERMINAL-4711",
        "amount": {"amount": "380.00", "currency": "CNY"}});
    let path = format!("/desk/nebula/counter/orders/{order}/payment");
    expect(app.post_as(clerk, &path, &money).await, StatusCode::OK).await;
    order
}

#[tokio::test]
async fn each_role_sees_its_fields_of_the_same_record_everywhere() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let [support, clerk, colleague, finance] = [
        app.register_staff("support@example.com", "support").await,
        app.register_staff("clerk@example.com", "box-office").await,
        app.register_staff("colleague@example.com", "box-office").await,
        app.register_staff("finance@example.com", "finance").await,
    ];
    let order = sold(&app, &clerk, "1-1").await;
    // At the counter: whoever sold it sees who bought it, a colleague the beginnings.
    let path = format!("/desk/nebula/counter/orders/{order}");
    for (who, name, email) in [
        (&clerk, "Anne Li", "anne@example.com"),
        (&colleague, "A*** L*", "a***@example.com"),
        (&boss, "Anne Li", "anne@example.com"),
    ] {
        let shown = expect(app.get_as(who, &path).await, StatusCode::OK).await;
        assert_eq!((&shown["sale"]["buyer_name"], &shown["sale"]["buyer_email"]), (&json!(name), &json!(email)));
    }
    // Tills: an agent's share is finance's to see, and the clerk's own.
    let report = expect(app.get_as(&finance, "/desk/nebula/tills").await, StatusCode::OK).await;
    assert!(report["commission_bp"].is_number() && report["tills"][0]["commission"].is_object(), "{report}");
    let own = expect(app.get_as(&clerk, "/desk/nebula/counter/till").await, StatusCode::OK).await;
    assert!(own["commission_bp"].is_number() && own["tills"][0]["commission"].is_object(), "{own}");

    // A buyer's order, with a reason in their own words.
    let buyer = app.register("mei@example.com").await;
    let session = app.hall(20).await;
    let wish = json!({"session_id": session, "seats": ["1-1"]});
    let placed = expect(app.post_as(&buyer, "/orders", &wish).await, StatusCode::CREATED).await;
    let id = placed["id"].as_str().unwrap().to_owned();
    let begun = expect(app.post_as(&buyer, &format!("/orders/{id}/pay"), &json!({})).await, StatusCode::OK).await;
    let page = begun["payment"]["pay_url"].as_str().unwrap();
    expect(app.request(Method::POST, &format!("/{page}/approve")).send().await.unwrap(), StatusCode::OK).await;
    eventually(PATIENCE, || async {
        let shown = order_at_desk(&app, &support, &id).await;
        if shown["order"]["state"] == "ISSUED" { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    let refund = json!({"reason": "ill", "goodwill": true});
    expect(app.post_as(&finance, &format!("/admin/orders/{id}/refund"), &refund).await, StatusCode::OK).await;

    let (whole, masked) = (json!("mei@example.com"), json!("m***@example.com"));
    for (who, email, reason) in [
        (&support, &whole, Some("ill")),
        (&clerk, &masked, None),
        (&finance, &masked, Some("ill")),
        (&boss, &whole, Some("ill")),
    ] {
        let shown = order_at_desk(&app, who, &id).await;
        assert_eq!(&shown["buyer"]["email"], email);
        assert_eq!(shown["order"]["refunds"][0]["reason"].as_str(), reason, "{shown}");
        let list = expect(app.get_as(who, "/desk/nebula/orders").await, StatusCode::OK).await;
        assert_eq!(&list["orders"][0]["buyer"]["email"], email);
        let refunds = expect(app.get_as(who, "/admin/refunds").await, StatusCode::OK).await;
        assert_eq!(refunds["refunds"][0]["reason"].as_str(), reason, "{refunds}");
        let search = app.get_as(who, "/desk/nebula/orders?email=mei%40example.com").await;
        if email == &whole {
            assert_eq!(expect(search, StatusCode::OK).await["orders"][0]["id"], id.as_str());
        } else {
            assert_eq!(expect_problem(search, Code::Forbidden).await["reason"], "field_denied");
        }
    }

    // Pages are told what to offer, and what the roles say is on the page of roles.
    let fields = async |who: &Account| {
        expect(app.get_as(who, "/desk").await, StatusCode::OK).await["merchants"][0]["fields"].clone()
    };
    let (of_support, of_clerk, of_finance) = (fields(&support).await, fields(&clerk).await, fields(&finance).await);
    assert_eq!((&of_support["order.buyer-email"], &of_clerk["order.buyer-email"]), (&json!("full"), &json!("masked")));
    assert_eq!((&of_clerk["refund.reason"], &of_finance["order.attendee-name"]), (&json!("hidden"), &json!("hidden")));
    let role = expect(app.get_as(&boss, "//admin/access/roles/box-office").await, StatusCode::OK).await;
    assert!(role["data"].to_string().contains(r#""buyer-email":"masked""#), "{role}");

    // What an administrator changes holds at the next request, with the same tokens: addresses, reasons, references.
    let before = order_at_desk(&app, &finance, &id).await;
    assert!(before["payments"][0]["txn"].is_string(), "{before}");
    let narrow = json!({"data": [
        {"entity": "merchant", "rows": "department"},
        {"entity": "order", "rows": "department", "fields": {"payment-reference": "masked"}},
        {"entity": "till", "rows": "department"},
    ]});
    let change = app.request(Method::PATCH, "//admin/access/roles/finance").bearer_auth(&boss.access).json(&narrow);
    expect(change.send().await.unwrap(), StatusCode::NO_CONTENT).await;
    let after = order_at_desk(&app, &finance, &id).await;
    assert_eq!(after["buyer"], json!({"id": buyer.id, "masked": true}));
    let txn = before["payments"][0]["txn"].as_str().unwrap();
    assert_eq!(after["payments"][0]["txn"], format!("***{}", &txn[txn.len() - 4..]));
    assert!(after["order"]["refunds"][0]["reason"].is_null() && !after.to_string().contains("\"ill\""), "{after}");
    let report = expect(app.get_as(&finance, "/desk/nebula/tills").await, StatusCode::OK).await;
    assert!(report["commission_bp"].is_null() && report["tills"][0]["commission"].is_null(), "{report}");
    let priced = app.get_as(&finance, &format!("/desk/nebula/orders/{id}/price")).await;
    assert_eq!(expect_problem(priced, Code::Forbidden).await["field"], "price");
    let path = format!("//admin/access/users/{}/authority", finance.id);
    let explained = expect(app.get_as(&boss, &path).await, StatusCode::OK).await;
    assert!(explained.to_string().contains("payment-reference"), "{explained}");
}

#[tokio::test]
async fn roles_of_a_version_in_which_a_permission_decided_go_on_seeing_what_they_saw() {
    let app = TestApp::start().await;
    let boss = app.register_admin("boss@example.com").await;
    let [support, clerk] = [
        app.register_staff("support@example.com", "support").await,
        app.register_staff("clerk@example.com", "box-office").await,
    ];
    let order = sold(&app, &clerk, "1-1").await;
    // As that version left it: no rules on fields, and the permission.
    let (service, by) = (app.app.office.service(), Actor::system("test"));
    let former = Permission::new("order:personal").unwrap();
    service.put_permission(&by, &former, "").await.unwrap().into_result().unwrap();
    let auditors = Role::new(RoleName::new("auditors").unwrap())
        .with_permissions([PermissionPattern::new("order:*").unwrap()])
        .with_data(rules("merchant", RowScope::Department, &[]));
    service.create_role(&by, auditors).await.unwrap().into_result().unwrap();
    for name in ["support", "box-office", "finance", "general-agent", "platform-operations"] {
        let edit = |role: &mut Role| {
            role.data.retain(|rule| rule.entity.as_str() == "merchant");
            if name == "support" {
                role.permissions.insert(PermissionPattern::from(former.clone()));
            }
        };
        service.update_role(&by, &RoleName::new(name).unwrap(), edit).await.unwrap().into_result().unwrap();
    }
    let config = app.app.config.clone();
    let _folder = app.stop().await;
    let app = TestApp::start_on(config.clone()).await;
    let policy = app.app.office.service().policy().await.unwrap();
    assert!(!policy.permissions.contains_key(&former));
    assert!(policy.roles.values().all(|role| !role.permissions.iter().any(|one| one.as_str() == "order:personal")));
    let role = |name: &str| policy.roles[&RoleName::new(name).unwrap()].data.clone();
    let all = rules("order", RowScope::Department, &[("*", FieldAccess::ReadOnly)]);
    assert!(role("support").contains(&all) && role("auditors").contains(&all), "{:?}", role("auditors"));
    for (who, masked) in [(&support, false), (&clerk, true), (&boss, false)] {
        let shown = order_at_desk(&app, who, &order).await;
        // Clerks see what they sold themselves.
        assert_eq!(shown["buyer"]["masked"], masked && who.id != clerk.id, "{shown}");
        let list = app.get_as(who, "/desk/nebula/orders?email=anne%40example.com").await;
        assert_eq!(list.status().is_success(), !masked);
    }
    // Once: what administrators change afterwards stays.
    let edit = |role: &mut Role| role.data.retain(|rule| rule.entity.as_str() == "merchant");
    let name = RoleName::new("support").unwrap();
    app.app.office.service().update_role(&by, &name, edit).await.unwrap().into_result().unwrap();
    app.stop().await;
    let app = TestApp::start_on(config).await;
    assert_eq!(order_at_desk(&app, &support, &order).await["buyer"]["email"], Value::Null);
    let archived: i64 = query("SELECT count(*) FROM orders").scalar(&app.app.database.read).await.unwrap();
    assert_eq!(archived, 1);
}
