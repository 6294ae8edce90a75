//! Attribute macros of the Nebula crates.
