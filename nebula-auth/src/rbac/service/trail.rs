//! What the audit log says about one change.

use super::{Actor, RbacOutcome, RbacService};
use crate::{
    access::AuthContext,
    audit::{AuditLog, AuditRecord, Decision, PendingEntry},
    error::Error,
    rbac::store::RbacStore,
};

/// What the audit log says about one change: at no time less than what was done.
pub(super) struct Trail<'a> {
    log: Option<&'a AuditLog>,
    line: AuditRecord,
    said: Said,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    /// That the change is about to be made.
    Attempted,
    /// As before, and it is made.
    Made,
    /// All, in the transaction of the change.
    All,
}

impl RbacService {
    pub(super) fn trail(&self, actor: &Actor, what: &str, on: String) -> Trail<'_> {
        // The request on whose behalf this runs, if there is one.
        let request_id = AuthContext::current().ok().and_then(|context| context.request_id().map(str::to_owned));
        let (decision, reason) = (Decision::Changed, String::new());
        let line = AuditRecord { who: actor.name(), what: what.to_owned(), on, decision, reason, request_id };
        Trail { log: self.audit.as_ref(), line, said: Said::Nothing }
    }
}

impl Trail<'_> {
    fn line(&self, decision: Decision, reason: impl Into<String>) -> AuditRecord {
        AuditRecord { decision, reason: reason.into(), ..self.line.clone() }
    }

    /// What the commit has to write along; or, where that cannot be, what is about to be done is written now.
    pub(super) async fn begin(&mut self, store: &dyn RbacStore) -> Result<Option<PendingEntry>, Error> {
        let Some(log) = self.log else { return Ok(None) };
        if log.place().is_some_and(|place| store.log_place() == Some(place)) {
            return Ok(Some(log.pending(self.line.clone())));
        }
        if self.said == Said::Nothing {
            log.write(self.line(Decision::Attempted, "")).await?;
            self.said = Said::Attempted;
        }
        Ok(None)
    }

    pub(super) const fn committed(&mut self, with_record: bool) {
        self.said = if with_record { Said::All } else { Said::Made };
    }

    /// Writes down what came of it.
    pub(super) async fn end(self, outcome: RbacOutcome) -> Result<RbacOutcome, Error> {
        let Some(log) = self.log else { return Ok(outcome) };
        let line = match (&outcome, self.said) {
            (RbacOutcome::Refused(refusal), _) => self.line(Decision::Denied, refusal.code()),
            (RbacOutcome::Done(head), Said::Made) => self.line(Decision::Changed, format!("commit {}", head.sequence)),
            // Somebody else was first, and did the same.
            (RbacOutcome::Done(_), Said::Attempted) => self.line(Decision::Granted, "nothing to change"),
            (RbacOutcome::Done(_), Said::Nothing | Said::All) => return Ok(outcome),
        };
        log.write(line).await?;
        Ok(outcome)
    }
}
