//! Inboxes within the application.

mod handle;
mod memory;
#[cfg(feature = "axum")]
mod routes;
mod store;

#[cfg(feature = "axum")]
pub use self::routes::InboxRoutes;
pub use self::{
    handle::Inbox,
    memory::MemoryInbox,
    store::{InboxMessage, InboxQuery, InboxSelection, InboxState, InboxStore},
};
