//! A router on which nothing is open by mistake.

use std::{convert::Infallible, fmt, sync::Arc};

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::{Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, MethodRouter, on},
};

use super::{
    AuthLayer,
    layer::{Refusal, Refusals},
};
use crate::access::{AuthContext, Requirement};

/// Who may use a route.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Policy {
    /// Everybody. A token that is not acceptable is still refused.
    Public,
    /// Those who have this.
    Requires(Requirement),
}

impl From<Requirement> for Policy {
    fn from(requirement: Requirement) -> Self {
        Self::Requires(requirement)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Requires(requirement) => requirement.fmt(f),
        }
    }
}

/// One route and who may use it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SecuredRoute {
    /// The method.
    pub method: Method,
    /// The path, as axum writes it.
    pub path: String,
    /// Who may use it.
    pub policy: Policy,
}

/// An axum router whose routes cannot be mounted without saying who may use them, and which can list them all.
///
/// The policy stands on the handler, behind axum's own matching: no path is matched a second time, so no spelling of a path
/// gets around it. Only [`finish`](Self::finish) turns it into a [`Router`], and puts the [`AuthLayer`] around it in the
/// same step, so that no route escapes the layer.
///
/// ```
/// use axum::http::Method;
/// use nebula_auth::{access::Requirement, axum::{Policy, SecureRouter}};
///
/// nebula_auth::permissions! { order: [Read = "order:read"] }
///
/// let routes = SecureRouter::<()>::new()
///     .get("/health", Policy::Public, async || "ok")
///     .get("/orders/{id}", Requirement::permission::<order::Read>(), async || "an order");
/// let listed: Vec<String> = routes.routes().iter().map(|r| format!("{} {} {}", r.method, r.path, r.policy)).collect();
/// assert_eq!(listed, ["GET /health public", "GET /orders/{id} order:read"]);
/// ```
///
/// Without a policy there is nothing to call:
///
/// ```compile_fail,E0061
/// # use nebula_auth::axum::SecureRouter;
/// SecureRouter::<()>::new().get("/orders", async || "all orders");
/// ```
pub struct SecureRouter<S = ()> {
    router: Router<S>,
    routes: Vec<SecuredRoute>,
}

impl<S: Clone + Send + Sync + 'static> SecureRouter<S> {
    /// A router without routes.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), routes: Vec::new() }
    }

    /// A route for any method that axum routes; [`get`](Self::get) and the others are shorter.
    ///
    /// ```
    /// use axum::{extract::Path, http::{Method, StatusCode}};
    /// use nebula_auth::{access::Requirement, axum::SecureRouter};
    ///
    /// nebula_auth::permissions! { order: [Read = "order:read", Write = "order:write"] }
    ///
    /// async fn change(Path(id): Path<u64>) -> StatusCode {
    ///     # let _ = id;
    ///     StatusCode::NO_CONTENT
    /// }
    ///
    /// // Both permissions, or the role; and a second factor that was shown within the last five minutes.
    /// let both = Requirement::permission::<order::Read>().and(Requirement::permission::<order::Write>());
    /// let needed = both.or(Requirement::Role("admin")).and(Requirement::Mfa(std::time::Duration::from_secs(300)));
    /// let routes = SecureRouter::<()>::new().route(Method::PATCH, "/orders/{id}", needed, change);
    /// let policy = routes.routes()[0].policy.to_string();
    /// assert_eq!(policy, "all(any(all(order:read, order:write), role admin), mfa within 5m)");
    /// ```
    ///
    /// # Panics
    /// As axum's: if the path is malformed or the route is there already; and for methods that axum does not route.
    #[must_use]
    #[allow(clippy::panic, reason = "the application is wired wrongly, as axum's own router says it")]
    pub fn route<H, T>(mut self, method: Method, path: &str, policy: impl Into<Policy>, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let policy = policy.into();
        let Ok(filter) = MethodFilter::try_from(method.clone()) else { panic!("no routes for the method {method}") };
        self.router = self.router.route(path, guarded(on(filter, handler), policy.clone()));
        self.routes.push(SecuredRoute { method, path: path.to_owned(), policy });
        self
    }

    /// Routes for several methods at once: for handlers that something else has put together, such as the macros that
    /// document them. Every other method is answered with 405, whatever these would do with it: what [`routes`](Self::routes)
    /// lists is all that there is.
    ///
    /// ```
    /// use axum::{http::Method, routing::get};
    /// use nebula_auth::{access::Requirement, axum::SecureRouter};
    ///
    /// nebula_auth::permissions! { order: [Read = "order:read"] }
    ///
    /// let handlers = get(async || "an order");
    /// let needed = Requirement::permission::<order::Read>();
    /// let routes = SecureRouter::<()>::new().methods(&[Method::GET], "/orders/{id}", needed, handlers);
    /// assert_eq!(routes.routes()[0].policy.to_string(), "order:read");
    /// ```
    ///
    /// # Panics
    /// As axum's: if the path is malformed or the route is there already.
    #[must_use]
    pub fn methods(
        mut self,
        methods: &[Method],
        path: &str,
        policy: impl Into<Policy>,
        handlers: MethodRouter<S, Infallible>,
    ) -> Self {
        let policy = policy.into();
        self.router = self.router.route(path, limited(handlers, methods.into(), policy.clone()));
        let route =
            |method: &Method| SecuredRoute { method: method.clone(), path: path.to_owned(), policy: policy.clone() };
        self.routes.extend(methods.iter().map(route));
        self
    }

    /// Puts the routes of another router under a path.
    ///
    /// # Panics
    /// As axum's.
    #[must_use]
    pub fn nest(mut self, prefix: &str, other: Self) -> Self {
        self.router = self.router.nest(prefix, other.router);
        self.routes.extend(other.routes.into_iter().map(|route| {
            let rest = if route.path == "/" { "" } else { &route.path };
            SecuredRoute { path: format!("{}{rest}", prefix.trim_end_matches('/')), ..route }
        }));
        self
    }

    /// Adds the routes of another router.
    ///
    /// # Panics
    /// As axum's.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.routes.extend(other.routes);
        self
    }

    /// The same routes for a router of another state, with theirs given.
    #[must_use]
    pub fn with_state<T: Clone + Send + Sync + 'static>(self, state: S) -> SecureRouter<T> {
        SecureRouter { router: self.router.with_state(state), routes: self.routes }
    }

    /// Every route, in the order in which they were added.
    #[must_use]
    pub fn routes(&self) -> &[SecuredRoute] {
        &self.routes
    }

    /// The router, behind the layer that knows who is asking.
    pub fn finish(self, layer: AuthLayer) -> Router<S> {
        self.router.layer(layer)
    }
}

macro_rules! methods {
    ($($name:ident $method:ident,)+) => {
        impl<S: Clone + Send + Sync + 'static> SecureRouter<S> {$(
            #[doc = concat!("A route for `", stringify!($method), "`.")]
            ///
            /// # Panics
            /// As [`route`](Self::route).
            #[must_use]
            pub fn $name<H, T>(self, path: &str, policy: impl Into<Policy>, handler: H) -> Self
            where
                H: Handler<T, S>,
                T: 'static,
            {
                self.route(Method::$method, path, policy, handler)
            }
        )+}
    };
}

methods! {
    get GET,
    post POST,
    put PUT,
    patch PATCH,
    delete DELETE,
}

fn guarded<S>(handlers: MethodRouter<S, Infallible>, policy: Policy) -> MethodRouter<S, Infallible>
where
    S: Clone + Send + Sync + 'static,
{
    handlers.route_layer(from_fn(move |request: Request, next: Next| {
        let policy = policy.clone();
        async move { guard(&policy, request, next).await }
    }))
}

/// Unlike a layer around routes alone this one is around fallbacks as well, which `any` is for axum.
fn limited<S>(
    handlers: MethodRouter<S, Infallible>,
    methods: Arc<[Method]>,
    policy: Policy,
) -> MethodRouter<S, Infallible>
where
    S: Clone + Send + Sync + 'static,
{
    handlers.layer(from_fn(move |request: Request, next: Next| {
        let (policy, methods) = (policy.clone(), Arc::clone(&methods));
        async move {
            // axum answers HEAD with what answers GET.
            let asked = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
            if methods.contains(asked) || methods.contains(request.method()) {
                return guard(&policy, request, next).await;
            }
            let allowed: Vec<&str> = methods.iter().map(Method::as_str).collect();
            (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allowed.join(","))]).into_response()
        }
    }))
}

async fn guard(policy: &Policy, request: Request, next: Next) -> Response {
    let allowed = match policy {
        Policy::Public => Ok(()),
        Policy::Requires(requirement) => match AuthContext::current() {
            Ok(context) => context.require(requirement).await,
            Err(error) => Err(error),
        },
    };
    match allowed {
        Ok(()) => next.run(request).await,
        Err(refused) => match request.extensions().get::<Refusals>() {
            Some(refusals) => refusals.answer(Refusal::Access(refused)),
            None => refused.into_response(),
        },
    }
}

impl<S: Clone + Send + Sync + 'static> Default for SecureRouter<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for SecureRouter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureRouter").field("routes", &self.routes).finish_non_exhaustive()
    }
}
