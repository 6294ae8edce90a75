use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;

use super::{
    Arg, Row, Session, SqlStore, SqlText, args, failed, file, rows, run,
    sealing::{FILE, JOB, Sealing},
};
use crate::{
    attachment::Attachment,
    error::{Error, Result},
    record::{AttemptState, DeliveryReceipt, Inserted, Job, RecordQuery, RecordStore, Statistic},
    sealer::Sealer,
};

/// A job without its attachments: they stand once for all jobs of the notification.
fn body(job: &Job) -> sqlx::Result<String> {
    if job.attachments.is_empty() {
        return rows::to_body(job);
    }
    rows::to_body(&Job { attachments: Arc::default(), ..job.clone() })
}

/// Rows of `body, files, id`, with the attachments.
async fn jobs(session: &mut dyn Session, sealing: &Sealing, found: Vec<Row>) -> sqlx::Result<Vec<Job>> {
    let mut jobs = Vec::with_capacity(found.len());
    let mut known: HashMap<String, Arc<[Attachment]>> = HashMap::new();
    for row in found {
        let mut job: Job = rows::from_body(&sealing.open(JOB, &row.text(2)?, row.text(0)?).await?)?;
        if row.int(1)? != 0 {
            if !known.contains_key(&job.notification) {
                let files = session.fetch(file!("file_get").into(), args![job.notification.as_str()]).await?;
                // A mail without what belongs to it must not go out.
                let files = files.first().ok_or_else(|| sqlx::Error::Decode("attachments are missing".into()))?;
                let files = sealing.open(FILE, &job.notification, files.text(0)?).await?;
                known.insert(job.notification.clone(), rows::from_body(&files)?);
            }
            job.attachments = known.get(&job.notification).cloned().unwrap_or_default();
        }
        jobs.push(job);
    }
    Ok(jobs)
}

/// So many jobs go into the database by one statement; few sizes, so that few statements are prepared.
const ROWS: [usize; 3] = [64, 8, 1];

async fn values(sealing: &Sealing, key: Option<&str>, job: &Job) -> sqlx::Result<[Arg; 13]> {
    Ok([
        job.id.as_str().into(),
        job.version.into(),
        job.tenant.as_str().into(),
        rows::maybe(key),
        job.notification.as_str().into(),
        job.template.as_str().into(),
        sealing.column(&job.address.key()).await?.into(),
        job.status.as_str().into(),
        i64::from(job.status.is_open()).into(),
        rows::millis(job.due).into(),
        rows::millis(job.created).into(),
        i64::from(!job.attachments.is_empty()).into(),
        sealing.close(JOB, &job.id, body(job)?).await?.into(),
    ])
}

/// The jobs of a notification as they are kept: made before the transaction begins, in which nobody waits for keys.
pub(super) struct Prepared<'a> {
    key: Option<&'a str>,
    jobs: &'a [Job],
    rows: Vec<[Arg; 13]>,
    files: Option<Vec<Arg>>,
}

pub(super) async fn prepare<'a>(
    sealing: &Sealing,
    key: Option<&'a str>,
    jobs: &'a [Job],
) -> sqlx::Result<Prepared<'a>> {
    let mut rows = Vec::with_capacity(jobs.len());
    for job in jobs {
        rows.push(values(sealing, key, job).await?);
    }
    let files = match jobs.iter().find(|job| !job.attachments.is_empty()) {
        None => None,
        Some(job) => {
            let files = sealing.close(FILE, &job.notification, rows::to_body(&job.attachments)?).await?;
            Some(vec![job.notification.as_str().into(), rows::millis(job.created).into(), files.into()])
        }
    };
    Ok(Prepared { key, jobs, rows, files })
}

/// Stores the jobs of a notification, if nobody has used its key before.
pub(super) async fn store(
    session: &mut dyn Session,
    sealing: &Sealing,
    prepared: &Prepared<'_>,
) -> sqlx::Result<Inserted> {
    let Some(first) = prepared.jobs.first() else { return Ok(Inserted::New) };
    if let Some(key) = prepared.key {
        let used = vec![first.tenant.as_str().into(), key.into(), rows::millis(first.created).into()];
        if session.execute(file!("job_key"), used).await? == 0 {
            let found = session.fetch(file!("job_of_key").into(), args![first.tenant.as_str(), key]).await?;
            return Ok(Inserted::Existing(jobs(session, sealing, found).await?));
        }
    }
    if let Some(files) = &prepared.files {
        session.execute(file!("file_insert"), files.clone()).await?;
    }
    let mut left = prepared.rows.as_slice();
    for size in ROWS {
        while left.len() >= size {
            let (some, rest) = left.split_at(size);
            left = rest;
            session.insert(file!("job_insert"), size, some.iter().flatten().cloned().collect()).await?;
        }
    }
    for job in prepared.jobs {
        attempts(session, job).await?;
    }
    Ok(Inserted::New)
}

/// Writes all attempts of a job.
async fn attempts(session: &mut dyn Session, job: &Job) -> sqlx::Result<()> {
    for (number, attempt) in job.attempts.iter().enumerate() {
        let values = vec![
            job.id.as_str().into(),
            (number as u64).into(),
            attempt.provider.as_str().into(),
            attempt.reference.as_str().into(),
            rows::maybe(attempt.provider_id.as_deref().filter(|id| id.len() <= 256)),
            job.template.as_str().into(),
            attempt.state.as_str().into(),
            rows::millis(job.created).into(),
        ];
        session.execute(file!("attempt_insert"), values).await?;
    }
    Ok(())
}

/// Only the lines for what is asked for.
fn question(query: &RecordQuery, address: Option<String>) -> (String, Vec<Arg>) {
    let text = |value: &Option<String>| value.as_deref().map(Arg::from);
    let mut asked: BTreeMap<&str, Arg> = BTreeMap::new();
    let mut ask = |name, value: Option<Arg>| value.map(|value| asked.insert(name, value));
    ask("tenant", text(&query.tenant));
    ask("address", address.map(Arg::from));
    ask("notification", text(&query.notification));
    ask("template", text(&query.template));
    ask("status", query.status.map(|status| status.as_str().into()));
    ask("since", query.since.map(|since| rows::millis(since).into()));
    ask("until", query.until.map(|until| rows::millis(until).into()));
    ask("before", text(&query.before));
    let (mut sql, mut args, mut wanted) = (String::new(), Vec::new(), true);
    for line in file!("job_find").lines() {
        if let Some(name) = line.strip_prefix("-- ") {
            let value = asked.remove(name);
            wanted = value.is_some() || name == "end";
            args.extend(value);
        } else if wanted {
            sql.push_str(line);
            sql.push('\n');
        }
    }
    args.push(query.page().into());
    (sql, args)
}

impl SqlStore {
    /// What the column has of an address.
    async fn address(&self, key: Option<&str>) -> Result<Option<String>> {
        let Some(key) = key else { return Ok(None) };
        let column = self.sealing.column(key).await;
        column.map(Some).map_err(|error| failed("an address could not be looked for", error))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RecordStore for SqlStore {
    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        self.sealing.sealer()
    }

    async fn insert(&self, key: Option<&str>, new: &[Job]) -> Result<Inserted> {
        let prepared = prepare(&self.sealing, key, new).await;
        let prepared = prepared.map_err(|error| failed("jobs could not be sealed", error))?;
        run!(self, "jobs could not be stored", true, |session| {
            store(&mut *session, &self.sealing, &prepared).await?
        })
    }

    async fn get(&self, id: &str) -> Result<Option<Job>> {
        run!(self, "a job could not be read", false, |session| {
            let found = session.fetch(file!("job_get").into(), args![id]).await?;
            jobs(&mut *session, &self.sealing, found).await?.pop()
        })
    }

    async fn swap(&self, job: &Job) -> Result<bool> {
        let body = async { self.sealing.close(JOB, &job.id, body(job)?).await };
        let body = body.await.map_err(|error| failed("a job could not be sealed", error))?;
        run!(self, "a job could not be changed", true, |session| {
            let values = vec![
                job.version.into(),
                job.status.as_str().into(),
                i64::from(job.status.is_open()).into(),
                rows::millis(job.due).into(),
                body.as_str().into(),
                job.id.as_str().into(),
                job.version.saturating_sub(1).into(),
            ];
            let swapped = session.execute(file!("job_swap"), values).await? > 0;
            if swapped && !job.attempts.is_empty() {
                session.execute(file!("attempt_clear"), args![job.id.as_str()]).await?;
                attempts(&mut *session, job).await?;
            }
            swapped
        })
    }

    async fn due(&self, now: SystemTime, max: u32) -> Result<Vec<Job>> {
        run!(self, "due jobs could not be read", false, |session| {
            let found = session.fetch(file!("job_due").into(), args![rows::millis(now), max]).await?;
            jobs(&mut *session, &self.sealing, found).await?
        })
    }

    async fn by_receipt(&self, receipt: &DeliveryReceipt) -> Result<Option<Job>> {
        let address = self.address(receipt.address().as_deref()).await?;
        let by_id = receipt.provider_id.as_deref().map(|id| match &address {
            None => (file!("attempt_by_id"), id),
            Some(_) => (file!("attempt_by_id_to"), id),
        });
        let by_reference = receipt.reference.as_deref().map(|reference| match &address {
            None => (file!("attempt_by_reference"), reference),
            Some(_) => (file!("attempt_by_reference_to"), reference),
        });
        run!(self, "a job could not be looked up", false, |session| {
            let mut found = Vec::new();
            for (file, name) in by_id.into_iter().chain(by_reference) {
                if found.is_empty() {
                    let mut args = args![receipt.provider.as_str(), name];
                    args.extend(address.as_deref().map(Arg::from));
                    found = session.fetch(file.into(), args).await?;
                }
            }
            jobs(&mut *session, &self.sealing, found).await?.pop()
        })
    }

    async fn find(&self, query: &RecordQuery) -> Result<Vec<Job>> {
        let address = self.address(query.address.as_deref()).await?;
        run!(self, "jobs could not be looked for", false, |session| {
            let (sql, args) = question(query, address.clone());
            let found = session.fetch(SqlText::Made(sql), args).await?;
            jobs(&mut *session, &self.sealing, found).await?
        })
    }

    async fn statistics(&self, since: SystemTime, until: SystemTime) -> Result<Vec<Statistic>> {
        let counted: Vec<(String, String, String, i64)> =
            run!(self, "attempts could not be counted", false, |session| {
                let span = args![rows::millis(since), rows::millis(until)];
                let found = session.fetch(file!("attempt_count").into(), span).await?;
                let read = |row: &Row| Ok((row.text(0)?, row.text(1)?, row.text(2)?, row.int(3)?));
                found.iter().map(read).collect::<sqlx::Result<Vec<_>>>()?
            })?;
        let mut all: BTreeMap<(String, String), Statistic> = BTreeMap::new();
        for (provider, template, state, count) in counted {
            let state: AttemptState = state.parse().map_err(|_| Error::internal("an attempt has an unknown state"))?;
            let one = all.entry((provider.clone(), template.clone())).or_insert_with(|| Statistic {
                provider,
                template,
                ..Statistic::default()
            });
            one.count(state, u64::try_from(count).unwrap_or(0));
        }
        Ok(all.into_values().collect())
    }

    /// A thousand at a time, so that no lock is held for long.
    async fn forget(&self, before: SystemTime) -> Result<u64> {
        let before = rows::millis(before);
        let mut count = 0;
        loop {
            let removed = run!(self, "old jobs could not be removed", false, |session| {
                session.execute(file!("job_forget"), args![before]).await?
            })?;
            count += removed;
            if removed < 1000 {
                break;
            }
        }
        run!(self, "what belongs to old jobs could not be removed", false, |session| {
            session.execute(file!("attempt_forget"), args![before, before]).await?;
            session.execute(file!("key_forget"), args![before]).await?;
            session.execute(file!("file_forget"), args![before]).await?;
        })?;
        Ok(count)
    }
}
