//! A message as AMQP properties and payload, and back.

use std::time::SystemTime;

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use crate::{
    DeadReason, Error, ErrorKind, MessageId, Priority, RawMessage, Result,
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
        }
    }

    pub(super) fn properties(&self) -> Result<BasicProperties> {
        let envelope = serde_json::to_string(&Envelope::of(&self.message))
            .map_err(|error| Error::new(ErrorKind::Codec, "encoding a message's envelope").with_source(error))?;
        let mut headers = FieldTable::default();
        let mut put = |name: &'static str, value: AMQPValue| {
            headers.insert(name.into(), value);
        };
        put(ID, text(self.message.id.as_str()));
        put(ENVELOPE, text(envelope));
        put(RANK, number(self.message.priority.rank()));
        put(DUE, number(self.due_ms));
        put(AT, number(self.at_ms));
        let attempts = (u64::from(self.attempts), u64::from(self.charged));
        for (name, value) in [(HOLD, self.hold_ms), (REST, self.rest_ms), (ATTEMPTS, attempts.0), (CHARGED, attempts.1)]
        {
            if value > 0 {
                put(name, number(value));
            }
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
        })
    }
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
        copy.last_error = Some("no luck".into());
        let died = from_ms(1_700_000_000_123);
        copy.death = Some(Death { reason: DeadReason::Rejected("x".into()), died });
        let read = Copy::parse(&copy.properties().unwrap(), Bytes::from(vec![0, 1, 255])).unwrap();
        assert_eq!(read.message, copy.message.clone().with_schedule(crate::Schedule::NOW));
        assert_eq!((read.due_ms, read.at_ms, read.attempts, read.charged), (copy.due_ms, copy.at_ms, 3, true));
        assert_eq!((read.hold_ms, read.rest_ms, read.last_error), (7, 1 << 40, Some("no luck".into())));
        let death = read.death.unwrap();
        assert_eq!((death.reason, death.died), (DeadReason::Rejected("x".into()), died));
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
