//! The coupons that merchants offer, in the database, and who has them.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use nebula_rule_engine::{
    coupons::{Claim, CouponStore, Redeem},
    sql::SqlCoupons,
};
use nebula_tenant::TenantId;
use sqlx::{Postgres, Sqlite};

use super::domain::{Coupon, LONGEST, Refusal, Terms, Worth};
use crate::{
    clock::Millis,
    ids::{CouponId, OrderId, UserId},
    merchant::{Merchants, Scope},
    money::{Currency, Money},
    problem::{Problem, Result},
    remembered::Cache,
    storage::{
        Connection, Database, Pool,
        sql::{Row, query},
    },
};

/// How long a coupon is believed to be as it was read: another process may have changed it.
const AGE: Duration = Duration::from_millis(500);
/// How many are kept in memory.
const KEPT: usize = 1_024;
/// Most coupons of a merchant.
pub(super) const MOST: i64 = 1_000;

/// The coupons of all merchants. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Coupons(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    merchants: Merchants,
    /// Reads and writes on SQLite take different connections: those who write stand in one line.
    read: Arc<dyn CouponStore>,
    write: Arc<dyn CouponStore>,
    known: Cache<(TenantId, String), Option<Arc<Coupon>>>,
    listed: Cache<TenantId, Arc<Vec<Coupon>>>,
}

/// What a buyer has had.
#[derive(Clone, Debug)]
pub struct Purse(Vec<nebula_rule_engine::coupons::Coupon>);

impl Purse {
    /// The name of a coupon of this kind that is not used.
    #[must_use]
    pub fn unused(&self, coupon: &Coupon) -> Option<&str> {
        self.of(coupon).find(|one| one.order.is_none()).map(|one| one.id.as_str())
    }

    /// How many of this kind there were, used ones included.
    fn had(&self, coupon: &Coupon) -> usize {
        self.of(coupon).count()
    }

    fn of(&self, coupon: &Coupon) -> impl Iterator<Item = &nebula_rule_engine::coupons::Coupon> {
        let template = coupon.id.to_string();
        self.0.iter().filter(move |one| one.template == template)
    }
}

/// How an order that has a coupon came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nobody paid.
    Unpaid,
    /// The money is back.
    Refunded,
}

fn store(pool: &Pool) -> Arc<dyn CouponStore> {
    match pool {
        Pool::Sqlite(pool) => Arc::new(SqlCoupons::<Sqlite>::new(pool.clone())),
        Pool::Postgres(pool) => Arc::new(SqlCoupons::<Postgres>::new(pool.clone())),
    }
}

/// All that is read of a coupon.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant_id, code, title, title_zh, percent, minor, currency, minimum, starts_at, ends_at, total, ",
            "per_buyer, listed, returns, stopped, version FROM coupons ",
            $rest
        )
    };
}

pub(super) const FIND: &str = select!("WHERE id = $1");

pub(super) fn coupon(row: &Row) -> Result<Coupon> {
    let (code, tenant): (String, String) = (row.get("currency")?, row.get("tenant_id")?);
    let currency = Currency::from_code(&code)
        .ok_or_else(|| Problem::internal(format!("the database has a coupon in currency `{code}`")))?;
    let money = |minor| Money { minor, currency };
    let flag = |name: &str| Ok::<_, Problem>(row.get::<i64>(name)? != 0);
    let worth = match (row.get::<Option<i64>>("percent")?, row.get::<Option<i64>>("minor")?) {
        (Some(percent), None) => Worth::Percent(u32::try_from(percent).map_err(Problem::internal)?),
        (None, Some(minor)) => Worth::Amount(money(minor)),
        _ => return Err(Problem::internal("the database has a coupon that is worth two things, or nothing")),
    };
    Ok(Coupon {
        id: row.get("id")?,
        merchant: tenant.parse().map_err(Problem::internal)?,
        code: row.get("code")?,
        title: row.get("title")?,
        title_zh: row.get("title_zh")?,
        worth,
        minimum: money(row.get("minimum")?),
        terms: Terms {
            starts_at: Millis(row.get("starts_at")?),
            ends_at: Millis(row.get("ends_at")?),
            total: row.get("total")?,
            per_buyer: row.get("per_buyer")?,
            listed: flag("listed")?,
            returns: flag("returns")?,
            stopped: flag("stopped")?,
        },
        version: row.get("version")?,
    })
}

impl Coupons {
    /// The coupons in this database, whose tables the book of rules has made.
    #[must_use]
    pub fn new(database: Database, merchants: Merchants) -> Self {
        let (read, write) = (store(&database.read), store(&database.queue));
        let (known, listed) = (Cache::new("coupon", KEPT, Some(AGE)), Cache::new("coupons", KEPT, Some(AGE)));
        Self(Arc::new(Inner { database, merchants, read, write, known, listed }))
    }

    fn scope(&self, merchant: &TenantId) -> Result<Scope> {
        self.0.merchants.scope(merchant)
    }

    /// The merchant's coupon of this code, as [`code`](super::code) writes it; at most half a second old.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn find(&self, merchant: &TenantId, code: &str) -> Result<Option<Arc<Coupon>>> {
        if code.len() > LONGEST {
            return Ok(None);
        }
        let load = || async {
            let row = self.scope(merchant)?.query(select!("WHERE code = $1")).bind(code);
            let row = row.fetch_optional(&self.0.database.read).await?;
            row.as_ref().map(coupon).transpose().map(|found| found.map(Arc::new))
        };
        self.0.known.get((merchant.clone(), code.to_owned()), load).await
    }

    /// The merchant's coupon of this name.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound), or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn get(&self, merchant: &TenantId, id: CouponId) -> Result<Coupon> {
        let row = self.scope(merchant)?.query(FIND).bind(id).fetch_optional(&self.0.database.read).await?;
        coupon(&row.ok_or_else(|| Problem::not_found("coupon"))?)
    }

    /// All coupons of a merchant, the newest first.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn all(&self, merchant: &TenantId) -> Result<Vec<Coupon>> {
        let rows = self.scope(merchant)?.query(select!("ORDER BY created_at DESC, id LIMIT 1000"));
        rows.fetch_all(&self.0.database.read).await?.iter().map(coupon).collect()
    }

    /// Those that are good now; at most half a second old.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn good(&self, merchant: &TenantId, now: Millis) -> Result<Vec<Coupon>> {
        let all = self.0.listed.get(merchant.clone(), || async { self.all(merchant).await.map(Arc::new) }).await?;
        Ok(all.iter().filter(|coupon| coupon.check(now).is_ok()).cloned().collect())
    }

    /// Forgets what is kept in memory of a merchant's coupon that has changed.
    pub(super) fn changed(&self, coupon: &Coupon) {
        self.0.listed.forget(&coupon.merchant);
        self.0.known.forget(&(coupon.merchant.clone(), coupon.code.clone()));
    }

    /// How many coupons of a kind were claimed.
    pub(super) async fn claimed(&self, id: CouponId) -> Result<u64> {
        let found = self.0.read.template(&id.to_string()).await.map_err(failed)?;
        Ok(found.map_or(0, |(_, claimed)| claimed))
    }

    /// What a buyer has had, of all merchants.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn purse(&self, user: UserId) -> Result<Purse> {
        self.0.read.coupons(&user.to_string()).await.map(Purse).map_err(failed)
    }

    /// Whether the buyer of this purse could use a coupon of this kind now: has one, or can still get one.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] as a problem, or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn check(&self, coupon: &Coupon, purse: &Purse) -> Result<()> {
        coupon.check(Millis::now())?;
        if purse.unused(coupon).is_some() {
            return Ok(());
        }
        if purse.had(coupon) >= coupon.terms.per_buyer as usize {
            return Err(Refusal::BuyerLimit.into());
        }
        if self.claimed(coupon.id).await? >= u64::from(coupon.terms.total) {
            return Err(Refusal::Exhausted.into());
        }
        Ok(())
    }

    /// Gives the buyer a coupon of this kind, or finds one that the buyer has not used; answers its name, and whether it
    /// is new.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] as a problem, or the database failed.
    ///
    /// # Cancel safety
    ///
    /// The buyer may have it; asking again finds it.
    pub async fn claim(&self, coupon: &Coupon, user: UserId) -> Result<(String, bool)> {
        coupon.check(Millis::now())?;
        let purse = self.purse(user).await?;
        if let Some(name) = purse.unused(coupon) {
            return Ok((name.to_owned(), false));
        }
        // Two who ask at once for the same buyer get the same one.
        let (template, holder) = (coupon.id.to_string(), user.to_string());
        let name = format!("{template}/{holder}/{}", purse.had(coupon) + 1);
        match self.0.write.claim(&template, &holder, &name, Timestamp::now()).await.map_err(failed)? {
            Claim::Claimed(_) => Ok((name, true)),
            Claim::Refused(why) => Err(Refusal::from(why).into()),
        }
    }
}

/// Makes the buyer's coupon this order's, in the transaction in which the order comes to be.
///
/// # Errors
///
/// [`Refusal::Used`] as a problem if another order was quicker, or the database failed.
///
/// # Cancel safety
///
/// Part of the transaction.
pub async fn hold(connection: &mut Connection<'_>, name: &str, user: UserId, order: OrderId) -> Result<()> {
    let (user, order, now) = (user.to_string(), order.to_string(), Timestamp::now());
    let redeemed = match connection {
        Connection::Sqlite(connection) => SqlCoupons::<Sqlite>::redeem_in(connection, name, &user, &order, now).await,
        Connection::Postgres(connection) => {
            SqlCoupons::<Postgres>::redeem_in(connection, name, &user, &order, now).await
        }
    };
    match redeemed.map_err(failed)? {
        Redeem::Redeemed(_) => Ok(()),
        Redeem::Refused(why) => Err(Refusal::from(why).into()),
    }
}

/// Gives the coupon of an order that has ended back to its buyer, in the transaction that ends the order; after a refund
/// only if the coupon says so.
///
/// # Errors
///
/// The database failed.
///
/// # Cancel safety
///
/// Part of the transaction.
pub async fn give_back(connection: &mut Connection<'_>, order: OrderId, ended: Ended) -> Result<()> {
    let held = query(
        "SELECT order_prices.coupon AS name, coupons.returns FROM order_prices \
         JOIN coupons ON coupons.id = order_prices.coupon_id \
         WHERE order_prices.order_id = $1 AND order_prices.coupon IS NOT NULL",
    );
    let Some(row) = held.bind(order).fetch_optional(&mut *connection).await? else { return Ok(()) };
    let (name, returns): (String, i64) = (row.get("name")?, row.get("returns")?);
    if ended == Ended::Refunded && returns == 0 {
        return Ok(());
    }
    let by = order.to_string();
    let back = match connection {
        Connection::Sqlite(connection) => SqlCoupons::<Sqlite>::give_back_in(connection, &name, &by).await,
        Connection::Postgres(connection) => SqlCoupons::<Postgres>::give_back_in(connection, &name, &by).await,
    };
    back.map_err(failed)?;
    query("UPDATE order_prices SET coupon = NULL WHERE order_id = $1").bind(order).execute(connection).await?;
    Ok(())
}

/// Stores how many coupons of this kind there are, in the transaction that stores the rest of it.
pub(super) async fn put_template(connection: &mut Connection<'_>, coupon: &Coupon) -> Result<()> {
    let template = coupon.template();
    let put = match connection {
        Connection::Sqlite(connection) => SqlCoupons::<Sqlite>::put_template_in(connection, &template).await,
        Connection::Postgres(connection) => SqlCoupons::<Postgres>::put_template_in(connection, &template).await,
    };
    put.map_err(failed)
}

fn failed(error: nebula_rule_engine::Error) -> Problem {
    if error.is_retryable() { Problem::unavailable(error) } else { Problem::internal(error) }
}
