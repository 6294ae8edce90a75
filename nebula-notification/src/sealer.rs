//! What is kept of people, sealed by the application.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;

/// Where a text is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedPlace<'a> {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub row: &'a str,
}

/// Seals what a store keeps of people: addresses, the values that were put into their messages, attachments, and what lies in
/// their inboxes. The keys, and when they change, are the application's.
///
/// # Contract
///
/// - `what_was_sealed_opens`: `open` answers what was given to `seal` for the same place, whatever it is, also after a restart and after another key has
///   taken over.
/// - `it_opens_in_its_place_only`: what was sealed for another row or table, or was altered, is an error of the kind
///   [`Corrupt`](crate::ErrorKind::Corrupt).
/// - `equal_texts_do_not_look_alike`: sealed twice, a text gives two different ones, and neither shows it.
/// - `addresses_are_found_by_their_index`: `index` is the same for the same text always, another one for every other text, says
///   nothing of it to whoever has no key, and has at most 128 characters of ASCII.
///
/// Both are asked while a connection of the store is in use: keys that lie in the same database are read over another one.
#[async_trait]
pub trait Sealer: fmt::Debug + Send + Sync + 'static {
    /// What is kept of a text.
    async fn seal(&self, place: SealedPlace<'_>, text: &str) -> Result<String>;

    /// The text of which that was kept.
    async fn open(&self, place: SealedPlace<'_>, sealed: &str) -> Result<String>;

    /// What an address is found by: a keyed hash.
    async fn index(&self, address: &str) -> Result<String>;
}
