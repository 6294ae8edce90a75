//! Coupons in memory: for tests, and for one process that may forget them.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{
    Claim, ClaimRefusal, Coupon, CouponStore, CouponTemplate, GiveBack, Redeem, RedeemRefusal, check_names, timestamp,
};
use crate::error::Result;

/// Coupons of one process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryCoupons {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    templates: HashMap<String, (CouponTemplate, u64)>,
    coupons: HashMap<String, Kept>,
    /// Names of coupons, in the order in which they were claimed.
    holders: HashMap<String, Vec<String>>,
}

#[derive(Debug)]
struct Kept {
    coupon: Coupon,
    /// The order that gave it back last.
    given_back: Option<String>,
}

impl MemoryCoupons {
    /// No coupons.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn give(&self, template: &str, holder: &str, id: &str, at: Timestamp, limits: bool) -> Result<Claim> {
        check_names(&[template, holder, id])?;
        let mut shared = self.shared.lock();
        let shared = &mut *shared;
        let refused = |why| Ok(Claim::Refused(why));
        if let Some(Kept { coupon, .. }) = shared.coupons.get(id) {
            let same = coupon.template == template && coupon.holder == holder;
            return if same { Ok(Claim::Claimed(coupon.clone())) } else { refused(ClaimRefusal::NameTaken) };
        }
        let Some((template, claimed)) = shared.templates.get_mut(template) else {
            return refused(ClaimRefusal::NoTemplate);
        };
        if limits && template.from.is_some_and(|from| at < from) {
            return refused(ClaimRefusal::NotYet);
        }
        if limits && template.until.is_some_and(|until| at >= until) {
            return refused(ClaimRefusal::Over);
        }
        if template.total.is_some_and(|total| *claimed >= u64::from(total)) {
            return refused(ClaimRefusal::Exhausted);
        }
        let has = shared.holders.get(holder).into_iter().flatten();
        let has = has.filter(|id| shared.coupons.get(*id).is_some_and(|kept| kept.coupon.template == template.id));
        if limits && template.per_holder.is_some_and(|limit| has.count() >= limit as usize) {
            return refused(ClaimRefusal::HolderLimit);
        }
        *claimed += 1;
        let (from, until) = template.validity(at.as_millisecond());
        let coupon = Coupon {
            id: id.to_owned(),
            template: template.id.clone(),
            holder: holder.to_owned(),
            order: None,
            claimed_at: timestamp(at.as_millisecond()),
            from: timestamp(from),
            until: timestamp(until),
        };
        shared.holders.entry(holder.to_owned()).or_default().push(id.to_owned());
        shared.coupons.insert(id.to_owned(), Kept { coupon: coupon.clone(), given_back: None });
        Ok(Claim::Claimed(coupon))
    }
}

#[async_trait]
impl CouponStore for MemoryCoupons {
    async fn put_template(&self, template: &CouponTemplate) -> Result<()> {
        check_names(&[&template.id])?;
        let mut shared = self.shared.lock();
        let entry = shared.templates.entry(template.id.clone()).or_insert_with(|| (template.clone(), 0));
        entry.0 = template.clone();
        Ok(())
    }

    async fn template(&self, id: &str) -> Result<Option<(CouponTemplate, u64)>> {
        Ok(self.shared.lock().templates.get(id).cloned())
    }

    async fn claim(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim> {
        self.give(template, holder, id, at, true)
    }

    async fn issue(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim> {
        self.give(template, holder, id, at, false)
    }

    async fn redeem(&self, id: &str, holder: &str, order: &str, at: Timestamp) -> Result<Redeem> {
        check_names(&[id, holder, order])?;
        let mut shared = self.shared.lock();
        let refused = |why| Ok(Redeem::Refused(why));
        let Some(Kept { coupon, given_back }) = shared.coupons.get_mut(id).filter(|kept| kept.coupon.holder == holder)
        else {
            return refused(RedeemRefusal::NoCoupon);
        };
        let at = timestamp(at.as_millisecond());
        match &coupon.order {
            Some(used) if used == order => {}
            Some(_) => return refused(RedeemRefusal::Used),
            None if given_back.as_deref() == Some(order) => return refused(RedeemRefusal::GivenBack),
            None if at < coupon.from => return refused(RedeemRefusal::NotYet),
            None if at >= coupon.until => return refused(RedeemRefusal::Over),
            None => coupon.order = Some(order.to_owned()),
        }
        Ok(Redeem::Redeemed(coupon.clone()))
    }

    async fn give_back(&self, id: &str, order: &str) -> Result<GiveBack> {
        check_names(&[id, order])?;
        let mut shared = self.shared.lock();
        let Some(Kept { coupon, given_back }) = shared.coupons.get_mut(id) else { return Ok(GiveBack::NotRedeemed) };
        if coupon.order.as_deref() == Some(order) {
            coupon.order = None;
            *given_back = Some(order.to_owned());
        } else if given_back.as_deref() != Some(order) || coupon.order.is_some() {
            return Ok(GiveBack::NotRedeemed);
        }
        Ok(GiveBack::Returned(coupon.clone()))
    }

    async fn coupon(&self, id: &str) -> Result<Option<Coupon>> {
        Ok(self.shared.lock().coupons.get(id).map(|kept| kept.coupon.clone()))
    }

    async fn coupons(&self, holder: &str) -> Result<Vec<Coupon>> {
        let shared = self.shared.lock();
        let ids = shared.holders.get(holder).into_iter().flatten();
        Ok(ids.filter_map(|id| shared.coupons.get(id)).map(|kept| kept.coupon.clone()).collect())
    }
}
