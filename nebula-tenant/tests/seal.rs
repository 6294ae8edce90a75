//! Values that open for their tenant, at their place, and nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nebula_tenant::seal::{
    Encrypted, KeyStore, LocalMasterKey, MasterKey, MemoryKeyStore, Place, Sealed, SealedRow, SealedRows, SqlKeyStore,
    TenantCipher, WrappedKey,
};
use nebula_tenant::{Error, ErrorKind, TenantContext, TenantId};
use nebula_test_support::{mariadb_database, postgres_database};
use proptest::prelude::*;
use secrecy::SecretSlice;

const PHONE: Place<'static> = Place::column("buyers", "phone");
const NUMBER: &[u8] = b"+86 138 0000 0000";

/// One store for several ciphers: several processes.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<MemoryKeyStore>);

#[async_trait]
impl KeyStore for Shared {
    async fn load(&self, tenant: &TenantId) -> Result<Vec<WrappedKey>, Error> {
        self.0.load(tenant).await
    }

    async fn add(&self, tenant: &TenantId, key: WrappedKey) -> Result<bool, Error> {
        self.0.add(tenant, key).await
    }

    async fn rewrap(&self, tenant: &TenantId, key: WrappedKey) -> Result<bool, Error> {
        self.0.rewrap(tenant, key).await
    }

    async fn erase(&self, tenant: &TenantId) -> Result<(), Error> {
        self.0.erase(tenant).await
    }
}

fn key(fill: u8) -> SecretSlice<u8> {
    vec![fill; 32].into()
}

fn master() -> LocalMasterKey {
    LocalMasterKey::new("2026", &key(6)).unwrap()
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

async fn as_tenant<T>(name: &str, work: impl Future<Output = T>) -> T {
    TenantContext::of(tenant(name)).scope(work).await.unwrap()
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[tokio::test]
async fn a_value_opens_for_its_tenant_at_its_place() {
    let cipher = TenantCipher::new(Shared::default(), master());
    let sealed = as_tenant("star", cipher.seal(PHONE.row("42"), NUMBER)).await.unwrap();
    assert!(!sealed.as_bytes().windows(4).any(|part| part == &NUMBER[..4]));
    assert_eq!(as_tenant("star", cipher.open(PHONE.row("42"), &sealed)).await.unwrap(), NUMBER);
    let empty = as_tenant("star", cipher.seal(PHONE.row("42"), b"")).await.unwrap();
    assert_eq!(as_tenant("star", cipher.open(PHONE.row("42"), &empty)).await.unwrap(), b"");

    for elsewhere in [
        PHONE.row("43"),
        PHONE,
        Place::column("buyers", "email").row("42"),
        Place::column("sellers", "phone").row("42"),
        Place::column("buyersphone", "").row("42"),
        Place::column("buyer", "sphone").row("42"),
    ] {
        assert_eq!(kind(as_tenant("star", cipher.open(elsewhere, &sealed)).await), ErrorKind::Altered, "{elsewhere:?}");
    }
    assert_eq!(kind(as_tenant("moon", cipher.open(PHONE.row("42"), &sealed)).await), ErrorKind::Altered);
    assert_eq!(kind(cipher.open(PHONE.row("42"), &sealed).await), ErrorKind::NoTenant);
    assert_eq!(kind(cipher.seal(PHONE.row("42"), NUMBER).await), ErrorKind::NoTenant);
    assert_eq!(kind(cipher.index(PHONE, NUMBER).await), ErrorKind::NoTenant);
}

#[tokio::test]
async fn no_bit_can_be_changed_and_nothing_else_opens() {
    let cipher = TenantCipher::new(Shared::default(), master());
    let sealed = as_tenant("star", cipher.seal(PHONE.row("42"), NUMBER)).await.unwrap().into_bytes();
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let opened = as_tenant("star", cipher.open(PHONE.row("42"), &Sealed::from_bytes(changed))).await;
        assert_eq!(kind(opened), ErrorKind::Altered, "bit {bit}");
    }
    for length in 0..sealed.len() {
        let cut = Sealed::from_bytes(sealed[..length].to_vec());
        assert_eq!(
            kind(as_tenant("star", cipher.open(PHONE.row("42"), &cut)).await),
            ErrorKind::Altered,
            "{length} bytes"
        );
    }
}

#[tokio::test]
async fn the_same_value_is_never_sealed_the_same_way() {
    let cipher = TenantCipher::new(Shared::default(), master());
    let seal = || as_tenant("star", cipher.seal(PHONE.row("42"), NUMBER));
    assert_ne!(seal().await.unwrap(), seal().await.unwrap());
}

#[tokio::test]
async fn after_a_rotation_the_new_key_seals_and_the_old_one_opens() {
    let store = Shared::default();
    let (here, there) = (TenantCipher::new(store.clone(), master()), TenantCipher::new(store, master()));
    let old = as_tenant("star", here.seal(PHONE.row("42"), NUMBER)).await.unwrap();
    let old_index = as_tenant("star", there.index(PHONE, NUMBER)).await.unwrap();
    assert_eq!(here.rotate(&tenant("star")).await.unwrap(), 2);

    let new = as_tenant("star", here.reseal(PHONE.row("42"), &old)).await.unwrap().expect("it is to be sealed anew");
    assert_eq!((old.version().unwrap(), new.version().unwrap()), (1, 2));
    assert_eq!(as_tenant("star", here.reseal(PHONE.row("42"), &new)).await.unwrap(), None);
    for sealed in [&old, &new] {
        assert_eq!(as_tenant("star", here.open(PHONE.row("42"), sealed)).await.unwrap(), NUMBER);
        // This one has not heard of the rotation.
        assert_eq!(as_tenant("star", there.open(PHONE.row("42"), sealed)).await.unwrap(), NUMBER);
    }
    let indexes = as_tenant("star", here.indexes(PHONE, NUMBER)).await.unwrap();
    let newest = as_tenant("star", here.index(PHONE, NUMBER)).await.unwrap();
    assert_eq!(indexes, [old_index, newest]);
    assert_ne!(old_index, newest);
}

#[tokio::test]
async fn indexes_are_equal_for_equal_values_of_one_column_and_tenant_only() {
    let cipher = TenantCipher::new(Shared::default(), master());
    let index = |name: &'static str, column, value: &'static [u8]| {
        let cipher = cipher.clone();
        async move { as_tenant(name, cipher.index(column, value)).await.unwrap() }
    };
    let one = index("star", PHONE, NUMBER).await;
    assert_eq!(one, index("star", PHONE.row("7"), NUMBER).await, "the row makes no difference");
    assert_ne!(one, index("star", PHONE, b"+86 139").await);
    assert_ne!(one, index("star", Place::column("buyers", "email"), NUMBER).await);
    assert_ne!(one, index("moon", PHONE, NUMBER).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_shredded_opens_nowhere_any_more() {
    let store = Shared::default();
    let (here, there) = (TenantCipher::new(store.clone(), master()), TenantCipher::new(store.clone(), master()));
    let sealed = as_tenant("star", here.seal(PHONE.row("42"), NUMBER)).await.unwrap();
    assert_eq!(as_tenant("star", there.open(PHONE.row("42"), &sealed)).await.unwrap(), NUMBER);
    here.shred(&tenant("star")).await.unwrap();
    assert_eq!(kind(as_tenant("star", here.open(PHONE.row("42"), &sealed)).await), ErrorKind::NoKey);
    assert_eq!(
        kind(as_tenant("star", here.seal(PHONE.row("42"), NUMBER)).await),
        ErrorKind::NoKey,
        "no new key is made"
    );
    assert_eq!(kind(here.rotate(&tenant("star")).await), ErrorKind::NoKey);
    // Another process forgets within the time that keys are kept.
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(kind(as_tenant("star", there.open(PHONE.row("42"), &sealed)).await), ErrorKind::NoKey);
    let wrapped = WrappedKey { version: 1, master: "2026".to_owned(), wrapped: vec![0; 60] };
    assert!(!store.add(&tenant("star"), wrapped).await.unwrap(), "an erased tenant gets no key");
}

#[tokio::test]
async fn master_keys_change_and_belong_to_one_tenant() {
    let store = Shared::default();
    let before = TenantCipher::new(store.clone(), master());
    let sealed = as_tenant("star", before.seal(PHONE.row("42"), NUMBER)).await.unwrap();

    let changing = LocalMasterKey::new("2027", &key(7)).unwrap().with_former("2026", &key(6)).unwrap();
    let changing = TenantCipher::new(store.clone(), changing);
    assert_eq!(as_tenant("star", changing.open(PHONE.row("42"), &sealed)).await.unwrap(), NUMBER);
    changing.rewrap(&tenant("star")).await.unwrap();
    let after = TenantCipher::new(store.clone(), LocalMasterKey::new("2027", &key(7)).unwrap());
    assert_eq!(as_tenant("star", after.open(PHONE.row("42"), &sealed)).await.unwrap(), NUMBER);
    let forgetful = TenantCipher::new(store.clone(), master());
    assert_eq!(kind(as_tenant("star", forgetful.open(PHONE.row("42"), &sealed)).await), ErrorKind::NoKey);
    let wrong = TenantCipher::new(store.clone(), LocalMasterKey::new("2027", &key(8)).unwrap());
    assert_eq!(kind(as_tenant("star", wrong.open(PHONE.row("42"), &sealed)).await), ErrorKind::Altered);

    // The key of one tenant does not become another's by being copied.
    let stolen = store.load(&tenant("star")).await.unwrap().remove(0);
    assert!(store.add(&tenant("moon"), stolen).await.unwrap());
    assert_eq!(kind(as_tenant("moon", after.open(PHONE.row("42"), &sealed)).await), ErrorKind::Altered);
}

#[tokio::test]
async fn many_at_once_make_one_first_key() {
    let store = Shared::default();
    let seals = (0..50).map(|number| {
        let cipher = TenantCipher::new(store.clone(), master());
        tokio::spawn(async move {
            let row = number.to_string();
            let sealed = as_tenant("star", cipher.seal(PHONE.row(&row), NUMBER)).await.unwrap();
            (row, sealed)
        })
    });
    let cipher = TenantCipher::new(store.clone(), master());
    for seal in seals.collect::<Vec<_>>() {
        let (row, sealed) = seal.await.unwrap();
        assert_eq!(as_tenant("star", cipher.open(PHONE.row(&row), &sealed)).await.unwrap(), NUMBER);
    }
    assert_eq!(store.load(&tenant("star")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn weak_master_keys_are_refused_and_nothing_shows_a_secret() {
    for bad in [vec![], vec![1; 16], vec![1; 33], vec![0; 32]] {
        let error = LocalMasterKey::new("x", &bad.into()).unwrap_err();
        assert!(error.kind() == ErrorKind::Config && error.to_string().contains("openssl rand 32"), "{error}");
    }
    let twice = LocalMasterKey::new("x", &key(1)).unwrap().with_former("x", &key(2));
    assert_eq!(kind(twice), ErrorKind::Config);

    let cipher = TenantCipher::new(Shared::default(), LocalMasterKey::new("x", &vec![77; 32].into()).unwrap());
    let sealed = as_tenant("star", cipher.seal(PHONE.row("42"), NUMBER)).await.unwrap();
    let shown = format!("{cipher:?} {sealed:?}");
    assert!(!shown.contains("77") && !shown.contains("138"), "{shown}");
}

/// A sealed value, and its blind index.
type Kept = (Sealed, [u8; 32]);

/// A column in memory, which the application goes on writing.
#[derive(Default)]
struct Column {
    rows: Mutex<BTreeMap<String, Kept>>,
    written_in_between: Mutex<Option<(String, Kept)>>,
}

#[async_trait]
impl SealedRows for Column {
    async fn page(&self, after: Option<&str>) -> Result<Vec<SealedRow>, Error> {
        let rows = self.rows.lock().unwrap();
        let later = rows.iter().filter(|(key, _)| after.is_none_or(|after| key.as_str() > after)).take(3);
        let page = later.map(|(key, (sealed, _))| SealedRow { key: key.clone(), sealed: sealed.clone() }).collect();
        drop(rows);
        if let Some((key, row)) = self.written_in_between.lock().unwrap().take() {
            self.rows.lock().unwrap().insert(key, row);
        }
        Ok(page)
    }

    async fn replace(&self, old: &SealedRow, sealed: &Sealed, index: [u8; 32]) -> Result<bool, Error> {
        let mut rows = self.rows.lock().unwrap();
        match rows.get_mut(&old.key) {
            Some(row) if row.0 == old.sealed => {
                *row = (sealed.clone(), index);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

#[tokio::test]
async fn rows_are_sealed_anew_while_the_application_goes_on() {
    let cipher = TenantCipher::new(Shared::default(), master());
    let (column, star) = (Column::default(), tenant("star"));
    let work = async {
        for number in 0..10 {
            let key = number.to_string();
            let sealed = cipher.seal(PHONE.row(&key), key.as_bytes()).await.unwrap();
            let index = cipher.index(PHONE, key.as_bytes()).await.unwrap();
            column.rows.lock().unwrap().insert(key, (sealed, index));
        }
        cipher.rotate(&star).await.unwrap();
        let (sealed, index) =
            (cipher.seal(PHONE.row("1"), b"new").await.unwrap(), cipher.index(PHONE, b"new").await.unwrap());
        *column.written_in_between.lock().unwrap() = Some(("1".to_owned(), (sealed, index)));
        let done = cipher.reseal_all(PHONE, &column).await.unwrap();
        assert_eq!((done.seen, done.resealed, done.overtaken), (10, 9, 1));
        let rows = column.rows.lock().unwrap().clone();
        for (key, (sealed, index)) in rows {
            let value = cipher.open(PHONE.row(&key), &sealed).await.unwrap();
            assert_eq!(value, if key == "1" { b"new".to_vec() } else { key.clone().into_bytes() });
            assert_eq!(sealed.version().unwrap(), 2);
            assert_eq!(index, cipher.index(PHONE, &value).await.unwrap());
        }
        assert_eq!(cipher.reseal_all(PHONE, &column).await.unwrap().resealed, 0, "again is fine");
    };
    as_tenant("star", work).await;
}

#[tokio::test]
async fn columns_of_a_type_are_written_and_read() {
    let cipher = TenantCipher::new(Shared::default(), master());
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::query("CREATE TABLE buyers (id BIGINT, phone BLOB)").execute(&pool).await.unwrap();
    let numbers = vec!["138".to_owned(), "139".to_owned()];
    let sealed = as_tenant("star", Encrypted::seal(&cipher, PHONE.row("1"), &numbers)).await.unwrap();
    sqlx::query("INSERT INTO buyers VALUES (1, ?), (2, NULL)").bind(&sealed).execute(&pool).await.unwrap();
    let read: Vec<Option<Encrypted<Vec<String>>>> =
        sqlx::query_scalar("SELECT phone FROM buyers ORDER BY id").fetch_all(&pool).await.unwrap();
    let [Some(read), None] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(as_tenant("star", read.open(&cipher, PHONE.row("1"))).await.unwrap(), numbers);
    assert_eq!(kind(as_tenant("star", read.open(&cipher, PHONE.row("2"))).await), ErrorKind::Altered);
    let other: Encrypted<u32> = Encrypted::from_sealed(read.sealed().clone());
    let error = as_tenant("star", other.open(&cipher, PHONE.row("1"))).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Altered && !format!("{error:?}").contains("138"), "{error:?}");
}

/// A key management service that is away.
#[derive(Debug)]
struct Away;

#[async_trait]
impl MasterKey for Away {
    fn id(&self) -> &'static str {
        "away"
    }

    async fn wrap(&self, _: &TenantId, _: &SecretSlice<u8>) -> Result<Vec<u8>, Error> {
        Err(Error::new(ErrorKind::Unavailable, "away"))
    }

    async fn unwrap(&self, _: &str, _: &TenantId, _: &[u8]) -> Result<SecretSlice<u8>, Error> {
        Err(Error::new(ErrorKind::Unavailable, "away"))
    }
}

#[tokio::test]
async fn a_service_that_is_away_is_an_error_that_may_pass() {
    let error = as_tenant("star", TenantCipher::new(Shared::default(), Away).seal(PHONE, NUMBER)).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

/// What every store has to do.
async fn keeps_its_contract(store: impl KeyStore) {
    let key = |version, fill| WrappedKey { version, master: "2026".to_owned(), wrapped: vec![fill; 60] };
    let (star, moon) = (tenant("star"), tenant("moon"));
    assert_eq!(store.load(&star).await.unwrap(), []);
    assert!(store.add(&star, key(2, 2)).await.unwrap() && store.add(&star, key(1, 1)).await.unwrap());
    assert!(!store.add(&star, key(1, 9)).await.unwrap(), "there is one");
    assert!(store.add(&moon, key(1, 5)).await.unwrap());
    assert_eq!(store.load(&star).await.unwrap(), [key(1, 1), key(2, 2)]);

    let anew = WrappedKey { master: "2027".to_owned(), ..key(2, 3) };
    assert!(store.rewrap(&star, anew.clone()).await.unwrap());
    assert!(!store.rewrap(&star, key(3, 3)).await.unwrap(), "there is none");
    assert_eq!(store.load(&star).await.unwrap(), [key(1, 1), anew]);

    store.erase(&star).await.unwrap();
    store.erase(&star).await.unwrap();
    assert_eq!(kind(store.load(&star).await), ErrorKind::NoKey);
    assert!(!store.add(&star, key(3, 3)).await.unwrap() && !store.rewrap(&star, key(1, 3)).await.unwrap());
    let nobody = tenant("nobody");
    store.erase(&nobody).await.unwrap();
    assert!(!store.add(&nobody, key(1, 1)).await.unwrap(), "erased before it had one");
    assert_eq!(store.load(&moon).await.unwrap(), [key(1, 5)]);

    // Of all that add at once, one does; and whoever comes while it is erased leaves nothing behind.
    let store = Arc::new(store);
    let late = tenant("late");
    let race = |act: &'static str| {
        let (store, late) = (Arc::clone(&store), late.clone());
        tokio::spawn(async move {
            match act {
                "erase" => store.erase(&late).await.map(|()| false),
                _ => store.add(&late, WrappedKey { version: 1, master: "m".to_owned(), wrapped: vec![1; 60] }).await,
            }
        })
    };
    let mut added = 0;
    for adds in (0..8).map(|_| race("add")).collect::<Vec<_>>() {
        added += usize::from(adds.await.unwrap().unwrap());
    }
    assert_eq!(added, 1);
    for done in [race("add"), race("erase"), race("add")] {
        done.await.unwrap().unwrap();
    }
    assert_eq!(kind(store.load(&late).await), ErrorKind::NoKey);
}

#[tokio::test]
async fn memory_keeps_its_contract() {
    keeps_its_contract(MemoryKeyStore::new()).await;
}

#[tokio::test]
async fn sqlite_keeps_its_contract() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("keys.db")).create_if_missing(true);
    let store = SqlKeyStore::new(sqlx::SqlitePool::connect_with(options).await.unwrap());
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    keeps_its_contract(store).await;
}

#[tokio::test]
async fn postgres_keeps_its_contract() {
    let store = SqlKeyStore::new(sqlx::PgPool::connect(&postgres_database().await).await.unwrap());
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    keeps_its_contract(store).await;
}

#[tokio::test]
async fn mariadb_keeps_its_contract() {
    let store = SqlKeyStore::new(sqlx::MySqlPool::connect(&mariadb_database().await).await.unwrap());
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    keeps_its_contract(store).await;
}

proptest! {
    #[test]
    fn whatever_was_sealed_opens(value in proptest::collection::vec(any::<u8>(), 0..500), row in ".{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let cipher = TenantCipher::new(MemoryKeyStore::new(), master());
            let sealed = as_tenant("star", cipher.seal(PHONE.row(&row), &value)).await.unwrap();
            let bytes = Sealed::from_bytes(sealed.as_bytes().to_vec());
            assert_eq!(as_tenant("star", cipher.open(PHONE.row(&row), &bytes)).await.unwrap(), value);
        });
    }
}
