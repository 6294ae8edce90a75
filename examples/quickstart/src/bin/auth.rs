//! Register, log in, call a protected page, refresh. `cargo run -p quickstart --bin auth`

use std::error::Error;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::{Router, routing::get};
use nebula_auth::axum::Authenticated;
use nebula_auth::secrecy::{ExposeSecret as _, SecretString};
use nebula_auth::{
    Algorithm, Hashed, KeySet, MemoryRefreshStore, NewSession, PasswordHasher, RefreshOptions, SessionService,
    SigningKey, TokenService,
};
use tower::ServiceExt as _;

/// Only requests with a good token get here.
async fn orders(Authenticated(user): Authenticated) -> String {
    format!("the orders of user {}", user.subject())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let hasher = PasswordHasher::new();
    let keys = KeySet::new(SigningKey::generate(Algorithm::EdDSA, "2026-11")?);
    let tokens = TokenService::new(keys, "https://auth.example.org", "shop")?;
    let sessions = SessionService::new(tokens.clone(), MemoryRefreshStore::new());
    let pages = Router::new().route("/orders", get(orders)).with_state(tokens);

    // Register: a password that is too short is an answer, not an error.
    if let Hashed::Refused(why) = hasher.hash(SecretString::from("12345")).await? {
        println!("not accepted: {why}");
    }
    let stored = hasher.hash(SecretString::from("correct horse battery staple")).await?.into_result()?;

    // Log in.
    let given = SecretString::from("correct horse battery staple");
    if !hasher.verify(given, &stored).await?.is_match() {
        return Err("wrong password".into());
    }
    let tokens = sessions.start(NewSession::new("10001")).await?;

    // Call a protected page, with and without the token.
    println!("without a token: {}", call(&pages, None).await?);
    println!("with the token: {}", call(&pages, Some(&tokens.access_token)).await?);

    // A refresh token is good for one exchange.
    let renewed = sessions.refresh(&tokens.refresh_token, RefreshOptions::new()).await?.into_result()?;
    println!("with the new token: {}", call(&pages, Some(&renewed.access_token)).await?);
    Ok(())
}

async fn call(pages: &Router, token: Option<&SecretString>) -> Result<StatusCode, Box<dyn Error>> {
    let mut request = Request::get("/orders");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    }
    Ok(pages.clone().oneshot(request.body(Body::empty())?).await?.status())
}
