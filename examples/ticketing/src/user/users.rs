//! Registering, signing in, staying signed in.

use std::sync::Arc;

use nebula_auth::{
    AccessGrant, Auth, Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials, ErrorKind, Hashed,
    NewSession, PasswordProvider, PasswordRefusal, RefreshOptions, Refreshed, RevokeReason, SessionService,
    SessionStoreKind, TokenPair, TokenService,
    secrecy::{ExposeSecret, SecretString},
};

use super::{Kind, User, accounts::Accounts};
use crate::{
    config::{Config, secret},
    ids::UserId,
    problem::{Code, Problem, Result},
    storage::Database,
};

/// Name of this platform in its tokens.
const ISSUER: &str = "nebula-ticketing";

/// Accounts, passwords and tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Users(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    auth: Auth,
    passwords: PasswordProvider<Accounts>,
    accounts: Accounts,
}

impl Users {
    /// Accounts in this database. Refresh tokens live in a file of their own: signing in never waits for selling.
    ///
    /// # Errors
    ///
    /// The configuration cannot work, or the secret or the file cannot be opened; the text says which.
    ///
    /// # Cancel safety
    ///
    /// The secret may have been made; the next start uses it.
    pub async fn open(config: &Config, database: Database) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut settings = config.auth.clone();
        let jwt = &mut settings.jwt;
        jwt.issuer.get_or_insert_with(|| ISSUER.to_owned());
        jwt.audience.get_or_insert_with(|| ISSUER.to_owned());
        if jwt.secret.is_none() && jwt.private_key.is_none() {
            jwt.secret = Some(secret::load_or_create(&config.data, secret::AUTH)?);
        }
        if settings.session.url.is_none() {
            settings.session.store = SessionStoreKind::Sqlite;
            settings.session.url = Some(config.data.join(super::SESSIONS_FILE).display().to_string().into());
        }
        let accounts = Accounts::new(database);
        let mut auth = settings.connect().await?;
        auth.sessions = auth.sessions.with_directory(accounts.clone());
        let passwords = PasswordProvider::new(auth.passwords.clone(), accounts.clone());
        Ok(Self(Arc::new(Inner { auth, passwords, accounts })))
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

    /// Makes an account. `email` must be [checked](super::email::canonical).
    ///
    /// # Errors
    ///
    /// [`Code::EmailTaken`], [`Code::PasswordRefused`], [`Code::Busy`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// The account may or may not have been made; registering again tells.
    pub async fn register(&self, email: String, display_name: String, password: SecretString) -> Result<User> {
        let taken = || Problem::new(Code::EmailTaken, "An account with this e-mail address exists: sign in instead.");
        // Spares the hash when it is clear that it is not needed; the unique index decides.
        if self.0.accounts.taken(&email).await? {
            return Err(taken());
        }
        let hash = match self.0.auth.passwords.hash(password).await.map_err(failed)? {
            Hashed::Hash(hash) => hash,
            Hashed::Refused(refusal) => return Err(password_refused(refusal)),
        };
        let user = User { id: UserId::new(), email, display_name };
        self.0.accounts.add(&user, hash).await?;
        Ok(user)
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
        match self.register(email.to_owned(), name.to_owned(), password.clone().into()).await {
            Ok(_) => return Ok(Some(password)),
            Err(problem) if problem.code == Code::EmailTaken => {}
            Err(problem) => return Err(problem),
        }
        match self.login(email, well_known.into()).await {
            Ok(_) if !reachable => Ok(Some(password)),
            Ok(user) => {
                let hashed = self.0.auth.passwords.hash(password.clone().into()).await.map_err(failed)?;
                let hash = hashed.into_result().map_err(password_refused)?;
                self.0.accounts.set_hash(user.id, hash).await?;
                Ok(Some(password))
            }
            Err(problem) if problem.code == Code::WrongCredentials => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Checks a password. Takes as long for an unknown address as for a wrong password.
    ///
    /// # Errors
    ///
    /// [`Code::WrongCredentials`], [`Code::Busy`], or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn login(&self, email: &str, password: SecretString) -> Result<User> {
        let wrong = || Problem::new(Code::WrongCredentials, "Check the address and the password.");
        let credentials = Credentials::password(email, password);
        match self.0.passwords.authenticate(&credentials).await.map_err(failed)? {
            Authentication::Authenticated(who) => {
                let id = who.subject.parse().map_err(|_| Problem::internal("an account without an identifier"))?;
                self.user(id).await?.ok_or_else(wrong)
            }
            Authentication::Refused(AuthenticationRefusal::Locked { retry_after }) => {
                Err(Problem::new(Code::Busy, "Too many failures.").with("retry_after", retry_after.as_secs()))
            }
            _ => Err(wrong()),
        }
    }

    /// Begins to keep a user signed in.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// A session that nobody knows may be left; it expires.
    pub async fn start_session(&self, user: UserId) -> Result<TokenPair> {
        let session = NewSession::new(user.to_string()).methods([nebula_auth::AuthMethod::Password]);
        self.0.auth.sessions.start(session).await.map_err(failed)
    }

    /// Exchanges a refresh token.
    ///
    /// # Errors
    ///
    /// [`Code::RefreshRefused`], or the session store failed.
    ///
    /// # Cancel safety
    ///
    /// The token may have been used up; for a few seconds it yields the same successor again.
    pub async fn refresh(&self, token: &SecretString) -> Result<TokenPair> {
        match self.0.auth.sessions.refresh(token, RefreshOptions::new()).await.map_err(failed)? {
            Refreshed::Renewed(pair) => Ok(*pair),
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
    pub async fn logout(&self, token: &SecretString) -> Result<()> {
        match self.0.auth.sessions.refresh(token, RefreshOptions::new()).await.map_err(failed)? {
            Refreshed::Renewed(pair) => {
                if let Some(session) = pair.principal.session_id() {
                    self.0.auth.sessions.revoke(session, RevokeReason::Logout).await.map_err(failed)?;
                }
                Ok(())
            }
            Refreshed::Refused(_) => Ok(()),
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

    /// Removes sessions that ended long ago.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn purge_sessions(&self) -> Result<u64> {
        self.0.auth.sessions.purge_expired().await.map_err(failed)
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

fn password_refused(refusal: PasswordRefusal) -> Problem {
    Problem::new(Code::PasswordRefused, refusal.to_string()).with("reason", refusal.code())
}

fn failed(error: nebula_auth::Error) -> Problem {
    match error.kind() {
        ErrorKind::Busy => Problem::new(Code::Busy, "Too many people are signing in.").caused_by(error),
        ErrorKind::Unavailable => Problem::unavailable(error),
        _ => Problem::internal(error),
    }
}
