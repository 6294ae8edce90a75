//! Coupons in a database.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Pool, Transaction, pool::PoolConnection};

use super::dialect::CouponRow;
use super::{SqlDatabase, failed, within};
use crate::coupon::{
    Claim, ClaimRefusal, Coupon, CouponStore, CouponTemplate, GiveBack, Redeem, RedeemRefusal, check_names, timestamp,
};
use crate::error::{Error, ErrorKind, Result};

/// Coupons that all processes with the same database share. [`migrate`](super::migrate) makes its tables.
///
/// Claims of one template come one after another: they lock its row, which is how the limits hold.
pub struct SqlCoupons<DB: SqlDatabase> {
    pool: Pool<DB>,
}

impl<DB: SqlDatabase> Clone for SqlCoupons<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone() }
    }
}

impl<DB: SqlDatabase> fmt::Debug for SqlCoupons<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlCoupons").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

impl<DB: SqlDatabase> SqlCoupons<DB> {
    /// Coupons in a database that [`migrate`](super::migrate) has prepared.
    #[must_use]
    pub const fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }

    /// As [`CouponStore::put_template`], in the transaction of the caller.
    ///
    /// # Errors
    ///
    /// As there. The transaction is to be rolled back then.
    ///
    /// # Cancel safety
    ///
    /// Part of the caller's transaction. This is so for all of these.
    pub async fn put_template_in(connection: &mut DB::Connection, template: &CouponTemplate) -> Result<()> {
        check_names(&[&template.id])?;
        let document = serde_json::to_string(template)
            .map_err(|error| Error::new(ErrorKind::Invalid, "a template").with_source(error))?;
        let (context, total) = ("storing a template of coupons", template.total.map(i64::from));
        within(context, async {
            DB::put_template(connection, &template.id, &document, total).await.map_err(failed(context))
        })
        .await
    }

    /// As [`CouponStore::redeem`], in the transaction of the caller: the coupon is used exactly if that is committed.
    ///
    /// On PostgreSQL and MySQL others who want this coupon wait for the end of the transaction.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn redeem_in(
        connection: &mut DB::Connection,
        id: &str,
        holder: &str,
        order: &str,
        at: Timestamp,
    ) -> Result<Redeem> {
        check_names(&[id, holder, order])?;
        let (context, at) = ("redeeming a coupon", at.as_millisecond());
        let found = within(context, async {
            DB::redeem(connection, id, holder, order, at).await.map_err(failed(context))?;
            // Whatever the row says now is the answer: whether it was this call that redeemed it or an earlier one.
            DB::coupon(connection, id).await.map_err(failed(context))
        });
        let Some(row) = found.await?.filter(|row| row.holder == holder) else {
            return Ok(Redeem::Refused(RedeemRefusal::NoCoupon));
        };
        Ok(match &row.order {
            Some(used) if used == order => Redeem::Redeemed(row.into_coupon()),
            Some(_) => Redeem::Refused(RedeemRefusal::Used),
            None if row.given_back.as_deref() == Some(order) => Redeem::Refused(RedeemRefusal::GivenBack),
            None if at < row.from_ms => Redeem::Refused(RedeemRefusal::NotYet),
            None if at >= row.until_ms => Redeem::Refused(RedeemRefusal::Over),
            // Somebody had it when this call came, and has given it back since.
            None => Redeem::Refused(RedeemRefusal::Used),
        })
    }

    /// As [`CouponStore::give_back`], in the transaction of the caller.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn give_back_in(connection: &mut DB::Connection, id: &str, order: &str) -> Result<GiveBack> {
        check_names(&[id, order])?;
        let context = "giving a coupon back";
        let found = within(context, async {
            DB::give_back(connection, id, order).await.map_err(failed(context))?;
            DB::coupon(connection, id).await.map_err(failed(context))
        });
        let given_back = |row: &CouponRow| row.order.is_none() && row.given_back.as_deref() == Some(order);
        Ok(match found.await?.filter(given_back) {
            Some(row) => GiveBack::Returned(row.into_coupon()),
            None => GiveBack::NotRedeemed,
        })
    }

    async fn connection(&self, context: &'static str) -> Result<PoolConnection<DB>> {
        within(context, async { self.pool.acquire().await.map_err(failed(context)) }).await
    }

    async fn give(&self, template: &str, holder: &str, id: &str, at: Timestamp, limits: bool) -> Result<Claim> {
        check_names(&[template, holder, id])?;
        let context = "claiming a coupon";
        within(context, async {
            let failed = failed(context);
            let mut tx = super::begin(&self.pool, DB::BEGIN).await.map_err(failed)?;
            let given = self.give_in(&mut tx, (template, holder, id), at.as_millisecond(), limits).await;
            match given {
                Ok(Ok(coupon)) => {
                    tx.commit().await.map_err(failed)?;
                    return Ok(Claim::Claimed(coupon));
                }
                Ok(Err(claim)) => {
                    tx.rollback().await.map_err(failed)?;
                    return Ok(claim);
                }
                // Of another template, at the same moment.
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    tx.rollback().await.map_err(failed)?;
                }
                Err(error) => return Err(failed(error)),
            }
            let known = self.row(id).await.map_err(failed)?;
            Ok(known.map_or(Claim::Refused(ClaimRefusal::NameTaken), |row| row.again(template, holder)))
        })
        .await
    }

    /// The new coupon, or what the caller hears instead.
    async fn give_in(
        &self,
        tx: &mut Transaction<'static, DB>,
        (template, holder, id): (&str, &str, &str),
        at: i64,
        limits: bool,
    ) -> sqlx::Result<std::result::Result<Coupon, Claim>> {
        let refused = |why| Ok(Err(Claim::Refused(why)));
        let taken = DB::take(tx, template).await?;
        // Looked up after the row of the template is ours: whoever else claims by this name has done so, or waits.
        if let Some(row) = DB::coupon(tx, id).await? {
            return Ok(Err(row.again(template, holder)));
        }
        let Some((document, _)) = DB::template(tx, template).await? else {
            return refused(ClaimRefusal::NoTemplate);
        };
        let template: CouponTemplate =
            serde_json::from_str(&document).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let now = timestamp(at);
        if limits && template.from.is_some_and(|from| now < from) {
            return refused(ClaimRefusal::NotYet);
        }
        if limits && template.until.is_some_and(|until| now >= until) {
            return refused(ClaimRefusal::Over);
        }
        if taken == 0 {
            return refused(ClaimRefusal::Exhausted);
        }
        if limits && let Some(limit) = template.per_holder {
            let has = DB::count(tx, &template.id, holder).await?;
            if has >= i64::from(limit) {
                return refused(ClaimRefusal::HolderLimit);
            }
        }
        let (from_ms, until_ms) = template.validity(at);
        let row = CouponRow {
            id: id.to_owned(),
            template: template.id,
            holder: holder.to_owned(),
            order: None,
            given_back: None,
            claimed_ms: at,
            from_ms,
            until_ms,
        };
        DB::insert(tx, &row).await?;
        Ok(Ok(row.into_coupon()))
    }

    async fn row(&self, id: &str) -> sqlx::Result<Option<CouponRow>> {
        DB::coupon(&mut *self.pool.acquire().await?, id).await
    }
}

impl CouponRow {
    fn into_coupon(self) -> Coupon {
        Coupon {
            id: self.id,
            template: self.template,
            holder: self.holder,
            order: self.order,
            claimed_at: timestamp(self.claimed_ms),
            from: timestamp(self.from_ms),
            until: timestamp(self.until_ms),
        }
    }

    /// The answer to a claim by a name that is known.
    fn again(self, template: &str, holder: &str) -> Claim {
        if self.template == template && self.holder == holder {
            Claim::Claimed(self.into_coupon())
        } else {
            Claim::Refused(ClaimRefusal::NameTaken)
        }
    }
}

#[async_trait]
impl<DB: SqlDatabase> CouponStore for SqlCoupons<DB> {
    async fn put_template(&self, template: &CouponTemplate) -> Result<()> {
        check_names(&[&template.id])?;
        let mut connection = self.connection("storing a template of coupons").await?;
        Self::put_template_in(&mut connection, template).await
    }

    async fn template(&self, id: &str) -> Result<Option<(CouponTemplate, u64)>> {
        let context = "reading a template of coupons";
        let found = within(context, async {
            let mut connection = self.pool.acquire().await.map_err(failed(context))?;
            DB::template(&mut connection, id).await.map_err(failed(context))
        });
        let Some((document, claimed)) = found.await? else { return Ok(None) };
        let template = serde_json::from_str(&document)
            .map_err(|error| Error::new(ErrorKind::Store, context).with_source(error))?;
        Ok(Some((template, u64::try_from(claimed).unwrap_or_default())))
    }

    async fn claim(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim> {
        self.give(template, holder, id, at, true).await
    }

    async fn issue(&self, template: &str, holder: &str, id: &str, at: Timestamp) -> Result<Claim> {
        self.give(template, holder, id, at, false).await
    }

    async fn redeem(&self, id: &str, holder: &str, order: &str, at: Timestamp) -> Result<Redeem> {
        check_names(&[id, holder, order])?;
        let mut connection = self.connection("redeeming a coupon").await?;
        Self::redeem_in(&mut connection, id, holder, order, at).await
    }

    async fn give_back(&self, id: &str, order: &str) -> Result<GiveBack> {
        check_names(&[id, order])?;
        let mut connection = self.connection("giving a coupon back").await?;
        Self::give_back_in(&mut connection, id, order).await
    }

    async fn coupon(&self, id: &str) -> Result<Option<Coupon>> {
        let context = "reading a coupon";
        let found = within(context, async { self.row(id).await.map_err(failed(context)) });
        Ok(found.await?.map(CouponRow::into_coupon))
    }

    async fn coupons(&self, holder: &str) -> Result<Vec<Coupon>> {
        let context = "listing coupons";
        let found = within(context, async {
            let mut connection = self.pool.acquire().await.map_err(failed(context))?;
            DB::coupons(&mut connection, holder).await.map_err(failed(context))
        });
        Ok(found.await?.into_iter().map(CouponRow::into_coupon).collect())
    }
}
