//! Errors of the driver, in the words of this crate.

use nebula_redis::ErrorKind as Redis;

use crate::error::{Error, ErrorKind};

impl From<nebula_redis::Error> for Error {
    fn from(error: nebula_redis::Error) -> Self {
        let (kind, context) = match error.kind() {
            Redis::Unavailable => (ErrorKind::Unavailable, "redis cannot be reached"),
            Redis::Disconnected => (ErrorKind::OutcomeUnknown, "the link to redis broke before the reply"),
            Redis::Timeout => (ErrorKind::OutcomeUnknown, "redis did not reply in time"),
            Redis::AuthFailed => (ErrorKind::Auth, "redis refused the credentials"),
            Redis::PermissionDenied => (ErrorKind::Auth, "redis forbids this user the command, the key or the channel"),
            Redis::ReadOnly => (ErrorKind::ReadOnly, "redis takes no writes"),
            Redis::OutOfMemory => (ErrorKind::OutOfMemory, "redis has reached its memory limit"),
            Redis::WrongType => (ErrorKind::WrongType, "the key holds something that is not a cached value"),
            Redis::ClusterRedirect => {
                (ErrorKind::ConfigInvalid, "another node of a redis cluster owns the key: connect to the whole cluster")
            }
            Redis::ConfigInvalid => (ErrorKind::ConfigInvalid, "the redis settings cannot work"),
            Redis::Closed => (ErrorKind::ShutDown, "the redis connection was shut down"),
            _ => (ErrorKind::Backend, "redis refused"),
        };
        Self::new(kind, context).with_source(error)
    }
}

pub(super) fn failed(error: redis::RedisError) -> Error {
    nebula_redis::Error::from(error).into()
}
