//! Queues at the desk of operators. Whatever changes something is in the log, with who did it and why.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::{Granted, Requirement};
use nebula_delay_queue::{Happened, TraceEvent};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{DeadLetterView, QueueView, Replays, mask};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path, Query},
    office::{Desk, Why, queue, reason},
    problem::{Problem, Result},
    user::Buyer,
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<queue::Read>(), routes!(queues))
        .routes(Requirement::permission::<queue::Read>(), routes!(dead_letters))
        .routes(Requirement::permission::<queue::Read>(), routes!(message_life))
        .routes(Requirement::permission::<queue::Edit>(), routes!(replay_dead_letters))
        .routes(Requirement::permission::<queue::Edit>(), routes!(replay_dead_letter))
        .routes(Requirement::permission::<queue::Edit>(), routes!(purge_dead_letter))
}

/// The queues.
#[derive(Debug, Serialize, ToSchema)]
struct AllQueues {
    /// In the order in which an order meets them.
    queues: Vec<QueueView>,
}

/// Every queue of the platform, with how many messages are where.
#[utoipa::path(
    get, operation_id = "queues", path = "/admin/queues", tag = "admin",
    responses((status = 200, body = AllQueues), (status = 403, description = "`forbidden`")),
    security(("bearer" = []))
)]
async fn queues(State(app): State<App>, _: Granted<queue::Read>) -> Json<AllQueues> {
    Json(AllQueues { queues: app.queues.view().await })
}

/// Most dead letters in an answer.
const PAGE: usize = 50;
/// The furthest that somebody may page: RabbitMQ takes out one after the other.
const FURTHEST: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Place {
    /// So many are left out, the longest dead; 0 if absent, 10,000 at most.
    skip: Option<usize>,
}

/// Dead letters.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetters {
    /// The longest dead first, 50 at most.
    letters: Vec<DeadLetterView>,
    /// Whether there are more after them.
    more: bool,
}

/// The dead letters of a queue: messages that were given up. Their bodies are masked.
#[utoipa::path(
    get, operation_id = "dead_letters", path = "/admin/queues/{queue}/dead-letters", tag = "admin",
    params(("queue" = String, Path), Place),
    responses(
        (status = 200, body = DeadLetters),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`invalid-value`"),
        (status = 503, description = "`unavailable`: the queue's store"),
    ),
    security(("bearer" = []))
)]
async fn dead_letters(
    State(app): State<App>,
    _: Granted<queue::Read>,
    Path(name): Path<String>,
    Query(place): Query<Place>,
) -> Result<Json<DeadLetters>> {
    let skip = place.skip.unwrap_or_default();
    if skip > FURTHEST {
        return Err(Problem::invalid("skip", format!("At most {FURTHEST}.")));
    }
    let mut letters = app.queues.find(&name)?.dead_letters(skip, PAGE + 1).await?;
    let more = letters.len() > PAGE;
    letters.truncate(PAGE);
    Ok(Json(DeadLetters { letters, more }))
}

/// Something that happened to a message.
#[derive(Debug, Serialize, ToSchema)]
struct MessageEvent {
    /// When.
    at: Millis,
    /// `scheduled`, `duplicate`, `rescheduled`, `cancelled`, `due`, `delivered`, `retried`, `returned`, `lease-lost`, `done`,
    /// `dead`, `replayed`, `purged`, or `other`.
    what: &'static str,
    /// Of a delivery: which it was.
    attempt: Option<u32>,
    /// Of a delivery: how late it came. Of a retry: the pause.
    after_ms: Option<u64>,
    /// Of a retry or a death: what went wrong, without what looks like somebody's data.
    error: Option<String>,
}

impl From<TraceEvent> for MessageEvent {
    fn from(event: TraceEvent) -> Self {
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).ok();
        let (mut attempt, mut after_ms, mut error) = (None, None, None);
        let what = match event.what {
            Happened::Scheduled { .. } => "scheduled",
            Happened::Duplicate => "duplicate",
            Happened::Rescheduled { .. } => "rescheduled",
            Happened::Cancelled => "cancelled",
            Happened::Due => "due",
            Happened::Delivered { attempt: number, lateness } => {
                (attempt, after_ms) = (Some(number), millis(lateness));
                "delivered"
            }
            Happened::Retried { after, error: said } => {
                (after_ms, error) = (millis(after), said);
                "retried"
            }
            Happened::Returned => "returned",
            Happened::LeaseLost => "lease-lost",
            Happened::Done => "done",
            Happened::Dead { reason, error: said } => {
                error = Some(said.unwrap_or_else(|| reason.to_string()));
                "dead"
            }
            Happened::Replayed => "replayed",
            Happened::Purged => "purged",
            _ => "other",
        };
        Self { at: Millis::from(event.at), what, attempt, after_ms, error: error.as_deref().map(mask::text) }
    }
}

/// The life of a message.
#[derive(Debug, Serialize, ToSchema)]
struct MessageLife {
    /// In the order of their times.
    events: Vec<MessageEvent>,
}

/// What happened to a message: since its first delivery, and for time-outs that a relay moved since then.
///
/// A process with its ledger in memory remembers the latest 10,000 messages until it stops; with the ledger on Redis every process
/// knows those of the last days.
#[utoipa::path(
    get, operation_id = "message_life", path = "/admin/queues/{queue}/messages/{id}", tag = "admin",
    params(("queue" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, body = MessageLife),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`: no such queue, or nothing is known of the message"),
        (status = 503, description = "`unavailable`: what keeps the lives"),
    ),
    security(("bearer" = []))
)]
async fn message_life(
    State(app): State<App>,
    _: Granted<queue::Read>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Json<MessageLife>> {
    let events = app.queues.find(&name)?.life(&id).await?;
    Ok(Json(MessageLife { events: events.into_iter().map(MessageEvent::from).collect() }))
}

/// What was replayed.
#[derive(Debug, Serialize, ToSchema)]
struct ReplayedLetters {
    /// So many messages have a new life.
    replayed: u64,
    /// Whether there may be more of them: ask again.
    more: bool,
}

/// Give every dead letter of a queue a new life, 200 at a time.
#[utoipa::path(
    post, operation_id = "replay_dead_letters", path = "/admin/queues/{queue}/replays", tag = "admin",
    params(("queue" = String, Path)), request_body = Why,
    responses(
        (status = 200, body = ReplayedLetters),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`invalid-value`"),
        (status = 503, description = "`unavailable`: the queue's store; some may have been replayed"),
    ),
    security(("bearer" = []))
)]
async fn replay_dead_letters(
    State(app): State<App>,
    _: Granted<queue::Edit>,
    who: Buyer,
    Path(name): Path<String>,
    Json(why): Json<Why>,
) -> Result<Json<ReplayedLetters>> {
    let (queue, reason) = (app.queues.find(&name)?, reason(&why.reason)?);
    let Replays { replayed, more, failure } = queue.replay_all().await?;
    // Broken off or not, what was done is written down.
    let text = format!("{reason} ({replayed})");
    app.office.changed(&who.id.to_string(), "queue.replay-all", &format!("queue:{}", queue.name()), &text).await?;
    failure.map_or(Ok(Json(ReplayedLetters { replayed, more })), Err)
}

/// Give a dead letter a new life: due at once, no attempts counted.
#[utoipa::path(
    post, operation_id = "replay_dead_letter", path = "/admin/queues/{queue}/dead-letters/{id}/replay", tag = "admin",
    params(("queue" = String, Path), ("id" = String, Path)), request_body = Why,
    responses(
        (status = 204, description = "It is due"),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`invalid-value`"),
        (status = 503, description = "`unavailable`: the queue's store"),
    ),
    security(("bearer" = []))
)]
async fn replay_dead_letter(
    State(app): State<App>,
    _: Granted<queue::Edit>,
    who: Buyer,
    Path((name, id)): Path<(String, String)>,
    Json(why): Json<Why>,
) -> Result<StatusCode> {
    let (queue, reason) = (app.queues.find(&name)?, reason(&why.reason)?);
    queue.replay(&id).await?;
    app.office.changed(&who.id.to_string(), "queue.replay", &message(queue.name(), &id), reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Removal {
    /// Why.
    reason: String,
}

/// Delete a dead letter for good.
#[utoipa::path(
    delete, operation_id = "purge_dead_letter", path = "/admin/queues/{queue}/dead-letters/{id}", tag = "admin",
    params(("queue" = String, Path), ("id" = String, Path), Removal),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`invalid-value`"),
        (status = 503, description = "`unavailable`: the queue's store"),
    ),
    security(("bearer" = []))
)]
async fn purge_dead_letter(
    State(app): State<App>,
    _: Granted<queue::Edit>,
    who: Buyer,
    Path((name, id)): Path<(String, String)>,
    Query(removal): Query<Removal>,
) -> Result<StatusCode> {
    let (queue, reason) = (app.queues.find(&name)?, reason(&removal.reason)?);
    queue.purge(&id).await?;
    app.office.changed(&who.id.to_string(), "queue.purge", &message(queue.name(), &id), reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn message(queue: &str, id: &str) -> String {
    format!("message:{queue}/{id}")
}
