//! Asking several nodes at the same time.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::Redlock;
use super::node::QuorumNode;
use crate::error::Result;

/// How long nodes are listened to, at least, after a majority has decided a matter. Those that take longer are not waited
/// for in the near future.
const GRACE: Duration = Duration::from_millis(10);

/// Whether the replies so far decide the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More replies are needed.
    Open,
    /// Decided; nodes that are about as quick as the others are still listened to.
    Decided,
    /// Decided, and nothing else is of interest.
    Over,
}

/// The replies of nodes, by their numbers.
pub(super) type Replies<T> = Vec<(usize, Result<T>)>;

impl Redlock {
    /// Collects replies until `judge` has decided or all are there. A node that has not replied by then may still carry its
    /// command out.
    pub(super) async fn gather<T: Send>(
        &self,
        calls: Vec<(usize, BoxFuture<'_, Result<T>>)>,
        mut judge: impl FnMut(&Replies<T>) -> Verdict + Send,
    ) -> Replies<T> {
        let start = Instant::now();
        let mut waiting: Vec<usize> = calls.iter().map(|(number, _)| *number).collect();
        let mut pending: FuturesUnordered<_> =
            calls.into_iter().map(|(number, call)| async move { (number, call.await) }).collect();
        let mut replies = Vec::with_capacity(pending.len());
        let mut grace = None;
        loop {
            let next = match grace {
                None => Ok(pending.next().await),
                Some(end) => timeout_at(end, pending.next()).await,
            };
            match next {
                Ok(Some(reply)) => {
                    waiting.retain(|number| *number != reply.0);
                    replies.push(reply);
                }
                Ok(None) => return replies,
                Err(_) => {
                    for number in waiting {
                        self.nodes[number].suspect();
                    }
                    return replies;
                }
            }
            match judge(&replies) {
                Verdict::Open => {}
                Verdict::Decided if waiting.iter().all(|number| self.nodes[*number].is_suspected()) => return replies,
                Verdict::Decided => {
                    grace.get_or_insert_with(|| Instant::now() + (start.elapsed() * 2).max(GRACE));
                }
                Verdict::Over => return replies,
            }
        }
    }

    /// The same call for several nodes.
    pub(super) fn calls<'a, T: Send + 'a>(
        &'a self,
        numbers: &[usize],
        limit: Duration,
        call: impl Fn(&'a dyn QuorumNode) -> BoxFuture<'a, Result<T>>,
    ) -> Vec<(usize, BoxFuture<'a, Result<T>>)> {
        let each = numbers.iter().map(|number| {
            let node = &self.nodes[*number];
            let asked: BoxFuture<'a, Result<T>> = Box::pin(node.ask(limit, call(&*node.lock)));
            (*number, asked)
        });
        each.collect()
    }
}
