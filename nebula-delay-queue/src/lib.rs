#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod backend;
mod batch;
mod clock;
mod config;
mod consumer;
mod dead;
mod duration;
#[cfg(any(feature = "sql", feature = "redis", feature = "rabbitmq"))]
mod envelope;
mod error;
mod idempotency;
#[cfg(feature = "rabbitmq")]
mod ledger;
mod listener;
mod memory;
mod message;
mod monitor;
mod name;
mod observed;
mod producer;
mod queue;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;
mod raw;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sql")]
mod relay;
mod retry;
#[cfg(feature = "sql")]
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres", feature = "mysql")),
    allow(dead_code, unused_imports, unused_macros, reason = "of use to a database only")
)]
mod sql;
mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod trace;
mod wakeup;
mod worker;

pub use self::{
    backend::{Capabilities, DelayQueueBackend},
    batch::{BatchFn, BatchOutcome, Batched, DelayQueueBatchListener, IntoBatchOutcome},
    clock::{Clock, SystemClock, TokioClock},
    config::{DelayQueueConfig, Provider},
    consumer::{Bury, Claimed, DelayQueueConsumer, Delivery, LeaseToken, MOST_PEEKED, Receipt, Retry, Settled},
    dead::{DeadLetter, DeadReason, QueueStats, Replay},
    error::{Error, ErrorKind, Result},
    idempotency::{Begin, IdempotencyStore, Idempotent, MemoryIdempotency},
    listener::{Bound, DelayQueueListener, HandlerError, IntoOutcome, ListenerFn, Outcome, Received, listener_fn},
    memory::MemoryDelayQueue,
    message::{DelayMessage, DelayMessageBuilder, NoBody, TRACEPARENT},
    monitor::Snapshot,
    name::{MessageId, QueueName},
    observed::{Counts, Lateness},
    producer::{Cancel, DelayQueueProducer, Reschedule, SendOutcome},
    queue::{DelayQueue, Health},
    raw::{MAX_BODY_BYTES, MAX_DELAY, MAX_HEADER_BYTES, Priority, RawMessage, Schedule},
    retry::RetryPolicy,
    trace::{Happened, MemoryTrace, Pending, TraceEvent, TraceStore, Traced},
    wakeup::{WakeupHub, Wakeups},
    worker::{Drained, Worker, WorkerBuilder, WorkerOptions},
};

#[cfg(all(feature = "sql", feature = "rabbitmq"))]
#[cfg_attr(
    docsrs,
    doc(cfg(all(feature = "rabbitmq", any(feature = "sqlite", feature = "postgres", feature = "mysql"))))
)]
pub use self::sql::SqlLedger;
#[cfg(feature = "sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use self::{
    relay::{Outbox, Relay, RelayConfig, RelayStatus, RunningRelay},
    sql::{SqlDatabase, SqlDelayQueue, SqlIdempotency, SqlTrace},
};
/// The database driver, so that applications use the same one.
#[cfg(feature = "sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use sqlx;

#[cfg(all(feature = "rabbitmq", feature = "redis"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "rabbitmq", feature = "redis"))))]
pub use self::ledger::RedisLedger;
#[cfg(feature = "rabbitmq")]
#[cfg_attr(docsrs, doc(cfg(feature = "rabbitmq")))]
pub use self::{
    ledger::{LedgerChange, LedgerContent, LedgerRecord, LedgerState, LedgerView, MemoryLedger, MessageLedger},
    rabbitmq::{RabbitDelayQueue, RabbitOptions},
};
/// The broker's driver, so that applications use the same one.
#[cfg(feature = "rabbitmq")]
#[cfg_attr(docsrs, doc(cfg(feature = "rabbitmq")))]
pub use lapin;

#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::{idempotency::RedisIdempotency, redis::RedisDelayQueue, trace::RedisTrace};
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use nebula_macros::delay_queue_listener;
/// Connections, subscribers and their configuration.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use nebula_redis;
