//! What the locks protect: a register for each key, once guarded by fence tokens and once not.
//!
//! Holders read a version and write its successor, as a process does that reads a balance and writes it back. The
//! register lives outside the lock servers, reached over TCP, so writes can be late.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use nebula_lock::{Fence, FenceGuard};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// The registers and the service that lets clients at them. Dropping it ends the service.
#[derive(Debug)]
pub(crate) struct Store {
    port: u16,
    items: Items,
    _service: AbortOnDropHandle<()>,
}

type Items = Arc<Mutex<BTreeMap<String, Item>>>;

#[derive(Debug, Default)]
struct Item {
    guarded: FenceGuard<Register>,
    unguarded: Register,
    /// Writers that began, as a sign of life.
    opened: u64,
    refused: u64,
    /// Lost updates of the unguarded register, by writers that looked whether they had lost the lock, and others.
    lost: [u64; 2],
}

#[derive(Debug, Default)]
struct Register {
    version: u64,
    writes: Vec<Write>,
}

/// A write that was accepted.
#[derive(Clone, Debug)]
struct Write {
    fence: u64,
    /// The version that the writer had read.
    base: u64,
    /// The version that it overwrote.
    over: u64,
}

/// What happened to the registers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Damage {
    pub(crate) writes: usize,
    /// Stale writes that the fence guard refused.
    pub(crate) refused: u64,
    /// What is wrong with the guarded register; must be empty.
    pub(crate) guarded: Vec<String>,
    /// Updates that the unguarded register lost, though the writer stopped as soon as it knew of the loss of its lock.
    pub(crate) lost_by_careful: u64,
    /// The same for writers that never look.
    pub(crate) lost_by_naive: u64,
}

impl Store {
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let items = Items::default();
        let service = tokio::spawn(serve(listener, Arc::clone(&items)));
        Ok(Self { port, items, _service: AbortOnDropHandle::new(service) })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// How many holders of the key have begun so far.
    pub(crate) fn opened(&self, key: &str) -> u64 {
        self.items.lock().get(key).map_or(0, |item| item.opened)
    }

    pub(crate) fn damage(&self) -> Damage {
        let mut damage = Damage::default();
        for (key, item) in &*self.items.lock() {
            damage.refused += item.refused;
            damage.lost_by_careful += item.lost[0];
            damage.lost_by_naive += item.lost[1];
            item.guarded.read(|register| {
                damage.writes += register.writes.len();
                damage.guarded.extend(stale(&register.writes).into_iter().map(|text| format!("{key}: {text}")));
            });
        }
        damage
    }
}

/// Every accepted write is based on what it overwrites, and comes from no earlier holder than the one before.
fn stale(writes: &[Write]) -> Vec<String> {
    let order = writes.windows(2).filter(|pair| pair[1].fence < pair[0].fence);
    let order = order.map(|pair| format!("a write under token {} was accepted after {}", pair[1].fence, pair[0].fence));
    let base = writes.iter().filter(|write| write.base != write.over);
    let base = base.map(|write| {
        format!("a write under token {} to version {} overwrote version {}", write.fence, write.base, write.over)
    });
    order.chain(base).collect()
}

async fn serve(listener: TcpListener, items: Items) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let items = Arc::clone(&items);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream);
            let mut line = String::new();
            while lines.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let Some(reply) = answer(&items, line.trim_end()) else { return };
                if lines.get_mut().write_all(reply.as_bytes()).await.is_err() {
                    return;
                }
                line.clear();
            }
        });
    }
}

/// `open KEY FENCE` reads both versions; the guarded one is `-` if the token is stale already.
/// `write KEY FENCE VERSION|- VERSION careful|naive` writes what follows these versions.
fn answer(items: &Items, line: &str) -> Option<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut items = items.lock();
    match *words {
        ["open", key, fence] => {
            let item = items.entry(key.to_owned()).or_default();
            item.opened += 1;
            // Reading shows the token as well: whoever read under an older one cannot write after this.
            let guarded = item.guarded.write(Fence::new(fence.parse().ok()?), |register| register.version);
            let guarded = guarded.map_or_else(|_| "-".to_owned(), |version| version.to_string());
            Some(format!("{guarded} {}\n", item.unguarded.version))
        }
        ["write", key, fence, guarded, unguarded, style] => {
            let item = items.entry(key.to_owned()).or_default();
            let (fence, base): (u64, u64) = (fence.parse().ok()?, unguarded.parse().ok()?);
            if base != item.unguarded.version {
                item.lost[usize::from(style == "naive")] += 1;
            }
            item.unguarded.version = base + 1;
            let accepted = guarded.parse().ok().is_some_and(|base: u64| {
                let write = |register: &mut Register| {
                    register.writes.push(Write { fence, base, over: register.version });
                    register.version = base + 1;
                };
                item.guarded.write(Fence::new(fence), write).is_ok()
            });
            item.refused += u64::from(!accepted);
            Some(if accepted { "ok\n" } else { "stale\n" }.to_owned())
        }
        _ => None,
    }
}

/// A client's way to the store. A request that is given up half-way costs the connection.
#[derive(Debug)]
pub(crate) struct Way {
    port: u16,
    stream: Option<BufReader<TcpStream>>,
}

/// The versions that a writer has read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    guarded: Option<u64>,
    unguarded: u64,
}

impl Way {
    pub(crate) const fn new(port: u16) -> Self {
        Self { port, stream: None }
    }

    pub(crate) async fn open(&mut self, key: &str, fence: u64) -> io::Result<Seen> {
        let reply = self.ask(format!("open {key} {fence}\n")).await?;
        let (guarded, unguarded) = reply.split_once(' ').unwrap_or_default();
        let unguarded = unguarded.parse().map_err(|_| io::Error::other(format!("the store said {reply:?}")))?;
        Ok(Seen { guarded: guarded.parse().ok(), unguarded })
    }

    pub(crate) async fn write(&mut self, key: &str, fence: u64, seen: Seen, careful: bool) -> io::Result<()> {
        let guarded = seen.guarded.map_or_else(|| "-".to_owned(), |version| version.to_string());
        let style = if careful { "careful" } else { "naive" };
        self.ask(format!("write {key} {fence} {guarded} {} {style}\n", seen.unguarded)).await.map(drop)
    }

    async fn ask(&mut self, line: String) -> io::Result<String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
                stream.set_nodelay(true)?;
                BufReader::new(stream)
            }
        };
        stream.get_mut().write_all(line.as_bytes()).await?;
        let mut reply = String::new();
        if stream.read_line(&mut reply).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.stream = Some(stream);
        Ok(reply.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unguarded_register_loses_updates() {
        let items = Items::default();
        let say = |line: &str| answer(&items, line).unwrap();
        assert_eq!(say("open key 1"), "0 0\n");
        assert_eq!(say("open key 2"), "0 0\n");
        assert_eq!(say("write key 2 0 0 careful"), "ok\n");
        assert_eq!(say("write key 1 0 0 naive"), "stale\n");
        assert_eq!(say("open key 1"), "- 1\n");
        let store = items.lock();
        let item = &store["key"];
        assert_eq!((item.lost, item.refused, item.unguarded.version), ([0, 1], 1, 1));
        assert_eq!(item.guarded.read(|register| register.version), 1);
    }

    #[test]
    fn what_a_broken_guard_lets_through_is_seen() {
        let write = |fence, base, over| Write { fence, base, over };
        assert_eq!(stale(&[write(1, 0, 0), write(1, 1, 1), write(2, 2, 2)]), Vec::<String>::new());
        assert_eq!(stale(&[write(2, 0, 0), write(1, 1, 1)]).len(), 1);
        assert_eq!(stale(&[write(1, 0, 0), write(2, 0, 1)]).len(), 1);
    }
}
