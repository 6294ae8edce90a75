//! Sends spans to a collector: in batches, from a thread of their own, and never in anybody's way.

use std::{
    collections::HashMap,
    error::Error,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider},
};
use secrecy::ExposeSecret;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::TraceConfig;
use crate::problem::chain;

/// Most bytes of a collector's answer.
const MOST: usize = 1024 * 1024;

static ON: AtomicBool = AtomicBool::new(false);

/// Whether spans are recorded in this process.
pub(super) fn on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// What records the spans of this process, until it is shut down.
#[derive(Debug, Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Prepares the recorder, if there is a collector. Call it within the runtime that is to send.
    pub(super) fn open(config: &TraceConfig) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let Some(endpoint) = &config.endpoint else { return Ok(Self::default()) };
        // No redirects: they could lead the headers' secrets elsewhere.
        let client = reqwest::Client::builder().timeout(config.timeout).redirect(reqwest::redirect::Policy::none());
        // A collector on this machine is behind no proxy, whatever the environment says.
        let here =
            ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"].iter().any(|here| endpoint.starts_with(here));
        let client = if here { client.no_proxy() } else { client };
        let client = Client { http: client.build()?, runtime: Handle::current(), failing: AtomicBool::new(false) };
        let headers: HashMap<String, String> =
            config.headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(config.timeout)
            .with_headers(headers)
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(config.queue)
            .with_max_export_batch_size(config.queue.min(512))
            .with_scheduled_delay(config.interval)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sampling_ratio))))
            .with_resource(resource())
            .build();
        ON.store(true, Ordering::Relaxed);
        Ok(Self(Some(provider)))
    }

    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|provider| provider.tracer(env!("CARGO_PKG_NAME")))
    }

    /// Sends what waits, for at most so long. Later spans are dropped.
    ///
    /// # Cancel safety
    ///
    /// What waits is sent in the background when the future is dropped.
    pub async fn shutdown(self, within: Duration) {
        let Some(provider) = self.0 else { return };
        // It blocks its thread.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(within)).await;
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not sent"),
            Err(error) => tracing::warn!(%error, "the last spans were not sent"),
        }
    }
}

/// Who records. `OTEL_RESOURCE_ATTRIBUTES` may say more.
fn resource() -> Resource {
    Resource::builder()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .build()
}

/// The exporter's thread has no runtime: it waits here for what runs on ours.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
    failing: AtomicBool,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move { send(&http, request).await }).await;
        let sent = sent.map_err(HttpError::from).flatten();
        let failure = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status())),
            Err(error) => Some(chain(error.as_ref())),
        };
        let outcome = if failure.is_none() { "sent" } else { "failed" };
        metrics::counter!("ticketing_trace_exports_total", "outcome" => outcome).increment(1);
        // Once, not with every batch: a collector that is away may be so for hours.
        match (failure, self.failing.load(Ordering::Relaxed)) {
            (Some(error), false) => tracing::warn!(error, "spans cannot be sent; they are dropped until they can be"),
            (None, true) => tracing::info!("spans are sent again"),
            _ => {}
        }
        self.failing.store(outcome == "failed", Ordering::Relaxed);
        sent
    }
}

async fn send(http: &reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let mut head = Response::builder().status(answer.status());
    if let Some(headers) = head.headers_mut() {
        headers.extend(answer.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MOST {
            return Err("an answer without an end".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(head.body(Bytes::from(body))?)
}
