//! Records: every job with every attempt, what it cost and what became of it.

mod job;
mod memory;
mod query;
mod receipt;
mod store;

pub use self::{
    job::{Attempt, AttemptState, Job, JobStatus, Price},
    memory::MemoryRecords,
    query::{JobView, RecordQuery, Statistic},
    receipt::{DeliveryReceipt, Settled},
    store::{Inserted, RecordStore},
};
