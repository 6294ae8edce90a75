//! Bodies that are sealed, and columns that are found by an index, where the application brings a [`Sealer`].

use std::{fmt, io, sync::Arc};

use super::{Arg, SqlStore, args, file, rows, run};
use crate::{
    error::{Error, ErrorKind, Result},
    sealer::{SealedPlace, Sealer},
};

/// Before a sealed body. Others are JSON, and begin with a bracket.
const SEALED: &str = "sealed:";
/// Before what an address is found by. Statements look for what does not begin so.
const INDEX: &str = "index:";

pub(super) const JOB: &str = "nebula_notification_job";
pub(super) const FILE: &str = "nebula_notification_file";
pub(super) const INBOX: &str = "nebula_notification_inbox";

/// Rows of one transaction.
const BATCH: u32 = 100;

/// What a store seals with, if with anything.
#[derive(Clone, Default)]
pub(crate) struct Sealing(Option<Arc<dyn Sealer>>);

impl fmt::Debug for Sealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealing").field(&self.0.is_some()).finish()
    }
}

fn as_sql(error: Error) -> sqlx::Error {
    match error.kind() {
        ErrorKind::Corrupt => sqlx::Error::Decode(error.into()),
        _ => sqlx::Error::Io(io::Error::other(error)),
    }
}

impl Sealing {
    pub(crate) const fn with(sealer: Option<Arc<dyn Sealer>>) -> Self {
        Self(sealer)
    }

    pub(super) fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        self.0.clone()
    }

    /// A body as it is kept.
    pub(super) async fn close(&self, table: &'static str, row: &str, body: String) -> sqlx::Result<String> {
        let Some(sealer) = &self.0 else { return Ok(body) };
        let sealed = sealer.seal(SealedPlace { table, row }, &body).await.map_err(as_sql)?;
        Ok(format!("{SEALED}{sealed}"))
    }

    /// A body that was kept, sealed or not: what was stored before there was a sealer is read as it is.
    pub(super) async fn open(&self, table: &'static str, row: &str, kept: String) -> sqlx::Result<String> {
        let Some(sealed) = kept.strip_prefix(SEALED) else { return Ok(kept) };
        let Some(sealer) = &self.0 else {
            return Err(sqlx::Error::Decode("it is sealed, and this store has no sealer".into()));
        };
        sealer.open(SealedPlace { table, row }, sealed).await.map_err(as_sql)
    }

    /// An address as the column has it.
    pub(super) async fn column(&self, address: &str) -> sqlx::Result<String> {
        let short = rows::short(address);
        let Some(sealer) = &self.0 else { return Ok(short) };
        Ok(format!("{INDEX}{}", sealer.index(&short).await.map_err(as_sql)?))
    }
}

impl SqlStore {
    /// Seals what it keeps of people from now on: the addresses, values and attachments of jobs, and messages in inboxes. Jobs and wishes
    /// are found by keyed hashes of addresses and subjects. What was kept before is read as before, but found by no
    /// address until [`seal_existing`](Self::seal_existing) has been called; from then on all processes need the sealer.
    #[must_use]
    pub fn with_sealer(mut self, sealer: impl Sealer) -> Self {
        self.sealing = Sealing::with(Some(Arc::new(sealer)));
        self
    }

    /// Seals what was kept before there was a sealer; how many rows. Any number of processes may call it at once, while
    /// others send: a row is sealed or open and never in between, and whoever is killed leaves the others for the next call. What
    /// is left is found by indexes, so that a call that finds nothing reads hardly anything; on MySQL it looks
    /// at every message in the inboxes.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`] if there is no sealer, its own, and as every operation.
    ///
    /// # Cancel safety
    /// Dropping the future leaves some rows open; the next call goes on there.
    pub async fn seal_existing(&self) -> Result<u64> {
        if self.sealing.0.is_none() {
            return Err(Error::new(ErrorKind::ConfigInvalid, "there is nothing to seal with: see with_sealer"));
        }
        Ok(self.seal_jobs().await?
            + self.seal_subjects().await?
            + self.seal_bodies(FILE, file!("file_open"), file!("file_seal")).await?
            + self.seal_bodies(INBOX, file!("inbox_open"), file!("inbox_seal")).await?)
    }

    async fn seal_jobs(&self) -> Result<u64> {
        let mut count = 0;
        loop {
            let (found, sealed) = run!(self, "jobs could not be sealed", false, |session| {
                let found = session.fetch(file!("job_open").into(), args![BATCH]).await?;
                let mut sealed = 0;
                for row in &found {
                    let (id, version, address, body) = (row.text(0)?, row.int(1)?, row.text(2)?, row.text(3)?);
                    // A process with a sealer may have changed it already.
                    let body = self.sealing.open(JOB, &id, body).await?;
                    let body = self.sealing.close(JOB, &id, body).await?;
                    let new = args![body, self.sealing.column(&address).await?, id, version, address];
                    // Whoever has changed it since is not undone: it is found again.
                    sealed += session.execute(file!("job_seal"), new).await?;
                }
                (found.len(), sealed)
            })?;
            count += sealed;
            if found < BATCH as usize && sealed == found as u64 {
                return Ok(count);
            }
        }
    }

    async fn seal_subjects(&self) -> Result<u64> {
        let mut count = 0;
        loop {
            let found = run!(self, "wishes could not be sealed", true, |session| {
                let found = session.fetch(file!("audience_open").into(), args![BATCH]).await?;
                for row in &found {
                    let open = row.text(0)?;
                    let subject = self.sealing.column(&open).await?;
                    // Of two, the one that was written with the sealer is the later one.
                    if session.fetch(file!("audience_get").into(), args![subject.as_str()]).await?.is_empty() {
                        session.execute(file!("audience_rename"), args![subject, open]).await?;
                    } else {
                        session.execute(file!("audience_remove"), args![open]).await?;
                    }
                }
                found.len()
            })?;
            count += found as u64;
            if found < BATCH as usize {
                return Ok(count);
            }
        }
    }

    /// Bodies that nobody changes.
    async fn seal_bodies(&self, table: &'static str, open: &'static str, seal: &'static str) -> Result<u64> {
        let (mut count, mut after) = (0, String::new());
        loop {
            let (last, sealed) = run!(self, "messages could not be sealed", false, |session| {
                let found = session.fetch(open.into(), args![after.as_str(), BATCH]).await?;
                let (mut last, mut sealed) = (None, 0);
                for row in &found {
                    let (name, body) = (row.text(0)?, row.text(1)?);
                    let body = self.sealing.close(table, &name, body).await?;
                    sealed += session.execute(seal, args![body, name.as_str()]).await?;
                    last = Some(name);
                }
                (last, sealed)
            })?;
            count += sealed;
            match last {
                Some(last) => after = last,
                None => return Ok(count),
            }
        }
    }
}
