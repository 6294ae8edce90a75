//! Where the servers' programs are on this machine.

use std::path::{Path, PathBuf};

use super::ClusterError;

/// Finds a program in one of these folders, or on the search path.
pub(crate) fn find(name: &str, first: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Programs that only administrators start are often not on the search path of others.
    let others = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    first
        .iter()
        .cloned()
        .chain(std::env::split_paths(&path))
        .chain(others)
        .map(|folder| folder.join(name))
        .find(is_file)
}

/// Folders of PostgreSQL's own programs, the newest version first.
pub(crate) fn postgres_folders() -> Vec<PathBuf> {
    let versions = Path::new("/usr/lib/postgresql").read_dir();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    folders.sort_by(|a, b| b.cmp(a));
    folders.into_iter().map(|(_, folder)| folder).collect()
}

/// The program, or what to do about it.
pub(crate) fn need(name: &'static str, first: &[PathBuf], package: &'static str) -> Result<PathBuf, ClusterError> {
    find(name, first).ok_or(ClusterError::Missing { name, package })
}

#[allow(clippy::ptr_arg, reason = "the signature that `find` asks for")]
fn is_file(path: &PathBuf) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_it_is_and_missed_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a-server-of-ours"), "").unwrap();
        let folders = [folder.path().to_owned()];
        assert_eq!(find("a-server-of-ours", &folders), Some(folder.path().join("a-server-of-ours")));
        let missing = need("no-server-of-anybody", &folders, "no-package").unwrap_err().to_string();
        assert!(missing.contains("no-server-of-anybody") && missing.contains("apt install no-package"), "{missing}");
    }
}
