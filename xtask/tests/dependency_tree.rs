//! A crate pulls in nothing that its enabled features do not need, and no library of the kit needs another one.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::process::Command;

const SERVERS_AND_FRAMEWORKS: &[&str] = &["redis", "nebula-redis", "sqlx", "axum", "hyper", "reqwest", "rustls"];

/// The names of all packages that `package` needs at run or build time, itself excluded.
fn tree(package: &str, features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .args(features)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<String> =
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(names.contains(package), "cargo tree says something else than expected: {text}");
    names.into_iter().filter(|name| name != package).collect()
}

#[track_caller]
fn assert_free_of(package: &str, features: &[&str], unwanted: &[&str]) {
    let tree = tree(package, features);
    let found: Vec<&&str> = unwanted.iter().filter(|name| tree.contains(**name)).collect();
    assert!(found.is_empty(), "{package} with {features:?} pulls in {found:?}");
}

#[test]
fn the_check_can_fail() {
    assert!(tree("nebula-lock", &["--features", "redis"]).contains("redis"));
    assert!(tree("nebula-delay-queue", &["--features", "sqlite"]).contains("sqlx"));
    assert!(tree("nebula-auth", &["--features", "axum"]).contains("axum"));
}

#[test]
fn the_embedded_backends_know_no_server() {
    for package in [
        "nebula-lock",
        "nebula-delay-queue",
        "nebula-auth",
        "nebula-cache",
        "nebula-notification",
        "nebula-rule-engine",
        "nebula-tenant",
    ] {
        assert_free_of(package, &[], SERVERS_AND_FRAMEWORKS);
        assert_free_of(package, &["--no-default-features"], SERVERS_AND_FRAMEWORKS);
    }
}

#[test]
fn without_macros_there_is_none() {
    for package in ["nebula-lock", "nebula-delay-queue"] {
        assert_free_of(package, &["--no-default-features"], &["nebula-macros"]);
    }
}

#[test]
fn a_backend_brings_only_its_own_driver() {
    assert_free_of("nebula-lock", &["--features", "redis"], &["sqlx", "axum", "rustls"]);
    assert_free_of("nebula-delay-queue", &["--features", "redis"], &["sqlx", "axum", "rustls"]);
    assert_free_of("nebula-delay-queue", &["--features", "sqlite"], &["redis", "nebula-redis", "axum", "rustls"]);
    assert_free_of("nebula-auth", &["--features", "axum"], &["redis", "sqlx"]);
    assert_free_of("nebula-cache", &["--features", "redis"], &["sqlx", "axum", "rustls", "zstd"]);
    assert_free_of("nebula-auth", &["--features", "sqlite"], &["redis", "axum"]);
    assert_free_of("nebula-tenant", &["--features", "wall"], &["sqlx", "redis", "axum"]);
}

#[test]
fn encryption_of_connections_is_asked_for() {
    assert_free_of("nebula-redis", &[], &["rustls", "native-tls", "openssl"]);
}

#[test]
fn the_libraries_are_independent() {
    let shared = ["nebula-macros", "nebula-redis"];
    for package in [
        "nebula-lock",
        "nebula-delay-queue",
        "nebula-auth",
        "nebula-cache",
        "nebula-notification",
        "nebula-redis",
        "nebula-rule-engine",
        "nebula-tenant",
        "nebula-macros",
    ] {
        // The one that wraps others does so in features; everything else of it stands alone.
        let alone = [
            "--no-default-features",
            "--features",
            "http,mysql,postgres,quota,registry,reqwest,seal,sea-orm,sqlite,testing",
        ];
        let features: &[&str] = if package == "nebula-tenant" { &alone } else { &["--all-features"] };
        let tree = tree(package, features);
        let kit: Vec<&String> =
            tree.iter().filter(|name| name.starts_with("nebula-") && !shared.contains(&name.as_str())).collect();
        assert!(kit.is_empty(), "{package} needs {kit:?}");
    }
}

#[test]
fn there_is_one_crypto_provider() {
    for package in [
        "nebula-lock",
        "nebula-delay-queue",
        "nebula-auth",
        "nebula-cache",
        "nebula-notification",
        "nebula-redis",
        "ticketing",
    ] {
        assert_free_of(package, &["--all-features"], &["ring", "openssl-sys", "native-tls", "rsa"]);
    }
}
