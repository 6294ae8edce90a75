//! Running a server as somebody who is not root.

use std::path::Path;
use std::process::Command;

use crate::error::StartError;

/// Somebody known to the system's user database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// Whom a server has to be started as; `None` for "as whoever we are".
    pub(crate) fn to_become(name: Option<&str>) -> Result<Option<Self>, StartError> {
        match name {
            Some(name) if rustix::process::geteuid().is_root() => {
                Ok(Some(Self { uid: id("-u", name)?, gid: id("-g", name)? }))
            }
            _ => Ok(None),
        }
    }

    /// Gives a folder and everything in it to the user.
    pub(crate) fn own(self, path: &Path) -> Result<(), StartError> {
        let fail = || StartError::os(format!("hand {} over", path.display()));
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid)).map_err(fail())?;
        if path.is_dir() && !path.is_symlink() {
            for entry in std::fs::read_dir(path).map_err(fail())? {
                self.own(&entry.map_err(fail())?.path())?;
            }
        }
        Ok(())
    }
}

fn id(flag: &str, name: &str) -> Result<u32, StartError> {
    let fail = || StartError::os(format!("look up the user {name:?}"));
    let output = Command::new("id").args([flag, "--", name]).output().map_err(fail())?;
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| fail()(std::io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())))
}
