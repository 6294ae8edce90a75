//! Coming in, in one step or in two; and setting a forgotten password, which is as good as coming in.

use nebula_auth::{
    AuthenticatedSubject, Authentication, AuthenticationRefusal, Credentials, NewSession, SecondFactorChallenge,
    TokenPair, mfa::FactorRefusal, secrecy::SecretString,
};

use super::{Doors, Voucher};
use crate::{
    ids::UserId,
    problem::{Code, Problem, Result},
    user::{
        Device, User, Users, codes,
        users::{failed, wrong_credentials},
    },
};

/// Somebody who is in.
#[derive(Debug)]
pub struct Arrival {
    /// Who it is.
    pub user: User,
    /// What they go on with.
    pub tokens: TokenPair,
    /// Whether the account was not entered on this device in the last half year.
    pub new_device: bool,
}

/// How far somebody came.
#[derive(Debug)]
pub enum Entry {
    /// They are in.
    In(Box<Arrival>),
    /// They are right so far, and are asked for their second factor.
    SecondFactor(SecondFactorChallenge),
}

/// What the first step, or the second, found out.
enum Found {
    Somebody(AuthenticatedSubject),
    Challenge(SecondFactorChallenge),
}

impl Users {
    /// Lets somebody in by a password; or asks for their second factor.
    ///
    /// # Errors
    ///
    /// [`Code::WrongCredentials`], [`Code::Busy`], or a store failed.
    ///
    /// # Cancel safety
    ///
    /// A session or a challenge that nobody knows may be left; it expires.
    pub async fn enter(&self, email: &str, password: SecretString, device: &Device) -> Result<Entry> {
        self.entered(&Credentials::password(email, password), device).await
    }

    /// The same for the owner of an account who was recognised otherwise.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    ///
    /// # Cancel safety
    ///
    /// As [`enter`](Self::enter).
    pub async fn enter_vouched(&self, user: UserId, by: Voucher, device: &Device) -> Result<Entry> {
        self.entered(&Doors::vouched(user, by), device).await
    }

    /// The second step: the challenge of the first, with a code of the app or a recovery code.
    ///
    /// # Errors
    ///
    /// [`Code::SecondFactorRefused`], [`Code::TooManyAttempts`], or a store failed.
    ///
    /// # Cancel safety
    ///
    /// The code may be used up; begin again.
    pub async fn enter_with_code(
        &self,
        challenge: SecretString,
        code: SecretString,
        device: &Device,
    ) -> Result<Arrival> {
        match self.entered(&Credentials::OneTimeCode { challenge, code }, device).await? {
            Entry::In(arrival) => Ok(*arrival),
            Entry::SecondFactor(_) => Err(Problem::internal("a second factor after the second factor")),
        }
    }

    /// Whether an account's owner, who has shown a code that was sent to them, may set another password: at once, or after the
    /// second factor that is asked for.
    ///
    /// # Errors
    ///
    /// A store failed.
    ///
    /// # Cancel safety
    ///
    /// A challenge that nobody knows may be left; it expires.
    pub async fn may_reset(&self, user: UserId) -> Result<Option<SecondFactorChallenge>> {
        match self.find(&Doors::vouched(user, Voucher::Reset)).await? {
            Found::Somebody(_) => Ok(None),
            Found::Challenge(challenge) => Ok(Some(challenge)),
        }
    }

    /// Whose password may be set, by the challenge of [`may_reset`](Self::may_reset) and a code.
    ///
    /// # Errors
    ///
    /// As [`enter_with_code`](Self::enter_with_code).
    ///
    /// # Cancel safety
    ///
    /// As [`enter_with_code`](Self::enter_with_code).
    pub async fn may_reset_with_code(&self, challenge: SecretString, code: SecretString) -> Result<UserId> {
        match self.find(&Credentials::OneTimeCode { challenge, code }).await? {
            Found::Somebody(who) if resets(&who) => id(&who),
            _ => Err(refusal(FactorRefusal::WrongCode)),
        }
    }

    async fn find(&self, credentials: &Credentials) -> Result<Found> {
        match self.login_provider().authenticate(credentials).await.map_err(failed)? {
            Authentication::Authenticated(who) => Ok(Found::Somebody(who)),
            Authentication::SecondFactor(challenge) => Ok(Found::Challenge(challenge)),
            Authentication::Refused(AuthenticationRefusal::SecondFactor(refused)) => Err(refusal(refused)),
            Authentication::Refused(AuthenticationRefusal::Locked { retry_after }) => Err(codes::wait(retry_after)),
            _ => Err(wrong_credentials()),
        }
    }

    async fn entered(&self, credentials: &Credentials, device: &Device) -> Result<Entry> {
        let who = match self.find(credentials).await? {
            Found::Somebody(who) => who,
            Found::Challenge(challenge) => return Ok(Entry::SecondFactor(challenge)),
        };
        // What was begun to set a password ends there.
        if resets(&who) {
            return Err(refusal(FactorRefusal::WrongCode));
        }
        let id = id(&who)?;
        if !self.exists(id).await? {
            return Err(wrong_credentials());
        }
        let user = self.user(id).await?.ok_or_else(wrong_credentials)?;
        let sessions = self.sessions().sessions_of(&who.subject).await.map_err(failed)?;
        let new_device = !self.devices().knows(id, device, &sessions).await?;
        let mut session = NewSession::new(who.subject).methods(who.methods).device(device.print());
        if let Some(label) = device.label() {
            session = session.label(label);
        }
        let tokens = self.sessions().start(session).await.map_err(failed)?;
        self.devices().remember(id, device).await;
        Ok(Entry::In(Box::new(Arrival { user, tokens, new_device })))
    }
}

fn id(who: &AuthenticatedSubject) -> Result<UserId> {
    who.subject.parse().map_err(|_| Problem::internal("an account without an identifier"))
}

fn resets(who: &AuthenticatedSubject) -> bool {
    who.methods.contains(&Voucher::Reset.method())
}

/// Why a code was not accepted, as clients are told.
pub(in crate::user) fn refusal(refusal: FactorRefusal) -> Problem {
    match refusal {
        FactorRefusal::Throttled { retry_after } => codes::wait(retry_after),
        _ => Problem::new(Code::SecondFactorRefused, refusal.to_string()).with("reason", refusal.code()),
    }
}
