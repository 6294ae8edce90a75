//! What applications hold.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Claim, Coupon, CouponStore, CouponTemplate, GiveBack, Redeem, RedeemRefusal};
use crate::error::Result;

/// Coupons in any store. Clones share it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use jiff::Timestamp;
/// use nebula_rule_engine::coupons::{Claim, CouponTemplate, Coupons, MemoryCoupons, RedeemedAll};
///
/// let (coupons, now) = (Coupons::new(MemoryCoupons::new()), Timestamp::now());
/// coupons.put_template(&CouponTemplate::new("spring-10").with_total(1_000).with_per_holder(1)).await?;
/// assert!(matches!(coupons.claim("spring-10", "ada", "claim-4711", now).await?, Claim::Claimed(_)));
/// assert!(matches!(coupons.claim("spring-10", "ada", "claim-4712", now).await?, Claim::Refused(_)));
///
/// // The fact `coupons` of rules such as `'spring-10' in coupons`.
/// assert_eq!(coupons.usable_templates("ada", now).await?, ["spring-10"]);
/// assert!(matches!(coupons.redeem_all(&["claim-4711"], "ada", "order-1", now).await?, RedeemedAll::All(_)));
/// coupons.give_back("claim-4711", "order-1").await?; // the order was refunded
/// # Ok::<_, nebula_rule_engine::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Coupons {
    store: Arc<dyn CouponStore>,
}

/// What became of the redemption of several coupons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedeemedAll {
    /// All are redeemed.
    All(Vec<Coupon>),
    /// None is, because of this one.
    Refused {
        /// The coupon that cannot be redeemed.
        id: String,
        /// Why.
        why: RedeemRefusal,
    },
}

impl fmt::Debug for Coupons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coupons").field("store", &self.store).finish()
    }
}

impl Coupons {
    /// Coupons in `store`.
    #[must_use]
    pub fn new(store: impl CouponStore) -> Self {
        Self { store: Arc::new(store) }
    }

    /// The store, for all that it can do.
    #[must_use]
    pub fn store(&self) -> &dyn CouponStore {
        &*self.store
    }

    /// As [`CouponStore::put_template`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn put_template(&self, template: &CouponTemplate) -> Result<()> {
        self.store.put_template(template).await
    }

    /// As [`CouponStore::claim`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn claim(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim> {
        self.store.claim(template, holder, id, at).await
    }

    /// Redeems all coupons for `order`, or none of them.
    ///
    /// If one cannot be redeemed, those before it are given back. They cannot be redeemed for this same order again: try
    /// again under another name of the order, or ask [`usable_templates`](Self::usable_templates) before.
    ///
    /// # Errors
    ///
    /// As [`CouponStore::redeem`]. After an error some may be redeemed: call again, or give all back.
    ///
    /// # Cancel safety
    ///
    /// As after an error.
    pub async fn redeem_all(&self, ids: &[&str], holder: &str, order: &str, at: Timestamp) -> Result<RedeemedAll> {
        let mut redeemed = Vec::with_capacity(ids.len());
        for id in ids {
            match self.store.redeem(id, holder, order, at).await? {
                Redeem::Redeemed(coupon) => redeemed.push(coupon),
                Redeem::Refused(why) => {
                    for coupon in &redeemed {
                        self.store.give_back(&coupon.id, order).await?;
                    }
                    return Ok(RedeemedAll::Refused { id: (*id).to_owned(), why });
                }
            }
        }
        Ok(RedeemedAll::All(redeemed))
    }

    /// As [`CouponStore::give_back`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn give_back(&self, id: &str, order: &str) -> Result<GiveBack> {
        self.store.give_back(id, order).await
    }

    /// The templates of the coupons that `holder` can use at `at`, each once and sorted: a fact for rules.
    ///
    /// # Errors
    ///
    /// As [`CouponStore::coupons`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is harmless.
    pub async fn usable_templates(&self, holder: &str, at: Timestamp) -> Result<Vec<String>> {
        let coupons = self.store.coupons(holder).await?;
        let mut templates: Vec<String> =
            coupons.into_iter().filter(|coupon| coupon.is_usable(at)).map(|coupon| coupon.template).collect();
        templates.sort_unstable();
        templates.dedup();
        Ok(templates)
    }
}
