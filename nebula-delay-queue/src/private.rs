//! What `#[delay_queue_listener]` expands to. Not part of the public interface.

use std::future::Future;

use serde::de::DeserializeOwned;

use crate::{Bound, IntoOutcome, ListenerFn, Received, WorkerOptions, listener_fn};

pub fn bind<Q, T, F, Fut>(queue: Q, options: WorkerOptions, handler: F) -> Bound<ListenerFn<F, T>>
where
    Q: Into<String>,
    F: Fn(Received<T>) -> Fut + Send + Sync + 'static,
    T: DeserializeOwned + Send + 'static,
    Fut: Future<Output: IntoOutcome> + Send,
{
    Bound::new(queue, options, listener_fn(handler))
}
