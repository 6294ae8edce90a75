//! A message as AMQP properties and payload, and back.

use std::{borrow::Cow, time::SystemTime};

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use serde::{Deserialize, Serialize};

use crate::{
    DeadReason, Error, ErrorKind, LedgerRecord, MessageId, Priority, RawMessage, Result,
    clock::{floor_ms, from_ms},
    envelope::Envelope,
    error::BoxError,
};

const ID: &str = "x-nebula-id";
const ENVELOPE: &str = "x-nebula-envelope";
const RANK: &str = "x-nebula-rank";
const DUE: &str = "x-nebula-due";
const AT: &str = "x-nebula-at";
const HOLD: &str = "x-nebula-hold";
const REST: &str = "x-nebula-rest";
const ATTEMPTS: &str = "x-nebula-attempts";
const CHARGED: &str = "x-nebula-charged";
const ERROR: &str = "x-nebula-error";
const REASON: &str = "x-nebula-reason";
const DIED: &str = "x-nebula-died";
const LIFE: &str = "x-nebula-life";
const COPY: &str = "x-nebula-copy";
const MOVES: &str = "x-nebula-moves";
/// What a quorum queue counts: how often it took the message back.
const DELIVERY_COUNT: &str = "x-delivery-count";

const PERSISTENT: u8 = 2;
const LONGEST_ERROR: usize = 4096;

/// One copy of a message on its way. Each is written afresh: nothing that the broker noted on an older copy (`x-death`)
/// travels along, which it would take for a cycle.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) message: RawMessage,
    /// First due time, by the sender's clock.
    pub(super) due_ms: u64,
    /// From when this copy may be claimed, by the sender's clock.
    pub(super) at_ms: u64,
    /// How often it was handed out before.
    pub(super) attempts: u32,
    /// The attempt that comes next is counted already.
    pub(super) charged: bool,
    /// How often the ready queue took this copy back from a consumer that vanished. Not written.
    pub(super) returned: u32,
    pub(super) last_error: Option<String>,
    pub(super) hold_ms: u64,
    pub(super) rest_ms: u64,
    pub(super) death: Option<Death>,
    /// Which copies the ledger takes for the same message.
    pub(super) mark: Option<Mark>,
    /// The ledger's record of it, as of the last look. Not written.
    pub(super) record: Option<LedgerRecord>,
}

/// What tells the copies of a message apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Another one after each retry and replay: older copies do not count any more.
    pub(super) life: u64,
    /// Kept when a copy is only written afresh.
    pub(super) copy: u64,
    /// How often the message had been rescheduled when this copy was written.
    pub(super) moves: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Death {
    pub(super) reason: DeadReason,
    pub(super) died: SystemTime,
}

impl Copy {
    pub(super) fn first(message: RawMessage, now: SystemTime) -> Self {
        let due_ms = message.schedule.due_ms(now);
        Self {
            message,
            due_ms,
            at_ms: due_ms,
            attempts: 0,
            charged: false,
            returned: 0,
            last_error: None,
            hold_ms: 0,
            rest_ms: 0,
            death: None,
            mark: None,
            record: None,
        }
    }

    pub(super) fn properties(&self) -> Result<BasicProperties> {
        let mut headers = FieldTable::default();
        let mut put = |name: &'static str, value: AMQPValue| {
            headers.insert(name.into(), value);
        };
        put(ID, text(self.message.id.as_str()));
        put(ENVELOPE, text(Envelope::encode(&self.message)?.into_owned()));
        put(DUE, number(self.due_ms));
        // What a reader takes for granted is left out: brokers look at every header of every message, and store it.
        if self.message.priority != Priority::Normal {
            put(RANK, number(self.message.priority.rank()));
        }
        if self.at_ms != self.due_ms {
            put(AT, number(self.at_ms));
        }
        let attempts = (u64::from(self.attempts), u64::from(self.charged));
        for (name, value) in [(HOLD, self.hold_ms), (REST, self.rest_ms), (ATTEMPTS, attempts.0), (CHARGED, attempts.1)]
        {
            if value > 0 {
                put(name, number(value));
            }
        }
        if let Some(Mark { life, copy, moves }) = self.mark {
            put(LIFE, number(life));
            put(COPY, number(copy));
            put(MOVES, number(moves));
        }
        if let Some(error) = &self.last_error {
            put(ERROR, text(shortened(error)));
        }
        if let Some(Death { reason, died }) = &self.death {
            let reason = serde_json::to_string(reason)
                .map_err(|error| Error::new(ErrorKind::Codec, "encoding a reason").with_source(error))?;
            put(REASON, text(reason));
            put(DIED, number(floor_ms(*died)));
        }
        Ok(BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers))
    }

    pub(super) fn parse(properties: &BasicProperties, body: Bytes) -> Result<Self, BoxError> {
        let headers = properties.headers().as_ref().ok_or("no headers")?;
        let id = MessageId::new(as_text(headers, ID).ok_or("no id")?)?;
        let envelope = Envelope::parse(as_text(headers, ENVELOPE).ok_or("no envelope")?.as_bytes())?;
        let rank = as_number(headers, RANK).unwrap_or(1);
        let priority = Priority::from_rank(i64::try_from(rank).unwrap_or(1));
        let due_ms = as_number(headers, DUE).ok_or("no due time")?;
        let count = |name| as_number(headers, name).unwrap_or_default();
        let small = |name| u32::try_from(count(name)).unwrap_or(u32::MAX);
        let death = as_text(headers, REASON).map(|reason| Death {
            reason: serde_json::from_str(reason).unwrap_or(DeadReason::Undecodable),
            died: from_ms(count(DIED)),
        });
        Ok(Self {
            message: envelope.open(id, priority, body),
            due_ms,
            at_ms: as_number(headers, AT).unwrap_or(due_ms),
            attempts: small(ATTEMPTS),
            charged: count(CHARGED) > 0,
            returned: small(DELIVERY_COUNT),
            last_error: as_text(headers, ERROR).map(str::to_owned),
            hold_ms: count(HOLD),
            rest_ms: count(REST),
            death,
            mark: as_number(headers, LIFE).map(|life| Mark { life, copy: count(COPY), moves: count(MOVES) }),
            record: None,
        })
    }

    /// What a ledger keeps of it, so that another copy can be written: a line of JSON, then the body.
    pub(super) fn content(&self) -> Result<Bytes> {
        let encode = |error| Error::new(ErrorKind::Codec, "encoding a message for the ledger").with_source(error);
        let kept = Kept {
            due: self.due_ms,
            rank: self.message.priority.rank(),
            attempts: self.attempts,
            error: self.last_error.as_deref().map(|error| Cow::Borrowed(shortened(error))),
            envelope: Envelope::encode(&self.message)?,
        };
        let mut content = serde_json::to_vec(&kept).map_err(encode)?;
        content.push(b'\n');
        content.extend_from_slice(&self.message.body);
        Ok(content.into())
    }

    pub(super) fn from_content(id: MessageId, content: &Bytes) -> Result<Self, BoxError> {
        let end = content.iter().position(|byte| *byte == b'\n').ok_or("no envelope")?;
        let kept: Kept<'_> = serde_json::from_slice(&content[..end])?;
        let envelope = Envelope::parse(kept.envelope.as_bytes())?;
        let message = envelope.open(id, Priority::from_rank(i64::from(kept.rank)), content.slice(end + 1..));
        let mut copy = Self::first(message, from_ms(kept.due));
        (copy.attempts, copy.last_error) = (kept.attempts, kept.error.map(Cow::into_owned));
        Ok(copy)
    }
}

/// Fields are only ever added, optional.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    due: u64,
    rank: u8,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    envelope: Cow<'a, str>,
}

/// What can be saved of a message that is not understood.
pub(super) fn salvage(properties: &BasicProperties, body: Bytes) -> RawMessage {
    let id = properties.headers().as_ref().and_then(|headers| as_text(headers, ID));
    let id = id.and_then(|id| MessageId::new(id).ok()).unwrap_or_else(MessageId::random);
    RawMessage::new(id, body)
}

fn text(text: impl Into<Vec<u8>>) -> AMQPValue {
    AMQPValue::LongString(text.into().into())
}

fn number(number: impl Into<u64>) -> AMQPValue {
    AMQPValue::LongLongInt(i64::try_from(number.into()).unwrap_or(i64::MAX))
}

fn as_text<'a>(headers: &'a FieldTable, name: &str) -> Option<&'a str> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        _ => None,
    }
}

fn as_number(headers: &FieldTable, name: &str) -> Option<u64> {
    let number = match headers.inner().get(name)? {
        AMQPValue::LongLongInt(number) => *number,
        AMQPValue::LongInt(number) => i64::from(*number),
        AMQPValue::LongUInt(number) => i64::from(*number),
        AMQPValue::ShortInt(number) => i64::from(*number),
        AMQPValue::ShortShortInt(number) => i64::from(*number),
        AMQPValue::ShortShortUInt(number) => i64::from(*number),
        _ => return None,
    };
    u64::try_from(number).ok()
}

fn shortened(error: &str) -> &str {
    let mut end = error.len().min(LONGEST_ERROR);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    &error[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_survives_the_wire() {
        let mut message = RawMessage::new(MessageId::new("订单").unwrap(), vec![0, 1, 255]);
        message.priority = Priority::High;
        message.headers.insert("a".into(), "b\n".into());
        let mut copy = Copy::first(message, SystemTime::now());
        (copy.attempts, copy.charged, copy.hold_ms, copy.rest_ms) = (3, true, 7, 1 << 40);
        copy.at_ms += 1;
        copy.last_error = Some("no luck".into());
        let died = from_ms(1_700_000_000_123);
        copy.death = Some(Death { reason: DeadReason::Rejected("x".into()), died });
        copy.mark = Some(Mark { life: i64::MAX as u64, copy: 1, moves: 2 });
        let read = Copy::parse(&copy.properties().unwrap(), Bytes::from(vec![0, 1, 255])).unwrap();
        assert_eq!(read.message, copy.message.clone().with_schedule(crate::Schedule::NOW));
        assert_eq!((read.due_ms, read.at_ms, read.attempts, read.charged), (copy.due_ms, copy.at_ms, 3, true));
        assert_eq!((read.hold_ms, read.rest_ms, read.last_error), (7, 1 << 40, Some("no luck".into())));
        assert_eq!(read.mark, copy.mark);
        let death = read.death.unwrap();
        assert_eq!((death.reason, death.died), (DeadReason::Rejected("x".into()), died));
    }

    #[test]
    fn what_most_messages_have_is_not_written() {
        let copy = Copy::first(RawMessage::new(MessageId::new("a").unwrap(), "1"), from_ms(1_700_000_000_123));
        let properties = copy.properties().unwrap();
        assert_eq!(properties.headers().as_ref().unwrap().inner().len(), 3);
        let read = Copy::parse(&properties, Bytes::from_static(b"1")).unwrap();
        assert_eq!((read.message.priority, read.at_ms, read.due_ms), (Priority::Normal, copy.due_ms, copy.due_ms));
    }

    #[test]
    fn a_copy_survives_the_ledger() {
        let mut message = RawMessage::new(MessageId::new("a").unwrap(), vec![10, 0, 255]).with_priority(Priority::Low);
        message.headers.insert("a".into(), "b\n".into());
        let mut copy = Copy::first(message, from_ms(1_700_000_000_123));
        (copy.attempts, copy.last_error) = (3, Some("no\nluck".into()));
        let read = Copy::from_content(copy.message.id.clone(), &copy.content().unwrap()).unwrap();
        assert_eq!((read.message, read.due_ms), (copy.message, copy.due_ms));
        assert_eq!((read.attempts, read.last_error), (copy.attempts, copy.last_error));
        assert!(Copy::from_content(MessageId::new("a").unwrap(), &Bytes::from_static(b"junk")).is_err());
    }

    #[test]
    fn strangers_are_not_understood_but_saved() {
        let properties = BasicProperties::default();
        assert!(Copy::parse(&properties, Bytes::from(vec![1])).is_err());
        assert_eq!(&salvage(&properties, Bytes::from(vec![1])).body[..], [1]);
    }

    #[test]
    fn long_errors_are_cut_between_characters() {
        let long = "é".repeat(LONGEST_ERROR);
        assert_eq!(shortened(&long).len(), LONGEST_ERROR);
        assert!(shortened(&format!("x{long}")).len() < LONGEST_ERROR);
    }
}
