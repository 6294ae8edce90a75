//! The stored form of what surrounds a body.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[cfg(any(feature = "redis", feature = "rabbitmq"))]
use crate::{Error, ErrorKind, Result};
use crate::{MessageId, Priority, RawMessage, RetryPolicy, Schedule, clock::duration_ms, error::BoxError};

/// Everything about a message that backends keep but do not look at.
///
/// Fields are only ever added, optional, so that old and new processes understand each other; a change that an old
/// process would misunderstand takes a new version, which it then refuses.
#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope<'a> {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry: Option<Cow<'a, RetryPolicy>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "map_is_empty")]
    headers: Cow<'a, BTreeMap<String, String>>,
}

fn map_is_empty(map: &BTreeMap<String, String>) -> bool {
    map.is_empty()
}

const VERSION: u32 = 1;

impl<'a> Envelope<'a> {
    /// What most messages have: nothing but a version.
    #[cfg(any(feature = "redis", feature = "rabbitmq"))]
    pub(crate) const PLAIN: &'static str = r#"{"v":1}"#;

    /// The stored form of a message's envelope.
    #[cfg(any(feature = "redis", feature = "rabbitmq"))]
    pub(crate) fn encode(message: &RawMessage) -> Result<Cow<'static, str>> {
        if message.retry.is_none() && message.expires_after.is_none() && message.headers.is_empty() {
            return Ok(Cow::Borrowed(Self::PLAIN));
        }
        let encoded = serde_json::to_string(&Envelope::of(message));
        encoded
            .map(Cow::Owned)
            .map_err(|error| Error::new(ErrorKind::Codec, "encoding a message's envelope").with_source(error))
    }

    pub(crate) fn of(message: &'a RawMessage) -> Self {
        Self {
            v: VERSION,
            retry: message.retry.as_ref().map(Cow::Borrowed),
            ttl_ms: message.expires_after.map(duration_ms),
            headers: Cow::Borrowed(&message.headers),
        }
    }
}

impl Envelope<'static> {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, BoxError> {
        let envelope: Self = serde_json::from_slice(text)?;
        if envelope.v != VERSION {
            return Err(format!("envelope version {} is not understood", envelope.v).into());
        }
        Ok(envelope)
    }

    pub(crate) fn open(self, id: MessageId, priority: Priority, body: Bytes) -> RawMessage {
        let mut message = RawMessage::new(id, body).with_schedule(Schedule::NOW).with_priority(priority);
        message.retry = self.retry.map(Cow::into_owned);
        message.expires_after = self.ttl_ms.map(Duration::from_millis);
        message.headers = self.headers.into_owned();
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_survives_storage() {
        let mut message = RawMessage::new(MessageId::new("a").unwrap(), "body");
        message.retry = Some(RetryPolicy::exponential(5, Duration::from_secs(1)));
        message.expires_after = Some(Duration::from_secs(9));
        message.headers.insert("k".into(), "v\n\"".into());
        let stored = serde_json::to_vec(&Envelope::of(&message)).unwrap();
        let read = Envelope::parse(&stored).unwrap().open(message.id.clone(), Priority::Normal, message.body.clone());
        assert_eq!(read, message);
    }

    #[cfg(any(feature = "redis", feature = "rabbitmq"))]
    #[test]
    fn a_message_without_anything_is_plain_and_no_other() {
        let plain = RawMessage::new(MessageId::new("a").unwrap(), "body");
        let (mut retried, mut expiring, mut headed) = (plain.clone(), plain.clone(), plain.clone());
        retried.retry = Some(RetryPolicy::none());
        expiring.expires_after = Some(Duration::ZERO);
        headed.headers.insert("k".into(), "v".into());
        for message in [&plain, &retried, &expiring, &headed] {
            let encoded = Envelope::encode(message).unwrap();
            assert_eq!(encoded, serde_json::to_string(&Envelope::of(message)).unwrap());
            assert_eq!(encoded == Envelope::PLAIN, std::ptr::eq(message, &plain));
        }
    }

    #[test]
    fn later_additions_are_ignored_and_later_versions_refused() {
        assert!(Envelope::parse(br#"{"v":1,"later":true}"#).is_ok());
        assert!(Envelope::parse(br#"{"v":2}"#).is_err());
        assert!(Envelope::parse(b"junk").is_err());
    }
}
