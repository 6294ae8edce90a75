//! On a Redis server: a hash of records for each queue, and sorted sets of what is in which state until when.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use ::redis::{FromRedisValue, aio::ConnectionLike};
use async_trait::async_trait;
use bytes::Bytes;
use nebula_redis::{Script, ScriptCall};
use tokio::time::timeout;

use super::{LedgerChange, LedgerContent, LedgerRecord, LedgerState, LedgerView, MessageLedger};
use crate::{Error, ErrorKind, MessageId, QueueName, QueueStats, Result, clock::duration_ms, redis::redis_error};

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!("nebula-delay-queue/ledger/", $file), include_str!(concat!("lua/", $file, ".lua")))
        });
    };
}

script!(READ, "read");
script!(SWAP, "swap");
script!(COUNTS, "counts");
script!(FORGET_DEAD, "forget_dead");

/// As many changes as one script carries out: a script blocks the server.
const BATCH: usize = 250;

/// Keeps records on a Redis server, for all processes that use it.
///
/// Records are as durable as the server is configured to be, and they must not be evicted: use a server whose
/// `maxmemory-policy` is `noeviction`. Messages whose records are lost are delivered nevertheless, the cancelled ones
/// among them.
#[derive(Clone)]
pub struct RedisLedger<C> {
    connection: C,
    prefix: Arc<str>,
    timeout: Duration,
}

impl<C> RedisLedger<C> {
    /// Records over a connection.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self { connection, prefix: "nebula-delay-ledger:1".into(), timeout: Duration::from_secs(5) }
    }

    /// What all keys begin with. `nebula-delay-ledger:1` by default; the number is the version of the format.
    #[must_use]
    pub fn with_key_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.replace(['{', '}'], "_").into();
        self
    }

    /// How long any operation may take. 5 s by default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn key(&self, queue: &QueueName, part: &str) -> String {
        format!("{}:{{{queue}}}:{part}", self.prefix)
    }

    fn records(&self, queue: &QueueName) -> String {
        self.key(queue, "record")
    }

    fn contents(&self, queue: &QueueName) -> String {
        self.key(queue, "content")
    }

    fn state(&self, queue: &QueueName, state: LedgerState) -> String {
        self.key(queue, &format!("state{}", state.code()))
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisLedger<C> {
    async fn invoke<T: FromRedisValue + Send>(&self, context: &'static str, call: ScriptCall<'_>) -> Result<T> {
        let mut connection = self.connection.clone();
        self.within(context, call.invoke(&mut connection)).await
    }

    async fn within<T>(
        &self,
        context: &'static str,
        work: impl Future<Output = nebula_redis::Result<T>> + Send,
    ) -> Result<T> {
        match timeout(self.timeout, work).await {
            Ok(answer) => answer.map_err(|error| redis_error(error, context)),
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{context} took longer than {:?}", self.timeout))),
        }
    }

    /// The server's time, the least time, and the counts.
    async fn count(&self, queue: &QueueName) -> Result<(u64, Option<u64>, QueueStats)> {
        let states = [LedgerState::Waiting, LedgerState::Leased, LedgerState::Dead];
        let keys = states.map(|state| self.state(queue, state));
        let call = COUNTS.key(&keys).arg(duration_ms(QueueStats::OVERDUE));
        let (now, due, delayed, leased, dead, least, overdue): (u64, u64, u64, u64, u64, String, u64) =
            self.invoke("counting messages in the ledger", call).await?;
        let least = least.parse().ok();
        let late = Duration::from_millis(least.map_or(0, |least| now.saturating_sub(least)));
        Ok((now, least, QueueStats::new(due, delayed, leased, dead, late).with_overdue(overdue)))
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> MessageLedger for RedisLedger<C> {
    async fn read(&self, queue: &QueueName, ids: &[MessageId]) -> Result<LedgerView> {
        let mut view = LedgerView::default();
        for ids in ids.chunks(BATCH) {
            let mut call = READ.key(self.records(queue));
            for id in ids {
                call = call.arg(id.as_str());
            }
            let (now, records): (u64, Vec<Option<String>>) = self.invoke("reading the ledger", call).await?;
            view.now_ms = now;
            for record in records {
                view.records.push(record.as_deref().map(parse).transpose()?);
            }
        }
        Ok(view)
    }

    async fn swap(&self, queue: &QueueName, changes: &[LedgerChange]) -> Result<Vec<bool>> {
        let mut done = Vec::with_capacity(changes.len());
        for changes in changes.chunks(BATCH) {
            let mut call = SWAP.key(self.records(queue)).key(self.contents(queue));
            for state in LedgerState::ALL {
                call = call.key(self.state(queue, state));
            }
            for LedgerChange { id, expected, record, content } in changes {
                let expected = expected.map_or_else(String::new, |version| version.to_string());
                call = call.arg(id.as_str()).arg(expected).arg(record.version).arg(record.state.code());
                call = call.arg(record.at_ms).arg(record.detail.as_str());
                call = match content {
                    LedgerContent::Keep => call.arg("keep").arg(""),
                    LedgerContent::Clear => call.arg("clear").arg(""),
                    LedgerContent::Set(content) => call.arg("set").arg(&content[..]),
                };
            }
            done.extend(self.invoke::<Vec<bool>>("writing the ledger", call).await?);
        }
        Ok(done)
    }

    async fn content(&self, queue: &QueueName, id: &MessageId) -> Result<Option<Bytes>> {
        let mut connection = self.connection.clone();
        let mut get = ::redis::cmd("HGET");
        get.arg(self.contents(queue)).arg(id.as_str());
        let read =
            async move { get.query_async::<Option<Vec<u8>>>(&mut connection).await.map_err(nebula_redis::Error::from) };
        Ok(self.within("reading a message from the ledger", read).await?.map(Bytes::from))
    }

    async fn next(&self, queue: &QueueName) -> Result<(u64, Option<u64>)> {
        let (now, least, _) = self.count(queue).await?;
        Ok((now, least))
    }

    async fn counts(&self, queue: &QueueName) -> Result<QueueStats> {
        let (.., counts) = self.count(queue).await?;
        Ok(counts)
    }

    async fn forget_dead(&self, queue: &QueueName) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let keys = [self.records(queue), self.contents(queue), self.state(queue, LedgerState::Dead)];
            match self.invoke::<u64>("forgetting dead letters", FORGET_DEAD.key(&keys)).await? {
                0 => return Ok(forgotten),
                some => forgotten += some,
            }
        }
    }
}

fn parse(text: &str) -> Result<LedgerRecord> {
    let mut parts = text.splitn(4, '|');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (version, state, at_ms) = (number(), number(), number());
    let state = state.and_then(|code| LedgerState::from_code(u8::try_from(code).ok()?));
    match (version, state, at_ms, parts.next()) {
        (Some(version), Some(state), Some(at_ms), Some(detail)) => {
            Ok(LedgerRecord { version, state, at_ms, detail: detail.to_owned() })
        }
        _ => Err(Error::new(ErrorKind::Corrupt, "a record of the ledger is not understood")),
    }
}

impl<C> fmt::Debug for RedisLedger<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLedger").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
