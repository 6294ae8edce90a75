//! Messages as rows, and rows as messages.

use std::{collections::HashSet, time::SystemTime};

use bytes::Bytes;
use serde::Serialize;

use super::{
    SqlDatabase, as_i64,
    database::{Content, NewRow},
    error::sql_error,
};
use crate::{
    Error, ErrorKind, MessageId, Priority, QueueName, RawMessage, Result, SendOutcome, envelope::Envelope,
    error::BoxError,
};

/// As many messages as go into one statement, and as many bytes: MariaDB takes 16 MiB by default.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

pub(super) async fn insert_one<DB: SqlDatabase>(
    connection: &mut DB::Connection,
    queue: &QueueName,
    message: &RawMessage,
    now: SystemTime,
) -> Result<SendOutcome> {
    let row = NewRow::of(message, now)?;
    let stored = DB::insert_one(connection, queue.as_str(), &row).await.map_err(sql_error("storing a message"))?;
    let id = message.id.clone();
    Ok(if stored { SendOutcome::Accepted(id) } else { SendOutcome::Duplicate(id) })
}

pub(super) async fn insert_many<DB: SqlDatabase>(
    connection: &mut DB::Connection,
    queue: &QueueName,
    messages: &[RawMessage],
    now: SystemTime,
) -> Result<Vec<SendOutcome>> {
    let rows = messages.iter().map(|message| NewRow::of(message, now)).collect::<Result<Vec<_>>>()?;
    let mut outcomes = Vec::with_capacity(messages.len());
    while outcomes.len() < messages.len() {
        let start = outcomes.len();
        let mut bytes = 0;
        let fits = |row: &&NewRow<'_>| {
            // Twice: bodies travel in hexadecimal digits, and envelopes with their quotes escaped.
            bytes += 2 * (row.body.len() + row.envelope.len());
            bytes <= BATCH_BYTES
        };
        // A single message is far below the limit, so that every round takes at least one.
        let count = rows[start..].iter().take(BATCH).take_while(fits).count().max(1);
        let stored = DB::insert_many(connection, queue.as_str(), &rows[start..start + count]).await;
        let mut stored: HashSet<String> = stored.map_err(sql_error("storing messages"))?.into_iter().collect();
        // Removing makes the second message with an id within one batch the duplicate that it is.
        outcomes.extend(messages[start..start + count].iter().map(
            |message| match stored.remove(message.id.as_str()) {
                true => SendOutcome::Accepted(message.id.clone()),
                false => SendOutcome::Duplicate(message.id.clone()),
            },
        ));
    }
    Ok(outcomes)
}

impl<'a> NewRow<'a> {
    fn of(message: &'a RawMessage, now: SystemTime) -> Result<Self> {
        Ok(Self {
            id: message.id.as_str(),
            rank: i64::from(message.priority.rank()),
            due_ms: as_i64(message.schedule.due_ms(now)),
            envelope: json(&Envelope::of(message))?,
            body: &message.body,
        })
    }
}

/// Rows as one parameter: an array of {id, rank, due, envelope, body in hexadecimal digits}.
pub(super) fn batch(rows: &[NewRow<'_>]) -> sqlx::Result<String> {
    #[derive(Serialize)]
    struct Row<'a> {
        id: &'a str,
        rank: i64,
        due: i64,
        envelope: &'a str,
        body: String,
    }
    let rows = rows.iter().map(|&NewRow { id, rank, due_ms, ref envelope, body }| Row {
        id,
        rank,
        due: due_ms,
        envelope,
        body: hex(body),
    });
    serde_json::to_string(&rows.collect::<Vec<_>>()).map_err(|error| sqlx::Error::Encode(error.into()))
}

impl Content {
    pub(super) fn open(self) -> Result<RawMessage, BoxError> {
        let envelope = Envelope::parse(self.envelope.as_bytes())?;
        Ok(envelope.open(MessageId::new(self.id)?, Priority::from_rank(self.rank), Bytes::from(self.body)))
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::Codec, "encoding a message's envelope").with_source(error))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
