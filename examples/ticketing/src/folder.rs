//! The data folder: made at the first start, and held while a server runs on it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// The data folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// It cannot be made, opened or locked.
    #[error("the data folder {0} cannot be used")]
    Unusable(PathBuf, #[source] io::Error),
    /// A server holds it.
    #[error(
        "another server is running on the data folder {0}. Stop it first, or choose another folder with --data. \
         (Several processes share a folder when all of them run on Redis: see config/redis.yaml.)"
    )]
    Held(PathBuf),
}

/// Proof that this process may use the folder; given back when dropped, also by a crash.
#[derive(Debug)]
pub struct FolderLock(#[allow(dead_code, reason = "the open file is the lock")] File);

/// Makes the folder if need be.
///
/// # Errors
///
/// [`FolderError::Unusable`].
pub fn make(folder: &Path) -> Result<(), FolderError> {
    // Password hashes and secrets live here: nobody else's business.
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| FolderError::Unusable(folder.to_owned(), error))
}

/// Makes the folder if need be and takes it: for this process alone, or together with others that share it.
///
/// # Errors
///
/// [`FolderError`].
pub fn hold(folder: &Path, alone: bool) -> Result<FolderLock, FolderError> {
    let unusable = |error| FolderError::Unusable(folder.to_owned(), error);
    make(folder)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("server.lock"))
        .map_err(unusable)?;
    let locked = if alone { file.try_lock() } else { file.try_lock_shared() };
    match locked {
        Ok(()) => Ok(FolderLock(file)),
        Err(TryLockError::WouldBlock) => Err(FolderError::Held(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Removes what the platform keeps in the folder, and nothing else.
///
/// # Errors
///
/// [`FolderError`]; a running server makes it refuse.
pub fn clear(folder: &Path, database: &Path, pictures: Option<&Path>) -> Result<(), FolderError> {
    if !folder.exists() {
        return Ok(());
    }
    let _lock = hold(folder, true)?;
    let mut files: Vec<PathBuf> = crate::secret::FILES.iter().map(|name| folder.join(name)).collect();
    let beside = [super::user::SESSIONS_FILE, super::office::ACCESS_FILE, super::notification::FILE]
        .map(|name| folder.join(name));
    for database in std::iter::once(database).chain(beside.iter().map(PathBuf::as_path)) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = database.as_os_str().to_owned();
            path.push(suffix);
            files.push(path.into());
        }
    }
    if let Some(pictures) = pictures {
        let unusable = |error| FolderError::Unusable(pictures.to_owned(), error);
        files.extend(super::picture::files(pictures).map_err(unusable)?);
    }
    for file in files {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FolderError::Unusable(folder.to_owned(), error));
            }
            _ => {}
        }
    }
    // Unless something else is in it.
    pictures.map_or(Ok(()), |pictures| fs::remove_dir(pictures).or(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_or_several_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/data");
        let alone = hold(&path, true).unwrap();
        assert!(matches!(hold(&path, true), Err(FolderError::Held(_))));
        assert!(matches!(hold(&path, false), Err(FolderError::Held(_))));
        drop(alone);
        let _shared = (hold(&path, false).unwrap(), hold(&path, false).unwrap());
        assert!(matches!(hold(&path, true), Err(FolderError::Held(_))));
    }

    #[test]
    fn clearing_spares_what_is_not_ours_and_respects_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("ticketing.db");
        for name in ["ticketing.db", "ticketing.db-wal", "notes.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let server = hold(folder.path(), false).unwrap();
        assert!(matches!(clear(folder.path(), &database, None), Err(FolderError::Held(_))));
        assert!(database.exists());
        drop(server);
        let (pictures, picture) = (folder.path().join("pictures"), format!("{}-480.jpg", "a".repeat(64)));
        fs::create_dir(&pictures).unwrap();
        fs::write(pictures.join(&picture), "x").unwrap();
        clear(folder.path(), &database, Some(&pictures)).unwrap();
        assert!(!pictures.exists());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(folder.path().join("notes.txt").exists());
    }
}
