//! Log lines on standard error, traces to a collector, and figures for pages.

mod config;
pub(crate) mod context;
mod counters;
mod export;
mod figures;
mod json;
mod part;

use std::{error::Error, io::IsTerminal};

use tracing::{Level, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::Targets,
    fmt::{self, format::JsonFields},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

pub use self::figures::{Figure, Figures, figures};
use self::json::JsonLines;
pub(crate) use self::part::{Part, about_order};
pub use self::{
    config::{LogConfig, LogFormat, TraceConfig},
    export::Traces,
};
pub(crate) use self::{counters::Counters, figures::Kept};

type Failure = Box<dyn Error + Send + Sync>;

/// Begins to write log lines. The environment variable `RUST_LOG` goes before the configured filter.
///
/// # Errors
///
/// The filter cannot be read, or log lines are being written already.
pub fn init(log: &LogConfig) -> Result<(), Failure> {
    // One filter for everything: what nobody writes costs next to nothing.
    Registry::default().with(filter(log)?).with(lines(log)).try_init()?;
    Ok(())
}

/// The same for a process that also records traces, if the configuration names a collector. Call it within the runtime
/// that is to send them.
///
/// # Errors
///
/// As [`init`], or the collector's address or headers cannot be used.
pub fn init_with_traces(log: &LogConfig, trace: &TraceConfig) -> Result<Traces, Failure> {
    let traces = Traces::open(trace)?;
    let Some(tracer) = traces.tracer() else {
        init(log)?;
        return Ok(traces);
    };
    let recorder = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    // What the platform does, whatever its log lines say of it.
    let platform = Targets::new().with_target(env!("CARGO_CRATE_NAME"), Level::INFO);
    Registry::default().with(lines(log).with_filter(filter(log)?)).with(recorder.with_filter(platform)).try_init()?;
    Ok(traces)
}

fn filter(log: &LogConfig) -> Result<EnvFilter, Failure> {
    Ok(match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text)?,
        _ => EnvFilter::try_new(&log.filter)?,
    })
}

fn lines<S>(log: &LogConfig) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let lines = fmt::layer().with_writer(std::io::stderr);
    match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(JsonLines).boxed(),
    }
}
