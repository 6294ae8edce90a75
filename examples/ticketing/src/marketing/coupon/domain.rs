//! What a coupon is, and why one is refused. Nothing here asks anybody.

use nebula_rule_engine::{
    Action, GroupDef, PhaseDef, RuleDef, RuleSetDef, Stacking,
    coupons::{ClaimRefusal, CouponTemplate, RedeemRefusal},
};
use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};

use super::super::domain::OWN;
use crate::{
    clock::Millis,
    ids::CouponId,
    money::Money,
    problem::{Code, Problem},
};

/// What a merchant takes off for those who have a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coupon {
    /// Its name; also that of its template at the rule engine.
    pub id: CouponId,
    /// Whose it is.
    pub merchant: TenantId,
    /// What buyers enter.
    pub code: String,
    /// What they read.
    pub title: String,
    /// The same in Chinese.
    pub title_zh: String,
    /// What it takes off. This and the minimum never change.
    pub worth: Worth,
    /// What a purchase has to cost without it.
    pub minimum: Money,
    /// What may change.
    pub terms: Terms,
    /// Counts changes.
    pub version: i64,
}

/// What a coupon takes off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Worth {
    /// So many percent, 1 to 100.
    Percent(u32),
    /// An amount, and at most what the purchase costs.
    Amount(Money),
}

/// When, how often and to whom a coupon is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Terms {
    /// From then on.
    #[schema(value_type = String)]
    pub starts_at: Millis,
    /// Until then, exclusive.
    #[schema(value_type = String)]
    pub ends_at: Millis,
    /// How many there are for all buyers together.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub total: u32,
    /// How many there are for one buyer.
    #[schema(minimum = 1, maximum = 100)]
    pub per_buyer: u32,
    /// Whether buyers are offered it; those who know the code may use it in any case.
    #[serde(default)]
    pub listed: bool,
    /// Whether a refund gives it back. An order that ends unpaid always does.
    #[serde(default)]
    pub returns: bool,
    /// Whether it is refused from now on.
    #[serde(default)]
    pub stopped: bool,
}

/// Why a coupon is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// This merchant has none of this code.
    Unknown,
    /// The merchant has stopped it.
    Stopped,
    /// It is not yet good.
    NotYet,
    /// It is not good any more.
    Over,
    /// All are taken.
    Exhausted,
    /// The buyer has had as many as one may have.
    BuyerLimit,
    /// Another order of the buyer has it.
    Used,
    /// It is for prices in another currency.
    Currency,
    /// The purchase costs too little for it.
    Minimum,
    /// The price is as low as the merchant's rules let it be.
    NoEffect,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = match refusal {
            Refusal::Unknown => "There is no coupon of this code here.",
            Refusal::Stopped => "This coupon is not accepted any more.",
            Refusal::NotYet => "This coupon is not good yet.",
            Refusal::Over => "This coupon is over.",
            Refusal::Exhausted => "All of these coupons are taken.",
            Refusal::BuyerLimit => "You have had as many of these coupons as one may have.",
            Refusal::Used => "Another order of yours has this coupon.",
            Refusal::Currency => "This coupon is for prices in another currency.",
            Refusal::Minimum => "These seats cost too little for this coupon.",
            Refusal::NoEffect => "These seats cannot become cheaper.",
        };
        Self::new(Code::CouponRefused, detail).with("reason", refusal)
    }
}

impl From<ClaimRefusal> for Refusal {
    fn from(refusal: ClaimRefusal) -> Self {
        match refusal {
            ClaimRefusal::Exhausted => Self::Exhausted,
            ClaimRefusal::HolderLimit => Self::BuyerLimit,
            // Others are of windows, which templates here do not have, and of names, which nobody chooses.
            _ => Self::Unknown,
        }
    }
}

impl From<RedeemRefusal> for Refusal {
    fn from(refusal: RedeemRefusal) -> Self {
        match refusal {
            RedeemRefusal::NoCoupon => Self::Unknown,
            _ => Self::Used,
        }
    }
}

/// The longest code.
pub(super) const LONGEST: usize = 32;

/// A code as it is kept: buyers write it as they like.
#[must_use]
pub fn code(text: &str) -> String {
    text.trim().to_ascii_uppercase()
}

impl Coupon {
    /// Whether it is good at all at this moment.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, now: Millis) -> Result<(), Refusal> {
        match self.terms {
            Terms { stopped: true, .. } => Err(Refusal::Stopped),
            Terms { starts_at, .. } if now < starts_at => Err(Refusal::NotYet),
            Terms { ends_at, .. } if now >= ends_at => Err(Refusal::Over),
            _ => Ok(()),
        }
    }

    /// What the rule engine counts by.
    pub(super) fn template(&self) -> CouponTemplate {
        let Terms { total, per_buyer, .. } = self.terms;
        // Without a window: what is claimed would keep the one that it was claimed in, and merchants prolong theirs.
        CouponTemplate::new(self.id.to_string()).with_total(total).with_per_holder(per_buyer)
    }

    /// Rules with this coupon as their last phase: it works on what they leave, and their floor holds for it as well.
    #[must_use]
    pub fn appended_to(&self, mut rules: RuleSetDef) -> RuleSetDef {
        let group = GroupDef { id: OWN.to_owned(), stacking: Stacking::First, limit: None };
        rules.phases.push(PhaseDef { id: OWN.to_owned(), groups: vec![group] });
        rules.rules.push(RuleDef {
            id: OWN.to_owned(),
            group: OWN.to_owned(),
            order: 1,
            enabled: true,
            from: None,
            until: None,
            when: Some(format!("basket.total >= {}", self.minimum.decimal()).into()),
            lines: None,
            then: match self.worth {
                Worth::Percent(percent) => Action::PercentOff(percent.to_string().into()),
                Worth::Amount(amount) => Action::AmountOff(amount.decimal().into()),
            },
            rounding: None,
            title: Some(self.title.clone()),
        });
        // Their tests are of purchases without a coupon, and have passed.
        rules.tests.clear();
        rules
    }
}
