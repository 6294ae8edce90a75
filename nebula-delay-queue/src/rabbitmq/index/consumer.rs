//! Messages in the hands of workers.

use super::{Detail, Index, Known, Next, Step, producer::waiting};
use crate::{
    LedgerContent, LedgerRecord, LedgerState, MessageId, QueueName, Receipt, Result, Settled, rabbitmq::wire::Mark,
};

/// What is to be done with a copy that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rabbitmq) enum Verdict {
    /// Hand it out: its message is leased.
    Take,
    /// It does not count: cancelled, done, or another copy was faster.
    Drop,
    /// It was rescheduled so often; it comes after so many milliseconds.
    NotYet { moves: u64, rest_ms: u64 },
}

/// A copy that could be handed out.
#[derive(Clone, Debug)]
pub(in crate::rabbitmq) struct Candidate {
    pub(in crate::rabbitmq) receipt: Receipt,
    pub(in crate::rabbitmq) mark: Mark,
    /// What to keep of it, should it have to wait again.
    pub(in crate::rabbitmq) content: LedgerContent,
}

impl Index {
    /// Leases what counts. No message may occur twice.
    pub(in crate::rabbitmq) async fn take(
        &self,
        queue: &QueueName,
        candidates: &[Candidate],
        lease: u64,
    ) -> Result<Vec<(Verdict, Option<LedgerRecord>)>> {
        let ids: Vec<MessageId> = candidates.iter().map(|candidate| candidate.receipt.id.clone()).collect();
        let decide = |number: usize, known: Option<Known>, now: u64| {
            let Candidate { receipt, mark, content } = &candidates[number];
            let lease = |last: u64| {
                let token = receipt.token.to_string();
                let detail = Detail { life: mark.life, first: now, last, copy: mark.copy, token, ..Detail::default() };
                let at_ms = now.saturating_add(lease);
                Next { state: LedgerState::Leased, at_ms, detail, content: LedgerContent::Clear }
            };
            let Some(known) = known else {
                // Forgotten, or lost with the ledger: rather twice than never.
                return Ok(Step::Write(lease(now), Verdict::Take));
            };
            let (is_current, is_next) = (known.detail.life == mark.life, known.detail.next == Some(mark.life));
            let elsewhere = known.is_held(now) && known.detail.copy != mark.copy;
            Ok(match known.state {
                LedgerState::Over => Step::Is(Verdict::Drop),
                _ if !is_current && !is_next => Step::Is(Verdict::Drop),
                LedgerState::Dead if !is_next => Step::Is(Verdict::Drop),
                LedgerState::Leased if elsewhere && !is_next => Step::Is(Verdict::Drop),
                LedgerState::Waiting if mark.moves < known.detail.moves && known.at_ms > now => {
                    let (mut detail, rest_ms) = (known.detail, known.at_ms - now);
                    let verdict = Verdict::NotYet { moves: detail.moves, rest_ms };
                    (detail.first, detail.last) = (known.at_ms, detail.last.max(known.at_ms));
                    let (state, at_ms, content) = (LedgerState::Waiting, known.at_ms, content.clone());
                    Step::Write(Next { state, at_ms, detail, content }, verdict)
                }
                _ => {
                    let mut next = lease(known.detail.last);
                    // A copy that was written before the message was moved may come again.
                    next.detail.moves = if is_current { known.detail.moves } else { 0 };
                    Step::Write(next, Verdict::Take)
                }
            })
        };
        self.change(queue, &ids, vec![None; ids.len()], decide).await
    }

    /// Ends leases on messages that are done.
    pub(in crate::rabbitmq) async fn ack(&self, queue: &QueueName, held: Vec<Held>) -> Result<Vec<Settled>> {
        let ended = |now: u64, known: Option<Known>, token: &str| match known {
            Some(known) if known.state == LedgerState::Leased && known.detail.token == token => {
                Step::Write(self.over(now, known.detail), Settled::Done)
            }
            Some(known) if known.state == LedgerState::Over && known.detail.token == token => Step::Is(Settled::Done),
            Some(_) => Step::Is(Settled::Stale),
            None => Step::Is(Settled::Done),
        };
        self.settle(queue, held, |_, known, now, token| ended(now, known, token)).await
    }

    /// Lets leases last for so many milliseconds from now.
    pub(in crate::rabbitmq) async fn extend(
        &self,
        queue: &QueueName,
        held: Vec<Held>,
        lease: u64,
    ) -> Result<Vec<Settled>> {
        let extended = |_, known: Option<Known>, now: u64, token: &str| match known {
            Some(known) if known.state == LedgerState::Leased && known.detail.token == token => {
                let (state, at_ms, content) = (LedgerState::Leased, now.saturating_add(lease), LedgerContent::Keep);
                Step::Write(Next { state, at_ms, detail: known.detail, content }, Settled::Done)
            }
            Some(_) => Step::Is(Settled::Stale),
            None => Step::Is(Settled::Done),
        };
        self.settle(queue, held, extended).await
    }

    /// Asks whether leases hold, and names the lives that the next copies begin, if any are to be published.
    pub(in crate::rabbitmq) async fn prepare(
        &self,
        queue: &QueueName,
        held: Vec<Held>,
        lives: &[Option<u64>],
    ) -> Result<Vec<Settled>> {
        let prepared = |number: usize, known: Option<Known>, _, token: &str| match known {
            Some(mut known) if known.state == LedgerState::Leased && known.detail.token == token => {
                match lives[number] {
                    None => Step::Is(Settled::Done),
                    next => {
                        known.detail.next = next;
                        let (state, at_ms, content) = (known.state, known.at_ms, LedgerContent::Keep);
                        Step::Write(Next { state, at_ms, detail: known.detail, content }, Settled::Done)
                    }
                }
            }
            Some(_) => Step::Is(Settled::Stale),
            None => Step::Is(Settled::Done),
        };
        // What was seen before does not tell whether the lease still holds.
        let held = held.into_iter().map(|held| Held { record: None, ..held }).collect();
        self.settle(queue, held, prepared).await
    }

    /// Says that the broker has the copies of messages that are to be tried again after so many milliseconds.
    pub(in crate::rabbitmq) async fn retried(
        &self,
        queue: &QueueName,
        held: Vec<Held>,
        again: &[(u64, u64, LedgerContent)],
    ) -> Result<Vec<Settled>> {
        let retried = |number: usize, known: Option<Known>, now: u64, token: &str| {
            let (life, delay, content) = &again[number];
            let next = |last| Step::Write(waiting(*life, now, *delay, last, content.clone()), Settled::Done);
            match known {
                // The copy was faster, and perhaps is done with already.
                Some(known) if known.detail.life == *life || known.state == LedgerState::Over => {
                    Step::Is(Settled::Done)
                }
                Some(known) if known.state == LedgerState::Leased && known.detail.token == token => {
                    next(known.detail.last)
                }
                Some(_) => Step::Is(Settled::Stale),
                None => next(now),
            }
        };
        self.settle(queue, held, retried).await
    }

    /// Says that the broker has the dead letters.
    pub(in crate::rabbitmq) async fn buried(&self, queue: &QueueName, held: Vec<Held>) -> Result<Vec<Settled>> {
        let lives: Vec<u64> = held.iter().map(|held| held.mark.life).collect();
        let dead = |detail, now| {
            let (state, content) = (LedgerState::Dead, LedgerContent::Clear);
            Step::Write(Next { state, at_ms: now, detail, content }, Settled::Done)
        };
        let buried = |number: usize, known: Option<Known>, now: u64, token: &str| match known {
            Some(known) if known.state == LedgerState::Leased && known.detail.token == token => dead(known.detail, now),
            Some(known) if known.state == LedgerState::Dead && known.detail.token == token => Step::Is(Settled::Done),
            Some(_) => Step::Is(Settled::Stale),
            None => dead(Detail { life: lives[number], first: now, last: now, ..Detail::default() }, now),
        };
        self.settle(queue, held, buried).await
    }

    async fn settle(
        &self,
        queue: &QueueName,
        held: Vec<Held>,
        mut decide: impl FnMut(usize, Option<Known>, u64, &str) -> Step<Settled> + Send,
    ) -> Result<Vec<Settled>> {
        let ids: Vec<MessageId> = held.iter().map(|held| held.receipt.id.clone()).collect();
        let tokens: Vec<String> = held.iter().map(|held| held.receipt.token.to_string()).collect();
        let seen = held.into_iter().map(|held| held.record).collect();
        let decide = |number: usize, known: Option<Known>, now| Ok(decide(number, known, now, &tokens[number]));
        Ok(self.change(queue, &ids, seen, decide).await?.into_iter().map(|(settled, _)| settled).collect())
    }
}

/// A message under a lease of this process.
#[derive(Clone, Debug)]
pub(in crate::rabbitmq) struct Held {
    pub(in crate::rabbitmq) receipt: Receipt,
    pub(in crate::rabbitmq) mark: Mark,
    /// As of the last look.
    pub(in crate::rabbitmq) record: Option<LedgerRecord>,
}
