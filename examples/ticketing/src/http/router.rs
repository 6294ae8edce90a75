//! One router from the routers of the modules, and what surrounds them all.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderMap, Uri, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use tower::ServiceBuilder;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};
use utoipa::{OpenApi, openapi::OpenApi as Document};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use super::{
    answers::{Door, complete},
    guard, health, observe,
    openapi::Head,
    problems,
};
use crate::{
    admission, api_limits,
    app::App,
    audit,
    config::HttpConfig,
    counter, degrade, demo, identity, inventory, jobs, marketing, merchant, notification,
    office::{self, Desk},
    order, pages, payment, picture,
    problem::{Code, Problem},
    queues, reconcile, refund, request_id, risk, screen, search, show, statement, system, ticket, user, wanted,
};

/// The routes of every module, below `/api/v1`. A module annotates its handlers and exports them as `routes()`.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(user::routes())
        .merge(identity::routes())
        .merge(merchant::routes())
        .merge(marketing::routes())
        .merge(show::routes())
        .merge(search::routes())
        .merge(inventory::routes())
        .merge(admission::routes())
        .merge(order::routes())
        .merge(payment::routes())
        .merge(refund::routes())
        .merge(notification::routes())
        .merge(wanted::routes())
}

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Head::openapi())
        .nest("/api/v1", api())
        .merge(payment::mock::routes())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
}

/// The back office's part of every module, below `/api/v1`. A module says with each route who may use it, and exports
/// them as `desk()`.
fn desks() -> Desk {
    Desk::new()
        .merge(merchant::desk())
        .merge(marketing::desk())
        .merge(show::desk())
        .merge(audit::desk())
        .merge(order::desk())
        .merge(refund::desk())
        .merge(ticket::desk())
        .merge(statement::desk())
        .merge(admission::desk())
        .merge(risk::desk())
        .merge(degrade::desk())
        .merge(screen::desk())
        .merge(queues::desk())
        .merge(reconcile::desk())
        .merge(jobs::desk())
        .merge(system::desk())
        .merge(counter::desk())
        .merge(user::desk())
}

/// The OpenAPI document.
#[must_use]
pub fn openapi() -> Document {
    with_desks(documented().into_openapi())
}

fn with_desks(document: Document) -> Document {
    complete(document, Door::Open).nest("/api/v1", complete(desks().into_document(), Door::Desk))
}

/// Everything that is served.
pub fn router(app: App) -> Router {
    let (routes, document) = documented().split_for_parts();
    let documents = SwaggerUi::new("/api/docs").url("/api/openapi.json", with_desks(document));
    let documents = Router::from(documents);
    let routes = routes
        .route("/metrics", get(observe::metrics))
        .route("/problems", get(problems::page))
        .merge(pages::routes())
        .merge(picture::routes())
        .merge(notification::development(&app.notices))
        .merge(demo::routes(&app.config))
        .merge(office::secured(&app, desks()))
        .merge(documents.layer(from_fn(guard::documents_policy)));
    let (limits, degrade) = (app.api_limits.clone(), app.degrade.clone());
    let refusal =
        move |request: &Request| api_limits::refusal(&limits, request).or_else(|| degrade::refusal(&degrade, request));
    surround(routes, &app.config.http, refusal).with_state(app)
}

/// What surrounds every handler, and what answers where there is none. `refusal` answers what is refused before anything
/// else is done for it.
///
/// It is one layer of few parts: for each part that is a layer of its own, axum copies all that lies within, on every request.
pub(super) fn surround<S, R>(routes: Router<S>, limits: &HttpConfig, refusal: R) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    R: Fn(&Request) -> Option<Response> + Send + Sync + 'static,
{
    let (deadlines, refusal) = (guard::Deadlines::of(limits), Arc::new(refusal));
    let outside = move |request: Request, next: Next| {
        let refusal = Arc::clone(&refusal);
        let answer = async move |mut request: Request| {
            guard::encodings(request.headers_mut());
            let mut response = match refusal(&request) {
                Some(refused) => refused,
                None => guard::within(deadlines.of_path(request.uri().path()), next.run(request)).await,
            };
            guard::tag_encoded(response.headers_mut());
            guard::security_headers(response.headers_mut());
            response
        };
        request_id::identified(request, async |request| observe::observed(request, answer).await)
    };
    // The first of these is the outermost.
    let layers = ServiceBuilder::new()
        .layer(from_fn(outside))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(DefaultBodyLimit::max(limits.body_limit));
    routes.fallback(not_found).method_not_allowed_fallback(method_not_allowed).layer(layers)
}

async fn not_found(uri: Uri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let page = (accept.contains("text/html") && !uri.path().starts_with("/api/")).then(pages::not_found).flatten();
    page.unwrap_or_else(|| Problem::new(Code::NotFound, format!("There is nothing at {}.", uri.path())).into_response())
}

async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "The header `Allow` lists the methods of this resource.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{
        body::{Body, to_bytes},
        http::{self, StatusCode},
        routing::post,
    };
    use tower::ServiceExt;

    use super::*;
    use crate::http::Json;

    async fn ask(method: &str, path: &str, body: &'static str) -> (StatusCode, serde_json::Value) {
        let limits = HttpConfig { body_limit: 1024, request_timeout: Duration::from_secs(3), ..HttpConfig::default() };
        let routes = Router::new()
            .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(60)).await }))
            .route("/panic", get(|| async { panic!("of fear") as () }))
            .route("/echo", post(|Json(value): Json<serde_json::Value>| async move { Json(value) }));
        let request = http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.header("x-request-id", "r-1").body(Body::from(body)).unwrap();
        let response = surround(routes, &limits, |_: &_| None).oneshot(request).await.unwrap();
        assert_eq!(response.headers()["x-request-id"], "r-1");
        assert!(response.headers().contains_key("content-security-policy"));
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn slow_panicking_and_oversized_are_problems_with_the_request_id() {
        let big: &str = Box::leak(format!("[{}1]", "1,".repeat(1_000)).into_boxed_str());
        for (method, path, body, code) in [
            ("GET", "/slow", "", Code::Timeout),
            ("GET", "/panic", "", Code::Internal),
            ("POST", "/echo", big, Code::BodyTooLarge),
            ("POST", "/slow", "", Code::MethodNotAllowed),
            ("GET", "/nowhere", "", Code::NotFound),
        ] {
            let (status, problem) = ask(method, path, body).await;
            assert_eq!((problem["code"].as_str(), status), (Some(code.as_str()), code.status()), "{problem}");
            assert_eq!(problem["request_id"], "r-1");
            assert!(!problem.to_string().contains("of fear"), "{problem}");
        }
        assert_eq!(ask("POST", "/echo", "[1]").await.0, StatusCode::OK);
    }
}
