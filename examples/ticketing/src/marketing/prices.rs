//! What seats cost a buyer: list prices, the merchant's rules, a coupon.

use std::sync::Arc;

use super::{
    Purchase, Quoted, RuleBook, Rules,
    coupon::{Coupon, Coupons, Refusal, code},
    kept::Step,
    quote,
};
use crate::{
    clock::Millis,
    ids::UserId,
    money::Money,
    problem::{Problem, Result},
    show::{PricedSeat, SessionInfo},
    user::{Kind, Users},
};

/// Makes prices. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prices {
    /// The rules of the merchants.
    pub rules: RuleBook,
    /// Their coupons.
    pub coupons: Coupons,
    /// Of what kind buyers are.
    pub users: Users,
}

/// A price that is not the list price, or could have been another.
#[derive(Clone, Debug)]
pub struct Price {
    /// What made it: the merchant's rules, and the coupon as one more.
    pub rules: Arc<Rules>,
    /// What came out.
    pub quoted: Quoted,
    /// The coupon that the buyer entered.
    pub coupon: Option<Arc<Coupon>>,
}

impl Price {
    /// What was done to list prices, in words for the buyer.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let zh = self.coupon.as_ref().map(|coupon| coupon.title_zh.as_str());
        let steps = &self.quoted.proof.priced().trace.steps;
        steps.iter().map(|step| Step::of(step, &self.rules.set.definition().rules, zh)).collect()
    }
}

impl Prices {
    /// What seats cost this buyer by the merchant's rules and with the coupon of this code; `None` where list prices hold.
    ///
    /// What rules need to know is in memory: a purchase without rules and coupon asks the database for nothing more.
    ///
    /// # Errors
    ///
    /// [`Code::CouponRefused`](crate::problem::Code::CouponRefused) with a `reason`,
    /// [`Code::NotPriced`](crate::problem::Code::NotPriced), or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn of(
        &self,
        session: &SessionInfo,
        seats: &[PricedSeat<'_>],
        user: UserId,
        entered: Option<&str>,
    ) -> Result<Option<Price>> {
        let list = total(seats.iter().map(|seat| seat.price))?;
        let rules = self.rules.active(&session.merchant).await?.filter(|rules| rules.are_for(list.currency));
        if rules.is_none() && entered.is_none() {
            return Ok(None);
        }
        let buyer = self.users.kind(user).await?.unwrap_or(Kind::Normal);
        let purchase = Purchase { session, seats, buyer, now: Millis::now() };
        let by_rules = match rules {
            None => None,
            Some(rules) => Some(Price { quoted: quote(&rules, &purchase)?, rules, coupon: None }),
        };
        let Some(entered) = entered else { return Ok(by_rules) };

        let coupon = self.coupons.find(&session.merchant, &code(entered)).await?.ok_or(Refusal::Unknown)?;
        self.coupons.check(&coupon, &self.coupons.purse(user).await?).await?;
        let (before, revision) = match &by_rules {
            None => (list, 0),
            Some(price) => (price.quoted.total()?, price.rules.revision),
        };
        if coupon.minimum.currency != before.currency {
            return Err(Refusal::Currency.into());
        }
        if before.minor < coupon.minimum.minor {
            return Err(Problem::from(Refusal::Minimum).with("minimum", coupon.minimum));
        }
        let rules = self.rules.with_coupon(revision, &coupon).await?;
        let quoted = quote(&rules, &purchase)?;
        // Who gets nothing for it keeps it.
        if quoted.total()?.minor >= before.minor {
            return Err(Refusal::NoEffect.into());
        }
        Ok(Some(Price { rules, quoted, coupon: Some(coupon) }))
    }
}

/// The sum of prices of one order.
pub(super) fn total(prices: impl IntoIterator<Item = Money>) -> Result<Money> {
    Money::sum(prices).ok_or_else(|| Problem::internal("the prices of a session cannot be added up"))
}
