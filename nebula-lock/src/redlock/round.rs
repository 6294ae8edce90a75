//! One attempt, and what it has left on each node so far.

use std::time::Duration;

use tokio::time::Instant;

use super::Redlock;
use super::gather::{Replies, Verdict};
use super::sweep::sweep;
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::lock::{Attempt, Busy, Claim};

/// What is known of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// Nothing was sent.
    Untouched,
    /// Something was sent of which nobody knows the outcome.
    Unknown,
    Granted(Fence),
    /// Somebody else has it there.
    Busy,
    /// It failed, and has nothing of ours.
    Failed,
    /// What it had granted was taken back.
    TakenBack,
}

/// An attempt. Dropping it, at whatever point, takes back what it has left, unless it was kept.
#[derive(Debug)]
pub(super) struct Round<'a> {
    quorum: &'a Redlock,
    /// Who asked, by the name of this attempt and by the own one.
    pub(super) claim: Claim,
    own: &'a Claim,
    pub(super) lease: Duration,
    pub(super) start: Instant,
    pub(super) limit: Duration,
    marks: Vec<Mark>,
    pub(super) busy: Option<Busy>,
    pub(super) errors: Vec<Error>,
    /// Commands other than attempts were sent of which nobody knows the outcome.
    unheard: bool,
    kept: bool,
}

impl<'a> Round<'a> {
    pub(super) fn new(quorum: &'a Redlock, own: &'a Claim, lease: Duration) -> Self {
        quorum.names.keep(own, lease);
        Self {
            quorum,
            claim: quorum.names.of(own),
            own,
            lease,
            start: Instant::now(),
            limit: quorum.limit(lease),
            marks: vec![Mark::Untouched; quorum.nodes.len()],
            busy: None,
            errors: Vec::new(),
            unheard: false,
            kept: false,
        }
    }

    /// Whether the node has neither granted it nor failed nor refused in this round.
    pub(super) fn is_untouched(&self, number: usize) -> bool {
        self.marks[number] == Mark::Untouched
    }

    pub(super) fn has_failed(&self, number: usize) -> bool {
        matches!(self.marks[number], Mark::Unknown | Mark::Failed)
    }

    /// How many nodes have said yes or no.
    pub(super) fn answered(&self) -> usize {
        self.marks.iter().filter(|mark| matches!(mark, Mark::Granted(_) | Mark::Busy)).count()
    }

    /// To be called before something is sent to a node.
    pub(super) fn sends_to(&mut self, number: usize) {
        if !matches!(self.marks[number], Mark::Granted(_)) {
            self.marks[number] = Mark::Unknown;
        }
    }

    pub(super) fn notes(&mut self, number: usize, reply: Result<Attempt>) {
        self.marks[number] = match reply {
            Ok(Attempt::Acquired(fence)) => Mark::Granted(fence),
            Ok(Attempt::Busy(busy)) => {
                self.busy = Some(match self.busy.take() {
                    Some(before) if before.retry_after() <= busy.retry_after() && before.retry_after().is_some() => {
                        before
                    }
                    _ => busy,
                });
                Mark::Busy
            }
            Err(error) => {
                let mark = if error.kind() == ErrorKind::OutcomeUnknown { Mark::Unknown } else { Mark::Failed };
                self.errors.push(error);
                mark
            }
        };
    }

    /// Notes how commands other than attempts ended that were sent to so many nodes.
    pub(super) fn note_others<T>(&mut self, sent: usize, replies: Replies<T>) {
        self.unheard |= replies.len() < sent || replies.iter().any(|(_, reply)| reply.is_err());
        self.errors.extend(replies.into_iter().filter_map(|(_, reply)| reply.err()));
    }

    /// The numbers of the nodes that granted it, and their tokens.
    pub(super) fn granted(&self) -> Vec<(usize, Fence)> {
        let tokens = self.marks.iter().enumerate();
        tokens
            .filter_map(|(number, mark)| if let Mark::Granted(fence) = mark { Some((number, *fence)) } else { None })
            .collect()
    }

    /// The attempt was successful: what it has left is the lock.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }

    /// Takes back what was granted, `first` last, and tells whether the outcome is known on every node. What nodes do not
    /// confirm is taken back in the background.
    pub(super) async fn withdraw(mut self, first: Option<usize>) -> bool {
        let (quorum, claim, limit) = (self.quorum, self.claim.clone(), self.limit);
        let granted: Vec<usize> = self.granted().into_iter().map(|(number, _)| number).collect();
        let waves = [
            granted.iter().copied().filter(|number| Some(*number) != first).collect::<Vec<_>>(),
            granted.iter().copied().filter(|number| Some(*number) == first).collect(),
        ];
        for wave in waves {
            let replies =
                quorum.gather(quorum.calls(&wave, limit, |lock| lock.release(&claim)), |_| Verdict::Open).await;
            for (number, reply) in replies {
                if reply.is_ok() {
                    self.marks[number] = Mark::TakenBack;
                }
            }
        }
        !self.marks.iter().any(|mark| matches!(mark, Mark::Unknown | Mark::Granted(_)))
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let until = Instant::now() + self.lease;
        let mut unheard = self.unheard;
        for (node, mark) in self.quorum.nodes.iter().zip(&self.marks) {
            if matches!(mark, Mark::Unknown | Mark::Granted(_)) {
                sweep(node, &self.claim, until, self.quorum.node_timeout);
                unheard = true;
            }
        }
        if unheard {
            self.quorum.names.change(self.own, self.lease);
        }
    }
}
