//! Rules and a coupon for each merchant of the demo.

use std::time::Duration;

use nebula_tenant::TenantId;

use super::coupon::{Coupon, Terms, Worth, insert};
use crate::{
    app::App,
    clock::Millis,
    ids::CouponId,
    money::{Currency, Money},
    problem::{Code, Result},
};

const RULES: &str = "\
# Prices of this merchant. What is not above the floor for every purchase cannot be put in force.
name: rules
currency: CNY
floor: basket.subtotal * 0.6
phases: [{ id: offers, groups: [{ id: offers, stacking: best }] }]
rules:
  - id: company
    title: Four seats and more · 四张及以上
    group: offers
    order: 1
    when: seats >= 4
    then: { percent-off: 10 }
  - id: friends
    title: Friends of the house · 贵宾
    group: offers
    order: 2
    when: buyer == 'VIP'
    then: { percent-off: 15 }
tests:
  - name: two seats at list price
    facts: { now: '2027-05-01T12:00:00+08:00', starts_at: '2027-05-09T19:30:00+08:00', hours_to_start: 199, seats: 2, buyer: NORMAL, session: s, show: s }
    lines:
      - { id: A-1, price: 380 CNY, facts: { category: Stalls, zone: Stalls } }
      - { id: A-2, price: 380 CNY, facts: { category: Stalls, zone: Stalls } }
    total: 760 CNY
";

/// The code of the coupon.
pub const CODE: &str = "WELCOME50";
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Puts rules in force where a merchant never had any, and offers a coupon unless there is one of its code.
///
/// # Errors
///
/// The database failed.
///
/// # Cancel safety
///
/// Call it again.
pub async fn load(app: &App, merchant: &TenantId) -> Result<()> {
    let rules = &app.prices.rules;
    if rules.revisions(merchant).await?.is_empty() {
        match rules.publish(merchant, RULES.to_owned(), None).await {
            // Another process was quicker.
            Err(problem) if problem.code != Code::VersionConflict => return Err(problem),
            _ => {}
        }
    }
    let yuan = |yuan: i64| Money { minor: yuan * 100, currency: Currency::CNY };
    let now = Millis::now();
    let coupon = Coupon {
        id: CouponId::new(),
        merchant: merchant.clone(),
        code: CODE.to_owned(),
        title: "Welcome".to_owned(),
        title_zh: "新客立减".to_owned(),
        worth: Worth::Amount(yuan(50)),
        minimum: yuan(200),
        terms: Terms {
            starts_at: now,
            ends_at: now.plus(YEAR),
            total: 1_000,
            per_buyer: 1,
            listed: true,
            returns: true,
            stopped: false,
        },
        version: 1,
    };
    let scope = app.merchants.scope(merchant)?;
    let made =
        app.database.write.run(move |connection| Box::pin(async move { insert(connection, &scope, &coupon).await }));
    match made.await {
        Err(problem) if problem.code != Code::NameTaken => Err(problem),
        _ => Ok(()),
    }
}
