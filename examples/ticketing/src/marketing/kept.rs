//! What an order keeps of its price.

use nebula_rule_engine::{RuleDef, Step as RuleStep};
use serde::{Deserialize, Serialize};

use super::{
    Price,
    coupon::{self, Coupons},
    domain::OWN,
    prices::total,
};
use crate::{
    ids::{CouponId, OrderId, UserId},
    money::{Currency, Money},
    problem::{Problem, Result},
    show::PricedSeat,
    storage::{
        Connection,
        sql::{Target, query},
    },
};

/// What one rule did to a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// `rule`, `coupon`; `floor` and `cap` where the merchant's bounds took something back.
    kind: StepKind,
    /// What the merchant calls it.
    title: String,
    /// The same in Chinese, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title_zh: Option<String>,
    /// What it changes, for example `-38.00 CNY`.
    change: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum StepKind {
    Rule,
    Coupon,
    Floor,
    Cap,
}

impl Step {
    pub(super) fn of(step: &RuleStep, rules: &[RuleDef], coupon_zh: Option<&str>) -> Self {
        let kind = match (step.phase.as_str(), step.rule.as_str()) {
            ("", "floor") => StepKind::Floor,
            ("", _) => StepKind::Cap,
            (OWN, _) => StepKind::Coupon,
            _ => StepKind::Rule,
        };
        let rule = rules.iter().find(|rule| rule.id == step.rule);
        let title = rule.and_then(|rule| rule.title.clone()).unwrap_or_else(|| step.rule.clone());
        let title_zh = coupon_zh.filter(|_| kind == StepKind::Coupon).map(str::to_owned);
        Self { kind, title, title_zh, change: step.change.to_string() }
    }
}

/// How the price of an order came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PriceView {
    /// At list prices.
    subtotal: Money,
    /// What rules and coupon did, in their order.
    steps: Vec<Step>,
}

/// How the price of a new order came about, where it is not just the list price.
#[derive(Clone, Debug)]
pub struct OrderPrice {
    revision: i64,
    subtotal: Money,
    steps: String,
    proof: String,
    /// What the merchant offers, and the buyer's own.
    coupon: Option<(CouponId, String)>,
}

impl OrderPrice {
    /// What is kept of a price. The coupon, if there is one, becomes the buyer's now, if it is not yet.
    ///
    /// # Errors
    ///
    /// [`Code::CouponRefused`](crate::problem::Code::CouponRefused), or the database failed.
    ///
    /// # Cancel safety
    ///
    /// The buyer may have the coupon, and can use it with another order.
    pub async fn of(price: &Price, coupons: &Coupons, user: UserId, seats: &[PricedSeat<'_>]) -> Result<Self> {
        let proof = price.quoted.proof.to_bytes().map_err(Problem::internal)?;
        Ok(Self {
            revision: price.rules.revision,
            subtotal: total(seats.iter().map(|seat| seat.price))?,
            steps: serde_json::to_string(&price.steps()).map_err(Problem::internal)?,
            proof: String::from_utf8(proof).map_err(Problem::internal)?,
            coupon: match &price.coupon {
                None => None,
                Some(coupon) => Some((coupon.id, coupons.claim(coupon, user).await?.0)),
            },
        })
    }
}

/// Keeps how the price of a new order came about, in the transaction that makes the order; its coupon is held from then on.
///
/// # Errors
///
/// [`Code::CouponRefused`](crate::problem::Code::CouponRefused) if another order was quicker, or the database failed.
///
/// # Cancel safety
///
/// Part of the transaction.
pub async fn keep(connection: &mut Connection<'_>, order: OrderId, user: UserId, price: &OrderPrice) -> Result<()> {
    if let Some((_, name)) = &price.coupon {
        coupon::hold(connection, name, user, order).await?;
    }
    let (coupon_id, coupon) = price.coupon.clone().unzip();
    query(
        "INSERT INTO order_prices (order_id, revision, subtotal, steps, proof, coupon_id, coupon, tenant_id) \
         SELECT $1, $2, $3, $4, $5, $6, $7, tenant_id FROM orders WHERE id = $1",
    )
    .bind(order)
    .bind(price.revision)
    .bind(price.subtotal.minor)
    .bind(&price.steps)
    .bind(&price.proof)
    .bind(coupon_id)
    .bind(coupon)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the buyer was told about the price of an order; `None` for list prices.
///
/// # Errors
///
/// The database failed.
///
/// # Cancel safety
///
/// Safe.
pub async fn kept(target: impl Into<Target<'_>>, order: OrderId, currency: Currency) -> Result<Option<PriceView>> {
    let row = query("SELECT subtotal, steps FROM all_order_prices WHERE order_id = $1").bind(order);
    let Some(row) = row.fetch_optional(target).await? else { return Ok(None) };
    let steps: String = row.get("steps")?;
    let subtotal = Money { minor: row.get("subtotal")?, currency };
    Ok(Some(PriceView { subtotal, steps: serde_json::from_str(&steps).map_err(Problem::internal)? }))
}
