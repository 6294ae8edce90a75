//! Published keys.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Response, header::LOCATION},
    routing::get,
};
use nebula_auth::{
    AccessGrant, Algorithm, ErrorKind, KeySet, SigningKey, TokenRefusal, TokenService,
    remote::{HttpKeys, RemoteKeys},
    secrecy::ExposeSecret as _,
};
use serde_json::{Value, json};

use crate::support::serve;

const PATIENT: Duration = Duration::from_secs(60);

#[derive(Clone)]
enum Answer {
    Text(String),
    Status(u16),
    Redirect(String),
    Endless,
    Silence,
}

#[derive(Clone)]
struct Server {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
    url: String,
}

impl Server {
    async fn start(answer: Answer) -> Self {
        let (answer, asked) = (Arc::new(Mutex::new(answer)), Arc::<AtomicUsize>::default());
        let (answers, asks) = (Arc::clone(&answer), Arc::clone(&asked));
        let handler = move || {
            asks.fetch_add(1, Ordering::SeqCst);
            let answer = answers.lock().unwrap().clone();
            async move {
                let response = Response::builder();
                match answer {
                    Answer::Text(text) => response.body(Body::from(text)).unwrap(),
                    Answer::Status(status) => response.status(status).body(Body::from("{}")).unwrap(),
                    Answer::Redirect(to) => response.status(302).header(LOCATION, to).body(Body::empty()).unwrap(),
                    Answer::Endless => {
                        response.body(Body::from(format!("{{\"keys\":[{}]}}", " ".repeat(1 << 20)))).unwrap()
                    }
                    Answer::Silence => std::future::pending().await,
                }
            }
        };
        let url = serve(|_| Router::new().route("/keys", get(handler))).await;
        Self { answer, asked, url: format!("{url}/keys") }
    }

    fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Asks whenever it has a reason to.
    fn keys(&self) -> RemoteKeys {
        RemoteKeys::new(HttpKeys::new(&self.url).unwrap(), [Algorithm::EdDSA, Algorithm::ES256])
            .with_limits(Duration::ZERO, PATIENT)
    }
}

fn issuer(keys: &[&SigningKey]) -> (TokenService, Answer) {
    let mut set = KeySet::new(keys[0].clone());
    for key in &keys[1..] {
        set = set.with_verifying(key.verifying_key().clone()).unwrap();
    }
    let text = set.jwks().to_string();
    (TokenService::new(set, "issuer", "audience").unwrap(), Answer::Text(text))
}

fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA, kid).unwrap()
}

fn verifier(keys: RemoteKeys) -> TokenService {
    TokenService::new(KeySet::empty(), "issuer", "audience").unwrap().with_remote_keys(keys)
}

async fn subject(verifier: &TokenService, token: &str) -> Result<String, TokenRefusal> {
    verifier.verify(token).await.unwrap().into_result().map(|principal| principal.subject().to_owned())
}

fn token(issuer: &TokenService) -> String {
    issuer.issue(&AccessGrant::new("ann")).unwrap().token.expose_secret().to_owned()
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_a_token_names_a_new_one() {
    let (old, new) = (key("old"), key("new"));
    let (first, published) = issuer(&[&old]);
    let server = Server::start(published).await;
    let verifier = verifier(server.keys()).with_verified_cache(100).unwrap();
    let kept = token(&first);
    for _ in 0..10 {
        assert_eq!(subject(&verifier, &kept).await.unwrap(), "ann");
    }
    assert_eq!(server.asked(), 1);
    // The issuer rotates: for a while with both keys, then with the new one alone.
    let (second, both) = issuer(&[&new, &old]);
    server.set(both);
    assert_eq!(subject(&verifier, &token(&second)).await.unwrap(), "ann");
    assert_eq!(subject(&verifier, &kept).await.unwrap(), "ann");
    assert_eq!(server.asked(), 2);
    let newest = key("newest");
    let (third, alone) = issuer(&[&newest]);
    server.set(alone);
    assert_eq!(subject(&verifier, &token(&third)).await.unwrap(), "ann");
    // What was remembered is forgotten with its key.
    assert_eq!(subject(&verifier, &kept).await.unwrap_err(), TokenRefusal::UnknownKey);
}

#[tokio::test]
async fn made_up_key_ids_cause_few_requests_and_many_at_once_cause_one() {
    let (issuing, published) = issuer(&[&key("k")]);
    let server = Server::start(published).await;
    let keys = server.keys().with_limits(Duration::from_secs(3600), PATIENT);
    let verifier = verifier(keys);
    let good = token(&issuing);
    let first: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, good) = (verifier.clone(), good.clone());
            tokio::spawn(async move { subject(&verifier, &good).await.unwrap() })
        })
        .collect();
    for task in first {
        assert_eq!(task.await.unwrap(), "ann");
    }
    for number in 0..50 {
        let (forger, _) = issuer(&[&key(&format!("../../{number}"))]);
        assert_eq!(subject(&verifier, &token(&forger)).await.unwrap_err(), TokenRefusal::UnknownKey);
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_changes_nothing() {
    let (issuing, published) = issuer(&[&key("k")]);
    let (evil, _) = issuer(&[&key("evil")]);
    let server = Server::start(published.clone()).await;
    let verifier = verifier(server.keys().with_limits(Duration::ZERO, Duration::from_secs(2)));
    let good = token(&issuing);
    assert_eq!(subject(&verifier, &good).await.unwrap(), "ann");
    let other = Server::start(issuer(&[&key("evil")]).1).await;
    let many: Vec<Value> =
        (0..40).map(|number| issuer(&[&key(&format!("k{number}"))]).0.keys().jwks()["keys"][0].clone()).collect();
    for answer in [
        Answer::Status(500),
        Answer::Status(404),
        Answer::Redirect(other.url.clone()),
        Answer::Text(String::new()),
        Answer::Text("<html>".to_owned()),
        Answer::Text("[]".to_owned()),
        Answer::Text("{\"keys\":7}".to_owned()),
        Answer::Text("{\"keys\":[]}".to_owned()),
        Answer::Text("{\"keys\":[],\"keys\":[]}".to_owned()),
        Answer::Text(json!({ "keys": many }).to_string()),
        Answer::Text(json!({ "keys": [{ "kty": "oct", "kid": "evil", "k": "AAAA" }] }).to_string()),
        Answer::Endless,
        Answer::Silence,
    ] {
        server.set(answer);
        let refusal = subject(&verifier, &token(&evil)).await.unwrap_err();
        assert_eq!(refusal, TokenRefusal::UnknownKey);
        assert_eq!(subject(&verifier, &good).await.unwrap(), "ann");
    }
    assert_eq!(other.asked(), 0, "redirects are not followed");
}

#[tokio::test]
async fn nobody_gets_in_before_there_are_keys_and_after_they_are_too_old() {
    let (issuing, published) = issuer(&[&key("k")]);
    let server = Server::start(Answer::Status(503)).await;
    let keys = server.keys().with_ages(Duration::ZERO, Duration::from_secs(3600));
    let verifier_of = verifier(keys.clone());
    let good = token(&issuing);
    let error = verifier_of.verify(&good).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
    server.set(published);
    assert_eq!(subject(&verifier_of, &good).await.unwrap(), "ann");
    // Old ones go on for a while, and no longer.
    server.set(Answer::Status(503));
    assert_eq!(subject(&verifier_of, &good).await.unwrap(), "ann");
    let gone = verifier(keys.with_ages(Duration::ZERO, Duration::ZERO));
    assert_eq!(gone.verify(&good).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_cost_the_others_their_keys() {
    let (issuing, published) = issuer(&[&key("k")]);
    let server = Server::start(published).await;
    let verifier = verifier(server.keys().with_limits(Duration::from_secs(3600), PATIENT));
    let good = token(&issuing);
    // Dropped at its first wait.
    let mut first = Box::pin(verifier.verify(&good));
    assert!(std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context).is_pending())).await);
    drop(first);
    assert_eq!(subject(&verifier, &good).await.unwrap(), "ann");
    assert_eq!(server.asked(), 1);
}

use std::future::Future as _;

#[tokio::test]
async fn refresh_tokens_are_not_looked_up_in_remote_keys() {
    use nebula_auth::{MemoryRefreshStore, NewSession, RefreshOptions, RefreshRefusal, SessionService};

    let (issuing, published) = issuer(&[&key("k")]);
    let server = Server::start(published).await;
    let store = MemoryRefreshStore::new();
    let pair = SessionService::new(issuing, store.clone()).start(NewSession::new("ann")).await.unwrap();
    let own = TokenService::new(KeySet::new(key("own")), "issuer", "audience").unwrap();
    let own = own.with_remote_keys(server.keys());
    assert_eq!(subject(&own, pair.access_token.expose_secret()).await.unwrap(), "ann");
    let sessions = SessionService::new(own, store);
    let outcome = sessions.refresh(&pair.refresh_token, RefreshOptions::new()).await.unwrap().into_result();
    assert_eq!(outcome.unwrap_err(), RefreshRefusal::Token(TokenRefusal::UnknownKey));
}

#[test]
fn keys_come_over_tls_or_from_this_machine() {
    for bad in
        ["http://example.org/keys", "ftp://localhost/keys", "file:///etc/passwd", "https://a:b@example.org/", "x"]
    {
        assert_eq!(HttpKeys::new(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
    }
}
