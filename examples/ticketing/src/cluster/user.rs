//! Running a server as somebody who is not root.

use std::{os::unix::fs::chown, path::Path, process::Command};

use super::ClusterError;

/// Somebody known to the system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// Whom to become for a server that refuses root; nobody when we are not root.
    pub(crate) fn instead_of_root(name: &str) -> Result<Option<Self>, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        Ok(Some(Self { uid: id("-u", name)?, gid: id("-g", name)? }))
    }

    /// Gives a folder that was just made to this user.
    pub(crate) fn own(self, folder: &Path) -> Result<(), ClusterError> {
        chown(folder, Some(self.uid), Some(self.gid))
            .map_err(|error| ClusterError::System { what: format!("the owner of {}", folder.display()), error })
    }
}

fn id(flag: &str, name: &str) -> Result<u32, ClusterError> {
    let what = || format!("the user {name}");
    let output = Command::new("id").args([flag, "--", name]).output();
    let output = output.map_err(|error| ClusterError::System { what: what(), error })?;
    String::from_utf8_lossy(&output.stdout).trim().parse().map_err(|_| ClusterError::System {
        what: what(),
        error: std::io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    })
}
