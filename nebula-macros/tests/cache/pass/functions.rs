//! Free functions: every kind of result, arguments that are borrowed, conditions, tags.

use std::sync::atomic::{AtomicU64, Ordering};

use nebula_cache::{Cache, CacheError, CacheManager, ErrorKind, cache_evict, cache_put, cached};

static RUNS: AtomicU64 = AtomicU64::new(0);

fn run() -> u64 {
    RUNS.fetch_add(1, Ordering::SeqCst) + 1
}

type Names = Cache<String, String>;

#[derive(Debug)]
enum AppError {
    Cache(CacheError),
    Broken,
}

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for AppError {}

impl From<CacheError> for AppError {
    fn from(error: CacheError) -> Self {
        Self::Cache(error)
    }
}

/// Says how often it ran.
#[cached(cache = names, key = "{first}:{last}", ttl = "60s", tags = ["last:{last}"])]
async fn full(names: &Names, first: &str, last: String) -> Result<String, AppError> {
    match first {
        "" => Err(AppError::Broken),
        first => Ok(format!("{first} {last} {}", run())),
    }
}

#[cached(cache = names, key = "maybe:{id}", null = true)]
async fn maybe_null(names: &Names, id: u64) -> Result<Option<String>, AppError> {
    let run = run();
    Ok((id > 0).then(|| run.to_string()))
}

#[cached(cache = names, key = "never-null:{id}")]
async fn maybe(names: &Names, mut id: u64) -> Option<String> {
    id += 0;
    let run = run();
    (id > 0).then(|| run.to_string())
}

#[cached(cache = counts, key = word.len(), condition = *fresh, unless = |count| *count > 1_000)]
async fn plain(counts: &Cache<usize, u64>, word: &str, fresh: &bool, add: u64) -> u64 {
    run() + add
}

#[cached(cache = lists, key = "sum:{}".replace("{}", &items.len().to_string()))]
async fn generic<T>(lists: &Names, items: &[T]) -> Result<String, CacheError>
where
    T: ToString + Clone + Send + Sync + 'static,
{
    Ok(items.iter().map(T::to_string).collect::<Vec<_>>().join("+"))
}

#[cache_put(cache = names, key = "maybe:{id}", ttl = "60s")]
async fn set(names: &Names, id: u64, text: String) -> Result<String, AppError> {
    if text.is_empty() { Err(AppError::Broken) } else { Ok(text) }
}

#[cache_put(cache = names, key = |name| format!("maybe:{}", name.len()), unless = |name| name == "secret")]
async fn add(names: &Names, text: &str) -> String {
    text.to_owned()
}

#[cache_evict(cache = names, key = "maybe:{id}", condition = id < 100)]
#[cache_evict(cache = names, key = "never-null:{id}")]
async fn forget(names: &Names, id: u64, succeed: bool) -> Result<(), AppError> {
    if succeed { Ok(()) } else { Err(AppError::Broken) }
}

#[cache_evict(cache = names, all = true)]
async fn forget_all(names: &Names) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cached_functions() {
    let caches = CacheManager::local();
    let names: Names = caches.cache("names").build().unwrap();
    let counts: Cache<usize, u64> = caches.cache("counts").build().unwrap();

    // A result: cached, an error is not, and tags evict.
    let first = full(&names, "Ada", "Lovelace".to_owned()).await.unwrap();
    assert_eq!(full(&names, "Ada", "Lovelace".to_owned()).await.unwrap(), first);
    caches.evict_tag("last:Lovelace").await.unwrap();
    assert_ne!(full(&names, "Ada", "Lovelace".to_owned()).await.unwrap(), first);
    let error = full(&names, "", "x".to_owned()).await.unwrap_err();
    let AppError::Cache(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), ErrorKind::Loader);
    assert!(matches!(error.loader_error(), Some(AppError::Broken)));

    // Nothing is remembered if that is asked for, and only then.
    assert_eq!(maybe_null(&names, 0).await.unwrap(), None);
    let runs = RUNS.load(Ordering::SeqCst);
    assert_eq!(maybe_null(&names, 0).await.unwrap(), None);
    assert_eq!(RUNS.load(Ordering::SeqCst), runs);
    assert_eq!(maybe(&names, 0).await, None);
    assert_eq!(maybe(&names, 0).await, None);
    assert_eq!(RUNS.load(Ordering::SeqCst), runs + 2);
    let seven = maybe(&names, 7).await;
    assert_eq!(maybe(&names, 7).await, seven);

    // Conditions before, and about the value.
    let one = plain(&counts, "abc", &true, 0).await;
    assert_eq!(plain(&counts, "xyz", &true, 0).await, one, "the same length");
    assert_ne!(plain(&counts, "xyz", &false, 0).await, one);
    assert_ne!(plain(&counts, "four", &true, 5_000).await, plain(&counts, "four", &true, 5_000).await);
    assert_eq!(generic(&names, &[1, 2, 3]).await.unwrap(), "1+2+3");
    assert_eq!(generic(&names, &[4, 5, 6]).await.unwrap(), "1+2+3", "three items");

    // Puts: on success, by the arguments or the value.
    set(&names, 7, "seven".to_owned()).await.unwrap();
    assert_eq!(maybe_null(&names, 7).await.unwrap().as_deref(), Some("seven"));
    assert!(set(&names, 7, String::new()).await.is_err());
    assert_eq!(maybe_null(&names, 7).await.unwrap().as_deref(), Some("seven"));
    add(&names, "four").await;
    assert_eq!(maybe_null(&names, 4).await.unwrap().as_deref(), Some("four"));
    add(&names, "secret").await;
    assert_ne!(maybe_null(&names, 6).await.unwrap().as_deref(), Some("secret"));

    // Evictions: on success.
    forget(&names, 7, false).await.unwrap_err();
    assert_eq!(maybe_null(&names, 7).await.unwrap().as_deref(), Some("seven"));
    assert_eq!(maybe(&names, 7).await, seven);
    forget(&names, 7, true).await.unwrap();
    assert_ne!(maybe_null(&names, 7).await.unwrap().as_deref(), Some("seven"));
    assert_ne!(maybe(&names, 7).await, seven);
    let four = maybe_null(&names, 4).await.unwrap();
    forget_all(&names).await;
    assert_ne!(maybe_null(&names, 4).await.unwrap(), four);
}
