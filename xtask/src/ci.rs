//! `cargo xtask ci`: the tests, then everything else that a change must not break.

use crate::error::Result;
use crate::steps::Steps;
use crate::{checks, deep, testing, workspace};

pub(crate) fn run(full: bool) -> Result {
    let mut steps = Steps::default();
    testing::add_to(&mut steps, &[])?;
    steps.command("fmt", workspace::cargo(["fmt", "--all", "--check"]));
    // This compiles the benchmarks too, those against peers included.
    let clippy = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    steps.command("clippy", workspace::cargo(clippy));
    let mut docs = workspace::cargo(["doc", "--workspace", "--all-features", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings");
    steps.command("docs", docs);
    checks::each_library_alone(&mut steps);
    if full {
        deep::add_to(&mut steps);
    }
    steps.conclude()
}
