//! Messages that are published anew: retries and burials, with or without a ledger.

use super::{
    inbox::Entry,
    index::{Held, Index},
    publisher::Way,
    wire::Copy,
};
use crate::{LedgerContent, QueueName, Receipt, Result, Settled};

/// What becomes of leased messages, in three steps: ask whether the leases hold, publish, say that it is done.
pub(super) struct Settling<'a> {
    index: Option<&'a Index>,
    queue: &'a QueueName,
    /// In the order of the requests; `None` is not leased to whoever asks.
    copies: Vec<Option<(Copy, Way)>>,
    /// What the ledger knows of: the place of the request, the lease, and how the copy goes on.
    known: Vec<(usize, Held, Onward)>,
    verdicts: Vec<Option<Settled>>,
}

#[derive(Clone)]
enum Onward {
    /// In this life, after so many milliseconds, with what the ledger is to keep of it.
    Again(u64, u64, LedgerContent),
    Dead,
}

impl<'a> Settling<'a> {
    pub(super) fn new(
        index: Option<&'a Index>,
        queue: &'a QueueName,
        held: Vec<Option<Entry>>,
        receipts: Vec<Receipt>,
        copies: Vec<Option<(Copy, Way)>>,
    ) -> Result<Self> {
        let mut known = Vec::new();
        let before = held.into_iter().zip(receipts).enumerate();
        for (place, (entry, receipt)) in before.filter(|_| index.is_some()) {
            let (Some(entry), Some((copy, way))) = (entry, &copies[place]) else { continue };
            let (Some(mark), Some(after)) = (entry.copy.mark, copy.mark) else { continue };
            let onward = match way {
                Way::Dead => Onward::Dead,
                Way::Delay(0) => Onward::Again(after.life, 0, LedgerContent::Clear),
                Way::Delay(delay) => Onward::Again(after.life, *delay, LedgerContent::Set(copy.content()?)),
            };
            known.push((place, Held { receipt, mark, record: None }, onward));
        }
        let verdicts = copies.iter().map(|_| None).collect();
        Ok(Self { index, queue, copies, known, verdicts })
    }

    /// What is not leased any more is not published.
    pub(super) async fn prepare(&mut self) -> Result<()> {
        let Some(index) = self.index.filter(|_| !self.known.is_empty()) else { return Ok(()) };
        let held = self.known.iter().map(|(_, held, _)| held.clone()).collect();
        let lives: Vec<_> = self.known.iter().map(|(_, _, onward)| onward.life()).collect();
        let settled = index.prepare(self.queue, held, &lives).await?;
        let known = std::mem::take(&mut self.known);
        for (known, settled) in known.into_iter().zip(settled) {
            if settled == Settled::Done {
                self.known.push(known);
            } else {
                self.verdicts[known.0] = Some(Settled::Stale);
                self.copies[known.0] = None;
            }
        }
        Ok(())
    }

    pub(super) fn copies(&self) -> Vec<(Copy, Way)> {
        self.copies.iter().flatten().cloned().collect()
    }

    /// Returns what can be acknowledged to the broker.
    pub(super) async fn commit(&mut self) -> Result<Vec<bool>> {
        if let Some(index) = self.index {
            let (mut again, mut buried) = ((Vec::new(), Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
            for (place, held, onward) in &self.known {
                match onward.clone() {
                    Onward::Again(life, delay, content) => {
                        again.0.push(*place);
                        again.1.push(held.clone());
                        again.2.push((life, delay, content));
                    }
                    Onward::Dead => {
                        buried.0.push(*place);
                        buried.1.push(held.clone());
                    }
                }
            }
            if !again.0.is_empty() {
                let settled = index.retried(self.queue, again.1, &again.2).await?;
                self.note(&again.0, settled);
            }
            if !buried.0.is_empty() {
                let settled = index.buried(self.queue, buried.1).await?;
                self.note(&buried.0, settled);
            }
        }
        let kept = self.copies.iter().zip(&self.verdicts);
        Ok(kept.map(|(copy, verdict)| copy.is_some() && *verdict != Some(Settled::Stale)).collect())
    }

    fn note(&mut self, places: &[usize], settled: Vec<Settled>) {
        for (place, settled) in places.iter().zip(settled) {
            self.verdicts[*place] = Some(settled);
        }
    }

    /// The ledger's word counts more than the broker's.
    pub(super) fn result(self, acknowledged: Vec<Settled>) -> Vec<Settled> {
        acknowledged.into_iter().zip(self.verdicts).map(|(settled, verdict)| verdict.unwrap_or(settled)).collect()
    }
}

impl Onward {
    const fn life(&self) -> Option<u64> {
        match self {
            Self::Again(life, ..) => Some(*life),
            Self::Dead => None,
        }
    }
}
