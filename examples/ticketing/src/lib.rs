//! A ticketing platform assembled from the Nebula crates: shows with seat maps, sales that open at a given second,
//! orders that end by payment or by release.
//!
//! Start reading at `assembly.rs`: it is the one place where the parts are put together.

pub mod admission;
pub mod app;
pub mod archive;
pub mod assembly;
pub mod audit;
pub mod backup;
pub mod breaker;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod degrade;
pub mod demo;
pub mod folder;
pub mod funnel;
pub mod http;
pub mod ids;
pub mod import;
pub mod inventory;
pub mod marketing;
pub mod merchant;
pub mod money;
pub mod notice;
pub mod office;
pub mod order;
pub mod outbox;
pub mod pages;
pub mod payment;
pub mod personal;
pub mod problem;
pub mod qr;
pub mod queues;
pub mod reconcile;
pub mod refund;
pub mod remembered;
pub mod risk;
pub mod rush;
pub mod screen;
pub mod search;
pub mod serve;
pub mod show;
pub mod statement;
pub mod storage;
pub mod sweep;
pub mod system;
pub mod telemetry;
pub mod ticket;
pub mod user;
pub mod warm;
pub mod workers;
