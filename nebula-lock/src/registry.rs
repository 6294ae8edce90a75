//! Things that exist by name as long as somebody uses them.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

/// Hands out the one `V` of a name, made when first asked for and forgotten when its last user is dropped.
pub(crate) struct Registry<K, V>(Arc<Mutex<HashMap<K, Arc<V>>>>);

/// A use of what is registered under a name.
pub(crate) struct Entry<K: Eq + Hash, V> {
    registry: Registry<K, V>,
    name: K,
    /// `None` only while it is being dropped.
    value: Option<Arc<V>>,
}

impl<K: Clone + Eq + Hash, V: Default> Registry<K, V> {
    pub(crate) fn enter(&self, name: &K) -> Entry<K, V> {
        let value = Arc::clone(self.0.lock().entry(name.clone()).or_default());
        Entry { registry: self.clone(), name: name.clone(), value: Some(value) }
    }
}

impl<K, V> Registry<K, V> {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl<K: Eq + Hash, V> Entry<K, V> {
    pub(crate) fn value(&self) -> Option<&V> {
        self.value.as_deref()
    }
}

impl<K: Eq + Hash, V> Drop for Entry<K, V> {
    fn drop(&mut self) {
        let mut registered = self.registry.0.lock();
        self.value = None;
        // Entering needs the same lock, so nobody can be on the way in.
        if registered.get(&self.name).is_some_and(|value| Arc::strong_count(value) == 1) {
            registered.remove(&self.name);
        }
    }
}

impl<K, V> Clone for Registry<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> fmt::Debug for Registry<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("len", &self.0.lock().len()).finish()
    }
}

impl<K: Eq + Hash, V> fmt::Debug for Entry<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry")
    }
}
