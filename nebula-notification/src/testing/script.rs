use std::{collections::VecDeque, fmt, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{
    kind::Channel,
    outcome::Outcome,
    sender::{Delivery, NotificationSender},
};

/// A sender that answers what it was told to, and accepts when it was told nothing.
#[derive(Clone)]
pub struct ScriptedSender {
    provider: String,
    channel: Channel,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Outcome>,
    always: Option<Outcome>,
    seen: Vec<Delivery>,
}

impl ScriptedSender {
    /// One of that name, for that channel.
    #[must_use]
    pub fn new(provider: &str, channel: Channel) -> Self {
        Self { provider: provider.to_owned(), channel, state: Arc::default() }
    }

    /// Answers this next.
    #[must_use]
    pub fn then(self, outcome: Outcome) -> Self {
        self.state.lock().script.push_back(outcome);
        self
    }

    /// Answers this when nothing else is left to answer.
    #[must_use]
    pub fn always(self, outcome: Outcome) -> Self {
        self.state.lock().always = Some(outcome);
        self
    }

    /// What it was asked to send.
    #[must_use]
    pub fn seen(&self) -> Vec<Delivery> {
        self.state.lock().seen.clone()
    }
}

#[async_trait]
impl NotificationSender for ScriptedSender {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn channel(&self) -> Channel {
        self.channel
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        let mut state = self.state.lock();
        state.seen.push(delivery.clone());
        let usual = state.always.clone();
        let number = state.seen.len();
        let provider = &self.provider;
        state.script.pop_front().or(usual).unwrap_or_else(|| Outcome::accepted(format!("{provider}-{number}")))
    }
}

impl fmt::Debug for ScriptedSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedSender").field("provider", &self.provider).finish_non_exhaustive()
    }
}
