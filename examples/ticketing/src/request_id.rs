//! Every request has an identifier: in its log lines, in the answer's header, in the body of a problem.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue},
    response::Response,
};
use uuid::Uuid;

/// The header, in requests and answers.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: HeaderValue;
}

/// The identifier of the request that this task is answering.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.try_with(|id| id.to_str().ok().map(str::to_owned)).ok().flatten()
}

/// Takes over the identifier of a proxy in front, or makes one.
pub(crate) async fn identified(mut request: Request, answer: impl AsyncFnOnce(Request) -> Response) -> Response {
    let given = request.headers().get(X_REQUEST_ID).filter(|value| acceptable(value)).cloned();
    let id = given.or_else(|| HeaderValue::from_str(&Uuid::now_v7().to_string()).ok());
    let Some(id) = id else { return answer(request).await };
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    let mut response = CURRENT.scope(id.clone(), answer(request)).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// Short and plain: it goes into logs.
fn acceptable(value: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=64).contains(&value.len()) && value.as_bytes().iter().all(plain)
}
