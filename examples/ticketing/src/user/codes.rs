//! Codes that show that somebody reads the mails of an address, or has the telephone of a number.
//!
//! nebula-auth makes and checks them; its trait for whatever delivers them is filled with nebula-notification. Asking for a code
//! takes the same way whether the address has an account or not: who has one is looked up afterwards, beside the request.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use nebula_auth::{
    Error,
    mfa::{CodeMessage, CodeSender, CodeSent, FactorCheck, FactorRefusal, OneTimeCodes},
    secrecy::SecretString,
};
use nebula_notification::Phone;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{Users, email};
use crate::{
    ids::UserId,
    language::Language,
    problem::{Code, Problem, Result, chain},
    user::{Letter, Letters},
};

/// Most mails on their way at once; more codes are refused as `busy`.
const UNDER_WAY: usize = 64;
/// How long a mail may take to be handed over.
const HANDING_OVER: Duration = Duration::from_secs(60);

/// What a code is for. One for a scene is worth nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scene {
    /// Opening an account with the address.
    Register,
    /// Giving an account the address.
    ChangeEmail,
    /// Setting a password that was forgotten.
    ResetPassword,
    /// Signing in with a provider for the first time.
    SignIn,
    /// Giving an account the telephone number.
    ConfirmPhone,
    /// Signing in with a telephone number.
    PhoneSignIn,
    /// Setting a password that was forgotten, by a telephone number.
    PhoneReset,
}

impl Scene {
    const ALL: [Self; 7] = [
        Self::Register,
        Self::ChangeEmail,
        Self::ResetPassword,
        Self::SignIn,
        Self::ConfirmPhone,
        Self::PhoneSignIn,
        Self::PhoneReset,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::ChangeEmail => "change-email",
            Self::ResetPassword => "reset-password",
            Self::SignIn => "sign-in",
            Self::ConfirmPhone => "confirm-phone",
            Self::PhoneSignIn => "phone-sign-in",
            Self::PhoneReset => "phone-reset",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scene| scene.as_str() == name)
    }

    /// Whether the code goes to a telephone.
    const fn is_text(self) -> bool {
        matches!(self, Self::ConfirmPhone | Self::PhoneSignIn | Self::PhoneReset)
    }

    /// What is written to the address or the number, which belongs to an account or not; nothing where a code would be of no use.
    const fn letter(self, known: bool) -> Option<Letter> {
        match (self, known) {
            (Self::Register | Self::ChangeEmail, true) => Some(Letter::AccountExists),
            (Self::ResetPassword | Self::PhoneSignIn | Self::PhoneReset, false) => None,
            (Self::PhoneSignIn, true) => Some(Letter::PhoneSignIn),
            (Self::PhoneReset, true) => Some(Letter::PhoneReset),
            (Self::ConfirmPhone, _) => Some(Letter::ConfirmPhone),
            (Self::SignIn, _) => Some(Letter::SignIn),
            (Self::Register, false) => Some(Letter::Register),
            (Self::ChangeEmail, false) => Some(Letter::ChangeEmail),
            (Self::ResetPassword, true) => Some(Letter::ResetPassword),
        }
    }
}

/// Sends codes by mail and text message, and checks them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MailCodes {
    letters: Letters,
    tasks: TaskTracker,
    required: bool,
    english: OneTimeCodes,
    chinese: OneTimeCodes,
}

impl MailCodes {
    /// MailCodes for these accounts, by these letters. `required`: whoever registers needs one.
    ///
    /// # Errors
    ///
    /// When the configuration of codes cannot work.
    pub fn new(users: &Users, letters: &Letters, tasks: &TaskTracker, required: bool) -> Result<Self, Error> {
        let under_way = Arc::new(Semaphore::new(UNDER_WAY));
        // The code's message says nothing of the reader: one sender for each language, on the same store.
        let in_language = |language| {
            let (users, letters, tasks) = (users.clone(), letters.clone(), tasks.clone());
            users.clone().one_time_codes(Mails { users, letters, tasks, language, under_way: Arc::clone(&under_way) })
        };
        let (english, chinese) = (in_language(Language::En)?, in_language(Language::Zh)?);
        Ok(Self { letters: letters.clone(), tasks: tasks.clone(), required, english, chinese })
    }

    /// What sends them.
    #[must_use]
    pub const fn letters(&self) -> &Letters {
        &self.letters
    }

    /// Whether somebody who registers needs a code.
    #[must_use]
    pub const fn required(&self) -> bool {
        self.required
    }

    /// Sends a code to an address or a number; it holds for the time that is answered.
    ///
    /// # Errors
    ///
    /// [`Code::TooManyAttempts`] when one was sent a moment ago, [`Code::Busy`], or the store failed.
    ///
    /// # Cancel safety
    ///
    /// The code may have been sent.
    pub async fn send(&self, scene: Scene, to: &str, by: Option<UserId>, language: Language) -> Result<Duration> {
        let codes = if language == Language::Zh { &self.chinese } else { &self.english };
        match codes.send(scene.as_str(), &subject(to, by), to).await.map_err(failed)? {
            CodeSent::Sent { expires_in } => Ok(expires_in),
            CodeSent::CoolingDown { retry_after } => Err(wait(retry_after)),
        }
    }

    /// Uses up a code.
    ///
    /// # Errors
    ///
    /// [`Code::CodeRefused`] for a wrong one, an old one and none alike; [`Code::TooManyAttempts`], or the store failed.
    ///
    /// # Cancel safety
    ///
    /// The code may have been used up.
    pub async fn check(&self, scene: Scene, to: &str, by: Option<UserId>, code: &SecretString) -> Result<()> {
        match self.english.check(scene.as_str(), &subject(to, by), code).await.map_err(failed)? {
            FactorCheck::Accepted(_) => Ok(()),
            FactorCheck::Refused(FactorRefusal::Throttled { retry_after }) => Err(wait(retry_after)),
            FactorCheck::Refused(_) => Err(refused()),
        }
    }

    /// Tells the owner of an address what happened to the account. Nothing waits for it.
    pub fn tell(&self, letter: Letter, email: String, language: Language) {
        let letters = self.letters.clone();
        self.tasks.spawn(async move {
            let sent = letters.send(letter, &email, language, None);
            report(tokio::time::timeout(HANDING_OVER, sent).await.unwrap_or_else(|_| Err(late())), &email);
        });
    }
}

/// Whoever asks for a code for an account of theirs needs to be the one who types it.
fn subject(to: &str, by: Option<UserId>) -> String {
    by.map_or_else(|| to.to_owned(), |user| format!("{user} {to}"))
}

/// The code is none.
pub(super) fn refused() -> Problem {
    Problem::new(Code::CodeRefused, "It is wrong, used, or too old: ask for another one.").with("field", "code")
}

/// There were too many, and when it is worth while to try again.
pub(super) fn wait(time: Duration) -> Problem {
    let seconds = u32::try_from(time.as_secs().saturating_add(1)).unwrap_or(u32::MAX);
    Problem::new(Code::TooManyAttempts, format!("Try again in {seconds} seconds.")).retry_after(seconds)
}

fn late() -> Problem {
    Problem::unavailable("the message was not handed over in time")
}

fn report(sent: Result<()>, to: &str) {
    if let Err(problem) = sent {
        let masked = Phone::parse(to, None).map_or_else(|_| email::masked(to), |phone| phone.masked());
        tracing::warn!(to = masked, error = chain(&problem), "a message about an account was not sent");
    }
}

fn failed(error: Error) -> Problem {
    match error.kind() {
        nebula_auth::ErrorKind::Busy => Problem::new(Code::Busy, "Too many codes are on their way.").caused_by(error),
        nebula_auth::ErrorKind::Unavailable => Problem::unavailable(error),
        _ => Problem::internal(error),
    }
}

/// Hands codes to whoever delivers them, in one language.
#[derive(Debug)]
struct Mails {
    users: Users,
    letters: Letters,
    tasks: TaskTracker,
    language: Language,
    under_way: Arc<Semaphore>,
}

#[async_trait]
impl CodeSender for Mails {
    async fn send(&self, message: &CodeMessage) -> Result<(), Error> {
        let busy = || Error::new(nebula_auth::ErrorKind::Busy, "too many codes are on their way");
        let permit = Arc::clone(&self.under_way).try_acquire_owned().map_err(|_| busy())?;
        let (users, letters, language) = (self.users.clone(), self.letters.clone(), self.language);
        let (message, scene) = (message.clone(), Scene::of(&message.scene));
        self.tasks.spawn(async move {
            let _permit = permit;
            let to = &message.recipient;
            let sent = async {
                let Some(scene) = scene else { return Ok(()) };
                let known = match scene.is_text() {
                    true => users.of_phone(to).await?.is_some(),
                    false => users.taken(to).await?,
                };
                let Some(letter) = scene.letter(known) else { return Ok(()) };
                letters.send(letter, to, language, Some((&message.code, message.expires_in))).await
            };
            report(tokio::time::timeout(HANDING_OVER, sent).await.unwrap_or_else(|_| Err(late())), to);
        });
        Ok(())
    }
}
