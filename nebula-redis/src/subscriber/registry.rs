use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use redis::{RedisError, RedisResult};
use tokio::sync::oneshot;

use super::Event;
use super::queue::Queue;

#[derive(Debug)]
pub(super) enum Command {
    Subscribe { channel: Arc<str>, listener: Listener },
    Unsubscribe { channel: Arc<str>, id: u64 },
}

impl Command {
    pub(super) fn channel(&self) -> &Arc<str> {
        match self {
            Self::Subscribe { channel, .. } | Self::Unsubscribe { channel, .. } => channel,
        }
    }
}

/// Which messages a listener is told of.
pub(super) type Wanted = Box<dyn Fn(&[u8]) -> bool + Send>;

pub(super) struct Listener {
    pub(super) id: u64,
    pub(super) queue: Arc<Queue>,
    /// `None`: all of them.
    pub(super) wanted: Option<Wanted>,
    /// `None` once the subscription was confirmed.
    pub(super) confirm: Option<oneshot::Sender<RedisResult<()>>>,
}

/// What the server has to be told about a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Subscribe,
    Unsubscribe,
}

/// What the present connection knows about a channel. One request per channel is under way at a time, so requests of one
/// channel cannot overtake each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Off,
    Asking,
    On,
}

#[derive(Debug)]
struct Channel {
    state: State,
    listeners: Vec<Listener>,
}

/// Who listens to what, and what the server knows of it. Pure bookkeeping, no I/O.
#[derive(Debug, Default)]
pub(super) struct Registry {
    channels: HashMap<Arc<str>, Channel>,
    /// Nobody serves it any more.
    closed: bool,
}

impl Registry {
    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    pub(super) fn apply(&mut self, command: Command) {
        match command {
            Command::Subscribe { channel, mut listener } => {
                let entry =
                    self.channels.entry(channel).or_insert(Channel { state: State::Off, listeners: Vec::new() });
                if entry.state == State::On {
                    confirm(&mut listener);
                }
                entry.listeners.push(listener);
            }
            Command::Unsubscribe { channel, id } => {
                if let Some(entry) = self.channels.get_mut(&channel) {
                    entry.listeners.retain(|listener| listener.id != id);
                    if entry.listeners.is_empty() && entry.state == State::Off {
                        self.channels.remove(&channel);
                    }
                }
            }
        }
    }

    /// Adds a listener to a channel that the server has confirmed, so that it hears everything from now on. `false`: it has not.
    pub(super) fn join(&mut self, channel: &str, listener: Listener) -> bool {
        match self.channels.get_mut(channel) {
            Some(entry) if entry.state == State::On && !self.closed => {
                entry.listeners.push(listener);
                true
            }
            _ => false,
        }
    }

    /// Nothing will be delivered any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        // Whoever still waits for a confirmation sees it dropped.
        for listener in self.channels.drain().flat_map(|(_, entry)| entry.listeners) {
            listener.queue.close();
        }
    }

    /// What to ask the server about this channel now, if anything. Whoever calls this does ask.
    pub(super) fn next_request(&mut self, channel: &str) -> Option<Verb> {
        let entry = self.channels.get_mut(channel)?;
        let verb = match (entry.state, entry.listeners.is_empty()) {
            (State::Off, false) => Verb::Subscribe,
            (State::On, true) => Verb::Unsubscribe,
            _ => return None,
        };
        entry.state = State::Asking;
        Some(verb)
    }

    pub(super) fn channels(&self) -> Vec<Arc<str>> {
        self.channels.keys().cloned().collect()
    }

    /// The server has done what was asked.
    pub(super) fn done(&mut self, channel: &str, verb: Verb) {
        let Some(entry) = self.channels.get_mut(channel) else { return };
        match verb {
            Verb::Subscribe => {
                entry.state = State::On;
                entry.listeners.iter_mut().for_each(confirm);
            }
            Verb::Unsubscribe => {
                entry.state = State::Off;
                if entry.listeners.is_empty() {
                    self.channels.remove(channel);
                }
            }
        }
    }

    /// The server has refused: whoever waits for a confirmation is told. Earlier subscribers are tried again later.
    pub(super) fn refused(&mut self, channel: &str, error: &RedisError) {
        let Some(entry) = self.channels.get_mut(channel) else { return };
        entry.state = State::Off;
        reject(&mut entry.listeners, error);
        if entry.listeners.is_empty() {
            self.channels.remove(channel);
        }
    }

    /// No connection can be had, and waiting will not help: whoever waits for a first confirmation is told.
    pub(super) fn refused_all(&mut self, error: &RedisError) {
        for entry in self.channels.values_mut() {
            reject(&mut entry.listeners, error);
        }
        self.channels.retain(|_, entry| !entry.listeners.is_empty());
    }

    /// The connection is gone, and with it all that the server knew.
    pub(super) fn lost(&mut self) {
        self.channels.retain(|_, entry| !entry.listeners.is_empty());
        for entry in self.channels.values_mut() {
            entry.state = State::Off;
        }
    }

    pub(super) fn deliver(&self, channel: &str, payload: &[u8]) {
        let Some((name, entry)) = self.channels.get_key_value(channel) else { return };
        let message = Bytes::copy_from_slice(payload);
        let wants = |listener: &&Listener| listener.wanted.as_ref().is_none_or(|wanted| wanted(payload));
        for listener in entry.listeners.iter().filter(wants) {
            listener.queue.push(Event::Message { channel: Arc::clone(name), payload: message.clone() });
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("id", &self.id).finish_non_exhaustive()
    }
}

/// First confirmation: the subscriber is told. A later one: messages may have been missed.
fn confirm(listener: &mut Listener) {
    match listener.confirm.take() {
        Some(confirm) => {
            let _ = confirm.send(Ok(()));
        }
        None => listener.queue.push(Event::Resubscribed),
    }
}

fn reject(listeners: &mut Vec<Listener>, error: &RedisError) {
    for listener in listeners.extract_if(.., |listener| listener.confirm.is_some()) {
        if let Some(confirm) = listener.confirm {
            let _ = confirm.send(Err(error.clone()));
        }
    }
}
