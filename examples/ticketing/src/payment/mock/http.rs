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
    get, path = "/pay/mock/{payment}/details", tag = "mock payment provider", params(("payment" = PaymentId, Path)),
    responses((status = 200, body = ChargeView), (status = 404, description = "`not-found`"))
)]
async fn details(State(app): State<App>, Path(payment): Path<PaymentId>) -> Result<Json<ChargeView>> {
    view(&app, payment).await.map(Json)
}

/// Pay.
#[utoipa::path(
    post, path = "/pay/mock/{payment}/approve", tag = "mock payment provider", params(("payment" = PaymentId, Path)),
    responses((status = 200, body = ChargeView), (status = 303, description = "For a browser's form: to the order's page"))
)]
async fn approve(State(app): State<App>, headers: HeaderMap, Path(payment): Path<PaymentId>) -> Result<Response> {
    decide(&app, &headers, payment, true).await
}

/// Refuse to pay.
#[utoipa::path(
    post, path = "/pay/mock/{payment}/decline", tag = "mock payment provider", params(("payment" = PaymentId, Path)),
    responses((status = 200, body = ChargeView), (status = 303, description = "For a browser's form: to the order's page"))
)]
async fn decline(State(app): State<App>, headers: HeaderMap, Path(payment): Path<PaymentId>) -> Result<Response> {
    decide(&app, &headers, payment, false).await
}

async fn decide(app: &App, headers: &HeaderMap, payment: PaymentId, paid: bool) -> Result<Response> {
    app.mock_provider.decide(payment, paid).await?;
    let view = view(app, payment).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(if accept.contains("text/html") {
        Redirect::to(&format!("/orders/{}", view.order_id)).into_response()
    } else {
        Json(view).into_response()
    })
}

async fn view(app: &App, payment: PaymentId) -> Result<ChargeView> {
    let row = storage::find(&app.database.read, payment).await?.ok_or_else(|| Problem::not_found("charge"))?;
    let charge = charge(&app.mock_provider, payment).await?;
    Ok(ChargeView {
        payment_id: payment,
        order_id: row.order,
        amount: row.amount,
        status: charge,
        merchant: "Nebula Tickets",
    })
}

async fn charge(provider: &MockProvider, payment: PaymentId) -> Result<String> {
    provider.books.find(payment).await?.map(|entry| entry.state).ok_or_else(|| Problem::not_found("charge"))
}
