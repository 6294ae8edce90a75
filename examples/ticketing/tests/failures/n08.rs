//! The provider has the money, and whoever was to write it down is gone.

use reqwest::StatusCode;
use serde_json::{Value, json};
use ticketing::storage::sql::query;

use crate::{
    common::expect,
    sale::{becomes, placed, rests, times},
    victim::Pair,
};

#[tokio::test]
async fn n8_a_payment_that_nobody_was_told_of_is_asked_for() {
    let pair = Pair::start().await;
    let (buyer, session) = (pair.app.register("mei@example.com").await, pair.app.hall(10).await);
    let order = placed(&pair.app, &buyer, session, "1-1").await;
    let paying = pair.app.post_as(&buyer, &format!("/orders/{order}/pay"), &json!({})).await;
    let paying: Value = expect(paying, StatusCode::OK).await;
    let page = paying.pointer("/payment/pay_url").and_then(Value::as_str).unwrap().to_owned();
    // The books of the provider are written, those of the platform are not when the server dies that was told.
    let lock = pair.hold_up("payments").await;
    let database = pair.app.app.database.read.clone();
    let taken = || async {
        let paid = query("SELECT count(*) FROM mock_charges WHERE paid_at IS NOT NULL").scalar::<i64>(&database).await;
        paid.is_ok_and(|paid| paid == 1)
    };
    let app = pair.die_in(&format!("{page}/approve"), |request| request, taken).await;
    lock.rollback().await.unwrap();

    // After 15 s of silence the provider is asked.
    becomes(&app, &buyer, &order, &["ISSUED"]).await;
    assert_eq!(times(&app, &order, "PAID").await, 1);
    rests(&app, session, 0, 1).await;
}
