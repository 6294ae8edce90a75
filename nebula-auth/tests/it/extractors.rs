//! The extractors, driven as a router drives them.

use std::time::Duration;

use crate::support::*;
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::FromRef,
    http::{Request, Response, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use nebula_auth::{
    Error, MemoryRefreshStore, NewSession, Principal, RevokeReason, SessionCheck, SessionService, SessionStatus,
    TokenRefusal, TokenService,
    axum::{AuthRefusal, AuthRejection, Authenticated, MaybeAuthenticated},
    secrecy::ExposeSecret as _,
};
use serde_json::Value;
use tower::ServiceExt as _;

#[derive(Clone, FromRef)]
struct App {
    tokens: TokenService,
}

/// An application's own error type, with its own shape of problem.
struct Problem(AuthRejection);

impl From<AuthRejection> for Problem {
    fn from(rejection: AuthRejection) -> Self {
        Self(rejection)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        let challenge = self.0.www_authenticate().map(|value| [(header::WWW_AUTHENTICATE, value)]);
        (self.0.status(), challenge, format!("own:{}", self.0.code())).into_response()
    }
}

async fn own(caller: Result<Authenticated, AuthRejection>) -> Result<String, Problem> {
    let Authenticated(principal) = caller?;
    Ok(principal.subject().to_owned())
}

fn app(tokens: TokenService) -> Router {
    Router::new()
        .route("/me", get(|Authenticated(principal): Authenticated| async move { principal.subject().to_owned() }))
        .route("/maybe", get(|MaybeAuthenticated(principal): MaybeAuthenticated| async move { name(principal) }))
        .route(
            "/option",
            get(|caller: Option<Authenticated>| async move { name(caller.map(|Authenticated(principal)| principal)) }),
        )
        .route("/own", get(own))
        .with_state(App { tokens })
}

fn name(principal: Option<Principal>) -> String {
    principal.map_or_else(|| "nobody".to_owned(), |principal| principal.subject().to_owned())
}

async fn send(tokens: &TokenService, uri: &str, credentials: &[&[u8]]) -> Response<Body> {
    let mut request = Request::get(uri);
    for value in credentials {
        request = request.header(header::AUTHORIZATION, header::HeaderValue::from_bytes(value).unwrap());
    }
    app(tokens.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 16).await.unwrap().to_vec()).unwrap()
}

fn challenge(response: &Response<Body>) -> &str {
    response.headers().get(header::WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap())
}

fn good() -> String {
    forge_claims(claims().to_string())
}

/// Status, code and challenge of a refusal, after checking what all refusals have in common.
async fn refused(tokens: &TokenService, uri: &str, credentials: &[&[u8]]) -> (StatusCode, String, String) {
    let response = send(tokens, uri, credentials).await;
    let (status, challenge) = (response.status(), challenge(&response).to_owned());
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let body: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body["status"], status.as_u16());
    assert!(body["title"].is_string() && body["detail"].is_string() && body["type"] == "about:blank");
    (status, body["code"].as_str().unwrap().to_owned(), challenge)
}

#[tokio::test]
async fn a_good_token_reaches_the_handler() {
    let (tokens, _) = service();
    for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer   "] {
        for uri in ["/me", "/maybe", "/option", "/own"] {
            let response = send(&tokens, uri, &[format!("{scheme}{}", good()).as_bytes()]).await;
            assert_eq!(response.status(), StatusCode::OK, "{scheme}{uri}");
            assert_eq!(text(response).await, "10001");
        }
    }
}

#[tokio::test]
async fn no_credentials_are_a_bare_challenge_or_nobody() {
    let (tokens, _) = service();
    let (status, code, challenge) = refused(&tokens, "/me", &[]).await;
    assert_eq!(
        (status, code.as_str(), challenge.as_str()),
        (StatusCode::UNAUTHORIZED, "missing_credentials", "Bearer")
    );
    // A token in the query is not a credential.
    let uri = format!("/me?access_token={}", good());
    assert_eq!(refused(&tokens, &uri, &[]).await.1, "missing_credentials");
    for uri in ["/maybe", "/option"] {
        assert_eq!(text(send(&tokens, uri, &[]).await).await, "nobody");
    }
}

#[tokio::test]
async fn malformed_credentials_are_refused_everywhere() {
    let (tokens, _) = service();
    let good = good();
    let malformed: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"Bearer".to_vec(),
        b"Bearer ".to_vec(),
        b"Bearer  ".to_vec(),
        b"Bearer a b".to_vec(),
        b"Bearer a,b".to_vec(),
        b"Bearer \"a\"".to_vec(),
        b"Bearer \xff\xfe".to_vec(),
        format!("Bearer\t{good}").into_bytes(),
        format!("Bearer {good} ").into_bytes(),
        format!("Bearer {good}, Bearer {good}").into_bytes(),
        format!("Bearer: {good}").into_bytes(),
        good.clone().into_bytes(),
        b"Basic Zm9vOmJhcg==".to_vec(),
        format!("Token {good}").into_bytes(),
        format!("Bearerx {good}").into_bytes(),
    ];
    for value in malformed {
        for uri in ["/me", "/maybe", "/option"] {
            let (status, code, challenge) = refused(&tokens, uri, &[&value]).await;
            let shown = String::from_utf8_lossy(&value);
            assert_eq!((status, code.as_str()), (StatusCode::UNAUTHORIZED, "malformed_credentials"), "{shown}");
            assert!(challenge.starts_with("Bearer"), "{shown}: {challenge}");
        }
    }
}

#[tokio::test]
async fn two_credentials_are_ambiguous() {
    let (tokens, _) = service();
    let (bearer, other) =
        (format!("Bearer {}", good()), format!("Bearer {}", forge_claims(claims_with("sub", "1".into()))));
    let twice: [&[&[u8]]; 3] = [
        &[bearer.as_bytes(), other.as_bytes()],
        &[bearer.as_bytes(), bearer.as_bytes()],
        &[b"Basic Zm9vOmJhcg==", bearer.as_bytes()],
    ];
    for credentials in twice {
        for uri in ["/me", "/maybe", "/option"] {
            let (status, code, challenge) = refused(&tokens, uri, credentials).await;
            assert_eq!((status, code.as_str()), (StatusCode::BAD_REQUEST, "ambiguous_credentials"));
            assert!(challenge.starts_with(r#"Bearer error="invalid_request""#), "{challenge}");
        }
    }
    for query in ["access_token=x", "a=1&access_token=x", "access_token", "access_token=&a=1"] {
        let (status, code, _) = refused(&tokens, &format!("/me?{query}"), &[bearer.as_bytes()]).await;
        assert_eq!((status, code.as_str()), (StatusCode::BAD_REQUEST, "ambiguous_credentials"), "{query}");
    }
    let response = send(&tokens, "/me?xaccess_token=1&q=access_token", &[bearer.as_bytes()]).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn refused_tokens_name_their_reason() {
    let (tokens, _) = service();
    let cases = [
        (forge_claims(claims_with("exp", (NOW - 100).into())), "expired"),
        (forge_claims(claims_with("aud", "billing".into())), "wrong_audience"),
        (forge_claims(claims_with("exp", Value::Null)), "missing_claim"),
        (
            forge_with(b"another secret of sufficient length", header("HS256", "h"), claims().to_string()),
            "bad_signature",
        ),
        ("abc".to_owned(), "malformed_token"),
        ("A".repeat(10_000), "token_too_large"),
    ];
    for (token, reason) in cases {
        for uri in ["/me", "/maybe", "/option"] {
            let (status, code, challenge) = refused(&tokens, uri, &[format!("Bearer {token}").as_bytes()]).await;
            assert_eq!((status, code.as_str()), (StatusCode::UNAUTHORIZED, reason));
            assert!(challenge.starts_with(r#"Bearer error="invalid_token", error_description=""#), "{challenge}");
        }
    }
}

#[tokio::test]
async fn applications_keep_their_own_errors() {
    let (tokens, _) = service();
    let response = send(&tokens, "/own", &[b"Bearer abc"]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&response).contains("invalid_token"));
    assert_eq!(text(response).await, "own:malformed_token");
    let rejection = AuthRejection::from(AuthRefusal::from(TokenRefusal::Expired));
    assert_eq!((rejection.code(), rejection.refusal()), ("expired", AuthRefusal::Token(TokenRefusal::Expired)));
    assert_eq!(rejection.to_string(), "the token has expired");
}

#[tokio::test]
async fn a_logout_ends_the_access_token_with_the_next_request() {
    let (tokens, clock) = service();
    let sessions = SessionService::new(tokens.clone(), MemoryRefreshStore::new());
    let tokens = tokens.with_session_check(sessions.session_check());
    let pair = sessions.start(NewSession::new("ann")).await.unwrap();
    let bearer = format!("Bearer {}", pair.access_token.expose_secret());
    assert_eq!(send(&tokens, "/me", &[bearer.as_bytes()]).await.status(), StatusCode::OK);
    sessions.revoke(pair.principal.session_id().unwrap(), RevokeReason::Logout).await.unwrap();
    assert_eq!(refused(&tokens, "/me", &[bearer.as_bytes()]).await.1, "token_revoked");
    clock.advance(Duration::from_secs(8000));
    assert_eq!(refused(&tokens, "/me", &[bearer.as_bytes()]).await.1, "expired");
}

#[tokio::test]
async fn nobody_gets_in_while_the_session_store_is_away() {
    #[derive(Debug)]
    struct Away;

    #[async_trait]
    impl SessionCheck for Away {
        async fn check(&self, _: &Principal) -> Result<SessionStatus, Error> {
            Err(Error::unavailable("the session store does not answer", "connection refused to 10.1.2.3"))
        }
    }

    #[derive(Debug)]
    struct Disabled;

    #[async_trait]
    impl SessionCheck for Disabled {
        async fn check(&self, _: &Principal) -> Result<SessionStatus, Error> {
            Ok(SessionStatus::SubjectInactive)
        }
    }

    let (tokens, _) = service();
    let bearer = format!("Bearer {}", good());
    for uri in ["/me", "/maybe", "/option"] {
        let away = tokens.clone().with_session_check(Away);
        let response = send(&away, uri, &[bearer.as_bytes()]).await;
        assert_eq!((response.status(), challenge(&response)), (StatusCode::SERVICE_UNAVAILABLE, ""));
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let body = text(response).await;
        assert!(body.contains("auth_unavailable") && !body.contains("10.1.2.3"), "{body}");
        let disabled = tokens.clone().with_session_check(Disabled);
        assert_eq!(refused(&disabled, uri, &[bearer.as_bytes()]).await.1, "user_not_active");
    }
}
