//! The pages: static files that talk to the interface like any other client. In debug builds they are read from disk
//! with each request, so that editing one needs no build; in release builds they are part of the program.

mod assets;

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::{Embed, EmbeddedFile};

use crate::{
    app::App,
    http::none_match,
    problem::{Problem, Result},
};

#[derive(Embed)]
#[folder = "web/"]
struct Web;

/// Which file answers which path. What a path's identifiers mean is the business of the page's script.
const PAGES: &[(&str, &str)] = &[
    ("/", "index.html"),
    ("/m/{merchant}", "index.html"),
    ("/desk", "desk.html"),
    ("/shows/{id}", "show.html"),
    ("/sessions/{id}", "session.html"),
    ("/waiting/{id}", "waiting.html"),
    ("/desk/admission", "desk-admission.html"),
    ("/desk/blacklist", "desk-blacklist.html"),
    ("/desk/load", "desk-load.html"),
    ("/desk/{merchant}/screen/{id}", "desk-screen.html"),
    ("/desk/merchants", "desk-merchants.html"),
    ("/desk/queues", "desk-queues.html"),
    ("/desk/reconcile", "desk-reconcile.html"),
    ("/desk/jobs", "desk-jobs.html"),
    ("/desk/system", "desk-system.html"),
    ("/desk/counter", "desk-counter.html"),
    ("/desk/tills", "desk-tills.html"),
    ("/checkout/{order}", "checkout.html"),
    ("/orders", "orders.html"),
    ("/orders/{id}", "order.html"),
    ("/inbox", "inbox.html"),
    ("/wanted", "wanted.html"),
    ("/login", "login.html"),
    ("/sign-in/{provider}", "sign-in.html"),
    ("/register", "register.html"),
    ("/forgot", "forgot.html"),
    ("/account", "account.html"),
    ("/pay/mock/{link}", "mock-pay.html"),
    ("/admin/check-in", "check-in.html"),
    ("/admin/refunds", "refunds.html"),
    ("/admin/statements", "statements.html"),
];

/// The one page that may ask for the camera.
const DOOR: &str = "check-in.html";
const DOOR_PERMISSIONS: &str = "camera=(self), geolocation=(), microphone=(), payment=()";

/// The routes of the pages and their assets.
pub fn routes() -> Router<App> {
    let pages = PAGES.iter().fold(Router::new(), |router, (path, file)| {
        router.route(path, get(move |headers: HeaderMap| async move { page(file, &headers) }))
    });
    pages.route("/assets/{*path}", get(asset))
}

/// A page of the `web` folder.
///
/// # Errors
///
/// There is none of that name.
pub fn page(file: &str, headers: &HeaderMap) -> Result<Response> {
    let found = Web::get(file).ok_or_else(|| Problem::not_found("page"))?;
    // A page keeps its name, and says which versions of the others it wants: ask each time.
    let fresh = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))]);
    let html = assets::versioned(&String::from_utf8_lossy(&found.data)).into_bytes();
    let tag = format!("\"{}.{}\"", hash(&found), *assets::VERSION);
    let mut response = answer(headers, &tag, fresh, "text/html; charset=utf-8", html);
    if file == DOOR {
        let permissions = HeaderValue::from_static(DOOR_PERMISSIONS);
        response.headers_mut().insert(HeaderName::from_static("permissions-policy"), permissions);
    }
    Ok(response)
}

/// What a browser gets for a path that leads nowhere.
#[must_use]
pub fn not_found() -> Option<Response> {
    let file = Web::get("404.html")?;
    let html = assets::versioned(&String::from_utf8_lossy(&file.data));
    Some((StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response> {
    let (name, lifetime) = assets::unversioned(&path);
    let file = Web::get(&format!("assets/{name}")).ok_or_else(|| Problem::not_found("page"))?;
    let kind = match file.metadata.mimetype() {
        kind if kind.starts_with("text/") => format!("{kind}; charset=utf-8"),
        kind => kind.to_owned(),
    };
    Ok(answer(&headers, &format!("\"{}\"", hash(&file)), lifetime, &kind, file.data.into_owned()))
}

fn hash(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The body, or that whoever asks has it already.
fn answer(asked: &HeaderMap, tag: &str, mut headers: HeaderMap, kind: &str, body: Vec<u8>) -> Response {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    if none_match(asked, tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, kind.to_owned())], body).into_response()
}
