//! The providers' notifications over HTTP.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Settlement,
    mock::MockNews,
    provider::{Acknowledgement, BadNotification, PaymentProvider},
};
use crate::{
    app::App,
    http::{Body, Json, Path},
    problem::{Code, Problem, Result},
};

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(callback)).routes(routes!(providers))
}

/// What a notification led to.
#[derive(Debug, Serialize, ToSchema)]
struct CallbackReply {
    /// `paid`, `declined`, `duplicate` (known already), `refunded` (came too late: the money goes back), `settled` (a refund
    /// is done or refused) or `ignored`.
    result: &'static str,
}

/// The providers at which an order can be paid.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderList {
    /// Names, the one that is taken when none is named first.
    providers: Vec<&'static str>,
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

/// The providers at which an order can be paid.
#[utoipa::path(get, path = "/payments/providers", tag = "payments", responses((status = 200, body = ProviderList)))]
async fn providers(State(app): State<App>) -> Json<ProviderList> {
    Json(ProviderList { providers: app.payments.providers().names().collect() })
}

/// A signed notification of a payment provider.
///
/// Each provider signs and words its notifications in its own way, and reads an answer of its own. For `mock`:
/// `X-Mock-Signature` is the hexadecimal HMAC-SHA256 of `<X-Mock-Notification>\n<X-Mock-Timestamp>\n<body>`, and the answer
/// is JSON. Each message has a notification identifier of its own; the same news in another message is a `duplicate`.
#[utoipa::path(
    post, path = "/payments/{provider}/callback", tag = "payments",
    params(
        ("provider" = String, Path, description = "`mock`, `alipay` or `wechat`"),
        ("X-Mock-Notification" = Option<String>, Header, description = "Different in each message"),
        ("X-Mock-Timestamp" = Option<i64>, Header, description = "Unix seconds, at most 5 minutes off"),
        ("X-Mock-Signature" = Option<String>, Header, description = "Hexadecimal HMAC-SHA256"),
    ),
    request_body = MockNews,
    responses(
        (status = 200, body = CallbackReply),
        (status = 401, description = "`callback-signature`, `callback-stale`: nothing was changed"),
        (status = 404, description = "`not-found`: no such provider, payment or refund"),
        (status = 409, description = "`callback-replayed`: nothing was changed"),
        (status = 422, description = "`callback-amount`: nothing was changed"),
    )
)]
async fn callback(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response> {
    let provider = app.payments.providers().find(&name).ok_or_else(|| Problem::not_found("payment provider"))?;
    let settlement = async {
        let notification = provider.read_notification(&headers, &body)?;
        app.payments.notified(provider.name(), notification).await
    };
    answer(&**provider, settlement.await)
}

fn answer(provider: &dyn PaymentProvider, settlement: Result<Settlement>) -> Result<Response> {
    match (provider.acknowledgement(), settlement) {
        (Acknowledgement::Json, settlement) => Ok(Json(CallbackReply { result: settlement?.as_str() }).into_response()),
        // It was acted on when it came first: the provider shall not send it again.
        (Acknowledgement::Word { accepted, .. }, Err(problem)) if problem.code == Code::CallbackReplayed => {
            Ok(accepted.into_response())
        }
        (Acknowledgement::Word { accepted, .. }, Ok(_)) => Ok(accepted.into_response()),
        (Acknowledgement::Word { refused, .. }, Err(problem)) => {
            let status = problem.code.status();
            tracing::warn!(provider = provider.name(), %problem, "a notification was refused");
            Ok((status, refused).into_response())
        }
        (Acknowledgement::Empty, Err(problem)) if problem.code == Code::CallbackReplayed => {
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (Acknowledgement::Empty, Ok(_)) => Ok(StatusCode::NO_CONTENT.into_response()),
        (Acknowledgement::Empty, Err(problem)) => Err(problem),
    }
}
