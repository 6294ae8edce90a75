//! What a majority sees.

use futures_util::stream::{self};

use super::Redlock;
use super::gather::{Replies, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::key::LockKey;
use crate::lock::{Claim, Holder};
use crate::owner::Owner;
use crate::watch::{Hint, Watch};

impl Redlock {
    /// The holder, as far as a majority agrees about it.
    pub(super) async fn look(&self, key: &LockKey) -> Result<Option<Holder>> {
        let replies = self.survey(key).await?;
        let seen: Vec<Holder> = replies.into_iter().filter_map(|(_, reply)| reply.ok().flatten()).collect();
        let waiting = seen.iter().map(Holder::waiting).max().unwrap_or_default();
        let readers: Vec<&Holder> = seen.iter().filter(|holder| holder.is_shared()).collect();
        if readers.len() >= self.majority() {
            return Ok(self.merged(&readers, most_frequent(&readers)).map(|holder| {
                let mut others: Vec<usize> = readers.iter().map(|reader| reader.other_readers()).collect();
                others.sort_unstable_by(|one, other| other.cmp(one));
                holder.sharing_with(others[self.majority() - 1]).with_waiting(waiting)
            }));
        }
        let alone: Vec<&Holder> = seen.iter().filter(|holder| !holder.is_shared()).collect();
        let owner = most_frequent(&alone);
        let votes: Vec<&Holder> = alone.into_iter().filter(|holder| Some(*holder.owner()) == owner).collect();
        if votes.len() < self.majority() {
            // Remains on single nodes, or an attempt under way.
            return Ok(None);
        }
        Ok(self.merged(&votes, owner).map(|holder| holder.with_waiting(waiting)))
    }

    /// One holder from what a majority or more of the nodes show.
    fn merged(&self, seen: &[&Holder], owner: Option<Owner>) -> Option<Holder> {
        let mut rests: Vec<_> = seen.iter().map(|holder| holder.remaining()).collect();
        rests.sort_unstable_by(|one, other| other.cmp(one));
        // So long does a majority still hold it.
        let rest = *rests.get(self.majority() - 1)?;
        let fences = || seen.iter().filter(|holder| Some(*holder.owner()) == owner).map(|holder| holder.fence());
        let votes = |fence: Fence| fences().filter(|other| *other == fence).count();
        let fence = fences().max_by_key(|fence| (votes(*fence), *fence))?;
        Some(Holder::new(owner?, fence, rest))
    }

    async fn survey(&self, key: &LockKey) -> Result<Replies<Option<Holder>>> {
        let all: Vec<usize> = (0..self.nodes()).collect();
        let majority = self.majority();
        let answered = |replies: &Replies<Option<Holder>>| replies.iter().filter(|(_, reply)| reply.is_ok()).count();
        let replies = self
            .gather(self.calls(&all, self.node_timeout, |lock| lock.inspect(key)), |replies| {
                if answered(replies) >= majority { Verdict::Decided } else { Verdict::Open }
            })
            .await;
        if answered(&replies) >= majority { Ok(replies) } else { Err(self.unanswered(replies)) }
    }

    /// Hints from any node.
    pub(super) async fn listen(&self, claim: &Claim) -> Result<Watch> {
        let order = self.order(claim.key());
        let majority = self.majority();
        let replies = self
            .gather(self.calls(&order, self.node_timeout, |lock| lock.watch(claim)), |replies| {
                let open = replies.iter().filter(|(_, reply)| reply.is_ok()).count();
                if open >= majority { Verdict::Decided } else { Verdict::Open }
            })
            .await;
        if replies.iter().all(|(_, reply)| reply.is_err()) {
            return Err(self.unanswered(replies));
        }
        let live: Vec<Watch> = replies.into_iter().filter_map(|(_, reply)| reply.ok()).filter(Watch::is_live).collect();
        if live.is_empty() {
            return Ok(Watch::none());
        }
        let hints = live.into_iter().map(|watch| {
            Box::pin(stream::unfold(watch, async |mut watch| {
                watch.changed().await;
                // What a single node hands over is no lock yet.
                Some((Hint::Look, watch))
            }))
        });
        Ok(Watch::new(stream::select_all(hints)))
    }

    pub(super) async fn any_majority(&self) -> Result<()> {
        let all: Vec<usize> = (0..self.nodes()).collect();
        let majority = self.majority();
        let answered = |replies: &Replies<()>| replies.iter().filter(|(_, reply)| reply.is_ok()).count();
        let replies = self
            .gather(self.calls(&all, self.node_timeout, |lock| lock.ping()), |replies| {
                if answered(replies) >= majority { Verdict::Over } else { Verdict::Open }
            })
            .await;
        if answered(&replies) >= majority { Ok(()) } else { Err(self.unanswered(replies)) }
    }

    /// For questions that change nothing, no reply only means that there is no answer.
    fn unanswered<T>(&self, replies: Replies<T>) -> Error {
        let errors = replies.into_iter().filter_map(|(_, reply)| reply.err()).collect();
        let error = self.broken("no majority answered", errors);
        match error.kind() {
            ErrorKind::OutcomeUnknown => Error::new(ErrorKind::Unavailable, "no majority answered").with_source(error),
            _ => error,
        }
    }
}

fn most_frequent(seen: &[&Holder]) -> Option<Owner> {
    let votes = |owner: &Owner| seen.iter().filter(|holder| holder.owner() == owner).count();
    seen.iter().map(|holder| *holder.owner()).max_by_key(|owner| (votes(owner), *owner))
}
