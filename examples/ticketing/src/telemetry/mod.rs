//! Log lines on standard error.

mod json;

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt::format::JsonFields};

use self::json::JsonLines;

use crate::config::{LogConfig, LogFormat};

/// Begins to write log lines. The environment variable `RUST_LOG` goes before the configured filter.
///
/// # Errors
///
/// The filter cannot be read, or log lines are being written already.
pub fn init(config: &LogConfig) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => EnvFilter::try_new(text)?,
        _ => EnvFilter::try_new(&config.filter)?,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(JsonLines).try_init(),
    }
}
