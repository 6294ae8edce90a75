//! What recipients want: blocks, unsubscriptions, consent, quiet hours, preferred channels.

mod memory;
mod quiet;
mod store;

pub use self::{
    memory::MemoryAudience,
    quiet::QuietHours,
    store::{AudienceStore, Consent, Preferences, change_wishes},
};
