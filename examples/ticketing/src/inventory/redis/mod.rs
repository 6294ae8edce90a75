//! The seat ledger on Redis: several processes share it.

mod hints;
mod keys;
mod load;
mod reply;

use std::{fmt, sync::LazyLock, time::Duration};

use async_trait::async_trait;
use nebula_redis::{PinnedConnection, PinnedManager, Script, ScriptCall, Subscriber};
use tokio::sync::watch;

use self::{hints::Hints, keys::Keys, reply::Reply};
use super::{
    Changes, Counts, Cursor, HINT_COVERS, Hold, HoldRequest, LedgerError, LedgerImage, Load, SeatLedger, Settled,
    Snapshot, ledger::LOG,
};
use crate::ids::{OrderId, SessionId};

/// Steps that one call of `changes` answers at most.
const PAGE: usize = 4_096;

/// A script with the common functions before it.
macro_rules! script {
    ($name:literal) => {
        LazyLock::new(|| Script::new($name, concat!(include_str!("common.lua"), include_str!(concat!($name, ".lua")))))
    };
}
use script;

static HOLD: LazyLock<Script> = script!("hold");
static RELEASE: LazyLock<Script> = script!("release");
static SELL: LazyLock<Script> = script!("sell");
static SNAPSHOT: LazyLock<Script> = script!("snapshot");
static CHANGES: LazyLock<Script> = script!("changes");
static COUNTS: LazyLock<Script> = script!("counts");
static HOLDS: LazyLock<Script> = script!("holds");

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
/// What nobody changed for a week goes away.
pub struct RedisLedger {
    connections: PinnedManager,
    prefix: String,
    log: usize,
    hints: Hints,
}

impl fmt::Debug for RedisLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLedger").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl RedisLedger {
    /// A ledger under the prefix `ticketing:v1:`. Scripts go over `connections`, hints come through `subscriber`.
    #[must_use]
    pub fn new(connections: PinnedManager, subscriber: Subscriber) -> Self {
        Self { connections, prefix: "ticketing:v1:".to_owned(), log: LOG, hints: Hints::new(subscriber) }
    }

    /// Puts another prefix before its keys and channels: platforms with different prefixes can share a server.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Keeps at least this many steps of each session's change log, 65,536 by default.
    #[must_use]
    pub fn with_log(mut self, steps: usize) -> Self {
        self.log = steps;
        self
    }

    fn keys(&self, session: SessionId) -> Keys {
        Keys::new(&self.prefix, session)
    }

    async fn connection(&self, context: &'static str) -> Result<PinnedConnection, LedgerError> {
        self.connections.get().await.map_err(unavailable(context))
    }

    /// Runs a script that only reads.
    async fn ask(
        &self,
        context: &'static str,
        script: &Script,
        session: SessionId,
        arguments: &[String],
    ) -> Result<Reply, LedgerError> {
        let mut connection = self.connection(context).await?;
        let call = script.key(&self.keys(session).all()).arg(connection.run_id()).arg(arguments);
        invoke(context, &call, &mut connection).await
    }

    /// Runs a script that takes a step.
    async fn step(
        &self,
        context: &'static str,
        script: &Script,
        session: SessionId,
        arguments: &[String],
    ) -> Result<Reply, LedgerError> {
        let mut connection = self.connection(context).await?;
        let keys = self.keys(session);
        let call = script
            .key(&keys.all())
            .arg(connection.run_id())
            .arg(keys.channel())
            .arg(HINT_COVERS.as_millis().to_string())
            .arg(self.log)
            .arg(arguments);
        invoke(context, &call, &mut connection).await
    }

    async fn settle(
        &self,
        context: &'static str,
        script: &Script,
        session: SessionId,
        arguments: &[String],
    ) -> Result<Settled, LedgerError> {
        let mut reply = self.step(context, script, session, arguments).await?;
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
        let arguments = [request.order.to_string(), request.user.to_string(), keys::positions(&request.positions())];
        let mut reply = self.step("hold seats", &HOLD, request.session, &arguments).await?;
        match reply.word()?.as_str() {
            "not-ready" => Ok(Hold::NotReady),
            "unknown-seat" => Ok(Hold::UnknownSeat(reply.number()?)),
            "other-seats" => Ok(Hold::OtherSeats),
            "user-limit" => Ok(Hold::UserLimit { has: reply.number()?, limit: reply.number()? }),
            "taken" => Ok(Hold::Taken(reply.rest()?)),
            "held" => Ok(Hold::Held { epoch: reply.number()? }),
            _ => Err(reply.nonsense()),
        }
    }

    async fn release(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.expire(session, order, Duration::ZERO).await
    }

    async fn expire(&self, session: SessionId, order: OrderId, age: Duration) -> Result<Settled, LedgerError> {
        self.settle("release seats", &RELEASE, session, &[order.to_string(), age.as_millis().to_string()]).await
    }

    async fn sell(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.settle("sell seats", &SELL, session, &[order.to_string()]).await
    }

    async fn refund(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.settle("free sold seats", &RELEASE, session, &[order.to_string(), SOLD_TOO.to_owned()]).await
    }

    async fn load(&self, session: SessionId, image: &LedgerImage) -> Result<Load, LedgerError> {
        load::load(&mut self.connection("load a session").await?, &self.keys(session), image).await
    }

    async fn snapshot(&self, session: SessionId) -> Result<Option<Snapshot>, LedgerError> {
        let mut reply = self.ask("read the seats", &SNAPSHOT, session, &[]).await?;
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
        let mut reply = self.ask("count the seats", &COUNTS, session, &[]).await?;
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
        let mut reply = self.ask("read the changes", &CHANGES, session, &arguments).await?;
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
        self.ask("list the holds", &HOLDS, session, &arguments).await?.rest()
    }

    fn watch(&self, session: SessionId) -> watch::Receiver<()> {
        self.hints.watch(self.keys(session).channel())
    }
}

async fn invoke(
    context: &'static str,
    call: &ScriptCall<'_>,
    connection: &mut PinnedConnection,
) -> Result<Reply, LedgerError> {
    call.invoke(connection).await.map(Reply::new).map_err(unavailable(context))
}

fn unavailable<E>(context: &'static str) -> impl FnOnce(E) -> LedgerError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| LedgerError::Unavailable { context, source: Box::new(source) }
}
