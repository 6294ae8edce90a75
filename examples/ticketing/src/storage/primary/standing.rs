//! What a server says of itself.

use std::{io, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::problem::chain;

/// A server that says nothing for so long takes no writes.
const ANSWER: Duration = Duration::from_secs(2);
/// When a server that takes writes was found, others have so long to say that they took over from it.
const OTHERS: Duration = Duration::from_millis(300);

/// A server's history: one more with each standby that takes over. What an older one writes, nobody else knows.
pub(super) type Timeline = i64;

/// The server that takes writes.
#[derive(Debug)]
pub(super) struct Found {
    /// Which one of them.
    pub(super) server: usize,
    pub(super) timeline: Timeline,
    pub(super) connection: PgConnection,
}

/// Its timeline, if it takes writes: a standby does not, nor does one that was made read-only.
pub(super) async fn timeline(connection: &mut PgConnection) -> Result<Option<Timeline>, sqlx::Error> {
    let asked = sqlx::query_scalar(include_str!("timeline.sql")).fetch_one(connection);
    timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(silent()))
}

/// Asks all servers, and answers with the one that takes writes, has at least this timeline and the newest of all.
///
/// # Errors
///
/// What each of them said when there is none.
pub(super) async fn find(servers: &[PgConnectOptions], least: Timeline) -> Result<Found, sqlx::Error> {
    let mut asked: FuturesUnordered<_> = servers.iter().enumerate().map(ask).collect();
    let (mut best, mut others): (Option<Found>, Vec<String>) = (None, Vec::new());
    loop {
        let next = match best {
            None => asked.next().await,
            // What was known before tells which one is newer; without it everybody is heard.
            Some(_) => timeout(OTHERS, asked.next()).await.unwrap_or(None),
        };
        match next {
            None => break,
            Some(Err(why)) => others.push(why),
            Some(Ok(found)) if found.timeline < least => {
                others.push(format!("{} does not know what others have written since", name(&servers[found.server])));
            }
            Some(Ok(found)) => {
                let newer = best.as_ref().is_none_or(|best| found.timeline > best.timeline);
                if newer {
                    let enough = least > 0 && found.timeline > least;
                    best = Some(found);
                    if enough {
                        break;
                    }
                }
            }
        }
    }
    let none = || io::Error::new(io::ErrorKind::NotConnected, format!("no server takes writes: {}", others.join("; ")));
    best.ok_or_else(|| sqlx::Error::Io(none()))
}

async fn ask((server, options): (usize, &PgConnectOptions)) -> Result<Found, String> {
    let asked = async {
        let mut connection = options.connect().await?;
        Ok((timeline(&mut connection).await?, connection))
    };
    let answer: Result<_, sqlx::Error> = timeout(ANSWER, asked).await.unwrap_or_else(|_| Err(silent()));
    match answer {
        Ok((Some(timeline), connection)) => Ok(Found { server, timeline, connection }),
        Ok((None, connection)) => {
            // It is told nothing else; that it hears so is a courtesy.
            let _closed = connection.close().await;
            Err(format!("{} is a standby", name(options)))
        }
        Err(error) => Err(format!("{}: {}", name(options), chain(&error))),
    }
}

/// For people.
pub(super) fn name(options: &PgConnectOptions) -> String {
    format!("{}:{}", options.get_host(), options.get_port())
}

pub(super) fn silent() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the server says nothing"))
}
