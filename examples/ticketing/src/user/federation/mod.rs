//! Signing in with providers of identities, by the OpenID client of nebula-auth.
//!
//! What a provider says of an address joins nothing by itself: an account here gets a way in by whoever is signed in to it,
//! knows its password, or reads a code that was sent to its address. So nobody takes over an account by having a provider
//! say an address that is not theirs, and nobody prepares one for somebody else.

mod cookie;
mod http;
mod identities;
mod mine;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use nebula_auth::{
    Principal,
    oidc::{
        Callback, ExternalIdentity, LinkDecision, LocalAccount, LoginBegun, LoginRequest, OidcClient, OidcSettings,
        ReturnTo, decide_link,
    },
    secrecy::SecretString,
};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use self::identities::Identities;
use super::{User, Users, email};
use crate::{
    clock::Millis,
    ids::UserId,
    personal::{PENDING, Vault},
    problem::{Code, Problem, Result},
    storage::Database,
};

pub(super) use self::{http::routes, mine::routes as my_routes};

/// Where providers send browsers back to; the provider's name comes after it.
pub const SIGN_IN_PAGE: &str = "/sign-in/";
/// How long somebody may take to show that the account is theirs.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// What a sealed [`Pending`] is bound to.
const LAYOUT: &str = "1";

/// Signs people in with providers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Federation(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    users: Users,
    vault: Vault,
    identities: Identities,
    providers: BTreeMap<String, Provider>,
}

#[derive(Debug)]
struct Provider {
    label: String,
    /// Where its callback is: the cookie of a sign-in is good there only.
    origin: String,
    secure: bool,
    /// Asked for when it is first needed: whether it can be reached or not, the platform starts.
    client: OnceCell<OidcClient>,
}

/// What became of a sign-in.
#[derive(Debug)]
enum Came {
    /// It is theirs.
    In(User),
    /// Somebody who is signed in has another way in, perhaps since now.
    Linked(Option<UserId>),
    /// Nobody here has the address, and the provider knows that it is theirs.
    New(Pending),
    /// They have yet to show that the account, or the address, is theirs.
    Confirm(Pending),
}

/// What a provider said of somebody who has yet to show that an address is theirs.
#[derive(Clone, Serialize, Deserialize)]
struct Pending {
    provider: String,
    issuer: String,
    subject: String,
    email: Option<String>,
    name: Option<String>,
    until: Millis,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("provider", &self.provider).field("until", &self.until).finish_non_exhaustive()
    }
}

impl Federation {
    /// With the providers of the configuration, and what buyers read on their buttons.
    #[must_use]
    pub fn new(
        settings: &BTreeMap<String, OidcSettings>,
        labels: &BTreeMap<String, String>,
        users: Users,
        database: Database,
        vault: Vault,
    ) -> Self {
        let provider = |(name, settings): (&String, &OidcSettings)| {
            let origin = settings.redirect_uri.split(SIGN_IN_PAGE).next().unwrap_or_default().to_owned();
            let label = labels.get(name).unwrap_or(name).clone();
            let secure = origin.starts_with("https://");
            (name.clone(), Provider { label, origin, secure, client: OnceCell::new() })
        };
        let providers = settings.iter().map(provider).collect();
        let identities = Identities::new(database, vault.clone());
        Self(Arc::new(Inner { users, vault, identities, providers }))
    }

    fn provider(&self, name: &str) -> Result<&Provider> {
        self.0.providers.get(name).ok_or_else(|| Problem::not_found("provider"))
    }

    async fn client(&self, name: &str) -> Result<&OidcClient> {
        self.provider(name)?.client.get_or_try_init(|| self.0.users.provider(name)).await
    }

    /// Begins a sign-in; for somebody who is signed in, one that gives their account another way in.
    async fn begin(&self, name: &str, return_to: Option<String>, who: Option<&Principal>) -> Result<LoginBegun> {
        let mut request = LoginRequest::new();
        if let Some(path) = return_to {
            let path = ReturnTo::new(path).map_err(|refusal| Problem::invalid("return_to", refusal.to_string()))?;
            request = request.return_to(path);
        }
        if let Some(principal) = who {
            request = request.link_to(principal);
        }
        self.client(name).await?.begin(request).await.map_err(Problem::unavailable)
    }

    /// What came back, in the browser with this secret, and where to go from there.
    async fn finish(&self, name: &str, callback: &Callback, browser: &SecretString) -> Result<(Came, Option<String>)> {
        let finished = self.client(name).await?.finish(callback, browser).await.map_err(Problem::unavailable)?;
        let identity = finished.map_err(|refusal| refused(refusal.code(), refusal))?;
        let came = self.decide(name, &identity).await?;
        Ok((came, identity.return_to))
    }

    async fn decide(&self, name: &str, identity: &ExternalIdentity) -> Result<Came> {
        let linked = self.0.identities.owner(&identity.issuer, &identity.subject).await?.map(|user| user.to_string());
        let address = identity.email.as_deref().and_then(email::canonical);
        // Nobody here has their address verified for the purpose of being joined without a word.
        let local = match &address {
            Some(address) => self.0.users.id_of(address).await?,
            None => None,
        };
        let local = local.map(|user| LocalAccount { subject: user.to_string(), email_verified: false });
        let pending = || Pending {
            provider: name.to_owned(),
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            email: address.clone(),
            name: identity.name.clone(),
            until: Millis::now().plus(PATIENCE),
        };
        match decide_link(identity, linked.as_deref(), local.as_ref()) {
            LinkDecision::LogIn(_) if identity.link_to.is_some() => Ok(Came::Linked(None)),
            LinkDecision::LogIn(user) => self.known(&user).await.map(Came::In),
            LinkDecision::Link(user) => {
                let user = parsed(&user)?;
                self.link(&pending(), user).await?;
                Ok(Came::Linked(Some(user)))
            }
            LinkDecision::BelongsToAnother => Err(taken()),
            LinkDecision::Create if identity.email_verified && address.is_some() => Ok(Came::New(pending())),
            LinkDecision::Create | LinkDecision::LinkRequiresLogin => Ok(Came::Confirm(pending())),
        }
    }

    /// From now on it leads into the account.
    async fn link(&self, pending: &Pending, user: UserId) -> Result<()> {
        self.0.identities.add(&pending.provider, &pending.issuer, &pending.subject, user).await
    }

    async fn known(&self, user: &str) -> Result<User> {
        let id = parsed(user)?;
        let gone = || Problem::new(Code::TokenInvalid, "The account does not exist any more.");
        if !self.0.users.exists(id).await? {
            return Err(gone());
        }
        self.0.users.user(id).await?.ok_or_else(gone)
    }

    async fn sealed(&self, pending: &Pending) -> Result<String> {
        let text = serde_json::to_string(pending).map_err(Problem::internal)?;
        self.0.vault.seal(PENDING, LAYOUT, &text).await
    }

    /// What this provider said in this browser, a moment ago.
    async fn pending(&self, name: &str, sealed: Option<&str>) -> Result<Pending> {
        let ended = |cause: &'static str| refused("confirmation-ended", std::io::Error::other(cause));
        let sealed = sealed.ok_or_else(|| ended("no cookie"))?;
        let text = self.0.vault.unseal(PENDING, LAYOUT, sealed).await.map_err(|problem| match problem.code {
            Code::Unavailable => problem,
            // Not what this platform has sealed.
            _ => ended("not sealed here"),
        })?;
        let pending: Pending = serde_json::from_str(&text).map_err(|_| ended("another layout"))?;
        if pending.provider != name || pending.until <= Millis::now() {
            return Err(ended("too late, or another provider"));
        }
        Ok(pending)
    }
}

fn parsed(user: &str) -> Result<UserId> {
    user.parse().map_err(|_| Problem::internal("an account without an identifier"))
}

fn refused(reason: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Problem {
    Problem::new(Code::ProviderRefused, "Begin the sign-in again.").with("reason", reason).caused_by(cause)
}

fn taken() -> Problem {
    Problem::new(Code::IdentityTaken, "Sign in with that account, or take the provider away from it first.")
}
