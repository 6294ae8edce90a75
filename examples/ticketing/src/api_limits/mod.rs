//! How many requests a server takes of each class, whoever asks: a last bound, far above what it should ever be asked for.
//! Decided in the process without asking anybody; see decision 0056.

mod config;
mod refusal;

use std::{fmt::Write, sync::Arc};

use axum::http::Method;
use metrics::Counter;
use nebula_cache::rate_limit::{Standing, WarmUpLimiter};

pub use self::{
    config::{ApiLimit, ApiLimitsConfig},
    refusal::refusal,
};

/// Requests that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Whatever is read.
    Queries,
    /// New orders.
    Orders,
    /// Payments that begin.
    Payments,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Queries, Self::Orders, Self::Payments];

    /// The name of its limit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queries => "api.queries",
            Self::Orders => "api.orders",
            Self::Payments => "api.payments",
        }
    }

    /// What a request to the route with this pattern is. Back offices are in none: whoever has to act under too much load can.
    /// Nor are notifications of payment providers: money that has moved is never turned away.
    #[must_use]
    pub fn of(method: &Method, pattern: &str) -> Option<Self> {
        let route = pattern.strip_prefix("/api/v1/")?;
        match (method, route) {
            (&Method::POST, "orders") => Some(Self::Orders),
            (&Method::POST, "orders/{id}/pay") => Some(Self::Payments),
            (&(Method::GET | Method::HEAD), route) => {
                let office = ["admin", "desk"].iter().any(|office| route.split('/').next() == Some(office));
                (!office).then_some(Self::Queries)
            }
            _ => None,
        }
    }
}

/// The limits of this server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiLimits(Arc<[Limit; 3]>);

/// One of them, with what it has decided.
#[derive(Debug)]
struct Limit {
    class: Class,
    limiter: WarmUpLimiter,
    allowed: Counter,
    refused: Counter,
}

/// What was decided, by class and outcome.
pub(crate) const DECISIONS: &str = "ticketing_api_limit_decisions_total";

impl ApiLimits {
    /// As they are configured. Call it when metrics are recorded.
    ///
    /// # Errors
    ///
    /// With numbers that [`ApiLimitsConfig::check`] refuses.
    pub fn new(config: &ApiLimitsConfig) -> Result<Self, nebula_cache::Error> {
        let limit = |class: Class| {
            let outcome = |outcome| metrics::counter!(DECISIONS, "class" => class.as_str(), "outcome" => outcome);
            let limiter = config.limiter(class)?;
            let (allowed, refused) = (outcome("allowed"), outcome("refused"));
            Ok::<_, nebula_cache::Error>(Limit { class, limiter, allowed, refused })
        };
        let [queries, orders, payments] = Class::ALL.map(limit);
        Ok(Self(Arc::new([queries?, orders?, payments?])))
    }

    fn of(&self, class: Class) -> &Limit {
        let [queries, orders, payments] = &*self.0;
        match class {
            Class::Queries => queries,
            Class::Orders => orders,
            Class::Payments => payments,
        }
    }

    /// The limiter of a class.
    #[must_use]
    pub fn limiter(&self, class: Class) -> &WarmUpLimiter {
        &self.of(class).limiter
    }

    /// What each allows now, in Prometheus's text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let name = "ticketing_api_limit_rate";
        let mut text = format!("# HELP {name} Requests a second that the server takes now.\n# TYPE {name} gauge\n");
        for limit in &*self.0 {
            // Writing into a String cannot fail.
            let _infallible = writeln!(text, "{name}{{class=\"{}\"}} {}", limit.class.as_str(), limit.limiter.rate());
        }
        text
    }
}

impl Limit {
    /// Counts a request; how the limit stands if it is one too many.
    fn take(&self) -> Result<(), Standing> {
        let standing = self.limiter.take(1);
        if standing.allowed {
            self.allowed.increment(1);
            return Ok(());
        }
        self.refused.increment(1);
        Err(standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_ordered_and_paid_is_limited_and_nothing_else() {
        for (method, pattern, class) in [
            (Method::GET, "/api/v1/shows", Some(Class::Queries)),
            (Method::HEAD, "/api/v1/sessions/{id}/seats", Some(Class::Queries)),
            (Method::GET, "/api/v1/orders/{id}", Some(Class::Queries)),
            (Method::POST, "/api/v1/orders", Some(Class::Orders)),
            (Method::POST, "/api/v1/orders/{id}/pay", Some(Class::Payments)),
            (Method::POST, "/api/v1/payments/{provider}/callback", None),
            (Method::POST, "/api/v1/auth/login", None),
            (Method::GET, "/api/v1/admin/load", None),
            (Method::GET, "/api/v1/desk", None),
            (Method::GET, "/api/v1/desk/{merchant}/orders", None),
            (Method::GET, "/", None),
            (Method::GET, "/healthz", None),
        ] {
            assert_eq!(Class::of(&method, pattern), class, "{method} {pattern}");
        }
    }
}
