//! Ours against the limit and the peers, in one process and one run: `cargo bench -p nebula-versus --bench lock`.
//!
//! The *limit* is the bare driver, or the bare data structure, doing the same work without any of the guarantees. Each
//! comparison is a number of rounds; in each, both sides run directly after one another on the same server, and the
//! ratio of the round is taken. Absolute figures of a machine drift; the median of these ratios does not.
//!
//! This library holds the two ways of loading a side: [`throughput`] for a fixed time, [`drain`] for a fixed number.

use std::future::Future;
use std::time::{Duration, Instant};

use nebula_test_support::Effort;
use tokio::task::JoinSet;

/// How many rounds a comparison has.
#[must_use]
pub fn rounds(effort: Effort) -> u32 {
    effort.pick(3, 7)
}

/// Operations per second of `tasks` tasks that repeat `operation` for about `time`.
///
/// `operation` gets a clone of `side` and the number of its task. A task looks at the clock after each operation, so the time measured is that
/// until the last one has come back.
///
/// # Panics
/// When an operation panics.
///
/// # Cancel safety
/// Dropping the future stops the tasks.
pub async fn throughput<S, F, Fut>(tasks: usize, time: Duration, side: &S, operation: F) -> f64
where
    S: Clone + Send + Sync + 'static,
    F: Fn(S, usize) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let mut running = JoinSet::new();
    let started = Instant::now();
    for task in 0..tasks {
        let (side, operation) = (side.clone(), operation.clone());
        running.spawn(async move {
            let mut done = 0_u64;
            while started.elapsed() < time {
                operation(side.clone(), task).await;
                done += 1;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(task) = running.join_next().await {
        done += join(task);
    }
    done as f64 / started.elapsed().as_secs_f64()
}

/// Operations per second of `tasks` tasks that together do `operation` once for each number below `total`.
///
/// `operation` gets a clone of `side` and the number.
///
/// # Panics
/// When an operation panics.
///
/// # Cancel safety
/// Dropping the future stops the tasks.
pub async fn drain<S, F, Fut>(tasks: usize, total: usize, side: &S, operation: F) -> f64
where
    S: Clone + Send + Sync + 'static,
    F: Fn(S, usize) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let mut running = JoinSet::new();
    let started = Instant::now();
    for task in 0..tasks {
        let (side, operation) = (side.clone(), operation.clone());
        running.spawn(async move {
            for number in (task..total).step_by(tasks) {
                operation(side.clone(), number).await;
            }
        });
    }
    while let Some(task) = running.join_next().await {
        join(task);
    }
    total as f64 / started.elapsed().as_secs_f64()
}

fn join<T>(finished: Result<T, tokio::task::JoinError>) -> T {
    match finished {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn a_drain_visits_every_number_once() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let visit = async |seen: Arc<Mutex<Vec<usize>>>, number| seen.lock().unwrap().push(number);
        let rate = drain(3, 10, &seen, visit).await;
        let seen = seen.lock().unwrap();
        assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (10, 10));
        assert!(rate > 0.0);
    }

    #[tokio::test]
    async fn a_throughput_counts_what_every_task_did() {
        let done = Arc::new(Mutex::new(BTreeSet::new()));
        let note = async |done: Arc<Mutex<BTreeSet<usize>>>, task| {
            done.lock().unwrap().insert(task);
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        assert!(throughput(2, Duration::from_millis(5), &done, note).await > 0.0);
        assert_eq!(done.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    #[should_panic(expected = "broken")]
    async fn an_operation_that_fails_ends_the_run() {
        throughput(1, Duration::from_secs(60), &(), async |(), _| panic!("broken")).await;
    }
}
