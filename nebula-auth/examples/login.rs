//! A small service: register, log in, refresh, log out, and one route that needs a login.
//!
//! Runs the whole story against itself and ends: `cargo run -p nebula-auth --example login --features axum`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{FromRef, State},
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use nebula_auth::{
    Algorithm, Authentication, AuthenticationProvider, Credentials, Error, Hashed, KeySet, MemoryRefreshStore,
    NewSession, PasswordAccount, PasswordAccounts, PasswordHash, PasswordHasher, PasswordProvider, RefreshOptions,
    Refreshed, RevokeReason, SessionService, SigningKey, TokenService, axum::Authenticated, secrecy::SecretString,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Accounts in memory; a real application has a table with a unique index on the canonical name.
#[derive(Debug, Clone, Default)]
struct Accounts(Arc<Mutex<HashMap<String, PasswordHash>>>);

impl Accounts {
    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, PasswordHash>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl PasswordAccounts for Accounts {
    async fn find(&self, identifier: &str) -> Result<Option<PasswordAccount>, Error> {
        Ok(self.table().get(identifier).map(|hash| PasswordAccount {
            subject: identifier.to_owned(),
            hash: hash.clone(),
            active: true,
            permission_version: None,
        }))
    }

    async fn replace_hash(&self, subject: &str, old: &PasswordHash, new: &PasswordHash) -> Result<(), Error> {
        if let Some(stored) = self.table().get_mut(subject).filter(|stored| stored.expose() == old.expose()) {
            *stored = new.clone();
        }
        Ok(())
    }
}

#[derive(Clone)]
struct App {
    passwords: PasswordHasher,
    tokens: TokenService,
    sessions: SessionService,
    accounts: Accounts,
}

impl FromRef<App> for TokenService {
    fn from_ref(app: &App) -> Self {
        app.tokens.clone()
    }
}

#[derive(Deserialize)]
struct Login {
    name: String,
    password: SecretString,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: SecretString,
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "code": code }))).into_response()
}

/// Nothing about the cause leaves the process.
fn fail(error: &Error) -> Response {
    eprintln!("{error:?}");
    refuse(StatusCode::SERVICE_UNAVAILABLE, error.kind().as_str())
}

async fn register(State(app): State<App>, Json(login): Json<Login>) -> Response {
    match app.passwords.hash(login.password).await {
        Ok(Hashed::Hash(hash)) => {
            app.accounts.table().insert(login.name.trim().to_lowercase(), hash);
            StatusCode::CREATED.into_response()
        }
        Ok(Hashed::Refused(refusal)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, refusal.code()),
        Err(error) => fail(&error),
    }
}

async fn login(State(app): State<App>, Json(login): Json<Login>) -> Response {
    let provider = PasswordProvider::new(app.passwords.clone(), app.accounts.clone());
    let who = match provider.authenticate(&Credentials::password(login.name, login.password)).await {
        Ok(Authentication::Authenticated(who)) => who,
        Ok(Authentication::Refused(refusal)) => return refuse(StatusCode::UNAUTHORIZED, refusal.code()),
        Ok(_) => return refuse(StatusCode::BAD_REQUEST, "unsupported"),
        Err(error) => return fail(&error),
    };
    match app.sessions.start(NewSession::new(who.subject).methods(who.methods)).await {
        Ok(pair) => Json(pair).into_response(),
        Err(error) => fail(&error),
    }
}

async fn refresh(State(app): State<App>, Json(body): Json<Refresh>) -> Response {
    match app.sessions.refresh(&body.refresh_token, RefreshOptions::new()).await {
        Ok(Refreshed::Renewed(pair)) => Json(pair).into_response(),
        Ok(Refreshed::Refused(refusal)) => refuse(StatusCode::UNAUTHORIZED, refusal.code()),
        Err(error) => fail(&error),
    }
}

async fn logout(State(app): State<App>, Authenticated(principal): Authenticated) -> Response {
    let Some(session) = principal.session_id() else { return StatusCode::NO_CONTENT.into_response() };
    match app.sessions.revoke(session, RevokeReason::Logout).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => fail(&error),
    }
}

async fn me(Authenticated(principal): Authenticated) -> String {
    principal.subject().to_owned()
}

async fn call(
    router: &Router,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Value,
) -> Result<(StatusCode, Value), Box<dyn std::error::Error>> {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = router.clone().oneshot(request.body(Body::from(body.to_string()))?).await?;
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::String(text));
    println!("{method:>4} {path:<10} {status} {}", body["code"].as_str().unwrap_or_default());
    Ok((status, body))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = KeySet::new(SigningKey::generate(Algorithm::EdDSA, "2026-11")?);
    let tokens = TokenService::new(keys, "https://auth.example.org", "example")?;
    let sessions = SessionService::new(tokens.clone(), MemoryRefreshStore::new());
    let tokens = tokens.with_session_check(sessions.session_check());
    let router = Router::new()
        .route("/register", post(register))
        .route("/login", post(login))
        .route("/refresh", post(refresh))
        .route("/logout", post(logout))
        .route("/me", get(me))
        .with_state(App { passwords: PasswordHasher::new(), tokens, sessions, accounts: Accounts::default() });

    let ann = json!({ "name": "Ann", "password": "correct horse battery staple" });
    let short = call(&router, "POST", "/register", None, json!({ "name": "Ann", "password": "short" })).await?;
    assert_eq!(short.1["code"], "password_too_short");
    assert_eq!(call(&router, "POST", "/register", None, ann.clone()).await?.0, StatusCode::CREATED);
    let wrong = call(&router, "POST", "/login", None, json!({ "name": "ann", "password": "guess-guess" })).await?;
    assert_eq!(wrong.1["code"], "bad_credentials");
    let pair = call(&router, "POST", "/login", None, ann).await?.1;
    assert_eq!(call(&router, "GET", "/me", pair["access_token"].as_str(), Value::Null).await?.1, "ann");
    assert_eq!(call(&router, "GET", "/me", None, Value::Null).await?.1["code"], "missing_credentials");

    let next = call(&router, "POST", "/refresh", None, json!({ "refresh_token": pair["refresh_token"] })).await?.1;
    assert_eq!(call(&router, "GET", "/me", next["access_token"].as_str(), Value::Null).await?.1, "ann");
    let status = call(&router, "POST", "/logout", next["access_token"].as_str(), Value::Null).await?.0;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let after = call(&router, "GET", "/me", next["access_token"].as_str(), Value::Null).await?;
    assert_eq!(after.1["code"], "token_revoked");
    let after = call(&router, "POST", "/refresh", None, json!({ "refresh_token": next["refresh_token"] })).await?;
    assert_eq!(after.1["code"], "session_revoked");
    Ok(())
}
