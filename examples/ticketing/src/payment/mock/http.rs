//! The provider's own site: where the buyer pays or declines.

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::MockProvider;
use crate::{
    app::App,
    http::{Json, Path},
    ids::{OrderId, PaymentId},
    money::Money,
    payment::storage,
    problem::{Problem, Result},
};

/// The routes of the provider's site, outside the platform's own interface.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(details)).routes(routes!(approve)).routes(routes!(decline))
}

/// A charge as its page shows it.
#[derive(Debug, Serialize, ToSchema)]
struct ChargeView {
    payment_id: PaymentId,
    order_id: OrderId,
    amount: Money,
    /// `OPEN`, `PAID`, `DECLINED`, `CLOSED` or `REFUNDED`.
    status: String,
    merchant: &'static str,
}

/// A charge.
#[utoipa::path(
    get, path = "/pay/mock/{link}/details", tag = "mock payment provider", params(("link" = String, Path, description = "As the platform gave it in `pay_url`")),
    responses((status = 200, body = ChargeView), (status = 404, description = "`not-found`"))
)]
async fn details(State(app): State<App>, Path(link): Path<String>) -> Result<Json<ChargeView>> {
    let (provider, payment) = charge_of(&app, &link)?;
    view(&app, provider, payment).await.map(Json)
}

/// Pay.
#[utoipa::path(
    post, path = "/pay/mock/{link}/approve", tag = "mock payment provider", params(("link" = String, Path, description = "As the platform gave it in `pay_url`")),
    responses((status = 200, body = ChargeView), (status = 303, description = "For a browser's form: to the order's page"))
)]
async fn approve(State(app): State<App>, headers: HeaderMap, Path(link): Path<String>) -> Result<Response> {
    decide(&app, &headers, &link, true).await
}

/// Refuse to pay.
#[utoipa::path(
    post, path = "/pay/mock/{link}/decline", tag = "mock payment provider", params(("link" = String, Path, description = "As the platform gave it in `pay_url`")),
    responses((status = 200, body = ChargeView), (status = 303, description = "For a browser's form: to the order's page"))
)]
async fn decline(State(app): State<App>, headers: HeaderMap, Path(link): Path<String>) -> Result<Response> {
    decide(&app, &headers, &link, false).await
}

async fn decide(app: &App, headers: &HeaderMap, link: &str, paid: bool) -> Result<Response> {
    let (provider, payment) = charge_of(app, link)?;
    provider.decide(payment, paid).await?;
    let view = view(app, provider, payment).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(if accept.contains("text/html") {
        Redirect::to(&format!("/orders/{}", view.order_id)).into_response()
    } else {
        Json(view).into_response()
    })
}

/// The provider, unless it is switched off, and the payment, if the link was made by it.
fn charge_of<'a>(app: &'a App, link: &str) -> Result<(&'a MockProvider, PaymentId)> {
    let provider = app.mock_provider.as_ref();
    let found = provider.and_then(|provider| Some((provider, provider.links.read(link)?)));
    found.ok_or_else(|| Problem::not_found("charge"))
}

async fn view(app: &App, provider: &MockProvider, payment: PaymentId) -> Result<ChargeView> {
    let unknown = || Problem::not_found("charge");
    let row = storage::find(&app.database.read, payment).await?.ok_or_else(unknown)?;
    let entry = provider.books.find(payment).await?.ok_or_else(unknown)?;
    Ok(ChargeView {
        payment_id: payment,
        order_id: row.order,
        amount: row.amount,
        status: entry.state,
        merchant: "Nebula Tickets",
    })
}
