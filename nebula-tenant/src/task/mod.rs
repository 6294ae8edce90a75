//! Work on the side. Tasks do not inherit whose work they are; these do, or refuse to begin.

mod interval;

pub use self::interval::{Interval, every, interval};

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::task::{AbortHandle, JoinError, JoinHandle};

use crate::context::TenantContext;
use crate::error::Error;

/// `tokio::spawn` for the work of whoever's this is.
///
/// # Errors
/// [`ErrorKind::NoTenant`](crate::ErrorKind::NoTenant) if nobody said whose work this is: nothing is spawned.
///
/// # Panics
/// Outside of a Tokio runtime, as `tokio::spawn` does.
pub fn spawn<F>(future: F) -> Result<JoinHandle<F::Output>, Error>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    Ok(tokio::spawn(TenantContext::current()?.wrap(future)))
}

/// `tokio::task::spawn_blocking` for the work of whoever's this is.
///
/// # Errors
/// [`ErrorKind::NoTenant`](crate::ErrorKind::NoTenant) if nobody said whose work this is: nothing is spawned.
///
/// # Panics
/// Outside of a Tokio runtime, as `tokio::task::spawn_blocking` does.
pub fn spawn_blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<JoinHandle<R>, Error> {
    let context = TenantContext::current()?;
    Ok(tokio::task::spawn_blocking(move || context.again(work)))
}

/// `tokio::task::JoinSet` whose tasks are the work of whoever's it is when they are spawned.
#[derive(Debug)]
pub struct JoinSet<T>(tokio::task::JoinSet<T>);

impl<T: Send + 'static> JoinSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self(tokio::task::JoinSet::new())
    }

    /// Spawns a task.
    ///
    /// # Errors
    /// As those of [`spawn`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) -> Result<AbortHandle, Error> {
        Ok(self.0.spawn(TenantContext::current()?.wrap(task)))
    }

    /// Spawns a closure on a thread of its own.
    ///
    /// # Errors
    /// As those of [`spawn`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn spawn_blocking(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Result<AbortHandle, Error> {
        let context = TenantContext::current()?;
        Ok(self.0.spawn_blocking(move || context.again(work)))
    }

    /// The next task that ends; `None` if there is none left.
    ///
    /// # Errors
    /// If it panicked or was aborted.
    ///
    /// # Cancel safety
    /// No task is lost.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.0.join_next().await
    }

    /// Ends all tasks and waits for them.
    ///
    /// # Cancel safety
    /// All tasks are told to end at once.
    pub async fn shutdown(&mut self) {
        self.0.shutdown().await;
    }

    /// How many tasks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Send + 'static> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A stream that is polled as the work of whoever's it was when it was made. Made by [`stream`].
#[derive(Debug)]
pub struct TenantStream<S> {
    context: TenantContext,
    inner: S,
}

/// Keeps whose work a stream is, wherever it is polled: in the body of a response, in another task.
///
/// # Errors
/// [`ErrorKind::NoTenant`](crate::ErrorKind::NoTenant) if nobody said whose work this is.
pub fn stream<S: Stream + Unpin>(inner: S) -> Result<TenantStream<S>, Error> {
    Ok(TenantStream { context: TenantContext::current()?, inner })
}

impl<S: Stream + Unpin> Stream for TenantStream<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.get_mut();
        this.context.again(|| Pin::new(&mut this.inner).poll_next(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
