//! Plain async functions and methods.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use nebula_auth::{
    AccessGrant, ManualClock,
    access::{AccessError, AuthContext, Granted, Requirement, spawn_with_auth},
    rbac::{Actor, PermissionPattern, RoleName, UserId},
    requires_mfa, requires_permission, requires_role,
};

use super::{ann, context, evaluator, mfa, order, report};

#[derive(Debug)]
enum Failure {
    Access(AccessError),
    Missing,
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::Access(error)
    }
}

#[requires_permission("order:read")]
async fn read(number: u32) -> Result<u32, Failure> {
    if number == 0 { Err(Failure::Missing) } else { Ok(number) }
}

#[requires_permission(order::Delete)]
async fn delete() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission(any("order:delete", all("order:read", "report:read"), "order:read"))]
async fn any() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission("order:read", "report:read")]
async fn both() -> Result<(), AccessError> {
    Ok(())
}

#[requires_role(any("boss", "clerk"))]
async fn clerk() -> Result<(), AccessError> {
    Ok(())
}

#[requires_role("boss")]
async fn boss() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission("order:read")]
#[requires_mfa(within = "5m")]
async fn careful() -> Result<(), AccessError> {
    Ok(())
}

struct Orders {
    name: &'static str,
}

impl Orders {
    #[requires_permission(order::Read, declared = super::PERMISSIONS)]
    async fn name(&self) -> Result<&str, AccessError> {
        Ok(self.name)
    }

    /// Only those who have a proof can call it.
    async fn delete(&self, _: Granted<order::Delete>) -> &str {
        self.name
    }
}

fn code<T: std::fmt::Debug>(result: Result<T, AccessError>) -> &'static str {
    result.unwrap_err().code()
}

#[tokio::test]
async fn functions_run_for_those_who_may() {
    let evaluator = evaluator().await;
    let context = ann(&evaluator).await;
    let asking = context.clone().scope(async {
        assert_eq!(read(7).await.unwrap(), 7);
        assert!(matches!(read(0).await, Err(Failure::Missing)), "its own errors stay its own");
        assert_eq!(Orders { name: "all" }.name().await.unwrap(), "all");
        any().await.unwrap();
        clerk().await.unwrap();
        assert_eq!(code(delete().await), "permission_denied");
        assert_eq!(code(both().await), "permission_denied");
        assert_eq!(code(boss().await), "permission_denied");
        assert_eq!(code(Granted::<order::Delete>::obtain().await), "permission_denied");
        Granted::<order::Read>::obtain().await.unwrap();
    });
    asking.await;

    // The next call sees what was given meanwhile.
    let delete_orders = PermissionPattern::new("order:delete").unwrap();
    let granted =
        evaluator.service().grant(&Actor::system("test"), &UserId::new("ann").unwrap(), &delete_orders, None).await;
    granted.unwrap().into_result().unwrap();
    let asking = context.scope(async {
        delete().await.unwrap();
        let proof = Granted::<order::Delete>::obtain().await.unwrap();
        assert_eq!((size_of_val(&proof), format!("{proof:?}").as_str()), (0, "Granted(order:delete)"));
        assert_eq!(Orders { name: "gone" }.delete(proof).await, "gone");
    });
    asking.await;
}

#[tokio::test]
async fn nobody_asking_is_nobody_let_through() {
    let evaluator = evaluator().await;
    assert!(matches!(read(7).await, Err(Failure::Access(AccessError::NoContext))));
    assert_eq!(code(clerk().await), "no_auth_context");
    let context = ann(&evaluator).await;
    let spawned = context.scope(async {
        let lost = tokio::spawn(any()).await.unwrap();
        assert_eq!(code(lost), "no_auth_context", "a task does not inherit it");
        spawn_with_auth(any()).await.unwrap().unwrap();
        spawn_with_auth(async { spawn_with_auth(any()).await.unwrap() }).await.unwrap().unwrap();
    });
    spawned.await;
    assert_eq!(code(spawn_with_auth(any()).await.unwrap()), "no_auth_context");
    let anonymous = AuthContext::anonymous(evaluator.clone());
    for error in
        [anonymous.clone().scope(any()).await, anonymous.clone().scope(clerk()).await, anonymous.scope(careful()).await]
    {
        assert_eq!(code(error), "missing_credentials");
    }
    let stranger = context_of(&evaluator, "stranger").await;
    assert_eq!(code(stranger.scope(any()).await), "permission_denied");
    // An id that nobody can have been given anything under.
    let odd = context_of(&evaluator, " ann ").await;
    assert_eq!(code(odd.scope(any()).await), "permission_denied");
}

async fn context_of(evaluator: &nebula_auth::rbac::PermissionEvaluator, subject: &str) -> AuthContext {
    context(evaluator, AccessGrant::new(subject)).await
}

#[tokio::test]
async fn two_users_at_once_are_not_mixed_up() {
    let evaluator = evaluator().await;
    let (ann, bob) = (ann(&evaluator).await, context_of(&evaluator, "bob").await);
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let (context, expected) = if number % 2 == 0 { (ann.clone(), true) } else { (bob.clone(), false) };
            tokio::spawn(context.scope(async move {
                tokio::task::yield_now().await;
                assert_eq!(any().await.is_ok(), expected);
            }))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_second_factor_has_to_be_recent() {
    let evaluator = evaluator().await;
    context(&evaluator, mfa(Duration::from_secs(60))).await.scope(careful()).await.unwrap();
    for grant in [mfa(Duration::from_secs(301)), AccessGrant::new("ann")] {
        let error = context(&evaluator, grant).await.scope(careful()).await.unwrap_err();
        assert_eq!((error.code(), error.status()), ("step_up_required", 401));
        assert!(error.challenge().unwrap().contains(r#"max_age="300""#));
    }
    // A proof that lies in the future is none.
    let past = context(&evaluator, mfa(Duration::ZERO)).await.with_clock(Arc::new(ManualClock::at_unix(1_000)));
    assert_eq!(code(past.scope(careful()).await), "step_up_required");
}

#[tokio::test]
async fn tokens_with_scopes_and_chosen_roles_have_less() {
    let evaluator = evaluator().await;
    let limited = context(&evaluator, AccessGrant::new("ann").scopes(["report:*", "Not-A-Pattern"])).await;
    assert_eq!(code(limited.clone().scope(any()).await), "permission_denied");
    assert_eq!(code(limited.scope(clerk()).await), "permission_denied");
    context(&evaluator, AccessGrant::new("ann").scopes(["order:*"])).await.scope(any()).await.unwrap();
    // A scope gives nothing that the user does not have.
    let more = context(&evaluator, AccessGrant::new("ann").scopes(["*"])).await;
    assert_eq!(code(more.scope(delete()).await), "permission_denied");

    let roles = |name: &str| BTreeSet::from([RoleName::new(name).unwrap()]);
    ann(&evaluator).await.with_roles(&roles("lead")).await.unwrap().scope(any()).await.unwrap();
    let none = ann(&evaluator).await.with_roles(&BTreeSet::new()).await.unwrap();
    assert_eq!(code(none.scope(any()).await), "permission_denied");
    assert_eq!(code(ann(&evaluator).await.with_roles(&roles("boss")).await), "permission_denied");
}

#[tokio::test]
async fn requirements_can_be_put_together_by_hand() {
    let evaluator = evaluator().await;
    let context = ann(&evaluator).await;
    let (read, reports) = (Requirement::permission::<order::Read>(), Requirement::permission::<report::Read>());
    context.require(&read.clone().or(reports.clone())).await.unwrap();
    let both = read.and(reports);
    assert_eq!(both.to_string(), "all(order:read, report:read)");
    assert_eq!(code(context.require(&both).await), "permission_denied");
    for empty in [Requirement::All(Vec::new().into()), Requirement::Any(Vec::new().into())] {
        assert_eq!(code(context.require(&empty).await), "permission_denied", "{empty}");
    }
}
