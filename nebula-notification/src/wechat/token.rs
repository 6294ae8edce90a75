//! The stable access token: fetched once for all who wait for it, kept until shortly before it ends.

use std::time::Duration;

use reqwest::{Method, Request, Url, header::HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    http::{self, Service},
    outcome::{ErrorClass, Outcome},
};

/// So long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(300);

/// WeChat takes a forced refresh twenty times a day, and not twice within 30 s.
const FORCED: (u32, Duration, Duration) = (20, Duration::from_secs(30), Duration::from_secs(24 * 3600));

pub(super) struct Tokens {
    pub(super) app_id: String,
    pub(super) secret: SecretString,
    /// Whoever fetches holds it; the others wait and take what was fetched.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<(SecretString, Instant)>,
    /// When refreshes were forced within the last day.
    forced: Vec<Instant>,
}

impl Tokens {
    pub(super) fn new(app_id: String, secret: SecretString) -> Self {
        Self { app_id, secret, state: Mutex::default() }
    }

    /// A token, other than the one that was refused.
    pub(super) async fn get(&self, service: &Service, refused: Option<&SecretString>) -> Result<SecretString, Outcome> {
        let same = |one: &SecretString, other: &SecretString| one.expose_secret() == other.expose_secret();
        // One request at a time, and nobody waits for longer than a request may take twice.
        let lock = timeout(http::TIMEOUT * 2, self.state.lock());
        let Ok(mut state) = lock.await else { return Err(not_now("token: others wait too long")) };
        if let Some((token, until)) = &state.token
            && *until > Instant::now()
            && refused.is_none_or(|refused| !same(token, refused))
        {
            return Ok(token.clone());
        }
        let (mut token, mut lives) = self.fetch(service, false).await?;
        if refused.is_some_and(|refused| same(&token, refused)) {
            let (most, apart, day) = FORCED;
            let now = Instant::now();
            state.forced.retain(|then| now.duration_since(*then) < day);
            let soon = state.forced.last().is_some_and(|then| now.duration_since(*then) < apart);
            if soon || state.forced.len() >= most as usize {
                return Err(Outcome::refused(
                    ErrorClass::Account,
                    "token",
                    "the token is refused, and may not be replaced yet",
                ));
            }
            state.forced.push(now);
            (token, lives) = self.fetch(service, true).await?;
        }
        state.token = Some((token.clone(), Instant::now() + lives.saturating_sub(MARGIN)));
        Ok(token)
    }

    async fn fetch(&self, service: &Service, force: bool) -> Result<(SecretString, Duration), Outcome> {
        let body = json!({ "grant_type": "client_credential", "appid": self.app_id,
            "secret": self.secret.expose_secret(), "force_refresh": force });
        let answer = service.ask(Ok(post(service.at("/cgi-bin/stable_token"), &body))).await;
        // Nothing was sent to anybody, whatever became of this request.
        let answer = answer.map_err(|_| not_now("token: no answer"))?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match (body["access_token"].as_str(), body["expires_in"].as_u64()) {
            (Some(token), Some(lives)) => Ok((token.to_owned().into(), Duration::from_secs(lives))),
            _ => match body["errcode"].as_i64() {
                Some(-1 | 45009 | 45011) | None => Err(not_now("token: busy")),
                Some(code) => Err(Outcome::refused(ErrorClass::Account, format!("token {code}"), "no token")),
            },
        }
    }
}

fn not_now(code: &str) -> Outcome {
    Outcome::refused(ErrorClass::Transient, code, "without a token nothing can be sent")
}

pub(super) fn post(url: Url, body: &Value) -> Request {
    let mut request = Request::new(Method::POST, url);
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(body.to_string().into());
    request
}
