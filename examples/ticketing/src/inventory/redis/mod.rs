//! The seat ledger on Redis: several processes share it.

mod gather;
mod hints;
mod keys;
mod load;
mod reply;
mod server;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use nebula_redis::{PinnedManager, Script, Subscriber};
use tokio::sync::watch;

use self::{
    gather::{Gather, Kind},
    hints::Hints,
    reply::Reply,
    server::{CHANGES, COUNTS, HOLD, HOLDS, RELEASE, SELL, SNAPSHOT, Server, unavailable},
};
use super::{
    Changes, Counts, Cursor, Hold, HoldRequest, LedgerError, LedgerImage, Load, SeatLedger, Settled, Snapshot,
    ledger::LOG,
};
use crate::ids::{OrderId, SessionId};

/// Steps that one call of `changes` answers at most.
const PAGE: usize = 4_096;

/// Holds of one session that go one by one, unless told otherwise.
const ALONE: usize = 16;
/// Confirmations of one session that go one by one: nobody waits for the answer, and the more share a call the better.
const CONFIRMED_ALONE: usize = 1;

static HOLDING: Kind<Hold> =
    Kind { context: "hold seats", script: &HOLD, size: "ticketing_hold_batch_size", read: Reply::holds };
static SELLING: Kind<Settled> =
    Kind { context: "sell seats", script: &SELL, size: "ticketing_sell_batch_size", read: Reply::sold };

/// A [`SeatLedger`] on a Redis server (6.2 or newer): one script a step, all keys of a session in one cluster slot.
///
/// The work of a step grows with the seats of its order, not with the plan. Ages count on the server's clock.
///
/// A session is loaded into a server *process*: each step compares the process that it runs on with the one that the
/// image was loaded into. So a server that restarts, empty or from a file, and a replica that was promoted, answer
/// `NotReady` until the session is loaded again; a seat that was sold after the file was written cannot be sold again.
/// Persistence and replicas are therefore of no use to the ledger, nor do they harm it. The eviction policy should be
/// `noeviction`; a session that lost a key to another one has to be loaded again.
///
/// Holds of one session that are wanted at the same time share calls, and so do confirmations, see [`with_group_commit`](Self::with_group_commit).
///
/// What nobody changed for a week goes away.
pub struct RedisLedger {
    server: Server,
    hints: Hints,
    gather: Arc<Gather<Hold>>,
    sells: Arc<Gather<Settled>>,
}

impl fmt::Debug for RedisLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLedger").field("prefix", &self.server.prefix).finish_non_exhaustive()
    }
}

impl RedisLedger {
    /// A ledger under the prefix `ticketing:v1:`. Scripts go over `connections`, hints come through `subscriber`.
    #[must_use]
    pub fn new(connections: PinnedManager, subscriber: Subscriber) -> Self {
        Self {
            server: Server { connections, prefix: "ticketing:v1:".to_owned(), log: LOG },
            hints: Hints::new(subscriber),
            gather: Arc::new(Gather::new(&HOLDING, ALONE)),
            sells: Arc::new(Gather::new(&SELLING, CONFIRMED_ALONE)),
        }
    }

    /// Puts another prefix before its keys and channels: platforms with different prefixes can share a server.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.server.prefix = prefix.into();
        self
    }

    /// Keeps at least this many steps of each session's change log, 65,536 by default.
    #[must_use]
    pub fn with_log(mut self, steps: usize) -> Self {
        self.server.log = steps;
        self
    }

    /// Lets holds share calls of the script while more than this many of their session are under way, 16 by default.
    ///
    /// A call that carries many costs the server and this process less for each; the seats are given in the order in which
    /// holds came. Nobody waits for others to come.
    #[must_use]
    pub fn with_group_commit(mut self, above: usize) -> Self {
        self.gather = Arc::new(Gather::new(&HOLDING, above));
        self
    }

    async fn settle(
        &self,
        context: &'static str,
        script: &Script,
        session: SessionId,
        arguments: &[String],
    ) -> Result<Settled, LedgerError> {
        let reply = self.server.step(script, session, arguments).await;
        let mut reply = reply.map_err(unavailable(context))?;
        match reply.word()?.as_str() {
            "not-ready" => Ok(Settled::NotReady),
            "nothing-held" => Ok(Settled::NothingHeld),
            "kept" => Ok(Settled::Kept),
            "changed" => Ok(Settled::Changed(reply.number()?)),
            _ => Err(reply.nonsense()),
        }
    }
}

/// The age at which the script frees sold seats as well.
const SOLD_TOO: &str = "-1";

#[async_trait]
impl SeatLedger for RedisLedger {
    async fn hold(&self, request: &HoldRequest) -> Result<Hold, LedgerError> {
        let wish = format!("{}{}{}", request.order, request.user, keys::positions(&request.positions()));
        self.gather.ask(&self.server, request.session, wish).await
    }

    async fn release(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.expire(session, order, Duration::ZERO).await
    }

    async fn expire(&self, session: SessionId, order: OrderId, age: Duration) -> Result<Settled, LedgerError> {
        self.settle("release seats", &RELEASE, session, &[order.to_string(), age.as_millis().to_string()]).await
    }

    async fn sell(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.sells.ask(&self.server, session, order.to_string()).await
    }

    async fn refund(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.settle("free sold seats", &RELEASE, session, &[order.to_string(), SOLD_TOO.to_owned()]).await
    }

    async fn load(&self, session: SessionId, image: &LedgerImage) -> Result<Load, LedgerError> {
        load::load(&mut self.server.connection("load a session").await?, &self.server.keys(session), image).await
    }

    async fn snapshot(&self, session: SessionId) -> Result<Option<Snapshot>, LedgerError> {
        let mut reply = self.server.ask("read the seats", &SNAPSHOT, session, &[]).await?;
        match reply.word()?.as_str() {
            "not-ready" => Ok(None),
            "snapshot" => {
                let cursor = Cursor { epoch: reply.number()?, sequence: reply.number()? };
                Ok(Some(Snapshot { cursor, states: reply.states()? }))
            }
            _ => Err(reply.nonsense()),
        }
    }

    async fn counts(&self, session: SessionId) -> Result<Option<Counts>, LedgerError> {
        let mut reply = self.server.ask("count the seats", &COUNTS, session, &[]).await?;
        match reply.word()?.as_str() {
            "not-ready" => Ok(None),
            "counts" => {
                let epoch = reply.number()?;
                reply.counts(epoch).map(Some)
            }
            _ => Err(reply.nonsense()),
        }
    }

    async fn changes(&self, session: SessionId, cursor: Cursor) -> Result<Changes, LedgerError> {
        let arguments = [cursor.epoch.to_string(), cursor.sequence.to_string(), PAGE.to_string()];
        let mut reply = self.server.ask("read the changes", &CHANGES, session, &arguments).await?;
        match reply.word()?.as_str() {
            "reset" => Ok(Changes::Reset),
            "since" => {
                let counts = reply.counts(cursor.epoch)?;
                let (steps, seats) = reply.steps()?;
                let cursor = Cursor { sequence: cursor.sequence.saturating_add(steps), ..cursor };
                Ok(Changes::Since { cursor, seats, counts })
            }
            _ => Err(reply.nonsense()),
        }
    }

    async fn holds(&self, session: SessionId, age: Duration, limit: usize) -> Result<Vec<OrderId>, LedgerError> {
        let arguments = [age.as_millis().to_string(), limit.to_string()];
        self.server.ask("list the holds", &HOLDS, session, &arguments).await?.rest()
    }

    fn watch(&self, session: SessionId) -> watch::Receiver<()> {
        self.hints.watch(self.server.keys(session).channel())
    }
}
