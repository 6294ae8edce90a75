//! Works on pictures beside the threads that answer requests, on so many at once and no more.

use std::{sync::Arc, time::Duration};

use axum::body::Bytes;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use super::encode::{Encoded, Refusal, encode};
use crate::problem::{Code, Problem, Result};

/// How long an upload waits for those before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Studio {
    places: Arc<Semaphore>,
    most_pixels: u32,
}

impl Studio {
    pub(super) fn new(at_once: usize, most_pixels: u32) -> Self {
        Self { places: Arc::new(Semaphore::new(at_once)), most_pixels }
    }

    /// Reads a picture and writes it anew.
    ///
    /// # Errors
    ///
    /// [`Code::PictureRefused`] with the reason, or [`Code::Busy`] while as many are being worked on as may be.
    ///
    /// # Cancel safety
    ///
    /// What has begun is worked on to its end, and keeps its place until then.
    pub(super) async fn encode(&self, bytes: Bytes) -> Result<Encoded> {
        let most = self.most_pixels;
        self.work(move || encode(&bytes, most)).await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T> {
        let busy = |_| Problem::new(Code::Busy, "Other pictures are being worked on.").retry_after(5);
        let place = timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await.map_err(busy)?;
        let place = place.map_err(Problem::internal)?;
        let done = spawn_blocking(move || {
            // Given back when the work is over, also if whoever asked is gone.
            let _place = place;
            work()
        });
        match done.await {
            Ok(done) => Ok(done?),
            // A decoder that stumbles over its input: that is what is wrong with the input.
            Err(error) if error.is_panic() => {
                tracing::warn!("a picture made its decoder panic, and is refused");
                Err(Refusal::Damaged.into())
            }
            Err(error) => Err(Problem::internal(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn so_many_at_once_and_a_panic_is_the_pictures_fault() {
        let studio = Studio::new(1, 1);
        let problem = studio.work::<()>(|| panic!("a byte that nobody expected")).await.unwrap_err();
        assert_eq!(problem.code, Code::PictureRefused);
        let (go, gone) = channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let work = studio.work(move || {
            let _ = began.send(());
            gone.recv().map_err(|_| Refusal::Kind)
        });
        // Whoever asked goes away; the work keeps its place to its end.
        let mut work = Box::pin(work);
        tokio::select! {
            _ = &mut work => unreachable!("nobody let it go on"),
            begun = begun => begun.unwrap(),
        }
        drop(work);
        assert_eq!(studio.places.available_permits(), 0);
        tokio::time::pause();
        // Work that is under way keeps the clock of the test from going on by itself.
        let waiting = tokio::spawn({
            let studio = studio.clone();
            async move { studio.work(|| Ok(())).await }
        });
        tokio::task::yield_now().await;
        tokio::time::advance(PATIENCE * 2).await;
        assert_eq!(waiting.await.unwrap().unwrap_err().code, Code::Busy);
        tokio::time::resume();
        go.send(()).unwrap();
        studio.work(|| Ok(())).await.unwrap();
    }
}
