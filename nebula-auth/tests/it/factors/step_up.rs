//! Proving oneself once more, and the devices that make it necessary.

use std::{sync::Arc, time::Duration};

use nebula_auth::{
    AccessGrant, AuthMethod, DeviceFingerprint, ErrorKind, ManualClock, MemoryRefreshStore, NewSession, Principal,
    RefreshOptions, RevokeReason, SessionService, StepUpRefusal, TokenService,
    access::{AccessError, AuthContext, Requirement},
    mfa::{FactorProof, SecondFactor as _},
    rbac::{EvaluatorOptions, MemoryRbacStore, PermissionEvaluator},
    secrecy::ExposeSecret as _,
};

use super::{NOW, at, clock, enrolled, tokens, totp};

fn sessions(clock: &ManualClock) -> (SessionService, TokenService) {
    let tokens = tokens(clock);
    let sessions = SessionService::new(tokens.clone(), MemoryRefreshStore::new());
    let tokens = tokens.with_session_check(sessions.session_check());
    (sessions, tokens)
}

fn options() -> RefreshOptions {
    RefreshOptions::new()
}

/// What `#[requires_mfa(within = "5m")]` asks.
async fn recent(principal: &Principal, clock: &ManualClock) -> Result<(), AccessError> {
    let patient = EvaluatorOptions::new().lease(Duration::from_secs(120)).timeout(Duration::from_secs(60));
    let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), patient).await.unwrap();
    let context = AuthContext::new(principal.clone(), evaluator).with_clock(Arc::new(clock.clone()));
    context.require(&Requirement::Mfa(Duration::from_mins(5))).await
}

#[tokio::test]
async fn a_second_factor_opens_what_asks_for_one_for_as_long_as_it_says() {
    let clock = clock();
    let (sessions, tokens) = sessions(&clock);
    let totp = totp(&clock);
    let (app, _) = enrolled(&totp, "ann").await;
    let pair = sessions.start(NewSession::new("ann").methods([AuthMethod::Password]).scopes(["a", "b"])).await.unwrap();
    assert!(matches!(recent(&pair.principal, &clock).await, Err(AccessError::StepUp { .. })));

    clock.set_unix(NOW + 60);
    let proof = totp.check("ann", &app.code(NOW + 60)).await.unwrap().into_result().unwrap();
    let raised = sessions.step_up(&pair.principal, proof, options()).await.unwrap().into_result().unwrap();
    let principal = tokens.verify(raised.token.expose_secret()).await.unwrap().into_result().unwrap();
    assert_eq!(principal, raised.principal);
    assert_eq!(principal.session_id(), pair.principal.session_id());
    assert_eq!(principal.authenticated_at(), Some(at(NOW + 60)));
    assert_eq!(principal.methods(), [AuthMethod::Password, AuthMethod::OneTimeCode, AuthMethod::MultiFactor]);
    assert_eq!(principal.scopes(), ["a", "b"]);
    recent(&principal, &clock).await.unwrap();

    // A refresh carries it on, and prolongs nothing.
    clock.set_unix(NOW + 60 + 300);
    let next = sessions.refresh(&pair.refresh_token, options()).await.unwrap().into_result().unwrap();
    assert_eq!(next.principal.authenticated_at(), Some(at(NOW + 60)));
    recent(&next.principal, &clock).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert!(matches!(recent(&next.principal, &clock).await, Err(AccessError::StepUp { .. })));
}

#[tokio::test]
async fn a_proof_raises_its_own_live_session_and_only_if_it_is_another_factor() {
    let clock = clock();
    let (sessions, _) = sessions(&clock);
    let pair = sessions.start(NewSession::new("ann").methods([AuthMethod::Password])).await.unwrap();
    let code = || FactorProof::vouched("ann", AuthMethod::OneTimeCode);
    for (proof, refusal) in [
        (FactorProof::vouched("bob", AuthMethod::OneTimeCode), StepUpRefusal::OtherSubject),
        (FactorProof::vouched("ann", AuthMethod::Password), StepUpRefusal::SameFactor),
        (FactorProof::vouched("ann", AuthMethod::Federated), StepUpRefusal::SameFactor),
    ] {
        let outcome = sessions.step_up(&pair.principal, proof, options()).await.unwrap();
        assert_eq!(outcome.into_result().unwrap_err(), refusal);
    }
    // A token without a session has none to raise.
    let lone = tokens(&clock).issue(&AccessGrant::new("ann")).unwrap().principal;
    let outcome = sessions.step_up(&lone, code(), options()).await.unwrap();
    assert_eq!(outcome.into_result().unwrap_err(), StepUpRefusal::SessionRevoked);
    // A login by code is raised by a password.
    let by_code = sessions.start(NewSession::new("ann").methods([AuthMethod::OneTimeCode])).await.unwrap();
    let password = FactorProof::vouched("ann", AuthMethod::Password);
    sessions.step_up(&by_code.principal, password, options()).await.unwrap().into_result().unwrap();
    // One by a code and a code is refused, unless it had two factors to begin with: then either is shown again.
    let by_code = sessions.start(NewSession::new("ann").methods([AuthMethod::OneTimeCode])).await.unwrap();
    let outcome = sessions.step_up(&by_code.principal, code(), options()).await.unwrap();
    assert_eq!(outcome.into_result().unwrap_err(), StepUpRefusal::SameFactor);
    let strong = [AuthMethod::OneTimeCode, AuthMethod::MultiFactor];
    let strong = sessions.start(NewSession::new("ann").methods(strong)).await.unwrap();
    sessions.step_up(&strong.principal, code(), options()).await.unwrap().into_result().unwrap();
    // Scopes are narrowed, not widened.
    let narrow =
        sessions.start(NewSession::new("ann").methods([AuthMethod::Password]).scopes(["a", "b"])).await.unwrap();
    let wider = sessions.step_up(&narrow.principal, code(), options().scopes(["a", "c"])).await.unwrap_err();
    assert_eq!(wider.kind(), ErrorKind::InvalidInput);
    let raised = sessions.step_up(&narrow.principal, code(), options().scopes(["a"])).await.unwrap();
    assert_eq!(raised.into_result().unwrap().principal.scopes(), ["a"]);
    sessions.revoke(pair.principal.session_id().unwrap(), RevokeReason::Logout).await.unwrap();
    let outcome = sessions.step_up(&pair.principal, code(), options()).await.unwrap();
    assert_eq!(outcome.into_result().unwrap_err(), StepUpRefusal::SessionRevoked);
}

#[tokio::test]
async fn another_device_has_to_prove_itself_once_more() {
    let clock = clock();
    let (sessions, _) = sessions(&clock);
    let (home, other) = (DeviceFingerprint::of("home"), DeviceFingerprint::of("other"));
    let strong = || [AuthMethod::Password, AuthMethod::OneTimeCode, AuthMethod::MultiFactor];
    let first = sessions.start(NewSession::new("ann").methods(strong()).device(home)).await.unwrap();
    assert!(!first.device_changed);
    recent(&first.principal, &clock).await.unwrap();
    let second = sessions.refresh(&first.refresh_token, options().device(home)).await.unwrap().into_result().unwrap();
    assert!(!second.device_changed);
    recent(&second.principal, &clock).await.unwrap();

    // It goes on, for a fingerprint proves nothing, but what was proven does not go with it.
    for device in [Some(other), None] {
        let pair = sessions.start(NewSession::new("ann").methods(strong()).device(home)).await.unwrap();
        let options = device.map_or_else(options, |device| options().device(device));
        let moved = sessions.refresh(&pair.refresh_token, options).await.unwrap().into_result().unwrap();
        assert!(moved.device_changed);
        assert_eq!((moved.principal.authenticated_at(), moved.principal.methods().len()), (None, 0));
        assert!(matches!(recent(&moved.principal, &clock).await, Err(AccessError::StepUp { .. })));
    }

    // Once it has proven itself, it is the session's device.
    let moved = sessions.refresh(&second.refresh_token, options().device(other)).await.unwrap().into_result().unwrap();
    let proof = FactorProof::vouched("ann", AuthMethod::OneTimeCode);
    let raised = sessions.step_up(&moved.principal, proof, options().device(other)).await.unwrap();
    recent(&raised.into_result().unwrap().principal, &clock).await.unwrap();
    let settled = sessions.refresh(&moved.refresh_token, options().device(other)).await.unwrap().into_result().unwrap();
    assert!(!settled.device_changed);
    recent(&settled.principal, &clock).await.unwrap();
    assert_eq!(sessions.sessions_of("ann").await.unwrap().iter().filter(|s| s.device == Some(other)).count(), 1);
}
