//! The broker really starts, keeps its data over a SIGKILL, and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nebula_test_support::{RabbitMq, eventually};

/// Processes whose command line names this text.
fn processes_naming(text: &str) -> Vec<String> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

#[tokio::test]
async fn a_broker_survives_its_death_and_leaves_nothing() {
    let mut broker = RabbitMq::start().await;
    let url = broker.vhost("kept").await;
    assert!(url.ends_with("/kept"));
    broker.kill();
    assert!(!broker.is_running());
    broker.restart().await;
    assert!(broker.ctl(&["list_vhosts"]).await.contains("kept"), "{}", broker.log_tail());

    broker.raise_memory_alarm().await;
    assert!(broker.ctl(&["status"]).await.contains("Memory alarm"));
    broker.clear_memory_alarm().await;

    broker.stop();
    broker.cont();
    let folder = broker.folder().display().to_string();
    assert!(!processes_naming(&folder).is_empty());
    drop(broker);
    eventually(Duration::from_secs(30), async || match processes_naming(&folder) {
        left if left.is_empty() => Ok(()),
        left => Err(format!("still running: {left:?}")),
    })
    .await;
    assert!(!std::path::Path::new(&folder).exists());
}
