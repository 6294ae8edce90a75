//! Getting a majority.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::{Instant, sleep};

use super::Redlock;
use super::gather::{Replies, Verdict};
use super::round::Round;
use super::token::agreed;
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::lock::{Attempt, Busy, Claim, Holder, Mode};
use crate::validity::valid_until;

/// What the first node said.
enum First {
    Granted(usize, Fence),
    Busy(usize),
    /// Too many nodes failed before one answered.
    None,
}

/// What the others showed when the first node refused.
enum Others {
    /// A majority is there, and does not consider the key free.
    Held,
    /// A majority considers the key free: the first node is behind, or somebody is just taking or releasing the lock.
    Free,
    /// No majority is there.
    Gone(Vec<Error>),
}

impl Redlock {
    pub(super) async fn acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        self.check(lease)?;
        let order = self.order(claim.key());
        let mut round = Round::new(self, claim, lease);
        let claim = round.claim.clone();
        let mut looked = false;
        let first = loop {
            match self.ask_first(&mut round, &order).await {
                First::Granted(number, fence) => break Some((number, fence)),
                First::None => return Err(self.give_up(round, None, "no majority to lock on").await),
                First::Busy(number) => match self.others(&claim, &order, number, round.limit).await {
                    Others::Gone(errors) => {
                        round.errors.extend(errors);
                        return Err(self.give_up(round, None, "no majority to lock on").await);
                    }
                    Others::Held => return Ok(Attempt::Busy(self.lose(round, None).await)),
                    // Readers stay out of the way of writers that wait, and those wait at the first node.
                    Others::Free if claim.mode() == Mode::Read => {
                        return Ok(Attempt::Busy(self.lose(round, None).await));
                    }
                    Others::Free if looked => break None,
                    Others::Free => {
                        looked = true;
                        let pause = rand::rng().random_range(2_000..10_000);
                        sleep(Duration::from_micros(pause)).await;
                    }
                },
            }
        };
        self.ask_the_rest(&mut round, &order, first.map(|(_, fence)| fence)).await;
        let first = first.map(|(number, _)| number);
        let granted = round.granted();
        if granted.len() < self.majority() {
            if round.answered() >= self.majority() {
                return Ok(Attempt::Busy(self.lose(round, first).await));
            }
            return Err(self.give_up(round, first, "no majority to lock on").await);
        }
        let fence = match agreed(&granted, self.majority()) {
            Some(fence) => fence,
            None => match self.decide(&mut round, granted).await {
                Some(fence) => fence,
                None => return Err(self.give_up(round, first, "the fence token could not be written").await),
            },
        };
        if valid_until(round.start, lease) <= Instant::now() + self.min_validity {
            round.withdraw(first).await;
            return Err(Error::new(ErrorKind::InvalidLease, "the lease was used up before a majority had granted it"));
        }
        round.keep();
        Ok(Attempt::Acquired(fence))
    }

    /// Asks one node after the other until one answers.
    async fn ask_first(&self, round: &mut Round<'_>, order: &[usize]) -> First {
        for &number in order {
            if round.has_failed(number) {
                continue;
            }
            let node = &self.nodes[number];
            round.sends_to(number);
            let reply = node.ask(round.limit, node.lock.try_acquire(&round.claim, round.lease)).await;
            let answer = match &reply {
                Ok(Attempt::Acquired(fence)) => Some(First::Granted(number, *fence)),
                Ok(Attempt::Busy(_)) => Some(First::Busy(number)),
                Err(_) => None,
            };
            round.notes(number, reply);
            if let Some(answer) = answer {
                return answer;
            }
            let failed = order.iter().filter(|number| round.has_failed(**number)).count();
            if failed > self.spare() || round.start.elapsed() >= round.lease {
                break;
            }
        }
        First::None
    }

    /// Asks all nodes that have not granted it yet, except for those that failed in this round.
    async fn ask_the_rest(&self, round: &mut Round<'_>, order: &[usize], proposal: Option<Fence>) {
        let (claim, lease, limit) = (round.claim.clone(), round.lease, round.limit);
        let rest: Vec<usize> = order.iter().copied().filter(|number| round.is_untouched(*number)).collect();
        let (before, asked, majority) = (round.granted().len(), rest.len(), self.majority());
        let answered_before = round.answered();
        for &number in &rest {
            round.sends_to(number);
        }
        let calls = self.calls(&rest, limit, |lock| match proposal {
            Some(fence) => lock.try_acquire_at(&claim, lease, fence),
            None => lock.try_acquire(&claim, lease),
        });
        let replies = self.gather(calls, |replies: &Replies<Attempt>| {
            let granted =
                before + replies.iter().filter(|(_, reply)| matches!(reply, Ok(Attempt::Acquired(_)))).count();
            let answered = answered_before + replies.iter().filter(|(_, reply)| reply.is_ok()).count();
            if granted >= majority {
                Verdict::Decided
            } else if granted + (asked - replies.len()) < majority && answered >= majority {
                Verdict::Over
            } else {
                Verdict::Open
            }
        });
        for (number, reply) in replies.await {
            round.notes(number, reply);
        }
    }

    /// Whether the nodes beside `first`, which refused, consider the key free.
    async fn others(&self, claim: &Claim, order: &[usize], first: usize, limit: Duration) -> Others {
        let rest: Vec<usize> = order.iter().copied().filter(|number| *number != first).collect();
        let (asked, majority) = (rest.len(), self.majority());
        let count = |replies: &Replies<Option<Holder>>, free: bool| {
            replies.iter().filter(|(_, reply)| reply.as_ref().is_ok_and(|seen| seen.is_none() == free)).count()
        };
        let replies = self
            .gather(self.calls(&rest, limit, |lock| lock.inspect(claim.key())), |replies| {
                let (free, held) = (count(replies, true), count(replies, false));
                let may_be_free = free + (asked - replies.len()) >= majority;
                if free >= majority || (1 + free + held >= majority && !may_be_free) {
                    Verdict::Over
                } else {
                    Verdict::Open
                }
            })
            .await;
        let (free, held) = (count(&replies, true), count(&replies, false));
        if free >= majority {
            Others::Free
        } else if 1 + free + held >= majority {
            Others::Held
        } else {
            Others::Gone(replies.into_iter().filter_map(|(_, reply)| reply.err()).collect())
        }
    }

    async fn lose(&self, round: Round<'_>, first: Option<usize>) -> Busy {
        let busy = round.busy.clone().unwrap_or_default();
        round.withdraw(first).await;
        busy
    }

    async fn give_up(&self, mut round: Round<'_>, first: Option<usize>, what: &'static str) -> Error {
        let errors = std::mem::take(&mut round.errors);
        let known = round.withdraw(first).await;
        let error = self.broken(what, errors);
        match error.kind() {
            // Nothing is left, wherever a node's own reply got lost.
            ErrorKind::OutcomeUnknown if known => Error::new(ErrorKind::Unavailable, what).with_source(error),
            _ => error,
        }
    }
}
