//! Copies of everything that has to last, and the way back.
//!
//! A copy is a folder of its own, complete or not there at all: written under another name, checked, then renamed. Its
//! manifest has the digest of each file, so that a damaged copy is refused before anything is touched.

mod manifest;
mod postgres;
mod sqlite;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use clap::Args;
use thiserror::Error;

use self::manifest::Manifest;
use crate::{
    config::{CommonArgs, Config, DatabaseProvider},
    folder::{self, FolderError},
    picture, secret,
};

/// The dump of a PostgreSQL database within a copy.
const DUMP: &str = "ticketing.dump";
/// What the names of pictures within a copy begin with.
const PICTURES: &str = "pictures/";
/// What a copy is called until it is complete.
const PARTIAL: &str = ".partial-";

/// Where copies go.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Folder of the copies; each gets a folder of its own in it, named by the time.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// How many copies stay there; the oldest are removed once the new one is complete.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
}

/// Which copy comes back.
#[derive(Args, Clone, Debug)]
pub struct RestoreArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The folder of one copy.
    #[arg(long, value_name = "FOLDER")]
    from: PathBuf,
}

/// There is no copy, or nothing was restored.
#[derive(Debug, Error)]
pub enum BackupError {
    /// A file or folder.
    #[error("{0} cannot be used")]
    File(PathBuf, #[source] io::Error),
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is nothing to copy.
    #[error("there is no database at {0}: is this the data folder of a platform?")]
    Nothing(PathBuf),
    /// A database.
    #[error("the database {0} cannot be copied")]
    Database(PathBuf, #[source] sqlx::Error),
    /// A copy of a database is not sound.
    #[error("the copy of {name} is not sound: {finding}")]
    Unsound {
        /// Which.
        name: String,
        /// What the database says.
        finding: String,
    },
    /// The copy is not what was written.
    #[error("{0}")]
    Damaged(String),
    /// What is there would be lost.
    #[error("{0} has data already: restore into an empty folder, or remove what is there with `ticketing reset`")]
    Occupied(String),
    /// The copy is of the other kind.
    #[error("the copy is of {copy}, and the configuration says {configured}")]
    OtherKind {
        /// What was copied.
        copy: &'static str,
        /// Where it should go.
        configured: &'static str,
    },
    /// PostgreSQL's own programs.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// The address of the server.
    #[error("database.url cannot be read: {0}")]
    Address(&'static str),
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |error| BackupError::File(path, error)
}

/// The databases in files, with the copy's name of each.
fn databases(config: &Config) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    if config.database.provider == DatabaseProvider::Sqlite {
        all.push((config.database_path(), "ticketing.db".to_owned()));
    }
    for name in [crate::user::SESSIONS_FILE, crate::office::ACCESS_FILE, crate::notification::FILE] {
        all.push((config.data.join(name), name.to_owned()));
    }
    all
}

/// The secrets without which what is in the databases is worth little. What names the platform on Redis is not among them:
/// what Redis remembers of the time after the copy must not be believed.
fn secrets() -> impl Iterator<Item = &'static str> {
    secret::FILES.iter().copied().filter(|name| *name != secret::PLATFORM)
}

fn private_folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file(path))
}

/// Makes a copy and answers where it is. Servers may be running.
///
/// # Errors
///
/// [`BackupError`]; then there is no new copy, and no old one was removed.
///
/// # Cancel safety
///
/// What was written stays under a name that tells that it is not complete; the next call removes it.
pub async fn backup(args: &BackupArgs) -> Result<PathBuf, Box<dyn std::error::Error + Send + Sync>> {
    let config = args.common.load()?;
    Ok(copy(&config, &args.to, usize::from(args.keep)).await?)
}

async fn copy(config: &Config, to: &Path, keep: usize) -> Result<PathBuf, BackupError> {
    private_folder(to)?;
    for left in copies(to, |name| name.starts_with(PARTIAL))? {
        fs::remove_dir_all(&left).map_err(file(&left))?;
    }
    let name = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ").to_string();
    let (partial, done) = (to.join(format!("{PARTIAL}{name}")), to.join(&name));
    private_folder(&partial)?;
    let mut names = Vec::new();
    // Sign-ins, roles and notices first: they may lack what is newest, never speak of what is not there.
    for (path, name) in databases(config).into_iter().rev() {
        if path.exists() {
            sqlite::copy(&path, &partial.join(&name)).await?;
            names.push(name);
        } else if name == "ticketing.db" {
            return Err(BackupError::Nothing(path));
        }
    }
    if config.database.provider == DatabaseProvider::Postgres {
        postgres::dump(config, &partial.join(DUMP)).await?;
        names.push(DUMP.to_owned());
    }
    for name in secrets() {
        let from = config.data.join(name);
        if from.exists() {
            fs::copy(&from, partial.join(name)).map_err(file(&from))?;
            names.push(name.to_owned());
        }
    }
    // After the database: what it names then stays for longer than a copy takes.
    names.extend(pictures(config, &partial)?);
    Manifest::of(&partial, &names)?.write(&partial)?;
    Manifest::read(&partial)?.check(&partial)?;
    fs::rename(&partial, &done).map_err(file(&done))?;
    fs::File::open(to).and_then(|folder| folder.sync_all()).map_err(file(to))?;
    let known = copies(to, |name| name.ends_with('Z') && !name.starts_with('.'))?;
    for old in known.iter().take(known.len().saturating_sub(keep)) {
        fs::remove_dir_all(old).map_err(file(old))?;
    }
    Ok(done)
}

/// Copies the pictures, if they are in a folder; answers their names within the copy.
fn pictures(config: &Config, to: &Path) -> Result<Vec<String>, BackupError> {
    let Some(folder) = config.pictures_path() else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for from in picture::files(&folder).map_err(file(&folder))? {
        let Some(name) = from.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{PICTURES}{name}");
        private_folder(&to.join(PICTURES))?;
        match fs::copy(&from, to.join(&name)) {
            // No show has it any more, and it was removed just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            copied => {
                copied.map_err(file(&from))?;
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// The copies in a folder whose names are like that, the oldest first.
fn copies(folder: &Path, like: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, BackupError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(file(folder))? {
        let path = entry.map_err(file(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Nothing is ever removed that is not one of ours.
        if like(name) && (name.starts_with(PARTIAL) || path.join(manifest::FILE).is_file()) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Puts a copy into an empty data folder, and into an empty database where there is a server.
///
/// # Errors
///
/// [`BackupError`]; what was there before is as it was.
///
/// # Cancel safety
///
/// Some of it may be there: remove it, and call it again.
pub async fn restore(args: &RestoreArgs) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let config = args.common.load()?;
    Ok(put_back(&config, &args.from).await?)
}

async fn put_back(config: &Config, from: &Path) -> Result<(), BackupError> {
    let manifest = Manifest::read(from)?;
    manifest.check(from)?;
    let names: Vec<_> = manifest.names().collect();
    match (names.contains(&DUMP), config.database.provider) {
        (true, DatabaseProvider::Sqlite) => {
            return Err(BackupError::OtherKind { copy: "PostgreSQL", configured: "SQLite" });
        }
        (false, DatabaseProvider::Postgres) => {
            return Err(BackupError::OtherKind { copy: "SQLite", configured: "PostgreSQL" });
        }
        _ => {}
    }
    // Also makes sure that no server runs on this folder.
    let _lock = folder::hold(&config.data, true)?;
    let databases = databases(config);
    // Those of a copy come into the folder even where a bucket is configured: whoever restores can put them there.
    let pictures = config.data.join(&config.pictures.folder);
    let place = |name: &str| {
        let known = databases.iter().find(|(_, copy)| copy == name).map(|(path, _)| path.clone());
        let picture = || name.strip_prefix(PICTURES).map(|name| pictures.join(name));
        known.or_else(picture).unwrap_or_else(|| config.data.join(name))
    };
    let files: Vec<_> =
        names.iter().copied().filter(|name| *name != DUMP).map(|name| (from.join(name), place(name))).collect();
    if let Some((_, there)) = files.iter().find(|(_, there)| there.exists()) {
        return Err(BackupError::Occupied(there.display().to_string()));
    }
    if config.database.provider == DatabaseProvider::Postgres {
        postgres::restore(config, &from.join(DUMP)).await?;
    }
    if names.iter().any(|name| name.starts_with(PICTURES)) {
        private_folder(&pictures)?;
    }
    for (copy, there) in files {
        // The first start after this finds whole files only.
        let partial = there.with_extension("restoring");
        fs::copy(&copy, &partial).map_err(file(&partial))?;
        fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(file(&partial))?;
        fs::rename(&partial, &there).map_err(file(&there))?;
    }
    Ok(())
}
