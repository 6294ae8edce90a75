//! Coupons: what is handed out, to whom, and whether it was used.

mod handle;
mod memory;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::handle::{Coupons, RedeemedAll};
pub use self::memory::MemoryCoupons;
use crate::error::{Error, ErrorKind, Result};

/// The longest name of a template, a coupon, a holder or an order, in bytes.
pub(crate) const MAX_NAME: usize = 128;

/// Of what kind coupons are, and how many of them there may be.
///
/// What a coupon is worth is a rule: give rules a fact such as `coupons: list(text)` with the templates that are used, and
/// a condition such as `'spring-10' in coupons`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CouponTemplate {
    /// Its name.
    pub id: String,
    /// How many coupons there are in all; as many as are wanted without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// How many one holder may claim; as many as are wanted without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_holder: Option<u32>,
    /// From when on coupons can be claimed and redeemed, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many seconds a coupon can be redeemed after it was claimed, and not beyond `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u32>,
}

impl CouponTemplate {
    /// Coupons without limits.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), total: None, per_holder: None, from: None, until: None, lifetime_seconds: None }
    }

    /// At most so many in all.
    #[must_use]
    pub const fn with_total(mut self, total: u32) -> Self {
        self.total = Some(total);
        self
    }

    /// At most so many for each holder.
    #[must_use]
    pub const fn with_per_holder(mut self, per_holder: u32) -> Self {
        self.per_holder = Some(per_holder);
        self
    }

    /// Only between these two.
    #[must_use]
    pub const fn with_window(mut self, from: Timestamp, until: Timestamp) -> Self {
        (self.from, self.until) = (Some(from), Some(until));
        self
    }

    /// So long after a coupon was claimed, in whole seconds.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime_seconds = Some(u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX));
        self
    }

    /// Between what milliseconds a coupon that is claimed at `at` can be redeemed.
    pub(crate) fn validity(&self, at: i64) -> (i64, i64) {
        let from = self.from.map_or(i64::MIN, Timestamp::as_millisecond);
        let until = self.until.map_or(i64::MAX, Timestamp::as_millisecond);
        let end = self.lifetime_seconds.map_or(i64::MAX, |seconds| at.saturating_add(i64::from(seconds) * 1000));
        (from, until.min(end))
    }
}

/// A coupon that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Coupon {
    /// Its name, unique among all coupons.
    pub id: String,
    /// Its template.
    pub template: String,
    /// Who has it.
    pub holder: String,
    /// The order that it was redeemed for; nothing if it can still be.
    pub order: Option<String>,
    /// When it was claimed or issued, to the millisecond.
    pub claimed_at: Timestamp,
    /// From when on it can be redeemed.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub until: Timestamp,
}

impl Coupon {
    /// Whether it can be redeemed at `at`.
    #[must_use]
    pub fn is_usable(&self, at: Timestamp) -> bool {
        self.order.is_none() && self.from <= at && at < self.until
    }
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The coupon is the holder's: now, or since an earlier call with the same name.
    Claimed(Coupon),
    /// It is not.
    Refused(ClaimRefusal),
}

/// Why a coupon cannot be claimed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimRefusal {
    /// There is no such template.
    NoTemplate,
    /// All are taken.
    Exhausted,
    /// The holder has as many as one may have.
    HolderLimit,
    /// It has not begun.
    NotYet,
    /// It is over.
    Over,
    /// A coupon of this name is somebody else's, or of another template.
    NameTaken,
}

/// What became of a redemption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// The coupon is redeemed for the order: now, or since an earlier call.
    Redeemed(Coupon),
    /// It is not.
    Refused(RedeemRefusal),
}

/// Why a coupon cannot be redeemed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedeemRefusal {
    /// The holder has no such coupon.
    NoCoupon,
    /// It was redeemed for another order.
    Used,
    /// The order had it, and has given it back.
    GivenBack,
    /// It cannot be redeemed yet.
    NotYet,
    /// It cannot be redeemed any more.
    Over,
}

/// What became of a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GiveBack {
    /// The holder has the coupon again: now, or since an earlier call. It may be over by now.
    Returned(Coupon),
    /// It was not redeemed for this order, or there is no such coupon.
    NotRedeemed,
}

/// Keeps templates and coupons.
///
/// Names are up to 128 bytes of text without control characters. Times are the caller's, to the millisecond, and only
/// decide about windows; who gets the last coupon is decided by the store.
///
/// # Contract
///
/// - [`put_template`](Self::put_template) stores a template, or changes its limits; what was claimed stays claimed and counts.
/// - [`claim`](Self::claim) never gives more than the total, nor one holder more than its limit, however many call at once.
/// - Claiming again with the same name, template and holder gives the same coupon and counts once, also after the end.
/// - [`issue`](Self::issue) is a claim that keeps to the total, but neither to the limit of a holder nor to the window.
/// - A coupon can be redeemed from the template's beginning to its end, or to the end of its lifetime.
/// - Of any number of calls of [`redeem`](Self::redeem) for different orders, at most one succeeds; for the same order, all.
/// - Nobody redeems another holder's coupon.
/// - [`give_back`](Self::give_back) makes a coupon usable again for other orders, once; the order that gave it back last
///   cannot redeem it again, however late its calls arrive.
/// - [`coupons`](Self::coupons) lists what a holder has, the oldest first.
/// - What is refused changes nothing; neither does a bad name ([`ErrorKind::Invalid`]).
#[async_trait]
pub trait CouponStore: fmt::Debug + Send + Sync + 'static {
    /// Stores or changes a template.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a bad name; [`ErrorKind::Unavailable`] and what else the store reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether it happened; calling again is harmless. This is so for all of these.
    async fn put_template(&self, template: &CouponTemplate) -> Result<()>;

    /// The template `id` and how many coupons of it there are.
    ///
    /// # Errors
    ///
    /// As [`put_template`](Self::put_template).
    async fn template(&self, id: &str) -> Result<Option<(CouponTemplate, u64)>>;

    /// Gives `holder` a coupon of `template`, named `id`, if the limits allow it.
    ///
    /// # Errors
    ///
    /// As [`put_template`](Self::put_template).
    async fn claim(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim>;

    /// Gives `holder` a coupon of `template`, named `id`, for the asking of whoever runs the shop.
    ///
    /// # Errors
    ///
    /// As [`put_template`](Self::put_template).
    async fn issue(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim>;

    /// Uses the coupon `id` of `holder` for `order`.
    ///
    /// # Errors
    ///
    /// As [`put_template`](Self::put_template).
    async fn redeem(&self, id: &str, holder: &str, order: &str, at: Timestamp) -> Result<Redeem>;

    /// Takes back what [`redeem`](Self::redeem) did for `order`, as on a refund.
    ///
    /// # Errors
    ///
    /// As [`put_template`](Self::put_template).
    async fn give_back(&self, id: &str, order: &str) -> Result<GiveBack>;

    /// The coupon `id`.
    ///
    /// # Errors
    ///
    /// As [`put_template`](Self::put_template).
    async fn coupon(&self, id: &str) -> Result<Option<Coupon>>;

    /// All coupons of `holder`.
    ///
    /// # Errors
    ///
    /// As [`put_template`](Self::put_template).
    async fn coupons(&self, holder: &str) -> Result<Vec<Coupon>>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: CouponStore + ?Sized> CouponStore for Arc<S> {
    async fn put_template(&self, template: &CouponTemplate) -> Result<()> {
        (**self).put_template(template).await
    }

    async fn template(&self, id: &str) -> Result<Option<(CouponTemplate, u64)>> {
        (**self).template(id).await
    }

    async fn claim(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim> {
        (**self).claim(template, holder, id, at).await
    }

    async fn issue(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim> {
        (**self).issue(template, holder, id, at).await
    }

    async fn redeem(&self, id: &str, holder: &str, order: &str, at: Timestamp) -> Result<Redeem> {
        (**self).redeem(id, holder, order, at).await
    }

    async fn give_back(&self, id: &str, order: &str) -> Result<GiveBack> {
        (**self).give_back(id, order).await
    }

    async fn coupon(&self, id: &str) -> Result<Option<Coupon>> {
        (**self).coupon(id).await
    }

    async fn coupons(&self, holder: &str) -> Result<Vec<Coupon>> {
        (**self).coupons(holder).await
    }
}

/// Refuses names that some store could not keep apart.
pub(crate) fn check_names(names: &[&str]) -> Result<()> {
    for name in names {
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            let context = format!("a name has 1 to {MAX_NAME} bytes of text without control characters");
            return Err(Error::new(ErrorKind::Invalid, context));
        }
    }
    Ok(())
}

/// Milliseconds as a point in time; beyond the calendar, its nearest end.
pub(crate) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
