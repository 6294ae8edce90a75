//! Two processes on one data folder and one Redis server are one platform.

mod common;
mod program;

use std::time::Duration;

use common::expect;
use nebula_test_support::{RedisServer, eventually};
use program::Program;
use reqwest::{Client, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

#[tokio::test]
async fn two_processes_sell_one_stock() {
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config/redis.yaml");
    let start = || {
        let mut command = program::ticketing(&data, &["--port", "0", "--config", sample]);
        command.env("NEBULA_TICKETING__REDIS__URL", redis.url());
        Program::spawn(command)
    };
    let (one, two) = (start(), start());
    let client = Client::builder().no_proxy().build().unwrap();
    let get = |url: String| {
        let client = client.clone();
        async move { expect(client.get(url).send().await.unwrap(), StatusCode::OK).await }
    };
    let credentials = json!({"email": "buyer@example.com", "password": "seats please"});
    let signed_in = client.post(format!("{}/api/v1/auth/login", one.url)).json(&credentials).send().await.unwrap();
    let signed_in: Value = expect(signed_in, StatusCode::OK).await;
    let token = signed_in["tokens"]["access_token"].as_str().unwrap();
    let shows = get(format!("{}/api/v1/shows", two.url)).await;
    let session = shows["shows"][0]["sessions"][0]["id"].as_str().unwrap();
    let order = json!({"session_id": session, "seats": ["stalls-B-1"]});
    let place = |url: &str| client.post(format!("{url}/api/v1/orders")).bearer_auth(token).json(&order).send();
    let first = expect(place(&one.url).await.unwrap(), StatusCode::CREATED).await;
    // The other process knows the token, the order and the seat.
    common::expect_problem(place(&two.url).await.unwrap(), ticketing::problem::Code::SeatTaken).await;
    let seen = client.get(format!("{}/api/v1/orders/{}", two.url, first["id"].as_str().unwrap()));
    expect(seen.bearer_auth(token).send().await.unwrap(), StatusCode::OK).await;

    let reset = program::ticketing(&data, &["reset", "--yes"]).output().unwrap();
    assert!(!reset.status.success(), "{reset:?}");
    let embedded = program::ticketing(&data, &["--port", "0"]).output().unwrap();
    assert!(!embedded.status.success(), "{embedded:?}");

    redis.kill();
    eventually(Duration::from_secs(60), || async {
        let answer = client.get(format!("{}/readyz", one.url)).send().await.unwrap();
        answer.status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(client.get(format!("{}/healthz", one.url)).send().await.unwrap().status(), StatusCode::OK);
    redis.restart_empty().await;
    // The hold was lost with the server, the order was not: the ledger is rebuilt from the database.
    eventually(Duration::from_secs(60), || async {
        let seats = client.get(format!("{}/api/v1/sessions/{session}/seats", two.url)).send().await.unwrap();
        let ready = client.get(format!("{}/readyz", two.url)).send().await.unwrap().status();
        seats.json::<Value>().await.is_ok_and(|seats| seats["counts"]["locked"] == 1) && ready == StatusCode::OK
    })
    .await;
    common::expect_problem(place(&two.url).await.unwrap(), ticketing::problem::Code::SeatTaken).await;
    for program in [one, two] {
        program.signal(Signal::TERM);
        assert_eq!(program.end().0, Some(0));
    }
}

#[test]
fn a_missing_server_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config/redis.yaml");
    // Port 1 is nobody's.
    let output = program::ticketing(&folder.path().join("data"), &["--port", "0", "--config", sample])
        .env("NEBULA_TICKETING__REDIS__URL", "redis://127.0.0.1:1/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("redis.url") && text.contains("Connection refused"), "{text}");
}

#[tokio::test]
async fn a_missing_broker_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = program::ticketing(&folder.path().join("data"), &["--port", "0"])
        .env("NEBULA_TICKETING__DELAY_QUEUE__PROVIDER", "rabbitmq")
        .env("NEBULA_TICKETING__DELAY_QUEUE__RABBITMQ__URL", "amqp://guest:hidden@127.0.0.1:1/%2f")
        .env("NEBULA_TICKETING__DELAY_QUEUE__RABBITMQ__TIMEOUT", "2s")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && text.contains("delay-queue.rabbitmq.url") && !text.contains("hidden"),
        "{text}"
    );
}
