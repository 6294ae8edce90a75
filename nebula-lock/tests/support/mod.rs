//! A memory backend that can be told to misbehave, and that remembers the commands it got.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_lock::{
    Attempt, Claim, DistributedLock, Error, ErrorKind, Fence, Holder, LockKey, MemoryLock, QuorumNode, Result, Watch,
};
use parking_lot::Mutex;
use tokio::time::sleep;

#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty {
    pub(crate) inner: MemoryLock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    log: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Mood {
    /// As it should be.
    #[default]
    Fine,
    /// Nothing is carried out, and an error says so.
    Refuses(ErrorKind),
    /// Nothing is carried out, and no reply ever comes.
    Deaf,
    /// Commands are carried out, but no reply ever comes.
    Mute,
    /// Attempts are carried out; nothing else is, and no reply ever comes.
    Grabs,
    /// Commands are carried out at once; the reply takes its time.
    Slow(Duration),
}

impl Faulty {
    pub(crate) fn becomes(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    /// What happened so far: `verb` when a command arrived, `verb done` when its reply left.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().log.clone()
    }

    pub(crate) fn count(&self, entry: &str) -> usize {
        self.state.lock().log.iter().filter(|line| *line == entry).count()
    }

    async fn act<T: Send>(&self, verb: &str, command: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let mood = self.state.lock().mood;
        self.state.lock().log.push(verb.to_owned());
        let reply = match mood {
            Mood::Fine => command.await,
            Mood::Refuses(kind) => Err(Error::new(kind, "out of order")),
            Mood::Mute | Mood::Grabs if verb == "acquire" || !matches!(mood, Mood::Grabs) => {
                drop(command.await);
                std::future::pending().await
            }
            Mood::Deaf | Mood::Mute | Mood::Grabs => std::future::pending().await,
            Mood::Slow(delay) => {
                let reply = command.await;
                sleep(delay).await;
                reply
            }
        };
        self.state.lock().log.push(format!("{verb} done"));
        reply
    }
}

#[async_trait]
impl DistributedLock for Faulty {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        self.act("acquire", self.inner.try_acquire(claim, lease)).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        self.act("renew", self.inner.renew(claim, lease)).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        self.act("release", self.inner.release(claim)).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        self.act("watch", self.inner.watch(claim)).await
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.act("inspect", self.inner.inspect(key)).await
    }

    async fn ping(&self) -> Result<()> {
        self.act("ping", self.inner.ping()).await
    }
}

#[async_trait]
impl QuorumNode for Faulty {
    async fn settle(&self, claim: &Claim, fence: Fence) -> Result<bool> {
        self.act("settle", self.inner.settle(claim, fence)).await
    }

    async fn try_settle(&self, claim: &Claim, fence: Fence) -> Result<Option<Fence>> {
        self.act("settle", self.inner.try_settle(claim, fence)).await
    }
}
