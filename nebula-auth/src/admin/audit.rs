//! The audit log.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Admin,
    answer::{Answer, Failure, Page},
    body::{Asked, limit},
};
use crate::audit::{AuditEntry, AuditQuery, Decision, Verification};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    before: Option<u64>,
    limit: Option<u32>,
    who: Option<String>,
    what: Option<String>,
    decision: Option<Decision>,
}

#[derive(Serialize)]
pub(super) struct Entry {
    number: u64,
    at: String,
    who: String,
    what: String,
    on: String,
    decision: Decision,
    reason: String,
    request_id: Option<String>,
    hash: String,
}

impl From<AuditEntry> for Entry {
    fn from(entry: AuditEntry) -> Self {
        let record = entry.record;
        Self {
            number: entry.number,
            at: super::body::text(crate::rbac::millis::time(entry.at_ms)),
            who: record.who,
            what: record.what,
            on: record.on,
            decision: record.decision,
            reason: record.reason,
            request_id: record.request_id,
            hash: entry.hash.to_string(),
        }
    }
}

/// Newest first.
pub(super) async fn query(
    State(admin): State<Arc<Admin>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Answer<Page<Entry>>, Failure> {
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    let query = AuditQuery {
        before: wanted.before,
        limit: limit(wanted.limit),
        who: present(wanted.who),
        what: present(wanted.what),
        decision: wanted.decision,
    };
    let found = admin.log()?.query(&query).await?;
    let next = found.next.map(|number| number.to_string());
    Ok(Answer(Page { items: found.entries.into_iter().map(Entry::from).collect(), next }))
}

pub(super) async fn verify(State(admin): State<Arc<Admin>>) -> Result<Answer<Value>, Failure> {
    Ok(Answer(match admin.log()?.verify().await? {
        Verification::Intact { entries, last } => {
            json!({ "intact": true, "entries": entries, "last": last.to_string() })
        }
        Verification::Broken { number } => json!({ "intact": false, "broken_at": number }),
    }))
}
