//! The example `lockctl`, as an operator uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../examples/lockctl.rs"]
#[allow(dead_code, reason = "its `main` is for the command line")]
mod lockctl;

use nebula_lock::{LockConfig, LossReason};
use nebula_test_support::{redis_cluster_urls, redis_url, unique};

/// Whether it succeeded, and what it wrote.
async fn lockctl(arguments: &[&str]) -> (bool, String) {
    let mut out = Vec::new();
    match lockctl::run(arguments, &mut out).await {
        Ok(()) => (true, String::from_utf8(out).unwrap()),
        Err(error) => (false, error.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_what_all_nodes_of_a_cluster_hold() {
    let (urls, prefix) = (redis_cluster_urls().await, unique("lockctl"));
    let hosts: Vec<&str> = urls.iter().map(|url| url.trim_start_matches("redis://").trim_end_matches('/')).collect();
    let url = format!("redis-cluster://{}", hosts.join(","));
    let locks = LockConfig::redis(&url).connect().await.unwrap();
    let keys: Vec<String> = (10..40).map(|number| format!("{prefix}:{number}")).collect();
    let guard = locks.lock_all(&keys).await.unwrap();
    let (ok, text) = lockctl(&[&url, "list", &prefix]).await;
    assert!(ok, "{text}");
    let listed: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(listed, keys);
    assert_eq!(lockctl(&[&url, "release", &keys[7]]).await, (true, format!("{} released by force\n", keys[7])));
    guard.release().await;
    assert_eq!(lockctl(&[&url, "list", &prefix]).await, (true, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_inspects_and_releases() {
    let (url, prefix) = (redis_url().await, unique("lockctl"));
    let locks = LockConfig::redis(&url).connect().await.unwrap().with_lease(std::time::Duration::from_secs(3));
    let (one, two) = (format!("{prefix}:1"), format!("{prefix}:2"));
    let guard = locks.lock(&one).await.unwrap();
    let _reader = locks.read(&two).await.unwrap();

    let (ok, text) = lockctl(&[&url, "list", &prefix]).await;
    assert!(ok, "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with(&format!("{one} owner=")) && lines[0].contains(&format!("fence={}", guard.fence())));
    assert!(lines[1].contains("readers=1"), "{text}");

    assert!(lockctl(&[&url, "inspect", &one]).await.1.contains("waiting=0"));
    assert_eq!(lockctl(&[&url, "release", &one]).await, (true, format!("{one} released by force\n")));
    assert_eq!(lockctl(&[&url, "release", &one]).await, (true, format!("{one} was free\n")));
    assert_eq!(lockctl(&[&url, "inspect", &one]).await, (true, format!("{one} is free\n")));
    assert!(matches!(guard.lost().await.reason(), LossReason::Gone | LossReason::Expired));

    let (ok, text) = lockctl(&["help"]).await;
    assert!(!ok && text.contains("usage"), "{text}");
}
