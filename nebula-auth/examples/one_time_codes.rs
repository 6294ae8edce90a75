//! A login whose second factor is a code by text message, delivered and checked by `nebula-notification`.
//!
//! `cargo run -p nebula-auth --example one_time_codes`
//!
//! Neither crate knows the other: the application fills the trait `SecondFactor` of one with the codes of the other. Codes
//! that `nebula-auth` makes itself (`OneTimeCodes`) are handed over in the same way, by the trait `CodeSender`.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use nebula_auth::{
    AuthMethod, Authentication, AuthenticationProvider, Credentials, Error, ErrorKind, NewSession, PasswordAccount,
    PasswordAccounts, PasswordHash, PasswordHasher, PasswordProvider,
    mfa::{FactorCheck, FactorProof, FactorRefusal, MfaProvider, SecondFactor},
    proof::MemoryProofStore,
    secrecy::{ExposeSecret as _, SecretString},
};
use nebula_notification::{
    Channel, CodeRequest, Content, Issued, Kind, MemoryCodes, MemoryTemplates, NotificationTemplate, Notifier,
    ParamSpec, Phone, Verdict, VerificationCodes, testing::ScriptedSender,
};

type Failure = Box<dyn std::error::Error>;

const SCENE: &str = "login";

/// Codes by text message, for those whose number is known.
#[derive(Clone)]
struct TextMessages {
    codes: VerificationCodes,
    phones: Arc<HashMap<String, Phone>>,
}

impl std::fmt::Debug for TextMessages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextMessages")
    }
}

impl TextMessages {
    /// Called when a login has been answered with a challenge.
    async fn send(&self, subject: &str) -> Result<(), Error> {
        let Some(phone) = self.phones.get(subject) else { return Ok(()) };
        let request = CodeRequest::new(SCENE, "login.code", phone.clone());
        match self.codes.send(request).await {
            // Whoever has just been sent one uses that.
            Ok(Issued::Sent { .. } | Issued::CoolDown { .. }) => Ok(()),
            Ok(_) => Err(Error::new(ErrorKind::Unavailable, "no code can be sent at the moment")),
            Err(error) => Err(Error::unavailable("no code can be sent at the moment", error)),
        }
    }
}

#[async_trait]
impl SecondFactor for TextMessages {
    async fn is_enrolled(&self, subject: &str) -> Result<bool, Error> {
        Ok(self.phones.contains_key(subject))
    }

    /// Tries are counted before anything is compared, and a right code is used up: `VerificationCodes` does both.
    async fn check(&self, subject: &str, code: &SecretString) -> Result<FactorCheck, Error> {
        let Some(phone) = self.phones.get(subject) else { return Ok(FactorCheck::Refused(FactorRefusal::WrongCode)) };
        let verdict = self.codes.verify(SCENE, phone.clone(), code.expose_secret()).await;
        match verdict.map_err(|error| Error::unavailable("the code cannot be checked at the moment", error))? {
            Verdict::Accepted => Ok(FactorCheck::Accepted(FactorProof::vouched(subject, AuthMethod::OneTimeCode))),
            Verdict::Refused => Ok(FactorCheck::Refused(FactorRefusal::WrongCode)),
        }
    }
}

#[derive(Debug)]
struct OnlyAnn(PasswordHash);

#[async_trait]
impl PasswordAccounts for OnlyAnn {
    async fn find(&self, identifier: &str) -> Result<Option<PasswordAccount>, Error> {
        Ok((identifier == "ann").then(|| PasswordAccount {
            subject: "10001".to_owned(),
            hash: self.0.clone(),
            active: true,
            permission_version: None,
        }))
    }

    async fn replace_hash(&self, _: &str, _: &PasswordHash, _: &PasswordHash) -> Result<(), Error> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // Delivery. In an application: a sender of a provider of text messages, and codes and limits on Redis.
    let template = NotificationTemplate::new("login.code", Kind::Code)
        .param("code", ParamSpec::text().with_max(9))
        .content("en", Content::new().text("Your code is {{ code }}."));
    let sms = ScriptedSender::new("sms", Channel::Sms);
    let notifier = Notifier::builder(MemoryTemplates::new().with(template)?).sender(sms.clone()).build();
    let codes = VerificationCodes::new(notifier, MemoryCodes::new(), "kept outside of the program, at least 32 bytes")?;
    let phones = HashMap::from([("10001".to_owned(), Phone::parse("+8613800138000", None)?)]);
    let factor = TextMessages { codes, phones: Arc::new(phones) };

    // Login.
    let hasher = PasswordHasher::new();
    let hash = hasher.hash(SecretString::from("correct horse battery staple")).await?.into_result()?;
    let passwords = PasswordProvider::new(hasher, OnlyAnn(hash));
    let login = MfaProvider::new(passwords, factor.clone(), MemoryProofStore::new());

    let first = login.authenticate(&Credentials::password("ann", "correct horse battery staple")).await?;
    let Authentication::SecondFactor(asked) = first else { return Err("a second factor was not asked for".into()) };
    factor.send("10001").await?;
    println!("password right; a code is on its way, valid for {:?}", asked.expires_in);

    // What Ann reads on her phone, after a slip.
    let seen = sms.seen();
    let code = seen.first().and_then(|sent| sent.params.text("code")).ok_or("no code was sent")?;
    let slip = format!("{:06}", (code.parse::<u32>()? + 1) % 1_000_000);
    let typed = [slip, code.clone(), code];
    let mut answers = Vec::new();
    for code in typed {
        let challenge = asked.challenge.expose_secret();
        answers.push(login.authenticate(&Credentials::one_time_code(challenge, code)).await?);
    }
    let [Authentication::Refused(slip), Authentication::Authenticated(who), Authentication::Refused(again)] =
        &answers[..]
    else {
        return Err(format!("unexpected answers: {answers:?}").into());
    };
    println!("a wrong code: {slip}; the same code again: {again}");
    let session = NewSession::new(&who.subject).methods(who.methods.iter().cloned());
    println!("logged in as {} by {:?}: {session:?}", who.subject, who.methods);
    Ok(())
}
