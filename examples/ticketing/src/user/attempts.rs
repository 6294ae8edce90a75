//! How often somebody may try to sign in, or make an account.

use std::{net::SocketAddr, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderMap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use nebula_cache::{
    CacheError,
    rate_limit::{Quota, RateLimiter, Request, Rule, http::TrustedProxies},
};

use super::email;
use crate::{
    ids::UserId,
    problem::{Code, Problem, Result},
};

/// The rule for a network: people behind one address share it.
const BY_ADDRESS: &str = "login.ip";
/// The rule for an account, whoever tries.
const BY_ACCOUNT: &str = "login.account";

/// The rule for accounts that a network makes: a school or an office behind one address makes some at once.
const REGISTER: &str = "register.ip";

/// The rule for codes that a network asks for.
const CODES_BY_ADDRESS: &str = "code.ip";
/// The rule for codes to a mail address, whoever asks.
const CODES_TO: &str = "code.address";

/// The rule for people that an account asks an authority about.
const IDENTITIES: &str = "identity.account";

/// All of them.
pub const RULES: [&str; 6] = [BY_ADDRESS, BY_ACCOUNT, REGISTER, CODES_BY_ADDRESS, CODES_TO, IDENTITIES];

/// Limits of attempts to sign in and to register. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Attempts {
    limiter: RateLimiter,
    proxies: TrustedProxies,
}

/// The rules, where the configuration has none of these names.
///
/// # Errors
///
/// Never with the numbers that stand here.
pub fn default_rules() -> Result<[Rule; 6], CacheError> {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let day = minutes(24 * 60);
    Ok([
        Rule::new(BY_ADDRESS, Quota::rate(60, minutes(1))?.with_burst(120)?)?,
        Rule::new(BY_ACCOUNT, Quota::rate(20, minutes(10))?.with_burst(20)?)?,
        Rule::new(REGISTER, Quota::rate(120, minutes(10))?.with_burst(120)?)?,
        Rule::new(CODES_BY_ADDRESS, Quota::rolling(10, day)?)?,
        Rule::new(CODES_TO, Quota::rolling(5, day)?)?,
        Rule::new(IDENTITIES, Quota::rolling(60, day)?)?,
    ])
}

impl Attempts {
    /// Limits with the rules of this limiter.
    #[must_use]
    pub fn new(limiter: RateLimiter, proxies: TrustedProxies) -> Self {
        Self { limiter, proxies }
    }

    /// The limiter.
    #[must_use]
    pub fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }

    /// Whose word about the client's address is believed.
    #[must_use]
    pub fn proxies(&self) -> &TrustedProxies {
        &self.proxies
    }

    /// Whether another attempt may be made with this address or telephone number; it is counted.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyAttempts`].
    ///
    /// # Cancel safety
    ///
    /// The attempt may have been counted.
    pub async fn allow(&self, peer: SocketAddr, headers: &HeaderMap, login: &str) -> Result<()> {
        let network = self.proxies.network(peer, headers);
        let account = email::canonical(login).or_else(|| login.starts_with('+').then(|| login.to_owned()));
        let account = account.map(|account| account_key(&account));
        let mut attempt = Request::new().limit(BY_ADDRESS, &network);
        if let Some(account) = &account {
            attempt = attempt.limit(BY_ACCOUNT, account);
        }
        self.decide(attempt).await
    }

    /// Whether this network may make another account; it is counted.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyAttempts`].
    ///
    /// # Cancel safety
    ///
    /// As [`allow`](Self::allow).
    pub async fn allow_account(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<()> {
        let network = self.proxies.network(peer, headers);
        self.decide(Request::new().limit(REGISTER, &network)).await
    }

    /// Whether another code may be sent to this address of a person, asked for by this network; it is counted.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyAttempts`].
    ///
    /// # Cancel safety
    ///
    /// As [`allow`](Self::allow).
    pub async fn allow_code(&self, peer: SocketAddr, headers: &HeaderMap, email: &str) -> Result<()> {
        let network = self.proxies.network(peer, headers);
        let account = account_key(email);
        self.decide(Request::new().limit(CODES_BY_ADDRESS, &network).limit(CODES_TO, &account)).await
    }

    /// Whether this account may ask an authority about another person; it is counted.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyAttempts`].
    ///
    /// # Cancel safety
    ///
    /// As [`allow`](Self::allow).
    pub async fn allow_identity(&self, user: UserId) -> Result<()> {
        self.decide(Request::new().limit(IDENTITIES, user.0.as_bytes())).await
    }

    async fn decide(&self, attempt: Request<'_>) -> Result<()> {
        let decision = self.limiter.decide(&attempt).await.map_err(Problem::internal)?;
        if decision.is_allowed() {
            return Ok(());
        }
        let wait = decision.retry_after().max(Duration::from_secs(1));
        let seconds = u32::try_from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).unwrap_or(u32::MAX);
        let detail = format!("Try again in {seconds} seconds.");
        Err(Problem::new(Code::TooManyAttempts, detail).retry_after(seconds))
    }
}

/// Addresses and numbers of people do not stand in the names of keys.
fn account_key(account: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, account.as_bytes()).as_ref())
}
