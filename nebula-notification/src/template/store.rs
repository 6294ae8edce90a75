use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;

use super::model::NotificationTemplate;
use crate::error::Result;

/// Where templates live, with all their versions.
///
/// # Contract
///
/// - `versions_count_up`: the first version of a name is 1, and each `put` makes the next one; earlier ones stay readable.
/// - `lost_updates_are_refused`: a `put` that expects another version than the latest changes nothing and says which is.
/// - `removed_is_gone`: after `remove`, `get` without a version finds nothing, earlier versions stay readable, and a new `put`
///   counts on.
/// - `names_are_listed_once`: `list` has the latest version of each template that is not removed, by name.
#[async_trait]
pub trait TemplateStore: fmt::Debug + Send + Sync + 'static {
    /// The latest version, or a certain one.
    async fn get(&self, name: &str, version: Option<u32>) -> Result<Option<Arc<StoredTemplate>>>;

    /// Stores the next version, if the latest one is `expected` (0: there is none, or it is removed).
    async fn put(&self, template: &NotificationTemplate, expected: u32, now: SystemTime) -> Result<PutTemplate>;

    /// Takes a template out of use. `false` if there was none.
    async fn remove(&self, name: &str) -> Result<bool>;

    /// The latest versions, by name.
    async fn list(&self) -> Result<Vec<Arc<StoredTemplate>>>;

    /// The versions of a template, the latest first, removed ones included.
    async fn versions(&self, name: &str) -> Result<Vec<u32>>;
}

/// A template as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTemplate {
    /// Counts from 1.
    pub version: u32,
    /// When this version was stored.
    pub stored: SystemTime,
    /// What it says.
    pub template: NotificationTemplate,
}

/// What became of storing a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutTemplate {
    /// It is stored, as this version.
    Stored(u32),
    /// Somebody else was first: this is the latest version now (0: there is none).
    Conflict(u32),
}
