//! One engine for each tenant, over rules that they share.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::Overlay;
use crate::engine::RuleEngine;
use crate::error::{Problem, Result};
use crate::set::RuleSetDef;

/// The engines of tenants. A tenant without an [`Overlay`] is served by the shared rules. Clones share everything.
///
/// A tenant's engine keeps its rules through everything that goes wrong for it: when shared rules are published that its
/// overlay does not fit, its old ones stay, and [`publish`](Self::publish) says so.
#[derive(Clone, Debug)]
pub struct TenantRules {
    shared: RuleEngine,
    tenants: Arc<ArcSwap<HashMap<String, RuleEngine>>>,
    /// The shared definition and the overlays. Held while anything is exchanged.
    defs: Arc<Mutex<(RuleSetDef, HashMap<String, Overlay>)>>,
}

impl TenantRules {
    /// Tenants that are all served by the rules of `shared`, until they get an overlay. Budget, cache and so on of `shared`
    /// are those of all.
    #[must_use]
    pub fn new(shared: RuleEngine) -> Self {
        let def = shared.current().definition().clone();
        Self { shared, tenants: Arc::default(), defs: Arc::new(Mutex::new((def, HashMap::new()))) }
    }

    /// The engine of a tenant. Reading takes no lock.
    #[must_use]
    pub fn engine(&self, tenant: &str) -> RuleEngine {
        self.tenants.load().get(tenant).cloned().unwrap_or_else(|| self.shared.clone())
    }

    /// Gives a tenant rules of its own, on top of the shared ones.
    ///
    /// # Errors
    ///
    /// As [`Overlay::over`] and [`RuleEngine::publish`]; the tenant's rules stay as they were.
    pub fn set(&self, tenant: &str, overlay: Overlay) -> Result<()> {
        let mut defs = self.defs.lock();
        let merged = overlay.over(&defs.0)?;
        match self.tenants.load().get(tenant) {
            Some(engine) => drop(engine.publish(&merged)?),
            None => {
                let engine = self.shared.beside(&merged)?;
                let mut tenants = HashMap::clone(&self.tenants.load());
                tenants.insert(tenant.to_owned(), engine);
                self.tenants.store(Arc::new(tenants));
            }
        }
        defs.1.insert(tenant.to_owned(), overlay);
        Ok(())
    }

    /// Takes a tenant's own rules away.
    pub fn remove(&self, tenant: &str) {
        let mut defs = self.defs.lock();
        defs.1.remove(tenant);
        let mut tenants = HashMap::clone(&self.tenants.load());
        tenants.remove(tenant);
        self.tenants.store(Arc::new(tenants));
    }

    /// Publishes new shared rules, for all tenants. Returns what kept tenants from them, by name; they keep the rules that
    /// they have.
    ///
    /// # Errors
    ///
    /// As [`RuleEngine::publish`], for the shared rules themselves; nothing has changed then.
    pub fn publish(&self, def: &RuleSetDef) -> Result<Vec<Problem>> {
        let mut defs = self.defs.lock();
        self.shared.publish(def)?;
        defs.0 = def.clone();
        Ok(self.put_over(&defs.0, &defs.1))
    }

    /// Puts the overlays over the shared rules in force, if others than these put them in force: a
    /// [`RuleKeeper`](crate::RuleKeeper) that knows of the tenants calls it, and whoever publishes with the shared engine
    /// itself has to. Returns what [`publish`](Self::publish) returns.
    #[must_use]
    pub fn rebase(&self) -> Vec<Problem> {
        let mut defs = self.defs.lock();
        let current = self.shared.current();
        if *current.definition() == defs.0 {
            return Vec::new();
        }
        defs.0 = current.definition().clone();
        self.put_over(&defs.0, &defs.1)
    }

    fn put_over(&self, def: &RuleSetDef, overlays: &HashMap<String, Overlay>) -> Vec<Problem> {
        let mut left = Vec::new();
        for (tenant, engine) in self.tenants.load().iter() {
            let Some(overlay) = overlays.get(tenant) else { continue };
            if let Err(error) = overlay.over(def).and_then(|merged| engine.publish(&merged)) {
                left.push(Problem::error(tenant.as_str(), error.to_string()));
            }
        }
        left.sort_by(|one, other| one.place.cmp(&other.place));
        left
    }
}
