//! Work keeps whose it is, or does not begin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use futures_util::StreamExt as _;
use nebula_tenant::{
    ErrorKind, JoinSet, TenantContext, TenantId, as_host, current, every, interval, spawn, spawn_blocking, stream,
};

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn name() -> String {
    current().map_or_else(|error| error.kind().as_str().to_owned(), |tenant| tenant.to_string())
}

#[test]
fn names_are_labels_of_domains() {
    for good in ["a", "0", "star-cinema", "a--b", &"x".repeat(63)] {
        assert_eq!(good.parse::<TenantId>().unwrap().as_str(), good);
    }
    for bad in ["", "-a", "a-", "A", "a.b", "a b", "a_b", "ä", "a\0", "a'b", "a:b", "a/b", &"x".repeat(64)] {
        assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn without_a_tenant_nothing_goes() {
    assert_eq!(current().unwrap_err().kind(), ErrorKind::NoTenant);
    assert_eq!(spawn(async {}).unwrap_err().kind(), ErrorKind::NoTenant);
    assert_eq!(spawn_blocking(|| ()).unwrap_err().kind(), ErrorKind::NoTenant);
    assert_eq!(JoinSet::<()>::new().spawn(async {}).unwrap_err().kind(), ErrorKind::NoTenant);
    assert_eq!(stream(futures_util::stream::empty::<()>()).unwrap_err().kind(), ErrorKind::NoTenant);
    // A bare task has none, whoever spawns it.
    let bare =
        TenantContext::of(tenant("a")).scope(async { tokio::spawn(async { name() }).await.unwrap() }).await.unwrap();
    assert_eq!(bare, "no_tenant");
}

#[tokio::test]
async fn work_on_the_side_keeps_its_tenant() {
    let all = TenantContext::of(tenant("a"))
        .scope(async {
            let mut set = JoinSet::new();
            set.spawn(async { name() }).unwrap();
            set.spawn_blocking(name).unwrap();
            let mut all = vec![
                spawn(async { spawn(async { name() }).unwrap().await.unwrap() }).unwrap().await.unwrap(),
                spawn_blocking(name).unwrap().await.unwrap(),
            ];
            while let Some(one) = set.join_next().await {
                all.push(one.unwrap());
            }
            all
        })
        .await
        .unwrap();
    assert_eq!(all, ["a"; 4]);
}

#[tokio::test]
async fn a_stream_keeps_its_tenant_wherever_it_is_polled() {
    let numbers = TenantContext::of(tenant("a"))
        .scope(async { stream(futures_util::stream::iter(0..3).map(|_| name()).boxed()).unwrap() })
        .await
        .unwrap();
    let elsewhere = TenantContext::of(tenant("b")).scope(numbers.collect::<Vec<_>>()).await.unwrap();
    assert_eq!(elsewhere, ["a"; 3]);
    assert_eq!(name(), "no_tenant");
}

#[tokio::test]
async fn from_tenant_to_tenant_the_way_leads_through_the_host() {
    let inner = TenantContext::of(tenant("a"))
        .scope(async {
            assert_eq!(TenantContext::of(tenant("a")).scope(async { name() }).await.unwrap(), "a");
            assert_eq!(
                TenantContext::of(tenant("b")).scope(async { name() }).await.unwrap_err().kind(),
                ErrorKind::Conflict
            );
            assert_eq!(TenantContext::of(tenant("b")).sync_scope(name).unwrap_err().kind(), ErrorKind::Conflict);
            as_host("settle accounts", async {
                assert_eq!(TenantContext::current().unwrap().host_reason(), Some("settle accounts"));
                assert_eq!(name(), "no_tenant", "the platform is no tenant");
                TenantContext::of(tenant("b")).scope(async { name() }).await.unwrap()
            })
            .await
            .unwrap()
        })
        .await
        .unwrap();
    assert_eq!(inner, "b");
    assert_eq!(as_host(" ", async {}).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_keeps_its_tenant_or_says_so() {
    let period = Duration::from_secs(60);
    assert_eq!(interval(period).unwrap_err().kind(), ErrorKind::NoTenant);
    assert_eq!(every(period, || async {}).unwrap_err().kind(), ErrorKind::NoTenant);
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let (mut ticks, planned) = TenantContext::of(tenant("a"))
        .scope(async {
            assert_eq!(interval(Duration::ZERO).unwrap_err().kind(), ErrorKind::Config);
            let told = move || {
                let told = told.clone();
                async move { told.send(name()).unwrap() }
            };
            (interval(period).unwrap(), every(period, told).unwrap())
        })
        .await
        .unwrap();
    for _ in 0..3 {
        assert_eq!(hears.recv().await.unwrap(), "a");
    }
    planned.abort();
    assert!(TenantContext::of(tenant("a")).scope(ticks.tick()).await.unwrap().is_ok());
    assert_eq!(ticks.tick().await.unwrap_err().kind(), ErrorKind::NoTenant);
    let other = TenantContext::of(tenant("b")).scope(ticks.tick()).await.unwrap();
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Conflict);
}

#[test]
fn the_lint_configuration_finds_what_loses_the_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program.rs");
    std::fs::write(
        &program,
        "#![deny(clippy::disallowed_methods)]\n\
         pub async fn lost() {\n\
             let _ = tokio::spawn(async {});\n\
             let _ = tokio::task::spawn_blocking(|| ());\n\
             let _ = tokio::task::JoinSet::<()>::new();\n\
             let _ = tokio::time::interval(std::time::Duration::from_secs(1));\n\
             let _ = std::thread::spawn(|| ());\n\
             let _ = tokio::time::sleep(std::time::Duration::from_secs(1));\n\
         }\n",
    )
    .unwrap();
    let built = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let tokio = std::fs::read_dir(&built).unwrap().filter_map(|entry| Some(entry.ok()?.path())).filter(|path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        file.starts_with("libtokio-") && file.ends_with(".rlib")
    });
    let tokio = tokio.max_by_key(|path| path.metadata().and_then(|it| it.modified()).ok()).expect("tokio was built");
    let said = std::process::Command::new("clippy-driver")
        .env("CLIPPY_CONF_DIR", concat!(env!("CARGO_MANIFEST_DIR"), "/lints"))
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "--color=never", "--out-dir"])
        .arg(folder.path())
        .arg(format!("-Ldependency={}", built.display()))
        .arg(format!("--extern=tokio={}", tokio.display()))
        .arg(&program)
        .output()
        .expect("clippy is installed: `rustup component add clippy`");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.matches("error: use of a disallowed method").count(), 5, "{said}");
    assert!(!said.contains("clippy.toml`: "), "the configuration itself: {said}");
}
