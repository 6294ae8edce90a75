//! Shows that buyers want to see, and the reminders when their sales open.

mod http;
mod remind;
mod storage;

pub use self::{
    http::routes,
    remind::{Reminder, Reminders},
    storage::counts,
};
