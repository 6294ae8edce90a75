//! The platform as a client of the rush sees it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::pulse::Pulse;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// Pause before a request is repeated.
const PAUSE: Duration = Duration::from_millis(100);

/// Speaks to one or several servers of one platform.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: Client,
    urls: Arc<[String]>,
    next: Arc<AtomicUsize>,
    /// Requests that were sent again.
    repeated: Arc<AtomicU64>,
    /// Orders that were placed, and reads that were answered.
    orders: Pulse,
    reads: Pulse,
    deadline: Instant,
}

/// A request that came to nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// A refusal with its code.
    #[error("{status} {code}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The problem's code.
        code: String,
        /// The problem's text.
        detail: String,
        /// The problem.
        body: Value,
    },
    /// No server answered until the deadline; the last cause.
    #[error("no answer until the deadline: {0}")]
    Deadline(String),
    /// The answer is not what was agreed.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}

impl Failure {
    /// The problem's code, if it is one.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }
}

/// What was prepared for the rush.
#[derive(Deserialize)]
pub(super) struct Rehearsal {
    pub(super) session_id: String,
    pub(super) seats: Vec<String>,
    pub(super) buyers: Vec<Account>,
    pub(super) opens_in_ms: u64,
}

/// A signed-in buyer.
#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) access_token: SecretString,
}

/// How a question was answered.
pub(super) struct Answer<T> {
    pub(super) result: Result<T, Failure>,
    /// How long the last attempt took.
    pub(super) took: Duration,
}

impl Api {
    pub(super) fn new(urls: &[String], deadline: Instant) -> Result<Self, Failure> {
        let client = Client::builder()
            .no_proxy()
            .timeout(ANSWER)
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| Failure::Unexpected(error.to_string()))?;
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let (orders, reads) = <(Pulse, Pulse)>::default();
        Ok(Self { client, urls, next: Arc::default(), repeated: Arc::default(), orders, reads, deadline })
    }

    /// Requests so far whose answer was lost or asked for patience, and which were sent again.
    pub(super) fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// Orders that were placed.
    pub(super) fn orders(&self) -> &Pulse {
        &self.orders
    }

    /// Reads that were answered.
    pub(super) fn reads(&self) -> &Pulse {
        &self.reads
    }

    /// What each server says of itself; nothing of those that do not answer.
    pub(super) async fn metrics(&self) -> Vec<String> {
        let mut all = Vec::new();
        for url in &*self.urls {
            if let Ok(answer) = self.client.get(format!("{url}/metrics")).send().await
                && answer.status().is_success()
                && let Ok(text) = answer.text().await
            {
                all.push(text);
            }
        }
        all
    }

    pub(super) async fn login(&self, email: &str, password: &SecretString) -> Result<SecretString, Failure> {
        let body = json!({"email": email, "password": password.expose_secret()});
        let answer: Value =
            self.ask(|url| self.client.post(format!("{url}/api/v1/auth/login")).json(&body)).await.result?;
        let token = answer.pointer("/tokens/access_token").and_then(Value::as_str);
        Ok(token.ok_or_else(|| Failure::Unexpected("a login without a token".to_owned()))?.into())
    }

    pub(super) async fn prepare(
        &self,
        admin: &SecretString,
        users: u32,
        seats: u32,
        hold_seconds: u64,
        opens_in: u64,
    ) -> Result<Rehearsal, Failure> {
        let body = json!({"users": users, "seats": seats, "hold_seconds": hold_seconds, "opens_in_seconds": opens_in});
        let path = "/api/v1/admin/rehearsals";
        // One attempt, and time for it: preparing twice would do no harm but take as long again.
        let request = self.client.post(format!("{}{path}", self.urls[0])).timeout(Duration::from_secs(120));
        let request = request.bearer_auth(admin.expose_secret()).json(&body);
        read(request).await.map_err(Broken::into_failure)
    }

    pub(super) async fn seats(&self, session: &str) -> Result<Value, Failure> {
        self.read(|url| self.client.get(format!("{url}/api/v1/sessions/{session}/seats"))).await.result
    }

    /// Looks around as a visitor does: the list of shows, the sale, its seats. Answers how long each took.
    pub(super) async fn look_around(&self, session: &str) -> Result<Vec<Duration>, Failure> {
        let mut took = Vec::new();
        for path in ["/shows".to_owned(), format!("/sessions/{session}"), format!("/sessions/{session}/seats")] {
            let answer = self.read(|url| self.client.get(format!("{url}/api/v1{path}"))).await;
            answer.result?;
            took.push(answer.took);
        }
        Ok(took)
    }

    pub(super) async fn order(&self, token: &SecretString, session: &str, seat: &str, key: &str) -> Answer<Value> {
        let body = json!({"session_id": session, "seats": [seat]});
        let order = |url: &str| self.request(Method::POST, url, "/orders", token).header("Idempotency-Key", key);
        let answer = self.ask(|url| order(url).json(&body)).await;
        if answer.result.is_ok() {
            self.orders.beat(answer.took);
        }
        answer
    }

    /// Begins to pay and answers the path of the provider's page.
    pub(super) async fn pay(&self, token: &SecretString, order: &str) -> Result<String, Failure> {
        let path = format!("/orders/{order}/pay");
        let answer: Value = self.ask(|url| self.request(Method::POST, url, &path, token)).await.result?;
        let url = answer.pointer("/payment/pay_url").and_then(Value::as_str);
        Ok(url.ok_or_else(|| Failure::Unexpected("a payment without a page".to_owned()))?.to_owned())
    }

    /// Presses "pay" on the provider's page.
    pub(super) async fn approve(&self, pay_url: &str) -> Result<(), Failure> {
        let answer: Answer<Value> = self.ask(|url| self.client.post(format!("{url}{pay_url}/approve"))).await;
        answer.result.map(|_charge| ())
    }

    /// The state of an order.
    pub(super) async fn state(&self, token: &SecretString, order: &str) -> Result<String, Failure> {
        let path = format!("/orders/{order}");
        let answer = self.read(|url| self.request(Method::GET, url, &path, token)).await.result?;
        Ok(answer["state"].as_str().unwrap_or_default().to_owned())
    }

    /// What each server says of the session once nothing is held any more, or after `rest`.
    pub(super) async fn audit_at_rest(
        &self,
        admin: &SecretString,
        session: &str,
        rest: Duration,
    ) -> Result<Vec<Value>, Failure> {
        let until = Instant::now() + rest;
        let path = format!("/admin/sessions/{session}/audit");
        loop {
            let mut audits: Vec<Value> = Vec::new();
            for url in self.urls.iter() {
                audits.push(self.ask(|_| self.request(Method::GET, url, &path, admin)).await.result?);
            }
            let resting = |audit: &Value| audit["sound"] == true && audit["database"]["locked"] == 0;
            if audits.iter().all(resting) || Instant::now() > until {
                return Ok(audits);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn request(&self, method: Method, url: &str, path: &str, token: &SecretString) -> RequestBuilder {
        self.client.request(method, format!("{url}/api/v1{path}")).bearer_auth(token.expose_secret())
    }

    /// A question that changes nothing.
    async fn read(&self, request: impl Fn(&str) -> RequestBuilder) -> Answer<Value> {
        let answer = self.ask(request).await;
        if answer.result.is_ok() {
            self.reads.beat(answer.took);
        }
        answer
    }

    /// Asks the servers in turn until one answers for good.
    async fn ask<T: DeserializeOwned>(&self, request: impl Fn(&str) -> RequestBuilder) -> Answer<T> {
        loop {
            let url = &self.urls[self.next.fetch_add(1, Ordering::Relaxed) % self.urls.len()];
            let started = Instant::now();
            let result = match read(request(url)).await {
                Err(Broken::Again(_)) if Instant::now() < self.deadline => {
                    self.repeated.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                result => result.map_err(Broken::into_failure),
            };
            return Answer { result, took: started.elapsed() };
        }
    }
}

enum Broken {
    /// An answer for good.
    Refused(Failure),
    /// The answer was lost, or was "try again".
    Again(String),
}

impl Broken {
    fn into_failure(self) -> Failure {
        match self {
            Self::Refused(failure) => failure,
            Self::Again(cause) => Failure::Deadline(cause),
        }
    }
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Broken> {
    let reply = request.send().await.map_err(|error| Broken::Again(crate::problem::chain(&error)))?;
    let status = reply.status();
    let body = reply.bytes().await.map_err(|error| Broken::Again(crate::problem::chain(&error)))?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| Broken::Refused(Failure::Unexpected(error.to_string())));
    }
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let (code, detail) = (text("code"), text("detail"));
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) {
        return Err(Broken::Again(format!("{status} {code}: {detail}")));
    }
    Err(Broken::Refused(Failure::Refused { status: status.as_u16(), code, detail, body }))
}
