//! The page for people: static files, and how to sign in.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    Admin, OPENAPI,
    answer::{Answer, Failure},
};

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type and text of each.
const FILES: &[(&str, &str, &str)] = &[
    ("admin.css", "text/css; charset=utf-8", include_str!("page/admin.css")),
    ("admin.js", JAVASCRIPT, include_str!("page/admin.js")),
    ("api.js", JAVASCRIPT, include_str!("page/api.js")),
    ("dom.js", JAVASCRIPT, include_str!("page/dom.js")),
    ("users.js", JAVASCRIPT, include_str!("page/users.js")),
    ("step-up.js", JAVASCRIPT, include_str!("page/step-up.js")),
    ("roles.js", JAVASCRIPT, include_str!("page/roles.js")),
    ("policy.js", JAVASCRIPT, include_str!("page/policy.js")),
    ("audit.js", JAVASCRIPT, include_str!("page/audit.js")),
    ("words.js", JAVASCRIPT, include_str!("page/words.js")),
    ("words-zh.js", JAVASCRIPT, include_str!("page/words-zh.js")),
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// How people sign in on the page: the application's own route for it, which answers JSON with an access token in it.
///
/// ```
/// # use nebula_auth::admin::SignIn;
/// // POST /api/v1/auth/login {"email": "…", "password": "…"} answers {"tokens": {"access_token": "…"}}
/// let sign_in = SignIn::new("/api/v1/auth/login", "email", "/tokens/access_token");
/// # let _ = sign_in;
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct SignIn {
    path: String,
    identifier: String,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    second: Option<SecondStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step_up: Option<StepUp>,
}

/// Where a sign-in with a second factor goes on.
#[derive(Debug, Clone, Serialize)]
struct SecondStep {
    path: String,
    challenge: String,
}

/// Where a second factor is shown in the midst of a session.
#[derive(Debug, Clone, Serialize)]
struct StepUp {
    path: String,
    token: String,
}

impl SignIn {
    /// `path` takes a `POST` of an object with the fields `identifier` and `password`; `token` is where the access token
    /// is in its answer (a JSON pointer).
    #[must_use]
    pub fn new(path: impl Into<String>, identifier: impl Into<String>, token: impl Into<String>) -> Self {
        Self { path: path.into(), identifier: identifier.into(), token: token.into(), second: None, step_up: None }
    }

    /// Asks for a code where the first answer has a challenge in it instead of a token: at `challenge` (a JSON pointer).
    /// `path` takes a `POST` of an object with the fields `challenge` and `code`, and answers as the first step does.
    ///
    /// ```
    /// # use nebula_auth::admin::SignIn;
    /// // Who has a second factor is answered {"second_factor": {"challenge": "…"}}
    /// let sign_in = SignIn::new("/api/v1/auth/login", "email", "/tokens/access_token")
    ///     .with_second_factor("/api/v1/auth/login/second-factor", "/second_factor/challenge");
    /// # let _ = sign_in;
    /// ```
    #[must_use]
    pub fn with_second_factor(mut self, path: impl Into<String>, challenge: impl Into<String>) -> Self {
        self.second = Some(SecondStep { path: path.into(), challenge: challenge.into() });
        self
    }

    /// Asks for a code in a dialog where a change is refused for want of a fresh proof (`step_up_required`, or `step-up-required`
    /// of an application that words it so), and makes the change then. `path` takes a `POST` with the access token, of an object
    /// with the field `code`; `token` is where the fresh access token is in its answer (a JSON pointer).
    ///
    /// ```
    /// # use nebula_auth::admin::SignIn;
    /// // POST /api/v1/me/second-factor/show {"code": "…"} answers {"access_token": "…"}
    /// let sign_in = SignIn::new("/api/v1/auth/login", "email", "/tokens/access_token")
    ///     .with_step_up("/api/v1/me/second-factor/show", "/access_token");
    /// # let _ = sign_in;
    /// ```
    #[must_use]
    pub fn with_step_up(mut self, path: impl Into<String>, token: impl Into<String>) -> Self {
        self.step_up = Some(StepUp { path: path.into(), token: token.into() });
        self
    }
}

pub(super) async fn page() -> Response {
    (headers("text/html; charset=utf-8"), include_str!("page/admin.html")).into_response()
}

pub(super) async fn file(State(admin): State<Arc<Admin>>, Path(name): Path<String>) -> Response {
    if name == "sign-in.json" {
        return Answer(admin.sign_in.as_ref()).into_response();
    }
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => (headers(kind), *text).into_response(),
        None => Failure::Unknown("file").into_response(),
    }
}

pub(super) async fn document() -> Response {
    (headers("application/json"), OPENAPI).into_response()
}

const fn headers(kind: &'static str) -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ]
}
