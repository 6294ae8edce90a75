//! What the codes of RFC 5321 mean for a message.

use std::error::Error as _;

use lettre::transport::smtp::Error;

use super::connection::Step;
use crate::outcome::{ErrorClass, Outcome};

/// What is known when a step has failed. Only what was written after the server said "go ahead" can have arrived.
pub(super) fn of(step: Step, error: &Error) -> Outcome {
    let Some(code) = error.status() else {
        return match step {
            Step::Message => Outcome::unknown("connection lost"),
            Step::Connect if error.is_tls() || is_untrusted(error) => {
                Outcome::refused(ErrorClass::Account, "tls", "the server cannot be trusted")
            }
            // No mechanism, no encryption, no SMTPUTF8: the server does not offer what is asked for.
            _ if error.is_client() => Outcome::refused(ErrorClass::Account, "not offered", error.to_string()),
            _ => Outcome::refused(ErrorClass::Transient, "connection lost", "before the message was sent"),
        };
    };
    let code = u16::from(code);
    Outcome::refused(class(step, code), code.to_string(), error.to_string())
}

/// A handshake that fails comes as a connection error; what is below it is invalid data.
fn is_untrusted(error: &Error) -> bool {
    let mut next = error.source();
    while let Some(source) = next {
        let io = source.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::InvalidData) {
            return true;
        }
        next = source.source();
    }
    false
}

fn class(step: Step, code: u16) -> ErrorClass {
    match (step, code) {
        (_, 400..=499) => ErrorClass::Transient,
        (_, 530 | 534 | 535 | 538) => ErrorClass::Account,
        (Step::Connect | Step::Login | Step::Mail, _) => ErrorClass::Account,
        (Step::Rcpt, _) => ErrorClass::Recipient,
        (Step::Data | Step::Message, _) => ErrorClass::Content,
    }
}
