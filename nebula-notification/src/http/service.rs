//! What every provider that is spoken to over HTTP is reached by.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Request, Url};

use super::{Answer, TIMEOUT, call, client, endpoint};
use crate::{
    error::Result,
    outcome::{ErrorClass, Outcome},
};

/// A provider's name in records, its address, and the client for it.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) name: Arc<str>,
    /// Its host, and the port if it is not the usual one, as the header has it.
    pub(crate) host: String,
    url: Url,
    client: Client,
}

impl Service {
    pub(crate) fn new(name: &str, url: &str) -> Result<Self> {
        let (url, host) = endpoint(url)?;
        Ok(Self { name: name.into(), host, url, client: client(TIMEOUT)? })
    }

    pub(crate) fn move_to(&mut self, url: &str) -> Result<()> {
        (self.url, self.host) = endpoint(url)?;
        Ok(())
    }

    pub(crate) fn wait_for(&mut self, timeout: Duration) -> Result<()> {
        self.client = client(timeout)?;
        Ok(())
    }

    /// The address of a path.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// Sends a request, if it could be put together.
    pub(crate) async fn ask(&self, request: Result<Request>) -> Result<Answer, Outcome> {
        match request {
            Ok(request) => call(&self.client, request).await,
            Err(error) => Err(Outcome::refused(ErrorClass::Transient, "not sent", error.to_string())),
        }
    }
}

/// The settings that all such providers have, for a type with a field `service`.
macro_rules! service_options {
    ($provider:ident, $name:literal) => {
        impl $provider {
            /// Another address: of another region, or of a fake.
            ///
            /// # Errors
            /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for what is no such address.
            pub fn with_endpoint(mut self, url: &str) -> $crate::Result<Self> {
                self.service.move_to(url)?;
                Ok(self)
            }

            /// What one request may take; 8 s by default.
            ///
            /// # Errors
            /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) if no HTTP client can be made.
            pub fn with_timeout(mut self, timeout: std::time::Duration) -> $crate::Result<Self> {
                self.service.wait_for(timeout)?;
                Ok(self)
            }

            #[doc = concat!("Another name than `", $name, "` in records and templates, for a second account.")]
            #[must_use]
            pub fn with_name(mut self, name: impl Into<std::sync::Arc<str>>) -> Self {
                self.service.name = name.into();
                self
            }
        }
    };
}

pub(crate) use service_options;
