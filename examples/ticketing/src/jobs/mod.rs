//! Jobs that come again and again: who does what, when, how it went, and when it comes next.
//!
//! A job that is for all servers runs on one of them at a time, under a lock; when the next run is due follows from the latest one, which
//! the database keeps. One that each server has to do for itself runs on each. Two runs at once must do no harm: nothing but work is
//! lost when a lock is. A run that fails, panics or takes too long is logged, kept, and made again when it is due.

mod board;
mod http;
mod job;
mod record;
mod runner;
mod schedule;

pub use self::{
    board::Jobs,
    http::desk,
    job::{Did, Job, Ran},
    schedule::{Schedule, ScheduleError},
};
