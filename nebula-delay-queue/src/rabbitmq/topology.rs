//! Declares exchanges and queues. Every declaration is idempotent; all queues are quorum queues.

use futures_util::future::try_join_all;
use lapin::{
    Channel, ExchangeKind, Queue,
    options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::{
    error::amqp_error,
    ladder::{self, LEVELS, RADIX},
    names::{Names, destination, short},
};
use crate::{Priority, QueueName, Result};

/// How often the broker takes a message back before it calls it poison. Never reached in practice: copies that came back
/// are written afresh long before, with attempts counted that really began.
pub(super) const DELIVERY_LIMIT: u32 = 100;
/// For queues that people look into, by taking messages out and giving them back. Newer brokers would count to 20.
const NO_LIMIT: [(&str, AMQPValue); 1] = [("x-delivery-limit", AMQPValue::LongLongInt(1_000_000_000))];

/// Declares what is below the ladder: the exchange that delivers, and where that leads which nobody wants.
pub(super) async fn base(channel: &Channel, names: &Names) -> Result<()> {
    exchange(channel, &names.unroutable(), ExchangeKind::Fanout, FieldTable::default()).await?;
    queue(channel, &names.unroutable(), &NO_LIMIT).await?;
    bind(channel, &names.unroutable(), &names.unroutable(), "").await?;
    let mut arguments = FieldTable::default();
    arguments.insert("alternate-exchange".into(), text(&names.unroutable()));
    exchange(channel, &names.deliver(), ExchangeKind::Topic, arguments).await?;
    exchange(channel, &names.dead_exchange(), ExchangeKind::Direct, FieldTable::default()).await
}

/// Declares one level of the ladder, so many queues for each digit; the level below must be there.
pub(super) async fn level(channel: &Channel, names: &Names, level: usize, width: u8) -> Result<()> {
    debug_assert!(level < LEVELS);
    let (here, below) = (names.level(level), names.below(level));
    exchange(channel, &here, ExchangeKind::Topic, FieldTable::default()).await?;
    let skip = channel.exchange_bind(
        short(&below)?,
        short(&here)?,
        short(ladder::skip(level))?,
        ExchangeBindOptions::default(),
        FieldTable::default(),
    );
    skip.await.map_err(amqp_error("binding a level"))?;
    let steps = (1..RADIX).flat_map(|digit| (0..width).map(move |strand| (digit, strand)));
    try_join_all(steps.map(|(digit, strand)| {
        let (step, here, below) = (names.step(level, digit, strand), here.clone(), below.clone());
        async move {
            waiting(channel, &step, ladder::ttl_ms(level, digit), &below).await?;
            bind(channel, &step, &here, &ladder::pattern(level, digit, strand)).await
        }
    }))
    .await?;
    Ok(())
}

/// Declares the lane of one delay.
pub(super) async fn lane(channel: &Channel, names: &Names, delay_ms: u64, width: u8) -> Result<()> {
    let lane = names.lane(delay_ms);
    exchange(channel, &lane, ExchangeKind::Topic, FieldTable::default()).await?;
    for strand in 0..width {
        let step = names.lane_step(delay_ms, strand);
        waiting(channel, &step, delay_ms, &names.deliver()).await?;
        bind(channel, &step, &lane, &ladder::lane(strand)).await?;
    }
    Ok(())
}

/// Declares where the messages of a queue become ready, one queue for each priority, and where its dead letters rest.
pub(super) async fn ready(channel: &Channel, names: &Names, name: &QueueName) -> Result<()> {
    dead(channel, names, name).await?;
    try_join_all(Priority::ALL.map(|priority| async move {
        let ready = names.ready(name, priority);
        ready_queue(channel, names, name, priority).await?;
        bind(channel, &ready, &names.deliver(), &ladder::arrival(&destination(name, priority))).await
    }))
    .await?;
    Ok(())
}

/// Declares one ready queue; the answer tells how many messages it holds.
pub(super) async fn ready_queue(
    channel: &Channel,
    names: &Names,
    name: &QueueName,
    priority: Priority,
) -> Result<Queue> {
    let arguments = [
        ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT as i64)),
        ("x-dead-letter-exchange", text(&names.dead_exchange())),
        ("x-dead-letter-routing-key", text(name.as_str())),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ];
    queue(channel, &names.ready(name, priority), &arguments).await
}

/// Declares the queue of dead letters; the answer tells how many it holds.
pub(super) async fn dead(channel: &Channel, names: &Names, name: &QueueName) -> Result<Queue> {
    let declared = queue(channel, &names.dead(name), &NO_LIMIT).await?;
    bind(channel, &names.dead(name), &names.dead_exchange(), name.as_str()).await?;
    Ok(declared)
}

/// A queue in which everything waits for the same time, then moves on. At least once: a message leaves it only when
/// the next queue has confirmed it.
async fn waiting(channel: &Channel, name: &str, ttl_ms: u64, next: &str) -> Result<Queue> {
    let arguments = [
        ("x-message-ttl", AMQPValue::LongLongInt(i64::try_from(ttl_ms).unwrap_or(i64::MAX))),
        ("x-dead-letter-exchange", text(next)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ];
    queue(channel, name, &arguments).await
}

async fn queue(channel: &Channel, name: &str, arguments: &[(&'static str, AMQPValue)]) -> Result<Queue> {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    for (key, value) in arguments {
        table.insert((*key).into(), value.clone());
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(short(name)?, options, table).await.map_err(amqp_error("declaring a queue"))
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind, arguments: FieldTable) -> Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(short(name)?, kind, options, arguments).await.map_err(amqp_error("declaring an exchange"))
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let (queue, exchange, key) = (short(queue)?, short(exchange)?, short(key)?);
    let binding = channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default());
    binding.await.map_err(amqp_error("binding a queue"))
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}
