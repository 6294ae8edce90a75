//! Redis Cluster: every command to the node that owns its keys.

mod nodes;
mod slots;
mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::{Arg, Cmd, Pipeline, RedisError, RedisResult, ServerError, ServerErrorKind, Value};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::client::Address;
use crate::error::{Error, ErrorKind, Result, classify};
use crate::link::{Dialer, Keeper, Link, Target, not_sent};
pub(crate) use nodes::Nodes;
pub use slots::key_slot;
use view::View;

/// Pause before a command that no node took is offered again, and between two looks at the cluster.
const PAUSE: Duration = Duration::from_millis(30);

/// Nodes that send a command on and on know less than we do.
const REDIRECTS: usize = 8;

/// Links to the owners of slots, and a task that keeps an eye on who they are.
#[derive(Debug)]
pub(crate) struct Cluster {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

#[derive(Debug)]
struct Shared {
    nodes: Arc<Nodes>,
    /// For links to nodes; the target is put in for each.
    dialer: Dialer,
    keepers: Mutex<HashMap<Address, Arc<Keeper>>>,
    view: watch::Sender<Sight>,
    /// Something does not fit: look again now.
    doubt: Notify,
}

#[derive(Debug)]
enum Sight {
    None(Option<RedisError>),
    View(Arc<View>),
}

/// Where a command goes next.
enum Next {
    Owner,
    /// A slot that is being moved: this key is there already.
    Ask(Address),
}

impl Cluster {
    pub(crate) fn start(nodes: Arc<Nodes>, dialer: Dialer) -> Result<Arc<Self>> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|error| Error::new(ErrorKind::ConfigInvalid, "no tokio runtime").with_source(error))?;
        let (view, _) = watch::channel(Sight::None(None));
        let shared = Arc::new(Shared { nodes, dialer, keepers: Mutex::default(), view, doubt: Notify::new() });
        let stop = CancellationToken::new();
        runtime.spawn(stop.clone().run_until_cancelled_owned(watch_over(Arc::clone(&shared))));
        Ok(Arc::new(Self { shared, _stop: stop.drop_guard() }))
    }

    /// The outcome of the first look.
    pub(crate) async fn first_view(&self) -> RedisResult<()> {
        let mut sight = self.shared.view.subscribe();
        match sight.wait_for(|sight| !matches!(sight, Sight::None(None))).await.as_deref() {
            Ok(Sight::None(Some(error))) => return Err(error.clone()),
            Ok(_) => {}
            Err(_) => return Err(not_sent("the runtime that watched the cluster has ended", None)),
        }
        // A password that is wrong, say, shows here.
        self.shared.link(None, self.shared.dialer.connect_timeout).await.map(drop)
    }

    /// The link to each owner of slots.
    pub(crate) async fn masters(&self, patience: Duration) -> RedisResult<Vec<Arc<Keeper>>> {
        // There may be no view yet.
        self.shared.link(None, patience).await?;
        let masters = match &*self.shared.view.borrow() {
            Sight::View(view) => view.masters(),
            Sight::None(error) => return Err(not_sent("nobody has seen the redis cluster", error.clone())),
        };
        masters.iter().map(|address| self.shared.keeper(address)).collect()
    }

    pub(crate) async fn command(&self, command: &Cmd, patience: Duration) -> RedisResult<Value> {
        let slot = slots::of_command(command)?;
        let mut attempts = Attempts::new(&self.shared, slot, patience);
        loop {
            let reply = match attempts.link().await? {
                (link, false) => link.command(command).await,
                (link, true) => {
                    let mut asking = redis::pipe();
                    asking.cmd("ASKING").add_command(command.clone());
                    link.pipeline(&asking, 1, 1).await.map(|mut replies| replies.pop().unwrap_or(Value::Nil))
                }
            };
            let refused = match &reply {
                Ok(Value::ServerError(error)) => Some(error),
                _ => None,
            };
            if !attempts.again(reply.as_ref().err(), refused).await {
                return reply;
            }
        }
    }

    pub(crate) async fn pipeline(
        &self,
        commands: &Pipeline,
        (offset, count): (usize, usize),
        patience: Duration,
    ) -> RedisResult<Vec<Value>> {
        let slot = slots::of_pipeline(commands)?;
        let mut attempts = Attempts::new(&self.shared, slot, patience);
        loop {
            // Of several commands some may be there and some here: only the owner is asked.
            let (link, _) = attempts.link().await?;
            let replies = link.pipeline(commands, offset, count).await;
            // Only what was refused as a whole may be repeated.
            let refused = replies.as_ref().ok().and_then(|replies| refusal(commands, replies));
            if !attempts.again(replies.as_ref().err(), refused).await {
                return replies;
            }
        }
    }
}

/// The error with which a node has refused all of a pipeline, so that nothing of it was carried out.
fn refusal<'a>(commands: &Pipeline, replies: &'a [Value]) -> Option<&'a ServerError> {
    let Some(Value::ServerError(first)) = replies.first() else { return None };
    let same = |reply: &Value| matches!(reply, Value::ServerError(error) if error.code() == first.code());
    // `WAIT` changes nothing, and belongs to no slot: every node answers it in its own way, whoever owns the keys before it.
    let waits = |place: usize| replies.len() == commands.len() && commands.cmd_iter().nth(place).is_some_and(is_wait);
    let alike = replies.iter().enumerate().all(|(place, reply)| same(reply) || waits(place));
    alike.then_some(first)
}

fn is_wait(command: &Cmd) -> bool {
    matches!(command.args_iter().next(), Some(Arg::Simple(name)) if name.eq_ignore_ascii_case(b"WAIT"))
}

/// One command on its way. It is offered to nodes until one takes it; never again once one may have.
struct Attempts<'a> {
    shared: &'a Arc<Shared>,
    slot: Option<u16>,
    deadline: Instant,
    next: Next,
    redirects: usize,
    at: Option<Address>,
}

impl<'a> Attempts<'a> {
    fn new(shared: &'a Arc<Shared>, slot: Option<u16>, patience: Duration) -> Self {
        Self { shared, slot, deadline: Instant::now() + patience, next: Next::Owner, redirects: 0, at: None }
    }

    /// The link to use, and whether to say that we were sent there.
    async fn link(&mut self) -> RedisResult<(Link, bool)> {
        let rest = self.deadline.saturating_duration_since(Instant::now());
        let (address, link, asking) = match std::mem::replace(&mut self.next, Next::Owner) {
            Next::Owner => {
                let (address, link) = self.shared.link(self.slot, rest).await?;
                (address, link, false)
            }
            Next::Ask(address) => {
                let link = self.shared.keeper(&address)?.link(rest).await?;
                (address, link, true)
            }
        };
        self.at = Some(address);
        Ok((link, asking))
    }

    /// Whether to offer it again, after a pause if need be.
    async fn again(&mut self, failure: Option<&RedisError>, refused: Option<&ServerError>) -> bool {
        if let Some(error) = failure {
            self.shared.doubt.notify_one();
            return classify(error) == ErrorKind::Unavailable && error.is_io_error() && self.pause().await;
        }
        let Some(refused) = refused else { return false };
        match refused.kind() {
            Some(ServerErrorKind::Moved) => {
                self.shared.doubt.notify_one();
                if let (Some(slot), Some(address)) = (self.slot, self.target(refused)) {
                    self.shared.moved(slot, address);
                }
                self.redirected()
            }
            Some(ServerErrorKind::Ask) => match self.target(refused) {
                Some(address) => {
                    self.next = Next::Ask(address);
                    self.redirected()
                }
                None => false,
            },
            Some(
                ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::ReadOnly,
            ) => {
                self.shared.doubt.notify_one();
                self.pause().await
            }
            _ => false,
        }
    }

    fn redirected(&mut self) -> bool {
        self.redirects += 1;
        self.redirects <= REDIRECTS && Instant::now() < self.deadline
    }

    async fn pause(&self) -> bool {
        let next = Instant::now() + PAUSE;
        if next >= self.deadline {
            return false;
        }
        sleep_until(next).await;
        true
    }

    /// `3999 127.0.0.1:6381`, or `3999 :6381` for the host that says so.
    fn target(&self, redirect: &ServerError) -> Option<Address> {
        let (host, port) = redirect.details()?.split_whitespace().nth(1)?.rsplit_once(':')?;
        let host = if host.is_empty() { self.at.as_ref()?.host.clone() } else { host.to_owned() };
        Some(Address { host, port: port.parse().ok()? })
    }
}

impl Shared {
    fn keeper(&self, address: &Address) -> RedisResult<Arc<Keeper>> {
        let mut keepers = self.keepers.lock();
        if let Some(keeper) = keepers.get(address) {
            return Ok(Arc::clone(keeper));
        }
        let dialer = Dialer { target: Target::Fixed(Arc::new(self.nodes.client(address)?)), ..self.dialer.clone() };
        let keeper =
            Keeper::start(dialer).map_err(|error| not_sent_because("no link to a node can be opened", &error))?;
        keepers.insert(address.clone(), Arc::clone(&keeper));
        Ok(keeper)
    }

    /// A link to the owner of the slot, or to any owner. Who that is may change while we wait.
    async fn link(&self, slot: Option<u16>, patience: Duration) -> RedisResult<(Address, Link)> {
        let deadline = Instant::now() + patience;
        let mut sight = self.view.subscribe();
        loop {
            let view = match &*sight.borrow_and_update() {
                Sight::View(view) => Ok(Arc::clone(view)),
                Sight::None(error) => Err(error.clone()),
            };
            let failure = match view {
                Ok(view) => match self.try_link(&view, slot, &mut sight, deadline).await {
                    Ok(found) => return Ok(found),
                    Err(error) => Some(error),
                },
                Err(error) => error,
            };
            if let Some(error) = &failure
                && !classify(error).is_retryable()
            {
                return Err(error.clone());
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(not_sent("no node of the redis cluster takes the command", failure));
            }
            self.doubt.notify_one();
            let _ = timeout(PAUSE, sight.changed()).await;
        }
    }

    async fn try_link(
        &self,
        view: &View,
        slot: Option<u16>,
        sight: &mut watch::Receiver<Sight>,
        deadline: Instant,
    ) -> RedisResult<(Address, Link)> {
        let candidates = match slot {
            Some(slot) => view.owner(slot).cloned().into_iter().collect(),
            None => view.masters(),
        };
        let mut first = None;
        for address in candidates {
            let keeper = self.keeper(&address)?;
            if let Some(link) = keeper.present() {
                return Ok((address, link));
            }
            first.get_or_insert((address, keeper));
        }
        let Some((address, keeper)) = first else { return Err(not_sent("nobody owns the slot", None)) };
        // A new view may name another one while this one does not answer.
        tokio::select! {
            link = keeper.link(deadline.saturating_duration_since(Instant::now())) => Ok((address, link?)),
            _ = sight.changed() => Err(not_sent("the owner has changed", None)),
            () = self.keep_asking() => Err(not_sent("nobody watches the cluster", None)),
        }
    }

    /// Somebody waits for a node that does not answer.
    async fn keep_asking(&self) {
        loop {
            sleep(PAUSE * 4).await;
            self.doubt.notify_one();
        }
    }

    fn moved(&self, slot: u16, address: Address) {
        self.view.send_if_modified(|sight| match sight {
            Sight::View(view) if view.owner(slot) != Some(&address) => {
                Arc::make_mut(view).moved(slot, address);
                true
            }
            _ => false,
        });
    }

    fn publish(&self, view: View) {
        let masters = view.masters();
        self.keepers.lock().retain(|address, _| masters.contains(address));
        self.view.send_if_modified(|sight| {
            let same = matches!(sight, Sight::View(old) if old.agrees_with(&view));
            *sight = Sight::View(Arc::new(view));
            !same
        });
    }
}

async fn watch_over(shared: Arc<Shared>) {
    let mut doubt = true;
    loop {
        let links: Vec<_> = shared.keepers.lock().iter().map(|(at, keeper)| (at.clone(), keeper.present())).collect();
        let silent = links.iter().any(|(_, link)| link.is_none());
        let links = links.into_iter().filter_map(|(at, link)| Some((at, link?))).collect();
        match shared.nodes.view(links, doubt || silent).await {
            Ok(view) => shared.publish(view),
            Err(error) => {
                tracing::warn!(target: "nebula_redis", %error, "cannot look at the redis cluster");
                shared.view.send_if_modified(|sight| match sight {
                    // What was seen before may still hold.
                    Sight::View(_) => false,
                    Sight::None(last) => {
                        *last = Some(error);
                        true
                    }
                });
            }
        }
        sleep(PAUSE).await;
        doubt = timeout(shared.dialer.keep_alive, shared.doubt.notified()).await.is_ok();
    }
}

fn not_sent_because(why: &'static str, error: &Error) -> RedisError {
    std::io::Error::new(std::io::ErrorKind::NotConnected, format!("{why}: {error}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_refused_as_a_whole_is_sent_again() {
        let replies = |lines: &[&str]| -> Vec<Value> {
            lines.iter().map(|line| redis::parse_redis_value(format!("{line}\r\n").as_bytes()).unwrap()).collect()
        };
        let asks = redis::pipe().get("key").set("key", 1).cmd("wait").arg(1).arg(100).to_owned();
        let (moved, foreign) = ("-MOVED 7 127.0.0.1:7", "-ERR WAIT cannot be used with replica instances.");
        for whole in [[moved, moved, moved], [moved, moved, foreign], [moved, moved, ":0"]] {
            let replies = replies(&whole);
            assert_eq!(refusal(&asks, &replies).map(ServerError::code), Some("MOVED"), "{whole:?}");
        }
        for part in [[moved, "+OK", ":1"], [moved, foreign, foreign], ["$-1", moved, foreign], ["$-1", "+OK", ":1"]] {
            assert!(refusal(&asks, &replies(&part)).is_none(), "{part:?}");
        }
    }
}
