//! The room on the disk. A linker on a full one dies of a signal, and what it says names no disk.

use std::path::Path;
use std::process::Command;

use crate::error::{Context, Error, Result};
use crate::workspace;

const GIGABYTE: f64 = 1e9;
/// With less than this, a failure is the disk's until shown otherwise.
const SHORT: f64 = 1.0;

/// What is free where cargo builds, in gigabytes (10⁹ bytes).
pub(crate) fn free() -> Result<f64> {
    free_at(&workspace::built_programs()?)
}

/// What a failed run has to say about the disk.
pub(crate) fn complaint() -> Option<String> {
    let free = free().ok().filter(|free| *free < SHORT)?;
    Some(format!("the disk is full ({free:.1} GB are free): make room in the target folder and repeat"))
}

fn free_at(directory: &Path) -> Result<f64> {
    let output = Command::new("df").arg("-Pk").arg(directory).output().context("asking df for free space")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let kibibytes = said.lines().last().and_then(|line| line.split_whitespace().nth(3)?.parse::<f64>().ok());
    let kibibytes = kibibytes.ok_or_else(|| Error::new(format!("df says it in a new way: {said}")))?;
    Ok(kibibytes * 1024.0 / GIGABYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_room_and_one_that_is_not_there_is_an_error() {
        assert!(free_at(&std::env::temp_dir()).unwrap() > 0.0);
        assert!(free_at(Path::new("/no/such/folder")).is_err());
    }
}
