use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use parking_lot::RwLock;

use super::{
    model::NotificationTemplate,
    store::{PutTemplate, StoredTemplate, TemplateStore},
};
use crate::error::Result;

/// Templates in this process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryTemplates(Arc<RwLock<BTreeMap<String, History>>>);

#[derive(Debug, Default)]
struct History {
    versions: Vec<Arc<StoredTemplate>>,
    removed: bool,
}

impl History {
    fn latest(&self) -> Option<&Arc<StoredTemplate>> {
        self.versions.last().filter(|_| !self.removed)
    }
}

impl MemoryTemplates {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a template, for programs that have theirs in the source.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTemplate`](crate::ErrorKind::InvalidTemplate), as [`NotificationTemplate::check`].
    pub fn with(self, template: NotificationTemplate) -> Result<Self> {
        template.check()?;
        add(&mut self.0.write(), template, SystemTime::now());
        Ok(self)
    }
}

fn add(all: &mut BTreeMap<String, History>, template: NotificationTemplate, stored: SystemTime) -> u32 {
    let history = all.entry(template.name.clone()).or_default();
    let version = u32::try_from(history.versions.len()).unwrap_or(u32::MAX).saturating_add(1);
    history.versions.push(Arc::new(StoredTemplate { version, stored, template }));
    history.removed = false;
    version
}

#[async_trait]
impl TemplateStore for MemoryTemplates {
    async fn get(&self, name: &str, version: Option<u32>) -> Result<Option<Arc<StoredTemplate>>> {
        let all = self.0.read();
        Ok(all.get(name).and_then(|history| match version {
            None => history.latest().cloned(),
            Some(version) => history.versions.iter().find(|one| one.version == version).cloned(),
        }))
    }

    async fn put(&self, template: &NotificationTemplate, expected: u32, now: SystemTime) -> Result<PutTemplate> {
        template.check()?;
        let mut all = self.0.write();
        let latest = all.get(&template.name).and_then(|it| it.latest().map(|one| one.version)).unwrap_or(0);
        if latest != expected {
            return Ok(PutTemplate::Conflict(latest));
        }
        Ok(PutTemplate::Stored(add(&mut all, template.clone(), now)))
    }

    async fn remove(&self, name: &str) -> Result<bool> {
        let mut all = self.0.write();
        Ok(all.get_mut(name).filter(|history| !history.removed).map(|history| history.removed = true).is_some())
    }

    async fn list(&self) -> Result<Vec<Arc<StoredTemplate>>> {
        Ok(self.0.read().values().filter_map(|history| history.latest().cloned()).collect())
    }

    async fn versions(&self, name: &str) -> Result<Vec<u32>> {
        let all = self.0.read();
        Ok(all.get(name).map_or_else(Vec::new, |it| it.versions.iter().rev().map(|one| one.version).collect()))
    }
}
