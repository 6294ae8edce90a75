//! One user at hand.

use std::{fmt, sync::Arc};

use super::{Held, PermissionEvaluator, PermissionKey, Shared};

/// One user at hand, for code that asks about the same one many times: a list of rows, a tree of buttons.
///
/// An answer is a look at three numbers and one bit: nobody has to be found first. It is believed no longer than
/// [`PermissionEvaluator::cached`] is: once anything about the user has changed, or the lease is over, there is no answer any
/// more, and a new one is to be asked for.
///
/// ```
/// # use nebula_auth::rbac::{
/// #     Actor, EvaluatorOptions, MemoryRbacStore, Permission, PermissionEvaluator, PermissionKey, PermissionPattern, UserId,
/// # };
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let evaluator = PermissionEvaluator::start(MemoryRbacStore::new(), EvaluatorOptions::new()).await?;
/// let (ann, read) = (UserId::new("ann")?, PermissionKey::of(&Permission::new("order:read")?));
/// evaluator.check(&ann, read).await?;
/// let known = evaluator.known("ann").expect("read a moment ago");
/// assert_eq!(known.has(read), Some(false));
/// let service = evaluator.service();
/// service.grant(&Actor::system("demo"), &ann, &PermissionPattern::new("order:read")?, None).await?.into_result()?;
/// assert_eq!(known.has(read), None, "what it knows is no longer so");
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct KnownUser {
    held: Arc<Held>,
    shared: Arc<Shared>,
}

impl KnownUser {
    /// Whether they have a permission, if that is known at this moment.
    #[inline]
    #[must_use]
    pub fn has(&self, key: PermissionKey) -> Option<bool> {
        self.shared.cache.check_held(&self.held, key)
    }
}

impl PermissionEvaluator {
    /// A user at hand, if they are known at this moment: [`check`](Self::check) makes them known. It does not keep the evaluator
    /// going: when that ends, it ends with the lease.
    #[must_use]
    pub fn known(&self, user: &str) -> Option<KnownUser> {
        let held = self.shared.cache.get(user)?;
        Some(KnownUser { held, shared: Arc::clone(&self.shared) })
    }
}

impl fmt::Debug for KnownUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownUser").field("id", &self.held.id).finish_non_exhaustive()
    }
}
