//! The contract of [`RecordStore`].

use std::{
    fmt,
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    Attachment, Attempt, AttemptState, Channel, DeliveryReceipt, EmailAddress, ErrorClass, Inserted, Job, JobStatus,
    Kind, Outcome, Params, Price, Recipient, RecordQuery, RecordStore, Statistic,
};

/// Brings one store to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The store.
    type Store: RecordStore + Clone;

    /// Starts, or connects to, a store whose records nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> Self::Store;
}

/// Defines one `#[tokio::test]` for each part of the contract of [`RecordStore`].
#[macro_export]
macro_rules! record_store_suite {
    ($fixture:ty) => {
        $crate::record_store_suite!(@tests $fixture:
            a_key_is_used_once, everything_is_kept, stale_changes_are_refused, due_jobs_are_found, receipts_find_their_job,
            queries_fit, attempts_are_counted, old_records_go);
    };
    (@tests $fixture:ty: $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $crate::testing::records::$name::<$fixture>().await;
        })+
    };
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// A job with everything in it.
fn job(id: &str) -> Job {
    let address = EmailAddress::new("ada@example.org").unwrap();
    let recipient = Recipient::user("ada").with(address.clone()).with_locale("zh-CN");
    Job {
        id: id.to_owned(),
        notification: "n1".to_owned(),
        tenant: "acme".to_owned(),
        kind: Kind::Notice,
        channel: Channel::Email,
        address: address.into(),
        recipient,
        fallback: vec![Channel::Sms],
        template: "order.paid".to_owned(),
        template_version: 3,
        params: Some(Params::new().with("order", "订单 '1'").with("seats", 2).with("paid", true)),
        locale: "zh-CN".to_owned(),
        attachments: [Attachment::new("a.bin", "application/octet-stream", [0, 255, 10]).unwrap()].into(),
        origin: Some([203, 0, 113, 7].into()),
        status: JobStatus::Waiting,
        reason: Some("scheduled".to_owned()),
        due: at(10),
        expires: Some(at(1000)),
        created: at(0),
        updated: at(1),
        version: 1,
        rounds: 1,
        charged: true,
        attempts: Vec::new(),
    }
}

fn tried(mut job: Job, provider: &str, outcome: &Outcome) -> Job {
    let mut attempt = Attempt::begun(provider, format!("{}.{}", job.id, job.attempts.len() + 1), at(5));
    attempt.finish(outcome, Some(&Price { micros: 45_000, currency: "CNY".to_owned() }), at(6));
    job.attempts.push(attempt);
    job
}

fn ids(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.id.as_str()).collect()
}

fn same(one: &Job, other: &Job) {
    assert_eq!(serde_json::to_value(one).unwrap(), serde_json::to_value(other).unwrap());
}

pub async fn a_key_is_used_once<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    assert!(matches!(store.insert(Some("k"), &[job("a1"), job("a2")]).await.unwrap(), Inserted::New));
    let Inserted::Existing(jobs) = store.insert(Some("k"), &[job("b1")]).await.unwrap() else { panic!("used twice") };
    assert_eq!(ids(&jobs), ["a1", "a2"]);
    assert!(store.get("b1").await.unwrap().is_none());
    let other = Job { tenant: "other".to_owned(), ..job("c1") };
    assert!(matches!(store.insert(Some("k"), &[other]).await.unwrap(), Inserted::New), "another tenant's key");
    assert!(matches!(store.insert(Some("K"), &[job("d1")]).await.unwrap(), Inserted::New), "another key");
    assert!(matches!(store.insert(None, &[job("e1")]).await.unwrap(), Inserted::New));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..8 {
        let store = fixture.store();
        all.spawn(async move { store.insert(Some("crowd"), &[job(&format!("f{number}"))]).await.unwrap() });
    }
    let mut first = Vec::new();
    let mut new = 0;
    for inserted in all.join_all().await {
        match inserted {
            Inserted::New => new += 1,
            Inserted::Existing(jobs) => first.push(jobs[0].id.clone()),
        }
    }
    first.dedup();
    assert_eq!((new, first.len()), (1, 1), "one was first, and the others hear of it");
}

pub async fn everything_is_kept<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let full = tried(tried(job("full"), "one", &Outcome::unknown("timeout")), "two", &Outcome::accepted("id^0"));
    let secret = Job { params: None, expires: None, origin: None, reason: None, ..job("secret") };
    store.insert(None, &[full.clone(), secret.clone()]).await.unwrap();
    same(&store.get("full").await.unwrap().unwrap(), &full);
    same(&store.get("secret").await.unwrap().unwrap(), &secret);
    assert!(store.get("FULL").await.unwrap().is_none());
}

pub async fn stale_changes_are_refused<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    store.insert(None, &[job("s")]).await.unwrap();
    let next = |version, reason: &str| Job { version, reason: Some(reason.to_owned()), ..job("s") };
    assert!(!store.swap(&next(3, "too far")).await.unwrap());
    assert!(store.swap(&next(2, "right")).await.unwrap());
    assert!(!store.swap(&next(2, "late")).await.unwrap());
    assert_eq!(store.get("s").await.unwrap().unwrap().reason.as_deref(), Some("right"));
    assert!(!store.swap(&Job { version: 2, ..job("nobody") }).await.unwrap());
    let mut all = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (store, mine) = (fixture.store(), next(3, &number.to_string()));
        all.spawn(async move { store.swap(&mine).await.unwrap() });
    }
    assert_eq!(all.join_all().await.into_iter().filter(|swapped| *swapped).count(), 1);
}

pub async fn due_jobs_are_found<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let due = |id: &str, status, due| Job { status, due: at(due), ..job(id) };
    let jobs = [
        due("late", JobStatus::Waiting, 20),
        due("later", JobStatus::Waiting, 21),
        due("lapsed", JobStatus::Sending, 10),
        due("doubt", JobStatus::Unknown, 15),
        due("closed", JobStatus::Failed, 1),
        due("sent", JobStatus::Accepted, 1),
    ];
    store.insert(None, &jobs).await.unwrap();
    assert_eq!(ids(&store.due(at(20), 10).await.unwrap()), ["lapsed", "doubt", "late"]);
    assert_eq!(ids(&store.due(at(20), 2).await.unwrap()), ["lapsed", "doubt"]);
    assert!(store.due(at(9), 10).await.unwrap().is_empty());
    let closed = Job { version: 2, status: JobStatus::Delivered, ..jobs[3].clone() };
    assert!(store.swap(&closed).await.unwrap());
    assert_eq!(ids(&store.due(at(20), 10).await.unwrap()), ["lapsed", "late"]);
}

pub async fn receipts_find_their_job<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let first = tried(job("p"), "aliyun", &Outcome::unknown("timeout"));
    store.insert(None, &[first.clone(), tried(job("q"), "aliyun", &Outcome::accepted("b^1"))]).await.unwrap();
    let about = |provider: &str, id: Option<&str>, reference: Option<&str>| {
        DeliveryReceipt::delivered(provider)
            .provider_id(id.unwrap_or_default())
            .reference(reference.unwrap_or_default())
    };
    let ask = async |receipt: DeliveryReceipt| store.by_receipt(&receipt).await.unwrap().map(|job| job.id);
    let found = async |provider: &str, id, reference| ask(about(provider, id, reference)).await;
    assert_eq!(found("aliyun", Some("b^1"), None).await.as_deref(), Some("q"));
    assert_eq!(found("tencent", Some("b^1"), None).await, None);
    assert_eq!(found("aliyun", Some("B^1"), None).await, None);
    assert_eq!(found("aliyun", Some("new"), Some("p.1")).await.as_deref(), Some("p"));
    assert_eq!(found("aliyun", None, Some("p.2")).await, None);
    assert_eq!(found("aliyun", None, None).await, None);
    let second = Job { version: 2, ..tried(first, "tencent", &Outcome::accepted("5000:1")) };
    assert!(store.swap(&second).await.unwrap());
    assert_eq!(found("tencent", Some("5000:1"), None).await.as_deref(), Some("p"));
    assert_eq!(found("aliyun", None, Some("p.1")).await.as_deref(), Some("p"));
    // One id for a batch: the number says which of its messages is meant.
    let numbers = ["+8613800138000", "+8613900139000", "+85291234567"];
    let phone = |at: usize| crate::Phone::parse(numbers[at], None).unwrap();
    let to = |id: &str, at: usize| {
        let job = Job { address: phone(at).into(), channel: Channel::Sms, ..job(id) };
        tried(job, "aliyun", &Outcome::accepted("batch^0"))
    };
    store.insert(None, &[to("x", 0), to("y", 1)]).await.unwrap();
    for (at, expected) in [(0, Some("x")), (1, Some("y")), (2, None)] {
        let batch = about("aliyun", Some("batch^0"), None).phone(Some(phone(at)));
        assert_eq!(ask(batch).await.as_deref(), expected);
        let by_reference = about("aliyun", Some("other"), Some("y.1")).phone(Some(phone(at)));
        assert_eq!(ask(by_reference).await.as_deref(), expected.filter(|id| *id == "y"));
    }
    assert!(ask(about("aliyun", Some("batch^0"), None)).await.is_some());
}

pub async fn queries_fit<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let phone = crate::Phone::parse("+8613800138000", None).unwrap();
    let jobs = [
        job("j1"),
        Job { tenant: "other".to_owned(), ..job("j2") },
        Job { address: phone.into(), channel: Channel::Sms, ..job("j3") },
        Job { notification: "n2".to_owned(), created: at(50), ..job("j4") },
        Job { template: "login".to_owned(), status: JobStatus::Failed, ..job("j5") },
    ];
    for job in &jobs {
        store.insert(None, std::slice::from_ref(job)).await.unwrap();
    }
    let find = async |query: RecordQuery| {
        let found = store.find(&query).await.unwrap();
        ids(&found).join(" ")
    };
    let query = RecordQuery::new;
    assert_eq!(find(query()).await, "j5 j4 j3 j2 j1");
    assert_eq!(find(query().tenant("acme")).await, "j5 j4 j3 j1");
    assert_eq!(find(query().address("sms:+8613800138000")).await, "j3");
    assert_eq!(find(query().address("email:ada@example.org").notification("n1")).await, "j5 j2 j1");
    assert_eq!(find(query().template("login")).await, "j5");
    assert_eq!(find(query().status(JobStatus::Waiting).limit(2_u32)).await, "j4 j3");
    assert_eq!(find(query().status(JobStatus::Waiting).limit(2_u32).before("j3")).await, "j2 j1");
    assert_eq!(find(query().since(at(50))).await, "j4");
    assert_eq!(find(query().until(at(50)).tenant("acme")).await, "j5 j3 j1");
    assert_eq!(find(query().tenant("nobody' OR '1'='1")).await, "");
}

pub async fn attempts_are_counted<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let refused = Outcome::refused(ErrorClass::Transient, "busy", "");
    let mut arrived = tried(tried(job("k1"), "aliyun", &refused), "tencent", &Outcome::accepted("1"));
    arrived.attempts[1].state = AttemptState::Delivered;
    let mut lost = tried(job("k2"), "aliyun", &Outcome::accepted("2"));
    lost.attempts[0].state = AttemptState::Undelivered;
    let doubt = tried(tried(job("k3"), "aliyun", &Outcome::unknown("timeout")), "aliyun", &Outcome::accepted("3"));
    let early = Job { created: at(0) - Duration::from_secs(1), ..tried(job("k4"), "aliyun", &Outcome::accepted("4")) };
    let login = Job { template: "login".to_owned(), ..tried(job("k5"), "aliyun", &Outcome::accepted("5")) };
    store.insert(None, &[arrived, lost, doubt, early, login]).await.unwrap();
    let counted = store.statistics(at(0), at(1)).await.unwrap();
    let named = |provider: &str, template: &str| Statistic {
        provider: provider.to_owned(),
        template: template.to_owned(),
        ..Statistic::default()
    };
    let aliyun =
        Statistic { attempts: 4, sent: 2, undelivered: 1, refused: 1, unknown: 1, ..named("aliyun", "order.paid") };
    let login = Statistic { attempts: 1, sent: 1, ..named("aliyun", "login") };
    let tencent = Statistic { attempts: 1, sent: 1, delivered: 1, ..named("tencent", "order.paid") };
    assert_eq!(counted, [login, aliyun.clone(), tencent]);
    assert_eq!((aliyun.sent_per_mille(), aliyun.delivered_per_mille()), (Some(666), Some(0)));
    assert!(store.statistics(at(1), at(9)).await.unwrap().is_empty());
}

pub async fn old_records_go<F: Fixture>() {
    let fixture = F::start().await;
    let store = fixture.store();
    let closed = |id: &str, created| Job { status: JobStatus::Failed, created: at(created), ..job(id) };
    store
        .insert(Some("old"), &[tried(closed("o1", 0), "aliyun", &Outcome::accepted("o")), closed("o2", 1)])
        .await
        .unwrap();
    store.insert(Some("new"), &[closed("o3", 50)]).await.unwrap();
    store.insert(Some("open"), &[job("o4")]).await.unwrap();
    assert_eq!(store.forget(at(50)).await.unwrap(), 2);
    assert_eq!(ids(&store.find(&RecordQuery::new()).await.unwrap()), ["o4", "o3"]);
    assert!(store.by_receipt(&DeliveryReceipt::delivered("aliyun").provider_id("o")).await.unwrap().is_none());
    assert!(matches!(store.insert(Some("old"), &[job("o5")]).await.unwrap(), Inserted::New), "its key is free");
    assert!(matches!(store.insert(Some("new"), &[job("o6")]).await.unwrap(), Inserted::Existing(_)));
}
