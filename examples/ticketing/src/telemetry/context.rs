//! Which trace a piece of work belongs to, in the words of W3C Trace Context.

use std::fmt;

use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState},
};
use tokio::task::futures::TaskLocalFuture;
use tracing::{Instrument, Span, instrument::Instrumented};
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header, of requests and of messages.
pub(crate) const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    static CURRENT: Option<TraceParent>;
}

/// A part of a trace, which other parts can belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent {
    trace: u128,
    span: u64,
    sampled: bool,
}

impl TraceParent {
    /// What a caller says, unless it is malformed: `00-<32 digits>-<16 digits>-<2 digits>`; later versions may add more.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut hex = |length: usize| {
            let part = parts.next().filter(|part| part.len() == length)?;
            part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(part)
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let (trace, span) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        let ends = version != "00" || parts.next().is_none();
        (version != "ff" && ends && trace != 0 && span != 0).then_some(Self { trace, span, sampled })
    }

    /// A new part of the caller's trace, or the first one of a new trace. Nobody records it.
    pub(super) fn within(parent: Option<Self>) -> Self {
        let sampled = parent.is_some_and(|parent| parent.sampled);
        Self { trace: parent.map_or_else(rand::random, |parent| parent.trace), span: rand::random(), sampled }
    }

    /// The part that a recorded span is.
    pub(super) fn of(span: &Span) -> Option<Self> {
        let context = span.context();
        let span = context.span();
        let span = span.span_context();
        span.is_valid().then(|| Self {
            trace: u128::from_be_bytes(span.trace_id().to_bytes()),
            span: u64::from_be_bytes(span.span_id().to_bytes()),
            sampled: span.is_sampled(),
        })
    }

    /// For the recorder: somebody else's part.
    pub(super) fn remote(self) -> SpanContext {
        let flags = TraceFlags::default().with_sampled(self.sampled);
        let (trace, span) =
            (TraceId::from_bytes(self.trace.to_be_bytes()), SpanId::from_bytes(self.span.to_be_bytes()));
        SpanContext::new(trace, span, flags, true, TraceState::default())
    }

    pub(super) fn trace(self) -> impl fmt::Display {
        fmt::from_fn(move |f| write!(f, "{:032x}", self.trace))
    }

    pub(super) fn span(self) -> impl fmt::Display {
        fmt::from_fn(move |f| write!(f, "{:016x}", self.span))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

/// The part of a trace that the caller works on: its innermost recorded span, or the request or message.
pub(crate) fn current() -> Option<TraceParent> {
    TraceParent::of(&Span::current()).or_else(|| CURRENT.try_with(|part| *part).ok().flatten())
}

/// What the caller works on, for what another task does for it.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    part: Option<TraceParent>,
    span: Span,
}

impl Carrier {
    /// Of whoever calls this.
    pub(crate) fn here() -> Self {
        Self { part: CURRENT.try_with(|part| *part).ok().flatten(), span: Span::current() }
    }

    /// Makes the future part of it, whoever polls it.
    pub(crate) fn over<F: Future>(self, future: F) -> TaskLocalFuture<Option<TraceParent>, Instrumented<F>> {
        CURRENT.scope(self.part, future.instrument(self.span))
    }
}

/// Lets whoever is asked go on with the trace.
pub(crate) fn propagate(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    match current() {
        Some(part) => request.header(TRACEPARENT, part.to_string()),
        None => request,
    }
}

/// Runs a future as this part.
pub(super) fn scope<F: Future>(part: TraceParent, future: F) -> TaskLocalFuture<Option<TraceParent>, F> {
    CURRENT.scope(Some(part), future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_s_trace_goes_on_and_a_malformed_one_does_not() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = TraceParent::parse(good).unwrap();
        assert_eq!(parent.to_string(), good);
        let part = TraceParent::within(Some(parent));
        assert_eq!(part.trace().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(part.span, parent.span);
        assert!(part.to_string().ends_with("-01"), "{part}");
        let later = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-more";
        assert!(TraceParent::parse(later).is_some_and(|parent| !parent.sampled));
        for bad in [
            "",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert_eq!(TraceParent::parse(bad), None, "{bad}");
        }
        assert_ne!(TraceParent::within(None), TraceParent::within(None));
    }

    #[tokio::test]
    async fn what_another_task_does_belongs_to_whoever_asked() {
        assert_eq!(current(), None);
        let part = TraceParent::within(None);
        let spawned =
            scope(part, async { tokio::spawn(Carrier::here().over(async { current() })).await.unwrap() }).await;
        assert_eq!(spawned, Some(part));
    }
}
