//! Asking for permission: attributes, proofs, routers, and the log of what was decided.

mod admin;
mod audit;
mod data;
mod functions;
mod http;
mod roles;

use std::time::{Duration, SystemTime};

use nebula_auth::{
    AccessGrant, Algorithm, AuthMethod, KeySet, SigningKey, TokenService,
    access::AuthContext,
    rbac::{Actor, EvaluatorOptions, MemoryRbacStore, PermissionEvaluator, PermissionPattern, Role, RoleName, UserId},
    secrecy::ExposeSecret,
};

nebula_auth::permissions! {
    order: [Read = "order:read", Delete = "order:delete"],
    report: [Read = "report:read"],
}

/// Ann is a lead, who is a clerk, who reads orders.
async fn evaluator() -> PermissionEvaluator {
    let options = EvaluatorOptions::new().lease(Duration::from_secs(120)).timeout(Duration::from_secs(60));
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), options).await.unwrap();
    let (service, setup) = (evaluator.service(), Actor::system("test"));
    let role = |name: &str| RoleName::new(name).unwrap();
    let clerk = Role::new(role("clerk")).with_permissions([PermissionPattern::new("order:read").unwrap()]);
    for new in [clerk, Role::new(role("lead")).with_parent(role("clerk"))] {
        service.create_role(&setup, new).await.unwrap().into_result().unwrap();
    }
    let ann = UserId::new("ann").unwrap();
    service.assign_role(&setup, &ann, &role("lead"), None).await.unwrap().into_result().unwrap();
    evaluator
}

fn tokens() -> TokenService {
    TokenService::new(KeySet::new(SigningKey::generate(Algorithm::EdDSA, "k").unwrap()), "issuer", "audience").unwrap()
}

fn bearer(tokens: &TokenService, grant: &AccessGrant) -> String {
    tokens.issue(grant).unwrap().token.expose_secret().to_owned()
}

async fn context(evaluator: &PermissionEvaluator, grant: AccessGrant) -> AuthContext {
    let tokens = tokens();
    let principal = tokens.verify(&bearer(&tokens, &grant)).await.unwrap().into_result().unwrap();
    AuthContext::new(principal, evaluator.clone())
}

async fn ann(evaluator: &PermissionEvaluator) -> AuthContext {
    context(evaluator, AccessGrant::new("ann")).await
}

fn mfa(age: Duration) -> AccessGrant {
    AccessGrant::new("ann").authenticated(SystemTime::now() - age, [AuthMethod::Password, AuthMethod::MultiFactor])
}
