//! Files that go along with a mail.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};

/// The most that the attachments of one notification may have together, in bytes.
pub const MAX_ATTACHMENT_BYTES: usize = 25 * 1024 * 1024;

/// A file that goes along with a mail, or an image within its HTML.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    name: String,
    content_type: String,
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    bytes: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_id: Option<String>,
}

impl Attachment {
    /// A file, such as `("ticket.pdf", "application/pdf", bytes)`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNotification`] if the name or the type has line breaks or is empty;
    /// [`ErrorKind::TooLarge`] above [`MAX_ATTACHMENT_BYTES`].
    pub fn new(name: impl Into<String>, content_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let attachment =
            Self { name: name.into(), content_type: content_type.into(), bytes: bytes.into(), content_id: None };
        let bad = |text: &str| text.is_empty() || text.len() > 255 || text.chars().any(char::is_control);
        if bad(&attachment.name) || bad(&attachment.content_type) || !attachment.content_type.contains('/') {
            let text = "an attachment has a name and a media type, both without control characters";
            return Err(Error::new(ErrorKind::InvalidNotification, text));
        }
        if attachment.bytes.len() > MAX_ATTACHMENT_BYTES {
            let text = format!("an attachment may have {MAX_ATTACHMENT_BYTES} bytes");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(attachment)
    }

    /// An image that the HTML shows with `<img src="cid:…">`.
    ///
    /// # Errors
    /// As [`new`](Self::new); a content id has letters, digits, and any of `.-_@`.
    pub fn inline(
        content_id: impl Into<String>,
        content_type: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<Self> {
        let content_id = content_id.into();
        if content_id.is_empty() || !content_id.chars().all(|c| c.is_ascii_alphanumeric() || ".-_@".contains(c)) {
            let text = "a content id has letters, digits, and any of `.-_@`";
            return Err(Error::new(ErrorKind::InvalidNotification, text));
        }
        Ok(Self { content_id: Some(content_id.clone()), ..Self::new(content_id, content_type, bytes)? })
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its media type.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// What is in it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The name by which the HTML refers to it, for inline images.
    #[must_use]
    pub fn content_id(&self) -> Option<&str> {
        self.content_id.as_deref()
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({:?}, {}, {} bytes)", self.name, self.content_type, self.bytes.len())
    }
}

fn encode<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
