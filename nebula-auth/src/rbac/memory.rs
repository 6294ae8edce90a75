//! Roles and users in the memory of one process.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Bound,
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    name::{RoleName, UserId},
    store::{
        Changes, Commit, CommitOutcome, Document, DocumentKind, Expect, Head, RbacStore, StoredPolicy, StoredUser,
    },
};
use crate::{
    audit::LogPlace,
    clock::{Clock, SystemClock},
    error::Error,
};

/// Keeps roles and users in this process; they end with it. Clones share them.
#[derive(Clone)]
pub struct MemoryRbacStore {
    tables: Arc<Mutex<Tables>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Tables {
    head: Head,
    documents: BTreeMap<(DocumentKind, String), String>,
    users: BTreeMap<UserId, Row>,
    by_version: BTreeMap<u64, BTreeSet<UserId>>,
}

#[derive(Clone, Default)]
struct Row {
    version: u64,
    body: Option<String>,
    roles: Vec<RoleName>,
}

impl MemoryRbacStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self { tables: Arc::default(), clock: Arc::new(SystemClock) }
    }

    /// Counts expiries on another clock, so that tests can jump ahead.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    fn stored(&self, head: Head, id: &UserId, row: &Row) -> StoredUser {
        StoredUser { head, now: self.clock.now(), id: id.clone(), version: row.version, body: row.body.clone() }
    }
}

impl Default for MemoryRbacStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryRbacStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRbacStore").field("head", &self.tables.lock().head).finish_non_exhaustive()
    }
}

impl Tables {
    fn meets(&self, expect: &Expect) -> bool {
        match expect {
            Expect::Sequence(sequence) => self.head.sequence == *sequence,
            Expect::Versions { policy, users } => {
                let version = |id| self.users.get(id).map_or(0, |row| row.version);
                self.head.policy == *policy && users.iter().all(|(id, expected)| version(id) == *expected)
            }
        }
    }

    fn apply(&mut self, commit: &Commit) {
        self.head.sequence += 1;
        let version = self.head.sequence;
        if !commit.documents.is_empty() {
            self.head.policy = version;
        }
        for document in &commit.documents {
            let key = (document.kind, document.id.clone());
            match &document.body {
                Some(body) => self.documents.insert(key, body.clone()),
                None => self.documents.remove(&key),
            };
        }
        for write in &commit.users {
            let row = Row { version, body: write.body.clone(), roles: write.roles.clone() };
            if let Some(old) = self.users.insert(write.id.clone(), row)
                && let Some(ids) = self.by_version.get_mut(&old.version)
            {
                ids.remove(&write.id);
                if ids.is_empty() {
                    self.by_version.remove(&old.version);
                }
            }
            self.by_version.entry(version).or_default().insert(write.id.clone());
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RbacStore for MemoryRbacStore {
    async fn head(&self) -> Result<Head, Error> {
        Ok(self.tables.lock().head)
    }

    async fn changes(&self, since: u64, limit: u32) -> Result<Changes, Error> {
        let tables = self.tables.lock();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let newer = (Bound::Excluded(since), Bound::Unbounded);
        let changed = tables.by_version.range(newer).flat_map(|(_, ids)| ids);
        let users: Vec<UserId> = changed.take(limit.saturating_add(1)).cloned().collect();
        Ok(Changes { head: tables.head, users: (users.len() <= limit).then_some(users) })
    }

    async fn policy(&self) -> Result<StoredPolicy, Error> {
        let tables = self.tables.lock();
        let document = |((kind, id), body): (&(DocumentKind, String), &String)| Document {
            kind: *kind,
            id: id.clone(),
            body: Some(body.clone()),
        };
        Ok(StoredPolicy { head: tables.head, documents: tables.documents.iter().map(document).collect() })
    }

    async fn user(&self, id: &UserId) -> Result<StoredUser, Error> {
        let tables = self.tables.lock();
        let row = tables.users.get(id).cloned().unwrap_or_default();
        Ok(self.stored(tables.head, id, &row))
    }

    async fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<StoredUser>, Error> {
        let tables = self.tables.lock();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = tables.users.range::<UserId, _>((start, Bound::Unbounded)).filter(|(_, row)| row.body.is_some());
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(rows.take(limit).map(|(id, row)| self.stored(tables.head, id, row)).collect())
    }

    async fn holders(&self, role: &RoleName) -> Result<Vec<StoredUser>, Error> {
        let tables = self.tables.lock();
        let rows = tables.users.iter().filter(|(_, row)| row.body.is_some() && row.roles.contains(role));
        Ok(rows.map(|(id, row)| self.stored(tables.head, id, row)).collect())
    }

    async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, Error> {
        let mut tables = self.tables.lock();
        if !tables.meets(&commit.expect) {
            return Ok(CommitOutcome::Conflict);
        }
        tables.apply(commit);
        Ok(CommitOutcome::Committed(tables.head))
    }

    async fn health(&self) -> Result<(), Error> {
        Ok(())
    }

    fn log_place(&self) -> Option<LogPlace> {
        None
    }
}
