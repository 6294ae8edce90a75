#![doc = include_str!("../README.md")]

mod args;
mod cache;
mod facts;
mod function;
mod listener;
mod lock;
mod requires;
mod template;

use proc_macro::TokenStream;

/// Runs an async function while a distributed lock is held.
///
/// Import it from `nebula_lock`, whose crate documentation shows it at work. The function must be `async` and return
/// a `Result<T, E>` with `E: From<nebula_lock::LockError>`, or an `Option<T>`.
///
/// | argument | meaning |
/// |---|---|
/// | `manager = expr` | required: a `LockManager`, or anything that dereferences to one, such as `self.locks` |
/// | `key = "seat:{event}:{self.hall}"` | required: a template over arguments and fields, or any other expression that is a lock key |
/// | `wait = "2s"` | how long to wait for the lock: text, or an expression of type `Duration`; the manager's default without it |
/// | `lease = "30s"` | fixed lease without renewal; without it the lease is renewed until the function ends |
/// | `fence = token` | binds the fence token of the hold to this name inside the function |
/// | `crate = path` | where `nebula_lock` is found, when it was renamed |
///
/// The function's future is dropped when the lock is lost before it ends; the caller then gets an error of kind `Lost`.
///
/// With an `Option`, `None` says that the function did not run to its end: because somebody else holds the lock, which is
/// what work that only one process should do is skipped for, or because of a failure, which is logged as a warning.
///
/// ```
/// use nebula_lock::{LockError, LockManager, MemoryLock, distributed_lock};
///
/// struct BoxOffice {
///     locks: LockManager,
/// }
///
/// impl BoxOffice {
///     #[distributed_lock(manager = self.locks, key = "seat:{event}:{seat}", wait = "2s")]
///     async fn reserve(&self, event: u64, seat: &str) -> Result<String, LockError> {
///         Ok(format!("{seat} of {event} is yours"))
///     }
///
///     /// In one process at a time; the others skip it.
///     #[distributed_lock(manager = self.locks, key = "sweep", wait = "0s")]
///     async fn sweep(&self) -> Option<u32> {
///         Some(3)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let office = BoxOffice { locks: LockManager::new(MemoryLock::new()) };
/// assert_eq!(office.reserve(7, "A-1").await?, "A-1 of 7 is yours");
/// let busy = office.locks.lock("sweep").await?;
/// assert_eq!(office.sweep().await, None);
/// busy.release().await;
/// assert_eq!(office.sweep().await, Some(3));
/// # Ok::<_, LockError>(())
/// # }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn distributed_lock(arguments: TokenStream, item: TokenStream) -> TokenStream {
    args::emit(lock::expand(arguments.into(), item.clone().into()), &item.into()).into()
}

/// Makes a listener of an async function: beside `order_timeout` it puts `order_timeout_listener`, whose result goes to
/// `DelayQueue::listen`.
///
/// Import it from `nebula_delay_queue`. The last argument of the function is the message: its body, or
/// `Received<Body>` for everything about it. Arguments before that are state: the listener takes them once (`&T` as
/// `T`) and clones them for each message. On a method, `order_timeout_listener` takes `self: Arc<Self>`. The function
/// returns `()`, an `Outcome`, or a `Result` of either.
///
/// | argument | meaning |
/// |---|---|
/// | `queue = "order.timeout"` | required: the queue, as text or any other expression that is `Into<String>` |
/// | `concurrency = 8`, `prefetch = 8` | how many messages are handled at once, and how many more are held ready |
/// | `lease = "30s"` | how long messages are leased; text, or an expression of type `Duration`, as all times |
/// | `handler_timeout = "5m"` | how long one call may take |
/// | `retry_times = 3`, `retry_interval = "60s"` | retries of messages that bring no policy of their own |
/// | `retry = expr` | a whole `RetryPolicy` instead |
/// | `poll_interval = "1s"` | how long the worker sleeps at most |
/// | `crate = path` | where `nebula_delay_queue` is found, when it was renamed |
///
/// ```
/// use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryDelayQueue, delay_queue_listener};
/// use tokio::sync::mpsc::UnboundedSender;
///
/// #[delay_queue_listener(queue = "order.timeout", concurrency = 8, retry_times = 3)]
/// async fn order_timeout(cancelled: &UnboundedSender<u64>, order: u64) -> Result<(), std::io::Error> {
///     cancelled.send(order).map_err(std::io::Error::other)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let queue = DelayQueue::new(MemoryDelayQueue::new());
/// let (cancelled, mut orders) = tokio::sync::mpsc::unbounded_channel();
/// let worker = queue.listen(order_timeout_listener(cancelled))?.start()?;
///
/// queue.send("order.timeout", &DelayMessage::new(4711u64)).await?;
/// assert_eq!(orders.recv().await, Some(4711));
/// # Ok::<_, nebula_delay_queue::Error>(())
/// # }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn delay_queue_listener(arguments: TokenStream, item: TokenStream) -> TokenStream {
    args::emit(listener::expand(arguments.into(), item.clone().into()), &item.into()).into()
}

/// Lets an async function run only for those who have permissions.
///
/// Import it from `nebula_auth`, whose crate documentation shows it at work. It stands on axum handlers, plain async functions
/// and methods that return a `Result<T, E>` with `E: From<nebula_auth::access::AccessError>`, `impl IntoResponse` or
/// `Response`. Who is asking is found in the task's `AuthContext`; where there is none, nobody is let through.
///
/// | argument | meaning |
/// |---|---|
/// | `"order:read"` | a permission that `permissions!` declares; a name that is not declared does not compile |
/// | `order::Read` | the same as a type |
/// | `any("a:b", "c:d")`, `all(...)` | one of these, all of these; several arguments are all needed |
/// | `declared = crate::auth::PERMISSIONS` | where the list of declared permissions is; `crate::PERMISSIONS` without it |
/// | `crate = path` | where `nebula_auth` is found, when it was renamed |
#[proc_macro_attribute]
pub fn requires_permission(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let expansion = requires::expand(requires::Subject::Permission, arguments.into(), item.clone().into());
    args::emit(expansion, &item.into()).into()
}

/// Lets an async function run only for those who have roles, inherited or not.
///
/// As `#[requires_permission]`, with names of roles: `#[requires_role("admin")]`, `#[requires_role(any("lead", "boss"))]`.
#[proc_macro_attribute]
pub fn requires_role(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let expansion = requires::expand(requires::Subject::Role, arguments.into(), item.clone().into());
    args::emit(expansion, &item.into()).into()
}

/// Lets an async function run only for those who have shown a second factor recently: `#[requires_mfa(within = "5m")]`.
///
/// As `#[requires_permission]` otherwise. Whoever has not is told to prove again who they are (401, RFC 9470), not that they
/// may not.
#[proc_macro_attribute]
pub fn requires_mfa(arguments: TokenStream, item: TokenStream) -> TokenStream {
    args::emit(requires::expand_mfa(arguments.into(), item.clone().into()), &item.into()).into()
}

/// Answers from a cache what the function answered before for the same key; otherwise runs it, once for all who ask at the same
/// time, and caches what it returns.
///
/// Import it from `nebula_cache`. The function must be `async` and return `Result<T, E>`, `Result<Option<T>, E>` with
/// `E: From<nebula_cache::CacheError>`, an `Option<T>`, or a `T` that is cloned out of the cache. It goes on when its caller
/// is gone, so it works on copies of what it borrows: arguments `&T` are passed through [`ToOwned`], and a method takes
/// `&self` of a type that is [`Clone`], or `self: Arc<Self>`.
///
/// | argument | meaning |
/// |---|---|
/// | `cache = expr` | required: a `Cache<K, T>`, or anything that dereferences to one, such as `self.users` |
/// | `key = "user:{id}"` | required: a template over arguments and fields (`K` is `String`), or any other expression of type `K` |
/// | `ttl = "60s"` | time to live: text, or an expression of type `Duration`; that of the cache without it |
/// | `null = true` | remembers that the answer was `None`, for the time the cache has for that; otherwise it is not cached |
/// | `condition = expr` | the cache is asked and filled only if this is true; arguments can be used |
/// | `unless = \|value\| expr` | values (`&T`) that are not cached |
/// | `tags = ["event:{event}"]` | templates or expressions of type `String`: tags by which it can be evicted |
/// | `crate = path` | where `nebula_cache` is found, when it was renamed |
///
/// With a `Result`, failures of the function are errors of kind `Loader` with the function's error as source, because all who
/// wait get the same one; `CacheError::loader_error` finds it. Otherwise what the cache cannot answer the function does.
///
/// ```
/// use nebula_cache::{Cache, CacheError, CacheManager, cache_evict, cached};
///
/// #[derive(Clone)]
/// struct Users {
///     cache: Cache<String, String>,
/// }
///
/// impl Users {
///     #[cached(cache = self.cache, key = "user:{id}", ttl = "60s", null = true)]
///     async fn name(&self, id: u64) -> Result<Option<String>, CacheError> {
///         Ok((id == 7).then(|| "Ada".to_owned()))
///     }
///
///     #[cache_evict(cache = self.cache, key = "user:{id}")]
///     async fn rename(&self, id: u64, name: &str) -> Result<(), CacheError> {
///         Ok(())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let users = Users { cache: CacheManager::local().cache("users").build()? };
/// assert_eq!(users.name(7).await?.as_deref(), Some("Ada"));
/// assert!(users.cache.get(&"user:7".to_owned()).await?.is_some());
/// users.rename(7, "Ada Lovelace").await?;
/// assert!(users.cache.get(&"user:7".to_owned()).await?.is_none());
/// # Ok::<_, CacheError>(())
/// # }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn cached(arguments: TokenStream, item: TokenStream) -> TokenStream {
    args::emit(cache::cached(arguments.into(), item.clone().into()), &item.into()).into()
}

/// Caches what the function returns when it succeeds; the function always runs.
///
/// Import it from `nebula_cache`. The function must be `async` and return `Result<T, E>`, `Result<Option<T>, E>`, `Option<T>`
/// or `T`, which is cloned. That the cache cannot be reached is logged and changes nothing about the result: the key is evicted
/// then, or will be as soon as it can be.
///
/// | argument | meaning |
/// |---|---|
/// | `cache = expr` | required: a `Cache<K, T>`, or anything that dereferences to one, such as `self.users` |
/// | `key = "user:{id}"` | required: a template over arguments, any other expression of type `K`, or a closure: `\|user\| user.id` |
/// | `ttl`, `null`, `condition`, `unless`, `tags`, `crate` | as for [`macro@cached`] |
///
/// If the caller leaves before the function has ended, the key is evicted, where it is known by then: it may have changed.
#[proc_macro_attribute]
pub fn cache_put(arguments: TokenStream, item: TokenStream) -> TokenStream {
    args::emit(cache::cache_put(arguments.into(), item.clone().into()), &item.into()).into()
}

/// Evicts from a cache when the function has succeeded: not when it returns `Err`.
///
/// Import it from `nebula_cache`. The function must be `async`. That the cache cannot be reached is logged and changes nothing
/// about the result: the eviction is tried again until it takes place.
///
/// | argument | meaning |
/// |---|---|
/// | `cache = expr` | required: a `Cache<K, T>`, or anything that dereferences to one, such as `self.users` |
/// | `key = "user:{id}"` | a template over arguments and fields, or any other expression of type `K` |
/// | `all = true` | everything in the cache, instead of a key |
/// | `condition = expr` | evicts only if this is true; arguments can be used |
/// | `crate = path` | where `nebula_cache` is found, when it was renamed |
///
/// Several can stand above each other. If the caller leaves before the function has ended, it is evicted too: what was cached
/// may have changed.
#[proc_macro_attribute]
pub fn cache_evict(arguments: TokenStream, item: TokenStream) -> TokenStream {
    args::emit(cache::cache_evict(arguments.into(), item.clone().into()), &item.into()).into()
}

/// Makes facts of rules of a struct, and values of an enumeration of an enum whose variants are names.
///
/// Import it from `nebula_rule_engine`, with the trait of the same name. Names are checked when the program is compiled:
/// those that no expression could write, and those that stand twice, are errors at their place, as are floating-point
/// numbers.
///
/// | on | argument | meaning |
/// |---|---|---|
/// | struct | `#[facts(prefix = "order")]` | stands before the names of all fields, with a dot |
/// | field | `#[fact(name = "total")]` | another name than the field's |
/// | field | `#[fact(money = "CNY")]` | the currency of a field of the type `Money`, which needs one |
/// | field | `#[fact(default = expr)]` | what holds where the fact is not given; an `Option` needs one |
/// | field | `#[fact(skip)]` | no fact |
/// | enum | `#[facts(rename_all = "UPPERCASE")]` | or `lowercase`, `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case` |
/// | variant | `#[fact(name = "GOLD")]` | another name than the variant's |
/// | all | `#[facts(crate = path)]` | where `nebula_rule_engine` is found, when it was renamed |
///
/// ```
/// use nebula_rule_engine::{Money, RuleFacts};
///
/// #[derive(Clone, RuleFacts)]
/// #[facts(rename_all = "UPPERCASE")]
/// enum Level {
///     Basic,
///     Vip,
/// }
///
/// #[derive(RuleFacts)]
/// #[facts(prefix = "order")]
/// struct Order {
///     level: Level,
///     #[fact(money = "CNY")]
///     total: Money,
///     #[fact(default = 1)]
///     seats: Option<u32>,
/// }
///
/// let schema = Order::schema()?;
/// let order = Order { level: Level::Vip, total: "10 CNY".parse()?, seats: None };
/// let facts = order.facts(&schema)?;
/// assert_eq!(facts.to_json().to_string(), r#"{"order.level":"VIP","order.seats":1,"order.total":"10.00 CNY"}"#);
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
#[proc_macro_derive(RuleFacts, attributes(fact, facts))]
pub fn rule_facts(item: TokenStream) -> TokenStream {
    // A derive stands beside the item, which stays whatever happens here.
    facts::expand(item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
