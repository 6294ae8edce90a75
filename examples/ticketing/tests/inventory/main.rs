//! The seat ledgers against their contract, against each other and under faults; and the inventory on top of them.

mod concurrency;
mod faults;
mod feed;
mod fixture;
mod model;
mod rebuild;
mod sold_out;
mod speed;
mod spy;
mod stock;
mod suite;
