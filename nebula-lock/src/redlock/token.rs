//! One token from those of several nodes.

use std::collections::HashMap;
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::sleep;

use super::Redlock;
use super::gather::{Replies, Verdict};
use super::round::Round;
use crate::fence::Fence;
use crate::lock::Mode;

/// How often a reader bids for a token. Each time it bids higher than it has to, by up to four times as much as before, and the
/// highest bid of all is never refused.
const BIDS: u32 = 10;

/// A node that granted the lock, and the token that the hold has there.
type Given = (usize, Fence);

impl Redlock {
    /// The token of a hold to which nodes gave different ones. A majority knows it then, so that every later majority does.
    pub(super) async fn decide(&self, round: &mut Round<'_>, granted: Vec<Given>) -> Option<Fence> {
        if round.claim.mode() == Mode::Read {
            self.bid(round, granted).await
        } else {
            self.settle(round, &granted).await
        }
    }

    /// Writes the greatest token to a majority: whoever holds alone shares it with nobody.
    async fn settle(&self, round: &mut Round<'_>, granted: &[Given]) -> Option<Fence> {
        let (claim, majority, fence) = (round.claim.clone(), self.majority(), greatest(granted)?);
        let numbers: Vec<usize> = granted.iter().map(|(number, _)| *number).collect();
        let written = |replies: &Replies<bool>| replies.iter().filter(|(_, reply)| matches!(reply, Ok(true))).count();
        let replies = self
            .gather(self.calls(&numbers, round.limit, |lock| lock.settle(&claim, fence)), |replies| {
                if written(replies) >= majority { Verdict::Decided } else { Verdict::Open }
            })
            .await;
        let enough = written(&replies) >= majority;
        round.note_others(numbers.len(), replies);
        enough.then_some(fence)
    }

    /// Bids until a majority has given one token to this reader alone. Readers that come at the same time may have the same
    /// greatest token otherwise: one from this node, one from that.
    async fn bid(&self, round: &mut Round<'_>, granted: Vec<Given>) -> Option<Fence> {
        let (claim, majority) = (round.claim.clone(), self.majority());
        let numbers: Vec<usize> = granted.iter().map(|(number, _)| *number).collect();
        let given = |replies: &Replies<Option<Fence>>| -> Vec<Given> {
            replies.iter().filter_map(|(number, reply)| Some((*number, reply.as_ref().ok().copied()??))).collect()
        };
        let mut tokens = granted;
        for bids in 0..BIDS {
            let mut bid = greatest(&tokens)?.get();
            if bids > 0 {
                if round.start.elapsed() >= round.lease {
                    return None;
                }
                let pause = rand::rng().random_range(0..500 << bids);
                sleep(Duration::from_micros(pause)).await;
                bid += rand::rng().random_range(0..4 << (2 * bids));
            }
            let calls = self.calls(&numbers, round.limit, |lock| lock.try_settle(&claim, Fence::new(bid)));
            let judge = |replies: &Replies<_>| {
                if agreed(&given(replies), majority).is_some() { Verdict::Decided } else { Verdict::Open }
            };
            let replies = self.gather(calls, judge).await;
            tokens = given(&replies);
            round.note_others(numbers.len(), replies);
            if let Some(fence) = agreed(&tokens, majority) {
                return Some(fence);
            }
            if tokens.len() < majority {
                return None;
            }
        }
        None
    }
}

/// The token that a majority has given, or keeps from before.
pub(super) fn agreed(given: &[Given], majority: usize) -> Option<Fence> {
    let mut votes: HashMap<Fence, usize> = HashMap::new();
    for (_, fence) in given {
        *votes.entry(*fence).or_default() += 1;
    }
    votes.into_iter().find(|(_, count)| *count >= majority).map(|(fence, _)| fence)
}

fn greatest(given: &[Given]) -> Option<Fence> {
    given.iter().map(|(_, fence)| *fence).max()
}
