//! Several processes on one Redis server share rooms, counters and challenges; without the server nobody is let in.

use nebula_redis::RedisConfig;
use nebula_test_support::RedisServer;
use reqwest::StatusCode;
use serde_json::json;
use ticketing::{
    admission::Room,
    config::{Config, Provider},
    problem::Code,
};

use super::help::{answer, join, order, steps, with};
use crate::common::{TestApp, expect, expect_problem};

#[tokio::test]
async fn processes_share_a_room_and_fail_closed() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        Config { listen: ([127, 0, 0, 1], 0).into(), data: folder.path().join("data"), ..Config::default() };
    config.ledger.provider = Provider::Redis;
    config.redis = RedisConfig::new(redis.url());
    let (one, two) = (TestApp::start_on(config.clone()).await, TestApp::start_on(config).await);
    let hall = one.hall(10).await;
    let (mei, lan) = (one.register("mei@example.com").await, one.register("lan@example.com").await);
    let room = Room { admitted: 1, ..Room::default() };
    steps(&one, hall, with(|policy| (policy.room, policy.limits, policy.reservation) = (Some(room), true, false)))
        .await;

    let inside = join(&one, &mei, hall).await;
    let waiting = join(&two, &lan, hall).await;
    assert_eq!(
        (&inside["state"], &waiting["state"], &waiting["ahead"]),
        (&json!("inside"), &json!("waiting"), &json!(0))
    );
    // The token of one process is good at the other.
    let header = [("admission-token", inside["token"].as_str().unwrap())];
    expect(order(&two, &mei, hall, "1-1", &header).await, StatusCode::CREATED).await;
    // A challenge of one is answered at the other, once.
    let path = format!("/sessions/{hall}/challenges");
    let asked = expect(one.post_as(&mei, &path, &json!({"kind": "question"})).await, StatusCode::CREATED).await;
    let value = json!({ "value": answer(asked["question"].as_str().unwrap()) });
    let this = format!("{path}/{}", asked["id"].as_str().unwrap());
    expect(two.post_as(&mei, &this, &value).await, StatusCode::OK).await;
    expect_problem(one.post_as(&mei, &this, &value).await, Code::ChallengeFailed).await;

    redis.kill();
    let path = format!("/sessions/{hall}/waiting-room");
    let refused = two.post_as(&lan, &path, &json!({})).await;
    assert!(refused.headers().contains_key("retry-after"));
    expect_problem(refused, Code::OneMoment).await;
    expect_problem(order(&two, &mei, hall, "1-2", &header).await, Code::OneMoment).await;
    expect_problem(order(&two, &lan, hall, "1-2", &[]).await, Code::WaitingRoom).await;
}
