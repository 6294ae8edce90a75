use axum::{
    extract::{OriginalUri, Path},
    response::{IntoResponse, Response},
};

use crate::web::{Failure, headers, page_at};

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and text of each.
const FILES: &[(&str, &str, &str)] = &[
    ("admin.css", "text/css; charset=utf-8", include_str!("page/admin.css")),
    ("admin.js", JAVASCRIPT, include_str!("page/admin.js")),
    ("words.js", JAVASCRIPT, include_str!("page/words.js")),
];

pub(super) async fn page(OriginalUri(uri): OriginalUri) -> Response {
    page_at(uri.path(), include_str!("page/admin.html"))
}

pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => (headers(kind), *text).into_response(),
        None => Failure::Unknown("file").into_response(),
    }
}
