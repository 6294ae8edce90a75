//! `rediss://` against a real server. The certificates are made by `tests/tls/make.sh`.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;

use nebula_redis::{ErrorKind, Event, RedisConfig, redis};
use nebula_test_support::{RedisCluster, RedisOptions, RedisSentinel, RedisServer, ReservedPort, TlsFiles, eventually};
use support::{LONG, config, incr, nervous, ping, text};

fn file(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name).to_string_lossy().into_owned()
}

/// A server that also listens with TLS, and the URL of that.
async fn server(client_certificates: &str) -> (RedisServer, String, ReservedPort) {
    let port = ReservedPort::pick().unwrap();
    let number = port.number().to_string();
    // Only the claim is kept; the listener that tried the port out is gone.
    let (ca, cert, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    let args = ["--tls-port", &number, "--tls-ca-cert-file", &ca, "--tls-cert-file", &cert, "--tls-key-file", &key];
    let args = args.into_iter().chain(["--tls-auth-clients", client_certificates]);
    let server = RedisServer::options().args(args).start().await;
    (server, format!("rediss://localhost:{number}/"), port)
}

#[tokio::test]
async fn commands_and_messages_go_over_tls() {
    let (_server, url, _port) = server("no").await;
    let config: RedisConfig = config(url).with_ca_file(file("ca.pem"));
    let mut connection = config.connect().await.unwrap();
    ping(&mut connection).await.unwrap();
    let mut subscription = config.subscriber().unwrap().subscribe("channel").await.unwrap();
    redis::cmd("PUBLISH").arg("channel").arg("x").exec_async(&mut connection).await.unwrap();
    assert!(matches!(subscription.next().await, Some(Event::Message { .. })));
    assert_eq!(config.connect_pinned().await.unwrap().run_id().len(), 40);
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_refused() {
    let (_server, url, _port) = server("no").await;
    let error = config(url).with_ca_file(file("stranger.pem")).connect().await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_server_with_another_name_is_refused() {
    let (_server, url, _port) = server("no").await;
    let url = url.replace("localhost", "127.0.0.1");
    let error = config(url).with_ca_file(file("ca.pem")).connect().await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours() {
    let (_server, url, _port) = server("yes").await;
    let without = config(url).with_ca_file(file("ca.pem"));
    assert_eq!(without.connect().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let with = without.with_client_cert(file("client.pem"), file("client.key"));
    ping(&mut with.connect().await.unwrap()).await.unwrap();
}

/// For servers that tell clients each other's addresses.
fn several(cert: &str) -> RedisOptions {
    let files = [file("ca.pem"), file(&format!("{cert}.pem")), file(&format!("{cert}.key"))];
    let [ca, cert, key] = files.map(PathBuf::from);
    RedisServer::options().tls(TlsFiles { ca, cert, key })
}

/// What a connection over TLS has to be good for, whatever it leads to.
async fn works(config: RedisConfig) {
    let config = nervous(config).with_ca_file(file("ca.pem"));
    let connection = config.connect().await.unwrap();
    for number in 0..20 {
        let key = format!("key:{number}");
        assert_eq!(incr(&mut connection.clone(), &key).await.unwrap(), 1);
    }
    for server in connection.servers().await.unwrap() {
        assert!(text(&mut server.clone(), &["INFO", "replication"]).await.unwrap().contains("role:master"));
    }
    let mut subscription = config.subscriber().unwrap().subscribe("channel").await.unwrap();
    redis::cmd("PUBLISH").arg("channel").arg("x").exec_async(&mut connection.clone()).await.unwrap();
    assert!(matches!(subscription.next().await, Some(Event::Message { .. })));
}

#[tokio::test]
async fn sentinels_and_the_masters_that_they_name_speak_tls() {
    let mut redis = RedisSentinel::start_with(&several("address")).await;
    let nodes = redis.addresses().into_iter().map(|address| format!("rediss://{address}"));
    let config = RedisConfig::sentinel(redis.name(), nodes);
    works(config.clone()).await;
    let mut connection = nervous(config.clone()).with_ca_file(file("ca.pem")).connect().await.unwrap();
    let old = redis.master().await;
    redis.servers[old].kill();
    redis.failed_over(old).await;
    eventually(LONG * 3, || async { incr(&mut connection.clone(), "after").await }).await;
    ping(&mut connection).await.unwrap();
    let stranger = config.with_ca_file(file("stranger.pem")).connect().await.unwrap_err();
    assert!(stranger.to_string().contains("certificate"), "{stranger}");
}

#[tokio::test]
async fn the_nodes_of_a_cluster_are_found_by_their_names_with_tls() {
    let mut cluster = RedisCluster::start_with(&several("server")).await;
    let urls = cluster.nodes.iter().map(|node| format!("rediss://localhost:{}", node.tls_port().unwrap()));
    let config = RedisConfig::cluster(urls.collect::<Vec<_>>());
    works(config.clone()).await;
    let connection = nervous(config.clone()).with_ca_file(file("ca.pem")).connect().await.unwrap();
    assert_eq!(connection.servers().await.unwrap().len(), 3);
    let old = cluster.owner_of("key:1").await;
    cluster.nodes[old].kill();
    cluster.failed_over("key:1", old).await;
    eventually(LONG * 3, || async { incr(&mut connection.clone(), "key:1").await }).await;
    let stranger = config.with_ca_file(file("stranger.pem")).connect().await.unwrap_err();
    assert!(stranger.to_string().contains("certificate"), "{stranger}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let config = config("rediss://localhost:1/");
    let error = config.clone().with_ca_file("/no/such/file").connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("/no/such/file"), "{error}");
    let error = config.with_client_cert(file("make.sh"), file("make.sh")).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error}");
}
