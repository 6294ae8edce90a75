//! The layer and its service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::request::Parts;
use http::{HeaderValue, Request as HttpRequest, Response, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;
use tracing::error;

use super::super::decision::{Decision, Request};
use super::super::limiter::RateLimiter;
use super::super::quota::Quota;
use super::headers::{Headers, Stated};
use super::key::{Key, Missing};
use super::problem::{Refusal, problem_json};
use crate::error::ErrorKind;

type Cost = dyn Fn(&Parts) -> u64 + Send + Sync;
type Answer<B> = Arc<dyn Fn(&Refusal) -> Response<B> + Send + Sync>;

/// Lets requests through as its limits say. See the [module](super).
pub struct RateLimitLayer<B = axum::body::Body> {
    settings: Arc<Settings<B>>,
}

struct Settings<B> {
    limiter: RateLimiter,
    limits: Vec<(String, Key)>,
    cost: Option<Arc<Cost>>,
    headers: Headers,
    answer: Answer<B>,
}

impl<B> Clone for Settings<B> {
    fn clone(&self) -> Self {
        Self {
            limiter: self.limiter.clone(),
            limits: self.limits.clone(),
            cost: self.cost.clone(),
            headers: self.headers,
            answer: Arc::clone(&self.answer),
        }
    }
}

impl<B: From<String> + 'static> RateLimitLayer<B> {
    /// A layer without limits.
    #[must_use]
    pub fn new(limiter: RateLimiter) -> Self {
        let answer: Answer<B> = Arc::new(problem_json);
        let settings = Settings { limiter, limits: Vec::new(), cost: None, headers: Headers::default(), answer };
        Self { settings: Arc::new(settings) }
    }
}

impl<B> RateLimitLayer<B> {
    fn with(mut self, change: impl FnOnce(&mut Settings<B>)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Charges requests under this rule by this key. All limits of the layer decide together: for all of them or for none.
    #[must_use]
    pub fn limit(self, rule: impl Into<String>, key: Key) -> Self {
        self.with(|settings| settings.limits.push((rule.into(), key)))
    }

    /// What a request costs; 1 by default. More than a rule allows at once is refused with status 429.
    #[must_use]
    pub fn with_cost(self, cost: impl Fn(&Parts) -> u64 + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.cost = Some(Arc::new(cost)))
    }

    /// Which header fields answers carry.
    #[must_use]
    pub fn with_headers(self, headers: Headers) -> Self {
        self.with(|settings| settings.headers = headers)
    }

    /// How refused requests are answered, instead of [`problem_json`]. `Retry-After` and the fields about limits are added.
    #[must_use]
    pub fn with_answer(self, answer: impl Fn(&Refusal) -> Response<B> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.answer = Arc::new(answer))
    }
}

impl<B> Clone for RateLimitLayer<B> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings) }
    }
}

impl<B, S> Layer<S> for RateLimitLayer<B> {
    type Service = RateLimit<S, B>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit { inner, settings: Arc::clone(&self.settings) }
    }
}

/// The service that [`RateLimitLayer`] makes.
pub struct RateLimit<S, B = axum::body::Body> {
    inner: S,
    settings: Arc<Settings<B>>,
}

impl<S: Clone, B> Clone for RateLimit<S, B> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: Arc::clone(&self.settings) }
    }
}

/// A limit that applies, and the quota as it was when it was decided.
struct Applied<'a> {
    rule: &'a str,
    key: String,
    quota: Option<Quota>,
}

enum Outcome<'a> {
    Passed(Vec<Applied<'a>>, Decision),
    Refused(Vec<Applied<'a>>, Refusal),
}

impl<B> Settings<B> {
    async fn decide(&self, parts: &Parts) -> Outcome<'_> {
        let broken = || Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, decision: None, violated: Vec::new() };
        let mut applied = Vec::with_capacity(self.limits.len());
        for (rule, key) in &self.limits {
            match key.of(parts) {
                Ok(key) => {
                    let quota = self.limiter.rule(rule).map(|rule| rule.quota().clone());
                    applied.push(Applied { rule, key, quota });
                }
                Err(Missing::DoesNotApply) => {}
                Err(Missing::Misconfigured) => {
                    error!(rule, "the peer's address is not known: serve with `into_make_service_with_connect_info`");
                    return Outcome::Refused(Vec::new(), broken());
                }
            }
        }
        let cost = self.cost.as_ref().map_or(1, |cost| cost(parts));
        let decided = {
            let mut request = Request::new().cost(cost);
            for limit in &applied {
                request = request.limit(limit.rule, &limit.key);
            }
            self.limiter.decide(&request).await
        };
        match decided {
            Ok(decision) if decision.is_allowed() => Outcome::Passed(applied, decision),
            Ok(decision) => {
                let refuses = |(limit, standing): (&Applied<'_>, &Option<_>)| {
                    let standing: &Option<super::super::Standing> = standing;
                    standing.is_some_and(|it| !it.allowed).then(|| limit.rule.to_owned())
                };
                let violated = applied.iter().zip(decision.standings()).filter_map(refuses).collect();
                let status = StatusCode::TOO_MANY_REQUESTS;
                Outcome::Refused(applied, Refusal { status, decision: Some(decision), violated })
            }
            Err(error) if error.kind() == ErrorKind::CostAboveBurst => {
                let violated = applied.iter().filter(|it| it.quota.as_ref().is_some_and(|it| it.capacity() < cost));
                let violated = violated.map(|limit| limit.rule.to_owned()).collect();
                Outcome::Refused(
                    Vec::new(),
                    Refusal { status: StatusCode::TOO_MANY_REQUESTS, decision: None, violated },
                )
            }
            Err(error) => {
                error!(%error, "a request cannot be limited");
                Outcome::Refused(Vec::new(), broken())
            }
        }
    }

    fn state(&self, applied: &[Applied<'_>], decision: Option<&Decision>, response: &mut Response<B>) {
        let Some(decision) = decision else { return };
        let stated: Vec<Stated<'_>> = applied
            .iter()
            .zip(decision.standings())
            .filter_map(|(limit, standing)| {
                Some(Stated { rule: limit.rule, quota: limit.quota.as_ref()?, standing: (*standing)? })
            })
            .collect();
        self.headers.write(&stated, response.headers_mut());
    }
}

impl<S, A, B> Service<HttpRequest<A>> for RateLimit<S, B>
where
    S: Service<HttpRequest<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    A: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<A>) -> Self::Future {
        // The one that is ready goes with the request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let settings = Arc::clone(&self.settings);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            match settings.decide(&parts).await {
                Outcome::Passed(applied, decision) => {
                    let mut response = inner.call(HttpRequest::from_parts(parts, body)).await?;
                    settings.state(&applied, Some(&decision), &mut response);
                    Ok(response)
                }
                Outcome::Refused(applied, refusal) => {
                    let mut response = (settings.answer)(&refusal);
                    if let Some(seconds) = refusal.retry_after() {
                        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                    }
                    settings.state(&applied, refusal.decision.as_ref(), &mut response);
                    Ok(response)
                }
            }
        })
    }
}

impl<B> fmt::Debug for RateLimitLayer<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<&String> = self.settings.limits.iter().map(|limit| &limit.0).collect();
        f.debug_struct("RateLimitLayer").field("limits", &rules).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, B> fmt::Debug for RateLimit<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("inner", &self.inner).finish_non_exhaustive()
    }
}
