//! Lists, inspects and force-releases locks on a Redis server, behind Sentinel or on a cluster.
//!
//! `cargo run -p nebula-lock --features redis --example lockctl -- redis://127.0.0.1/ list seat:`

use std::error::Error;
use std::io::Write;

use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::{Holder, LockKey, LockManager, RedisLock};

type Failure = Box<dyn Error + Send + Sync>;

const USAGE: &str = "usage: lockctl URL list [PREFIX] | URL inspect KEY | URL release KEY";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run(&arguments, &mut std::io::stdout()).await
}

/// What the program does; it writes to `out`.
pub(crate) async fn run(arguments: &[&str], out: &mut (impl Write + Send)) -> Result<(), Failure> {
    match *arguments {
        [url, "list"] => list(&connect(url).await?, "", out).await,
        [url, "list", prefix] => list(&connect(url).await?, prefix, out).await,
        [url, "inspect", key] => {
            let holder = LockManager::new(connect(url).await?).inspect(key).await?;
            show(out, &LockKey::new(key)?, holder.as_ref())
        }
        [url, "release", key] => {
            let holder = LockManager::new(connect(url).await?).force_release(key).await?;
            let outcome = if holder.is_some() { "released by force" } else { "was free" };
            Ok(writeln!(out, "{key} {outcome}")?)
        }
        _ => Err(USAGE.into()),
    }
}

async fn connect(url: &str) -> Result<RedisLock<Connection>, Failure> {
    Ok(RedisLock::new(RedisConfig::new(url).connect().await?))
}

async fn list(lock: &RedisLock<Connection>, prefix: &str, out: &mut (impl Write + Send)) -> Result<(), Failure> {
    let locks = LockManager::new(lock.clone());
    let mut held = Vec::new();
    for server in lock.on_each_server().await? {
        held.extend(server.held(prefix).await?);
    }
    held.sort();
    for key in held {
        // What has been released meanwhile is not shown.
        if let Some(holder) = locks.inspect(&key).await? {
            show(out, &key, Some(&holder))?;
        }
    }
    Ok(())
}

fn show(out: &mut (impl Write + Send), key: &LockKey, holder: Option<&Holder>) -> Result<(), Failure> {
    let Some(holder) = holder else { return Ok(writeln!(out, "{key} is free")?) };
    let readers = if holder.is_shared() { format!(" readers={}", holder.other_readers() + 1) } else { String::new() };
    let (owner, fence, ttl) = (holder.owner(), holder.fence(), holder.remaining());
    Ok(writeln!(out, "{key} owner={owner} fence={fence} ttl={ttl:?}{readers} waiting={}", holder.waiting())?)
}
