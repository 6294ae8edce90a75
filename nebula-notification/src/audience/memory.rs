use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use parking_lot::RwLock;

use super::store::{AudienceStore, Preferences};
use crate::error::Result;

/// Preferences in this process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryAudience(Arc<RwLock<HashMap<String, Preferences>>>);

impl MemoryAudience {
    /// Nobody has wishes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl AudienceStore for MemoryAudience {
    async fn get(&self, subject: &str) -> Result<Option<Preferences>> {
        Ok(self.0.read().get(subject).cloned())
    }

    async fn set(&self, subject: &str, preferences: Option<&Preferences>) -> Result<()> {
        let mut all = self.0.write();
        match preferences {
            Some(preferences) => all.insert(subject.to_owned(), preferences.clone()),
            None => all.remove(subject),
        };
        Ok(())
    }

    async fn replace(
        &self,
        subject: &str,
        expected: Option<&Preferences>,
        preferences: Option<&Preferences>,
    ) -> Result<bool> {
        let mut all = self.0.write();
        if all.get(subject) != expected {
            return Ok(false);
        }
        match preferences {
            Some(preferences) => all.insert(subject.to_owned(), preferences.clone()),
            None => all.remove(subject),
        };
        Ok(true)
    }
}
