//! The conformance suite of [`TenantStore`]: one test for each bullet of its contract, for every backend
//! behind `Arc<dyn TenantStore>`.
//!
//! ```
//! # fn main() {}
//! use nebula_tenant::registry::MemoryTenants;
//!
//! async fn memory() -> MemoryTenants {
//!     MemoryTenants::new()
//! }
//!
//! nebula_tenant::conformance_suite!(memory);
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing check is meant to panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::directory::TenantStatus;
use crate::id::TenantId;
use crate::registry::{Saved, Tenant, TenantStore};

/// Defines one `#[tokio::test]` for each part of the contract, run with the store that the given async function makes: an empty
/// one of its own for each call.
#[macro_export]
macro_rules! conformance_suite {
    ($make:path) => {
        $crate::conformance_suite!(@tests $make: what_is_inserted_is_the_first_version, names_are_taken_for_good,
            a_domain_is_one_tenants, of_several_at_once_one_replaces, owners_follow_the_domains,
            pages_are_in_order, marks_are_their_tenants, nothing_is_done_by_half);
    };
    (@tests $make:path: $($name:ident),*) => {$(
        #[tokio::test]
        async fn $name() {
            // Through the pointer it runs both, the store and the trait as an object.
            let shared: ::std::sync::Arc<dyn $crate::registry::TenantStore> = ::std::sync::Arc::new($make().await);
            $crate::testing::$name(shared).await;
        }
    )*};
}

fn id(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn tenant(name: &str) -> Tenant {
    Tenant::new(id(name))
}

fn done(saved: Saved) -> Tenant {
    match saved {
        Saved::Done(tenant) => tenant,
        refused => panic!("{refused:?}"),
    }
}

/// `insert` keeps a tenant as version 1, and `get` gives what was saved last.
pub async fn what_is_inserted_is_the_first_version(store: impl TenantStore) {
    assert_eq!(store.get(&id("star")).await.unwrap(), None);
    let mut star = tenant("star").with_plan("gold").with_domain("Star.Example").unwrap();
    star = star.with_setting("colour", "red").with_setting("halls", 7).with_setting("name", "星影院");
    let kept = done(store.insert(&star).await.unwrap());
    assert_eq!(kept, Tenant { version: 1, ..star });
    assert_eq!(store.get(&id("star")).await.unwrap(), Some(kept.clone()));
    for status in TenantStatus::ALL {
        let present = store.get(&id("star")).await.unwrap().unwrap();
        let next = done(store.replace(&Tenant { status, ..present.clone() }).await.unwrap());
        assert_eq!((next.status, next.version), (status, present.version + 1));
        assert_eq!(store.get(&id("star")).await.unwrap(), Some(next));
    }
}

/// A name that was ever used is `IdTaken`, and nothing changes.
pub async fn names_are_taken_for_good(store: impl TenantStore) {
    let first = done(store.insert(&tenant("star").with_plan("gold")).await.unwrap());
    let second = tenant("star").with_domain("other.example").unwrap();
    assert_eq!(store.insert(&second).await.unwrap(), Saved::IdTaken);
    assert_eq!(store.get(&id("star")).await.unwrap(), Some(first));
    assert_eq!(store.owner("other.example").await.unwrap(), None);
}

/// A domain is one tenant's.
pub async fn a_domain_is_one_tenants(store: impl TenantStore) {
    let with = |name, domain| tenant(name).with_domain(domain).unwrap();
    done(store.insert(&with("star", "a.example")).await.unwrap());
    let moon = done(store.insert(&with("moon", "b.example")).await.unwrap());
    assert_eq!(store.insert(&with("sun", "a.example")).await.unwrap(), Saved::DomainTaken);
    assert_eq!(store.get(&id("sun")).await.unwrap(), None);
    let greedy = moon.clone().with_plan("gold").with_domain("a.example").unwrap();
    assert_eq!(store.replace(&greedy).await.unwrap(), Saved::DomainTaken);
    assert_eq!(store.get(&id("moon")).await.unwrap(), Some(moon));
    assert_eq!(store.owner("a.example").await.unwrap(), Some(id("star")));
}

/// Of several that replace at once, one is done and the others are `Stale`; a name that is not known is `Missing`.
pub async fn of_several_at_once_one_replaces(store: impl TenantStore) {
    let store = Arc::new(store);
    assert_eq!(store.replace(&tenant("star")).await.unwrap(), Saved::Missing);
    let first = done(store.insert(&tenant("star")).await.unwrap());
    let writes = (0..8).map(|number| {
        let (store, next) = (Arc::clone(&store), first.clone().with_plan(number.to_string()));
        tokio::spawn(async move { store.replace(&next).await.unwrap() })
    });
    let mut won = Vec::new();
    for write in writes.collect::<Vec<_>>() {
        match write.await.unwrap() {
            Saved::Done(tenant) => won.push(tenant),
            other => assert_eq!(other, Saved::Stale),
        }
    }
    assert_eq!(won.len(), 1, "{won:?}");
    assert_eq!(store.get(&id("star")).await.unwrap(), won.pop());
}

/// `owner` follows the domains, and a domain that was given up is nobody's.
pub async fn owners_follow_the_domains(store: impl TenantStore) {
    let domains = |list: &[&str]| list.iter().map(|domain| (*domain).to_owned()).collect::<BTreeSet<_>>();
    let first = Tenant { domains: domains(&["a.example", "b.example"]), ..tenant("star") };
    let first = done(store.insert(&first).await.unwrap());
    let second = Tenant { domains: domains(&["b.example", "c.example"]), ..first };
    done(store.replace(&second).await.unwrap());
    for (domain, owner) in [("a.example", None), ("b.example", Some(id("star"))), ("c.example", Some(id("star")))] {
        assert_eq!(store.owner(domain).await.unwrap(), owner, "{domain}");
    }
    let moon = tenant("moon").with_domain("a.example").unwrap();
    done(store.insert(&moon).await.unwrap());
    assert_eq!(store.owner("a.example").await.unwrap(), Some(id("moon")));
}

/// `page` is ordered by the bytes of the names, begins after the name given, and has at most so many.
pub async fn pages_are_in_order(store: impl TenantStore) {
    let names = ["a-b", "a", "ab", "a0", "b", "0"];
    for name in names {
        let domains = [format!("{name}.one.example"), format!("{name}.two.example")].into();
        done(store.insert(&Tenant { domains, ..tenant(name) }).await.unwrap());
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(after.as_ref(), 4).await.unwrap();
        assert!(page.len() <= 4 && page.iter().all(|tenant| tenant.domains.len() == 2), "{page:?}");
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        all.extend(page.into_iter().map(|tenant| tenant.id.to_string()));
    }
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(all, expected);
}

/// `mark` is remembered for its tenant alone; marking again changes nothing.
pub async fn marks_are_their_tenants(store: impl TenantStore) {
    for name in ["star", "moon"] {
        done(store.insert(&tenant(name)).await.unwrap());
    }
    for step in ["first", "second", "first"] {
        store.mark(&id("star"), step).await.unwrap();
    }
    let marks = store.marks(&id("star")).await.unwrap();
    assert_eq!(marks, BTreeSet::from(["first".to_owned(), "second".to_owned()]));
    assert_eq!(store.marks(&id("moon")).await.unwrap(), BTreeSet::new());
}

/// A call whose future is dropped was done, or was not, and never by half.
pub async fn nothing_is_done_by_half(store: impl TenantStore) {
    for polls in 0..12 {
        let name = format!("t{polls}");
        let domains: BTreeSet<_> = (0..3).map(|number| format!("{number}.{name}.example")).collect();
        let whole = Tenant { domains: domains.clone(), ..tenant(&name) };
        {
            let mut insert = std::pin::pin!(store.insert(&whole));
            for _ in 0..polls {
                if futures_util::poll!(insert.as_mut()).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let mut owners = BTreeMap::new();
        let kept = store.get(&id(&name)).await.unwrap();
        for domain in &domains {
            owners.insert(domain, store.owner(domain).await.unwrap().is_some());
        }
        let done = kept.as_ref().is_some_and(|kept| kept.domains == domains);
        assert!(done || kept.is_none(), "{kept:?}");
        // The server may do it a moment later; it is never a part of it.
        assert!(owners.values().all(|owned| *owned == owners[&domains.first().unwrap()]), "{owners:?}");
    }
}
