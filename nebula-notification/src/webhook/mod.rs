//! Signed requests to end points that the application names.

mod guard;
mod sender;
mod signature;

pub use self::{sender::WebhookSender, signature::WebhookVerifier};
