//! One short program per Nebula crate
