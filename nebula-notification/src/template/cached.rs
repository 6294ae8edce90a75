use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    model::NotificationTemplate,
    store::{PutTemplate, StoredTemplate, TemplateStore},
};
use crate::error::Result;

/// Keeps at most so many versions of templates; when there are more, all are forgotten and read again.
const MOST: usize = 4096;

/// Keeps templates of another store in this process, so that a notification does not ask the database for its template.
///
/// A version never changes and is kept for good. Which version is the latest is believed for two seconds, unless
/// [said otherwise](Self::believe_for): so long other processes may still send the version before. Changes made through this store are
/// seen at once, by it and its clones.
///
/// ```
/// use nebula_notification::{CachedTemplates, MemoryTemplates, Notifier};
///
/// let notifier = Notifier::builder(CachedTemplates::new(MemoryTemplates::new())).build();
/// ```
#[derive(Clone, Debug)]
pub struct CachedTemplates<S> {
    store: S,
    believed: Duration,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    versions: HashMap<(String, u32), Arc<StoredTemplate>>,
    latest: HashMap<String, (Option<Arc<StoredTemplate>>, Instant)>,
    /// Counts changes: what was read before one and comes after it is not kept.
    changes: u64,
}

impl<S: TemplateStore> CachedTemplates<S> {
    /// Keeps the templates of that store.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, believed: Duration::from_secs(2), known: Arc::default() }
    }

    /// For how long which version is the latest is believed.
    #[must_use]
    pub const fn believe_for(mut self, time: Duration) -> Self {
        self.believed = time;
        self
    }

    /// What is known of a template: `None` if nothing is.
    fn known(&self, name: &str, version: Option<u32>) -> Option<Option<Arc<StoredTemplate>>> {
        let known = self.known.lock();
        match version {
            Some(version) => known.versions.get(&(name.to_owned(), version)).cloned().map(Some),
            None => known.latest.get(name).filter(|(_, until)| *until > Instant::now()).map(|(it, _)| it.clone()),
        }
    }

    fn forget(&self, name: &str) {
        let mut known = self.known.lock();
        known.changes += 1;
        known.latest.remove(name);
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: TemplateStore> TemplateStore for CachedTemplates<S> {
    async fn get(&self, name: &str, version: Option<u32>) -> Result<Option<Arc<StoredTemplate>>> {
        if let Some(known) = self.known(name, version) {
            return Ok(known);
        }
        let (changes, until) = (self.known.lock().changes, Instant::now() + self.believed);
        let found = self.store.get(name, version).await?;
        let mut known = self.known.lock();
        if known.versions.len() >= MOST || known.latest.len() >= MOST {
            known.versions.clear();
            known.latest.clear();
        }
        if let Some(template) = &found {
            known.versions.insert((name.to_owned(), template.version), Arc::clone(template));
        }
        if version.is_none() && known.changes == changes {
            known.latest.insert(name.to_owned(), (found.clone(), until));
        }
        Ok(found)
    }

    async fn put(&self, template: &NotificationTemplate, expected: u32, now: SystemTime) -> Result<PutTemplate> {
        let put = self.store.put(template, expected, now).await;
        self.forget(template.name());
        put
    }

    async fn remove(&self, name: &str) -> Result<bool> {
        let removed = self.store.remove(name).await;
        self.forget(name);
        removed
    }

    async fn list(&self) -> Result<Vec<Arc<StoredTemplate>>> {
        self.store.list().await
    }

    async fn versions(&self, name: &str) -> Result<Vec<u32>> {
        self.store.versions(name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kind::Kind, template::Content, template::MemoryTemplates};

    fn template(text: &str) -> NotificationTemplate {
        NotificationTemplate::new("paid", Kind::Notice).content("en", Content::new().text(text))
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_version_is_believed_for_a_while_and_others_for_good() {
        let store = MemoryTemplates::new();
        let (here, there) = (CachedTemplates::new(store.clone()), CachedTemplates::new(store.clone()));
        let (now, version) = (SystemTime::UNIX_EPOCH, async |cached: &CachedTemplates<MemoryTemplates>| {
            cached.get("paid", None).await.unwrap().map(|it| it.version)
        });
        assert_eq!((version(&here).await, version(&there).await), (None, None));
        assert_eq!(here.put(&template("one"), 0, now).await.unwrap(), PutTemplate::Stored(1));
        assert_eq!((version(&here).await, version(&there).await), (Some(1), None), "who changes it sees it at once");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(version(&there).await, Some(1));
        store.put(&template("two"), 1, now).await.unwrap();
        assert_eq!(version(&there).await, Some(1));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(version(&there).await, Some(2));
        assert!(there.remove("paid").await.unwrap());
        assert_eq!(version(&there).await, None);
        let first = there.get("paid", Some(1)).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &there.get("paid", Some(1)).await.unwrap().unwrap()));
    }
}
