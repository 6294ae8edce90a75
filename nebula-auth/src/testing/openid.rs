//! A provider to log in with: OpenID Connect, OAuth 2.0, and what WeChat makes of it, on a port of this machine. Its signatures
//! are real, and it refuses what a real one refuses.
//!
//! ```
//! use nebula_auth::{
//!     oidc::{LoginRequest, OidcClient, OidcSettings},
//!     proof::MemoryProofStore,
//!     testing::openid::{CLIENT, Provider, SECRET},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let provider = Provider::start().await;
//! let settings = OidcSettings::new(provider.issuer(), CLIENT, "https://shop.example/back").client_secret(SECRET);
//! let client = OidcClient::discover(settings, MemoryProofStore::new()).await?;
//! let login = client.begin(LoginRequest::new()).await?;
//! // What the browser brings back when its user agrees.
//! let callback = provider.agree(&login.url);
//! let identity = client.finish(&callback, &login.browser).await?.expect("they agreed");
//! assert_eq!(identity.subject, "ext-7");
//! # Ok::<_, nebula_auth::Error>(())
//! # }).unwrap();
//! ```

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a failing check is meant to panic")]

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa, signature,
};
use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use parking_lot::Mutex;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::oidc::Callback;

/// The one client that it knows.
pub const CLIENT: &str = "shop";
/// Its secret.
pub const SECRET: &str = "a+secret/with:odd characters";

/// Where to be sent back to, for tests without a browser: nobody is there.
pub const REDIRECT: &str = "https://shop.example.test/callback";
/// What codes are exchanged for.
pub const ACCESS: &str = "gho_access-token-1";

/// What a code stands for.
struct Granted {
    nonce: String,
    challenge: String,
    redirect: String,
}

type Change = Box<dyn Fn(&mut Value, &mut Value) + Send>;

struct Inner {
    issuer: String,
    granted: HashMap<String, Granted>,
    change: Option<Change>,
    methods: Value,
    user: Value,
    unsigned: bool,
    now: Option<u64>,
}

/// The provider. Clones are the same one.
#[derive(Clone)]
pub struct Provider(Arc<Mutex<Inner>>);

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

static KEY: LazyLock<rsa::KeyPair> = LazyLock::new(|| rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap());

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn jwks() -> Value {
    use signature::KeyPair as _;

    // PKCS#1: a sequence of modulus and exponent, for keys of 2048 bits.
    let der = KEY.public_key().as_ref();
    let (modulus, exponent) = (&der[9..9 + 256], &der[9 + 256..]);
    assert_eq!(exponent, [2, 3, 1, 0, 1]);
    json!({ "keys": [{ "kty": "RSA", "use": "sig", "kid": "r", "n": b64(modulus), "e": "AQAB" }] })
}

fn sign(header: &Value, claims: &Value, unsigned: bool) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    if unsigned {
        return format!("{message}.");
    }
    let mut tag = vec![0; KEY.public_modulus_len()];
    KEY.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut tag).unwrap();
    format!("{message}.{}", b64(tag))
}

impl Provider {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// If this machine has no port left.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn start() -> Self {
        let inner = Inner {
            issuer: String::new(),
            granted: HashMap::new(),
            change: None,
            methods: json!(["S256"]),
            user: json!({ "id": 7, "login": "ann", "email": "ann@example.test" }),
            unsigned: false,
            now: None,
        };
        let provider = Self(Arc::new(Mutex::new(inner)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        provider.0.lock().issuer = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(configuration))
            .route("/authorize", get(authorize))
            .route("/keys", get(|| async { Json(jwks()) }))
            .route("/token", post(token))
            .route("/user", get(user))
            .route("/sns/token", get(wechat_token))
            .route("/sns/user", get(wechat_user))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        provider
    }

    /// It dates its tokens at this time, in seconds since the epoch, instead of now.
    #[must_use]
    pub fn at(self, now: u64) -> Self {
        self.0.lock().now = Some(now);
        self
    }

    /// Which methods of PKCE it says that it supports.
    pub fn set_methods(&self, methods: Value) {
        self.0.lock().methods = methods;
    }

    /// What it says of its user, to whoever asks with a token that was given out.
    pub fn set_user(&self, user: Value) {
        self.0.lock().user = user;
    }

    /// Whether its tokens bear no signature.
    pub fn set_unsigned(&self, unsigned: bool) {
        self.0.lock().unsigned = unsigned;
    }

    /// How it calls itself, and where it is.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.0.lock().issuer.clone()
    }

    /// Changes the header and the claims of its tokens before they are signed.
    pub fn change(&self, change: impl Fn(&mut Value, &mut Value) + Send + 'static) {
        self.0.lock().change = Some(Box::new(change));
    }

    /// What the browser of somebody does who agrees: follows the address, and comes back.
    ///
    /// # Panics
    ///
    /// If the address is not one that a login has begun with.
    #[must_use]
    pub fn agree(&self, address: &str) -> Callback {
        let mut inner = self.0.lock();
        let address: Url = address.parse().unwrap();
        assert!(address.as_str().starts_with(&format!("{}/authorize?", inner.issuer)));
        let query: HashMap<String, String> = address.query_pairs().into_owned().collect();
        assert_eq!((query["response_type"].as_str(), query["client_id"].as_str()), ("code", CLIENT));
        assert_eq!(query["code_challenge_method"], "S256");
        // Without OpenID Connect there is no nonce.
        assert_eq!(query["scope"].split(' ').any(|scope| scope == "openid"), query.contains_key("nonce"));
        let code = format!("code-of-{}", query["state"]);
        let granted = Granted {
            nonce: query.get("nonce").cloned().unwrap_or_default(),
            challenge: query["code_challenge"].clone(),
            redirect: query["redirect_uri"].clone(),
        };
        inner.granted.insert(code.clone(), granted);
        let mut callback = Callback::default();
        callback.state.clone_from(&query["state"]);
        callback.code = Some(code.into());
        callback.iss = Some(inner.issuer.clone());
        callback
    }
}

/// For browsers: its user agrees at once, and is sent back.
async fn authorize(State(provider): State<Provider>, uri: Uri) -> Redirect {
    let callback = provider.agree(&format!("{}{uri}", provider.issuer()));
    let code = callback.code.unwrap();
    let mut back: Url = provider.0.lock().granted[code.expose_secret()].redirect.parse().unwrap();
    let answer = [("state", &*callback.state), ("code", code.expose_secret()), ("iss", &*callback.iss.unwrap())];
    back.query_pairs_mut().extend_pairs(answer);
    Redirect::to(back.as_str())
}

async fn configuration(State(provider): State<Provider>) -> Json<Value> {
    let inner = provider.0.lock();
    let at = |path: &str| format!("{}/{path}", inner.issuer);
    Json(json!({
        "issuer": inner.issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "jwks_uri": at("keys"),
        "code_challenge_methods_supported": inner.methods,
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let mut inner = provider.0.lock();
    let error = |status: StatusCode, name: &str| (status, Json(json!({ "error": name }))).into_response();
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:a%2Bsecret%2Fwith%3Aodd+characters")));
    let in_header = headers.get("authorization").is_some_and(|value| value.as_bytes() == basic.as_bytes());
    let in_form = form.get("client_secret").is_some_and(|secret| secret == SECRET) && form["client_id"] == CLIENT;
    if !in_header && !in_form {
        return error(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    // A code works once, whatever comes of it.
    let granted = inner.granted.remove(&form["code"]);
    let challenge = b64(digest(&SHA256, form["code_verifier"].as_bytes()));
    let Some(granted) =
        granted.filter(|granted| granted.challenge == challenge && granted.redirect == form["redirect_uri"])
    else {
        return error(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let now = inner.now.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let mut header = json!({ "alg": "RS256", "kid": "r", "typ": "JWT" });
    let mut claims = json!({
        "iss": inner.issuer, "aud": CLIENT, "sub": "ext-7", "iat": now, "exp": now + 300, "nonce": granted.nonce,
        "email": "ann@example.test", "email_verified": true, "name": "Ann",
    });
    if let Some(change) = &inner.change {
        change(&mut header, &mut claims);
    }
    let id_token = sign(&header, &claims, inner.unsigned);
    Json(json!({ "access_token": ACCESS, "token_type": "Bearer", "id_token": id_token })).into_response()
}

async fn user(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    let bearer = format!("Bearer {ACCESS}");
    if headers.get("authorization").is_none_or(|value| value.as_bytes() != bearer.as_bytes())
        || !headers.contains_key("user-agent")
    {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "message": "Bad credentials" }))).into_response();
    }
    Json(provider.0.lock().user.clone()).into_response()
}

type Asked = axum::extract::Query<HashMap<String, String>>;

/// As WeChat does it: everything in the address, and 200 for every answer.
async fn wechat_token(State(provider): State<Provider>, query: Asked) -> Json<Value> {
    if (query["appid"].as_str(), query["secret"].as_str()) != (CLIENT, SECRET) {
        return Json(json!({ "errcode": 40125, "errmsg": "invalid appsecret" }));
    }
    if provider.0.lock().granted.remove(&query["code"]).is_none() {
        return Json(json!({ "errcode": 40029, "errmsg": "invalid code" }));
    }
    Json(json!({ "access_token": ACCESS, "expires_in": 7200, "openid": "o-7", "scope": "snsapi_login" }))
}

async fn wechat_user(State(provider): State<Provider>, query: Asked) -> Json<Value> {
    if query["access_token"] != ACCESS {
        return Json(json!({ "errcode": 40001, "errmsg": "invalid credential" }));
    }
    assert_eq!(query["openid"], "o-7");
    Json(provider.0.lock().user.clone())
}

impl Provider {
    /// What a browser does at WeChat, which has no PKCE.
    ///
    /// # Panics
    ///
    /// If the address is not one that a login has begun with.
    #[must_use]
    pub fn agree_at_wechat(&self, address: &str) -> Callback {
        let address: Url = address.parse().unwrap();
        assert_eq!(address.fragment(), Some("wechat_redirect"));
        let query: HashMap<String, String> = address.query_pairs().into_owned().collect();
        assert_eq!((query["appid"].as_str(), query["scope"].as_str()), (CLIENT, "snsapi_login"));
        let code = format!("code-of-{}", query["state"]);
        let granted = Granted { nonce: String::new(), challenge: String::new(), redirect: String::new() };
        self.0.lock().granted.insert(code.clone(), granted);
        let mut callback = Callback::default();
        callback.state.clone_from(&query["state"]);
        callback.code = Some(code.into());
        callback
    }
}
