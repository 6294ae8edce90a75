//! A page with live charts of caches and rate limits, as a router for axum.
//!
//! Nothing is fetched from elsewhere and nothing is inlined: the page works under
//! `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'`, which it sets itself. Put it behind whatever keeps
//! strangers from your operators' pages: it shows names of caches and rules, and numbers, never keys or values.
//!
//! ```
//! use axum::Router;
//! use nebula_cache::CacheManager;
//! use nebula_cache::dashboard::Dashboard;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let caches = CacheManager::local();
//! let page = Dashboard::new().with_caches(&caches).router();
//! let app: Router = Router::new().nest("/admin/cache", page);
//! # });
//! ```

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "redis")]
use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::manager::CacheManager;

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("dashboard.js");
const STYLE: &str = include_str!("dashboard.css");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// What is shown.
#[derive(Clone, Default)]
#[must_use = "it shows nothing until its router is served"]
pub struct Dashboard {
    caches: Option<CacheManager>,
    #[cfg(feature = "rate-limit")]
    limiter: Option<crate::rate_limit::RateLimiter>,
    #[cfg(feature = "redis")]
    slow: Option<Arc<SlowLog>>,
}

/// Asks a server for its slow commands.
#[cfg(feature = "redis")]
type SlowLog = dyn Fn() -> futures_util::future::BoxFuture<'static, Option<Vec<crate::SlowCommand>>> + Send + Sync;

impl Dashboard {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows the caches of this manager.
    pub fn with_caches(mut self, caches: &CacheManager) -> Self {
        self.caches = Some(caches.clone());
        self
    }

    /// Shows the rules of this limiter.
    #[cfg(feature = "rate-limit")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rate-limit")))]
    pub fn with_limiter(mut self, limiter: &crate::rate_limit::RateLimiter) -> Self {
        self.limiter = Some(limiter.clone());
        self
    }

    /// Shows the last ten commands that this server found slow: names and times, never arguments.
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    pub fn with_slow_log<C>(mut self, shared: &crate::RedisShared<C>) -> Self
    where
        C: redis::aio::ConnectionLike + Clone + Send + Sync + 'static,
    {
        let shared = shared.clone();
        self.slow = Some(Arc::new(move || {
            let shared = shared.clone();
            Box::pin(
                async move { tokio::time::timeout(Duration::from_secs(1), shared.slow_commands(10)).await.ok()?.ok() },
            )
        }));
        self
    }

    /// The page at `/`, what belongs to it, and the numbers at `/snapshot.json`; to be nested under a path of yours.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/", get(page))
            .route("/dashboard.js", get(|| file("text/javascript; charset=utf-8", SCRIPT)))
            .route("/dashboard.css", get(|| file("text/css; charset=utf-8", STYLE)))
            .route("/snapshot.json", get(numbers))
            .with_state(Arc::new(self))
    }

    async fn snapshot(&self) -> Value {
        #[allow(unused_mut, reason = "without these features there is nothing to add")]
        let mut all = json!({ "caches": self.caches.as_ref().map(CacheManager::snapshot) });
        #[cfg(feature = "rate-limit")]
        {
            all["limits"] = json!(self.limiter.as_ref().map(crate::rate_limit::RateLimiter::snapshot));
        }
        #[cfg(feature = "redis")]
        if let Some(slow) = &self.slow {
            all["slow"] = json!(slow().await);
        }
        all
    }
}

/// The page, with the path under which it is nested in its links.
async fn page(OriginalUri(uri): OriginalUri) -> Response {
    let base: String = uri
        .path()
        .trim_end_matches('/')
        .chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            c => c.to_string(),
        })
        .collect();
    let page = PAGE.replace("{base}", &base);
    (headers("text/html; charset=utf-8"), page).into_response()
}

async fn file(kind: &'static str, text: &'static str) -> Response {
    (headers(kind), text).into_response()
}

async fn numbers(State(dashboard): State<Arc<Dashboard>>) -> Response {
    (headers("application/json"), dashboard.snapshot().await.to_string()).into_response()
}

const fn headers(kind: &'static str) -> [(HeaderName, &'static str); 4] {
    [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ]
}

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dashboard").finish_non_exhaustive()
    }
}
