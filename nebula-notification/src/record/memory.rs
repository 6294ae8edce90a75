use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    job::Job,
    query::{RecordQuery, Statistic},
    receipt::DeliveryReceipt,
    store::{Inserted, RecordStore},
};
use crate::{
    clock::millis,
    error::{Error, ErrorKind, Result},
};

/// Jobs in this process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryRecords(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<String, Job>,
    keys: HashMap<(String, String), Vec<String>>,
}

impl MemoryRecords {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl RecordStore for MemoryRecords {
    async fn insert(&self, key: Option<&str>, jobs: &[Job]) -> Result<Inserted> {
        let mut state = self.0.lock();
        if let (Some(key), Some(first)) = (key, jobs.first()) {
            let name = (first.tenant.clone(), key.to_owned());
            if let Some(ids) = state.keys.get(&name) {
                return Ok(Inserted::Existing(ids.iter().filter_map(|id| state.jobs.get(id).cloned()).collect()));
            }
            state.keys.insert(name, jobs.iter().map(|job| job.id.clone()).collect());
        }
        if jobs.iter().any(|job| state.jobs.contains_key(&job.id)) {
            return Err(Error::new(ErrorKind::Corrupt, "a job of that id exists"));
        }
        state.jobs.extend(jobs.iter().map(|job| (job.id.clone(), job.clone())));
        Ok(Inserted::New)
    }

    async fn get(&self, id: &str) -> Result<Option<Job>> {
        Ok(self.0.lock().jobs.get(id).cloned())
    }

    async fn swap(&self, job: &Job) -> Result<bool> {
        let mut state = self.0.lock();
        match state.jobs.get_mut(&job.id) {
            Some(stored) if stored.version + 1 == job.version => {
                stored.clone_from(job);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn due(&self, now: SystemTime, max: u32) -> Result<Vec<Job>> {
        let state = self.0.lock();
        let is_due = |job: &&Job| job.status.is_open() && millis(job.due) <= millis(now);
        let mut due: Vec<&Job> = state.jobs.values().filter(is_due).collect();
        due.sort_by_key(|job| (job.due, job.id.as_str()));
        Ok(due.into_iter().take(max as usize).cloned().collect())
    }

    async fn by_receipt(&self, receipt: &DeliveryReceipt) -> Result<Option<Job>> {
        let (state, address) = (self.0.lock(), receipt.address());
        let to = |job: &Job| address.as_ref().is_none_or(|address| *address == job.address.key());
        let find = |fits: &dyn Fn(&super::job::Attempt) -> bool| {
            let mine =
                |job: &&Job| job.attempts.iter().any(|one| one.provider == receipt.provider && fits(one)) && to(job);
            state.jobs.values().find(mine).cloned()
        };
        let by_id = receipt.provider_id.as_ref().and_then(|id| find(&|one| one.provider_id.as_ref() == Some(id)));
        Ok(by_id.or_else(|| receipt.reference.as_ref().and_then(|reference| find(&|one| one.reference == *reference))))
    }

    async fn find(&self, query: &RecordQuery) -> Result<Vec<Job>> {
        let state = self.0.lock();
        let fits = |job: &&Job| query.fits(job);
        Ok(state.jobs.values().rev().filter(fits).take(query.page() as usize).cloned().collect())
    }

    async fn statistics(&self, since: SystemTime, until: SystemTime) -> Result<Vec<Statistic>> {
        let span = RecordQuery::new().since(since).until(until);
        let state = self.0.lock();
        let mut all: BTreeMap<(String, String), Statistic> = BTreeMap::new();
        for job in state.jobs.values().filter(|job| span.fits(job)) {
            for attempt in &job.attempts {
                let (provider, template) = (attempt.provider.clone(), job.template.clone());
                let one = all.entry((provider.clone(), template.clone())).or_insert_with(|| Statistic {
                    provider,
                    template,
                    ..Statistic::default()
                });
                one.count(attempt.state, 1);
            }
        }
        Ok(all.into_values().collect())
    }

    async fn forget(&self, before: SystemTime) -> Result<u64> {
        let mut state = self.0.lock();
        let count = state.jobs.len();
        state.jobs.retain(|_, job| job.status.is_open() || millis(job.created) >= millis(before));
        let State { jobs, keys } = &mut *state;
        keys.retain(|_, ids| ids.is_empty() || ids.iter().any(|id| jobs.contains_key(id)));
        Ok((count - jobs.len()) as u64)
    }
}
