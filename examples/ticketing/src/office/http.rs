//! The routes of the back office, behind the layer that knows who asks.

use axum::{
    Router,
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
};
use nebula_auth::{
    access::AccessError,
    admin::{Admin, SignIn},
    axum::{AuthLayer, Refusal, SecureRouter},
};

use super::Desk;
use crate::{
    app::App,
    problem::{Code, Problem},
    user::Guard,
};

/// Everything that needs a permission: the desks of the modules, and the administration of access with its page. In front of all
/// stands who asks for second factors.
pub(crate) fn secured(app: &App, desks: Desk) -> Router<App> {
    let routes = SecureRouter::new().nest("/api/v1", desks.into_routes());
    let admin = Admin::new(app.office.evaluator())
        .with_sessions(app.users.sessions().clone())
        .with_audit(app.office.log().clone())
        .with_routes(routes.routes())
        .with_sign_in(
            SignIn::new("/api/v1/auth/login", "email", "/tokens/access_token")
                .with_second_factor("/api/v1/auth/login/second-factor", "/second_factor/challenge")
                .with_step_up("/api/v1/me/second-factor/show", "/access_token"),
        );
    let layer = AuthLayer::new(app.users.tokens().clone(), app.office.evaluator().clone())
        .with_audit(app.office.log().clone())
        .with_refusals(refused);
    let routes = routes.nest("/admin/access", admin.routes());
    let guard = Guard::new(app, routes.routes());
    routes.finish(layer).layer(from_fn_with_state(guard, Guard::check))
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Credentials(rejection) => Problem::from(rejection).into_response(),
        Refusal::Access(error) => Problem::from(error).into_response(),
        other => other.into_response(),
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let reason = error.code();
        match error {
            AccessError::Unauthenticated => Self::new(Code::Unauthenticated, "This needs somebody who is signed in."),
            AccessError::Unavailable(cause) => Self::unavailable(cause),
            AccessError::StepUp { .. } => Self::new(Code::StepUpRequired, error.to_string()).with("reason", reason),
            _ => Self::new(Code::Forbidden, "None of your roles allows this.").with("reason", reason),
        }
    }
}
