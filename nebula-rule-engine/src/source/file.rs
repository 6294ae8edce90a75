//! Rules in a file.

use std::io::{ErrorKind as Io, Read as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{Document, Format, Loaded, RuleSource, too_large, unavailable};
use crate::error::{Error, ErrorKind, Result};
use crate::set::MAX_BYTES;

/// A file with rules in YAML (`.yaml`, `.yml`) or JSON.
///
/// It is read anew whenever it is asked for, and told apart by its content: this sees files that are replaced, links that are
/// turned to another folder (as container platforms do with configuration), and network folders, none of which report
/// changes. Write a new file beside it and rename it, so that nobody reads half of it; half a file is refused like any
/// other broken one.
#[derive(Clone, Debug)]
pub struct FileSource {
    path: PathBuf,
}

impl FileSource {
    /// The file at `path`.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned() }
    }
}

#[async_trait]
impl RuleSource for FileSource {
    async fn load(&self, known: Option<&str>) -> Result<Loaded> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path));
        let text = read.await.map_err(|error| unavailable("reading a file of rules", error))??;
        let document = Document::new(text, Format::of_name(&self.path.to_string_lossy()));
        Ok(if known == Some(document.tag.as_str()) { Loaded::Unchanged } else { Loaded::Document(document) })
    }
}

fn read(path: &Path) -> Result<String> {
    let failed = |error: std::io::Error| match error.kind() {
        Io::NotFound => Error::new(ErrorKind::NotFound, format!("{}: there is no such file", path.display())),
        _ => unavailable(path.display(), error),
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAX_BYTES {
        return Err(too_large(path.display()));
    }
    String::from_utf8(bytes)
        .map_err(|error| Error::new(ErrorKind::Invalid, format!("{}: {error}", path.display())).with_source(error))
}
