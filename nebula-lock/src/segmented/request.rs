//! Asking for one of several segments.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

use super::{SegmentGuard, SegmentedLock};
use crate::error::{Error, ErrorKind, Result};

type Answer<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// A request for a segment, from [`SegmentedLock::lock`]. Await it.
///
/// ```
/// # use std::time::Duration;
/// # use nebula_lock::{LockManager, MemoryLock, SegmentedLock};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let locks = LockManager::new(MemoryLock::new());
/// let stock = SegmentedLock::new(locks, "stock:42", 10)?;
/// let segment = stock.lock().wait(Duration::from_millis(500)).lease(Duration::from_secs(5)).await?;
/// # segment.release().await;
/// # Ok::<_, nebula_lock::Error>(())
/// # }).unwrap();
/// ```
///
/// Segments are tried one after the other. If none is free, or one does not answer, the caller waits for all of them at the same
/// time and gets the one that becomes free first; should it be given two in the same instant, the other is released at once.
///
/// # Errors
///
/// [`ErrorKind::WaitTimeout`] when no segment was free in time, otherwise as [`TryAcquire`](crate::TryAcquire).
///
/// # Cancel safety
///
/// Cancel safe: a caller that stops waiting gets no segment, and whatever was on its way is given back.
#[must_use = "nothing happens until the request is awaited"]
pub struct AcquireSegment {
    request: Result<Request>,
    wait: Duration,
}

/// A request for a segment that may be refused, from [`SegmentedLock::try_lock`]. Await it.
///
/// # Errors
///
/// As [`AcquireSegment`], except that segments held by others are no error.
///
/// # Cancel safety
///
/// Cancel safe, as [`AcquireSegment`].
#[must_use = "nothing happens until the request is awaited"]
pub struct TryAcquireSegment(Request);

struct Request {
    lock: SegmentedLock,
    /// Those that will do, in the order in which they are tried.
    order: Vec<usize>,
    lease: Option<Duration>,
}

impl Request {
    async fn ask(&self, index: usize, wait: Duration) -> Result<Option<SegmentGuard>> {
        let mut request = self.lock.manager.try_lock_for(&self.lock.segments[index], wait);
        if let Some(lease) = self.lease {
            request = request.lease(lease);
        }
        Ok(request.await?.map(|guard| SegmentGuard { index, guard }))
    }

    /// The first one that is free, as far as time allows. It stops at one that cannot say.
    async fn try_each(&self, until: Option<Instant>) -> Result<Option<SegmentGuard>> {
        for index in &self.order {
            if until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            if let Some(segment) = self.ask(*index, Duration::ZERO).await? {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }

    /// The first one that is free. If one cannot say, all are asked together, since the others may live elsewhere.
    async fn try_any(&self) -> Result<Option<SegmentGuard>> {
        match self.try_each(None).await {
            Err(error) if error.is_retryable() => self.wait_for_any(Duration::ZERO).await,
            outcome => outcome,
        }
    }

    /// The first one that becomes free.
    async fn wait_for_any(&self, wait: Duration) -> Result<Option<SegmentGuard>> {
        let mut waiting: FuturesUnordered<_> = self.order.iter().map(|index| self.ask(*index, wait)).collect();
        let mut failure = None;
        while let Some(outcome) = waiting.next().await {
            match outcome {
                Ok(Some(segment)) => return Ok(Some(segment)),
                Ok(None) => {}
                // The node of another segment may be there.
                Err(error) if error.is_retryable() => failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    async fn obtain(self, wait: Duration) -> Result<SegmentGuard> {
        // What cannot be is refused as well where a segment is free right away.
        self.lock.manager.options().terms(self.lease, wait).map_err(|error| self.named(error))?;
        let start = Instant::now();
        let mut silent = false;
        // One alone is waited for right away.
        if self.order.len() > 1 {
            match self.try_each(Some(start + wait).filter(|_| !wait.is_zero())).await {
                Ok(Some(segment)) => return Ok(segment),
                Ok(None) => {}
                // It passes, perhaps, and the others may live elsewhere.
                Err(error) if error.is_retryable() => silent = true,
                Err(error) => return Err(error),
            }
        }
        let rest = wait.saturating_sub(start.elapsed());
        if (self.order.len() == 1 || silent || !rest.is_zero())
            && let Some(segment) = self.wait_for_any(rest).await?
        {
            return Ok(segment);
        }
        let context = format!("no segment was free within {}", humantime::format_duration(wait));
        Err(self.named(Error::new(ErrorKind::WaitTimeout, context)))
    }

    /// With the key of the segment at which the request began.
    fn named(&self, error: Error) -> Error {
        match self.order.first().map(|index| self.lock.manager.key(&self.lock.segments[*index])) {
            Some(Ok(key)) => error.with_key(key),
            _ => error,
        }
    }
}

impl AcquireSegment {
    pub(super) fn new(lock: &SegmentedLock, order: Result<Vec<usize>>) -> Self {
        let request = order.map(|order| Request { lock: lock.clone(), order, lease: None });
        Self { request, wait: lock.manager.options().wait }
    }

    /// Takes the segment for `lease` and does not renew it. Without this it is renewed until released.
    pub const fn lease(mut self, lease: Duration) -> Self {
        if let Ok(request) = &mut self.request {
            request.lease = Some(lease);
        }
        self
    }

    /// Waits for up to `wait` instead of the manager's default; zero means that each segment is tried once.
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

impl TryAcquireSegment {
    pub(super) fn new(lock: &SegmentedLock, order: Vec<usize>) -> Self {
        Self(Request { lock: lock.clone(), order, lease: None })
    }

    /// Takes the segment for `lease` and does not renew it. Without this it is renewed until released.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = Some(lease);
        self
    }
}

impl IntoFuture for AcquireSegment {
    type Output = Result<SegmentGuard>;
    type IntoFuture = Answer<SegmentGuard>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.request?.obtain(self.wait).await })
    }
}

impl IntoFuture for TryAcquireSegment {
    type Output = Result<Option<SegmentGuard>>;
    type IntoFuture = Answer<Option<SegmentGuard>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.0.try_any().await })
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("order", &self.order).field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl fmt::Debug for AcquireSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireSegment").field("request", &self.request).field("wait", &self.wait).finish()
    }
}

impl fmt::Debug for TryAcquireSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryAcquireSegment").field(&self.0).finish()
    }
}
