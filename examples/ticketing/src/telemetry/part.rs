//! One request or one message, as a span of log lines and, where traces are recorded, of its trace.

use axum::http::{HeaderMap, StatusCode};
use nebula_delay_queue::Received;
use opentelemetry::{
    Context,
    trace::{Status, TraceContextExt},
};
use tracing::{
    Instrument, Span,
    field::{Empty, display},
};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::{
    context::{TRACEPARENT, TraceParent, scope},
    export,
};
use crate::ids::OrderId;

/// What a process does at somebody's request.
#[derive(Debug)]
pub(crate) struct Part {
    here: TraceParent,
    span: Span,
}

/// The fields that every part has, whether or not they are known yet.
macro_rules! part {
    ($name:literal, $known:expr, $($field:tt)*) => {
        tracing::info_span!(
            $name,
            trace_id = $known.map(|part: TraceParent| display(part.trace())),
            span_id = $known.map(|part: TraceParent| display(part.span())),
            otel.name = Empty,
            otel.kind = Empty,
            $($field)*
        )
    };
}

impl Part {
    /// A request: its trace is its caller's, if it names one.
    pub(crate) fn of_request(headers: &HeaderMap, method: &'static str, pattern: &str, id: &str) -> Self {
        let caller = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(TraceParent::parse);
        let known = known(caller);
        let span =
            part!("request", known, id, action = format_args!("{method} {pattern}"), user_id = Empty, order_id = Empty);
        let part = Self::begin(span, known, caller, "server", || format!("{method} {pattern}"));
        if export::on() {
            part.span.set_attribute("http.request.method", method);
            part.span.set_attribute("http.route", pattern.to_owned());
        }
        part
    }

    /// A message: its trace is that of whoever sent it.
    pub(crate) fn of_message<T>(message: &Received<T>) -> Self {
        let sender = message.trace_context().and_then(TraceParent::parse);
        let known = known(sender);
        let queue = message.queue();
        let span = part!(
            "message",
            known,
            action = format_args!("process {queue}"),
            message_id = %message.id(),
            order_id = Empty
        );
        let part = Self::begin(span, known, sender, "consumer", || format!("process {queue}"));
        if export::on() {
            part.span.set_attribute("messaging.system", "nebula_delay_queue");
            part.span.set_attribute("messaging.operation.type", "process");
            part.span.set_attribute("messaging.destination.name", queue.to_string());
        }
        part
    }

    fn begin(
        span: Span,
        known: Option<TraceParent>,
        parent: Option<TraceParent>,
        kind: &'static str,
        name: impl FnOnce() -> String,
    ) -> Self {
        if let Some(here) = known {
            return Self { here, span };
        }
        span.record("otel.name", name());
        span.record("otel.kind", kind);
        let context = Context::new();
        let context = match parent {
            Some(parent) => context.with_remote_span_context(parent.remote()),
            None => context,
        };
        // Refused where the span is switched off: then it has identifiers all the same.
        let _unrecorded = span.set_parent(context);
        let here = TraceParent::of(&span).unwrap_or_else(|| TraceParent::within(parent));
        span.record("trace_id", display(here.trace()));
        span.record("span_id", display(here.span()));
        Self { here, span }
    }

    /// It is about this order: every line of it says so.
    #[must_use]
    pub(crate) fn about(self, order: OrderId) -> Self {
        self.span.record("order_id", display(order));
        self
    }

    /// Runs what has to be done.
    pub(crate) fn run<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        scope(self.here, work.instrument(self.span.clone()))
    }

    /// The request was answered; `tell` writes what log lines say of it.
    pub(crate) fn answered(&self, status: StatusCode, tell: impl FnOnce()) {
        self.span.in_scope(tell);
        if export::on() {
            self.span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
            if status.is_server_error() {
                self.span.set_status(Status::error(""));
            }
        }
    }
}

/// What the caller does at somebody's request turns out to be about this order.
pub(crate) fn about_order(order: OrderId) {
    Span::current().record("order_id", display(order));
}

/// The identifiers, if nobody records spans and gives them theirs.
fn known(parent: Option<TraceParent>) -> Option<TraceParent> {
    (!export::on()).then(|| TraceParent::within(parent))
}
