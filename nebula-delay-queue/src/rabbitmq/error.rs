//! What the broker's and the driver's errors mean here.

use lapin::{
    ErrorKind as Amqp,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
};

use crate::{Error, ErrorKind};

/// Classifies an error of the driver; for `map_err`.
pub(super) fn amqp_error(context: &'static str) -> impl Fn(lapin::Error) -> Error + Copy {
    move |error| Error::new(kind_of(&error), context).with_source(error)
}

fn kind_of(error: &lapin::Error) -> ErrorKind {
    match error.kind() {
        Amqp::ProtocolError(error) => match error.kind() {
            // An internal error is what a broker answers for a quorum queue that has not started yet.
            AMQPErrorKind::Hard(
                AMQPHardError::CONNECTIONFORCED | AMQPHardError::RESOURCEERROR | AMQPHardError::INTERNALERROR,
            ) => ErrorKind::Unavailable,
            // A queue that is being elected a leader, or that somebody else holds for a moment.
            AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED) => ErrorKind::Unavailable,
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                ErrorKind::ConfigInvalid
            }
            _ => ErrorKind::Backend,
        },
        Amqp::AuthProviderError(_) | Amqp::NoDefaultRuntime => ErrorKind::ConfigInvalid,
        Amqp::ParsingError(_) | Amqp::SerialisationError(_) | Amqp::InvalidProtocolVersion(_) => ErrorKind::Backend,
        // Everything else is a connection that is gone or not there yet.
        _ => ErrorKind::Unavailable,
    }
}
