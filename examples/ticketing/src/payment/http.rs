//! The provider's notifications over HTTP.

use axum::{body::Bytes, extract::State, http::HeaderMap};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{mock::NotificationBody, provider::BadNotification};
use crate::{
    app::App,
    http::Json,
    problem::{Code, Problem, Result},
};

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(callback))
}

/// What a notification led to.
#[derive(Debug, Serialize, ToSchema)]
struct CallbackReply {
    /// `paid`, `declined`, `duplicate` (known already) or `refunded` (came too late: the money goes back).
    result: &'static str,
}

impl From<BadNotification> for Problem {
    fn from(error: BadNotification) -> Self {
        let code = match error {
            BadNotification::Signature(_) => Code::CallbackSignature,
            BadNotification::Stale(_) => Code::CallbackStale,
            BadNotification::Malformed(_) => Code::MalformedRequest,
        };
        Self::new(code, error.to_string())
    }
}

/// A signed notification of the mock payment provider.
///
/// `X-Mock-Signature` is the hexadecimal HMAC-SHA256 of `<X-Mock-Notification>\n<X-Mock-Timestamp>\n<body>`. Each
/// message has a notification identifier of its own; the same news in another message is answered `duplicate`.
#[utoipa::path(
    post, path = "/payments/mock/callback", tag = "payments",
    params(
        ("X-Mock-Notification" = String, Header, description = "Different in each message"),
        ("X-Mock-Timestamp" = i64, Header, description = "Unix seconds, at most 5 minutes off"),
        ("X-Mock-Signature" = String, Header, description = "Hexadecimal HMAC-SHA256"),
    ),
    request_body = NotificationBody,
    responses(
        (status = 200, body = CallbackReply),
        (status = 401, description = "`callback-signature`, `callback-stale`: nothing was changed"),
        (status = 404, description = "`not-found`: no such payment"),
        (status = 409, description = "`callback-replayed`: nothing was changed"),
        (status = 422, description = "`callback-amount`: nothing was changed"),
    )
)]
async fn callback(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<Json<CallbackReply>> {
    let notification = app.payments.provider().read_notification(&headers, &body)?;
    let settlement = app.payments.notified(notification).await?;
    Ok(Json(CallbackReply { result: settlement.as_str() }))
}
