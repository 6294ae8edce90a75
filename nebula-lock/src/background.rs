//! Work that its caller starts and waits for, and that goes on without it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

tokio::task_local! {
    /// Set for work whose caller has gone.
    static ORPHANED: ();
}

/// Runs in the task of whoever awaits it, which costs no switch between tasks. If that future is dropped, the rest
/// of the work runs in a task of its own: a command that was sent is heard out, and what it took is given back.
pub(crate) struct Unstoppable<T: Send + 'static> {
    runtime: Handle,
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T: Send + 'static> Unstoppable<T> {
    pub(crate) fn new(runtime: Handle, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { runtime, work: Some(Box::pin(work)) }
    }
}

/// Resolves, within work that lost its caller.
pub(crate) async fn orphaned() {
    // The work is polled afresh in its new task, so nobody needs to be woken.
    std::future::poll_fn(|_| if is_orphaned() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Whether the caller of the work around has gone.
pub(crate) fn is_orphaned() -> bool {
    ORPHANED.try_with(|()| ()).is_ok()
}

impl<T: Send + 'static> Future for Unstoppable<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let Some(work) = &mut this.work else { return Poll::Pending };
        // Timers need a runtime, whatever executor polls. A task of Tokio has one already.
        let _entered = if tokio::task::try_id().is_none() { Some(this.runtime.enter()) } else { None };
        let output = std::task::ready!(work.as_mut().poll(context));
        this.work = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for Unstoppable<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take()
            && !std::thread::panicking()
        {
            self.runtime.spawn(ORPHANED.scope((), async { drop(work.await) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_its_caller_has_gone() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, result) = oneshot::channel();
        let mut work = Unstoppable::new(Handle::current(), async move {
            let before = is_orphaned();
            gone.await.unwrap();
            done.send((before, is_orphaned())).unwrap();
        });
        assert!(Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(work);
        go.send(()).unwrap();
        assert_eq!(result.await, Ok((false, true)));
    }

    #[test]
    fn timers_work_on_any_executor() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let work = Unstoppable::new(runtime.handle().clone(), async {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            7
        });
        let thread = std::thread::spawn(move || {
            let mut work = std::pin::pin!(work);
            loop {
                if let Poll::Ready(output) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    return output;
                }
                std::thread::yield_now();
            }
        });
        assert_eq!(thread.join().unwrap(), 7);
    }
}
