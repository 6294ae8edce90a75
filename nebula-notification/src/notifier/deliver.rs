use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    gate::{self, Gate},
    plan,
    route::Live,
    state::Inner,
};
use crate::{
    error::{ErrorKind, Result},
    outcome::{ErrorClass, Outcome},
    params::Params,
    record::{Attempt, AttemptState, Inserted, Job, JobStatus},
    sender::Delivery,
    telemetry,
    template::StoredTemplate,
};

/// What a job says: secret values live here only.
#[derive(Clone)]
pub(super) struct Payload {
    params: Arc<Params>,
    template: Arc<StoredTemplate>,
}

impl Payload {
    pub(super) fn new(params: Params, template: Arc<StoredTemplate>) -> Self {
        Self { params: Arc::new(params), template }
    }
}

/// What a round of attempts has come to.
#[derive(Default)]
struct Round {
    /// Some attempt's outcome is unknown.
    unknown: bool,
    /// Trying later can help.
    later: bool,
    /// What the providers said, for the record.
    said: Vec<String>,
    /// How long a provider wants to be left alone.
    retry_after: Option<Duration>,
}

/// Works on a job that is claimed: gate, attempts, and what follows. When the next channel takes over, answers with its job.
pub(super) async fn run(inner: &Inner, mut job: Job, payload: &Payload) -> Result<Job> {
    loop {
        one_channel(inner, &mut job, payload).await?;
        inner.tell_queue(&job).await;
        if job.status != JobStatus::Failed {
            return Ok(job);
        }
        let Some(next) = plan::next_channel(&job, inner.now(), inner.lease()) else { return Ok(job) };
        // The key makes two workers that see the same failure start one next job.
        let key = format!("next:{}", job.id);
        match inner.records.insert(Some(&key), std::slice::from_ref(&next)).await? {
            Inserted::New => job = next,
            Inserted::Existing(_) => return Ok(job),
        }
    }
}

async fn one_channel(inner: &Inner, job: &mut Job, payload: &Payload) -> Result<()> {
    if job.is_over(inner.now()) {
        return close(inner, job, JobStatus::Expired, None).await;
    }
    for gate in [gate::wishes(inner, job).await, gate::limits(inner, job).await] {
        match gate {
            Ok(Gate::Pass) => {}
            Ok(Gate::Suppress(reason)) => {
                telemetry::suppressed(job);
                return close(inner, job, JobStatus::Suppressed, Some(reason)).await;
            }
            Ok(Gate::Wait(until, reason)) => {
                let wait = move |job: &mut Job| {
                    job.set(JobStatus::Waiting, Some(reason.to_owned()));
                    job.due = until;
                    true
                };
                return inner.update(job, wait).await.map(drop);
            }
            Err(error) if job.params.is_some() && error.kind() == ErrorKind::Unavailable => {
                let (now, pause) = (inner.now(), inner.options.round_pause);
                return inner.update(job, |job| wait_again(job, now, pause, "a store is away")).await.map(drop);
            }
            Err(error) => return Err(error),
        }
    }
    let charged = |job: &mut Job| {
        job.charged = true;
        job.rounds += 1;
        true
    };
    inner.update(job, charged).await?;
    let delivery = match delivery(job, payload) {
        Ok(delivery) => delivery,
        Err(error) => return close(inner, job, JobStatus::Failed, Some(error.to_string())).await,
    };
    let round = attempts(inner, job, delivery).await?;
    if !job.status.is_sent() {
        settle(inner, job, &round).await?;
    }
    telemetry::finished(job);
    Ok(())
}

fn wait_again(job: &mut Job, now: std::time::SystemTime, pause: Duration, reason: &str) -> bool {
    job.wait(now, pause, reason);
    true
}

/// Asks one provider after the other, until one takes the message or the table of consequences says to stop.
async fn attempts(inner: &Inner, job: &mut Job, mut delivery: Delivery) -> Result<Round> {
    let end = Instant::now() + inner.options.round_timeout;
    let mut round = Round::default();
    let routes = inner.routes.order(job.channel);
    if routes.is_empty() {
        round.said.push(format!("no sender for {}", job.channel));
    }
    for route in routes {
        let provider = route.sender.provider();
        let lost = |one: &Attempt| one.provider == provider && one.state == AttemptState::Undelivered;
        if job.attempts.iter().any(lost) {
            continue;
        }
        if !route.breaker.allows() {
            round.later = true;
            round.said.push(format!("{provider}: circuit open"));
            continue;
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || job.is_over(inner.now()) {
                round.later = true;
                round.said.push("out of time".to_owned());
                return Ok(round);
            }
            let outcome = attempt(inner, job, &route, &mut delivery, left.min(inner.options.attempt_timeout)).await?;
            let Some(class) = outcome.class() else { return Ok(round) };
            let consequence = class.consequence(job.kind);
            round.later |= consequence.later;
            round.unknown |= class == ErrorClass::Unknown;
            let (code, wanted) = match &outcome {
                Outcome::Refused(refusal) => (refusal.code.as_str(), refusal.retry_after),
                Outcome::Unknown(doubt) => (doubt.code.as_str(), None),
                Outcome::Accepted(_) => ("", None),
            };
            round.said.push(format!("{provider}: {class} {code}"));
            round.retry_after = round.retry_after.max(wanted);
            let pause = pause(inner, tries).max(wanted.unwrap_or_default());
            let left = end.saturating_duration_since(Instant::now());
            if consequence.same_provider && tries < inner.options.tries && pause < left {
                sleep(pause).await;
                if route.breaker.allows() {
                    continue;
                }
            }
            if !consequence.next_provider {
                return Ok(round);
            }
            break;
        }
    }
    Ok(round)
}

/// Up to half as long again, so that many that failed together do not come back together.
fn pause(inner: &Inner, tries: u32) -> Duration {
    let pause = inner.options.pause.saturating_mul(1 << (tries - 1).min(16));
    pause.mul_f64(1.0 + rand::random::<f64>() / 2.0)
}

/// One try at one provider. It is written down before it begins: if this process dies, the next one knows that nobody knows.
async fn attempt(
    inner: &Inner,
    job: &mut Job,
    route: &Arc<Live>,
    delivery: &mut Delivery,
    limit: Duration,
) -> Result<Outcome> {
    let provider = route.sender.provider();
    let reference = format!("{}.{}", job.id, job.attempts.len() + 1);
    let (begun, due) = (Attempt::begun(provider, reference.clone(), inner.now()), inner.now() + inner.lease());
    let begin = |job: &mut Job| {
        job.attempts.push(begun.clone());
        job.set(JobStatus::Sending, None);
        job.due = due;
        true
    };
    inner.update(job, begin).await?;
    delivery.reference.clone_from(&reference);
    let started = Instant::now();
    let outcome = match timeout(limit, route.sender.send(delivery)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::unknown("timeout"),
    };
    let mark = outcome.class().map_or(crate::outcome::Mark::Healthy, |class| class.consequence(job.kind).breaker);
    route.breaker.record(mark);
    telemetry::attempted(provider, job, &outcome, started.elapsed());
    let now = inner.now();
    let finish = |job: &mut Job| {
        // A receipt may have been faster than the answer; then it is right, and the answer only adds the id.
        if let Some(one) = job.attempts.iter_mut().find(|one| one.reference == reference) {
            if one.state == AttemptState::Begun {
                one.finish(&outcome, route.price.as_ref(), now);
            } else if let Outcome::Accepted(accepted) = &outcome {
                one.provider_id.clone_from(&accepted.provider_id);
            }
        }
        if outcome.is_accepted() && job.status == JobStatus::Sending {
            job.set(JobStatus::Accepted, None);
        }
        true
    };
    inner.update(job, finish).await?;
    Ok(outcome)
}

/// Nobody has taken it: waits for a receipt or another round, or gives up.
async fn settle(inner: &Inner, job: &mut Job, round: &Round) -> Result<()> {
    let (now, options) = (inner.now(), &inner.options);
    let said = round.said.join("; ");
    if round.unknown {
        let wait = |job: &mut Job| {
            let open = job.status == JobStatus::Sending;
            if open {
                job.set(JobStatus::Unknown, Some(said.clone()));
                job.due = now + options.receipt_wait;
            }
            open
        };
        return inner.update(job, wait).await.map(drop);
    }
    let again = round.later && job.rounds < options.rounds && job.params.is_some();
    let pause = options.round_pause.saturating_mul(1 << job.rounds.saturating_sub(1).min(16));
    let pause = pause.max(round.retry_after.unwrap_or_default());
    if again && job.expires.is_none_or(|expires| now + pause < expires) {
        return inner
            .update(job, |job| job.status == JobStatus::Sending && wait_again(job, now, pause, &said))
            .await
            .map(drop);
    }
    close(inner, job, JobStatus::Failed, Some(said)).await
}

async fn close(inner: &Inner, job: &mut Job, status: JobStatus, reason: Option<String>) -> Result<()> {
    let close = |job: &mut Job| {
        let open = job.status.is_open();
        if open {
            job.set(status, reason.clone());
        }
        open
    };
    inner.update(job, close).await.map(drop)
}

fn delivery(job: &Job, payload: &Payload) -> Result<Delivery> {
    let template = &payload.template.template;
    let providers = template.best(&job.locale).map_or_else(BTreeMap::new, |(_, content)| content.providers.clone());
    Ok(Delivery {
        reference: String::new(),
        kind: job.kind,
        address: job.address.clone(),
        template: job.template.clone(),
        params: (*payload.params).clone(),
        content: template.render(&job.locale, &payload.params)?,
        provider_templates: providers,
        locale: job.locale.clone(),
        attachments: Arc::clone(&job.attachments),
        expires: job.expires,
    })
}
