//! Waiting for something that becomes true without guessing how long it takes.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// What one attempt of [`eventually`] may return.
pub trait Attempt {
    /// What a successful attempt yields.
    type Value;
    /// The value, or why it is not there yet.
    ///
    /// # Errors
    /// The reason, for the failure message.
    fn outcome(self) -> Result<Self::Value, String>;
}

impl Attempt for bool {
    type Value = ();
    fn outcome(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it was false".to_owned()) }
    }
}

impl<T> Attempt for Option<T> {
    type Value = T;
    fn outcome(self) -> Result<T, String> {
        self.ok_or_else(|| "it was None".to_owned())
    }
}

impl<T, E: Display + Debug> Attempt for Result<T, E> {
    type Value = T;
    fn outcome(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Repeats `attempt` until it succeeds (`true`, `Some`, `Ok`) and returns its value.
///
/// The pause between two attempts grows from 2 to 50 ms. An attempt that hangs is given up when `deadline` is over. Time
/// is tokio's, so paused time works.
///
/// # Panics
/// When `deadline` is over, with the place of the call, the number of attempts and what the last attempt said.
///
/// # Cancel safety
/// Dropping the future drops the running attempt.
///
/// ```
/// use std::time::Duration;
/// use nebula_test_support::eventually;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let mut calls = 0;
/// let value = eventually(Duration::from_secs(5), || {
///     calls += 1;
///     let calls = calls;
///     async move { if calls < 3 { Err("not yet") } else { Ok(calls) } }
/// })
/// .await;
/// assert_eq!(value, 3);
/// # });
/// ```
#[track_caller]
#[allow(clippy::future_not_send, reason = "it is `Send` whenever the attempt is")]
pub fn eventually<F, Fut>(
    deadline: Duration,
    mut attempt: F,
) -> impl Future<Output = <Fut::Output as Attempt>::Value> + use<F, Fut>
where
    F: FnMut() -> Fut,
    Fut: Future,
    Fut::Output: Attempt,
{
    let place = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut pause = Duration::from_millis(2);
        let mut attempts = 0_u32;
        let mut last = String::new();
        loop {
            attempts += 1;
            match timeout_at(end, attempt()).await.map(Attempt::outcome) {
                Ok(Ok(value)) => return value,
                Ok(Err(reason)) => last = reason,
                Err(_) => last = format!("attempt {attempts} was still running; before it: {last:?}"),
            }
            assert!(
                Instant::now() < end,
                "not within {deadline:?} ({attempts} attempts), awaited at {place}; last attempt: {last}"
            );
            sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_millis(50));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn returns_the_first_success() {
        let mut calls = 0;
        let got = eventually(Duration::from_secs(1), || {
            calls += 1;
            let calls = calls;
            async move { (calls == 4).then_some(calls) }
        })
        .await;
        assert_eq!(got, 4);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "last attempt: no luck")]
    async fn fails_with_the_last_reason() {
        eventually(Duration::from_secs(1), || async { Err::<(), _>("no luck") }).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "was still running")]
    async fn a_hanging_attempt_does_not_hang_the_test() {
        eventually(Duration::from_secs(1), std::future::pending::<bool>).await;
    }
}
