//! A part that fails is left alone for a while: whoever needs it is refused at once instead of waiting for it.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use metrics::Counter;
use nebula_cache::{BreakerConfig, BreakerState, CircuitBreaker};
use thiserror::Error;

/// Nothing was tried.
#[derive(Clone, Copy, Debug, Error)]
#[error("the {part} failed too often, and is left alone for {retry_after:?}")]
pub struct LeftAlone {
    /// What it is.
    pub part: &'static str,
    /// For so long.
    pub retry_after: Duration,
}

/// Pause between two looks at a part that is left alone.
const LOOK: Duration = Duration::from_millis(250);
/// A look may take this long.
const ANSWER: Duration = Duration::from_secs(2);

/// Whether a part answers.
type Look = dyn Fn() -> BoxFuture<'static, bool> + Send + Sync;

/// A circuit breaker by errors: when half of at least five calls fail, ten seconds of peace; then one call finds out.
#[derive(Debug)]
pub struct Breaker {
    circuit: Circuit,
    looking: Option<Looking>,
    /// Looked up at the first refusal, when whoever collects them is there.
    refused: OnceLock<Counter>,
}

/// Looks at a part while somebody asks for it in vain.
#[derive(Clone)]
struct Looking {
    look: Arc<Look>,
    /// One at a time.
    under_way: Arc<AtomicBool>,
}

/// A part with what guards it, to be looked at. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Circuit {
    /// What it is.
    pub part: &'static str,
    /// What guards it.
    pub breaker: Arc<CircuitBreaker>,
}

impl Circuit {
    /// Whether the part is asked: `closed` as ever, `open` not at all, `half-open` to find out.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.breaker.state() {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
        }
    }
}

impl Breaker {
    /// Around that part; it stands in metrics and errors.
    #[must_use]
    pub fn new(part: &'static str) -> Self {
        let config = BreakerConfig::default()
            .with_min_calls(5)
            .with_failure_ratio(0.5)
            .with_failures_in_a_row(5)
            // A part that is only slow has work to do; its own time-outs are failures.
            .with_slow_after(Duration::MAX)
            .with_open_for(Duration::from_secs(10));
        let circuit = Circuit { part, breaker: Arc::new(CircuitBreaker::new(config)) };
        Self { circuit, looking: None, refused: OnceLock::new() }
    }

    /// Ends the time of peace early when `look`, which costs little, says that the part answers: a server that was
    /// replaced within a second must not be left alone for ten. It is asked only while somebody is refused.
    #[must_use]
    pub fn looking(mut self, look: impl Fn() -> BoxFuture<'static, bool> + Send + Sync + 'static) -> Self {
        self.looking = Some(Looking { look: Arc::new(look), under_way: Arc::default() });
        self
    }

    /// For those who look at it.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        self.circuit.clone()
    }

    /// Whether the part would be asked now. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`LeftAlone`] while it is left alone.
    pub fn look(&self) -> Result<(), LeftAlone> {
        match self.circuit.breaker.state() {
            BreakerState::Open => Err(self.refused(Duration::from_secs(1))),
            _ => Ok(()),
        }
    }

    /// Does the work, unless the part is left alone. `broken` says which errors are the part's, and not an answer.
    ///
    /// # Errors
    ///
    /// [`LeftAlone`], turned into the work's error; or that of the work.
    ///
    /// # Cancel safety
    ///
    /// As the work's; a call that is dropped is no failure.
    pub async fn call<T, E: From<LeftAlone>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        broken: impl FnOnce(&E) -> bool,
    ) -> Result<T, E> {
        let pass = self.circuit.breaker.try_call().map_err(|refused| self.refused(refused.retry_after))?;
        let answer = work.await;
        match &answer {
            Err(error) if broken(error) => pass.failed(),
            _ => pass.succeeded(),
        }
        answer
    }

    fn refused(&self, retry_after: Duration) -> LeftAlone {
        let part = self.circuit.part;
        if let Some(looking) = &self.looking {
            looking.begin(&self.circuit.breaker);
        }
        let counted = self.refused.get_or_init(|| metrics::counter!("ticketing_breaker_refused_total", "part" => part));
        counted.increment(1);
        LeftAlone { part, retry_after }
    }
}

impl Looking {
    fn begin(&self, breaker: &CircuitBreaker) {
        if breaker.state() != BreakerState::Open || self.under_way.swap(true, Ordering::Relaxed) {
            return;
        }
        let (this, breaker) = (self.clone(), breaker.clone());
        tokio::spawn(async move {
            tokio::time::sleep(LOOK).await;
            if matches!(tokio::time::timeout(ANSWER, (this.look)()).await, Ok(true)) {
                breaker.half_open();
            }
            this.under_way.store(false, Ordering::Relaxed);
        });
    }
}

impl fmt::Debug for Looking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looking").finish_non_exhaustive()
    }
}

impl From<LeftAlone> for crate::problem::Problem {
    fn from(refused: LeftAlone) -> Self {
        let seconds = u32::try_from(refused.retry_after.as_secs().max(1)).unwrap_or(u32::MAX);
        Self::unavailable(refused).retry_after(seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::problem::{Code, Problem};

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_left_alone_for_ten_seconds_and_then_asked_once() {
        let breaker = Breaker::new("test");
        let asked = Cell::new(0);
        let call = |answer: Result<(), Problem>| {
            let work = async {
                asked.set(asked.get() + 1);
                answer
            };
            breaker.call(work, |problem| problem.code == Code::Unavailable)
        };
        let failure = || Err(Problem::unavailable("away"));
        // A refusal is an answer.
        for _ in 0..10 {
            assert_eq!(call(Err(Problem::not_found("seat"))).await.unwrap_err().code, Code::NotFound);
        }
        while breaker.look().is_ok() {
            assert!(asked.get() < 40, "it never opens");
            assert_eq!(call(failure()).await.unwrap_err().code, Code::Unavailable);
        }
        let before = asked.get();
        for _ in 0..100 {
            assert_eq!(call(Ok(())).await.unwrap_err().code, Code::Unavailable);
        }
        assert_eq!(asked.get(), before, "nobody waits for it");
        tokio::time::advance(Duration::from_secs(11)).await;
        call(failure()).await.unwrap_err();
        call(Ok(())).await.unwrap_err();
        assert_eq!(asked.get(), before + 1, "one finds out");
        tokio::time::advance(Duration::from_secs(60)).await;
        let mut tries = 0;
        while call(Ok(())).await.is_err() {
            tries += 1;
            assert!(tries < 10, "it does not close");
            tokio::time::advance(Duration::from_secs(30)).await;
        }
        call(Ok(())).await.unwrap();
        assert_eq!(asked.get(), before + 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_answers_again_is_not_left_alone_any_longer() {
        let (well, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(std::sync::atomic::AtomicU32::new(0)));
        let breaker = Breaker::new("test").looking({
            let (well, looks) = (Arc::clone(&well), Arc::clone(&looks));
            move || {
                looks.fetch_add(1, Ordering::Relaxed);
                let well = well.load(Ordering::Relaxed);
                Box::pin(async move { well })
            }
        });
        let call =
            |answer: Result<(), Problem>| breaker.call(async { answer }, |problem| problem.code == Code::Unavailable);
        while breaker.look().is_ok() {
            call(Err(Problem::unavailable("away"))).await.unwrap_err();
        }
        // As many looks as there is time for, however many are refused.
        for _ in 0..4 {
            for _ in 0..100 {
                call(Ok(())).await.unwrap_err();
            }
            tokio::time::sleep(LOOK * 2).await;
        }
        assert_eq!(looks.load(Ordering::Relaxed), 4);
        well.store(true, Ordering::Relaxed);
        call(Ok(())).await.unwrap_err();
        tokio::time::sleep(LOOK * 2).await;
        call(Ok(())).await.unwrap();
        // Nobody is refused any more, and nobody looks.
        tokio::time::sleep(LOOK * 40).await;
        assert_eq!(looks.load(Ordering::Relaxed), 5);
    }
}
