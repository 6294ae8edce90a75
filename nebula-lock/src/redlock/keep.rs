//! Keeping and giving back what a majority has granted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Redlock;
use super::gather::{Replies, Verdict};
use super::sweep::sweep;
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::lock::{Attempt, Claim, Mode};
use crate::validity::valid_until;

impl Redlock {
    pub(super) async fn extend(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        let (start, limit) = (Instant::now(), self.limit(lease));
        let (majority, spare) = (self.majority(), self.spare());
        let all: Vec<usize> = (0..self.nodes()).collect();
        let replies = self
            .gather(self.calls(&all, limit, |lock| lock.renew(claim, lease)), |replies| {
                if count(replies, true) >= majority {
                    Verdict::Decided
                } else if count(replies, false) > spare {
                    Verdict::Over
                } else {
                    Verdict::Open
                }
            })
            .await;
        if count(&replies, true) < majority {
            // Whatever still says yes stays as it is: it ends with its lease, or the next renewal counts it again.
            return if count(&replies, false) > spare {
                Ok(false)
            } else {
                Err(self.broken("no majority confirmed the hold", errors(replies)))
            };
        }
        let missing: Vec<usize> =
            replies.iter().filter(|(_, reply)| matches!(reply, Ok(false))).map(|(number, _)| *number).collect();
        if !missing.is_empty() && Instant::now() < valid_until(start, lease) {
            let confirmed: Vec<usize> =
                replies.iter().filter(|(_, reply)| matches!(reply, Ok(true))).map(|(number, _)| *number).collect();
            self.repair(claim, lease, &confirmed, &missing).await;
        }
        if valid_until(start, lease) <= Instant::now() {
            return Err(Error::new(
                ErrorKind::OutcomeUnknown,
                "the lease was used up before a majority had renewed it",
            ));
        }
        Ok(true)
    }

    /// Lets nodes that have lost a hold, which a majority has just confirmed, take it again under the same token. Nobody
    /// waits for this to succeed: the next renewal tries again.
    async fn repair(&self, claim: &Claim, lease: Duration, confirmed: &[usize], missing: &[usize]) {
        let limit = self.limit(lease);
        let fence = self.token(claim, confirmed, limit).await;
        let calls = self.calls(missing, limit, |lock| {
            Box::pin(async move {
                let attempt = match fence {
                    Some(fence) => lock.try_acquire_at(claim, lease, fence).await?,
                    None => lock.try_acquire(claim, lease).await?,
                };
                match (attempt, fence) {
                    (Attempt::Acquired(given), Some(fence)) if given != fence => lock.settle(claim, fence).await,
                    (Attempt::Acquired(_), _) => Ok(true),
                    (Attempt::Busy(_), _) => Ok(false),
                }
            })
        });
        let replies = self.gather(calls, |_| Verdict::Open).await;
        tracing::debug!(key = %claim.key(), missing = missing.len(), repaired = count(&replies, true), "repaired a hold");
    }

    /// The token of a hold. That of one reader among others is not shown by any node.
    async fn token(&self, claim: &Claim, confirmed: &[usize], limit: Duration) -> Option<Fence> {
        if claim.mode() == Mode::Read {
            return None;
        }
        let calls = self.calls(confirmed, limit, |lock| lock.inspect(claim.key()));
        let replies =
            self.gather(calls, |replies| if replies.is_empty() { Verdict::Open } else { Verdict::Decided }).await;
        let seen = replies.into_iter().filter_map(|(_, reply)| reply.ok().flatten());
        let tokens: Vec<Fence> =
            seen.filter(|holder| holder.owner() == claim.owner()).map(|holder| holder.fence()).collect();
        // The settled one is on most nodes; a repaired node may have a greater one.
        tokens.iter().copied().min()
    }

    pub(super) async fn give_back(&self, own: &Claim) -> Result<bool> {
        let mut giving = Giving { quorum: self, own, claim: self.names.of(own), confirmed: Vec::new() };
        let (claim, limit) = (giving.claim.clone(), self.node_timeout);
        let order = self.order(claim.key());
        let (first, rest) = order.split_at(1);
        let (majority, spare) = (self.majority(), self.spare());
        let mut replies = self
            .gather(self.calls(rest, limit, |lock| lock.release(&claim)), |replies| {
                let answered = replies.iter().filter(|(_, reply)| reply.is_ok()).count();
                if answered >= majority { Verdict::Decided } else { Verdict::Open }
            })
            .await;
        giving.note(&replies);
        // Whoever waits asks the first node first, and shall find the others free then.
        let last = self.gather(self.calls(first, limit, |lock| lock.release(&claim)), |_| Verdict::Open).await;
        giving.note(&last);
        replies.extend(last);
        if count(&replies, true) >= majority {
            Ok(true)
        } else if count(&replies, false) > spare {
            Ok(false)
        } else {
            Err(self.broken("no majority confirmed the release", errors(replies)))
        }
    }
}

/// A release under way. What nodes have not confirmed when it ends, or is cancelled, is taken back in the background.
struct Giving<'a> {
    quorum: &'a Redlock,
    own: &'a Claim,
    claim: Claim,
    confirmed: Vec<usize>,
}

impl Giving<'_> {
    fn note(&mut self, replies: &Replies<bool>) {
        self.confirmed.extend(replies.iter().filter(|(_, reply)| reply.is_ok()).map(|(number, _)| *number));
    }
}

impl Drop for Giving<'_> {
    fn drop(&mut self) {
        let longest = Duration::from_millis(self.quorum.longest.load(Ordering::Relaxed));
        let mut unheard = false;
        for node in self.quorum.nodes.iter().filter(|node| !self.confirmed.contains(&node.number)) {
            sweep(node, &self.claim, Instant::now() + longest, self.quorum.node_timeout);
            unheard = true;
        }
        if unheard {
            self.quorum.names.change(self.own, longest);
        }
    }
}

fn count(replies: &Replies<bool>, answer: bool) -> usize {
    replies.iter().filter(|(_, reply)| matches!(reply, Ok(given) if *given == answer)).count()
}

fn errors<T>(replies: Replies<T>) -> Vec<Error> {
    replies.into_iter().filter_map(|(_, reply)| reply.err()).collect()
}
