//! Why somebody changed something, as the log keeps it.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::problem::{Problem, Result};

/// Longest reason, in characters.
const LONGEST: usize = 200;

/// Why something is done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// For the log.
    #[schema(min_length = 1, max_length = 200)]
    pub reason: String,
}

/// The reason without the space around it.
///
/// # Errors
///
/// [`Code::InvalidValue`](crate::problem::Code::InvalidValue) for none, a long one, or one of several lines.
pub fn reason(text: &str) -> Result<&str> {
    let reason = text.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST || reason.chars().any(char::is_control) {
        return Err(Problem::invalid("reason", format!("Say why, in 1 to {LONGEST} characters, on one line.")));
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_bounded_length() {
        assert_eq!(reason("  大促 ").unwrap(), "大促");
        assert_eq!(reason(&"因".repeat(LONGEST)).unwrap().chars().count(), LONGEST);
        for bad in ["", " \n ", "a\nb", "a\0", &"x".repeat(LONGEST + 1)] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
    }
}
