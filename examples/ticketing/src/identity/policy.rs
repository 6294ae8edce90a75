//! What a sale asks about people.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Real names: whose tickets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RealName {
    /// Whose names.
    pub names: Names,
    /// Most tickets of the sale for one document, over all accounts. Left out: as many as one may have on a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000)]
    pub tickets: Option<u32>,
    /// Most tickets for one document that are ordered on a day, of all sales that ask for names, from midnight to midnight in China.
    #[schema(minimum = 1, maximum = 1_000)]
    pub tickets_per_day: u32,
    /// What happens while names cannot be checked.
    pub when_down: WhenDown,
}

/// Whose names an order has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// One for all its tickets.
    PerOrder,
    /// One for each.
    #[default]
    PerTicket,
}

/// What happens to an order while the authority does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenDown {
    /// It is refused.
    #[default]
    Refuse,
    /// It is placed, and its names are checked later. Where one is refused then, the order ends, or its money goes back in full.
    Later,
}

impl Default for RealName {
    fn default() -> Self {
        Self { names: Names::default(), tickets: None, tickets_per_day: 10, when_down: WhenDown::default() }
    }
}
