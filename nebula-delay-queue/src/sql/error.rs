//! What sqlx's errors mean here.

use crate::{Error, ErrorKind};

/// Classifies a database error; for `map_err`.
pub(crate) fn sql_error(context: &'static str) -> impl Fn(sqlx::Error) -> Error + Copy {
    move |error| Error::new(kind_of(&error), context).with_source(error)
}

fn kind_of(error: &sqlx::Error) -> ErrorKind {
    match error {
        sqlx::Error::Database(database) => match database.code().and_then(|code| code.parse::<u32>().ok()) {
            // The low byte is the primary result code: SQLITE_BUSY and SQLITE_LOCKED.
            Some(code) if matches!(code & 0xff, 5 | 6) => ErrorKind::Busy,
            // SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN: the disk, not the statement.
            Some(code) if matches!(code & 0xff, 10 | 13 | 14) => ErrorKind::Unavailable,
            _ => ErrorKind::Backend,
        },
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => ErrorKind::Unavailable,
        sqlx::Error::PoolClosed => ErrorKind::Closed,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => ErrorKind::Corrupt,
        sqlx::Error::Configuration(_) => ErrorKind::ConfigInvalid,
        _ => ErrorKind::Backend,
    }
}
