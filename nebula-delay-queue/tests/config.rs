//! The section `nebula.delay-queue`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use figment::{
    Figment,
    providers::{Format, Yaml},
};
use nebula_delay_queue::{
    Cancel, DelayMessage, DelayQueueConfig, ErrorKind, MemoryDelayQueue, Provider, Received, SendOutcome,
};
use nebula_test_support::{
    amqp_url, mariadb_database, postgres_database, redis_cluster_urls, redis_sentinels, redis_url, unique,
};

fn read(yaml: &str) -> Result<DelayQueueConfig, String> {
    Figment::new().merge(Yaml::string(yaml)).extract_inner("nebula.delay-queue").map_err(|error| error.to_string())
}

const SEED: &str = r#"
nebula:
  delay-queue:
    rabbitmq:
      enabled: true
      queue-prefix: "delay.queue"
      dead-letter-exchange: "dlx.exchange"
      retry-times: 3
      retry-interval: 60000  # 60 s
"#;

#[tokio::test(start_paused = true)]
async fn the_first_plans_sample_loads_unchanged() {
    let config = read(SEED).unwrap();
    assert_eq!(config.provider().unwrap(), Provider::RabbitMq);
    // Its settings hold for any backend.
    let queue = config.connect_with(MemoryDelayQueue::new());
    assert_eq!(queue.name("order.timeout").unwrap().as_str(), "delay.queue.order.timeout");
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |_: Received<u64>| {
        told.send(tokio::time::Instant::now()).unwrap();
        async { Err::<(), _>("no luck") }
    };
    let _worker = queue.worker("order.timeout").unwrap().handle(handler).start().unwrap();
    queue.send("order.timeout", &DelayMessage::new(1u64)).await.unwrap();
    let mut attempts = vec![];
    for _ in 0..4 {
        attempts.push(hears.recv().await.unwrap());
    }
    for pair in attempts.windows(2) {
        assert_eq!((pair[1] - pair[0]).as_secs(), 60);
    }
}

#[tokio::test]
async fn redis_is_reached_by_configuration_alone() {
    let (url, prefix) = (redis_url().await, unique("config"));
    let yaml = format!(
        "nebula: {{delay-queue: {{provider: redis, redis: {{url: '{url}', key-prefix: '{prefix}', response-timeout: 5s}}}}}}"
    );
    let config = read(&yaml).unwrap();
    let (here, there) = (config.connect().await.unwrap(), config.connect().await.unwrap());
    let message = DelayMessage::new("hello");
    assert!(here.send("q", &message).await.unwrap().is_accepted());
    assert_eq!(there.send("q", &message).await.unwrap(), SendOutcome::Duplicate(message.id().clone()));
}

#[tokio::test]
async fn rabbitmq_is_reached_by_configuration_alone() {
    let (url, prefix) = (amqp_url().await, unique("config"));
    let settings = "prefix: nebula-config, timeout: 20s, lanes: [900000, 1h], dead-letter-exchange: dlx.exchange";
    let yaml = format!(
        "nebula: {{delay-queue: {{queue-prefix: '{prefix}', rabbitmq: {{enabled: true, url: '{url}', {settings}}}}}}}"
    );
    let config = read(&yaml).unwrap();
    let (here, there) = (config.connect().await.unwrap(), config.connect().await.unwrap());
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |text: Received<String>| {
        told.send(text.into_body()).unwrap();
        async {}
    };
    let _worker = there.worker("q").unwrap().handle(handler).start().unwrap();
    let lane = DelayMessage::builder().body("lane").delay(Duration::from_secs(900)).build().unwrap();
    here.send_batch("q", [&lane, &DelayMessage::new("hello")]).await.unwrap();
    assert_eq!(hears.recv().await.unwrap(), "hello");
    let wrong = read(&yaml.replace("timeout", "username: nobody, password: hidden, timeout")).unwrap();
    assert!(!format!("{wrong:?}").contains("hidden"));
    let error = wrong.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(!format!("{error:?}").contains("hidden"));
}

#[tokio::test]
async fn sentinels_and_clusters_are_reached_by_configuration_alone() {
    let (master, sentinels) = redis_sentinels().await;
    let nodes = redis_cluster_urls().await;
    let bare = |url: &String| url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let list = |nodes: &[String]| format!("{:?}", nodes);
    let plain = |nodes: &[String]| nodes.iter().map(bare).collect::<Vec<_>>().join(",");
    for server in [
        format!("sentinel: {{master: {master}, nodes: {}}}", list(&sentinels)),
        format!("url: 'redis-sentinel://{}/{master}'", plain(&sentinels)),
        format!("cluster: {{nodes: {}}}", list(&nodes)),
        format!("url: 'redis-cluster://{}'", plain(&nodes)),
    ] {
        let prefix = unique("config");
        let yaml = format!("nebula: {{delay-queue: {{redis: {{enabled: true, key-prefix: '{prefix}', {server}}}}}}}");
        let config = read(&yaml).unwrap();
        let (here, there) = (config.connect().await.unwrap(), config.connect().await.unwrap());
        let message = DelayMessage::new("hello");
        assert!(here.send("q", &message).await.unwrap().is_accepted(), "{server}");
        let again = there.send("q", &message).await.unwrap();
        assert_eq!(again, SendOutcome::Duplicate(message.id().clone()), "{server}");
    }
    assert!(read("nebula: {delay-queue: {redis: {sentinel: {nodes: []}}}}").unwrap_err().contains("master"));
}

#[tokio::test]
async fn a_ledger_is_reached_by_configuration_alone() {
    let (url, redis, folder) = (amqp_url().await, redis_url().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("ledger.db");
    for (ledger, section) in [
        ("memory", String::new()),
        ("redis", format!("redis: {{url: '{redis}'}},")),
        ("sqlite", format!("sqlite: {{path: '{}'}},", file.display())),
        ("postgres", format!("postgres: {{url: '{}'}},", postgres_database().await)),
        ("mariadb", format!("mysql: {{url: '{}'}},", mariadb_database().await)),
    ] {
        let prefix = unique("config");
        let settings = format!("rabbitmq: {{enabled: true, url: '{url}', timeout: 20s, ledger: {ledger}}}");
        let yaml = format!("nebula: {{delay-queue: {{queue-prefix: '{prefix}', {section} {settings}}}}}");
        let queue = read(&yaml).unwrap().connect().await.unwrap();
        let message = DelayMessage::builder().body("hello").delay(Duration::from_secs(3600)).build().unwrap();
        assert!(queue.send("q", &message).await.unwrap().is_accepted(), "{ledger}");
        let again = queue.send("q", &message).await.unwrap();
        assert_eq!(again, SendOutcome::Duplicate(message.id().clone()), "{ledger}");
        assert_eq!(queue.cancel("q", message.id()).await.unwrap(), Cancel::Cancelled, "{ledger}");
    }
    let refused = read("nebula: {delay-queue: {rabbitmq: {ledger: rabbitmq}}}").unwrap_err();
    assert!(refused.contains("unknown variant"), "{refused}");
    let yaml = format!("nebula: {{delay-queue: {{rabbitmq: {{enabled: true, url: '{url}', ledger: postgres}}}}}}");
    let error = read(&yaml).unwrap().connect().await.unwrap_err();
    assert!(error.to_string().contains("`postgres.url`"), "{error}");
}

#[tokio::test]
async fn sqlite_is_reached_by_configuration_alone_and_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let config = read(&format!("nebula: {{delay-queue: {{sqlite: {{enabled: true, path: '{}'}}}}}}", path.display()));
    let config = config.unwrap();
    let message = DelayMessage::new("hello");
    assert!(config.connect().await.unwrap().send("q", &message).await.unwrap().is_accepted());
    let again = config.connect().await.unwrap();
    assert_eq!(again.send("q", &message).await.unwrap(), SendOutcome::Duplicate(message.id().clone()));
    let nowhere = DelayQueueConfig::sqlite(folder.path().join("no/such/folder/queue.db"));
    assert_eq!(nowhere.connect().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_together_open_one_new_file() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let opening: Vec<_> = (0..6)
            .map(|number: u64| {
                let config = DelayQueueConfig::sqlite(&path);
                tokio::spawn(async move { config.connect().await?.send("q", &DelayMessage::new(number)).await })
            })
            .collect();
        for opened in opening {
            assert!(opened.await.unwrap().unwrap().is_accepted());
        }
    }
}

#[tokio::test]
async fn database_servers_are_reached_by_configuration_alone() {
    for (provider, url) in [("postgres", postgres_database().await), ("mysql", mariadb_database().await)] {
        let yaml =
            format!("nebula: {{delay-queue: {{{provider}: {{enabled: true, url: '{url}', max-connections: 2}}}}}}");
        let config = read(&yaml).unwrap();
        let (here, there) = (config.connect().await.unwrap(), config.connect().await.unwrap());
        let message = DelayMessage::new("hello");
        assert!(here.send("q", &message).await.unwrap().is_accepted());
        assert_eq!(there.send("q", &message).await.unwrap(), SendOutcome::Duplicate(message.id().clone()));

        let missing = read(&format!("nebula: {{delay-queue: {{provider: {provider}}}}}")).unwrap();
        let error = missing.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(&format!("`{provider}.url`")), "{error}");

        let (base, _) = url.rsplit_once('/').unwrap();
        let nowhere =
            read(&format!("nebula: {{delay-queue: {{provider: {provider}, {provider}: {{url: '{base}/no'}}}}}}"));
        let error = nowhere.unwrap().connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
    }
}

#[test]
fn unknown_keys_providers_and_durations_are_refused() {
    let refused = |yaml: &str| read(&format!("nebula: {{delay-queue: {yaml}}}")).unwrap_err();
    assert!(refused("{retries: 3}").contains("unknown field"));
    assert!(refused("{redis: {uri: x}}").contains("unknown field"));
    assert!(refused("{provider: kafka}").contains("unknown variant"));
    assert!(refused("{queue-prefix: 'a b'}").contains("queue name"));
    for duration in ["-1", "soon", "true"] {
        assert!(refused(&format!("{{retry-interval: {duration}}}")).contains("retry-interval"), "{duration}");
    }
    for duration in ["1500", "'1500'", "1s 500ms"] {
        read(&format!("nebula: {{delay-queue: {{retry-interval: {duration}}}}}")).unwrap();
    }
}

#[test]
fn contradictions_are_refused() {
    let provider = |yaml: &str| read(&format!("nebula: {{delay-queue: {yaml}}}")).unwrap().provider();
    assert_eq!(provider("{}").unwrap(), Provider::Memory);
    assert_eq!(provider("{redis: {enabled: true}}").unwrap(), Provider::Redis);
    assert_eq!(provider("{provider: memory, redis: {enabled: true}}").unwrap(), Provider::Memory);
    assert_eq!(provider("{rabbitmq: {enabled: true}}").unwrap(), Provider::RabbitMq);
    for contradiction in
        ["{provider: redis, redis: {enabled: false}}", "{redis: {enabled: true}, sqlite: {enabled: true}}"]
    {
        assert_eq!(provider(contradiction).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
}

#[test]
fn passwords_stay_out_of_debug() {
    let config = read("nebula: {delay-queue: {redis: {url: 'redis://:hidden@x', password: hidden}}}").unwrap();
    assert!(!format!("{config:?}").contains("hidden"));
    let config = read("nebula: {delay-queue: {mysql: {url: 'mysql://u:hidden@x/d', password: hidden}}}").unwrap();
    assert!(!format!("{config:?}").contains("hidden"));
}
