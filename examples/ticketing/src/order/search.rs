//! Orders as a merchant looks for them.

use super::{
    domain::OrderState,
    storage::{OrderRow, after, any_order},
};
use crate::{
    clock::Millis,
    ids::{OrderId, SessionId, UserId},
    merchant::Scope,
    problem::{Problem, Result},
    storage::Pool,
};

/// The least that is said of a number: fewer characters are of too many orders.
const LEAST: usize = 6;

/// What is asked for; what is missing is not.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// An order's number, or how it begins.
    pub(super) number: Option<Number>,
    /// Whose.
    pub(super) buyer: Option<UserId>,
    /// For which session.
    pub(super) session: Option<SessionId>,
    /// In which state.
    pub(super) state: Option<OrderState>,
    /// Placed at this time or later.
    pub(super) from: Option<Millis>,
    /// Placed before this time.
    pub(super) to: Option<Millis>,
}

/// The beginning of an order's number: hexadecimal digits and dashes alone, so that it is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number(String);

impl Number {
    /// Reads what somebody typed.
    pub(super) fn read(text: &str) -> Result<Self> {
        let text = text.trim().to_ascii_lowercase();
        let fits = (LEAST..=36).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            let detail = format!("`number` is an order's number, or at least {LEAST} characters of its beginning.");
            return Err(Problem::invalid("number", detail));
        }
        Ok(Self(text))
    }
}

/// The merchant's orders, newest first, those before `before` if given.
pub(super) async fn search(
    pool: &Pool,
    scope: &Scope,
    wanted: &Wanted,
    before: Option<&OrderRow>,
    limit: u32,
) -> Result<Vec<OrderRow>> {
    let (at, id) = after(before);
    let text = |id: Option<String>| id.unwrap_or_default();
    scope
        .query(include_str!("sql/at_desk.sql"))
        .bind(format!("{}%", wanted.number.as_ref().map_or("", |number| number.0.as_str())))
        .bind(text(wanted.buyer.map(|id| id.to_string())))
        .bind(text(wanted.session.map(|id| id.to_string())))
        .bind(wanted.state.map_or("", OrderState::as_str))
        .bind(wanted.from.map_or(i64::MIN, |at| at.0))
        .bind(wanted.to.map_or(i64::MAX, |at| at.0))
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(pool)
        .await?
        .iter()
        .map(any_order)
        .collect()
}

/// The merchant's orders that are for somebody of this name and this number, as far as they are given; newest first.
pub(super) async fn of_attendee(
    pool: &Pool,
    scope: &Scope,
    name: Option<String>,
    number: Option<String>,
) -> Result<Vec<OrderRow>> {
    let found = scope.query(include_str!("sql/of_attendee.sql"));
    let found = found.bind(name.unwrap_or_default()).bind(number.unwrap_or_default());
    found.fetch_all(pool).await?.iter().map(any_order).collect()
}

/// One of the merchant's orders. Others are not there.
pub(crate) async fn find(pool: &Pool, scope: &Scope, id: OrderId) -> Result<OrderRow> {
    let sql = "SELECT id, user_id, session_id, state, minor, currency, fingerprint, created_at, expires_at, archived_at \
               FROM all_orders WHERE id = $1";
    let row = scope.query(sql).bind(id).fetch_optional(pool).await?;
    any_order(&row.ok_or_else(|| Problem::not_found("order"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_no_pattern() {
        for text in ["", "01a", "%%%%%%", "0190a0_0", "0190a0' OR 1", "0190a0a0-a0a0-7000-8000-00000000000a0"] {
            assert!(Number::read(text).is_err(), "{text}");
        }
        assert_eq!(Number::read(" 0190A0A0-a0 ").unwrap(), Number("0190a0a0-a0".to_owned()));
    }
}
