use std::time::SystemTime;

use super::state::Inner;
use crate::{audience::Preferences, error::Result, kind::Kind, limit::Asked, record::Job, telemetry};

/// Whether a job may be sent now.
pub(super) enum Gate {
    Pass,
    Suppress(String),
    Wait(SystemTime, &'static str),
}

/// What the recipient wants; asked anew each time, since wishes change while a job waits.
pub(super) async fn wishes(inner: &Inner, job: &Job) -> Result<Gate> {
    let mut known: Vec<Preferences> = Vec::new();
    let user = job.recipient.user_id().map(|user| format!("user:{user}"));
    for subject in user.into_iter().chain([job.address.key()]) {
        match inner.audience.get(&subject).await {
            Ok(found) => known.extend(found),
            // A block list that cannot be read must not keep back codes and alarms; marketing waits.
            Err(error) if job.kind == Kind::Marketing => return Err(error),
            Err(error) => telemetry::wishes_unknown(&error),
        }
    }
    if known.iter().any(|one| one.blocked) {
        return Ok(Gate::Suppress("blocked".to_owned()));
    }
    if matches!(job.kind, Kind::Code | Kind::Alarm) {
        return Ok(Gate::Pass);
    }
    if known.iter().any(|one| one.unsubscribed.contains(&job.channel)) {
        return Ok(Gate::Suppress("unsubscribed".to_owned()));
    }
    if job.kind == Kind::Marketing && known.iter().any(|one| one.no_marketing.contains(&job.channel)) {
        return Ok(Gate::Suppress("unsubscribed from marketing".to_owned()));
    }
    if job.kind == Kind::Marketing && !known.iter().any(|one| one.consent.contains_key(&job.channel)) {
        return Ok(Gate::Suppress("no consent".to_owned()));
    }
    let now = inner.now();
    let usual = inner.quiet.iter().filter(|(kind, _)| *kind == job.kind).map(|(_, hours)| hours);
    let end = known.iter().filter_map(|one| one.quiet_hours.as_ref()).chain(usual).filter_map(|it| it.end(now)).max();
    Ok(end.map_or(Gate::Pass, |end| Gate::Wait(end, "quiet hours")))
}

/// Limits; charged once in the life of a job.
pub(super) async fn limits(inner: &Inner, job: &Job) -> Result<Gate> {
    let Some(limits) = inner.limits.as_ref().filter(|_| !job.charged) else { return Ok(Gate::Pass) };
    let asked = Asked {
        kind: job.kind,
        address: &job.address,
        template: &job.template,
        tenant: &job.tenant,
        origin: job.origin,
    };
    match limits.charge(&asked).await {
        Ok(None) => Ok(Gate::Pass),
        Ok(Some((rule, retry_after))) => {
            telemetry::limited(&rule);
            Ok(Gate::Suppress(format!("limit {rule}, again in {} s", retry_after.as_secs().saturating_add(1))))
        }
        Err(error) if limits.is_open_when_down(job.kind) => {
            telemetry::limits_unknown(&error);
            Ok(Gate::Pass)
        }
        Err(error) => {
            telemetry::limits_unknown(&error);
            Ok(Gate::Suppress("limits could not be asked".to_owned()))
        }
    }
}
