//! What sqlx's errors mean here.

use sqlx::error::DatabaseError;

use crate::{Error, ErrorKind};

/// Classifies a database error; for `map_err`.
pub(crate) fn sql_error(context: &'static str) -> impl Fn(sqlx::Error) -> Error + Copy {
    move |error| Error::new(kind_of(&error), context).with_source(error)
}

fn kind_of(error: &sqlx::Error) -> ErrorKind {
    match error {
        sqlx::Error::Database(error) => answered(&**error),
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => {
            ErrorKind::Unavailable
        }
        sqlx::Error::PoolClosed => ErrorKind::Closed,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => ErrorKind::Corrupt,
        sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => ErrorKind::ConfigInvalid,
        _ => ErrorKind::Backend,
    }
}

fn answered(error: &dyn DatabaseError) -> ErrorKind {
    let code = error.code().unwrap_or_default();
    #[cfg(feature = "sqlite")]
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        // The low byte is the primary result code.
        return match code.parse::<u32>().map(|code| code & 0xff) {
            // SQLITE_BUSY, SQLITE_LOCKED
            Ok(5 | 6) => ErrorKind::Busy,
            // SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN: the disk, not the statement.
            Ok(10 | 13 | 14) => ErrorKind::Unavailable,
            _ => ErrorKind::Backend,
        };
    }
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>() {
        // What has no telling SQLSTATE.
        match error.number() {
            // Lock wait timeout.
            1205 => return ErrorKind::Busy,
            // Cancelled by a time limit, in MySQL and in MariaDB.
            3024 | 1969 => return ErrorKind::Timeout,
            // No room on disk, and a server that is read-only for now, as replicas are.
            1021 | 1114 | 1290 | 1836 => return ErrorKind::Unavailable,
            // No such database, no access to it.
            1044 | 1049 => return ErrorKind::ConfigInvalid,
            _ => {}
        }
    }
    // SQLSTATE, as PostgreSQL's manual has it in appendix A.
    match (code.get(..2), &*code) {
        // Serialisation failure, deadlock, lock not available.
        (_, "40001" | "40P01" | "55P03") => ErrorKind::Busy,
        // Cancelled by a time limit of the server.
        (_, "57014") => ErrorKind::Timeout,
        // Connection exception, out of resources (disk, memory, connections), shutting down or starting.
        (Some("08" | "53" | "57" | "58"), _) => ErrorKind::Unavailable,
        // Wrong credentials, no such database.
        (Some("28" | "3D"), _) => ErrorKind::ConfigInvalid,
        _ => ErrorKind::Backend,
    }
}
