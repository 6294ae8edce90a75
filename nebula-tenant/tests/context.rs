//! Work keeps whose it is, or does not begin.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use futures_util::StreamExt as _;
use nebula_tenant::{ErrorKind, JoinSet, TenantContext, TenantId, as_host, current, spawn, spawn_blocking, stream};

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
