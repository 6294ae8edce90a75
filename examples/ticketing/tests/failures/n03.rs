//! Messages come twice, and late.

use nebula_test_support::{eventually, redis_url};
use ticketing::outbox::{FOLLOW, Follow, Step, TIMEOUT, Timeout};

use crate::{
    common::TestApp,
    sale::{PATIENCE, becomes, on_redis, pay, placed, rests, state, times},
};

#[tokio::test]
async fn n3_a_message_that_comes_again_changes_nothing() {
    let url = redis_url().await;
    let app = TestApp::start_with(|config| on_redis(config, &url)).await;
    let (buyer, session) = (app.register("mei@example.com").await, app.hall(10).await);
    let order = placed(&app, &buyer, session, "1-1").await;
    pay(&app, &buyer, &order).await;
    becomes(&app, &buyer, &order, &["PAID", "ISSUED"]).await;
    rests(&app, session, 0, 1).await;
    let id = order.parse().unwrap();
    for _ in 0..3 {
        app.app.timeouts.send(TIMEOUT, &again(&Timeout { order: id })).await.unwrap();
        for step in [Step::Sell, Step::Release] {
            app.app.outbox.send(FOLLOW, &again(&Follow { session, order: id, step })).await.unwrap();
        }
    }
    eventually(PATIENCE, || async {
        let stats = [app.app.timeouts.stats(TIMEOUT).await.unwrap(), app.app.outbox.stats(FOLLOW).await.unwrap()];
        // The order's own time-out waits for its day.
        let left: u64 = stats.iter().map(|stats| stats.backlog + stats.leased).sum();
        if left == 0 { Ok(()) } else { Err(format!("{stats:?}")) }
    })
    .await;
    rests(&app, session, 0, 1).await;
    assert!(["PAID", "ISSUED"].contains(&state(&app, &buyer, &order).await.as_str()));
    assert_eq!(times(&app, &order, "PAID").await, 1);
}

/// Due at once, under a name of its own, so that no queue takes it for one that it has already.
fn again<T: serde::Serialize + Clone>(body: &T) -> nebula_delay_queue::DelayMessage<T> {
    nebula_delay_queue::DelayMessage::builder().body(body.clone()).build().unwrap()
}
