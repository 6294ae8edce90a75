//! Requests to providers, with one rule of what is known afterwards.

mod service;

use std::time::Duration;

use reqwest::{Client, Request, Response};

pub(crate) use self::service::{Service, service_options};
use crate::{
    error::{Error, ErrorKind, Result},
    outcome::{ErrorClass, Outcome},
};

/// What one request may take, connecting included.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(8);

/// The most that an answer may have.
const MAX_ANSWER: usize = 1 << 20;

/// An answer that was read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// A client for providers: bounded in time, without redirects (a signed request is for one host) and without proxies that the
/// environment names only if the application wants so.
pub(crate) fn client(timeout: Duration) -> Result<Client> {
    let builder = Client::builder().timeout(timeout).connect_timeout(timeout / 2);
    let built = builder.redirect(reqwest::redirect::Policy::none()).build();
    built.map_err(|error| Error::new(ErrorKind::ConfigInvalid, "the HTTP client cannot be made").with_source(error))
}

/// Sends a request. What cannot have been read is refused for now; what may have been read and was not answered is unknown.
pub(crate) async fn call(client: &Client, request: Request) -> Result<Answer, Outcome> {
    let response = client.execute(request).await.map_err(|error| lost(&error))?;
    let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
    let body = read(response).await?;
    Ok(Answer { status, retry_after, body })
}

/// What is known when there is no answer.
pub(crate) fn lost(error: &reqwest::Error) -> Outcome {
    if error.is_connect() || error.is_builder() {
        Outcome::refused(ErrorClass::Transient, "unreachable", "no connection could be made")
    } else if error.is_timeout() {
        Outcome::unknown("timeout")
    } else {
        Outcome::unknown("connection lost")
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Outcome> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > MAX_ANSWER => {
                return Err(Outcome::unknown("answer too long"));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) if error.is_timeout() => return Err(Outcome::unknown("timeout")),
            Err(_) => return Err(Outcome::unknown("connection lost")),
        }
    }
}

/// `Retry-After`, or Aliyun's header, in seconds; what is no positive number is ignored.
pub(crate) fn retry_after(response: &Response) -> Option<Duration> {
    let header = |name: &str| response.headers().get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    header("retry-after").or_else(|| header("x-acs-retry-after")).filter(|wait| *wait > 0).map(Duration::from_secs)
}

/// What a status above 500 says without a body that could be understood: the gateway did not hand it on (502, 503), or nobody
/// knows.
pub(crate) fn by_status(answer: &Answer) -> Outcome {
    match answer.status {
        429 | 503 => Outcome::refused(ErrorClass::Transient, format!("http {}", answer.status), "overloaded")
            .retry_after(answer.retry_after),
        500..=599 => Outcome::unknown(format!("http {}", answer.status)),
        401 | 403 => Outcome::refused(ErrorClass::Account, format!("http {}", answer.status), "access refused"),
        400..=499 => Outcome::refused(ErrorClass::Content, format!("http {}", answer.status), "request refused"),
        _ => Outcome::unknown(format!("http {} without an answer that is understood", answer.status)),
    }
}

/// A base address such as `https://dysmsapi.aliyuncs.com`, checked, and its host as it stands in the header.
pub(crate) fn endpoint(text: &str) -> Result<(reqwest::Url, String)> {
    let refuse = |what: &str| Error::new(ErrorKind::ConfigInvalid, format!("endpoint: {what}"));
    let url: reqwest::Url = text.parse().map_err(|_| refuse("this is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || !url.username().is_empty() {
        return Err(refuse("it is http or https, without a query and without a user"));
    }
    let host = url.host_str().ok_or_else(|| refuse("it has no host"))?;
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    Ok((url, host))
}
