#![doc = include_str!("../README.md")]

mod args;
mod lock;
mod template;

use proc_macro::TokenStream;

/// Runs an async function while a distributed lock is held.
///
/// Import it from `nebula_lock`, whose crate documentation shows it at work. The function must be `async` and return
/// a `Result<T, E>` with `E: From<nebula_lock::LockError>`.
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
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let office = BoxOffice { locks: LockManager::new(MemoryLock::new()) };
/// assert_eq!(office.reserve(7, "A-1").await?, "A-1 of 7 is yours");
/// # Ok::<_, LockError>(())
/// # }).unwrap();
/// ```
#[proc_macro_attribute]
pub fn distributed_lock(arguments: TokenStream, item: TokenStream) -> TokenStream {
    args::emit(lock::expand(arguments.into(), item.clone().into()), &item.into()).into()
}
