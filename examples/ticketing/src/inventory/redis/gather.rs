//! Group commit: holds of one session that are wanted at the same time share a call of the script.
//!
//! No delay is added. While as many calls as may be are under way, further holds gather for the next one.

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem, slice,
    sync::Arc,
};

use nebula_redis::Error;
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::yield_now};

use super::server::{HOLD, Server, unavailable};
use crate::{
    ids::SessionId,
    inventory::{Hold, LedgerError},
};

/// Holds that one call carries at most: what keeps the server from others is bounded.
const MOST: usize = 128;
/// While one call is executed, another travels there and back.
const CALLS: usize = 2;

const CONTEXT: &str = "hold seats";

/// The holds of all sessions that are under way.
pub(super) struct Gather {
    /// Holds go one by one while not more than this many of their session are under way.
    above: usize,
    sessions: Mutex<HashMap<SessionId, Gathered>>,
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("above", &self.above).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Gathered {
    under_way: usize,
    calls: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    wish: String,
    reply: oneshot::Sender<Result<Hold, Failure>>,
}

/// Why a call failed: each of its holds is told.
#[derive(Clone)]
enum Failure {
    Unavailable(Error),
    Corrupt(String),
}

impl From<Failure> for LedgerError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(error) => unavailable(CONTEXT)(error),
            Failure::Corrupt(text) => Self::Corrupt(text),
        }
    }
}

impl Gather {
    pub(super) fn new(above: usize) -> Self {
        Self { above, sessions: Mutex::default() }
    }

    /// What the script answers to this wish.
    pub(super) async fn hold(
        self: &Arc<Self>,
        server: &Server,
        session: SessionId,
        wish: String,
    ) -> Result<Hold, LedgerError> {
        let turn = self.enter(session);
        if turn.before < self.above {
            let mut holds = call(server, session, slice::from_ref(&wish)).await?;
            return holds.pop().ok_or_else(|| LedgerError::Corrupt("no answer to a hold".to_owned()));
        }
        let answer = self.add(server, session, wish);
        // Nobody is left to answer when the runtime goes down.
        Ok(answer.await.map_err(unavailable(CONTEXT))??)
    }

    fn enter(self: &Arc<Self>, session: SessionId) -> UnderWay<'_> {
        let mut sessions = self.sessions.lock();
        let gathered = sessions.entry(session).or_default();
        gathered.under_way += 1;
        UnderWay { gather: self, session, before: gathered.under_way - 1 }
    }

    fn add(
        self: &Arc<Self>,
        server: &Server,
        session: SessionId,
        wish: String,
    ) -> oneshot::Receiver<Result<Hold, Failure>> {
        let (reply, answer) = oneshot::channel();
        let mut sessions = self.sessions.lock();
        let gathered = sessions.entry(session).or_default();
        gathered.waiting.push_back(Waiting { wish, reply });
        if gathered.calls < CALLS {
            gathered.calls += 1;
            let caller = Caller { gather: Arc::clone(self), session, finished: false };
            drop(sessions);
            tokio::spawn(caller.run(server.clone()));
        }
        answer
    }

    /// Changes what is gathered for a session, and forgets the session when nobody is left.
    fn change<T>(&self, session: SessionId, change: impl FnOnce(&mut Gathered) -> T) -> T {
        let mut sessions = self.sessions.lock();
        let gathered = sessions.entry(session).or_default();
        let changed = change(gathered);
        if gathered.under_way == 0 && gathered.calls == 0 {
            sessions.remove(&session);
        }
        changed
    }
}

/// Counts a hold until it is dropped.
struct UnderWay<'a> {
    gather: &'a Gather,
    session: SessionId,
    before: usize,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.gather.change(self.session, |gathered| gathered.under_way -= 1);
    }
}

/// Calls the script until nothing gathers any more. No hold's fate ends it.
struct Caller {
    gather: Arc<Gather>,
    session: SessionId,
    finished: bool,
}

impl Caller {
    async fn run(mut self, server: Server) {
        loop {
            // Whoever is ready to run may have something to add.
            yield_now().await;
            let (wishes, replies) = self.next();
            if wishes.is_empty() {
                self.finished = true;
                return;
            }
            metrics::histogram!("ticketing_hold_batch_size").record(u32::try_from(wishes.len()).unwrap_or(u32::MAX));
            match call(&server, self.session, &wishes).await {
                Ok(holds) => replies.into_iter().zip(holds).for_each(|(reply, hold)| drop(reply.send(Ok(hold)))),
                Err(failure) => replies.into_iter().for_each(|reply| drop(reply.send(Err(failure.clone())))),
            }
        }
    }

    /// What the next call carries; nothing, and one caller less, if nothing has gathered.
    fn next(&self) -> (Vec<String>, Vec<oneshot::Sender<Result<Hold, Failure>>>) {
        self.gather.change(self.session, |gathered| {
            let (mut wishes, mut replies) = (Vec::new(), Vec::new());
            while wishes.len() < MOST
                && let Some(Waiting { wish, reply }) = gathered.waiting.pop_front()
            {
                // Whoever left may release next, and a hold must not come after that.
                if !reply.is_closed() {
                    wishes.push(wish);
                    replies.push(reply);
                }
            }
            if wishes.is_empty() {
                gathered.calls -= 1;
            }
            (wishes, replies)
        })
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // The runtime went down. Nobody may wait for what nobody sends.
        let left = self.gather.change(self.session, |gathered| {
            gathered.calls -= 1;
            if gathered.calls == 0 { mem::take(&mut gathered.waiting) } else { VecDeque::new() }
        });
        drop(left);
    }
}

async fn call(server: &Server, session: SessionId, wishes: &[String]) -> Result<Vec<Hold>, Failure> {
    let reply = server.step(&HOLD, session, wishes).await.map_err(Failure::Unavailable)?;
    reply.holds(wishes.len()).map_err(|error| Failure::Corrupt(error.to_string()))
}
