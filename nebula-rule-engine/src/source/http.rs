//! Rules from a server.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use super::{Document, Format, Loaded, RuleSource, too_large, unavailable};
use crate::error::{Error, ErrorKind, Result};
use crate::set::MAX_BYTES;

/// A document at an address. Asks with `If-None-Match`, so that a document that has not changed costs an empty answer.
#[derive(Clone)]
pub struct HttpSource {
    client: Client,
    url: Url,
    format: Format,
    token: Option<SecretString>,
}

/// Options of a [`HttpSource`].
#[derive(Clone)]
pub struct HttpSourceBuilder {
    url: String,
    format: Option<Format>,
    token: Option<SecretString>,
    timeout: Duration,
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").field("url", &self.shown()).field("format", &self.format).finish_non_exhaustive()
    }
}

impl fmt::Debug for HttpSourceBuilder {
    /// Without the address: what may be secret in it is known when it has been read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSourceBuilder")
            .field("format", &self.format)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl HttpSource {
    /// The document at `url`.
    #[must_use]
    pub fn builder(url: impl Into<String>) -> HttpSourceBuilder {
        HttpSourceBuilder { url: url.into(), format: None, token: None, timeout: Duration::from_secs(10) }
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<String> {
        if response.content_length().is_some_and(|length| length > MAX_BYTES as u64) {
            return Err(too_large(self.shown()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| unavailable(self.shown(), error.without_url()))?
        {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(too_large(self.shown()));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("{}: {error}", self.shown())).with_source(error))
    }

    /// The address without what may be secret in it.
    fn shown(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }
}

impl HttpSourceBuilder {
    /// How the document is written; by the end of its path without this.
    #[must_use]
    pub const fn with_format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// A bearer token.
    #[must_use]
    pub fn with_token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// How long one request may take, the body included; 10 s without this.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The source.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what is no address.
    pub fn build(self) -> Result<HttpSource> {
        let invalid = |error: &dyn std::fmt::Display| Error::new(ErrorKind::Invalid, format!("an address: {error}"));
        let url: Url = self.url.parse().map_err(|error| invalid(&error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(&"rules come over `http` or `https`"));
        }
        let client = Client::builder().timeout(self.timeout).build().map_err(|error| invalid(&error))?;
        let format = self.format.unwrap_or_else(|| Format::of_name(url.path()));
        Ok(HttpSource { client, url, format, token: self.token })
    }
}

#[async_trait]
impl RuleSource for HttpSource {
    async fn load(&self, known: Option<&str>) -> Result<Loaded> {
        let mut request = self.client.get(self.url.clone());
        if let Some(known) = known.filter(|known| known.ends_with('"')) {
            request = request.header(IF_NONE_MATCH, known);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = request.send().await.map_err(|error| unavailable(self.shown(), error.without_url()))?;
        match response.status() {
            StatusCode::NOT_MODIFIED if known.is_some() => return Ok(Loaded::Unchanged),
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(Error::new(ErrorKind::NotFound, format!("{}: there is no such document", self.shown())));
            }
            status => {
                return Err(Error::new(ErrorKind::Unavailable, format!("{}: the server says {status}", self.shown())));
            }
        }
        let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let mut document = Document::new(self.body(response).await?, self.format);
        if let Some(tag) = tag {
            document.tag = tag;
        }
        Ok(if known == Some(document.tag.as_str()) { Loaded::Unchanged } else { Loaded::Document(document) })
    }
}
