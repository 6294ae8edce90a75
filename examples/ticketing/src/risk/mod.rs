//! Risk: who asks as no person does, who may not buy, and how people show that they are people.

mod behaviour;
mod blacklist;
mod http;
mod slider;
mod storage;

pub use self::{
    behaviour::{Behaviour, CONDUCT_ADDRESS, CONDUCT_GAP, CONDUCT_USER, Conduct, STRIKES},
    blacklist::{Ban, Blacklist, Entry, Kind, Listed, plain},
    http::desk,
    slider::{Challenge, Puzzles, Store as Answers, Wanted},
};
