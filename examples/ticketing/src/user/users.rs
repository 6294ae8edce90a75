//! Registering, signing in, staying signed in.

use std::sync::Arc;

use nebula_auth::{
    AccessGrant, Auth, AuthMethod, Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials,
    ErrorKind, Hashed, NewSession, PasswordHash, PasswordProvider, PasswordRefusal, RefreshOptions, Refreshed,
    RevokeReason, Session, SessionService, SessionStoreKind, TokenPair, TokenService,
    audit::AuditLog,
    mfa::{CodeSender, MfaProvider, OneTimeCodes, SecondFactor as _, Totp},
    oidc::OidcClient,
    secrecy::{ExposeSecret, SecretString},
};

use super::{
    Device, Kind, Language, MailCodes, Profile, Scene, User,
    accounts::{self, Accounts},
    codes,
    known::KnownDevices,
    second_factor::Doors,
    sign_ins,
};
use crate::{
    config::{Config, secret},
    ids::UserId,
    personal::{FACTORS, Vault},
    problem::{Code, Problem, Result},
    storage::{Database, Primary},
};

/// Name of this platform in authenticator apps.
const BRAND: &str = "Nebula Tickets";

const EVERYBODY: &str = "auth.mfa.required would let nobody in who has yet to set a second factor up: name the roles that need one \
                         in accounts.require-second-factor";

/// Name of this platform in its tokens.
const ISSUER: &str = "nebula-ticketing";

/// Tokens that need not be verified anew with every request: that was a third of what the platform itself spends on refusing an order.
const VERIFIED: usize = 20_000;

/// Somebody who wants an account. `email` must be [checked](super::email::canonical).
#[derive(Clone)]
pub struct NewUser {
    /// E-mail address.
    pub email: String,
    /// How to address them.
    pub display_name: String,
    /// In which language the platform writes to them.
    pub language: Language,
    /// What they sign in with.
    pub password: SecretString,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("email", &super::email::masked(&self.email)).finish_non_exhaustive()
    }
}

/// Accounts, passwords and tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Users(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    auth: Auth,
    passwords: PasswordProvider<Accounts>,
    /// Every way in, with the second factor of those who have one.
    login: Arc<dyn AuthenticationProvider>,
    second_factor: Totp,
    accounts: Accounts,
    devices: KnownDevices,
    /// Followed as long as this lives.
    _server: Option<Primary>,
}

impl Users {
    /// Accounts in this database. Refresh tokens live in a file of their own: signing in never waits for selling. What happens to
    /// second factors is written into `log`, if there is one.
    ///
    /// # Errors
    ///
    /// The configuration cannot work, or the secret or the file cannot be opened; the text says which.
    ///
    /// # Cancel safety
    ///
    /// The secret may have been made; the next start uses it.
    pub async fn open(
        config: &Config,
        database: Database,
        vault: Vault,
        log: Option<AuditLog>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut settings = config.auth.clone();
        let jwt = &mut settings.jwt;
        jwt.issuer.get_or_insert_with(|| ISSUER.to_owned());
        jwt.audience.get_or_insert_with(|| ISSUER.to_owned());
        jwt.verified_cache.get_or_insert(VERIFIED);
        if jwt.secret.is_none() && jwt.private_key.is_none() {
            jwt.secret = Some(secret::load_or_create(&config.data, secret::AUTH)?);
        }
        if settings.mfa.required {
            return Err(EVERYBODY.into());
        }
        if settings.mfa.key.is_none() {
            // As lasting as personal data, and the same in every process: another secret of tokens takes nobody's factor away.
            settings.mfa.key = Some(vault.index(FACTORS, "key").await?.into());
        }
        settings.mfa.enabled = true;
        settings.mfa.issuer.get_or_insert_with(|| BRAND.to_owned());
        if settings.session.url.is_none() {
            settings.session.store = SessionStoreKind::Sqlite;
            settings.session.url = Some(config.data.join(super::SESSIONS_FILE).display().to_string().into());
        }
        let (mut auth, server) = match (settings.session.store, &settings.session.url) {
            (SessionStoreKind::Postgres, Some(url)) => {
                let orders = config.database.url.as_ref();
                let (auth, server) = sign_ins::on_postgres(&settings, url, orders, &database).await?;
                (auth, Some(server))
            }
            _ => (settings.connect().await?, None),
        };
        let devices = KnownDevices::new(database.clone(), vault.clone());
        let accounts = Accounts::new(database, vault);
        auth.sessions = auth.sessions.with_directory(accounts.clone());
        let passwords = || PasswordProvider::new(auth.passwords.clone(), accounts.clone());
        let mut second_factor = auth.totp.clone().ok_or("second factors are switched on, and there are none")?;
        if let Some(log) = log.clone() {
            second_factor = second_factor.with_audit(log);
        }
        let mut login = MfaProvider::new(Doors::new(passwords()), second_factor.clone(), Arc::clone(&auth.proofs));
        if let Some(log) = log {
            login = login.with_audit(log);
        }
        let (passwords, login) = (passwords(), Arc::new(login));
        Ok(Self(Arc::new(Inner { auth, passwords, login, second_factor, accounts, devices, _server: server })))
    }

    /// Verifies access tokens.
    #[must_use]
    pub fn tokens(&self) -> &TokenService {
        &self.0.auth.tokens
    }

    /// Signs people in and out.
    #[must_use]
    pub fn sessions(&self) -> &SessionService {
        &self.0.auth.sessions
    }

    /// Sets up, checks and removes second factors.
    #[must_use]
    pub fn second_factor(&self) -> &Totp {
        &self.0.second_factor
    }

    /// Whether an account has set up a second factor.
    ///
    /// # Errors
    ///
    /// The store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn has_second_factor(&self, user: UserId) -> Result<bool> {
        self.0.second_factor.is_enrolled(&user.to_string()).await.map_err(failed)
    }

    /// Where accounts were entered.
    pub(super) fn devices(&self) -> &KnownDevices {
        &self.0.devices
    }

    /// Every way in.
    pub(super) fn login_provider(&self) -> &dyn AuthenticationProvider {
        &*self.0.login
    }

    /// Whether there is such an account.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn exists(&self, user: UserId) -> Result<bool> {
        self.0.accounts.exists(user).await
    }

    /// Of what kind an account is; `None` if there is none, or it is kept out.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn kind(&self, user: UserId) -> Result<Option<Kind>> {
        self.0.accounts.kind(user).await
    }

    /// Says of what kind an account is, and whether it is kept out; then its sessions end.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], or a store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn judge(&self, user: UserId, kind: Kind, disabled: bool) -> Result<()> {
        self.0.accounts.judge(user, kind, disabled).await?;
        if disabled {
            let ended = self.0.auth.sessions.revoke_all(&user.to_string(), RevokeReason::Administrator).await;
            ended.map_err(failed)?;
        }
        Ok(())
    }

    /// The account of an e-mail address.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn id_of(&self, email: &str) -> Result<Option<UserId>> {
        self.0.accounts.id_of(email).await
    }

    /// An account.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn user(&self, id: UserId) -> Result<Option<User>> {
        self.0.accounts.user(id).await
    }

    /// An account that ought to be there.
    ///
    /// # Errors
    ///
    /// It is not, or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn known(&self, id: UserId) -> Result<User> {
        self.user(id).await?.ok_or_else(|| Problem::not_found("account"))
    }

    /// Changes what a person may change without further ado.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// All of it is changed or nothing.
    pub async fn change(&self, user: UserId, profile: Profile) -> Result<()> {
        self.0.accounts.change(user, profile).await
    }

    /// Gives an account another address, which must be [checked](super::email::canonical) and confirmed.
    ///
    /// # Errors
    ///
    /// [`Code::EmailTaken`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// It was changed or not; asking for the account tells.
    pub async fn change_email(&self, user: UserId, email: &str) -> Result<()> {
        self.0.accounts.change_email(user, email).await
    }

    /// Gives an account a telephone number, which must be confirmed, or none.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// It was changed or not; asking for the account tells.
    pub async fn change_phone(&self, user: UserId, phone: Option<&str>) -> Result<()> {
        self.0.accounts.change_phone(user, phone).await
    }

    /// The account of a confirmed telephone number; of several, the one that it was confirmed for last.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn of_phone(&self, phone: &str) -> Result<Option<UserId>> {
        self.0.accounts.of_phone(phone).await
    }

    /// What is kept of a password that somebody wants to have.
    ///
    /// # Errors
    ///
    /// [`Code::PasswordRefused`], or [`Code::Busy`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn hash(&self, password: SecretString) -> Result<PasswordHash> {
        match self.0.auth.passwords.hash(password).await.map_err(failed)? {
            Hashed::Hash(hash) => Ok(hash),
            Hashed::Refused(refusal) => Err(password_refused(refusal)),
        }
    }

    /// Gives an account another password. Its sessions end, but for the one that is named.
    ///
    /// # Errors
    ///
    /// A store failed.
    ///
    /// # Cancel safety
    ///
    /// Sessions may go on with the new password set; call it again.
    pub async fn set_password(&self, user: UserId, hash: PasswordHash, keep: Option<&str>) -> Result<()> {
        self.0.accounts.set_hash(user, hash).await?;
        self.end_sessions(user, keep, RevokeReason::CredentialsChanged).await
    }

    /// Where an account is signed in, the latest first.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>> {
        let mut sessions = self.0.auth.sessions.sessions_of(&user.to_string()).await.map_err(failed)?;
        let now = std::time::SystemTime::now();
        sessions.retain(|session| session.is_live(now));
        sessions.sort_by_key(|session| std::cmp::Reverse(session.refreshed_at));
        Ok(sessions)
    }

    /// Ends a session of an account. Unless it is the one that asks, whoever is sent away is a stranger from then on.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`] if it is not one of its own, or the session store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn end_session(&self, user: UserId, session: &str, here: Option<&str>) -> Result<()> {
        let sessions = &self.0.auth.sessions;
        let known = sessions.session(session).await.map_err(failed)?;
        let known = known.filter(|known| known.subject == user.to_string());
        let known = known.ok_or_else(|| Problem::not_found("session"))?;
        if let Some(print) = known.device.filter(|_| here != Some(session)) {
            self.0.devices.forget(user, &self.0.devices.index(user, print).await?).await?;
        }
        sessions.revoke(session, RevokeReason::Logout).await.map(drop).map_err(failed)
    }

    /// Ends the sessions of an account, but for the one that is named. Where their owner sends them away, they are strangers from
    /// then on.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn end_sessions(&self, user: UserId, keep: Option<&str>, reason: RevokeReason) -> Result<()> {
        let sessions = &self.0.auth.sessions;
        if reason == RevokeReason::LogoutEverywhere {
            let kept = match keep {
                Some(keep) => sessions.session(keep).await.map_err(failed)?,
                None => None,
            };
            self.0.devices.forget_others(user, kept.and_then(|kept| kept.device)).await?;
        }
        let user = user.to_string();
        let ended = match keep {
            Some(keep) => sessions.revoke_others(&user, keep, reason).await,
            None => sessions.revoke_all(&user, reason).await,
        };
        ended.map(drop).map_err(failed)
    }

    /// Whether somebody has the address.
    pub(super) async fn taken(&self, email: &str) -> Result<bool> {
        self.0.accounts.taken(email).await
    }

    /// One-time codes that this sends.
    pub(super) fn one_time_codes(&self, sender: impl CodeSender) -> Result<OneTimeCodes, nebula_auth::Error> {
        self.0.auth.one_time_codes(sender)
    }

    /// Makes an account.
    ///
    /// # Errors
    ///
    /// [`Code::EmailTaken`], [`Code::PasswordRefused`], [`Code::Busy`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// The account may or may not have been made; registering again tells.
    pub async fn register(&self, new: NewUser) -> Result<User> {
        // Spares the hash when it is clear that it is not needed; the unique index decides.
        if self.0.accounts.taken(&new.email).await? {
            return Err(accounts::taken());
        }
        let hash = self.hash(new.password.clone()).await?;
        let NewUser { email, display_name, language, .. } = new;
        self.add(email, display_name, language, Some(hash)).await
    }

    /// Makes an account whose address is confirmed by a code. Before the code is accepted, nobody learns whether the address has
    /// an account; what is wrong with the password is said before the code is used up.
    ///
    /// # Errors
    ///
    /// As those of [`register`](Self::register) and [`MailCodes::check`](super::MailCodes::check).
    ///
    /// # Cancel safety
    ///
    /// The code may have been used up; the account may or may not have been made.
    pub async fn register_confirmed(&self, new: NewUser, codes: &MailCodes, code: &SecretString) -> Result<User> {
        let hash = self.hash(new.password.clone()).await?;
        codes.check(Scene::Register, &new.email, None, code).await?;
        let NewUser { email, display_name, language, .. } = new;
        self.add(email, display_name, language, Some(hash)).await
    }

    /// Makes an account. Without a password, somebody has shown that the address is theirs.
    pub(super) async fn add(
        &self,
        email: String,
        display_name: String,
        language: Language,
        hash: Option<PasswordHash>,
    ) -> Result<User> {
        let user = User {
            id: UserId::new(),
            email,
            display_name,
            language,
            phone: None,
            phone_confirmed: false,
            text_messages: true,
        };
        self.0.accounts.add(&user, hash).await?;
        Ok(user)
    }

    /// The client of a provider in the configuration.
    pub(super) async fn provider(&self, name: &str) -> Result<OidcClient> {
        // Whatever is wrong with it, this platform goes on without it.
        self.0.auth.oidc(name).await.map_err(Problem::unavailable)
    }

    /// Number of accounts.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn count(&self) -> Result<i64> {
        self.0.accounts.count().await
    }

    /// Makes a demo account unless it exists, and answers its password if it is known: `well_known`, or, when
    /// strangers can reach the server, a random one that replaces it.
    ///
    /// # Errors
    ///
    /// [`Code::Busy`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// The account may exist with a password that nobody saw; remove it or reset the platform.
    pub async fn ensure_demo_account(
        &self,
        email: &str,
        name: &str,
        well_known: &str,
        reachable: bool,
    ) -> Result<Option<String>> {
        let password = if reachable { random_password() } else { well_known.to_owned() };
        let new = NewUser {
            email: email.to_owned(),
            display_name: name.to_owned(),
            language: Language::default(),
            password: password.clone().into(),
        };
        match self.register(new).await {
            Ok(_) => return Ok(Some(password)),
            Err(problem) if problem.code == Code::EmailTaken => {}
            Err(problem) => return Err(problem),
        }
        match self.login(email, well_known.into()).await {
            Ok(_) if !reachable => Ok(Some(password)),
            Ok(user) => {
                let hash = self.hash(password.clone().into()).await?;
                self.0.accounts.set_hash(user.id, hash).await?;
                Ok(Some(password))
            }
            Err(problem) if problem.code == Code::WrongCredentials => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Checks a password, and nothing else: this lets nobody in. Takes as long for an unknown address as for a wrong password.
    ///
    /// # Errors
    ///
    /// [`Code::WrongCredentials`], [`Code::Busy`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn login(&self, email: &str, password: SecretString) -> Result<User> {
        let credentials = Credentials::password(email, password);
        match self.0.passwords.authenticate(&credentials).await.map_err(failed)? {
            Authentication::Authenticated(who) => {
                let id = who.subject.parse().map_err(|_| Problem::internal("an account without an identifier"))?;
                self.user(id).await?.ok_or_else(wrong_credentials)
            }
            Authentication::Refused(AuthenticationRefusal::Locked { retry_after }) => Err(codes::wait(retry_after)),
            _ => Err(wrong_credentials()),
        }
    }

    /// Begins to keep a user signed in who has just made the account.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// A session that nobody knows may be left; it expires.
    pub async fn start_session(&self, user: UserId, device: &Device) -> Result<TokenPair> {
        let mut session = NewSession::new(user.to_string()).methods([AuthMethod::Password]).device(device.print());
        if let Some(label) = device.label() {
            session = session.label(label);
        }
        let tokens = self.0.auth.sessions.start(session).await.map_err(failed)?;
        self.0.devices.remember(user, device).await;
        Ok(tokens)
    }

    /// Exchanges a refresh token. On another device than the session's, the new tokens say nothing of how somebody signed in.
    ///
    /// # Errors
    ///
    /// [`Code::RefreshRefused`], or the session store failed.
    ///
    /// # Cancel safety
    ///
    /// The token may have been used up; for a few seconds it yields the same successor again.
    pub async fn refresh(&self, token: &SecretString, device: &Device) -> Result<TokenPair> {
        match self.0.auth.sessions.refresh(token, RefreshOptions::new().device(device.print())).await.map_err(failed)? {
            Refreshed::Renewed(pair) => {
                self.seen(&pair, device).await;
                Ok(*pair)
            }
            Refreshed::Refused(refusal) => Err(Problem::new(Code::RefreshRefused, refusal.to_string())),
        }
    }

    /// Ends the session of a refresh token; its access tokens end with it. A token that is not accepted has nothing to
    /// end.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// Repeat it.
    pub async fn logout(&self, token: &SecretString, device: &Device) -> Result<()> {
        match self.0.auth.sessions.refresh(token, RefreshOptions::new().device(device.print())).await.map_err(failed)? {
            Refreshed::Renewed(pair) => {
                self.seen(&pair, device).await;
                if let Some(session) = pair.principal.session_id() {
                    self.0.auth.sessions.revoke(session, RevokeReason::Logout).await.map_err(failed)?;
                }
                Ok(())
            }
            Refreshed::Refused(_) => Ok(()),
        }
    }

    /// The device of a session was seen; that it moved to another one proves nothing of that.
    async fn seen(&self, pair: &TokenPair, device: &Device) {
        if let (false, Ok(user)) = (pair.device_changed, pair.principal.subject().parse()) {
            self.0.devices.seen_again(user, device).await;
        }
    }

    /// An access token without a session, for buyers that are made in bulk.
    ///
    /// # Errors
    ///
    /// No key signs.
    pub fn bare_token(&self, user: UserId) -> Result<String> {
        let issued = self.0.auth.tokens.issue(&AccessGrant::new(user.to_string())).map_err(failed)?;
        Ok(issued.token.expose_secret().to_owned())
    }

    /// Removes sessions that ended long ago, and devices that were not seen for long.
    ///
    /// # Errors
    ///
    /// The session store or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn purge_sessions(&self) -> Result<u64> {
        let devices = self.0.devices.forget_old().await?;
        Ok(self.0.auth.sessions.purge_expired().await.map_err(failed)?.saturating_add(devices))
    }

    /// Whether the session store can be reached.
    ///
    /// # Errors
    ///
    /// It cannot.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn health(&self) -> Result<()> {
        self.0.auth.sessions.health().await.map_err(failed)
    }
}

/// Eighty random bits, in letters that are hard to mistake for each other.
fn random_password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
    let letters: Vec<_> = rand::random::<[u8; 16]>().iter().map(|byte| LETTERS[usize::from(byte % 32)]).collect();
    letters.chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join("-")
}

pub(super) fn wrong_credentials() -> Problem {
    Problem::new(Code::WrongCredentials, "Check the address and the password.")
}

fn password_refused(refusal: PasswordRefusal) -> Problem {
    Problem::new(Code::PasswordRefused, refusal.to_string()).with("reason", refusal.code())
}

pub(super) fn failed(error: nebula_auth::Error) -> Problem {
    match error.kind() {
        ErrorKind::Busy => Problem::new(Code::Busy, "Too many people are signing in.").caused_by(error),
        ErrorKind::Unavailable => Problem::unavailable(error),
        _ => Problem::internal(error),
    }
}
