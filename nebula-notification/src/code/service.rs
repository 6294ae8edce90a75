use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

use super::{
    guard::PumpGuard,
    store::{CodeDigest, CodeStore, Guess, NewCode, PutCode},
};
use crate::{
    error::{Error, ErrorKind, Result},
    kind::Kind,
    notification::{Fanout, Notification},
    notifier::{Notifier, Submission},
    params::Params,
    random,
    recipient::{Address, Recipient},
    telemetry,
};

/// Issues codes, sends them, and checks what comes back.
///
/// ```
/// use nebula_notification::{
///     Channel, CodeRequest, Content, Issued, Kind, MemoryCodes, MemoryTemplates, NotificationTemplate, Notifier, ParamSpec,
///     Phone, Verdict, VerificationCodes, testing::ScriptedSender,
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let template = NotificationTemplate::new("login", Kind::Code)
///     .param("code", ParamSpec::text())
///     .content("en", Content::new().text("Your code is {{ code }}."));
/// let sms = ScriptedSender::new("sms", Channel::Sms); // in an application: SmsSender::new(AliyunSms::new(…)?)
/// let notifier = Notifier::builder(MemoryTemplates::new().with(template)?).sender(sms.clone()).build();
/// let codes = VerificationCodes::new(notifier, MemoryCodes::new(), "at least 32 random bytes, from configuration")?;
///
/// let phone = Phone::parse("+8613800138000", None)?;
/// let issued = codes.send(CodeRequest::new("login", "login", phone.clone())).await?;
/// assert!(matches!(issued, Issued::Sent { .. }));
///
/// # let code = sms.seen()[0].params.text("code").unwrap();
/// assert_eq!(codes.verify("login", phone.clone(), "not it").await?, Verdict::Refused);
/// assert_eq!(codes.verify("login", phone.clone(), &code).await?, Verdict::Accepted);
/// assert_eq!(codes.verify("login", phone, &code).await?, Verdict::Refused, "used up");
/// # Ok::<_, nebula_notification::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct VerificationCodes {
    notifier: Notifier,
    store: Arc<dyn CodeStore>,
    key: Arc<hmac::Key>,
    guard: Option<PumpGuard>,
    options: Options,
}

#[derive(Clone, Copy, Debug)]
struct Options {
    digits: u32,
    lifetime: Duration,
    tries: u32,
    cool_down: Duration,
}

/// A code that is asked for.
#[derive(Clone, Debug)]
pub struct CodeRequest {
    scene: String,
    template: String,
    address: Address,
    tenant: String,
    locale: String,
    origin: Option<IpAddr>,
    params: Params,
}

impl CodeRequest {
    /// A code for a scene (`login`, `reset-password`: a code for one is worth nothing in another), sent by a template whose
    /// parameter `code` it fills.
    #[must_use]
    pub fn new(scene: impl Into<String>, template: impl Into<String>, address: impl Into<Address>) -> Self {
        Self {
            scene: scene.into(),
            template: template.into(),
            address: address.into(),
            tenant: String::new(),
            locale: String::new(),
            origin: None,
            params: Params::new(),
        }
    }

    /// The address of whoever asks, for limits. Take it from a proxy that you trust.
    #[must_use]
    pub const fn origin(mut self, address: IpAddr) -> Self {
        self.origin = Some(address);
        self
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// The language.
    #[must_use]
    pub fn locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = locale.into();
        self
    }

    /// Further values for the template.
    #[must_use]
    pub fn params(mut self, params: Params) -> Self {
        self.params = params;
        self
    }
}

/// What became of a code that was asked for.
#[derive(Debug)]
pub enum Issued {
    /// It is on its way, or nobody knows whether it is.
    Sent {
        /// How long it holds.
        valid_for: Duration,
        /// When another one may be asked for.
        resend_after: Duration,
        /// What was sent, for the record.
        submission: Submission,
    },
    /// The last one was asked for too shortly ago.
    CoolDown {
        /// When another one may be asked for.
        retry_after: Duration,
    },
    /// A limit or the guard against pumping forbids it: by its name, for the log. Tell whoever asks no more than that it is too
    /// much.
    Limited(String),
    /// It certainly was not sent; another one may be asked for at once.
    Failed(Submission),
}

/// What a code is worth. There is one answer for a wrong code, a used one, an old one and none: no difference tells somebody
/// who guesses anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a code that is not looked at lets everybody in"]
pub enum Verdict {
    /// It is right, and used up now.
    Accepted,
    /// It is not.
    Refused,
}

impl VerificationCodes {
    /// Six digits, five minutes, five tries, a minute between two codes. The secret is what digests of codes are made with: the same
    /// in all processes, and nowhere near the store.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if the secret has fewer than 32 bytes.
    pub fn new(notifier: Notifier, store: impl CodeStore, secret: impl Into<SecretString>) -> Result<Self> {
        let secret = secret.into();
        if secret.expose_secret().len() < 32 {
            return Err(Error::new(ErrorKind::ConfigInvalid, "the secret for codes has at least 32 bytes"));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let (lifetime, cool_down) = (Duration::from_secs(300), Duration::from_secs(60));
        let options = Options { digits: 6, lifetime, tries: 5, cool_down };
        Ok(Self { notifier, store: Arc::new(store), key: Arc::new(key), guard: None, options })
    }

    /// How many digits a code has: 6, at least 4, at most 9.
    #[must_use]
    pub fn with_digits(mut self, digits: u32) -> Self {
        self.options.digits = digits.clamp(4, 9);
        self
    }

    /// How long a code holds.
    #[must_use]
    pub const fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.lifetime = lifetime;
        self
    }

    /// How often a code may be guessed at.
    #[must_use]
    pub const fn with_tries(mut self, tries: u32) -> Self {
        self.options.tries = tries;
        self
    }

    /// How long after a code no other one is issued for the same scene and address.
    #[must_use]
    pub const fn with_cool_down(mut self, cool_down: Duration) -> Self {
        self.options.cool_down = cool_down;
        self
    }

    /// Guards against pumping.
    #[must_use]
    pub fn with_guard(mut self, guard: PumpGuard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Makes a code, stores its digest and sends it. If the first provider fails, the next one sends the same code.
    ///
    /// # Errors
    /// As [`Notifier::send`], and [`ErrorKind::Unavailable`] if the store of codes or the counters of the guard cannot be reached:
    /// then nothing is sent.
    ///
    /// # Cancel safety
    /// A code that was stored when the future is dropped may or may not be sent.
    pub async fn send(&self, request: CodeRequest) -> Result<Issued> {
        request.address.check()?;
        if let (Some(guard), Address::Phone(phone)) = (&self.guard, &request.address)
            && let Some(reason) = guard.check(phone).await?
        {
            telemetry::code("pumping");
            return Ok(Issued::Limited(reason.to_owned()));
        }
        let code = self.make()?;
        let key = self.name(&request.tenant, &request.scene, &request.address);
        let digest = self.digest(&key, &code);
        let Options { lifetime, tries, cool_down, .. } = self.options;
        let new = NewCode { key: key.clone(), digest, lifetime, tries, cool_down };
        if let PutCode::CoolDown { retry_after } = self.store.put(&new).await? {
            telemetry::code("cool-down");
            return Ok(Issued::CoolDown { retry_after });
        }
        let notification = Notification {
            kind: Some(Kind::Code),
            tenant: request.tenant,
            locale: request.locale,
            origin: request.origin,
            ..Notification::new(request.template)
        };
        let notification = notification
            .to(Recipient::address_only(request.address))
            .params(request.params.with("code", code.as_str()))
            .fanout(Fanout::InTurn)
            .expires_after(lifetime);
        let submission = match self.notifier.send(notification).await {
            Ok(submission) => submission,
            Err(error) => {
                self.store.revoke(&key, &digest).await?;
                return Err(error);
            }
        };
        if !submission.is_failed() {
            telemetry::code("sent");
            return Ok(Issued::Sent { valid_for: lifetime, resend_after: cool_down, submission });
        }
        self.store.revoke(&key, &digest).await?;
        let limited = submission.jobs.iter().find(|job| job.status == crate::JobStatus::Suppressed);
        if let Some(reason) = limited.and_then(|job| job.reason.clone()) {
            telemetry::code("limited");
            return Ok(Issued::Limited(reason));
        }
        telemetry::code("failed");
        Ok(Issued::Failed(submission))
    }

    /// Checks a code, for no tenant. A right one is used up.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be reached: let nobody in.
    ///
    /// # Cancel safety
    /// The try may be counted and the code used up.
    pub async fn verify(&self, scene: &str, address: impl Into<Address>, code: &str) -> Result<Verdict> {
        self.verify_for("", scene, address, code).await
    }

    /// Checks a code for a tenant.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    ///
    /// # Cancel safety
    /// As [`verify`](Self::verify).
    pub async fn verify_for(
        &self,
        tenant: &str,
        scene: &str,
        address: impl Into<Address>,
        code: &str,
    ) -> Result<Verdict> {
        let address = address.into();
        let key = self.name(tenant, scene, &address);
        // What people add when they type: spaces. Everything else counts as a try, so that all answers take the same way.
        let code: String = code.chars().filter(|c| !c.is_whitespace()).take(32).collect();
        match self.store.guess(&key, &self.digest(&key, &code)).await? {
            Guess::Right => {
                telemetry::code("accepted");
                if let (Some(guard), Address::Phone(phone)) = (&self.guard, &address)
                    && let Err(error) = guard.typed(phone).await
                {
                    telemetry::limits_unknown(&error);
                }
                Ok(Verdict::Accepted)
            }
            Guess::Wrong | Guess::None => {
                telemetry::code("refused");
                Ok(Verdict::Refused)
            }
        }
    }

    fn make(&self) -> Result<String> {
        let (digits, width) = (self.options.digits, self.options.digits as usize);
        Ok(format!("{:0width$}", random::below(10_u32.pow(digits))?))
    }

    /// A digest too, so that the store knows no addresses.
    fn name(&self, tenant: &str, scene: &str, address: &Address) -> String {
        let tag = self.sign(&[b"key", tenant.as_bytes(), scene.as_bytes(), address.key().as_bytes()]);
        random::hex(&tag[..16])
    }

    fn digest(&self, key: &str, code: &str) -> CodeDigest {
        CodeDigest(self.sign(&[b"code", key.as_bytes(), code.as_bytes()]))
    }

    /// Each part with its length, so that no two lists of parts are the same bytes.
    fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

impl fmt::Debug for VerificationCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationCodes").field("options", &self.options).finish_non_exhaustive()
    }
}
