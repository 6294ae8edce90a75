//! Names of tenants in metrics, and not more of them than the store of metrics can take.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use metrics::SharedString;

use crate::id::TenantId;

/// The names that tenants have in metrics: their own for the first so many, and `other` for the rest. Cheap to clone.
#[derive(Clone)]
pub struct TenantLabels {
    known: Arc<RwLock<HashMap<TenantId, SharedString>>>,
    most: usize,
}

impl TenantLabels {
    /// For so many tenants, first come, first named.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { known: Arc::default(), most }
    }

    /// For these, and for no others.
    #[must_use]
    pub fn of_only(tenants: impl IntoIterator<Item = TenantId>) -> Self {
        let known: HashMap<_, _> = tenants.into_iter().map(|tenant| (tenant.clone(), label(&tenant))).collect();
        Self { most: known.len(), known: Arc::new(RwLock::new(known)) }
    }

    /// What a tenant is called.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> SharedString {
        let other = SharedString::const_str("other");
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(label) = known.get(tenant) {
                return label.clone();
            }
            if known.len() >= self.most {
                return other;
            }
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most && !known.contains_key(tenant) {
            return other;
        }
        known.entry(tenant.clone()).or_insert_with(|| label(tenant)).clone()
    }
}

/// A tenant may be called `other` as well, and is not mixed up with the rest.
fn label(tenant: &TenantId) -> SharedString {
    if tenant.as_str() == "other" { SharedString::const_str("other (tenant)") } else { tenant.to_string().into() }
}

impl fmt::Debug for TenantLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantLabels").field("most", &self.most).finish_non_exhaustive()
    }
}
