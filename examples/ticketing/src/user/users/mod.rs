//! Registering, signing in, staying signed in.

mod demo;
mod sessions;

use std::{path::Path, sync::Arc};

use nebula_auth::{
    Auth, AuthConfig, Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials, ErrorKind, Hashed,
    PasswordHash, PasswordProvider, PasswordRefusal, RevokeReason, SessionService, SessionStoreKind, TokenService,
    audit::AuditLog,
    mfa::{CodeSender, MfaProvider, OneTimeCodes, SecondFactor as _, Totp},
    oidc::OidcClient,
    secrecy::SecretString,
};

use super::{
    Kind, MailCodes, Profile, Scene, User,
    accounts::{self, Accounts, Reader},
    codes,
    known::KnownDevices,
    second_factor::Doors,
    sign_ins,
};
use crate::{
    ids::UserId,
    language::Language,
    personal::{FACTORS, Vault},
    problem::{Code, Problem, Result},
    secret,
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
        config: &AuthConfig,
        data: &Path,
        database: Database,
        vault: Vault,
        log: Option<AuditLog>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut settings = config.clone();
        let jwt = &mut settings.jwt;
        jwt.issuer.get_or_insert_with(|| ISSUER.to_owned());
        jwt.audience.get_or_insert_with(|| ISSUER.to_owned());
        jwt.verified_cache.get_or_insert(VERIFIED);
        if jwt.secret.is_none() && jwt.private_key.is_none() {
            jwt.secret = Some(secret::load_or_create(data, secret::AUTH)?);
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
            settings.session.url = Some(data.join(super::SESSIONS_FILE).display().to_string().into());
        }
        let (mut auth, server) = match (settings.session.store, &settings.session.url) {
            (SessionStoreKind::Postgres, Some(url)) => {
                let (auth, server) = sign_ins::on_postgres(&settings, url, &database).await?;
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

    /// Who reads what is sent to an account; nobody where it is no person's.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn reader(&self, user: UserId) -> Result<Option<Reader>> {
        self.0.accounts.reader(user).await
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
