use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lettre::{
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{Mutex as TurnMutex, Semaphore},
    time::{Instant, sleep_until, timeout},
};

use super::{build, connection::Server, dkim::DkimKey};
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind, Result},
    kind::Channel,
    outcome::{ErrorClass, Outcome},
    sender::{Delivery, NotificationSender},
    unsubscribe::UnsubscribeLinks,
};

/// How the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// It begins in the clear and is encrypted before anything is said; a server that does not offer that gets nothing. Port 587.
    StartTls,
    /// From the first byte. Port 465.
    Tls,
    /// Not at all: for a server on this machine.
    None,
}

/// Sends notifications as mail: text and HTML, inline images, attachments.
///
/// Connections are kept and used again; at most so many at a time, for at most so many mails each. Bodies are always base64. What is
/// cut off after the mail has begun is unknown; before, it certainly was not sent.
///
/// ```no_run
/// use nebula_notification::EmailSender;
///
/// let mail = EmailSender::builder("smtp.example.org", "Tickets <tickets@example.org>")
///     .credentials("tickets@example.org", "secret")
///     .connections(8)
///     .build()?;
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone)]
pub struct EmailSender(Arc<Inner>);

struct Inner {
    name: String,
    server: Server,
    head: build::Letterhead,
    timeout: Duration,
    permits: Semaphore,
    /// When the next mail may begin.
    turn: TurnMutex<Instant>,
    interval: Duration,
    clock: Arc<dyn Clock>,
}

impl EmailSender {
    /// A sender through that server, from a mailbox such as `Tickets <tickets@example.org>`.
    pub fn builder(host: impl Into<String>, from: impl Into<String>) -> EmailSenderBuilder {
        EmailSenderBuilder {
            name: "smtp".to_owned(),
            host: host.into(),
            from: from.into(),
            port: None,
            security: SmtpSecurity::StartTls,
            reply_to: None,
            credentials: None,
            authorities: Vec::new(),
            connections: 4,
            mails_per_connection: 100,
            idle: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            per_second: None,
            unsubscribe: None,
            dkim: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Waits for the turn of the next mail.
    async fn pace(&self) {
        if self.0.interval.is_zero() {
            return;
        }
        let mut turn = self.0.turn.lock().await;
        let mine = (*turn).max(Instant::now());
        // The turn is given away before it is waited for, so that whoever is dropped while waiting delays nobody else by more.
        *turn = mine + self.0.interval;
        drop(turn);
        sleep_until(mine).await;
    }
}

#[async_trait]
impl NotificationSender for EmailSender {
    fn provider(&self) -> &str {
        &self.0.name
    }

    fn channel(&self) -> Channel {
        Channel::Email
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        let inner = &self.0;
        let mail = match build::mail(delivery, &inner.head, &*inner.clock) {
            Ok(mail) => mail,
            Err(outcome) => return outcome,
        };
        let written = AtomicBool::new(false);
        let work = async {
            let Ok(_permit) = inner.permits.acquire().await else { return Outcome::unknown("closed") };
            self.pace().await;
            inner.server.hand_over(&inner.head.from.email, &mail, &written).await
        };
        // The deadline is for everything: a server that greets slowly, or takes a mail and says nothing.
        match timeout(inner.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) if written.load(Ordering::SeqCst) => Outcome::unknown("timeout"),
            Err(_) => Outcome::refused(ErrorClass::Transient, "timeout", "before the message was sent"),
        }
    }
}

impl fmt::Debug for EmailSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailSender")
            .field("name", &self.0.name)
            .field("host", &self.0.server.host)
            .finish_non_exhaustive()
    }
}

/// Puts an [`EmailSender`] together.
#[must_use = "a builder does nothing until it is built"]
pub struct EmailSenderBuilder {
    name: String,
    host: String,
    from: String,
    port: Option<u16>,
    security: SmtpSecurity,
    reply_to: Option<String>,
    credentials: Option<(String, SecretString)>,
    authorities: Vec<Vec<u8>>,
    connections: usize,
    mails_per_connection: u32,
    idle: Duration,
    timeout: Duration,
    per_second: Option<u32>,
    unsubscribe: Option<UnsubscribeLinks>,
    dkim: Option<DkimKey>,
    clock: Arc<dyn Clock>,
}

impl EmailSenderBuilder {
    /// Another name than `smtp` in records.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The port; 587, or 465 with [`SmtpSecurity::Tls`].
    pub const fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The encryption; [`SmtpSecurity::StartTls`] by default.
    pub const fn security(mut self, security: SmtpSecurity) -> Self {
        self.security = security;
        self
    }

    /// A further authority to trust, in PEM, beside those of the platform.
    pub fn authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(pem.into());
        self
    }

    /// Who logs in.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<SecretString>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// Where answers go.
    pub fn reply_to(mut self, mailbox: impl Into<String>) -> Self {
        self.reply_to = Some(mailbox.into());
        self
    }

    /// At most so many connections at a time; 4.
    pub fn connections(mut self, count: usize) -> Self {
        self.connections = count.max(1);
        self
    }

    /// At most so many mails over one connection; 100.
    pub fn mails_per_connection(mut self, count: u32) -> Self {
        self.mails_per_connection = count.max(1);
        self
    }

    /// For how long an unused connection is kept; 30 s.
    pub const fn keep_idle(mut self, time: Duration) -> Self {
        self.idle = time;
        self
    }

    /// What handing over one mail may take, waiting for a connection included; 30 s. Give the notifier at least as much for an
    /// attempt.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// At most so many mails in a second, evenly spread; no bound by default.
    pub const fn per_second(mut self, mails: u32) -> Self {
        self.per_second = Some(mails);
        self
    }

    /// Puts a link into the headers of marketing by which the recipient ends it (`List-Unsubscribe`, with one click as in RFC 8058).
    pub fn unsubscribe(mut self, links: UnsubscribeLinks) -> Self {
        self.unsubscribe = Some(links);
        self
    }

    /// Signs every mail for the sender's domain.
    pub fn dkim(mut self, key: DkimKey) -> Self {
        self.dkim = Some(key);
        self
    }

    /// The clock that mails are dated by; the system's by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The sender.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] for a mailbox or an authority that is none, and for a password that would be sent in the clear
    /// to another machine.
    pub fn build(self) -> Result<EmailSender> {
        let refuse = |what: &str| Error::new(ErrorKind::ConfigInvalid, format!("mail: {what}"));
        let mailbox = |text: &str| {
            if text.chars().any(char::is_control) {
                return Err(refuse("a mailbox has no control characters"));
            }
            text.parse::<Mailbox>().map_err(|_| refuse("this is no mailbox"))
        };
        let here = ["localhost", "127.0.0.1", "::1"].contains(&self.host.as_str());
        if self.security == SmtpSecurity::None && self.credentials.is_some() && !here {
            return Err(refuse("a password is sent over an encrypted connection only"));
        }
        let mut tls = TlsParameters::builder(self.host.clone()).certificate_store(CertificateStore::Default);
        for pem in &self.authorities {
            tls = tls.add_root_certificate(Certificate::from_pem(pem).map_err(|_| refuse("this is no certificate"))?);
        }
        let tls = tls.build_rustls().map_err(|error| refuse("TLS cannot be used").with_source(error))?;
        let usual = if self.security == SmtpSecurity::Tls { 465 } else { 587 };
        let server = Server {
            host: self.host,
            port: self.port.unwrap_or(usual),
            security: self.security,
            tls,
            credentials: self
                .credentials
                .map(|(user, secret)| Credentials::new(user, secret.expose_secret().to_owned())),
            hello: ClientId::default(),
            mails_per_connection: self.mails_per_connection,
            idle: self.idle,
            kept: Mutex::default(),
        };
        let per_second = self.per_second.map_or(Duration::ZERO, |count| Duration::from_secs(1) / count.max(1));
        Ok(EmailSender(Arc::new(Inner {
            name: self.name,
            server,
            head: build::Letterhead {
                from: mailbox(&self.from)?,
                reply_to: self.reply_to.as_deref().map(mailbox).transpose()?,
                unsubscribe: self.unsubscribe,
                dkim: self.dkim,
            },
            timeout: self.timeout,
            permits: Semaphore::new(self.connections),
            turn: TurnMutex::new(Instant::now()),
            interval: per_second,
            clock: self.clock,
        })))
    }
}

impl fmt::Debug for EmailSenderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailSenderBuilder").field("name", &self.name).field("host", &self.host).finish_non_exhaustive()
    }
}
