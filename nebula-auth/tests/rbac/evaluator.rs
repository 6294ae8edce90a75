//! The permission cache: what it may say, and when it must not.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use nebula_auth::{
    Error, ErrorKind,
    rbac::{
        Activation, Actor, Changes, Commit, CommitOutcome, ConstraintName, EvaluatorOptions, Head, MemoryRbacStore,
        Permission, PermissionEvaluator, PermissionKey, PermissionPattern, RbacService, RbacStore, Resource,
        ResourceId, ResourceKind, Role, RoleName, Separation, SeparationKind, StoredPolicy, StoredUser, UserId,
    },
};
use nebula_test_support::eventually;
use tokio::sync::Semaphore;

const PATIENCE: Duration = Duration::from_secs(60);

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn role(name: &str) -> RoleName {
    RoleName::new(name).unwrap()
}

fn pattern(text: &str) -> PermissionPattern {
    PermissionPattern::new(text).unwrap()
}

fn key(name: &str) -> PermissionKey {
    PermissionKey::of(&Permission::new(name).unwrap())
}

fn setup() -> Actor {
    Actor::system("test")
}

/// A store that can go away, answer from the past, and keep a reading waiting.
#[derive(Debug, Clone)]
struct Shaky {
    inner: MemoryRbacStore,
    away: Arc<AtomicBool>,
    reads: Arc<AtomicUsize>,
    polls: Arc<AtomicUsize>,
    /// Readings of users wait here after they have read.
    gate: Arc<Semaphore>,
    frozen: Arc<parking_lot::Mutex<Option<StoredUser>>>,
}

impl Shaky {
    fn new() -> Self {
        Self {
            inner: MemoryRbacStore::new(),
            away: Arc::default(),
            reads: Arc::default(),
            polls: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            frozen: Arc::default(),
        }
    }

    fn up(&self) -> Result<(), Error> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(Error::new(ErrorKind::Unavailable, "the store is away")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl RbacStore for Shaky {
    async fn head(&self) -> Result<Head, Error> {
        self.up()?;
        self.inner.head().await
    }

    async fn changes(&self, since: u64, limit: u32) -> Result<Changes, Error> {
        self.up()?;
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.inner.changes(since, limit).await
    }

    async fn policy(&self) -> Result<StoredPolicy, Error> {
        self.up()?;
        self.inner.policy().await
    }

    async fn user(&self, id: &UserId) -> Result<StoredUser, Error> {
        self.up()?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        if let Some(frozen) = self.frozen.lock().clone() {
            return Ok(frozen);
        }
        let read = self.inner.user(id).await;
        self.gate.acquire().await.unwrap().forget();
        read
    }

    async fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<StoredUser>, Error> {
        self.up()?;
        self.inner.users(after, limit).await
    }

    async fn holders(&self, role: &RoleName) -> Result<Vec<StoredUser>, Error> {
        self.up()?;
        self.inner.holders(role).await
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, Error> {
        self.up()?;
        self.inner.commit(commit).await
    }

    async fn health(&self) -> Result<(), Error> {
        self.up()
    }
}

async fn start(store: impl RbacStore) -> PermissionEvaluator {
    // Leases that no slow machine exhausts, unless a test is about their end.
    let options = EvaluatorOptions::new().lease(Duration::from_secs(120)).timeout(Duration::from_secs(60));
    PermissionEvaluator::start(store, options).await.unwrap()
}

async fn grant(service: &RbacService, id: &str, permission: &str) {
    service.grant(&setup(), &user(id), &pattern(permission), None).await.unwrap().into_result().unwrap();
}

async fn revoke(service: &RbacService, id: &str, permission: &str) {
    service.revoke(&setup(), &user(id), &pattern(permission)).await.unwrap().into_result().unwrap();
}

#[tokio::test]
async fn changes_are_seen_at_once_here_on_every_thread() {
    let evaluator = start(MemoryRbacStore::new()).await;
    let (service, read) = (evaluator.service(), key("seen:read"));
    for _ in 0..20 {
        grant(&service, "ann", "seen:*").await;
        assert!(evaluator.check(&user("ann"), read).await.unwrap());
        // In the memory of another thread, too.
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let evaluator = evaluator.clone();
                std::thread::spawn(move || assert_eq!(evaluator.cached("ann", read), Some(true)))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        revoke(&service, "ann", "seen:*").await;
        assert_eq!(evaluator.cached("ann", read), None);
        assert!(!evaluator.check(&user("ann"), read).await.unwrap());
        assert_eq!(evaluator.cached("ann", read), Some(false));
    }
}

#[tokio::test]
async fn a_change_of_a_parent_role_reaches_the_heirs_of_its_heirs() {
    let evaluator = start(MemoryRbacStore::new()).await;
    let (service, read) = (evaluator.service(), key("heir:read"));
    let base = Role::new(role("base")).with_permissions([pattern("heir:read")]);
    for new in [base, Role::new(role("mid")).with_parent(role("base")), Role::new(role("top")).with_parent(role("mid"))]
    {
        service.create_role(&setup(), new).await.unwrap().into_result().unwrap();
    }
    service.assign_role(&setup(), &user("ann"), &role("top"), None).await.unwrap().into_result().unwrap();
    assert!(evaluator.check(&user("ann"), read).await.unwrap());
    assert!(evaluator.has_role(&user("ann"), &role("base")).await.unwrap());
    let removed = service.remove_permission(&setup(), &role("base"), &pattern("heir:read")).await.unwrap();
    removed.into_result().unwrap();
    assert!(!evaluator.check(&user("ann"), read).await.unwrap());
}

#[tokio::test]
async fn what_others_change_is_seen_without_any_signal() {
    let store = MemoryRbacStore::new();
    let (here, there) = (start(store.clone()).await, start(store).await);
    let read = key("other:read");
    assert!(!there.check(&user("ann"), read).await.unwrap());
    grant(&here.service(), "ann", "other:read").await;
    eventually(PATIENCE, || async { there.cached("ann", read).is_none() }).await;
    assert!(there.check(&user("ann"), read).await.unwrap());
}

#[tokio::test]
async fn nobody_is_let_through_when_the_lease_is_over_and_the_store_away() {
    let store = Shaky::new();
    let options = EvaluatorOptions::new().poll(Duration::from_millis(50)).lease(Duration::from_millis(500));
    let evaluator = PermissionEvaluator::start(store.clone(), options).await.unwrap();
    let read = key("lease:read");
    grant(&evaluator.service(), "ann", "lease:read").await;
    assert!(evaluator.check(&user("ann"), read).await.unwrap());
    store.away.store(true, Ordering::SeqCst);
    eventually(PATIENCE, || async { evaluator.cached("ann", read).is_none() }).await;
    let error = evaluator.check(&user("ann"), read).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(evaluator.health().await.is_err());
    assert!(evaluator.has_role(&user("ann"), &role("clerk")).await.is_err());
    // Meanwhile somebody else takes it away; then the store is back.
    revoke(&RbacService::new(store.inner.clone()), "ann", "lease:read").await;
    store.away.store(false, Ordering::SeqCst);
    assert!(!evaluator.check(&user("ann"), read).await.unwrap(), "what was known before is not believed again");
    eventually(PATIENCE, || evaluator.health()).await;
    assert!(!evaluator.check(&user("ann"), read).await.unwrap());
}

#[tokio::test]
async fn a_reading_that_is_overtaken_by_a_change_is_not_kept() {
    let store = Shaky::new();
    let evaluator = start(store.clone()).await;
    let read = key("late:read");
    let other = RbacService::new(store.inner.clone());
    grant(&other, "ann", "late:read").await;
    store.gate.forget_permits(Semaphore::MAX_PERMITS);
    store.reads.store(0, Ordering::SeqCst);
    let reading = tokio::spawn({
        let evaluator = evaluator.clone();
        async move { evaluator.check(&user("ann"), read).await }
    });
    eventually(PATIENCE, || async { store.reads.load(Ordering::SeqCst) > 0 }).await;
    // She was read with the permission, and the answer is on its way. Now another process takes it.
    revoke(&other, "ann", "late:read").await;
    let polls = store.polls.load(Ordering::SeqCst);
    eventually(PATIENCE, || async { store.polls.load(Ordering::SeqCst) > polls + 1 }).await;
    store.gate.add_permits(10);
    assert!(!reading.await.unwrap().unwrap(), "what was read first is not the answer");
    assert_eq!(store.reads.load(Ordering::SeqCst), 2);
    assert_eq!(evaluator.cached("ann", read), Some(false));
}

#[tokio::test]
async fn a_store_that_answers_from_the_past_is_not_believed() {
    let store = Shaky::new();
    let evaluator = start(store.clone()).await;
    let (service, read) = (evaluator.service(), key("past:read"));
    grant(&service, "ann", "past:read").await;
    let old = store.inner.user(&user("ann")).await.unwrap();
    revoke(&service, "ann", "past:read").await;
    // A replica that has not heard of it.
    *store.frozen.lock() = Some(old);
    let error = evaluator.check(&user("ann"), read).await.unwrap_err();
    assert!(error.context().contains("from the past"), "{error:?}");
    *store.frozen.lock() = None;
    assert!(!evaluator.check(&user("ann"), read).await.unwrap());
}

#[tokio::test]
async fn what_is_given_for_a_time_ends_in_a_warm_cache() {
    let evaluator = start(MemoryRbacStore::new()).await;
    let read = key("timed:read");
    let until = SystemTime::now() + Duration::from_secs(2);
    let granted = evaluator.service().grant(&setup(), &user("ann"), &pattern("timed:read"), Some(until)).await.unwrap();
    granted.into_result().unwrap();
    eventually(PATIENCE, || async {
        let allowed = evaluator.check(&user("ann"), read).await.unwrap();
        // Never after its end, as far as this clock can tell.
        assert!(!allowed || SystemTime::now() < until + Duration::from_secs(1));
        !allowed
    })
    .await;
}

#[tokio::test]
async fn many_who_ask_at_once_ask_the_store_once() {
    let store = Shaky::new();
    let evaluator = start(store.clone()).await;
    let read = key("flight:read");
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let evaluator = evaluator.clone();
            tokio::spawn(async move { evaluator.check(&user("ann"), read).await.unwrap() })
        })
        .collect();
    for answer in asking {
        assert!(!answer.await.unwrap());
    }
    assert_eq!(store.reads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn users_are_preloaded_and_their_number_is_bounded() {
    let store = Shaky::new();
    let service = RbacService::new(store.clone());
    for number in 0..300u32 {
        grant(&service, &format!("u{number:03}"), "load:read").await;
    }
    let options = EvaluatorOptions::new().preload(10).capacity(128).lease(Duration::from_secs(120));
    let evaluator = PermissionEvaluator::start(store.clone(), options).await.unwrap();
    assert_eq!(evaluator.cached_users(), 10);
    let load = key("load:read");
    for number in 0..300u32 {
        assert!(evaluator.check(&user(&format!("u{number:03}")), load).await.unwrap());
    }
    assert!(evaluator.cached_users() <= 128, "{}", evaluator.cached_users());
}

#[tokio::test]
async fn a_permission_that_is_new_to_the_program_is_answered_too() {
    let evaluator = start(MemoryRbacStore::new()).await;
    grant(&evaluator.service(), "ann", "young:*").await;
    assert!(evaluator.check(&user("ann"), key("young:one")).await.unwrap());
    let two = Permission::new("young:two").unwrap();
    assert!(evaluator.check_name(&user("ann"), &two).await.unwrap());
    assert!(evaluator.check(&user("ann"), key("young:two")).await.unwrap());
    assert!(!evaluator.check(&user("ann"), key("old:two")).await.unwrap());
    assert_eq!(evaluator.cached("ann", key("young:two")), Some(true));
}

#[tokio::test]
async fn roles_are_chosen_for_a_session() {
    let evaluator = start(MemoryRbacStore::new()).await;
    let service = evaluator.service();
    for name in ["buyer", "auditor"] {
        let new = Role::new(role(name)).with_permissions([pattern(&format!("{name}:act"))]);
        service.create_role(&setup(), new).await.unwrap().into_result().unwrap();
        service.assign_role(&setup(), &user("ann"), &role(name), None).await.unwrap().into_result().unwrap();
    }
    let roles = BTreeSet::from([role("buyer"), role("auditor")]);
    let name = ConstraintName::new("four-eyes").unwrap();
    let apart = Separation { name: name.clone(), kind: SeparationKind::Dynamic, roles: roles.clone(), limit: 2 };
    service.put_separation(&setup(), apart).await.unwrap().into_result().unwrap();

    let (ann, act) = (user("ann"), Permission::new("buyer:act").unwrap());
    assert!(!evaluator.check_name(&ann, &act).await.unwrap(), "without a choice, neither");
    assert_eq!(evaluator.activate(&ann, &roles).await.unwrap(), Activation::Conflict(name));
    let Activation::Active(authority) = evaluator.activate(&ann, &BTreeSet::from([role("buyer")])).await.unwrap()
    else {
        panic!("she has the role")
    };
    assert!(authority.allows(&act) && !authority.allows(&Permission::new("auditor:act").unwrap()));
    let chief = BTreeSet::from([role("chief")]);
    assert_eq!(evaluator.activate(&ann, &chief).await.unwrap(), Activation::NotHeld(role("chief")));
    assert_eq!(evaluator.activate(&user("bob"), &chief).await.unwrap(), Activation::NotHeld(role("chief")));
}

#[tokio::test]
async fn answers_can_be_explained_and_menus_follow_them() {
    let evaluator = start(MemoryRbacStore::new()).await;
    let service = evaluator.service();
    let clerk = Role::new(role("clerk")).with_permissions([pattern("order:*")]);
    for new in [clerk, Role::new(role("lead")).with_parent(role("clerk"))] {
        service.create_role(&setup(), new).await.unwrap().into_result().unwrap();
    }
    service.assign_role(&setup(), &user("ann"), &role("lead"), None).await.unwrap().into_result().unwrap();
    let explain = async |id: &str, name: &str| {
        evaluator.explain(&user(id), &Permission::new(name).unwrap()).await.unwrap().to_string()
    };
    assert_eq!(
        explain("ann", "order:read").await,
        "\"ann\" (active) may `order:read`; `order:*` by role lead -> clerk"
    );
    assert_eq!(
        explain("ann", "user:read").await,
        "\"ann\" (active) may not `user:read`; none of their roles grants it (clerk, lead)"
    );
    assert_eq!(
        explain("eve", "user:read").await,
        "\"eve\" (unknown) may not `user:read`; none of their roles grants it ()"
    );

    let node = |id: &str, parent: Option<&str>, permission: Option<&str>, kind| Resource {
        id: ResourceId::new(id).unwrap(),
        kind,
        title: id.to_owned(),
        target: format!("/{id}"),
        parent: parent.map(|id| ResourceId::new(id).unwrap()),
        permission: permission.map(|name| Permission::new(name).unwrap()),
        order: 0,
    };
    use ResourceKind::{Api, Button, Menu};
    for new in [
        node("sales", None, None, Menu),
        node("orders", Some("sales"), Some("order:read"), Menu),
        node("cancel", Some("orders"), Some("order:cancel"), Button),
        node("api", Some("orders"), Some("order:read"), Api),
        node("staff", None, None, Menu),
        node("salaries", Some("staff"), Some("salary:read"), Menu),
        node("orders-of-staff", Some("salaries"), Some("order:read"), Menu),
    ] {
        service.put_resource(&setup(), new).await.unwrap().into_result().unwrap();
    }
    let seen = serde_json::to_value(evaluator.menu(&user("ann")).await.unwrap()).unwrap();
    assert_eq!(
        seen,
        serde_json::json!([{ "id": "sales", "kind": "menu", "title": "sales", "target": "/sales", "children": [
            { "id": "orders", "kind": "menu", "title": "orders", "target": "/orders", "children": [
                { "id": "cancel", "kind": "button", "title": "cancel", "target": "/cancel" }
            ] }
        ] }])
    );
    assert!(evaluator.menu(&user("eve")).await.unwrap().is_empty());
}
