use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use crate::{
    clock,
    error::{Error, ErrorKind},
    notifier::Circuit,
    params::Params,
    record::{JobStatus, JobView, RecordQuery},
    template::{NotificationTemplate, PutTemplate, StoredTemplate},
    web::Failure,
};

type Answer<T> = Result<Json<T>, Failure>;

fn shown(stored: &StoredTemplate) -> Value {
    json!({ "version": stored.version, "stored": clock::millis(stored.stored), "template": stored.template })
}

pub(super) async fn templates(State(admin): State<Admin>) -> Answer<Vec<Value>> {
    let all = admin.notifier.templates().list().await?;
    Ok(Json(all.iter().map(|stored| shown(stored)).collect()))
}

#[derive(Deserialize)]
pub(super) struct Which {
    version: Option<u32>,
}

pub(super) async fn template(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Query(which): Query<Which>,
) -> Answer<Value> {
    let found = admin.notifier.templates().get(&name, which.version).await?;
    found.map(|stored| Json(shown(&stored))).ok_or(Failure::Unknown("template"))
}

pub(super) async fn versions(State(admin): State<Admin>, Path(name): Path<String>) -> Answer<Vec<u32>> {
    Ok(Json(admin.notifier.templates().versions(&name).await?))
}

#[derive(Deserialize)]
pub(super) struct Expected {
    /// The version that is changed; 0 for a new template.
    #[serde(default)]
    expected: u32,
}

pub(super) async fn put_template(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Query(Expected { expected }): Query<Expected>,
    Json(template): Json<NotificationTemplate>,
) -> Answer<Value> {
    if template.name() != name {
        let text = "the template has another name than the path";
        return Err(Error::new(ErrorKind::InvalidTemplate, text).into());
    }
    match admin.notifier.templates().put(&template, expected, admin.notifier.now()).await? {
        PutTemplate::Stored(version) => Ok(Json(json!({ "version": version }))),
        PutTemplate::Conflict(latest) => Err(Failure::Conflict(format!("the latest version is {latest}"))),
    }
}

pub(super) async fn remove_template(
    State(admin): State<Admin>,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    if admin.notifier.templates().remove(&name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::Unknown("template"))
    }
}

/// Values, and optionally a template that is not stored yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sample {
    #[serde(default)]
    locale: String,
    #[serde(default)]
    params: Params,
    template: Option<NotificationTemplate>,
}

pub(super) async fn preview(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Json(sample): Json<Sample>,
) -> Answer<Value> {
    let rendered = match &sample.template {
        Some(template) => {
            template.check()?;
            template.render(&sample.locale, &sample.params)?
        }
        None => admin.notifier.preview(&name, &sample.locale, &sample.params).await?,
    };
    Ok(Json(json!(rendered)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    tenant: Option<String>,
    address: Option<String>,
    notification: Option<String>,
    template: Option<String>,
    status: Option<JobStatus>,
    since: Option<u64>,
    until: Option<u64>,
    before: Option<String>,
    limit: Option<u32>,
}

fn time(ms: u64) -> SystemTime {
    // Further ahead than any record: what comes from outside must not overflow.
    UNIX_EPOCH + Duration::from_millis(ms.min(1 << 47))
}

pub(super) async fn jobs(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Answer<Vec<JobView>> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let query = RecordQuery {
        tenant: filled(asked.tenant),
        address: filled(asked.address),
        notification: filled(asked.notification),
        template: filled(asked.template),
        status: asked.status,
        since: asked.since.map(time),
        until: asked.until.map(time),
        before: filled(asked.before),
        limit: asked.limit,
    };
    Ok(Json(admin.notifier.find(&query).await?))
}

pub(super) async fn job(State(admin): State<Admin>, Path(id): Path<String>) -> Answer<JobView> {
    admin.notifier.job(&id).await?.map(Json).ok_or(Failure::Unknown("job"))
}

#[derive(Deserialize)]
pub(super) struct Span {
    since: Option<u64>,
    until: Option<u64>,
}

/// Of the last day, if nothing else is asked for.
pub(super) async fn statistics(State(admin): State<Admin>, Query(span): Query<Span>) -> Answer<Vec<Value>> {
    let now = admin.notifier.now();
    let until = span.until.map_or(now + Duration::from_secs(1), time);
    let since = span.since.map_or(until.checked_sub(Duration::from_secs(24 * 3600)).unwrap_or(UNIX_EPOCH), time);
    let all = admin.notifier.statistics(since, until).await?;
    let with_rates = |one: &crate::Statistic| {
        let mut value = json!(one);
        value["sent_per_mille"] = json!(one.sent_per_mille());
        value["delivered_per_mille"] = json!(one.delivered_per_mille());
        value
    };
    Ok(Json(all.iter().map(with_rates).collect()))
}

pub(super) async fn circuits(State(admin): State<Admin>) -> Json<Vec<Circuit>> {
    Json(admin.notifier.circuits())
}

pub(super) async fn resend(State(admin): State<Admin>, Path(id): Path<String>) -> Answer<JobView> {
    let refused =
        || Failure::Conflict("it cannot be sent again: it did not fail, or its values are not kept".to_owned());
    admin.notifier.resend(&id).await?.map(Json).ok_or_else(refused)
}

pub(super) async fn cancel(State(admin): State<Admin>, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    if admin.notifier.cancel(&id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Failure::Conflict("it is not waiting".to_owned()))
}
