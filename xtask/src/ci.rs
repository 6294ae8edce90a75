//! `cargo xtask ci`: the tests, and everything else that a change must not break.

use crate::error::Result;
use crate::steps::Steps;
use crate::{checks, deep, testing};

pub(crate) fn run(full: bool) -> Result {
    let mut steps = Steps::new();
    // The tests wait for time to pass more than they compute: there is room for the compiler.
    testing::everything(&mut steps, checks::all)?;
    if full {
        deep::add_to(&mut steps);
    }
    steps.conclude()
}
