//! A message as one value: the envelope as a line of JSON, then the body as it is.

use bytes::Bytes;

use crate::{MessageId, Priority, RawMessage, Result, envelope::Envelope, error::BoxError};

pub(super) fn write(message: &RawMessage) -> Result<Vec<u8>> {
    let envelope = Envelope::encode(message)?;
    let mut blob = Vec::with_capacity(envelope.len() + 1 + message.body.len());
    blob.extend_from_slice(envelope.as_bytes());
    blob.push(b'\n');
    blob.extend_from_slice(&message.body);
    Ok(blob)
}

pub(super) fn read(id: MessageId, priority: Priority, blob: &Bytes) -> Result<RawMessage, BoxError> {
    let end = blob.iter().position(|byte| *byte == b'\n').ok_or("no envelope")?;
    if &blob[..end] == Envelope::PLAIN.as_bytes() {
        return Ok(RawMessage::new(id, blob.slice(end + 1..)).with_priority(priority));
    }
    Ok(Envelope::parse(&blob[..end])?.open(id, priority, blob.slice(end + 1..)))
}
