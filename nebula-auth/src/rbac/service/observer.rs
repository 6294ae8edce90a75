//! Tells others in this process of changes, also of those whose outcome stays open.

use std::sync::Arc;

use crate::rbac::{name::UserId, store::Head};

/// What to tell about a commit when its outcome is known, or is not going to be.
pub(crate) type Report = Box<dyn FnOnce(Option<Made<'_>>) + Send>;

/// Hears of changes that this process makes: first that one may be under way, then what came of it.
pub(crate) trait Observer: Send + Sync {
    /// A commit is about to be sent. Unless it is reported, nobody knows whether it was done.
    fn attempt(self: Arc<Self>) -> Report;
}

/// A change that was made.
pub(crate) struct Made<'a> {
    pub(crate) head: Head,
    pub(crate) policy: bool,
    pub(crate) users: &'a [UserId],
}

/// Reports when it is dropped that nobody knows what came of it.
pub(super) struct Armed(pub(super) Option<Report>);

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some(report) = self.0.take() {
            report(None);
        }
    }
}
