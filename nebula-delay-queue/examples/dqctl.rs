//! Looks into queues on Redis, RabbitMQ, PostgreSQL, MySQL, MariaDB or in an SQLite file, and mends them.
//!
//! `cargo run -p nebula-delay-queue --all-features --example dqctl -- redis://127.0.0.1/ dead order.timeout`
//!
//! `trace` reads the trace store that the application gave to `DelayQueue::with_trace`, on Redis or in a database; name it with
//! `--trace`. On RabbitMQ, `list` and `peek` need it as well, as a broker shows nobody what it holds, and `cancel` needs the ledger that
//! the application uses: name it with `--ledger`.

use std::{
    error::Error,
    io::Write,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nebula_delay_queue::{
    Cancel, DelayQueue, DelayQueueConfig, MessageLedger, RabbitDelayQueue, RedisLedger, RedisTrace, Replay, SqlLedger,
    SqlTrace, TraceStore,
    nebula_redis::RedisConfig,
    sqlx::{MySqlPool, PgPool, SqlitePool},
};

type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: dqctl URL [--ledger URL] [--trace URL] COMMAND
URL is redis://… (redis-sentinel://…, redis-cluster://…), amqp://…, postgres://…, mysql://… or the path of an SQLite file;
those of the ledger and of the trace are any of these but amqp://…; COMMAND is one of
  list                 all queues, with how many messages are where
  stats QUEUE          one of them
  peek QUEUE [N]       the N messages that are due next
  trace QUEUE ID       the life of a message
  cancel QUEUE ID      take a message back
  dead QUEUE [N]       the N longest dead letters
  replay QUEUE ID      give a dead letter a new life
  replay QUEUE --all   give all of them one";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&arguments, &mut std::io::stdout()).await
}

/// What the program does; it writes to `out`.
pub(crate) async fn run(arguments: &[&str], out: &mut (impl Write + Send)) -> Result<(), Failure> {
    let [url, rest @ ..] = arguments else { return Err(USAGE.into()) };
    let (mut queue, rest) = match rest {
        ["--ledger", ledger, rest @ ..] if url.starts_with("amqp") => {
            let rabbit = RabbitDelayQueue::options(*url).connect().await?;
            (DelayQueue::new(rabbit.with_ledger(open(ledger).await?)), rest)
        }
        rest => (connect(url).await?, rest),
    };
    let command = match rest {
        ["--trace", store, command @ ..] => {
            queue = queue.with_trace(lives(store).await?);
            command
        }
        command => command,
    };
    match *command {
        ["list"] => {
            for name in queue.queues().await? {
                stats(&queue, name.as_str(), out).await?;
            }
        }
        ["stats", name] => stats(&queue, name, out).await?,
        ["peek", name] => peek(&queue, name, 10, out).await?,
        ["peek", name, most] => peek(&queue, name, most.parse()?, out).await?,
        ["trace", name, id] => {
            for event in queue.trace(name, id).await? {
                writeln!(out, "{} {}", time(event.at), serde_json::to_string(&event.what)?)?;
            }
        }
        ["cancel", name, id] => match queue.cancel(name, id).await? {
            Cancel::Cancelled => writeln!(out, "{id} cancelled")?,
            Cancel::NotFound => writeln!(out, "{id} is unknown, or a worker has it")?,
        },
        ["dead", name] => dead(&queue, name, 10, out).await?,
        ["dead", name, most] => dead(&queue, name, most.parse()?, out).await?,
        ["replay", name, "--all"] => replay_all(&queue, name, out).await?,
        ["replay", name, id] => match queue.replay(name, id).await? {
            Replay::Replayed => writeln!(out, "{id} replayed")?,
            Replay::NotFound => writeln!(out, "{id} is no dead letter")?,
        },
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

async fn connect(url: &str) -> Result<DelayQueue, Failure> {
    let config = match url.split_once("://") {
        Some(("redis" | "rediss" | "redis-sentinel" | "rediss-sentinel" | "redis-cluster" | "rediss-cluster", _)) => {
            DelayQueueConfig::redis(url)
        }
        Some(("amqp" | "amqps", _)) => DelayQueueConfig::rabbitmq(url),
        Some(("postgres" | "postgresql", _)) => DelayQueueConfig::postgres(url),
        Some(("mysql" | "mariadb", _)) => DelayQueueConfig::mysql(url),
        Some(_) => return Err(USAGE.into()),
        None => DelayQueueConfig::sqlite(existing(url)?),
    };
    Ok(config.connect().await?)
}

async fn open(url: &str) -> Result<Arc<dyn MessageLedger>, Failure> {
    Ok(match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => Arc::new(SqlLedger::new(PgPool::connect(url).await?)),
        Some(("mysql" | "mariadb", _)) => Arc::new(SqlLedger::new(MySqlPool::connect(url).await?)),
        Some((scheme, _)) if scheme.starts_with("redis") => {
            Arc::new(RedisLedger::new(RedisConfig::new(url).connect().await?))
        }
        Some(_) => return Err(USAGE.into()),
        None => Arc::new(SqlLedger::new(SqlitePool::connect(existing(url)?).await?)),
    })
}

async fn lives(url: &str) -> Result<Arc<dyn TraceStore>, Failure> {
    Ok(match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => Arc::new(SqlTrace::new(PgPool::connect(url).await?)),
        Some(("mysql" | "mariadb", _)) => Arc::new(SqlTrace::new(MySqlPool::connect(url).await?)),
        Some((scheme, _)) if scheme.starts_with("redis") => {
            Arc::new(RedisTrace::new(RedisConfig::new(url).connect().await?))
        }
        Some(_) => return Err(USAGE.into()),
        None => Arc::new(SqlTrace::new(SqlitePool::connect(existing(url)?).await?)),
    })
}

/// Nobody wants a new file for a name that was misspelt.
fn existing(file: &str) -> Result<&str, Failure> {
    if std::path::Path::new(file).is_file() { Ok(file) } else { Err(format!("there is no file {file}").into()) }
}

async fn stats(queue: &DelayQueue, name: &str, out: &mut (impl Write + Send)) -> Result<(), Failure> {
    let stats = queue.stats(name).await?;
    let known = |count: Option<u64>| count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    let (total, overdue) = (known(stats.total), known(stats.overdue));
    let delayed = known(stats.total.map(|_| stats.delayed));
    let (due, leased, dead, late) = (stats.backlog, stats.leased, stats.dead, stats.oldest_lateness);
    write!(out, "{name} total={total} due={due} overdue={overdue} delayed={delayed} ")?;
    Ok(writeln!(out, "leased={leased} dead={dead} late={late:?}")?)
}

async fn peek(queue: &DelayQueue, name: &str, most: usize, out: &mut (impl Write + Send)) -> Result<(), Failure> {
    for pending in queue.peek(name, most).await? {
        writeln!(out, "{} due {}", pending.id, time(pending.due))?;
    }
    Ok(())
}

async fn dead(queue: &DelayQueue, name: &str, most: usize, out: &mut (impl Write + Send)) -> Result<(), Failure> {
    for letter in queue.dead_letters(name, 0, most).await? {
        let (id, died) = (&letter.message.id, time(letter.died));
        let error = letter.last_error.as_deref().unwrap_or("-");
        writeln!(out, "{id} died {died} after {} attempts: {} ({error})", letter.attempts, letter.reason)?;
    }
    Ok(())
}

async fn replay_all(queue: &DelayQueue, name: &str, out: &mut (impl Write + Send)) -> Result<(), Failure> {
    // As many as there are now: what dies again meanwhile is not replayed for ever.
    let mut replayed = 0;
    for _ in 0..queue.stats(name).await?.dead {
        let Some(letter) = queue.dead_letters(name, 0, 1).await?.pop() else { break };
        replayed += u64::from(queue.replay(name, &letter.message.id).await? == Replay::Replayed);
    }
    Ok(writeln!(out, "{replayed} replayed")?)
}

/// Seconds since 1970, to the millisecond.
fn time(time: SystemTime) -> String {
    let since: Duration = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}
