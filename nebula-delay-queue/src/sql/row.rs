//! Messages as rows, and rows as messages.

use std::{collections::HashSet, time::SystemTime};

use bytes::Bytes;
use serde::Serialize;
use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use super::{as_i64, error::sql_error};
use crate::{
    Error, ErrorKind, MessageId, Priority, QueueName, RawMessage, Result, SendOutcome, envelope::Envelope,
    error::BoxError,
};

/// As many messages as go into one statement, and as many body bytes (SQLite refuses texts of a gigabyte).
const BATCH: usize = 500;
const BATCH_BYTES: usize = 8 * 1024 * 1024;

pub(super) async fn insert_one(
    connection: &mut SqliteConnection,
    queue: &QueueName,
    message: &RawMessage,
    now: SystemTime,
) -> Result<SendOutcome> {
    let done = sqlx::query(include_str!("sqlite/insert_one.sql"))
        .bind(queue.as_str())
        .bind(message.id.as_str())
        .bind(i64::from(message.priority.rank()))
        .bind(as_i64(message.schedule.due_ms(now)))
        .bind(json(&Envelope::of(message))?)
        .bind(&message.body[..])
        .execute(connection)
        .await
        .map_err(sql_error("storing a message"))?;
    let id = message.id.clone();
    Ok(if done.rows_affected() > 0 { SendOutcome::Accepted(id) } else { SendOutcome::Duplicate(id) })
}

#[derive(Serialize)]
struct NewRow<'a> {
    id: &'a str,
    rank: u8,
    due: i64,
    envelope: String,
    body: String,
}

pub(super) async fn insert_many(
    connection: &mut SqliteConnection,
    queue: &QueueName,
    messages: &[RawMessage],
    now: SystemTime,
) -> Result<Vec<SendOutcome>> {
    let mut outcomes = Vec::with_capacity(messages.len());
    let mut rest = messages;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |message: &&RawMessage| {
            bytes += message.body.len();
            bytes <= BATCH_BYTES
        };
        // A single body is far below the limit, so that every round takes at least one message.
        let (batch, later) = rest.split_at(rest.iter().take(BATCH).take_while(fits).count().max(1));
        rest = later;
        let rows = batch.iter().map(|message| {
            Ok(NewRow {
                id: message.id.as_str(),
                rank: message.priority.rank(),
                due: as_i64(message.schedule.due_ms(now)),
                envelope: json(&Envelope::of(message))?,
                body: hex(&message.body),
            })
        });
        let rows = json(&rows.collect::<Result<Vec<_>>>()?)?;
        let stored: Vec<String> = sqlx::query_scalar(include_str!("sqlite/insert_many.sql"))
            .bind(queue.as_str())
            .bind(rows)
            .fetch_all(&mut *connection)
            .await
            .map_err(sql_error("storing messages"))?;
        let mut stored: HashSet<String> = stored.into_iter().collect();
        // Removing makes the second message with an id within one batch the duplicate that it is.
        outcomes.extend(batch.iter().map(|message| match stored.remove(message.id.as_str()) {
            true => SendOutcome::Accepted(message.id.clone()),
            false => SendOutcome::Duplicate(message.id.clone()),
        }));
    }
    Ok(outcomes)
}

/// The columns that make up a message.
pub(super) struct Content {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) rank: i64,
    pub(super) envelope: String,
    pub(super) body: Vec<u8>,
}

impl FromRow<'_, SqliteRow> for Content {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            id: row.try_get("id")?,
            rank: row.try_get("rank")?,
            envelope: row.try_get("envelope")?,
            body: row.try_get("body")?,
        })
    }
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
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
