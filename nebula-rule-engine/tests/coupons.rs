//! Coupons keep their contract in memory and in three databases, as themselves and behind an `Arc<dyn …>`.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use jiff::Timestamp;
use nebula_rule_engine::coupon_conformance_suite;
use nebula_rule_engine::coupons::{
    CouponStore, CouponTemplate, Coupons, GiveBack, MemoryCoupons, Redeem, RedeemRefusal, RedeemedAll,
};
use nebula_rule_engine::sql::{SqlCoupons, SqlDatabase, migrate};
use nebula_rule_engine::sqlx::{MySql, Pool, Postgres, Sqlite, pool::PoolOptions};
use nebula_rule_engine::testing::CouponFixture;
use nebula_test_support::{mariadb_database, postgres_database};
use tempfile::TempDir;

#[derive(Debug)]
struct Memory(MemoryCoupons);

impl CouponFixture for Memory {
    type Store = MemoryCoupons;

    async fn start() -> Self {
        Self(MemoryCoupons::new())
    }

    fn store(&self) -> MemoryCoupons {
        self.0.clone()
    }
}

mod memory {
    use super::*;

    coupon_conformance_suite!(Memory);
}

#[derive(Debug)]
struct Database<DB: SqlDatabase> {
    coupons: SqlCoupons<DB>,
    _folder: Option<TempDir>,
}

async fn open<DB: SqlDatabase>(url: &str, folder: Option<TempDir>) -> Database<DB> {
    let pool = PoolOptions::<DB>::new().max_connections(4).connect(url).await.unwrap();
    migrate(&pool).await.unwrap();
    Database { coupons: SqlCoupons::new(pool), _folder: folder }
}

macro_rules! database {
    ($module:ident, $database:ty, $open:expr) => {
        mod $module {
            use super::*;

            impl CouponFixture for Database<$database> {
                type Store = SqlCoupons<$database>;

                async fn start() -> Self {
                    $open.await
                }

                fn store(&self) -> SqlCoupons<$database> {
                    self.coupons.clone()
                }
            }

            coupon_conformance_suite!(Database<$database>);
        }
    };
}

database!(sqlite, Sqlite, async {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("coupons.db").display());
    open(&url, Some(folder)).await
});
database!(postgres, Postgres, async { open(&postgres_database().await, None).await });
database!(mariadb, MySql, async { open(&mariadb_database().await, None).await });

mod erased {
    use super::*;

    #[derive(Debug)]
    struct Erased(Arc<dyn CouponStore>);

    impl CouponFixture for Erased {
        type Store = Arc<dyn CouponStore>;

        async fn start() -> Self {
            Self(Arc::new(MemoryCoupons::new()))
        }

        fn store(&self) -> Arc<dyn CouponStore> {
            Arc::clone(&self.0)
        }
    }

    coupon_conformance_suite!(Erased);
}

#[tokio::test]
async fn several_coupons_are_redeemed_together_or_not_at_all() {
    let (coupons, now) = (Coupons::new(MemoryCoupons::new()), Timestamp::now());
    for template in ["a", "b"] {
        coupons.put_template(&CouponTemplate::new(template)).await.unwrap();
        coupons.claim(template, "ada", template, now).await.unwrap();
    }
    let refused = RedeemedAll::Refused { id: "c".into(), why: RedeemRefusal::NoCoupon };
    assert_eq!(coupons.redeem_all(&["a", "b", "c"], "ada", "one", now).await.unwrap(), refused);
    assert_eq!(coupons.usable_templates("ada", now).await.unwrap(), ["a", "b"]);
    let RedeemedAll::All(redeemed) = coupons.redeem_all(&["a", "b"], "ada", "two", now).await.unwrap() else {
        panic!("both are there");
    };
    assert!(redeemed.iter().all(|coupon| coupon.order.as_deref() == Some("two")));
    assert!(coupons.usable_templates("ada", now).await.unwrap().is_empty());
}

/// What an order holds, it holds exactly if the order comes to be.
async fn a_coupon_goes_with_the_transaction_of_its_order<DB: SqlDatabase>(store: SqlCoupons<DB>, pool: Pool<DB>) {
    let now = Timestamp::now();
    let mut tx = pool.begin().await.unwrap();
    SqlCoupons::<DB>::put_template_in(&mut tx, &CouponTemplate::new("t")).await.unwrap();
    tx.commit().await.unwrap();
    store.claim("t", "ada", "c", now).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let redeemed = SqlCoupons::<DB>::redeem_in(&mut tx, "c", "ada", "one", now).await.unwrap();
    assert!(matches!(redeemed, Redeem::Redeemed(_)), "{redeemed:?}");
    tx.rollback().await.unwrap();
    assert_eq!(store.coupon("c").await.unwrap().unwrap().order, None);

    let mut tx = pool.begin().await.unwrap();
    SqlCoupons::<DB>::redeem_in(&mut tx, "c", "ada", "two", now).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.redeem("c", "ada", "one", now).await.unwrap(), Redeem::Refused(RedeemRefusal::Used));
    let mut tx = pool.begin().await.unwrap();
    let back = SqlCoupons::<DB>::give_back_in(&mut tx, "c", "two").await.unwrap();
    assert!(matches!(back, GiveBack::Returned(_)), "{back:?}");
    tx.rollback().await.unwrap();
    assert_eq!(store.coupon("c").await.unwrap().unwrap().order.as_deref(), Some("two"));
}

#[tokio::test]
async fn coupons_go_with_the_transactions_of_orders() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("coupons.db").display());
    let pool = PoolOptions::<Sqlite>::new().max_connections(2).connect(&url).await.unwrap();
    migrate(&pool).await.unwrap();
    a_coupon_goes_with_the_transaction_of_its_order(SqlCoupons::new(pool.clone()), pool).await;
    let pool = PoolOptions::<Postgres>::new().max_connections(2).connect(&postgres_database().await).await.unwrap();
    migrate(&pool).await.unwrap();
    a_coupon_goes_with_the_transaction_of_its_order(SqlCoupons::new(pool.clone()), pool).await;
    let pool = PoolOptions::<MySql>::new().max_connections(2).connect(&mariadb_database().await).await.unwrap();
    migrate(&pool).await.unwrap();
    a_coupon_goes_with_the_transaction_of_its_order(SqlCoupons::new(pool.clone()), pool).await;
}
