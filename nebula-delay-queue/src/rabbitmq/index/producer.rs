//! Messages on their way to the broker.

use std::collections::HashSet;

use super::{Detail, Index, Known, Next, Step, random};
use crate::{
    Cancel, LedgerContent, LedgerRecord, LedgerState, MessageId, QueueName, Replay, Result,
    rabbitmq::wire::{Copy, Mark},
};

/// What a ledger says to a message that is to be sent.
pub(in crate::rabbitmq) enum Entered {
    /// Publish it, with this mark.
    Publish(Mark, LedgerRecord),
    Duplicate,
}

/// What a ledger says to a message that is to be rescheduled.
pub(in crate::rabbitmq) enum Moved {
    NotFound,
    /// The copy that is on its way comes in time to be looked at.
    Noted,
    /// It comes too late: publish another one with this mark.
    Publish(Mark),
}

impl Index {
    /// Takes the ids of messages that are to be sent after so many milliseconds.
    ///
    /// An id that somebody began to send and whose copy was never confirmed is not a duplicate: whoever sends it again
    /// publishes another copy of the same life.
    pub(in crate::rabbitmq) async fn enter(
        &self,
        queue: &QueueName,
        copies: &[Copy],
        delays: &[u64],
    ) -> Result<Vec<Entered>> {
        let mut met = HashSet::new();
        let first: Vec<bool> = copies.iter().map(|copy| met.insert(&copy.message.id)).collect();
        let places: Vec<usize> = (0..copies.len()).filter(|place| first[*place]).collect();
        let ids: Vec<MessageId> = places.iter().map(|place| copies[*place].message.id.clone()).collect();
        let contents = places.iter().map(|place| match delays[*place] {
            // What comes at once is there before anybody could want it earlier.
            0 => Ok(LedgerContent::Clear),
            _ => copies[*place].content().map(LedgerContent::Set),
        });
        let contents: Vec<LedgerContent> = contents.collect::<Result<_>>()?;
        let decide = |number: usize, known: Option<Known>, now: u64| {
            let due = now.saturating_add(delays[places[number]]);
            let mut detail = match known {
                Some(Known { state: LedgerState::Waiting | LedgerState::Leased | LedgerState::Dead, .. }) => {
                    return Ok(Step::Is(None));
                }
                Some(Known { state: LedgerState::Sending, detail, .. }) => detail,
                _ => Detail { life: random(), ..Detail::default() },
            };
            (detail.first, detail.last) = (due, detail.last.max(due));
            let mark = Mark { life: detail.life, copy: random(), moves: detail.moves };
            let at_ms = self.forget_at(now, &detail);
            let next = Next { state: LedgerState::Sending, at_ms, detail, content: contents[number].clone() };
            Ok(Step::Write(next, Some(mark)))
        };
        let mut entered = self.change(queue, &ids, vec![None; ids.len()], decide).await?.into_iter();
        Ok(first
            .into_iter()
            .map(|first| match first.then(|| entered.next()).flatten() {
                Some((Some(mark), Some(record))) => Entered::Publish(mark, record),
                _ => Entered::Duplicate,
            })
            .collect())
    }

    /// Says that the broker has them.
    pub(in crate::rabbitmq) async fn confirm(
        &self,
        queue: &QueueName,
        ids: &[MessageId],
        sent: Vec<(Mark, LedgerRecord)>,
    ) -> Result<()> {
        let (marks, records): (Vec<_>, Vec<_>) = sent.into_iter().map(|(mark, record)| (mark, Some(record))).unzip();
        let decide = |number: usize, known: Option<Known>, _| {
            Ok(match known {
                Some(Known { state: LedgerState::Sending, detail, .. }) if detail.life == marks[number].life => {
                    let content = LedgerContent::Keep;
                    Step::Write(Next { state: LedgerState::Waiting, at_ms: detail.first, detail, content }, ())
                }
                // Somebody has it already, or is through with it.
                _ => Step::Is(()),
            })
        };
        self.change(queue, ids, records, decide).await.map(drop)
    }

    pub(in crate::rabbitmq) async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        let decide = |_, known: Option<Known>, now| {
            Ok(match known {
                Some(known) if !known.is_held(now) && is_waiting(&known) => {
                    Step::Write(self.over(now, known.detail), Cancel::Cancelled)
                }
                _ => Step::Is(Cancel::NotFound),
            })
        };
        self.one(queue, id, decide).await
    }

    /// Moves a message to so many milliseconds from now.
    pub(in crate::rabbitmq) async fn reschedule(&self, queue: &QueueName, id: &MessageId, delay: u64) -> Result<Moved> {
        let decide = |_, known: Option<Known>, now: u64| {
            let Some(mut known) =
                known.filter(|known| is_waiting(known) && known.state != LedgerState::Sending && !known.is_held(now))
            else {
                return Ok(Step::Is(Moved::NotFound));
            };
            let at_ms = now.saturating_add(delay);
            known.detail.moves += 1;
            known.detail.token = String::new();
            known.detail.last = known.detail.last.max(at_ms);
            let mark = Mark { life: known.detail.life, copy: random(), moves: known.detail.moves };
            let moved = if at_ms < known.detail.first { Moved::Publish(mark) } else { Moved::Noted };
            let (state, content) = (LedgerState::Waiting, LedgerContent::Keep);
            Ok(Step::Write(Next { state, at_ms, detail: known.detail, content }, moved))
        };
        self.one(queue, id, decide).await
    }

    /// Says that the broker has the copy that a rescheduled message needed.
    pub(in crate::rabbitmq) async fn moved(&self, queue: &QueueName, id: &MessageId, mark: Mark) -> Result<()> {
        let decide = |_, known: Option<Known>, _| {
            Ok(match known {
                Some(mut known) if known.state == LedgerState::Waiting && known.detail.moves == mark.moves => {
                    known.detail.first = known.at_ms;
                    let (state, content) = (LedgerState::Waiting, LedgerContent::Keep);
                    Step::Write(Next { state, at_ms: known.at_ms, detail: known.detail, content }, ())
                }
                _ => Step::Is(()),
            })
        };
        self.one(queue, id, decide).await
    }

    /// Says that a dead letter is to be published anew; answers with the new copy's mark.
    pub(in crate::rabbitmq) async fn revive(
        &self,
        queue: &QueueName,
        id: &MessageId,
        letter: Option<Mark>,
    ) -> Result<Option<Mark>> {
        let life = random();
        let mark = Mark { life, copy: random(), moves: 0 };
        let decide = |_, known: Option<Known>, now| {
            Ok(match known {
                None => Step::Is(Some(mark)),
                Some(mut known) => {
                    // What the broker itself took for poison is not known to be dead.
                    let its_own = letter.is_some_and(|letter| letter.life == known.detail.life) && !known.is_held(now);
                    if known.state != LedgerState::Dead && !(its_own && is_waiting(&known)) {
                        return Ok(Step::Is(None));
                    }
                    known.detail.next = Some(life);
                    let (state, at_ms, content) = (known.state, known.at_ms, LedgerContent::Keep);
                    Step::Write(Next { state, at_ms, detail: known.detail, content }, Some(mark))
                }
            })
        };
        self.one(queue, id, decide).await
    }

    /// Says that the broker has the copy of a dead letter.
    pub(in crate::rabbitmq) async fn revived(&self, queue: &QueueName, id: &MessageId, mark: Mark) -> Result<Replay> {
        let decide = |_, known: Option<Known>, now: u64| {
            Ok(match known {
                Some(Known { detail, .. }) if detail.life == mark.life => Step::Is(Replay::Replayed),
                Some(Known { state: LedgerState::Over, .. }) => Step::Is(Replay::Replayed),
                Some(Known { detail: Detail { last, .. }, .. }) => {
                    Step::Write(waiting(mark.life, now, 0, last, LedgerContent::Clear), Replay::Replayed)
                }
                None => Step::Write(waiting(mark.life, now, 0, now, LedgerContent::Clear), Replay::Replayed),
            })
        };
        self.one(queue, id, decide).await
    }

    /// Says that a dead letter was deleted.
    pub(in crate::rabbitmq) async fn purged(&self, queue: &QueueName, id: &MessageId) -> Result<()> {
        let decide = |_, known: Option<Known>, now| {
            Ok(match known {
                Some(known) if known.state == LedgerState::Dead => Step::Write(self.over(now, known.detail), ()),
                _ => Step::Is(()),
            })
        };
        self.one(queue, id, decide).await
    }

    pub(super) fn over(&self, now: u64, detail: Detail) -> Next {
        let at_ms = self.forget_at(now, &detail);
        Next { state: LedgerState::Over, at_ms, detail, content: LedgerContent::Clear }
    }

    async fn one<T: Send>(
        &self,
        queue: &QueueName,
        id: &MessageId,
        decide: impl FnMut(usize, Option<Known>, u64) -> Result<Step<T>> + Send,
    ) -> Result<T> {
        let mut done = self.change(queue, std::slice::from_ref(id), vec![None], decide).await?;
        done.pop().map(|(result, _)| result).ok_or_else(super::nothing)
    }
}

/// On its way or leased: something that can still be delivered.
fn is_waiting(known: &Known) -> bool {
    matches!(known.state, LedgerState::Sending | LedgerState::Waiting | LedgerState::Leased)
}

/// A message in a life of its own, due after so many milliseconds.
pub(super) fn waiting(life: u64, now: u64, delay: u64, last: u64, content: LedgerContent) -> Next {
    let at_ms = now.saturating_add(delay);
    let detail = Detail { life, first: at_ms, last: last.max(at_ms), ..Detail::default() };
    Next { state: LedgerState::Waiting, at_ms, detail, content }
}
