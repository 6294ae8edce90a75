//! Permissions as small numbers.

use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use parking_lot::RwLock;

use crate::rbac::permission::{Permission, PermissionPattern, check_permission};

/// The numbers of permissions in this process, in the order of their first use. It only ever grows, by the names that the
/// program itself declares; names from requests are never entered.
#[derive(Default)]
struct Table {
    names: Vec<Permission>,
    numbers: HashMap<Permission, u32>,
}

static TABLE: LazyLock<RwLock<Table>> = LazyLock::new(RwLock::default);

/// A permission that the program checks, as its number in this process: what makes a check a look at one bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PermissionKey(u32);

impl PermissionKey {
    /// The number of a permission; a new one if it has none. For names that the program declares: numbers are never freed.
    #[must_use]
    pub fn of(permission: &Permission) -> Self {
        if let Some(known) = Self::known(permission) {
            return known;
        }
        let mut table = TABLE.write();
        if let Some(number) = table.numbers.get(permission) {
            return Self(*number);
        }
        let number = u32::try_from(table.names.len()).unwrap_or(u32::MAX);
        table.names.push(permission.clone());
        table.numbers.insert(permission.clone(), number);
        Self(number)
    }

    pub(crate) fn known(permission: &Permission) -> Option<Self> {
        TABLE.read().numbers.get(permission).copied().map(Self)
    }

    /// The permission.
    #[must_use]
    pub fn permission(self) -> Permission {
        let table = TABLE.read();
        match usize::try_from(self.0).ok().and_then(|at| table.names.get(at)) {
            Some(name) => name.clone(),
            // Keys are made above only.
            None => unknown(),
        }
    }
}

fn unknown() -> Permission {
    match Permission::new("unknown") {
        Ok(name) => name,
        Err(_) => unknown(),
    }
}

/// Words that are kept in the set itself.
const NEAR: usize = 4;

/// One bit per permission of the table as it was when the set was made. What somebody has was mostly declared together, so
/// the words from the first that is not empty are at hand, and only what is far from it takes a second look at memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PermissionBits {
    width: u32,
    /// Number of the first word of `near`; all before it are empty.
    first: u32,
    near: [u64; NEAR],
    /// The words after them, without empty ones at the end.
    far: Box<[u64]>,
}

impl PermissionBits {
    pub(crate) fn of<'a>(patterns: impl Iterator<Item = &'a PermissionPattern> + Clone) -> Self {
        let table = TABLE.read();
        let mut words = vec![0u64; table.names.len().div_ceil(64)];
        let mut set = |number: u32| {
            if let Some(word) = words.get_mut(number as usize / 64) {
                *word |= 1 << (number % 64);
            }
        };
        let (wild, plain): (Vec<_>, Vec<_>) = patterns.partition(|pattern| pattern.as_str().contains('*'));
        for pattern in plain {
            if let Some(number) = Permission::new(pattern.as_str()).ok().and_then(|name| table.numbers.get(&name)) {
                set(*number);
            }
        }
        if !wild.is_empty() {
            for (name, number) in &table.numbers {
                if wild.iter().any(|pattern| pattern.covers(name)) {
                    set(*number);
                }
            }
        }
        Self::packed(&words, u32::try_from(table.names.len()).unwrap_or(u32::MAX))
    }

    fn packed(words: &[u64], width: u32) -> Self {
        let first = words.iter().position(|word| *word != 0).unwrap_or_default();
        let end = words.iter().rposition(|word| *word != 0).map_or(first, |last| last + 1);
        let mut near = [0; NEAR];
        for (word, from) in near.iter_mut().zip(words.iter().skip(first)) {
            *word = *from;
        }
        let far = words.get(first + NEAR..end).unwrap_or_default().into();
        Self { width, first: u32::try_from(first).unwrap_or(u32::MAX), near, far }
    }

    /// Whether no permission is younger than the set.
    pub(crate) fn is_complete(&self) -> bool {
        TABLE.read().names.len() <= self.width as usize
    }

    /// Whether the permission is in the set; nothing if the permission is younger than the set.
    #[inline]
    pub(crate) fn has(&self, key: PermissionKey) -> Option<bool> {
        if key.0 >= self.width {
            return None;
        }
        // Before the first it wraps around to what is beyond the last.
        let at = (key.0 / 64).wrapping_sub(self.first) as usize;
        let word = self.near.get(at).or_else(|| self.far.get(at.wrapping_sub(NEAR)));
        Some(word.is_some_and(|word| word >> (key.0 % 64) & 1 == 1))
    }
}

/// A permission known at compile time, with its number looked up once. What `permissions!` and `#[requires_permission]`
/// make.
#[derive(Debug)]
pub struct StaticPermission {
    name: &'static str,
    key: OnceLock<PermissionKey>,
}

impl StaticPermission {
    /// The permission of that name.
    ///
    /// # Panics
    /// If it is none; in a constant that is an error of the compiler.
    #[must_use]
    #[allow(clippy::panic, reason = "evaluated by the compiler")]
    pub const fn new(name: &'static str) -> Self {
        assert!(check_permission(name, false).is_ok(), "not a permission: write segments like `order:read`");
        Self { name, key: OnceLock::new() }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its number.
    #[inline]
    pub fn key(&self) -> PermissionKey {
        *self.key.get_or_init(|| PermissionKey::of(&Permission::new(self.name).unwrap_or_else(|_| unknown())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_words_are_the_words() {
        const WORDS: usize = 12;
        // Every stretch of full words, and a single bit at each place.
        let stretches = (0..WORDS).flat_map(|from| (from..=WORDS).map(move |to| (from, to)));
        for (from, to) in stretches {
            let mut words = [0u64; WORDS];
            for (at, word) in words.iter_mut().enumerate().take(to).skip(from) {
                *word = 0x8000_0000_0000_0001 << at | 1;
            }
            let width = u32::try_from(WORDS * 64 - 3).unwrap_or_default();
            let bits = PermissionBits::packed(&words, width);
            assert!(bits.far.len() <= (to - from).saturating_sub(NEAR), "{from}..{to}");
            for number in 0..width {
                let expected = words[number as usize / 64] >> (number % 64) & 1 == 1;
                assert_eq!(bits.has(PermissionKey(number)), Some(expected), "{number} of {from}..{to}");
            }
            assert_eq!(bits.has(PermissionKey(width)), None);
            assert_eq!(bits.has(PermissionKey(u32::MAX)), None);
        }
    }
}
