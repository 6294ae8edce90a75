//! An OpenID provider.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa, signature,
};
use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use nebula_auth::oidc::Callback;
use serde_json::{Value, json};

use crate::support::{NOW, RSA_PRIVATE, b64, serve};

pub(super) const CLIENT: &str = "shop";
pub(super) const SECRET: &str = "a+secret/with:odd characters";
pub(super) const REDIRECT: &str = "https://shop.example.test/callback";

/// What codes are exchanged for.
pub(super) const ACCESS: &str = "gho_access-token-1";

/// What a code stands for.
struct Granted {
    nonce: String,
    challenge: String,
    redirect: String,
}

pub(super) type Change = Box<dyn Fn(&mut Value, &mut Value) + Send>;

pub(super) struct Inner {
    pub(super) issuer: String,
    granted: HashMap<String, Granted>,
    pub(super) change: Option<Change>,
    pub(super) methods: Value,
    /// What `/user` says, whoever asks with a token that was given out.
    pub(super) user: Value,
    pub(super) unsigned: bool,
}

#[derive(Clone)]
pub(super) struct Provider(pub(super) Arc<Mutex<Inner>>);

fn rsa_key() -> rsa::KeyPair {
    let body: String = RSA_PRIVATE.lines().filter(|line| !line.starts_with("-----")).collect();
    rsa::KeyPair::from_pkcs8(&STANDARD.decode(body).unwrap()).unwrap()
}

fn jwks() -> Value {
    use signature::KeyPair as _;

    // PKCS#1: a sequence of modulus and exponent, for keys of 2048 bits.
    let key = rsa_key();
    let der = key.public_key().as_ref();
    let (modulus, exponent) = (&der[9..9 + 256], &der[9 + 256..]);
    assert_eq!(exponent, [2, 3, 1, 0, 1]);
    json!({ "keys": [{ "kty": "RSA", "use": "sig", "kid": "r", "n": b64(modulus), "e": "AQAB" }] })
}

fn sign(header: &Value, claims: &Value, unsigned: bool) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    if unsigned {
        return format!("{message}.");
    }
    let key = rsa_key();
    let mut tag = vec![0; key.public_modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut tag).unwrap();
    format!("{message}.{}", b64(tag))
}

impl Provider {
    pub(super) async fn start() -> Self {
        let inner = Inner {
            issuer: String::new(),
            granted: HashMap::new(),
            change: None,
            methods: json!(["S256"]),
            user: json!({ "id": 7, "login": "ann", "email": "ann@example.test" }),
            unsigned: false,
        };
        let provider = Self(Arc::new(Mutex::new(inner)));
        serve(|url| {
            provider.0.lock().unwrap().issuer = url.to_owned();
            Router::new()
                .route("/.well-known/openid-configuration", get(configuration))
                .route("/keys", get(|| async { Json(jwks()) }))
                .route("/token", post(token))
                .route("/user", get(user))
                .route("/sns/token", get(wechat_token))
                .route("/sns/user", get(wechat_user))
                .with_state(provider.clone())
        })
        .await;
        provider
    }

    pub(super) fn issuer(&self) -> String {
        self.0.lock().unwrap().issuer.clone()
    }

    pub(super) fn change(&self, change: impl Fn(&mut Value, &mut Value) + Send + 'static) {
        self.0.lock().unwrap().change = Some(Box::new(change));
    }

    /// What the browser of somebody does who agrees: follows the address, and comes back.
    pub(super) fn agree(&self, address: &str) -> Callback {
        let mut inner = self.0.lock().unwrap();
        let address: reqwest::Url = address.parse().unwrap();
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

async fn configuration(State(provider): State<Provider>) -> Json<Value> {
    let inner = provider.0.lock().unwrap();
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
    let mut inner = provider.0.lock().unwrap();
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
    let mut header = json!({ "alg": "RS256", "kid": "r", "typ": "JWT" });
    let mut claims = json!({
        "iss": inner.issuer, "aud": CLIENT, "sub": "ext-7", "iat": NOW, "exp": NOW + 300, "nonce": granted.nonce,
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
    Json(provider.0.lock().unwrap().user.clone()).into_response()
}

type Asked = axum::extract::Query<HashMap<String, String>>;

/// As WeChat does it: everything in the address, and 200 for every answer.
async fn wechat_token(State(provider): State<Provider>, query: Asked) -> Json<Value> {
    if (query["appid"].as_str(), query["secret"].as_str()) != (CLIENT, SECRET) {
        return Json(json!({ "errcode": 40125, "errmsg": "invalid appsecret" }));
    }
    if provider.0.lock().unwrap().granted.remove(&query["code"]).is_none() {
        return Json(json!({ "errcode": 40029, "errmsg": "invalid code" }));
    }
    Json(json!({ "access_token": ACCESS, "expires_in": 7200, "openid": "o-7", "scope": "snsapi_login" }))
}

async fn wechat_user(State(provider): State<Provider>, query: Asked) -> Json<Value> {
    if query["access_token"] != ACCESS {
        return Json(json!({ "errcode": 40001, "errmsg": "invalid credential" }));
    }
    assert_eq!(query["openid"], "o-7");
    Json(provider.0.lock().unwrap().user.clone())
}

impl Provider {
    /// What a browser does at WeChat, which has no PKCE.
    pub(super) fn agree_at_wechat(&self, address: &str) -> Callback {
        let address: reqwest::Url = address.parse().unwrap();
        assert_eq!(address.fragment(), Some("wechat_redirect"));
        let query: HashMap<String, String> = address.query_pairs().into_owned().collect();
        assert_eq!((query["appid"].as_str(), query["scope"].as_str()), (CLIENT, "snsapi_login"));
        let code = format!("code-of-{}", query["state"]);
        let granted = Granted { nonce: String::new(), challenge: String::new(), redirect: String::new() };
        self.0.lock().unwrap().granted.insert(code.clone(), granted);
        let mut callback = Callback::default();
        callback.state.clone_from(&query["state"]);
        callback.code = Some(code.into());
        callback
    }
}
