//! Group commit: holds of one session that are wanted at the same time share a call of the script, and so do confirmations.
//!
//! No delay is added. While as many calls as may be are under way, further wishes gather for the next one. Each has an answer of
//! its own: one that is refused, or repeated, is nothing to the others; when a call fails, all that it carried are told, and ask
//! again each for itself.

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem, slice,
    sync::{Arc, LazyLock, OnceLock},
};

use metrics::Histogram;
use nebula_redis::{Error, Script};
use parking_lot::Mutex;
use tokio::{sync::oneshot, task::yield_now};

use super::{
    reply::Reply,
    server::{Server, unavailable},
};
use crate::{ids::SessionId, inventory::LedgerError};

/// Wishes that one call carries at most: what keeps the server from others is bounded.
const MOST: usize = 128;
/// While one call is executed, another travels there and back.
const CALLS: usize = 2;

/// What is wished for: a script that takes many wishes and answers each.
pub(super) struct Kind<T> {
    pub(super) context: &'static str,
    pub(super) script: &'static LazyLock<Script>,
    /// The histogram of how many share a call.
    pub(super) size: &'static str,
    /// Reads the answers to so many wishes.
    pub(super) read: fn(Reply, usize) -> Result<Vec<T>, LedgerError>,
}

/// The wishes of one kind, of all sessions, that are under way.
pub(super) struct Gather<T: 'static> {
    kind: &'static Kind<T>,
    /// They go one by one while not more than this many of their session are under way.
    above: usize,
    sessions: Mutex<HashMap<SessionId, Gathered<T>>>,
    /// Looked up at the first call, when whoever collects them is there.
    sizes: OnceLock<Histogram>,
}

impl<T: 'static> fmt::Debug for Gather<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").field("above", &self.above).finish_non_exhaustive()
    }
}

struct Gathered<T> {
    under_way: usize,
    calls: usize,
    waiting: VecDeque<Waiting<T>>,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self { under_way: 0, calls: 0, waiting: VecDeque::new() }
    }
}

type Answer<T> = oneshot::Sender<Result<T, Failure>>;

struct Waiting<T> {
    wish: String,
    reply: Answer<T>,
}

/// Why a call failed: each of its wishes is told.
#[derive(Clone)]
enum Failure {
    Unavailable(Error),
    Corrupt(String),
}

impl Failure {
    fn of(self, context: &'static str) -> LedgerError {
        match self {
            Self::Unavailable(error) => unavailable(context)(error),
            Self::Corrupt(text) => LedgerError::Corrupt(text),
        }
    }
}

impl<T: Send + 'static> Gather<T> {
    pub(super) fn new(kind: &'static Kind<T>, above: usize) -> Self {
        Self { kind, above, sessions: Mutex::default(), sizes: OnceLock::new() }
    }

    /// What the script answers to this wish.
    pub(super) async fn ask(
        self: &Arc<Self>,
        server: &Server,
        session: SessionId,
        wish: String,
    ) -> Result<T, LedgerError> {
        let context = self.kind.context;
        let turn = self.enter(session);
        if turn.before < self.above {
            let mut answers =
                self.kind.call(server, session, slice::from_ref(&wish)).await.map_err(|f| f.of(context))?;
            return answers.pop().ok_or_else(|| LedgerError::Corrupt(format!("no answer to {context}")));
        }
        let answer = self.add(server, session, wish);
        // Nobody is left to answer when the runtime goes down.
        answer.await.map_err(unavailable(context))?.map_err(|failure| failure.of(context))
    }

    fn enter(self: &Arc<Self>, session: SessionId) -> UnderWay<'_, T> {
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
    ) -> oneshot::Receiver<Result<T, Failure>> {
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
    fn change<R>(&self, session: SessionId, change: impl FnOnce(&mut Gathered<T>) -> R) -> R {
        let mut sessions = self.sessions.lock();
        let gathered = sessions.entry(session).or_default();
        let changed = change(gathered);
        if gathered.under_way == 0 && gathered.calls == 0 {
            sessions.remove(&session);
        }
        changed
    }
}

/// Counts a wish until it is dropped.
struct UnderWay<'a, T: Send + 'static> {
    gather: &'a Gather<T>,
    session: SessionId,
    before: usize,
}

impl<T: Send + 'static> Drop for UnderWay<'_, T> {
    fn drop(&mut self) {
        self.gather.change(self.session, |gathered| gathered.under_way -= 1);
    }
}

/// Calls the script until nothing gathers any more. No wish's fate ends it.
struct Caller<T: Send + 'static> {
    gather: Arc<Gather<T>>,
    session: SessionId,
    finished: bool,
}

impl<T: Send + 'static> Caller<T> {
    async fn run(mut self, server: Server) {
        loop {
            // Whoever is ready to run may have something to add.
            yield_now().await;
            let (wishes, replies) = self.next();
            if wishes.is_empty() {
                self.finished = true;
                return;
            }
            let Gather { kind, sizes, .. } = &*self.gather;
            let sizes = sizes.get_or_init(|| metrics::histogram!(kind.size));
            sizes.record(u32::try_from(wishes.len()).unwrap_or(u32::MAX));
            match kind.call(&server, self.session, &wishes).await {
                Ok(answers) => {
                    replies.into_iter().zip(answers).for_each(|(reply, answer)| drop(reply.send(Ok(answer))));
                }
                Err(failure) => replies.into_iter().for_each(|reply| drop(reply.send(Err(failure.clone())))),
            }
        }
    }

    /// What the next call carries; nothing, and one caller less, if nothing has gathered.
    fn next(&self) -> (Vec<String>, Vec<Answer<T>>) {
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

impl<T: Send + 'static> Drop for Caller<T> {
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

impl<T> Kind<T> {
    async fn call(&self, server: &Server, session: SessionId, wishes: &[String]) -> Result<Vec<T>, Failure> {
        let reply = server.step(self.script, session, wishes).await.map_err(Failure::Unavailable)?;
        (self.read)(reply, wishes.len()).map_err(|error| Failure::Corrupt(error.to_string()))
    }
}
