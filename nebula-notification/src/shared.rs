//! What the backends on Redis have in common.

use crate::error::{Error, ErrorKind};

pub(crate) fn unavailable(what: &'static str, error: nebula_redis::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("{what} on Redis could not be asked")).with_source(error)
}
