//! What a copy consists of.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{BackupError, PICTURES, file};
use crate::picture::is_file;

/// Its name within the copy.
pub(super) const FILE: &str = "manifest.json";
/// The form of copies. What a later program writes is not restored by an earlier one.
const FORMAT: u32 = 2;
/// The one before had no pictures.
const FORMATS: std::ops::RangeInclusive<u32> = 1..=FORMAT;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// SHA-256 in hexadecimal digits by name.
    files: BTreeMap<String, String>,
}

impl Manifest {
    pub(super) fn of(folder: &Path, names: &[String]) -> Result<Self, BackupError> {
        let digest = |name: &String| Ok((name.clone(), digest(&folder.join(name))?));
        Ok(Self { format: FORMAT, files: names.iter().map(digest).collect::<Result<_, BackupError>>()? })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let path = folder.join(FILE);
        let written = || {
            let mut options = File::options();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()
        };
        written().map_err(file(&path))
    }

    pub(super) fn read(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(FILE);
        let text = std::fs::read(&path).map_err(file(&path))?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| BackupError::Damaged(format!("{} is no manifest: {error}", path.display())))?;
        if !FORMATS.contains(&manifest.format) {
            let text =
                format!("{} has the format {}, and this program knows {FORMAT}", path.display(), manifest.format);
            return Err(BackupError::Damaged(text));
        }
        // A name that leads elsewhere is none that was written here.
        let leads_elsewhere = |name: &&String| match name.strip_prefix(PICTURES) {
            Some(picture) => !is_file(picture),
            None => name.contains(['/', '\\']) || name.starts_with('.'),
        };
        match manifest.files.keys().find(leads_elsewhere) {
            Some(name) => Err(BackupError::Damaged(format!("{} names {name:?}", path.display()))),
            None => Ok(manifest),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Whether every file is what was written.
    pub(super) fn check(&self, folder: &Path) -> Result<(), BackupError> {
        for (name, expected) in &self.files {
            let path = folder.join(name);
            if digest(&path)? != *expected {
                let text = format!("{} is not what was copied: take another copy", path.display());
                return Err(BackupError::Damaged(text));
            }
        }
        Ok(())
    }
}

fn digest(path: &Path) -> Result<String, BackupError> {
    let read = || {
        let (mut input, mut context) = (File::open(path)?, Context::new(&SHA256));
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = input.read(&mut buffer)?;
            if length == 0 {
                return Ok(context.finish());
            }
            context.update(buffer.get(..length).unwrap_or_default());
        }
    };
    let digest = read().map_err(file(path))?;
    Ok(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}
