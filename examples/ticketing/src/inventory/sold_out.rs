//! The sold-out flag: refusals of a rush that is over touch no ledger.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::RwLock;
use tokio::time::Instant;

use super::{Counts, SeatLedger};
use crate::ids::SessionId;

/// How long a raised flag is believed.
const FRESH: Duration = Duration::from_secs(1);
/// A flag of this age is renewed by the next caller, in the background.
const RENEW: Duration = Duration::from_millis(500);
/// How often refused holds may lead to a look at the counts.
const SUSPECT: Duration = Duration::from_millis(100);

/// One flag for each session.
#[derive(Debug)]
pub(super) struct SoldOut {
    ledger: Arc<dyn SeatLedger>,
    flags: Arc<RwLock<HashMap<SessionId, Flag>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flag {
    /// When no seat was free; `None` when one was, or came back.
    raised: Option<Instant>,
    /// When the counts were last asked for.
    asked: Option<Instant>,
    /// Number of times that seats came back, so that an answer on its way does not raise the flag again.
    cleared: u64,
}

impl SoldOut {
    pub(super) fn new(ledger: Arc<dyn SeatLedger>) -> Self {
        Self { ledger, flags: Arc::default() }
    }

    pub(super) fn is_raised(&self, session: SessionId) -> bool {
        let Some(raised) = self.flags.read().get(&session).and_then(|flag| flag.raised) else { return false };
        let age = raised.elapsed();
        if age >= RENEW {
            self.look(session, RENEW);
        }
        age < FRESH
    }

    /// A hold found its seats taken: perhaps all are.
    pub(super) fn suspect(&self, session: SessionId) {
        self.look(session, SUSPECT);
    }

    /// Seats came back.
    pub(super) fn clear(&self, session: SessionId) {
        if let Some(flag) = self.flags.write().get_mut(&session) {
            flag.raised = None;
            flag.cleared += 1;
        }
    }

    /// Takes note of counts that were asked for just now.
    pub(super) fn observe(&self, session: SessionId, counts: &Counts) {
        if counts.available() > 0 {
            self.clear(session);
        }
    }

    /// Looks at the counts in the background, unless that was done less than `pause` ago.
    fn look(&self, session: SessionId, pause: Duration) {
        let now = Instant::now();
        let cleared = {
            let mut flags = self.flags.write();
            let flag = flags.entry(session).or_default();
            if flag.asked.is_some_and(|asked| now.duration_since(asked) < pause) {
                return;
            }
            flag.asked = Some(now);
            flag.cleared
        };
        let (ledger, flags) = (Arc::clone(&self.ledger), Arc::clone(&self.flags));
        tokio::spawn(async move {
            // A ledger that cannot say leaves the flag to expire.
            let Ok(Some(counts)) = ledger.counts(session).await else { return };
            if let Some(flag) = flags.write().get_mut(&session).filter(|flag| flag.cleared == cleared) {
                // The counts are at least as young as the question.
                flag.raised = (counts.available() == 0).then_some(now);
            }
        });
    }
}
