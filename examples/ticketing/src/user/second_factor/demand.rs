//! What opens only to a second factor: the back office for roles and merchants that demand one, and what moves money or power.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use nebula_auth::{
    AuthMethod, Principal,
    access::Requirement,
    axum::{Authenticated, Policy, SecuredRoute},
};

use crate::{
    app::App,
    ids::UserId,
    office::Reach,
    problem::{Code, Problem, Result},
};

/// Permissions to give money back, and to say who may do what.
const GRAVE: [&str; 7] = [
    "refund:decide",
    "staff:manage",
    "account:manage",
    "rbac:user:write",
    "rbac:role:write",
    "rbac:separation:write",
    "rbac:department:write",
];

/// Whether an account works in the back office, and needs a second factor there: by a role, or because a merchant says so of
/// its staff.
///
/// # Errors
///
/// The store of roles or that of merchants failed.
///
/// # Cancel safety
///
/// Safe.
pub(in crate::user) async fn demanded(app: &App, user: UserId) -> Result<bool> {
    let roles = app.office.roles_of(user).await?;
    let demanding = &app.config.accounts.require_second_factor;
    if roles.iter().any(|role| demanding.contains(role)) {
        return Ok(true);
    }
    let merchants = match app.office.reach(user).await? {
        Reach::Own(own) if !roles.is_empty() => vec![own],
        Reach::Several(several) if !roles.is_empty() => several,
        // Whoever works for all works for the platform, which names its roles.
        _ => return Ok(false),
    };
    for merchant in &merchants {
        if app.merchants.demands_second_factor(merchant).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Stands in front of the back office.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    app: App,
    /// What moves money or power.
    grave: Arc<HashSet<(Method, String)>>,
}

impl Guard {
    /// In front of these routes.
    pub(crate) fn new(app: &App, routes: &[SecuredRoute]) -> Self {
        let changes = |route: &&SecuredRoute| !route.method.is_safe() && is_grave(&route.policy);
        let grave = routes.iter().filter(changes).map(|route| (route.method.clone(), route.path.clone())).collect();
        Self { app: app.clone(), grave: Arc::new(grave) }
    }

    /// Refuses those who need a second factor and came without one, or showed it too long ago. Whoever is refused anyway passes.
    pub(crate) async fn check(State(guard): State<Self>, request: Request, next: Next) -> Response {
        let (mut parts, body) = request.into_parts();
        // By the same reading of the request as everywhere.
        let known = <Authenticated as FromRequestParts<App>>::from_request_parts(&mut parts, &guard.app).await;
        if let Ok(Authenticated(principal)) = known {
            let path = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
            let grave = guard.grave.contains(&(parts.method.clone(), path.to_owned()));
            if let Err(problem) = guard.admit(&principal, grave).await {
                return problem.into_response();
            }
        }
        next.run(Request::from_parts(parts, body)).await
    }

    async fn admit(&self, principal: &Principal, grave: bool) -> Result<()> {
        let strong = principal.methods().contains(&AuthMethod::MultiFactor);
        if !strong
            && let Ok(user) = principal.subject().parse()
            && demanded(&self.app, user).await?
        {
            let detail =
                "Whoever works in your role needs a second factor: set it up at /account, and sign in with it.";
            return Err(Problem::new(Code::SecondFactorRequired, detail));
        }
        match self.app.config.accounts.step_up {
            Some(within) if grave && !(strong && shown(principal, within)) => {
                let detail = format!(
                    "This needs a second factor shown within the last {}: show it, or sign in again with it.",
                    humantime::format_duration(within)
                );
                Err(Problem::new(Code::StepUpRequired, detail))
            }
            _ => Ok(()),
        }
    }
}

fn is_grave(policy: &Policy) -> bool {
    fn needs(requirement: &Requirement) -> bool {
        match requirement {
            Requirement::Permission(permission) => GRAVE.contains(&permission.name()),
            Requirement::All(all) | Requirement::Any(all) => all.iter().any(needs),
            _ => false,
        }
    }
    matches!(policy, Policy::Requires(requirement) if needs(requirement))
}

/// Whether a proof was given so recently. Tokens have whole seconds: one may seem to lie a moment ahead.
fn shown(principal: &Principal, within: Duration) -> bool {
    principal.authenticated_at().is_some_and(|at| match SystemTime::now().duration_since(at) {
        Ok(age) => age <= within,
        Err(ahead) => ahead.duration() <= Duration::from_secs(1),
    })
}
