//! Roles that are used session by session.

use std::collections::BTreeSet;

use axum::{Router, body::Body, http::Request};
use nebula_auth::{
    AccessGrant, Principal, TokenService,
    access::{Requirement, SessionRoles},
    audit::{AuditLog, Decision, MemoryAuditSink},
    axum::{AuthLayer, SecureRouter},
    proof::MemoryProofStore,
    rbac::{
        Activation, Actor, ConstraintName, PermissionEvaluator, PermissionPattern, Role, RoleName, Separation,
        SeparationKind, UserId,
    },
};
use tower::ServiceExt as _;

use super::{bearer, evaluator, order, report, tokens};

fn role(name: &str) -> RoleName {
    RoleName::new(name).unwrap()
}

async fn keep_apart(evaluator: &PermissionEvaluator, name: &ConstraintName, roles: [&str; 2]) {
    let roles = BTreeSet::from(roles.map(role));
    let apart = Separation { name: name.clone(), kind: SeparationKind::Dynamic, roles, limit: 2 };
    evaluator.service().put_separation(&Actor::system("test"), apart).await.unwrap().into_result().unwrap();
}

/// Ann pays and audits, which nobody does in one session; she is a lead, too.
async fn office() -> PermissionEvaluator {
    let evaluator = evaluator().await;
    let (service, setup) = (evaluator.service(), Actor::system("test"));
    for (name, permission) in [("payer", "order:delete"), ("auditor", "report:read")] {
        let new = Role::new(role(name)).with_permissions([PermissionPattern::new(permission).unwrap()]);
        service.create_role(&setup, new).await.unwrap().into_result().unwrap();
        let ann = UserId::new("ann").unwrap();
        service.assign_role(&setup, &ann, &role(name), None).await.unwrap().into_result().unwrap();
    }
    keep_apart(&evaluator, &ConstraintName::new("four-eyes").unwrap(), ["payer", "auditor"]).await;
    evaluator
}

fn app(evaluator: &PermissionEvaluator, tokens: &TokenService, roles: SessionRoles) -> Router {
    SecureRouter::new()
        .get("/read", Requirement::permission::<order::Read>(), async || "read")
        .get("/pay", Requirement::permission::<order::Delete>(), async || "paid")
        .get("/audit", Requirement::permission::<report::Read>(), async || "audited")
        .finish(AuthLayer::new(tokens.clone(), evaluator.clone()).with_session_roles(roles))
}

async fn allowed(app: &Router, token: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for path in ["/read", "/pay", "/audit"] {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        match answer.status().as_u16() {
            200 => found.push(path),
            403 => {}
            other => panic!("{path}: {other}"),
        }
    }
    found
}

async fn principal(tokens: &TokenService, token: &str) -> Principal {
    tokens.verify(token).await.unwrap().into_result().unwrap()
}

#[tokio::test]
async fn a_session_uses_what_it_has_chosen() {
    let (evaluator, tokens, store) = (office().await, tokens(), MemoryProofStore::new());
    let log = AuditLog::new(MemoryAuditSink::new());
    let roles = SessionRoles::new(store.clone(), evaluator.clone()).with_audit(log.clone());
    // Another process, with the same store.
    let app = app(&evaluator, &tokens, SessionRoles::new(store, evaluator.clone()));
    let [one, other] = ["one", "other"].map(|id| bearer(&tokens, &AccessGrant::new("ann").session(id)));
    let here = principal(&tokens, &one).await;
    assert_eq!(allowed(&app, &one).await, ["/read"], "without a choice, neither of the two");

    let Activation::Active(authority) = roles.activate_role(&here, &role("payer")).await.unwrap() else { panic!() };
    assert_eq!(authority.roles, BTreeSet::from([role("payer")]));
    assert_eq!(allowed(&app, &one).await, ["/pay"], "what was chosen, and only that");
    assert_eq!(allowed(&app, &other).await, ["/read"], "in this session only");

    let refused = roles.activate_role(&here, &role("auditor")).await.unwrap();
    assert_eq!(refused, Activation::Conflict(ConstraintName::new("four-eyes").unwrap()));
    assert!(matches!(roles.activate_role(&here, &role("lead")).await.unwrap(), Activation::Active(_)));
    assert_eq!(allowed(&app, &one).await, ["/read", "/pay"]);
    // Inherited roles are used through those that inherit, and what one does not have is not used at all.
    for name in ["clerk", "nobody"] {
        let refused = roles.activate_role(&here, &role(name)).await.unwrap();
        assert_eq!(refused, Activation::NotHeld(role(name)));
    }
    assert!(matches!(roles.deactivate_role(&here, &role("payer")).await.unwrap(), Activation::Active(_)));
    assert!(matches!(roles.activate_role(&here, &role("auditor")).await.unwrap(), Activation::Active(_)));
    assert_eq!(allowed(&app, &one).await, ["/read", "/audit"]);
    let without = principal(&tokens, &bearer(&tokens, &AccessGrant::new("ann"))).await;
    assert_eq!(roles.activate_role(&without, &role("payer")).await.unwrap(), Activation::NoSession);

    let entries = log.read(0, 100).await.unwrap();
    let denied = entries.iter().filter(|entry| entry.record.decision == Decision::Denied);
    let reasons: Vec<_> = denied.map(|entry| entry.record.reason.as_str()).collect();
    assert_eq!(reasons, ["separation_of_duty", "role_not_held", "role_not_held", "no_session"]);
    assert_eq!(entries[0].record.on, "role payer in session one");
}

#[tokio::test]
async fn a_choice_gives_nothing_that_was_taken_away_or_became_incompatible() {
    let (evaluator, tokens) = (office().await, tokens());
    let roles = SessionRoles::new(MemoryProofStore::new(), evaluator.clone());
    let app = app(&evaluator, &tokens, roles.clone());
    let token = bearer(&tokens, &AccessGrant::new("ann").session("s"));
    let here = principal(&tokens, &token).await;
    for name in ["payer", "lead"] {
        assert!(matches!(roles.activate_role(&here, &role(name)).await.unwrap(), Activation::Active(_)), "{name}");
    }
    assert_eq!(allowed(&app, &token).await, ["/read", "/pay"]);
    // Said after the choice was made.
    let (service, setup, ann) = (evaluator.service(), Actor::system("test"), UserId::new("ann").unwrap());
    let late = ConstraintName::new("late").unwrap();
    keep_apart(&evaluator, &late, ["payer", "lead"]).await;
    assert_eq!(allowed(&app, &token).await, Vec::<&str>::new());
    service.delete_separation(&setup, &late).await.unwrap().into_result().unwrap();
    service.unassign_role(&setup, &ann, &role("payer")).await.unwrap().into_result().unwrap();
    assert_eq!(allowed(&app, &token).await, ["/read"]);
    // And it stands in nobody's way.
    assert_eq!(roles.activate_role(&here, &role("payer")).await.unwrap(), Activation::NotHeld(role("payer")));
    assert!(matches!(roles.activate_role(&here, &role("auditor")).await.unwrap(), Activation::Active(_)));
    assert_eq!(allowed(&app, &token).await, ["/read", "/audit"]);
}

/// Two requests of one session that choose at the same moment what does not go together.
#[tokio::test(flavor = "multi_thread")]
async fn a_race_does_not_bring_together_what_is_kept_apart() {
    let (evaluator, tokens, store) = (office().await, tokens(), MemoryProofStore::new());
    for round in 0..20 {
        let token = bearer(&tokens, &AccessGrant::new("ann").session(format!("s{round}")));
        let here = principal(&tokens, &token).await;
        let racing = ["payer", "auditor"].map(|name| {
            let (roles, here) = (SessionRoles::new(store.clone(), evaluator.clone()), here.clone());
            tokio::spawn(async move { roles.activate_role(&here, &role(name)).await.unwrap() })
        });
        let mut active = 0;
        for task in racing {
            active += u32::from(matches!(task.await.unwrap(), Activation::Active(_)));
        }
        assert_eq!(active, 1, "round {round}");
    }
}
