//! What processes share about users on Redis: it saves readings of the store, and lets nobody through who may not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use nebula_auth::{
    Error, ErrorKind,
    rbac::{
        Actor, Changes, Commit, CommitOutcome, EvaluatorOptions, Head, MemoryRbacStore, Permission,
        PermissionEvaluator, PermissionKey, PermissionPattern, RbacService, RbacStore, Role, RoleName, StoredPolicy,
        StoredUser, UserId,
    },
    secrecy::SecretString,
};
use nebula_redis::{Connection, RedisConfig, redis};
use nebula_test_support::{RedisServer, eventually, redis_url, unique};

const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "q8Vw2RkT7mZ4xJ1cL9fH5bN3dS6gP0yA";

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn key(name: &str) -> PermissionKey {
    PermissionKey::of(&Permission::new(name).unwrap())
}

fn setup() -> Actor {
    Actor::system("test")
}

async fn grant(service: &RbacService, id: &str, permission: &str, until: Option<SystemTime>) {
    let pattern = PermissionPattern::new(permission).unwrap();
    service.grant(&setup(), &user(id), &pattern, until).await.unwrap().into_result().unwrap();
}

async fn revoke(service: &RbacService, id: &str, permission: &str) {
    let pattern = PermissionPattern::new(permission).unwrap();
    service.revoke(&setup(), &user(id), &pattern).await.unwrap().into_result().unwrap();
}

/// The way of one process to the store, on which readings of users are counted.
#[derive(Debug, Clone)]
struct Counted {
    store: MemoryRbacStore,
    reads: Arc<AtomicUsize>,
}

impl Counted {
    fn new(store: &MemoryRbacStore) -> Self {
        Self { store: store.clone(), reads: Arc::default() }
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl RbacStore for Counted {
    async fn head(&self) -> Result<Head, Error> {
        self.store.head().await
    }

    async fn changes(&self, since: u64, limit: u32) -> Result<Changes, Error> {
        self.store.changes(since, limit).await
    }

    async fn policy(&self) -> Result<StoredPolicy, Error> {
        self.store.policy().await
    }

    async fn user(&self, id: &UserId) -> Result<StoredUser, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.store.user(id).await
    }

    async fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<StoredUser>, Error> {
        self.store.users(after, limit).await
    }

    async fn holders(&self, role: &RoleName) -> Result<Vec<StoredUser>, Error> {
        self.store.holders(role).await
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, Error> {
        self.store.commit(commit).await
    }

    async fn health(&self) -> Result<(), Error> {
        self.store.health().await
    }
}

/// A process that shares what it reads, and has read one user so that it knows the store's clock.
async fn process(store: Counted, url: &str, prefix: &str) -> PermissionEvaluator {
    let options = EvaluatorOptions::new().preload(0).lease(Duration::from_secs(120)).timeout(PATIENCE);
    let evaluator = PermissionEvaluator::start(store.clone(), options).await.unwrap();
    let shared = evaluator.with_redis_cache(&RedisConfig::new(url), prefix, &SecretString::from(KEY)).await.unwrap();
    shared.authority(&user("nobody-yet")).await.unwrap();
    store.reads.store(0, Ordering::SeqCst);
    shared
}

async fn raw(url: &str) -> Connection {
    RedisConfig::new(url).connect().await.unwrap()
}

/// Alters what is kept.
type Forge = fn(&mut Vec<u8>);

async fn kept(connection: &mut Connection, key: &str) -> Option<Vec<u8>> {
    redis::cmd("GET").arg(key).query_async(connection).await.unwrap()
}

async fn put(connection: &mut Connection, key: &str, value: &[u8]) {
    redis::cmd("SET").arg(key).arg(value).exec_async(connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_has_read_another_need_not_read() {
    let (url, prefix) = (redis_url().await, unique("auth"));
    let store = MemoryRbacStore::new();
    let writer = RbacService::new(store.clone());
    let role =
        Role::new(RoleName::new("clerk").unwrap()).with_permissions([PermissionPattern::new("level:*").unwrap()]);
    writer.create_role(&setup(), role).await.unwrap().into_result().unwrap();
    for number in (0..40).step_by(2) {
        let clerk = RoleName::new("clerk").unwrap();
        writer.assign_role(&setup(), &user(&format!("u{number}")), &clerk, None).await.unwrap().into_result().unwrap();
    }
    let (mine, others) = (Counted::new(&store), Counted::new(&store));
    let (here, read) = (process(mine.clone(), &url, &prefix).await, key("level:read"));
    for number in 0..40 {
        assert_eq!(here.check(&user(&format!("u{number}")), read).await.unwrap(), number % 2 == 0);
    }
    assert_eq!(mine.reads(), 40, "nobody had read them before");
    let mut connection = raw(&url).await;
    for number in 0..40 {
        let name = format!("{prefix}:user:u{number}");
        eventually(PATIENCE, || async { kept(&mut connection.clone(), &name).await.is_some() }).await;
    }
    // Begun after the users were changed: it looks back at who that was, and at nobody who was not.
    let there = process(others.clone(), &url, &prefix).await;
    for number in 0..40 {
        assert_eq!(there.check(&user(&format!("u{number}")), read).await.unwrap(), number % 2 == 0);
        assert_eq!(there.cached(&format!("u{number}"), read), Some(number % 2 == 0));
    }
    assert_eq!(others.reads(), 0, "all were found on Redis");

    // A change of the role is one of everybody who has it, though what is kept about them stays as it was.
    let pattern = PermissionPattern::new("level:*").unwrap();
    let removed = here.service().remove_permission(&setup(), &RoleName::new("clerk").unwrap(), &pattern).await.unwrap();
    removed.into_result().unwrap();
    assert!(!here.check(&user("u0"), read).await.unwrap());
    eventually(PATIENCE, || async { !there.check(&user("u2"), read).await.unwrap() }).await;
    let ttl: i64 = redis::cmd("PTTL").arg(format!("{prefix}:user:u0")).query_async(&mut connection).await.unwrap();
    assert!(ttl > 0, "what nobody asks for ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_changed_since_is_not_believed() {
    let (url, prefix) = (redis_url().await, unique("auth"));
    let (store, read) = (MemoryRbacStore::new(), key("level:read"));
    let name = format!("{prefix}:user:ann");
    let mut connection = raw(&url).await;
    grant(&RbacService::new(store.clone()), "ann", "level:read", None).await;
    let (here, there) =
        (process(Counted::new(&store), &url, &prefix).await, process(Counted::new(&store), &url, &prefix).await);
    assert!(here.check(&user("ann"), read).await.unwrap());
    eventually(PATIENCE, || async { kept(&mut connection.clone(), &name).await.is_some() }).await;
    let old = kept(&mut connection, &name).await.unwrap();

    // Here at once; and what was kept is put back whenever somebody has written something better.
    revoke(&here.service(), "ann", "level:read").await;
    for _ in 0..5 {
        put(&mut connection, &name, &old).await;
        assert!(!here.check(&user("ann"), read).await.unwrap());
    }
    // In another process when it hears of it, and never again after that.
    eventually(PATIENCE, || async {
        put(&mut connection.clone(), &name, &old).await;
        !there.check(&user("ann"), read).await.unwrap()
    })
    .await;
    for _ in 0..20 {
        put(&mut connection, &name, &old).await;
        assert!(!there.check(&user("ann"), read).await.unwrap());
    }
    // In a process that begins afterwards.
    put(&mut connection, &name, &old).await;
    let late = process(Counted::new(&store), &url, &prefix).await;
    assert!(!late.check(&user("ann"), read).await.unwrap());
    // And changes of her go on, with Redis always one behind.
    for round in 0..6 {
        let allowed = round % 2 == 0;
        match allowed {
            true => grant(&there.service(), "ann", "level:read", None).await,
            false => revoke(&there.service(), "ann", "level:read").await,
        }
        put(&mut connection, &name, &old).await;
        assert_eq!(there.check(&user("ann"), read).await.unwrap(), allowed, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_there_grants_nothing() {
    let (url, prefix) = (redis_url().await, unique("auth"));
    let (store, read) = (MemoryRbacStore::new(), key("level:read"));
    let mut connection = raw(&url).await;
    grant(&RbacService::new(store.clone()), "ann", "level:read", None).await;
    let reader = process(Counted::new(&store), &url, &prefix).await;
    assert!(reader.check(&user("ann"), read).await.unwrap());
    let name = |id: &str| format!("{prefix}:user:{id}");
    eventually(PATIENCE, || async { kept(&mut connection.clone(), &name("ann")).await.is_some() }).await;
    let good = kept(&mut connection, &name("ann")).await.unwrap();
    assert!(!String::from_utf8_lossy(&good).contains(KEY));

    let counted = Counted::new(&store);
    let victim = process(counted.clone(), &url, &prefix).await;
    // Ann's under Bob's name, and what was altered anywhere, cut or made up under its own.
    put(&mut connection, &name("bob"), &good).await;
    assert!(!victim.check(&user("bob"), read).await.unwrap());
    let forgeries: [Forge; 8] = [
        |value| value.clear(),
        |value| *value = b"{}".to_vec(),
        |value| value.truncate(40),
        |value| value.truncate(value.len() - 1),
        |value| value.push(b' '),
        |value| value[0] ^= 1,
        |value| value[20] ^= 1,
        |value| *value.last_mut().unwrap() ^= 1,
    ];
    for (number, forge) in forgeries.iter().enumerate() {
        let id = format!("eve{number}");
        assert!(!reader.check(&user(&id), read).await.unwrap());
        eventually(PATIENCE, || async { kept(&mut connection.clone(), &name(&id)).await.is_some() }).await;
        let mut value = kept(&mut connection, &name(&id)).await.unwrap();
        forge(&mut value);
        put(&mut connection, &name(&id), &value).await;
        assert!(!victim.check(&user(&id), read).await.unwrap());
        assert_eq!(counted.reads(), number + 2, "the store was asked");
    }
    redis::cmd("RPUSH").arg(name("mallory")).arg(&good).exec_async(&mut connection).await.unwrap();
    assert!(!victim.check(&user("mallory"), read).await.unwrap());
    assert_eq!(counted.reads(), forgeries.len() + 2, "each was read from the store instead");
    // A process with another key believes nothing of it either.
    let counted = Counted::new(&store);
    let options = EvaluatorOptions::new().preload(0).lease(Duration::from_secs(120));
    let stranger = PermissionEvaluator::start(counted.clone(), options).await.unwrap();
    let other = SecretString::from(KEY.chars().rev().collect::<String>());
    let stranger = stranger.with_redis_cache(&RedisConfig::new(&url), &prefix, &other).await.unwrap();
    assert!(stranger.check(&user("ann"), read).await.unwrap());
    assert_eq!(counted.reads(), 1);
    // And a key that can be guessed is refused, as is a second level.
    for (evaluator, key, kind) in
        [(stranger.clone(), KEY, ErrorKind::Config), (stranger, "changeme", ErrorKind::WeakSecret)]
    {
        let refused = evaluator.with_redis_cache(&RedisConfig::new(&url), &prefix, &key.into()).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused:?}");
        assert!(!format!("{refused:?}").contains(key), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_for_a_time_ends_though_another_process_has_read_it() {
    let (url, prefix) = (redis_url().await, unique("auth"));
    let (store, read) = (MemoryRbacStore::new(), key("level:timed"));
    let until = SystemTime::now() + Duration::from_secs(4);
    grant(&RbacService::new(store.clone()), "ann", "level:timed", Some(until)).await;
    let here = process(Counted::new(&store), &url, &prefix).await;
    here.check(&user("ann"), read).await.unwrap();
    let (mut connection, name) = (raw(&url).await, format!("{prefix}:user:ann"));
    eventually(PATIENCE, || async { kept(&mut connection.clone(), &name).await.is_some() }).await;
    let old = kept(&mut connection, &name).await.unwrap();
    eventually(PATIENCE, || async {
        put(&mut connection.clone(), &name, &old).await;
        // A process that has just begun, each time.
        let there = process(Counted::new(&store), &url, &prefix).await;
        let began = SystemTime::now();
        let allowed = there.check(&user("ann"), read).await.unwrap();
        assert!(!allowed || began < until, "let through after its end");
        !allowed
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_or_silent_is_passed_over() {
    let mut server = RedisServer::start().await;
    let (store, read) = (MemoryRbacStore::new(), key("level:read"));
    let counted = Counted::new(&store);
    let evaluator = process(counted.clone(), &server.url(), "auth").await;
    let service = RbacService::new(store.clone());
    let mut asked = 0;
    let mut answers = async |evaluator: &PermissionEvaluator, what: &str| {
        for _ in 0..30 {
            asked += 1;
            let id = format!("{what}{asked}");
            grant(&service, &id, "level:read", None).await;
            assert!(evaluator.check(&user(&id), read).await.unwrap(), "{what}");
        }
    };
    answers(&evaluator, "there").await;
    server.stop();
    answers(&evaluator, "silent").await;
    server.cont();
    server.kill();
    answers(&evaluator, "away").await;
    let begun = process(counted.clone(), &server.url(), "auth").await;
    answers(&begun, "from-the-start").await;
    server.restart_empty().await;
    // It is used again by itself.
    let connection = raw(&server.url()).await;
    eventually(PATIENCE, || async {
        evaluator.check(&user(&unique("again")), read).await.unwrap();
        let keys: u64 = redis::cmd("DBSIZE").query_async(&mut connection.clone()).await.unwrap();
        keys > 0
    })
    .await;
}
