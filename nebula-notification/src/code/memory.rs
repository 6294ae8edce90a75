use std::{collections::HashMap, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::store::{CodeDigest, CodeStore, Guess, NewCode, PutCode};
use crate::{
    clock::{Clock, SystemClock},
    error::Result,
};

/// Codes in this process. Clones share them.
#[derive(Clone, Debug)]
pub struct MemoryCodes {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<String, Entry>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Entry {
    code: Option<Live>,
    cool_until: SystemTime,
}

#[derive(Debug)]
struct Live {
    digest: CodeDigest,
    until: SystemTime,
    tries: u32,
}

impl MemoryCodes {
    /// Codes by the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// Codes by another clock.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self { state: Arc::default(), clock: Arc::new(clock) }
    }
}

impl Default for MemoryCodes {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Forgets what is over, whenever the number has doubled.
    fn sweep(&mut self, now: SystemTime) {
        if self.entries.len() < self.sweep_at.max(1024) {
            return;
        }
        let lives = |entry: &Entry| entry.cool_until > now || entry.code.as_ref().is_some_and(|code| code.until > now);
        self.entries.retain(|_, entry| lives(entry));
        self.sweep_at = self.entries.len() * 2;
    }
}

#[async_trait]
impl CodeStore for MemoryCodes {
    async fn put(&self, code: &NewCode) -> Result<PutCode> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.sweep(now);
        if let Some(entry) = state.entries.get(&code.key)
            && let Ok(retry_after) = entry.cool_until.duration_since(now)
            && !retry_after.is_zero()
        {
            return Ok(PutCode::CoolDown { retry_after });
        }
        let live = Live { digest: code.digest, until: now + code.lifetime, tries: code.tries };
        state.entries.insert(code.key.clone(), Entry { code: Some(live), cool_until: now + code.cool_down });
        Ok(PutCode::Stored)
    }

    async fn guess(&self, key: &str, digest: &CodeDigest) -> Result<Guess> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let Some(entry) = state.entries.get_mut(key) else { return Ok(Guess::None) };
        let Some(code) = entry.code.as_mut().filter(|code| code.until > now && code.tries > 0) else {
            entry.code = None;
            return Ok(Guess::None);
        };
        code.tries -= 1;
        if code.digest.is_same(digest) {
            entry.code = None;
            return Ok(Guess::Right);
        }
        Ok(Guess::Wrong)
    }

    async fn revoke(&self, key: &str, digest: &CodeDigest) -> Result<()> {
        let mut state = self.state.lock();
        let mine = |entry: &Entry| entry.code.as_ref().is_some_and(|code| code.digest.is_same(digest));
        if state.entries.get(key).is_some_and(mine) {
            state.entries.remove(key);
        }
        Ok(())
    }
}
