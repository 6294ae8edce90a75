//! What seats cost a buyer now, and why.

use std::time::Duration;

use nebula_rule_engine::{
    Basket, Budget, Error, ErrorKind, Line, Money as RuleMoney, PriceProof,
    rust_decimal::{Decimal, prelude::ToPrimitive},
};
use serde_json::json;

use super::{Rules, prices::total};
use crate::{
    clock::Millis,
    money::Money,
    problem::{Code, Problem, Result},
    show::{PricedSeat, SessionInfo},
    user::Kind,
};

/// What a price may take. Rules are bounded in what they do; the time is for a machine that is busy.
pub(super) fn budget() -> Budget {
    Budget::default().with_deadline(Some(Duration::from_secs(1)))
}

/// What is to be bought, by whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct Purchase<'a> {
    /// The session.
    pub session: &'a SessionInfo,
    /// The seats, at their list prices.
    pub seats: &'a [PricedSeat<'a>],
    /// Of what kind the buyer is.
    pub buyer: Kind,
    /// The present.
    pub now: Millis,
}

/// A price by rules.
#[derive(Clone, Debug)]
pub struct Quoted {
    /// What each seat costs, in the order of the purchase.
    pub prices: Vec<Money>,
    /// Which rules, what went in and what came out.
    pub proof: PriceProof,
}

impl Quoted {
    /// What all seats cost.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn total(&self) -> Result<Money> {
        total(self.prices.iter().copied())
    }
}

/// The price by these rules, which are for the currency of these seats.
///
/// # Errors
///
/// [`Code::NotPriced`] if the rules cannot price this purchase: a defect of theirs that no proof excludes, such as a
/// division by zero. [`Code::Busy`] if there was not enough time.
pub fn quote(rules: &Rules, purchase: &Purchase<'_>) -> Result<Quoted> {
    let proof = prove(rules, purchase).map_err(|error| match error.kind() {
        ErrorKind::DeadlineExceeded => Problem::new(Code::Busy, "The price took too long to make.").caused_by(error),
        _ => Problem::new(Code::NotPriced, error.to_string()),
    })?;
    let minor = |money: &RuleMoney| {
        let minor = money.amount().checked_mul(Decimal::ONE_HUNDRED).and_then(|minor| minor.to_i64());
        minor.ok_or_else(|| Problem::new(Code::NotPriced, "A price is out of range."))
    };
    let lines = proof.priced().lines.iter().zip(purchase.seats);
    let prices = lines.map(|(line, seat)| Ok(Money { minor: minor(&line.price)?, ..seat.price }));
    let quoted = Quoted { prices: prices.collect::<Result<_>>()?, proof };
    if Money::sum(quoted.prices.iter().copied()).is_none() {
        return Err(Problem::new(Code::NotPriced, "A price is out of range."));
    }
    Ok(quoted)
}

fn prove(rules: &Rules, purchase: &Purchase<'_>) -> Result<PriceProof, Error> {
    let Purchase { session, seats, buyer, now } = purchase;
    let currency = rules.set.definition().currency;
    let instant = |at: Millis| at.timestamp().to_string().replace('Z', "+00:00");
    let facts = rules.set.schema().facts_from_json(&json!({
        "now": instant(*now),
        "starts_at": instant(session.starts_at),
        "hours_to_start": session.starts_at.since(*now).as_secs() / 3_600,
        "seats": seats.len(),
        "buyer": buyer.as_str(),
        "session": session.id.to_string(),
        "show": session.show_id.to_string(),
    }))?;
    let mut lines = Vec::with_capacity(seats.len());
    for seat in *seats {
        let price = RuleMoney::from_minor(seat.price.minor, currency)?;
        let line = Line::new(&*seat.seat.guid, price, 1);
        lines.push(line.with("category", &*seat.seat.category).with("zone", &*seat.seat.zone));
    }
    rules.set.prove(&facts, &Basket::new(lines), &mut budget().start())
}
