use std::{fmt, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use secrecy::{ExposeSecret, SecretString};

use super::ReceiptReader;
use crate::{
    digest::is_same,
    error::{Error, ErrorKind, Result},
    notifier::Notifier,
    web::Failure,
};

/// The shortest secret of a path, in bytes.
const SECRET: usize = 24;

/// The largest request. Providers send a hundred receipts at a time, of less than a kilobyte each.
const BODY: usize = 256 * 1024;

/// The most receipts of one request.
const RECEIPTS: usize = 1000;

/// Takes what SMS providers post: `POST /{secret}/{provider}`.
///
/// Receipts are not signed, so the path is the secret that says where they come from: give it to the provider, and keep it out of access logs.
/// [`only_from`](Self::only_from) asks for more, such as an address of the provider's. What is not let in is answered with `404`, whether it
/// is the secret that is wrong or the provider; what is no receipt with `400`; more than 256 KiB with `413`. While the
/// record store is away the answer is `503`, and the provider comes again. A receipt for nothing on record is taken and changes nothing.
///
/// ```
/// use nebula_notification::{AliyunSms, Notifier, ReceiptRoutes};
///
/// # fn app(notifier: Notifier, aliyun: AliyunSms) -> Result<axum::Router, nebula_notification::Error> {
/// let routes = ReceiptRoutes::new(notifier, "Kq3v9XcR7tYb2LmN5pWz8sDf")?.reader(aliyun);
/// Ok(axum::Router::new().nest("/sms/receipts", routes.router()))
/// # }
/// ```
#[derive(Clone)]
pub struct ReceiptRoutes {
    notifier: Notifier,
    secret: SecretString,
    readers: Vec<Arc<dyn ReceiptReader>>,
    let_in: Arc<LetIn>,
}

type LetIn = dyn Fn(&Parts) -> bool + Send + Sync;

impl ReceiptRoutes {
    /// Routes whose path begins with that secret.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if the secret has fewer than 24 bytes, or any that would have to be escaped in a path.
    pub fn new(notifier: Notifier, secret: impl Into<SecretString>) -> Result<Self> {
        let secret = secret.into();
        let plain = |one: u8| one.is_ascii_alphanumeric() || b"-._~".contains(&one);
        if secret.expose_secret().len() < SECRET || !secret.expose_secret().bytes().all(plain) {
            let text = "the secret of the path for receipts needs at least 24 letters, digits, `-`, `.`, `_` and `~`";
            return Err(Error::new(ErrorKind::ConfigInvalid, text));
        }
        Ok(Self { notifier, secret, readers: Vec::new(), let_in: Arc::new(|_| true) })
    }

    /// Takes the receipts of that provider as well.
    #[must_use]
    pub fn reader(mut self, reader: impl ReceiptReader) -> Self {
        self.readers.push(Arc::new(reader));
        self
    }

    /// Takes requests only of whom the function lets in, such as the provider's addresses.
    #[must_use]
    pub fn only_from(mut self, let_in: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.let_in = Arc::new(let_in);
        self
    }

    /// The routes, to be nested under a path of yours.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let known = middleware::from_fn_with_state(self.clone(), known);
        Router::new()
            .route("/{secret}/{provider}", post(take).layer(known))
            .layer(DefaultBodyLimit::max(BODY))
            .with_state(self)
    }

    fn find(&self, provider: &str) -> Option<&dyn ReceiptReader> {
        self.readers.iter().find(|one| one.provider() == provider).map(|one| &**one)
    }
}

impl fmt::Debug for ReceiptRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptRoutes").field("readers", &self.readers).finish_non_exhaustive()
    }
}

/// Lets in who knows the secret, before a byte of the body is read.
async fn known(
    State(routes): State<ReceiptRoutes>,
    Path((secret, provider)): Path<(String, String)>,
    request: Request,
    next: Next,
) -> Response {
    let right = is_same(secret.as_bytes(), routes.secret.expose_secret().as_bytes());
    let (parts, body) = request.into_parts();
    if !right || routes.find(&provider).is_none() || !(routes.let_in)(&parts) {
        return StatusCode::NOT_FOUND.into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}

async fn take(
    State(routes): State<ReceiptRoutes>,
    Path((_, provider)): Path<(String, String)>,
    body: Bytes,
) -> Result<Response, Failure> {
    let Some(reader) = routes.find(&provider) else { return Err(Failure::Unknown("provider")) };
    let receipts = reader.receipts(&body)?;
    if receipts.len() > RECEIPTS {
        return Err(Error::new(ErrorKind::InvalidReceipt, "more than 1,000 receipts at once").into());
    }
    for receipt in receipts {
        routes.notifier.receipt(receipt).await?;
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], reader.answer()).into_response())
}
