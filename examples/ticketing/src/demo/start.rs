//! The page that links everything, for whoever tries the demo.

use axum::{Json, Router, extract::State, http::HeaderMap, response::Response, routing::get};
use serde::Serialize;

use super::Account;
use crate::{app::App, config::Config, pages, problem::Result};

/// The page and what it shows, where the demo is loaded.
pub fn routes(config: &Config) -> Router<App> {
    if !config.demo {
        return Router::new();
    }
    Router::new()
        .route("/start", get(|headers: HeaderMap| async move { page(&headers) }))
        .route("/dev/start", get(start))
}

fn page(headers: &HeaderMap) -> Result<Response> {
    pages::page("start", headers)
}

/// What the page cannot know by itself.
#[derive(Serialize)]
struct Start {
    accounts: Vec<Account>,
    merchants: Vec<Merchant>,
    /// Whether mails are shown instead of sent.
    outbox: bool,
    version: &'static str,
}

#[derive(Serialize)]
struct Merchant {
    id: String,
    name: String,
    name_zh: String,
}

async fn start(State(app): State<App>) -> Result<Json<Start>> {
    let merchants = app.merchants.all().await?.into_iter();
    let merchants = merchants.map(|it| Merchant { id: it.id, name: it.name, name_zh: it.name_zh }).collect();
    Ok(Json(Start {
        accounts: app.accounts.get().cloned().unwrap_or_default(),
        merchants,
        outbox: app.config.shows_messages(),
        version: env!("CARGO_PKG_VERSION"),
    }))
}
