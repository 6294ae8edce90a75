//! `ticketing cluster`: a replica is killed under load and buyers go on; Ctrl-C stops all of it.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod program;

use std::time::Duration;

use nebula_test_support::eventually;
use program::Program;
use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Processes that serve on this data folder.
fn replicas(data: &std::path::Path) -> Vec<Pid> {
    let wanted = data.join("platform").display().to_string();
    let serves = |pid: i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let own = words.first()?.ends_with("ticketing") && words.get(1)? == "serve";
        (own && words.iter().any(|word| **word == *wanted)).then(|| Pid::from_raw(pid))?
    };
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.filter_map(|entry| serves(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

async fn ready(client: &Client, url: &str) -> Result<(), String> {
    let status = client.get(format!("{url}/balancer/status")).send().await.map_err(|error| error.to_string())?;
    let status: Vec<Value> = status.json().await.map_err(|error| error.to_string())?;
    if status.len() == 3 && status.iter().all(|replica| replica["health"] == "ready") {
        Ok(())
    } else {
        Err(format!("{status:?}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n14_a_replica_is_killed_under_load_and_buyers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("cluster");
    // PostgreSQL and RabbitMQ have their turn in the chaos; without them this is half as long.
    let arguments = ["cluster", "--replicas", "3", "--listen", "127.0.0.1:0", "--without", "postgres,rabbitmq"];
    let cluster = Program::spawn(program::ticketing(&data, &arguments));
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    for name in ["replica-1", "replica-2", "replica-3", "redis", "/balancer/status", "buyer@example.com"] {
        assert!(cluster.welcome.contains(name), "{}", cluster.welcome);
    }
    assert_eq!(replicas(&data).len(), 3);
    let url = cluster.url.clone();
    eventually(Duration::from_secs(60), || ready(&client, &url)).await;

    // A stream through the balancer comes piece by piece.
    let shows: Value = client.get(format!("{url}/api/v1/shows")).send().await.unwrap().json().await.unwrap();
    let session = shows["shows"][0]["sessions"][0]["id"].as_str().unwrap().to_owned();
    let mut events = client.get(format!("{url}/api/v1/sessions/{session}/events")).send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    assert!(events.chunk().await.unwrap().is_some());

    let credentials = json!({"email": "buyer@example.com", "password": "seats please"});
    let login = client.post(format!("{url}/api/v1/auth/login")).json(&credentials).send().await.unwrap();
    let token: Value = login.json().await.unwrap();
    let token = token["tokens"]["access_token"].as_str().unwrap().to_owned();

    // A rush goes through the balancer while a replica dies.
    let rush = tokio::process::Command::new(env!("CARGO_BIN_EXE_ticketing"))
        .args(["rush", "--json", "--url", &url, "--profile", "show", "--over", "12"])
        .args(["--users", "240", "--seats", "120", "--hold-seconds", "15"])
        .kill_on_drop(true)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let before = replicas(&data);
    // Somebody has bought: the rush is on.
    eventually(Duration::from_secs(120), || async {
        let metrics = client.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap();
        let line = metrics.lines().find(|line| line.starts_with("ticketing_orders_placed_total")).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).is_some_and(|placed| placed > 3.0)
    })
    .await;
    kill_process(before[1], Signal::KILL).unwrap();

    // Visitors go on at once: what is safe to repeat is repeated, and an order with a key as well.
    for visit in 0..60 {
        let answer = client.get(format!("{url}/api/v1/shows")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "visit {visit}");
        if visit == 10 {
            let order = json!({"session_id": session, "seats": ["stalls-C-1"]});
            let order = client.post(format!("{url}/api/v1/orders")).bearer_auth(&token).json(&order);
            let order = order.header("Idempotency-Key", "through-the-balancer").send().await.unwrap();
            assert_eq!(order.status(), StatusCode::CREATED);
        }
    }
    let output = rush.wait_with_output().await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["sold"], &report["oversold"], &report["sound"]), (&120.into(), &0.into(), &true.into()));

    // It is back, as another process at the same address.
    eventually(Duration::from_secs(60), || ready(&client, &url)).await;
    let after = replicas(&data);
    assert_eq!((after.len(), after.contains(&before[1])), (3, false), "{before:?} {after:?}");
    // How long it was sent requests and was away is told, of it alone.
    let status: Vec<Value> = client.get(format!("{url}/balancer/status")).send().await.unwrap().json().await.unwrap();
    let outages: Vec<_> = status.iter().filter_map(|replica| replica.get("last_outage")).collect();
    assert_eq!(outages.len(), 1, "{status:?}");
    assert!(outages[0]["back"].as_u64().unwrap() >= outages[0]["out"].as_u64().unwrap(), "{status:?}");
    assert!(outages[0]["failed"].is_u64(), "{status:?}");

    cluster.signal(Signal::INT);
    let (code, rest) = cluster.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(
        rest.contains("has ended and is started again")
            && rest.contains("got no more requests")
            && rest.contains("Stopped"),
        "{rest}"
    );
    assert_eq!(replicas(&data).len(), 0);
}

#[test]
fn what_it_started_does_not_outlive_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("cluster");
    let arguments = ["cluster", "--replicas", "1", "--listen", "127.0.0.1:0", "--without", "postgres,rabbitmq"];
    let cluster = Program::spawn(program::ticketing(&data, &arguments));
    assert_eq!(replicas(&data).len(), 1);
    // Another one on the same folder is refused.
    let second = program::ended(&data, &arguments);
    assert!(
        !second.status.success() && String::from_utf8_lossy(&second.stderr).contains("another server"),
        "{second:?}"
    );
    cluster.signal(Signal::KILL);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !replicas(&data).is_empty() {
        assert!(std::time::Instant::now() < deadline, "a replica goes on without its cluster");
        std::thread::sleep(Duration::from_millis(50));
    }
}
