//! Nodes of a quorum behind a network that delays, reorders and loses, on paused time.
//!
//! Tokens of a node come from a counter that nobody else knows and no clock helps: only the quorum makes them increase.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_lock::{
    Attempt, Busy, Claim, DistributedLock, Fence, Holder, LockKey, Mode, Owner, QuorumNode, Result, Watch,
};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// What is broken about a node, to see that somebody notices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flaw {
    None,
    /// It claims to write tokens, and does not.
    IgnoresTokens,
    /// It lets several holds have the same token.
    SharesTokens,
    /// It releases whoever holds the lock.
    ReleasesAnybody,
    /// It restarts empty every few seconds.
    Forgets,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    state: Arc<Mutex<State>>,
    flaw: Flaw,
}

#[derive(Debug)]
struct State {
    /// One of each key, or several readers.
    holds: HashMap<LockKey, Vec<Hold>>,
    counter: u64,
    network: StdRng,
    /// Until when nothing gets through quickly.
    bad_until: Instant,
}

#[derive(Debug)]
struct Hold {
    owner: Owner,
    fence: Fence,
    end: Instant,
    reads: bool,
}

impl State {
    fn holders(&mut self, key: &LockKey) -> &mut Vec<Hold> {
        let holds = self.holds.entry(key.clone()).or_default();
        holds.retain(|hold| hold.end > Instant::now());
        holds
    }

    fn own(&mut self, claim: &Claim) -> Option<&mut Hold> {
        self.holders(claim.key()).iter_mut().find(|hold| hold.owner == *claim.owner())
    }

    fn acquire(&mut self, claim: &Claim, lease: Duration, proposal: Option<Fence>) -> Attempt {
        let end = Instant::now() + lease;
        let reads = claim.mode() == Mode::Read;
        if let Some(hold) = self.own(claim) {
            hold.end = end;
            hold.reads |= reads;
            return Attempt::Acquired(hold.fence);
        }
        let holds = self.holders(claim.key());
        if let Some(last) = holds.iter().filter(|hold| !(reads && hold.reads)).map(|hold| hold.end).max() {
            return Attempt::Busy(Busy::new().with_retry_after(last - Instant::now()));
        }
        let fence = self.mint(proposal);
        self.holders(claim.key()).push(Hold { owner: *claim.owner(), fence, end, reads });
        Attempt::Acquired(fence)
    }

    fn mint(&mut self, proposal: Option<Fence>) -> Fence {
        self.counter = (self.counter + 1).max(proposal.map_or(0, Fence::get));
        Fence::new(self.counter)
    }

    /// How long a message takes; `None`: it never arrives.
    fn trip(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if self.network.random_bool(0.001) {
            self.bad_until = now + Duration::from_millis(self.network.random_range(100..2_000));
        }
        let micros = match self.network.random_range(0..100) {
            0 => return None,
            // Late enough to arrive after many a later message.
            1..4 => self.network.random_range(50_000..4_000_000),
            _ if self.bad_until > now => self.network.random_range(10_000..1_000_000),
            _ => self.network.random_range(50..5_000),
        };
        Some(Duration::from_micros(micros))
    }
}

impl Node {
    pub(crate) fn new(seed: u64, flaw: Flaw) -> Self {
        let mut network = StdRng::seed_from_u64(seed);
        let counter = network.random_range(1..50);
        let state = State { holds: HashMap::new(), counter, network, bad_until: Instant::now() };
        let node = Self { state: Arc::new(Mutex::new(state)), flaw };
        if flaw == Flaw::Forgets {
            let state = Arc::clone(&node.state);
            tokio::spawn(async move {
                loop {
                    let pause = state.lock().network.random_range(1_000..6_000);
                    sleep(Duration::from_millis(pause)).await;
                    state.lock().holds.clear();
                }
            });
        }
        node
    }

    /// Sends a command. It is carried out when it arrives, whether or not anybody still waits for the reply.
    async fn send<T: Send + 'static>(&self, command: impl FnOnce(&mut State) -> T + Send + 'static) -> T {
        let (reply, outcome) = oneshot::channel();
        let state = Arc::clone(&self.state);
        let (there, back) = {
            let mut state = state.lock();
            (state.trip(), state.trip())
        };
        tokio::spawn(async move {
            let Some(there) = there else { return };
            sleep(there).await;
            let answer = command(&mut state.lock());
            let Some(back) = back else { return };
            sleep(back).await;
            drop(reply.send(answer));
        });
        match outcome.await {
            Ok(answer) => answer,
            Err(_) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl DistributedLock for Node {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let claim = claim.clone();
        Ok(self.send(move |state| state.acquire(&claim, lease, None)).await)
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        let claim = claim.clone();
        Ok(self.send(move |state| state.own(&claim).map(|hold| hold.end = Instant::now() + lease).is_some()).await)
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        let (claim, anybody) = (claim.clone(), self.flaw == Flaw::ReleasesAnybody);
        let release = move |state: &mut State| {
            let holds = state.holders(claim.key());
            let before = holds.len();
            holds.retain(|hold| hold.owner != *claim.owner() && !anybody);
            holds.len() < before
        };
        Ok(self.send(release).await)
    }

    async fn watch(&self, _: &Claim) -> Result<Watch> {
        Ok(Watch::none())
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        let key = key.clone();
        let seen = move |state: &mut State| {
            let holds = state.holders(&key);
            let last = holds.iter().max_by_key(|hold| hold.end)?;
            let holder = Holder::new(last.owner, last.fence, last.end - Instant::now());
            Some(if last.reads { holder.sharing_with(holds.len() - 1) } else { holder })
        };
        Ok(self.send(seen).await)
    }

    async fn ping(&self) -> Result<()> {
        self.send(|_| ()).await;
        Ok(())
    }
}

#[async_trait]
impl QuorumNode for Node {
    async fn try_acquire_at(&self, claim: &Claim, lease: Duration, fence: Fence) -> Result<Attempt> {
        let (claim, proposal) = (claim.clone(), (self.flaw != Flaw::IgnoresTokens).then_some(fence));
        Ok(self.send(move |state| state.acquire(&claim, lease, proposal)).await)
    }

    async fn settle(&self, claim: &Claim, fence: Fence) -> Result<bool> {
        let (claim, writes) = (claim.clone(), self.flaw != Flaw::IgnoresTokens);
        let settle = move |state: &mut State| {
            if writes {
                state.counter = state.counter.max(fence.get());
            }
            state.own(&claim).map(|hold| hold.fence = if writes { fence } else { hold.fence }).is_some()
        };
        Ok(self.send(settle).await)
    }

    async fn try_settle(&self, claim: &Claim, fence: Fence) -> Result<Option<Fence>> {
        let (claim, flaw) = (claim.clone(), self.flaw);
        let settle = move |state: &mut State| {
            let held = state.own(&claim)?.fence;
            let given = match flaw {
                Flaw::IgnoresTokens | Flaw::SharesTokens => fence,
                _ if held == fence => held,
                _ => state.mint(Some(fence)),
            };
            state.counter = state.counter.max(if flaw == Flaw::IgnoresTokens { 0 } else { given.get() });
            let hold = state.own(&claim)?;
            hold.fence = if flaw == Flaw::IgnoresTokens { held } else { given };
            Some(given)
        };
        Ok(self.send(settle).await)
    }
}
