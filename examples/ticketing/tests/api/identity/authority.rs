//! An authority for tests: it answers by the name, fails as it is told to, and remembers what it was asked.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use ticketing::{config::Config, identity::AuthorityConfig};

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Names with 冒 are impostors, those with 无 have no document.
    Well,
    /// Status 500.
    Broken,
    /// It says something else than was agreed on.
    Babbling,
    /// It takes its time.
    Silent,
    /// It says of everybody that the document is somebody else's.
    Strict,
}

#[derive(Clone, Debug)]
pub(crate) struct Office(Arc<Mutex<Inside>>);

#[derive(Debug)]
struct Inside {
    mood: Mood,
    asked: Vec<(Option<String>, Value)>,
}

impl Office {
    /// Opens it, and gives its address.
    pub(crate) async fn open() -> (Self, String) {
        let office = Self(Arc::new(Mutex::new(Inside { mood: Mood::Well, asked: Vec::new() })));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/check", listener.local_addr().unwrap());
        let router = Router::new().route("/check", post(answer)).with_state(office.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (office, url)
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.0.lock().mood = mood;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.lock().asked.len()
    }

    /// The last question, with what it was authorized by.
    pub(crate) fn last(&self) -> (Option<String>, Value) {
        self.0.lock().asked.last().unwrap().clone()
    }
}

async fn answer(State(office): State<Office>, headers: HeaderMap, body: String) -> Response {
    let question: Value = serde_json::from_str(&body).unwrap();
    let by = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let mood = {
        let mut inside = office.0.lock();
        inside.asked.push((by, question.clone()));
        inside.mood
    };
    let name = question["name"].as_str().unwrap();
    let word = match mood {
        Mood::Broken => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Babbling => "perhaps",
        Mood::Silent => std::future::pending().await,
        Mood::Strict => "mismatch",
        Mood::Well if name.contains('冒') => "mismatch",
        Mood::Well if name.contains('无') => "unknown",
        Mood::Well => "match",
    };
    axum::Json(json!({ "result": word })).into_response()
}

/// The configuration that asks it.
pub(crate) fn asks(config: &mut Config, url: &str) {
    let authority = json!({"endpoint": url, "token": "letmein", "timeout": "2s"});
    config.identity.authority = Some(serde_json::from_value::<AuthorityConfig>(authority).unwrap());
}

/// A card's number: each `sequence` below a thousand another one.
pub(crate) fn card(sequence: u32) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let body = format!("33010619900101{sequence:03}");
    let sum: u32 = body.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    format!("{body}{}", &"10X98765432"[(sum % 11) as usize..][..1])
}

/// A person with that card.
pub(crate) fn person(name: &str, sequence: u32) -> Value {
    json!({"name": name, "kind": "cn-id", "number": card(sequence)})
}
