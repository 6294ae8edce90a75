//! Connections that are kept, and the steps of handing over one mail.
//!
//! Lettre's own pool does not tell at which step something failed, which is the difference between "certainly not sent" and
//! "nobody knows"; it asks each connection for a sign of life before each mail; and it has no bound on the mails of a connection. So
//! the pool is ours, over lettre's connections.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail as MailCommand, Rcpt, Rset},
        extension::{ClientId, Extension, MailParameter},
    },
};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{build::Mail, outcome, sender::SmtpSecurity};
use crate::outcome::{ErrorClass, Outcome};

/// A step of handing a mail over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    Login,
    Mail,
    Rcpt,
    Data,
    Message,
}

/// Where mail is handed over.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: SmtpSecurity,
    pub(super) tls: TlsParameters,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
    pub(super) mails_per_connection: u32,
    pub(super) idle: Duration,
    pub(super) kept: Mutex<Vec<Kept>>,
}

/// A connection that waits for its next mail.
pub(super) struct Kept {
    connection: AsyncSmtpConnection,
    mails: u32,
    since: Instant,
}

struct Failed {
    step: Step,
    outcome: Outcome,
    /// Whether the connection is of use no more, and nobody knows since when.
    lost: bool,
}

fn failed(step: Step) -> impl Fn(Error) -> Failed {
    move |error| Failed { step, outcome: outcome::of(step, &error), lost: error.status().is_none() }
}

impl Server {
    /// Hands a mail over. `written` becomes true when the mail itself begins to be written.
    pub(super) async fn hand_over(&self, from: &Address, mail: &Mail, written: &AtomicBool) -> Outcome {
        loop {
            let kept = self.take();
            let reused = kept.is_some();
            let mut kept = match kept {
                Some(kept) => kept,
                None => match self.connect().await {
                    Ok(connection) => Kept { connection, mails: 0, since: Instant::now() },
                    Err(failed) => return failed.outcome,
                },
            };
            let sent = converse(&mut kept.connection, from, mail, written).await;
            match sent {
                Ok(()) => {
                    kept.mails += 1;
                    if kept.mails < self.mails_per_connection {
                        kept.since = Instant::now();
                        self.kept.lock().push(kept);
                    } else {
                        kept.connection.abort().await;
                    }
                    return Outcome::accepted(mail.id.as_str());
                }
                // The server has closed it while it waited: that says nothing about the next one. 421 is how it says so.
                Err(failed) if reused && failed.step == Step::Mail && (failed.lost || is_farewell(&failed.outcome)) => {
                }
                Err(failed) if failed.lost || is_farewell(&failed.outcome) => return failed.outcome,
                Err(failed) => {
                    if kept.connection.command(Rset).await.is_ok() {
                        kept.since = Instant::now();
                        self.kept.lock().push(kept);
                    }
                    return failed.outcome;
                }
            }
        }
    }

    fn take(&self) -> Option<Kept> {
        let mut all = self.kept.lock();
        // The one that was used last is the one that is least likely to be closed.
        let now = Instant::now();
        all.retain(|kept| now.duration_since(kept.since) < self.idle);
        all.pop()
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Failed> {
        let implicit = (self.security == SmtpSecurity::Tls).then(|| self.tls.clone());
        let address = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, implicit, None)
            .await
            .map_err(failed(Step::Connect))?;
        if self.security == SmtpSecurity::StartTls {
            connection.starttls(self.tls.clone(), &self.hello).await.map_err(failed(Step::Connect))?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(failed(Step::Login))?;
        }
        Ok(connection)
    }
}

fn is_farewell(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused(refusal) if refusal.code == "421")
}

async fn converse(
    connection: &mut AsyncSmtpConnection,
    from: &Address,
    mail: &Mail,
    written: &AtomicBool,
) -> Result<(), Failed> {
    let mut parameters = Vec::new();
    if !mail.to.to_string().is_ascii() || !from.to_string().is_ascii() {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            let outcome =
                Outcome::refused(ErrorClass::Recipient, "no SMTPUTF8", "the server takes ASCII addresses only");
            return Err(Failed { step: Step::Rcpt, outcome, lost: false });
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    connection.command(MailCommand::new(Some(from.clone()), parameters)).await.map_err(failed(Step::Mail))?;
    connection.command(Rcpt::new(mail.to.clone(), Vec::new())).await.map_err(failed(Step::Rcpt))?;
    connection.command(Data).await.map_err(failed(Step::Data))?;
    written.store(true, Ordering::SeqCst);
    connection.message(&mail.bytes).await.map_err(failed(Step::Message))?;
    Ok(())
}
