//! An audit log in a file.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    chain::{AuditEntry, EntryHash},
    log::{Appended, AuditSink, LogPlace},
};
use crate::error::Error;

/// Keeps entries in a file, one line of JSON each, synced to the disk before they count as kept. One process at a time:
/// the file is locked while it is open.
#[derive(Debug, Clone)]
pub struct FileAuditSink(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    file: File,
    last: Option<(u64, EntryHash)>,
}

impl FileAuditSink {
    /// Opens the file, or makes it. An entry that a crash left half-written at its end, which nobody was told was kept, is
    /// removed.
    ///
    /// # Errors
    /// If the file cannot be opened, is open elsewhere, or holds something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let failed = |error: std::io::Error| Error::unavailable("the audit log cannot be opened", error);
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        file.try_lock().map_err(|error| Error::unavailable("the audit log is open elsewhere", error))?;
        let mut open = Open { file, last: None };
        let (mut whole, mut last) = (0u64, None);
        let mut reader = BufReader::new(&open.file);
        let mut line = String::new();
        while reader.read_line(&mut line).map_err(failed)? > 0 {
            if !line.ends_with('\n') {
                break;
            }
            let entry: AuditEntry = serde_json::from_str(&line).map_err(|error| {
                Error::internal("the audit log holds something that is no entry").with_source(error)
            })?;
            last = Some((entry.number, entry.hash));
            whole += u64::try_from(line.len()).unwrap_or(0);
            line.clear();
        }
        open.file.set_len(whole).map_err(failed)?;
        open.last = last;
        Ok(Self(Arc::new(Mutex::new(open))))
    }

    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Open) -> std::io::Result<R> + Send + 'static,
    ) -> Result<R, Error> {
        let open = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&mut open.lock())).await;
        let done = done.map_err(|error| Error::internal("a task ended early").with_source(error))?;
        done.map_err(|error| Error::unavailable("the audit log cannot be read or written", error))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl AuditSink for FileAuditSink {
    async fn last(&self) -> Result<Option<(u64, EntryHash)>, Error> {
        self.blocking(|open| Ok(open.last)).await
    }

    async fn append(&self, entry: &AuditEntry) -> Result<Appended, Error> {
        let mut line = serde_json::to_vec(entry)
            .map_err(|error| Error::internal("an audit entry could not be written as JSON").with_source(error))?;
        line.push(b'\n');
        let place = (entry.number, entry.hash);
        self.blocking(move |open| {
            if open.last.is_some_and(|(number, _)| number >= place.0) {
                return Ok(Appended::Taken);
            }
            let before = open.file.seek(SeekFrom::End(0))?;
            let written = open.file.write_all(&line).and_then(|()| open.file.sync_data());
            if let Err(error) = written {
                // What is not known to be kept must not stay half-way.
                open.file.set_len(before)?;
                return Err(error);
            }
            open.last = Some(place);
            Ok(Appended::Yes)
        })
        .await
    }

    async fn read(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, Error> {
        self.blocking(move |open| {
            open.file.seek(SeekFrom::Start(0))?;
            let mut entries = Vec::new();
            for line in BufReader::new(&open.file).lines() {
                let entry: AuditEntry = serde_json::from_str(&line?)?;
                if entry.number > after {
                    entries.push(entry);
                    if entries.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                        break;
                    }
                }
            }
            Ok(entries)
        })
        .await
    }

    fn place(&self) -> Option<LogPlace> {
        None
    }
}
