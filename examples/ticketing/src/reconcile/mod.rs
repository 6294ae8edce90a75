//! The stock by the hour: every session on sale is audited, what is provably safe is mended, and the reports are kept.

mod http;
mod service;
mod storage;

pub use self::{
    http::desk,
    service::{LOCK, StockOutcome, StockReports, StockRun},
};
