//! Who asks, and what is there to be asked for.

use std::time::Duration;

use nebula_test_support::eventually;
use reqwest::{Method, StatusCode};
use serde_json::json;
use ticketing::storage::sql::{Sql, query};

use crate::common::{Account, TestApp, expect};

/// Generous: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Real identifiers, so that bad requests get past "there is no such thing".
pub struct Things {
    /// By the segment of a path that comes before.
    ids: Vec<(&'static str, String)>,
    /// Nobody, a buyer, a merchant's administrator, the platform.
    pub people: [(&'static str, Option<String>); 4],
}

impl Things {
    pub async fn of(app: &TestApp) -> Self {
        let boss = app.register_admin("boss@example.com").await;
        let admin = app.register_staff("admin@example.com", "merchant-admin").await;
        let buyer = app.register("buyer@example.com").await;
        let session = app.hall(20).await;
        let order = buy(app, &buyer, &session.to_string(), "1-1").await;
        let own = format!("/orders/{order}");
        let offer = expect(app.get_as(&buyer, &format!("{own}/refund")).await, StatusCode::OK).await;
        let wish = json!({"expected_amount": offer["quote"]["amount"], "reason": "ill"});
        let asked = expect(app.post_as(&buyer, &format!("{own}/refund"), &wish).await, StatusCode::OK).await;
        let invite = json!({"email": "guest@example.com", "role": "door"});
        let invited = app.post_as(&admin, "/desk/nebula/invitations", &invite).await;
        let invited = expect(invited, StatusCode::CREATED).await;
        let mut ids = vec![
            ("sessions", session.to_string()),
            ("orders", order),
            ("refunds", asked["refunds"][0]["id"].as_str().unwrap().to_owned()),
            ("invitations", invited["id"].as_str().unwrap().to_owned()),
            ("staff", admin.id.to_string()),
            ("desk", "nebula".to_owned()),
            ("m", "nebula".to_owned()),
            ("merchants", "nebula".to_owned()),
            ("payments", "mock".to_owned()),
            ("roles", "support".to_owned()),
        ];
        for table in ["shows", "plans", "venues", "tickets"] {
            let id = query(Sql::Built(format!("SELECT id FROM {table}"))).scalar(&app.app.database.read).await;
            ids.push((table, id.unwrap()));
        }
        let token = |account: Account| Some(account.access);
        let people = [
            ("nobody", None),
            ("buyer", token(buyer)),
            ("merchant's administrator", token(admin)),
            ("platform", token(boss)),
        ];
        Self { ids, people }
    }

    /// What stands after this segment of a path.
    pub fn id(&self, before: &str) -> String {
        let known = self.ids.iter().find(|(known, _)| *known == before).map(|(_, id)| id.clone());
        known.unwrap_or_else(|| "01900000-0000-7000-8000-000000000000".to_owned())
    }
}

/// A seat from the choice to the ticket.
async fn buy(app: &TestApp, buyer: &Account, session: &str, seat: &str) -> String {
    let wish = json!({"session_id": session, "seats": [seat]});
    let placed = expect(app.post_as(buyer, "/orders", &wish).await, StatusCode::CREATED).await;
    let order = placed["id"].as_str().unwrap().to_owned();
    let begun = app.post_as(buyer, &format!("/orders/{order}/pay"), &json!({})).await;
    let begun = expect(begun, StatusCode::OK).await;
    let page = begun["payment"]["pay_url"].as_str().unwrap().to_owned();
    expect(app.request(Method::POST, &format!("/{page}/approve")).send().await.unwrap(), StatusCode::OK).await;
    eventually(PATIENCE, || async {
        let order = expect(app.get_as(buyer, &format!("/orders/{order}")).await, StatusCode::OK).await;
        order["tickets"][0]["id"].as_str().map(str::to_owned).ok_or_else(|| order.to_string())
    })
    .await;
    order
}

/// Whether somebody new can still buy something new, and nothing is out of order.
pub async fn sells(app: &TestApp) {
    let session = app.hall(5).await;
    let buyer = app.register("late@example.com").await;
    buy(app, &buyer, &session.to_string(), "1-2").await;
    let boss = app.register_admin("auditor@example.com").await;
    let path = format!("/admin/sessions/{session}/audit");
    // The ledger hears of the payment by a message.
    eventually(PATIENCE, || async {
        let audit = expect(app.get_as(&boss, &path).await, StatusCode::OK).await;
        if audit["sound"] == true && audit["database"]["sold"] == 1 { Ok(()) } else { Err(audit.to_string()) }
    })
    .await;
}
