//! The platform as its operator and its buyers see it.

use serde::Deserialize;
use serde_json::{Value, json};
use ticketing::demo;
use ticketing::ids::SessionId;

use crate::child::Child;
use crate::wire::{Wire, request};

/// A sale that is open, and buyers who are signed in.
#[derive(Deserialize)]
pub(crate) struct Sale {
    pub(crate) session_id: SessionId,
    pub(crate) seats: Vec<String>,
    pub(crate) buyers: Vec<Buyer>,
}

#[derive(Deserialize)]
pub(crate) struct Buyer {
    pub(crate) access_token: String,
}

impl Sale {
    /// A new one in a hall of its own.
    pub(crate) async fn prepare(platform: &Child, users: usize, seats: usize) -> Self {
        let mut wire = Wire::connect(platform.at.http).await;
        let login = json!({"email": demo::ADMIN_EMAIL, "password": demo::PASSWORD}).to_string();
        let answer = json(&mut wire, &request("POST", "/api/v1/auth/login", None, Some(&login))).await;
        let token = answer["tokens"]["access_token"].as_str().unwrap();
        let body = json!({"users": users, "seats": seats, "hold_seconds": 86_400}).to_string();
        let answer = json(&mut wire, &request("POST", "/api/v1/admin/rehearsals", Some(token), Some(&body))).await;
        let sale: Self = serde_json::from_value(answer).unwrap();
        // Nobody orders a seat of a plan that nobody has looked at, and servers load it before a sale opens.
        for rest in ["", "/seatmap", "/seats"] {
            json(&mut wire, &sale.get(rest)).await;
        }
        sale
    }

    /// An order of one seat, by the buyer and for the seat of this number.
    pub(crate) fn order(&self, number: usize) -> Vec<u8> {
        let seat = self.seats.get(number).unwrap_or_else(|| panic!("more orders than seats"));
        self.order_of(number, seat)
    }

    pub(crate) fn order_of(&self, buyer: usize, seat: &str) -> Vec<u8> {
        let body = format!(r#"{{"session_id":"{}","seats":["{seat}"]}}"#, self.session_id);
        request("POST", "/api/v1/orders", Some(self.token(buyer)), Some(&body))
    }

    pub(crate) fn token(&self, buyer: usize) -> &str {
        &self.buyers[buyer % self.buyers.len()].access_token
    }

    /// A request about the session.
    pub(crate) fn get(&self, rest: &str) -> Vec<u8> {
        request("GET", &format!("/api/v1/sessions/{}{rest}", self.session_id), None, None)
    }
}

/// The answer of a request that has to succeed.
pub(crate) async fn json(wire: &mut Wire, request: &[u8]) -> Value {
    let answer = wire.ask(request).await;
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, String::from_utf8_lossy(answer.body));
    serde_json::from_slice(answer.body).unwrap()
}
