//! Which trace a request belongs to: that of the caller (W3C Trace Context), or one of its own.

use std::fmt;

use axum::http::HeaderMap;

/// Identifiers of a request's trace and of its part here, in lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    trace: u128,
    span: u64,
}

impl Trace {
    /// The trace that `traceparent` names, unless it is malformed, and a new part of it.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let parent = headers.get("traceparent").and_then(|value| value.to_str().ok()).and_then(trace_id);
        Self { trace: parent.unwrap_or_else(rand::random), span: rand::random() }
    }

    pub(super) fn trace(&self) -> impl fmt::Display + use<> {
        let trace = self.trace;
        fmt::from_fn(move |f| write!(f, "{trace:032x}"))
    }

    pub(super) fn span(&self) -> impl fmt::Display + use<> {
        let span = self.span;
        fmt::from_fn(move |f| write!(f, "{span:016x}"))
    }
}

/// `00-<32 digits>-<16 digits>-<2 digits>`; later versions may add more.
fn trace_id(text: &str) -> Option<u128> {
    let mut parts = text.split('-');
    let mut hex = |length: usize| {
        let part = parts.next().filter(|part| part.len() == length)?;
        part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(part)
    };
    let (version, trace, parent, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let known = version != "ff" && u64::from_str_radix(parent, 16).ok()? != 0;
    u128::from_str_radix(trace, 16).ok().filter(|trace| known && *trace != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_s_trace_goes_on_and_a_malformed_one_does_not() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", good.parse().unwrap());
        let trace = Trace::of(&headers);
        assert_eq!(trace.trace().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.span().to_string().len(), 16);
        for bad in [
            "",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
        assert_ne!(Trace::of(&HeaderMap::new()), Trace::of(&HeaderMap::new()));
    }
}
