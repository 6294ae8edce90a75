//! Where locks are stored.

use crate::hash::fnv1a;
use crate::key::LockKey;

/// Version of the stored form; other versions live beside it without seeing each other's locks.
const VERSION: &str = "1";

/// Locks are spread over this many hash tags, each with one fence counter. A counter of its own for every lock would
/// either stay for ever or, deleted, lose its protection against a clock that is set back.
const BUCKETS: u64 = 1024;

/// The names that belong to one lock. They share a hash tag, so that they live on one node of a cluster.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    /// The lock itself, and the channel on which its release is announced.
    pub(super) lock: String,
    namespace: &'a str,
    bucket: u64,
}

/// The names of a lock and, if there is one, of its fence counter, in one piece of text: they are made for every command.
#[derive(Debug)]
pub(super) struct Names {
    text: String,
    lock: usize,
}

impl Names {
    pub(super) fn new(namespace: &str, key: &LockKey, fenced: bool) -> Self {
        let bucket = bucket(key);
        let both = 2 * (namespace.len() + VERSION.len()) + "fence:".len() + key.as_str().len() + 16;
        let mut text = String::with_capacity(both);
        push_name(&mut text, namespace, "", bucket);
        text.push(':');
        text.push_str(key.as_str());
        let lock = text.len();
        if fenced {
            push_name(&mut text, namespace, "fence:", bucket);
        }
        Self { text, lock }
    }

    pub(super) fn lock(&self) -> &str {
        &self.text[..self.lock]
    }

    /// The counter; `None` for a lock without tokens.
    pub(super) fn fence(&self) -> Option<&str> {
        Some(&self.text[self.lock..]).filter(|fence| !fence.is_empty())
    }
}

impl<'a> Keys<'a> {
    pub(super) fn new(namespace: &'a str, key: &LockKey) -> Self {
        let bucket = bucket(key);
        let mut lock = String::with_capacity(namespace.len() + VERSION.len() + key.as_str().len() + 8);
        push_name(&mut lock, namespace, "", bucket);
        lock.push(':');
        lock.push_str(key.as_str());
        Self { lock, namespace, bucket }
    }

    pub(super) fn fence(&self) -> String {
        let mut fence = String::new();
        push_name(&mut fence, self.namespace, "fence:", self.bucket);
        fence
    }

    /// What all locks of one slot of a cluster have in common.
    pub(super) fn bucket(&self) -> u64 {
        self.bucket
    }

    /// A key beside the lock that is written to see how far replicas are.
    pub(super) fn mark(&self) -> String {
        let mut mark = String::new();
        push_name(&mut mark, self.namespace, "mark:", self.bucket);
        mark
    }

    /// A structure beside the lock: `queue`, `alive`, `readers`, `tokens` or `writers`. It stands before the key, since
    /// a key may end in anything.
    pub(super) fn part(&self, part: &str) -> String {
        let key = &self.lock[self.namespace.len() + VERSION.len() + 1..];
        format!("{}:{VERSION}:{part}{key}", self.namespace)
    }
}

fn bucket(key: &LockKey) -> u64 {
    fnv1a(key.as_str().as_bytes()) % BUCKETS
}

/// `namespace:version:kind{bucket}`, without the slow way of formatting.
fn push_name(name: &mut String, namespace: &str, kind: &str, bucket: u64) {
    name.push_str(namespace);
    name.push(':');
    name.push_str(VERSION);
    name.push(':');
    name.push_str(kind);
    name.push('{');
    let mut shift = 8;
    while shift > 0 && bucket >> shift == 0 {
        shift -= 4;
    }
    loop {
        name.push(char::from(b"0123456789abcdef"[(bucket >> shift & 15) as usize]));
        if shift == 0 {
            break;
        }
        shift -= 4;
    }
    name.push('}');
}

/// What the names of locks, and of nothing else of ours, match.
pub(super) fn pattern(namespace: &str) -> String {
    let literal: String =
        namespace.chars().flat_map(|c| ['\\'].into_iter().filter(move |_| "*?[]^\\".contains(c)).chain([c])).collect();
    format!("{literal}:{VERSION}:{{*")
}

/// The key of a lock that is stored under `name`.
pub(super) fn key_of(namespace: &str, name: &str) -> Option<LockKey> {
    let rest = name.strip_prefix(namespace)?.strip_prefix(&format!(":{VERSION}:{{"))?;
    LockKey::new(rest.split_once("}:")?.1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_does_not_change() {
        let keys = Keys::new("nebula:lock", &LockKey::new("seat:1").unwrap());
        assert_eq!(keys.lock, "nebula:lock:1:{385}:seat:1");
        assert_eq!(keys.fence(), "nebula:lock:1:fence:{385}");
        let names = Names::new("nebula:lock", &LockKey::new("seat:1").unwrap(), true);
        assert_eq!((names.lock(), names.fence()), (&*keys.lock, Some(&*keys.fence())));
        let names = Names::new("nebula:lock", &LockKey::new("seat:1").unwrap(), false);
        assert_eq!((names.lock(), names.fence()), (&*keys.lock, None));
        assert_eq!(key_of("nebula:lock", &keys.lock), Some(LockKey::new("seat:1").unwrap()));
        assert_eq!(key_of("nebula:lock", &keys.fence()), None);
        assert_eq!(pattern("a*b"), "a\\*b:1:{*");
        assert_eq!(keys.part("queue"), "nebula:lock:1:queue:{385}:seat:1");
        for bucket in 0..BUCKETS {
            let mut name = String::new();
            push_name(&mut name, "a", "b:", bucket);
            assert_eq!(name, format!("a:1:b:{{{bucket:x}}}"));
        }
    }
}
