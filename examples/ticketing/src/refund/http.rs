//! Refunds for buyers.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    domain::{Quote, Refusal},
    service::{Asker, Request},
};
use crate::{
    app::App,
    http::{Json, Path},
    ids::OrderId,
    money::Money,
    order::{OrderView, own, view},
    problem::{Code, Problem, Result},
    user::Buyer,
};

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(quote, ask))
}

/// What goes back of an order if somebody asks now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Offer {
    /// What goes back; missing when nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<Quote>,
    /// Why nothing goes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Refusal>,
}

impl From<std::result::Result<Quote, Refusal>> for Offer {
    fn from(offer: std::result::Result<Quote, Refusal>) -> Self {
        Self { refusal: offer.err(), quote: offer.ok() }
    }
}

/// A request for money back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskRefund {
    /// What should go back: when it is no longer true, the request is refused with `refund-changed`.
    expected_amount: Money,
    /// Why, up to 200 characters.
    reason: Option<String>,
}

/// A reason as it is kept: one line of up to 200 characters.
pub(super) fn reason(text: &str) -> Result<String> {
    let text = text.trim();
    if text.chars().count() > 200 || text.chars().any(char::is_control) {
        let detail = "`reason` is one line of up to 200 characters.";
        return Err(Problem::new(Code::InvalidValue, detail).with("field", "reason"));
    }
    Ok(text.to_owned())
}

/// What would go back of one of your orders.
#[utoipa::path(
    get, operation_id = "quote_refund", path = "/orders/{id}/refund", tag = "orders", params(("id" = OrderId, Path)),
    responses((status = 200, body = Offer), (status = 404, description = "`not-found`")),
    security(("bearer" = []))
)]
async fn quote(State(app): State<App>, buyer: Buyer, Path(id): Path<OrderId>) -> Result<Json<Offer>> {
    let order = own(&app, buyer, id).await?;
    Ok(Json(app.refunds.quote(&order, Asker::Buyer).await?.into()))
}

/// Ask for the money of one of your orders.
///
/// Its tickets open no door from now on. Asked again, it is the same refund.
#[utoipa::path(
    post, operation_id = "ask_refund", path = "/orders/{id}/refund", tag = "orders", params(("id" = OrderId, Path)),
    request_body = AskRefund,
    responses(
        (status = 200, description = "Asked for, now or before", body = OrderView),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`refund-refused`, `refund-changed`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn ask(
    State(app): State<App>,
    buyer: Buyer,
    Path(id): Path<OrderId>,
    Json(body): Json<AskRefund>,
) -> Result<Json<OrderView>> {
    own(&app, buyer, id).await?;
    let request = Request {
        order: id,
        by: Some(buyer.id),
        asker: Asker::Buyer,
        expected: Some(body.expected_amount),
        reason: reason(body.reason.as_deref().unwrap_or_default())?,
    };
    app.refunds.ask(request).await?;
    Ok(Json(view(&app, &own(&app, buyer, id).await?, true).await?))
}
