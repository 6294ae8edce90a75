//! Issues and verifies access tokens.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::RwLock;
use secrecy::SecretString;

use super::{
    AccessGrant, AuthMethod, Principal, SessionCheck, SessionStatus, TokenRefusal,
    cache::VerifiedTokens,
    claims::{Claims, Expectation, id_text, scope_token, scopes_text},
    header::TokenType,
    jws,
};
use crate::{
    clock::{Clock, SystemClock, unix_seconds},
    error::{Error, ErrorKind},
    key::KeySet,
    random,
    remote::RemoteKeys,
    telemetry,
};

/// The longest life an access token may have, issued or accepted: one day.
pub(crate) const MAX_ACCESS_TTL: Duration = Duration::from_hours(24);
const DEFAULT_ACCESS_TTL: Duration = Duration::from_hours(2);
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
const MAX_LEEWAY: Duration = Duration::from_secs(60);

/// What [`TokenService::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The token is good; this is who it speaks for.
    Accepted(Principal),
    /// The token is not accepted.
    Refused(TokenRefusal),
}

impl Verdict {
    /// The principal of an accepted token.
    ///
    /// # Errors
    /// The reason, for a refused one.
    pub fn into_result(self) -> Result<Principal, TokenRefusal> {
        match self {
            Self::Accepted(principal) => Ok(principal),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// A new access token and what it says.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token, to be handed to the client.
    pub token: SecretString,
    /// What a verifier will read from it.
    pub principal: Principal,
}

/// Issues and verifies access tokens. Clones are cheap and share keys and settings.
///
/// ```
/// use nebula_auth::{AccessGrant, Algorithm, KeySet, SigningKey, TokenService, secrecy::ExposeSecret};
///
/// # fn main() -> Result<(), nebula_auth::Error> {
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let keys = KeySet::new(SigningKey::generate(Algorithm::EdDSA, "2026-11")?);
/// let tokens = TokenService::new(keys, "https://auth.example.org", "orders-api")?;
///
/// let issued = tokens.issue(&AccessGrant::new("10001"))?;
/// let principal = tokens.verify(issued.token.expose_secret()).await?.into_result().unwrap();
/// assert_eq!(principal.subject(), "10001");
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct TokenService {
    keys: Arc<RwLock<(u64, Arc<KeySet>)>>,
    settings: Arc<Settings>,
}

#[derive(Debug, Clone)]
struct Settings {
    issuer: String,
    audience: String,
    access_ttl: Duration,
    leeway: Duration,
    clock: Arc<dyn Clock>,
    check: Option<Arc<dyn SessionCheck>>,
    remote: Option<RemoteKeys>,
    verified: Option<Arc<VerifiedTokens>>,
}

impl TokenService {
    /// A service that signs as `issuer` for `audience`, and accepts nothing else.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if either is empty: tokens of nobody for everybody are what
    /// most token mix-ups are made of.
    pub fn new(keys: KeySet, issuer: impl Into<String>, audience: impl Into<String>) -> Result<Self, Error> {
        let (issuer, audience) = (issuer.into(), audience.into());
        for (name, value) in [("issuer", &issuer), ("audience", &audience)] {
            if value.trim().is_empty() {
                return Err(Error::config(format!(
                    "the token {name} is not set; set nebula.auth.jwt.{name} (tokens are checked against it)"
                )));
            }
        }
        let settings = Settings {
            issuer,
            audience,
            access_ttl: DEFAULT_ACCESS_TTL,
            leeway: DEFAULT_LEEWAY,
            clock: Arc::new(SystemClock),
            check: None,
            remote: None,
            verified: None,
        };
        Ok(Self { keys: Arc::new(RwLock::new((0, Arc::new(keys)))), settings: Arc::new(settings) })
    }

    /// How long access tokens live. Default: 2 hours.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for less than a second or more than 24 hours.
    pub fn with_access_ttl(mut self, ttl: Duration) -> Result<Self, Error> {
        if ttl < Duration::from_secs(1) || ttl > MAX_ACCESS_TTL {
            return Err(Error::config("the life of an access token must be between 1 second and 24 hours"));
        }
        Arc::make_mut(&mut self.settings).access_ttl = ttl;
        Ok(self)
    }

    /// How far the clocks of issuer and verifier may differ. Default: 5 seconds.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for more than a minute.
    pub fn with_leeway(mut self, leeway: Duration) -> Result<Self, Error> {
        if leeway > MAX_LEEWAY {
            return Err(Error::config("the leeway for clocks must be at most 60 seconds"));
        }
        Arc::make_mut(&mut self.settings).leeway = leeway;
        Ok(self)
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        Arc::make_mut(&mut self.settings).clock = Arc::new(clock);
        self
    }

    /// Asks `check` about every token that is otherwise good, so that revocation takes effect before expiry.
    #[must_use]
    pub fn with_session_check(mut self, check: impl SessionCheck) -> Self {
        Arc::make_mut(&mut self.settings).check = Some(Arc::new(check));
        self
    }

    /// Accepts access tokens that were signed with the keys that an issuer publishes, too. Refresh tokens are never
    /// looked up there.
    ///
    /// ```
    /// use nebula_auth::{Algorithm, KeySet, TokenService, remote::{KeyFetch, RemoteKeys}};
    ///
    /// # fn service(published: impl KeyFetch) -> Result<TokenService, nebula_auth::Error> {
    /// let keys = RemoteKeys::new(published, [Algorithm::EdDSA, Algorithm::ES256]);
    /// Ok(TokenService::new(KeySet::empty(), "https://auth.example.org", "orders-api")?.with_remote_keys(keys))
    /// # }
    /// ```
    #[must_use]
    pub fn with_remote_keys(mut self, keys: RemoteKeys) -> Self {
        Arc::make_mut(&mut self.settings).remote = Some(keys);
        self
    }

    /// Remembers up to twice so many tokens whose signature was good, by their SHA-256, so that the next request with
    /// the same one costs a hash instead of a signature. Expiry and revocation are checked every time; a change of keys
    /// forgets them all.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for none or more than ten million.
    pub fn with_verified_cache(mut self, capacity: usize) -> Result<Self, Error> {
        if !(1..=10_000_000).contains(&capacity) {
            return Err(Error::config("the cache of verified tokens holds 1 to 10000000 tokens"));
        }
        Arc::make_mut(&mut self.settings).verified = Some(Arc::new(VerifiedTokens::new(capacity)));
        Ok(self)
    }

    /// Replaces the keys, for this handle and all its clones. Keep the previous key verifying until its last token
    /// has expired.
    pub fn set_keys(&self, keys: KeySet) {
        let mut current = self.keys.write();
        *current = (current.0 + 1, Arc::new(keys));
    }

    /// The keys in use; [`KeySet::jwks`] publishes them.
    #[must_use]
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read().1)
    }

    /// How long access tokens live.
    #[must_use]
    pub fn access_ttl(&self) -> Duration {
        self.settings.access_ttl
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.settings.clock
    }

    /// Issues an access token.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the grant holds an empty or over-long id or a malformed scope or method;
    /// [`ErrorKind::Config`] if no key signs.
    pub fn issue(&self, grant: &AccessGrant) -> Result<IssuedToken, Error> {
        let now = unix_seconds(self.settings.clock.now());
        let mut words = grant.scopes.iter().map(String::as_str).chain(grant.methods.iter().map(AuthMethod::as_str));
        let ids = [Some(grant.subject.as_str()), grant.session_id.as_deref()];
        if !ids.into_iter().flatten().all(id_text) || !words.all(scope_token) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a token needs a subject of 1 to 256 bytes without control characters, a session id likewise, and \
                 scopes and methods of printable ASCII without spaces",
            ));
        }
        let claims = Claims {
            jti: random::public_id(),
            sid: grant.session_id.clone(),
            pv: grant.permission_version,
            scope: (!grant.scopes.is_empty()).then(|| grant.scopes.join(" ")),
            auth_time: grant.authenticated_at.map(unix_seconds),
            amr: grant.methods.iter().map(|method| method.as_str().to_owned()).collect(),
            ..self.claims(grant.subject.clone(), now, now.saturating_add(self.settings.access_ttl.as_secs()))
        };
        let token = self.sign(TokenType::Access, &claims)?;
        if token.len() > jws::MAX_TOKEN_BYTES || claims.scope.as_ref().is_some_and(|scope| !scopes_text(scope)) {
            return Err(Error::new(ErrorKind::InvalidInput, "a token may hold at most 64 scopes and 8 KiB in all"));
        }
        telemetry::token_issued();
        let principal =
            Principal::from_claims(claims).ok_or_else(|| Error::internal("the clock is beyond what a time can be"))?;
        Ok(IssuedToken { token: token.into(), principal })
    }

    /// Verifies an access token: envelope, key, signature, type, names, times, and then the session check, if one is
    /// set.
    ///
    /// # Errors
    /// Only if the session check cannot answer, or remote keys cannot be had. Do not let the request pass then.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn verify(&self, token: &str) -> Result<Verdict, Error> {
        let mut found = match &self.settings.remote {
            None => self.verify_offline(token),
            Some(remote) => {
                remote.keep_fresh().await.inspect_err(telemetry::check_failed)?;
                self.verify_offline(token)
            }
        };
        if let (Err(TokenRefusal::UnknownKey), Some(remote)) = (&found, &self.settings.remote)
            && remote.look_again().await
        {
            found = self.verify_offline(token);
        }
        let verdict = match (found, &self.settings.check) {
            (Ok(principal), Some(check)) => match check.check(&principal).await.inspect_err(telemetry::check_failed)? {
                SessionStatus::Active => Verdict::Accepted(principal),
                SessionStatus::Revoked => Verdict::Refused(TokenRefusal::Revoked),
                SessionStatus::SubjectInactive => Verdict::Refused(TokenRefusal::SubjectInactive),
            },
            (Ok(principal), None) => Verdict::Accepted(principal),
            (Err(refusal), _) => Verdict::Refused(refusal),
        };
        telemetry::token_verified(&verdict);
        Ok(verdict)
    }

    /// Everything that [`verify`](Self::verify) does except the session check: a revoked token passes.
    ///
    /// # Errors
    /// The reason for which the token is refused.
    pub fn verify_offline(&self, token: &str) -> Result<Principal, TokenRefusal> {
        let Some(cache) = self.settings.verified.as_ref().filter(|_| token.len() <= jws::MAX_TOKEN_BYTES) else {
            return self.verify_signature(token);
        };
        // What is read first can only be older than the keys that verify.
        let generation = (self.keys.read().0, self.settings.remote.as_ref().map_or(0, RemoteKeys::generation));
        let key = VerifiedTokens::key(token);
        if let Some(known) = cache.find(&key, generation, self.settings.clock.now(), self.settings.leeway) {
            return Ok(known);
        }
        let principal = self.verify_signature(token)?;
        cache.insert(key, generation, principal.clone());
        Ok(principal)
    }

    fn verify_signature(&self, token: &str) -> Result<Principal, TokenRefusal> {
        let claims = self.open(token, TokenType::Access, MAX_ACCESS_TTL)?;
        Principal::from_claims(claims).ok_or(TokenRefusal::MalformedClaims)
    }

    /// The claims common to all tokens of this issuer.
    pub(crate) fn claims(&self, subject: String, now: u64, exp: u64) -> Claims {
        Claims {
            iss: self.settings.issuer.clone(),
            audiences: vec![self.settings.audience.clone()],
            aud: self.settings.audience.clone(),
            sub: subject,
            iat: now,
            nbf: now,
            exp,
            jti: String::new(),
            sid: None,
            pv: None,
            scope: None,
            auth_time: None,
            amr: Vec::new(),
        }
    }

    pub(crate) fn sign(&self, typ: TokenType, claims: &Claims) -> Result<String, Error> {
        let keys = self.keys();
        let key = keys.active().ok_or_else(|| Error::config("this service holds no key that signs"))?;
        let payload = serde_json::to_vec(claims)
            .map_err(|error| Error::internal("the claims could not be written").with_source(error))?;
        jws::sign(key, typ, &payload)
    }

    pub(crate) fn open(&self, token: &str, typ: TokenType, max_lifetime: Duration) -> Result<Claims, TokenRefusal> {
        let remote = self.settings.remote.as_ref().filter(|_| typ == TokenType::Access).map(RemoteKeys::current);
        let payload = jws::open(token, typ, &self.keys(), remote.as_deref())?;
        let claims = Claims::parse(&payload)?;
        claims.check(&Expectation {
            issuer: &self.settings.issuer,
            audience: &self.settings.audience,
            now: self.settings.clock.now(),
            leeway: self.settings.leeway,
            max_lifetime,
        })?;
        Ok(claims)
    }
}

impl fmt::Debug for TokenService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenService").field("keys", &self.keys()).field("settings", &self.settings).finish()
    }
}
