//! One function for each part of the contract of [`CouponStore`].

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use crate::coupon::{Claim, ClaimRefusal, Coupon, CouponStore, CouponTemplate, GiveBack, Redeem, RedeemRefusal};
use crate::error::ErrorKind;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn window(from: i64, until: i64) -> CouponTemplate {
    CouponTemplate::new("t").with_window(at(from), at(until))
}

async fn claimed(store: &impl CouponStore, holder: &str, id: &str) -> Coupon {
    match store.claim("t", holder, id, at(0)).await.unwrap() {
        Claim::Claimed(coupon) => coupon,
        Claim::Refused(why) => panic!("{id} is refused: {why:?}"),
    }
}

async fn refused(store: &impl CouponStore, holder: &str, id: &str, second: i64) -> ClaimRefusal {
    match store.claim("t", holder, id, at(second)).await.unwrap() {
        Claim::Claimed(coupon) => panic!("{coupon:?} is claimed"),
        Claim::Refused(why) => why,
    }
}

async fn redeem(store: &impl CouponStore, holder: &str, order: &str, second: i64) -> Result<Coupon, RedeemRefusal> {
    match store.redeem("c", holder, order, at(second)).await.unwrap() {
        Redeem::Redeemed(coupon) => Ok(coupon),
        Redeem::Refused(why) => Err(why),
    }
}

async fn count(store: &impl CouponStore) -> u64 {
    store.template("t").await.unwrap().unwrap().1
}

pub async fn templates_are_kept_and_changed(store: &impl CouponStore) {
    assert_eq!(store.template("t").await.unwrap(), None);
    let template = window(0, 100).with_total(2).with_per_holder(1).with_lifetime(std::time::Duration::from_secs(9));
    store.put_template(&template).await.unwrap();
    assert_eq!(store.template("t").await.unwrap(), Some((template, 0)));
    claimed(store, "ada", "1").await;
    let wider = CouponTemplate::new("t").with_total(3);
    store.put_template(&wider).await.unwrap();
    assert_eq!(store.template("t").await.unwrap(), Some((wider, 1)));
    claimed(store, "ada", "2").await;
    store.put_template(&CouponTemplate::new("t").with_total(1)).await.unwrap();
    assert_eq!(refused(store, "bob", "3", 0).await, ClaimRefusal::Exhausted);
    assert_eq!(count(store).await, 2);
}

pub async fn claims_keep_to_the_total(store: &impl CouponStore) {
    assert_eq!(refused(store, "ada", "1", 0).await, ClaimRefusal::NoTemplate);
    store.put_template(&CouponTemplate::new("t").with_total(2)).await.unwrap();
    claimed(store, "ada", "1").await;
    claimed(store, "bob", "2").await;
    assert_eq!(refused(store, "cid", "3", 0).await, ClaimRefusal::Exhausted);
    assert_eq!((count(store).await, store.coupon("3").await.unwrap()), (2, None));
}

pub async fn claims_keep_to_the_limit_of_a_holder(store: &impl CouponStore) {
    store.put_template(&CouponTemplate::new("t").with_per_holder(2)).await.unwrap();
    store.put_template(&CouponTemplate::new("other")).await.unwrap();
    store.claim("other", "ada", "0", at(0)).await.unwrap();
    claimed(store, "ada", "1").await;
    claimed(store, "ada", "2").await;
    assert_eq!(refused(store, "ada", "3", 0).await, ClaimRefusal::HolderLimit);
    claimed(store, "bob", "4").await;
    // A used coupon counts.
    store.redeem("1", "ada", "order", at(0)).await.unwrap();
    assert_eq!(refused(store, "ada", "5", 0).await, ClaimRefusal::HolderLimit);
    assert_eq!(count(store).await, 3);
}

/// So many claims at once, as holder and name by number; how many succeed.
async fn race(store: &(impl CouponStore + Clone), calls: u32, names: impl Fn(u32) -> (String, String)) -> usize {
    let store = Arc::new(store.clone());
    let mut claims = JoinSet::new();
    for call in 0..calls {
        let (store, (holder, id)) = (Arc::clone(&store), names(call));
        claims.spawn(async move {
            loop {
                match store.claim("t", &holder, &id, at(0)).await {
                    Ok(claim) => return matches!(claim, Claim::Claimed(_)),
                    // A database that cannot serve so many at once may say so.
                    Err(error) if error.is_retryable() => tokio::task::yield_now().await,
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    claims.join_all().await.into_iter().filter(|claimed| *claimed).count()
}

pub async fn many_claims_at_once_keep_to_the_total(store: &(impl CouponStore + Clone)) {
    store.put_template(&CouponTemplate::new("t").with_total(10)).await.unwrap();
    let won = race(store, 40, |call| (format!("holder-{call}"), format!("coupon-{call}"))).await;
    assert_eq!((won, count(store).await), (10, 10));
}

pub async fn many_claims_of_one_holder_keep_to_the_limit(store: &(impl CouponStore + Clone)) {
    store.put_template(&CouponTemplate::new("t").with_per_holder(3)).await.unwrap();
    let won = race(store, 24, |call| ("ada".to_owned(), format!("coupon-{call}"))).await;
    assert_eq!((won, count(store).await, store.coupons("ada").await.unwrap().len()), (3, 3, 3));
}

pub async fn the_same_claim_at_once_counts_once(store: &(impl CouponStore + Clone)) {
    store.put_template(&CouponTemplate::new("t").with_total(5).with_per_holder(1)).await.unwrap();
    let won = race(store, 16, |_| ("ada".to_owned(), "coupon".to_owned())).await;
    assert_eq!((won, count(store).await), (16, 1));
}

pub async fn a_claim_by_the_same_name_counts_once(store: &impl CouponStore) {
    store.put_template(&window(0, 10).with_total(1).with_per_holder(1)).await.unwrap();
    store.put_template(&CouponTemplate::new("other")).await.unwrap();
    let first = claimed(store, "ada", "c").await;
    assert_eq!(claimed(store, "ada", "c").await, first);
    // The answer was lost, and everything is over when it is asked for again.
    assert_eq!(store.claim("t", "ada", "c", at(11)).await.unwrap(), Claim::Claimed(first.clone()));
    assert_eq!(store.issue("t", "ada", "c", at(11)).await.unwrap(), Claim::Claimed(first));
    assert_eq!(count(store).await, 1);
    assert_eq!(refused(store, "bob", "c", 0).await, ClaimRefusal::NameTaken);
    let other = store.claim("other", "ada", "c", at(0)).await.unwrap();
    assert_eq!(other, Claim::Refused(ClaimRefusal::NameTaken));
    assert_eq!(store.template("other").await.unwrap().unwrap().1, 0);
}

pub async fn windows_hold_for_claims(store: &impl CouponStore) {
    store.put_template(&window(5, 10)).await.unwrap();
    assert_eq!(refused(store, "ada", "1", 4).await, ClaimRefusal::NotYet);
    assert_eq!(refused(store, "ada", "1", 10).await, ClaimRefusal::Over);
    for second in [5, 9] {
        let claim = store.claim("t", "ada", &second.to_string(), at(second)).await.unwrap();
        assert!(matches!(claim, Claim::Claimed(_)), "{claim:?}");
    }
    assert_eq!(count(store).await, 2);
}

pub async fn issuing_keeps_to_the_total_alone(store: &impl CouponStore) {
    store.put_template(&window(5, 10).with_total(2).with_per_holder(0)).await.unwrap();
    for id in ["1", "2"] {
        assert!(matches!(store.issue("t", "ada", id, at(0)).await.unwrap(), Claim::Claimed(_)));
    }
    let third = store.issue("t", "ada", "3", at(0)).await.unwrap();
    assert_eq!(third, Claim::Refused(ClaimRefusal::Exhausted));
    assert_eq!(store.issue("none", "ada", "4", at(0)).await.unwrap(), Claim::Refused(ClaimRefusal::NoTemplate));
}

pub async fn windows_and_lifetimes_hold_for_redemption(store: &impl CouponStore) {
    store.put_template(&window(5, 100).with_lifetime(std::time::Duration::from_secs(20))).await.unwrap();
    let Claim::Claimed(coupon) = store.issue("t", "ada", "c", at(0)).await.unwrap() else { panic!("refused") };
    assert_eq!((coupon.from, coupon.until, coupon.order.as_deref()), (at(5), at(20), None));
    assert_eq!(redeem(store, "ada", "o", 4).await, Err(RedeemRefusal::NotYet));
    assert_eq!(redeem(store, "ada", "o", 20).await, Err(RedeemRefusal::Over));
    assert!(coupon.is_usable(at(19)) && !coupon.is_usable(at(20)));
    assert_eq!(redeem(store, "ada", "o", 19).await.unwrap().order.as_deref(), Some("o"));
    // The answer was lost, and the time is over when it is asked for again.
    assert_eq!(redeem(store, "ada", "o", 300).await.unwrap().order.as_deref(), Some("o"));
    store.put_template(&window(0, 10).with_lifetime(std::time::Duration::from_secs(20))).await.unwrap();
    let Claim::Claimed(late) = store.claim("t", "ada", "d", at(9)).await.unwrap() else { panic!("refused") };
    assert_eq!(late.until, at(10));
}

pub async fn a_coupon_is_redeemed_once(store: &impl CouponStore) {
    store.put_template(&CouponTemplate::new("t")).await.unwrap();
    assert_eq!(redeem(store, "ada", "one", 0).await, Err(RedeemRefusal::NoCoupon));
    claimed(store, "ada", "c").await;
    assert_eq!(redeem(store, "ada", "one", 0).await.unwrap().order.as_deref(), Some("one"));
    assert_eq!(redeem(store, "ada", "one", 0).await.unwrap().order.as_deref(), Some("one"));
    assert_eq!(redeem(store, "ada", "two", 0).await, Err(RedeemRefusal::Used));
    assert_eq!(store.coupon("c").await.unwrap().unwrap().order.as_deref(), Some("one"));
}

pub async fn of_many_orders_at_once_one_gets_the_coupon(store: &(impl CouponStore + Clone)) {
    store.put_template(&CouponTemplate::new("t")).await.unwrap();
    claimed(store, "ada", "c").await;
    let store = Arc::new(store.clone());
    let mut calls = JoinSet::new();
    for order in 0..24 {
        let store = Arc::clone(&store);
        calls.spawn(async move {
            loop {
                match store.redeem("c", "ada", &format!("order-{order}"), at(0)).await {
                    Ok(redeem) => return matches!(redeem, Redeem::Redeemed(_)),
                    Err(error) if error.is_retryable() => tokio::task::yield_now().await,
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
    }
    assert_eq!(calls.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

pub async fn nobody_redeems_the_coupon_of_another(store: &impl CouponStore) {
    store.put_template(&CouponTemplate::new("t")).await.unwrap();
    claimed(store, "ada", "c").await;
    assert_eq!(redeem(store, "bob", "o", 0).await, Err(RedeemRefusal::NoCoupon));
    redeem(store, "ada", "o", 0).await.unwrap();
    assert_eq!(redeem(store, "bob", "o", 0).await, Err(RedeemRefusal::NoCoupon));
}

pub async fn a_returned_coupon_is_usable_by_other_orders(store: &impl CouponStore) {
    store.put_template(&CouponTemplate::new("t")).await.unwrap();
    assert_eq!(store.give_back("c", "one").await.unwrap(), GiveBack::NotRedeemed);
    claimed(store, "ada", "c").await;
    assert_eq!(store.give_back("c", "one").await.unwrap(), GiveBack::NotRedeemed);
    redeem(store, "ada", "one", 0).await.unwrap();
    assert_eq!(store.give_back("c", "two").await.unwrap(), GiveBack::NotRedeemed);
    for _ in 0..2 {
        let GiveBack::Returned(coupon) = store.give_back("c", "one").await.unwrap() else { panic!("not returned") };
        assert!(coupon.is_usable(at(0)));
    }
    assert_eq!(redeem(store, "ada", "two", 0).await.unwrap().order.as_deref(), Some("two"));
}

pub async fn late_calls_of_a_refunded_order_change_nothing(store: &impl CouponStore) {
    store.put_template(&CouponTemplate::new("t")).await.unwrap();
    claimed(store, "ada", "c").await;
    redeem(store, "ada", "one", 0).await.unwrap();
    store.give_back("c", "one").await.unwrap();
    assert_eq!(redeem(store, "ada", "one", 0).await, Err(RedeemRefusal::GivenBack));
    redeem(store, "ada", "two", 0).await.unwrap();
    assert_eq!(store.give_back("c", "one").await.unwrap(), GiveBack::NotRedeemed);
    assert_eq!(redeem(store, "ada", "one", 0).await, Err(RedeemRefusal::Used));
    assert_eq!(store.coupon("c").await.unwrap().unwrap().order.as_deref(), Some("two"));
}

pub async fn coupons_are_listed_from_the_oldest(store: &impl CouponStore) {
    store.put_template(&CouponTemplate::new("t")).await.unwrap();
    assert!(store.coupons("ada").await.unwrap().is_empty());
    for id in ["z", "a", "m"] {
        claimed(store, "ada", id).await;
    }
    claimed(store, "bob", "b").await;
    let coupons = store.coupons("ada").await.unwrap();
    assert_eq!(coupons.iter().map(|coupon| coupon.id.as_str()).collect::<Vec<_>>(), ["z", "a", "m"]);
    assert_eq!(coupons[1], store.coupon("a").await.unwrap().unwrap());
    let week = SignedDuration::from_hours(24 * 7);
    assert!(coupons[0].claimed_at == at(0) && coupons[0].is_usable(at(0) + week));
}

pub async fn names_are_bytes(store: &impl CouponStore) {
    store.put_template(&CouponTemplate::new("t")).await.unwrap();
    let long = "票".repeat(42);
    for name in ["c", "C", "c ", " c", "ç", "c'; --", "折扣", long.as_str()] {
        assert_eq!(store.coupon(name).await.unwrap(), None, "{name:?}");
        assert_eq!(claimed(store, name, name).await.holder, name);
        assert_eq!(store.coupon(name).await.unwrap().unwrap().id, name);
        assert_eq!(store.coupons(name).await.unwrap().len(), 1);
    }
}

pub async fn bad_names_are_refused(store: &impl CouponStore) {
    store.put_template(&CouponTemplate::new("t")).await.unwrap();
    claimed(store, "ada", "c").await;
    for name in ["", "a\u{0}b", "line\nfeed", "x".repeat(129).as_str()] {
        let kinds = [
            store.put_template(&CouponTemplate::new(name)).await.unwrap_err().kind(),
            store.claim("t", name, "1", at(0)).await.unwrap_err().kind(),
            store.claim("t", "ada", name, at(0)).await.unwrap_err().kind(),
            store.issue(name, "ada", "1", at(0)).await.unwrap_err().kind(),
            store.redeem("c", "ada", name, at(0)).await.unwrap_err().kind(),
            store.give_back("c", name).await.unwrap_err().kind(),
        ];
        assert_eq!(kinds, [ErrorKind::Invalid; 6], "{name:?}");
    }
    assert_eq!(count(store).await, 1);
}
