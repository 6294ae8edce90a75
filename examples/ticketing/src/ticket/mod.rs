//! Tickets: issued for paid orders, shown as QR codes, admitted at the door once.

mod code;
mod door;
mod http;
mod issue;
mod offline;
mod picture;
mod scan;
pub mod storage;

pub use self::{
    code::{BadCode, Codes},
    http::desk,
    issue::Tickets,
    offline::{DoorList, Upload, Uploaded},
    scan::{Judged, Scan, Verdict},
};
