//! Tills: a clerk's drawer and card terminal of a day at one merchant, what went through them, and what was counted.

mod drawer;
mod http;
mod journal;
mod report;

pub(super) use self::{
    drawer::{Key, closed, lock, open},
    http::desk,
    journal::{Entry, Kind, between, is_written, refunded, sale_of, write},
    report::report,
};
