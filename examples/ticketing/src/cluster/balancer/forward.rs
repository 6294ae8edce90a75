//! Passes a request on to a replica, and its answer back.

use std::{net::SocketAddr, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use tokio::time::Instant;

use super::backend::{Backend, Backends, Busy, Health};
use crate::problem::{Code, Problem, chain};

/// The head of an answer has to come within this time; replicas give up earlier by themselves.
const HEAD: Duration = Duration::from_secs(30);
/// A body up to this size is kept while it is sent, so that it can be sent again.
const KEPT: u64 = 64 * 1024;

/// Headers between two neighbours, not between the ends (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What passing on needs.
#[derive(Clone, Debug)]
pub(super) struct Forwarder {
    pub(super) backends: Backends,
    pub(super) client: Client<HttpConnector, Body>,
}

/// A body as it can be sent.
enum Load {
    /// As often as needed.
    Kept(Bytes),
    /// Once.
    Stream(Option<Body>),
}

impl Load {
    fn take(&mut self) -> Option<Body> {
        match self {
            Self::Kept(bytes) => Some(Body::from(bytes.clone())),
            Self::Stream(body) => body.take(),
        }
    }
}

pub(super) async fn forward(
    State(forwarder): State<Forwarder>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (mut head, body) = request.into_parts();
    prepare(&mut head.headers, peer);
    let load = match load(body).await {
        Ok(load) => load,
        Err(problem) => return problem.into_response(),
    };
    forwarder.send(&head, load).await.unwrap_or_else(IntoResponse::into_response)
}

impl Forwarder {
    /// Tries replicas until one answers. A request that a replica may have begun to work on is sent to another one only
    /// if doing it twice is doing it once.
    async fn send(&self, head: &Parts, mut load: Load) -> Result<Response, Problem> {
        let mut tried = Vec::new();
        let mut cause = "no replica is there".to_owned();
        while let Some((backend, busy)) = self.backends.pick(&tried) {
            tried.push(backend.address);
            let Some(body) = load.take() else { break };
            let error = match tokio::time::timeout(HEAD, self.client.request(addressed(head, &backend, body)?)).await {
                Ok(Ok(answer)) => return Ok(passed_back(answer.map(Body::new), busy)),
                Ok(Err(error)) => error,
                Err(_) => return Err(Problem::new(Code::Timeout, "The replica did not answer in time.")),
            };
            cause = chain(&error);
            tracing::debug!(address = %backend.address, cause, "a replica failed");
            backend.doubt();
            if error.is_connect() {
                // Nobody is there until the next look finds somebody.
                backend.set(Health::Down, Instant::now());
            } else if !repeatable(head) {
                break;
            }
        }
        Err(Problem::unavailable(cause))
    }
}

/// Whether the request may be sent again although the first one may have arrived.
fn repeatable(head: &Parts) -> bool {
    let safe_twice = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE].contains(&head.method);
    safe_twice || head.headers.contains_key("idempotency-key")
}

async fn load(body: Body) -> Result<Load, Problem> {
    match body.size_hint().exact() {
        Some(size) if size <= KEPT => {
            let unread = |error| Problem::new(Code::MalformedRequest, "The body could not be read.").caused_by(error);
            Ok(Load::Kept(to_bytes(body, usize::MAX).await.map_err(unread)?))
        }
        _ => Ok(Load::Stream(Some(body))),
    }
}

fn addressed(head: &Parts, backend: &Backend, body: Body) -> Result<Request, Problem> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().scheme("http").authority(backend.address.to_string()).path_and_query(path).build();
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri.map_err(Problem::internal)?;
    *request.headers_mut() = head.headers.clone();
    Ok(request)
}

fn prepare(headers: &mut HeaderMap, peer: SocketAddr) {
    strip(headers);
    // Nobody stands before this balancer: what a client says about others before it is not believed.
    if let Ok(address) = HeaderValue::from_str(&peer.ip().to_string()) {
        headers.insert("x-forwarded-for", address);
    }
    headers.remove("forwarded");
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
}

/// The answer piece by piece as it comes, so that streams stream; the replica is busy until its end.
fn passed_back(answer: Response, busy: Busy) -> Response {
    let (mut head, body) = answer.into_parts();
    strip(&mut head.headers);
    let body = body.into_data_stream().map(move |piece| {
        let _until_the_end = &busy;
        piece
    });
    Response::from_parts(head, Body::from_stream(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_neighbours_stays_between_them_and_nobody_vouches_for_himself() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("x-forwarded-for", "198.51.100.7"),
            ("forwarded", "for=198.51.100.7"),
            ("authorization", "Bearer t"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        prepare(&mut headers, ([203, 0, 113, 9], 4_000).into());
        let mut left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [("authorization", "Bearer t"), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http")]
        );
    }

    #[test]
    fn only_what_may_happen_twice_is_repeated() {
        let head = |method: Method, key: bool| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            if key {
                request.headers_mut().insert("idempotency-key", HeaderValue::from_static("k"));
            }
            request.into_parts().0
        };
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            assert!(repeatable(&head(method, false)));
        }
        assert!(!repeatable(&head(Method::POST, false)) && !repeatable(&head(Method::PATCH, false)));
        assert!(repeatable(&head(Method::POST, true)));
    }
}
