//! The way of one client process to the server: requests and replies take their time, get lost, come twice.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use nebula_lock::{
    Attempt, Claim, DistributedLock, Error, ErrorKind, Fence, Hint, Holder, LockKey, Mode, Result, Watch,
};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::server::{Call, Condition, Server};

/// What happens to what is sent.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    /// Longest way of a request, and of a reply.
    pub(crate) delay: Duration,
    pub(crate) lose_requests: f64,
    pub(crate) lose_replies: f64,
    /// Requests that are carried out a second time, later.
    pub(crate) repeat: f64,
    /// Requests that arrive much later, after their sender has given up.
    pub(crate) late: f64,
    /// Refused at once, without being sent.
    pub(crate) refuse: f64,
}

impl Weather {
    pub(crate) fn fine() -> Self {
        let delay = Duration::from_millis(3);
        Self { delay, lose_requests: 0.0, lose_replies: 0.0, repeat: 0.0, late: 0.0, refuse: 0.0 }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: u64,
    server: Server,
    rng: Mutex<StdRng>,
    weather: Mutex<Weather>,
    /// The process is gone: nothing is sent, nothing arrives.
    dead: Mutex<bool>,
    /// After this the driver says that no reply came; without, callers have to help themselves.
    patience: Option<Duration>,
    late: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Request {
    Acquire(Duration),
    Renew(Duration),
    Release,
}

#[derive(Clone, Debug)]
enum Reply {
    Attempt(Attempt),
    Held(bool),
}

impl Link {
    pub(crate) fn new(client: u64, server: Server, seed: u64, patience: Option<Duration>, late: Duration) -> Self {
        Self(Arc::new(Inner {
            client,
            server,
            rng: Mutex::new(StdRng::seed_from_u64(seed ^ client)),
            weather: Mutex::new(Weather::fine()),
            dead: Mutex::new(false),
            patience,
            late,
        }))
    }

    pub(crate) fn becomes(&self, weather: Weather) {
        *self.0.weather.lock() = weather;
    }

    /// Fine again; hints that were missed are made up for.
    pub(crate) fn heals(&self) {
        self.becomes(Weather::fine());
        self.0.server.reconnected(self.0.client);
    }

    pub(crate) fn dies(&self) {
        *self.0.dead.lock() = true;
    }

    fn chance(&self, of: impl Fn(&Weather) -> f64) -> bool {
        let chance = of(&self.0.weather.lock());
        self.0.rng.lock().random_bool(chance)
    }

    fn delay(&self) -> Duration {
        let most = self.0.weather.lock().delay;
        most.mul_f64(self.0.rng.lock().random())
    }

    fn is_dead(&self) -> bool {
        *self.0.dead.lock()
    }

    async fn call(&self, claim: &Claim, request: Request) -> Result<Reply> {
        if self.is_dead() {
            return std::future::pending().await;
        }
        if self.chance(|weather| weather.refuse) || self.0.server.condition() == Condition::Down {
            sleep(self.delay()).await;
            return Err(Error::new(ErrorKind::Unavailable, "refused"));
        }
        let (reply, answer) = oneshot::channel();
        // On its way it belongs to the network: dropping the call does not call it back.
        tokio::spawn(self.clone().travel(claim.clone(), request, reply));
        let answer = async {
            match answer.await {
                Ok(reply) => reply,
                Err(_) => std::future::pending().await,
            }
        };
        let Some(patience) = self.0.patience else { return answer.await };
        let silence = |_| Err(Error::new(ErrorKind::OutcomeUnknown, "no reply"));
        timeout(patience, answer).await.unwrap_or_else(silence)
    }

    async fn travel(self, claim: Claim, request: Request, reply: oneshot::Sender<Result<Reply>>) {
        let late = if self.chance(|weather| weather.late) { self.0.late } else { Duration::ZERO };
        let repeats = self.chance(|weather| weather.repeat);
        let (there, back, again) = (late + self.delay(), self.delay(), self.delay() * 3);
        sleep(there).await;
        if self.chance(|weather| weather.lose_requests) {
            return;
        }
        if self.0.server.thawed().await == Condition::Down {
            let _ = reply.send(Err(Error::new(ErrorKind::OutcomeUnknown, "the connection broke")));
            return;
        }
        let answer = self.carry_out(&claim, request);
        if repeats {
            let link = self.clone();
            tokio::spawn(async move {
                sleep(again).await;
                link.carry_out(&claim, request);
            });
        }
        sleep(back).await;
        if !self.is_dead() && !self.chance(|weather| weather.lose_replies) {
            let _ = reply.send(Ok(answer));
        }
    }

    fn carry_out(&self, claim: &Claim, request: Request) -> Reply {
        match request {
            Request::Acquire(lease) => Reply::Attempt(self.0.server.acquire(claim, lease)),
            Request::Renew(lease) => Reply::Held(self.0.server.renew(claim, lease)),
            Request::Release => Reply::Held(self.0.server.release(claim)),
        }
    }
}

#[async_trait]
impl DistributedLock for Link {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        match self.call(claim, Request::Acquire(lease)).await? {
            Reply::Attempt(attempt) => Ok(attempt),
            Reply::Held(_) => unreachable!(),
        }
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        let reply = self.call(claim, Request::Renew(lease)).await?;
        Ok(matches!(reply, Reply::Held(true)))
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        let reply = self.call(claim, Request::Release).await?;
        Ok(matches!(reply, Reply::Held(true)))
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        sleep(self.delay()).await;
        if self.is_dead() {
            return std::future::pending().await;
        }
        if self.chance(|weather| weather.refuse) {
            return Err(Error::new(ErrorKind::Unavailable, "refused"));
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        self.0.server.subscribe(self.0.client, claim.key().as_str(), sender);
        let claim = claim.clone();
        Ok(Watch::new(stream::unfold((self.clone(), claim, receiver), async |(link, claim, mut receiver)| {
            loop {
                let call = receiver.recv().await?;
                if let Some(hint) = meaning(&claim, call)
                    && !link.is_dead()
                    && !link.chance(|weather| weather.lose_replies)
                {
                    let late = if link.chance(|weather| weather.late) { link.0.late } else { Duration::ZERO };
                    sleep(late + link.delay()).await;
                    return Some((hint, (link, claim, receiver)));
                }
            }
        })))
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        let holder = self.0.server.holder(key.as_str());
        Ok(holder.map(|(owner, fence, rest, reads)| {
            let holder = Holder::new(owner, Fence::new(fence), rest);
            if reads { holder.sharing_with(0) } else { holder }
        }))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

/// What a call means to a claim that waits; nothing, if it is for another one in the queue.
fn meaning(claim: &Claim, call: Call) -> Option<Hint> {
    match call {
        Call::HandedOver { owner, place, fence } if owner == *claim.owner() => {
            Some(Hint::HandedOver { place, fence: Fence::new(fence) })
        }
        Call::HandedOver { .. } if claim.mode() == Mode::Fair => None,
        _ => Some(Hint::Look),
    }
}
