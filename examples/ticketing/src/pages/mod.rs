//! The pages: static files that talk to the interface like any other client. In debug builds they are read from disk
//! with each request, so that editing one needs no build; in release builds they are part of the program.

mod assets;
mod frame;
mod modules;

use std::{collections::BTreeMap, sync::LazyLock};

use axum::{
    Router,
    body::Bytes,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use data_encoding::HEXLOWER;
use rust_embed::Embed;
use sha2::{Digest, Sha256};

use self::frame::PageError;
use crate::{
    app::App,
    http::none_match,
    problem::{Problem, Result},
};

#[derive(Embed)]
#[folder = "web/"]
struct Web;

/// Which page answers which path. What a path's identifiers mean is the business of the page's script.
const PAGES: &[(&str, &str)] = &[
    ("/", "index"),
    ("/m/{merchant}", "index"),
    ("/desk", "desk"),
    ("/shows/{id}", "show"),
    ("/sessions/{id}", "session"),
    ("/waiting/{id}", "waiting"),
    ("/desk/admission", "desk-admission"),
    ("/desk/blacklist", "desk-blacklist"),
    ("/desk/load", "desk-load"),
    ("/desk/{merchant}/screen/{id}", "desk-screen"),
    ("/desk/merchants", "desk-merchants"),
    ("/desk/queues", "desk-queues"),
    ("/desk/reconcile", "desk-reconcile"),
    ("/desk/jobs", "desk-jobs"),
    ("/desk/system", "desk-system"),
    ("/desk/counter", "desk-counter"),
    ("/desk/tills", "desk-tills"),
    ("/checkout/{order}", "checkout"),
    ("/orders", "orders"),
    ("/orders/{id}", "order"),
    ("/inbox", "inbox"),
    ("/wanted", "wanted"),
    ("/login", "login"),
    ("/sign-in/{provider}", "sign-in"),
    ("/register", "register"),
    ("/forgot", "forgot"),
    ("/account", "account"),
    ("/pay/mock/{link}", "mock-pay"),
    ("/admin/check-in", "check-in"),
    ("/admin/refunds", "refunds"),
    ("/admin/statements", "statements"),
];

/// The one page that may ask for the camera.
const DOOR: &str = "check-in";
const DOOR_PERMISSIONS: &str = "camera=(self), geolocation=(), microphone=(), payment=()";

/// The routes of the pages and their assets.
pub fn routes() -> Router<App> {
    let pages = PAGES.iter().fold(Router::new(), |router, (path, name)| {
        router.route(path, get(move |headers: HeaderMap| async move { page(name, &headers) }))
    });
    pages.route("/assets/{*path}", get(asset))
}

/// A page of the `web` folder.
///
/// # Errors
///
/// There is none of that name, or it was just edited and cannot be put together.
pub fn page(name: &str, headers: &HeaderMap) -> Result<Response> {
    let Page { html, tag } = find(name).map_err(|error| match error {
        PageError::Missing(_) => Problem::not_found("page"),
        wrong => Problem::internal(wrong),
    })?;
    // A page keeps its name, and says which versions of the others it wants: ask each time.
    let fresh = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))]);
    let mut response = answer(headers, &tag, fresh, HTML, html);
    if name == DOOR {
        let permissions = HeaderValue::from_static(DOOR_PERMISSIONS);
        response.headers_mut().insert(HeaderName::from_static("permissions-policy"), permissions);
    }
    Ok(response)
}

/// What a browser gets for a path that leads nowhere.
#[must_use]
pub fn not_found() -> Option<Response> {
    let page = find("404").ok()?;
    Some((StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, HTML)], page.html).into_response())
}

const HTML: &str = "text/html; charset=utf-8";

/// A page as it is sent.
#[derive(Clone, Debug)]
struct Page {
    html: Bytes,
    tag: String,
}

impl Page {
    fn read(name: &str) -> Result<Self, PageError> {
        let html = assets::versioned(&frame::html(name)?);
        let tag = tag(&Sha256::digest(&html));
        Ok(Self { html: html.into(), tag })
    }
}

/// All of them, put together once.
static KEPT: LazyLock<BTreeMap<String, Result<Page, PageError>>> = LazyLock::new(|| {
    names()
        .map(|name| {
            let page = Page::read(&name);
            (name, page)
        })
        .collect()
});

fn find(name: &str) -> Result<Page, PageError> {
    if cfg!(debug_assertions) {
        return Page::read(name);
    }
    KEPT.get(name).cloned().unwrap_or_else(|| Err(PageError::Missing(name.to_owned())))
}

/// What the pages are called.
fn names() -> impl Iterator<Item = String> {
    Web::iter().filter_map(|file| Some(file.strip_prefix("pages/")?.strip_suffix(".html")?.to_owned()))
}

/// What a file of the folder says.
fn text(path: &str) -> Option<String> {
    Web::get(path).map(|file| String::from_utf8_lossy(&file.data).into_owned())
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Result<Response> {
    let (name, lifetime) = assets::unversioned(&path);
    let file = assets::get(name).ok_or_else(|| Problem::not_found("page"))?;
    let kind = match file.metadata.mimetype() {
        kind if kind.starts_with("text/") => format!("{kind}; charset=utf-8"),
        kind => kind.to_owned(),
    };
    Ok(answer(&headers, &tag(&file.metadata.sha256_hash()), lifetime, &kind, file.data.into_owned().into()))
}

fn tag(hash: &[u8]) -> String {
    format!("\"{}\"", HEXLOWER.encode(hash))
}

/// The body, or that whoever asks has it already.
fn answer(asked: &HeaderMap, tag: &str, mut headers: HeaderMap, kind: &str, body: Bytes) -> Response {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    if none_match(asked, tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(header::CONTENT_TYPE, kind.to_owned())], body).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_has_a_path_and_every_path_a_page() {
        // Of a path that leads nowhere, and of the demo.
        let elsewhere = ["404", "start"].map(str::to_owned);
        let led: BTreeSet<_> = PAGES.iter().map(|(_, name)| (*name).to_owned()).chain(elsewhere).collect();
        assert_eq!(led, names().collect());
        assert!(led.contains(DOOR));
    }

    #[test]
    fn a_page_that_is_kept_is_the_one_that_is_read() {
        for name in names() {
            let (kept, read) = (KEPT[&name].clone().unwrap(), Page::read(&name).unwrap());
            assert_eq!((kept.html, kept.tag), (read.html, read.tag), "{name}");
        }
    }
}
