//! A ticketing platform assembled from the Nebula crates.
