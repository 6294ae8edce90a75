use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::store::{InboxMessage, InboxQuery, InboxSelection, InboxState, InboxStore};
use crate::{clock::millis, error::Result};

/// Inboxes in this process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryInbox(Arc<Mutex<HashMap<String, BTreeMap<String, InboxMessage>>>>);

impl MemoryInbox {
    /// Empty ones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

fn lives(message: &InboxMessage, now: SystemTime) -> bool {
    message.ends.is_none_or(|ends| millis(ends) > millis(now))
}

fn chosen(which: InboxSelection<'_>, id: &String) -> bool {
    match which {
        InboxSelection::All => true,
        InboxSelection::Ids(ids) => ids.contains(id),
    }
}

#[async_trait]
impl InboxStore for MemoryInbox {
    async fn add(&self, user: &str, message: &InboxMessage) -> Result<bool> {
        let mut all = self.0.lock();
        let mine = all.entry(user.to_owned()).or_default();
        if mine.values().any(|one| one.reference == message.reference) {
            return Ok(false);
        }
        mine.insert(message.id.clone(), message.clone());
        Ok(true)
    }

    async fn list(&self, user: &str, query: &InboxQuery, now: SystemTime) -> Result<Vec<InboxMessage>> {
        let all = self.0.lock();
        let fits = |one: &&InboxMessage| {
            lives(one, now)
                && (!query.unread || one.seen.is_none())
                && query.before.as_ref().is_none_or(|before| one.id < *before)
        };
        let mine = all.get(user).into_iter().flat_map(|mine| mine.values().rev());
        Ok(mine.filter(fits).take(query.page() as usize).cloned().collect())
    }

    async fn state(&self, user: &str, now: SystemTime) -> Result<InboxState> {
        let all = self.0.lock();
        let mut state = InboxState::default();
        for one in all.get(user).into_iter().flat_map(BTreeMap::values).filter(|one| lives(one, now)) {
            state.total += 1;
            state.unread += u64::from(one.seen.is_none());
            state.latest = Some(one.id.clone());
        }
        Ok(state)
    }

    async fn mark(&self, user: &str, which: InboxSelection<'_>, now: SystemTime) -> Result<u64> {
        let mut all = self.0.lock();
        let mine = all.get_mut(user).into_iter().flat_map(BTreeMap::values_mut);
        let mut count = 0;
        for one in mine.filter(|one| one.seen.is_none() && lives(one, now) && chosen(which, &one.id)) {
            one.seen = Some(now);
            count += 1;
        }
        Ok(count)
    }

    async fn remove(&self, user: &str, which: InboxSelection<'_>) -> Result<u64> {
        let mut all = self.0.lock();
        let Some(mine) = all.get_mut(user) else { return Ok(0) };
        let before = mine.len();
        mine.retain(|id, _| !chosen(which, id));
        Ok((before - mine.len()) as u64)
    }

    async fn forget(&self, before: SystemTime, now: SystemTime) -> Result<u64> {
        let mut count = 0;
        self.0.lock().retain(|_, mine| {
            let had = mine.len();
            mine.retain(|_, one| lives(one, now) && millis(one.created) >= millis(before));
            count += (had - mine.len()) as u64;
            !mine.is_empty()
        });
        Ok(count)
    }
}
