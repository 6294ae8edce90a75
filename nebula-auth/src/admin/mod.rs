//! Administration over HTTP: users, roles, constraints, trees, sessions, the audit log, and a page for people.
//!
//! ```
//! use axum::Router;
//! use nebula_auth::{SessionService, TokenService, admin::Admin, audit::AuditLog};
//! use nebula_auth::{axum::{AuthLayer, SecureRouter}, rbac::PermissionEvaluator};
//!
//! fn app(tokens: TokenService, sessions: SessionService, evaluator: PermissionEvaluator, log: AuditLog) -> Router {
//!     let admin = Admin::new(&evaluator).with_sessions(sessions).with_audit(log.clone());
//!     SecureRouter::new()
//!         .nest("/admin/access", admin.routes())
//!         .finish(AuthLayer::new(tokens, evaluator).with_audit(log))
//! }
//! ```
//!
//! Every route of the programming interface needs one of the [`permissions`] declared here; give them to roles as to any
//! other. Who may change roles is one question and what they may give another: that one [`RbacService`] judges, so that
//! nobody gives or takes what they do not have, whatever route they come by. Changes are made on behalf of the user as a
//! whole: a token that is limited to scopes is limited in what routes it may use, not in what it gives by them.
//!
//! The page is at `/page` below the path that the routes are nested in. It is three kinds of static files, the same for
//! everybody, in English and Chinese, and shows what the programming interface gives to whoever signs in on it. It works
//! under a `Content-Security-Policy` without anything inline or from elsewhere, which it sets itself.
//!
//! `/openapi.json` describes the routes, with the permission that each needs; [`openapi`] is the same as a value.

mod answer;
mod audit;
mod body;
mod page;
pub mod permissions;
mod policy;
mod roles;
mod sessions;
mod users;

use std::{fmt, sync::Arc};

use serde_json::Value;

pub use self::page::SignIn;
use self::{
    answer::Failure,
    permissions::{audit as log, department, permission, resource, role, separation, session, user},
};
use crate::{
    access::{AuthContext, Requirement},
    audit::AuditLog,
    axum::{Policy, SecureRouter, SecuredRoute},
    rbac::{Actor, PermissionEvaluator, RbacService},
    session::SessionService,
};

const OPENAPI: &str = include_str!("openapi.json");

/// The routes as an OpenAPI document, with paths as they are before nesting.
#[must_use]
pub fn openapi() -> Value {
    serde_json::from_str(OPENAPI).unwrap_or_default()
}

/// What is administered.
#[derive(Clone)]
#[must_use = "it is nothing until its routes are served"]
pub struct Admin {
    evaluator: PermissionEvaluator,
    service: RbacService,
    sessions: Option<SessionService>,
    audit: Option<AuditLog>,
    routes: Vec<SecuredRoute>,
    sign_in: Option<SignIn>,
}

impl Admin {
    /// Administers what that evaluator evaluates; changes are seen by it at once.
    pub fn new(evaluator: &PermissionEvaluator) -> Self {
        Self {
            evaluator: evaluator.clone(),
            service: evaluator.service(),
            sessions: None,
            audit: None,
            routes: Vec::new(),
            sign_in: None,
        }
    }

    /// Lists and ends sessions, too.
    pub fn with_sessions(mut self, sessions: SessionService) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Writes every change to that log, and shows it.
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.service = self.service.with_audit(log.clone());
        self.audit = Some(log);
        self
    }

    /// Shows which routes the application has, and what each needs.
    pub fn with_routes(mut self, routes: &[SecuredRoute]) -> Self {
        self.routes.extend_from_slice(routes);
        self
    }

    /// Lets people sign in on the page. Without it, the page asks for an access token.
    pub fn with_sign_in(mut self, sign_in: SignIn) -> Self {
        self.sign_in = Some(sign_in);
        self
    }

    /// The routes, to be nested under a path of yours.
    pub fn routes<S: Clone + Send + Sync + 'static>(mut self) -> SecureRouter<S> {
        let may = Requirement::permission::<user::Read>;
        let (roles, change_roles) = (Requirement::permission::<role::Read>, Requirement::permission::<role::Write>);
        let change = Requirement::permission::<user::Write>;
        let routes = SecureRouter::<Arc<Self>>::new()
            .get("/page", Policy::Public, page::page)
            .get("/page/{file}", Policy::Public, page::file)
            .get("/openapi.json", Policy::Public, page::document)
            .get("/me", anything(), users::me)
            .get("/users", may(), users::list)
            .get("/users/{id}", may(), users::one)
            .patch("/users/{id}", change(), users::update)
            .delete("/users/{id}", change(), users::remove)
            .put("/users/{id}/roles/{role}", change(), users::assign)
            .delete("/users/{id}/roles/{role}", change(), users::unassign)
            .put("/users/{id}/grants/{permission}", change(), users::grant)
            .delete("/users/{id}/grants/{permission}", change(), users::revoke)
            .get("/users/{id}/authority", may(), users::authority)
            .get("/users/{id}/explanation", may(), users::explain)
            .get("/users/{id}/menu", may(), users::menu)
            .get("/users/{id}/sessions", Requirement::permission::<session::Read>(), sessions::list)
            .delete("/users/{id}/sessions", Requirement::permission::<session::Revoke>(), sessions::revoke_all)
            .delete("/users/{id}/sessions/{session}", Requirement::permission::<session::Revoke>(), sessions::revoke)
            .get("/roles", roles(), roles::list)
            .post("/roles", change_roles(), roles::create)
            .get("/roles/{role}", roles(), roles::one)
            .patch("/roles/{role}", change_roles(), roles::update)
            .delete("/roles/{role}", change_roles(), roles::remove)
            .put("/roles/{role}/permissions/{permission}", change_roles(), roles::add_permission)
            .delete("/roles/{role}/permissions/{permission}", change_roles(), roles::remove_permission)
            .put("/roles/{role}/parents/{parent}", change_roles(), roles::add_parent)
            .delete("/roles/{role}/parents/{parent}", change_roles(), roles::remove_parent)
            .get("/separations", Requirement::permission::<separation::Read>(), policy::separations)
            .put("/separations/{name}", Requirement::permission::<separation::Write>(), policy::put_separation)
            .delete("/separations/{name}", Requirement::permission::<separation::Write>(), policy::delete_separation)
            .get("/departments", Requirement::permission::<department::Read>(), policy::departments)
            .put("/departments/{id}", Requirement::permission::<department::Write>(), policy::put_department)
            .delete("/departments/{id}", Requirement::permission::<department::Write>(), policy::delete_department)
            .get("/resources", Requirement::permission::<resource::Read>(), policy::resources)
            .put("/resources/{id}", Requirement::permission::<resource::Write>(), policy::put_resource)
            .delete("/resources/{id}", Requirement::permission::<resource::Write>(), policy::delete_resource)
            .get("/permissions", Requirement::permission::<permission::Read>(), policy::permissions)
            .put("/permissions/{name}", Requirement::permission::<permission::Write>(), policy::put_permission)
            .delete("/permissions/{name}", Requirement::permission::<permission::Write>(), policy::delete_permission)
            .get("/routes", Requirement::permission::<permission::Read>(), policy::routes)
            .get("/audit", Requirement::permission::<log::Read>(), audit::query)
            .get("/audit/verification", Requirement::permission::<log::Read>(), audit::verify);
        self.routes.extend_from_slice(routes.routes());
        routes.with_state(Arc::new(self))
    }

    fn sessions(&self) -> Result<&SessionService, Failure> {
        self.sessions.as_ref().ok_or(Failure::Absent("sessions"))
    }

    fn log(&self) -> Result<&AuditLog, Failure> {
        self.audit.as_ref().ok_or(Failure::Absent("audit log"))
    }
}

/// To see anything at all: enough for what the page has to know at first.
fn anything() -> Requirement {
    Requirement::permission::<user::Read>()
        .or(Requirement::permission::<role::Read>())
        .or(Requirement::permission::<separation::Read>())
        .or(Requirement::permission::<department::Read>())
        .or(Requirement::permission::<resource::Read>())
        .or(Requirement::permission::<permission::Read>())
        .or(Requirement::permission::<session::Read>())
        .or(Requirement::permission::<log::Read>())
}

/// On whose behalf a change is made.
fn actor() -> Result<Actor, Failure> {
    Ok(AuthContext::current()?.actor()?)
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("evaluator", &self.evaluator).finish_non_exhaustive()
    }
}
