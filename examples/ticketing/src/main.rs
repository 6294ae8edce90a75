//! Starts the ticketing platform.
fn main() {}
