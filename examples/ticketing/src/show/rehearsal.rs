//! Rehearsals of a sale: a hidden session with buyers who are signed in already, made in one go, so that what follows
//! measures selling and not password hashing.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::Granted;
use serde::{Deserialize, Serialize};

use super::{HALL_CATEGORY, hall, store};
use crate::{
    app::App,
    clock::Millis,
    http::Json,
    ids::{SessionId, UserId},
    money::{Currency, Money},
    office::rehearsal,
    problem::{Code, Problem, Result},
    storage::{
        Connection,
        sql::{Sql, query},
    },
};

const INSERT_BUYERS: Sql = Sql::Each {
    sqlite: include_str!("sql/insert_rehearsal_buyers.sqlite.sql"),
    postgres: include_str!("sql/insert_rehearsal_buyers.postgres.sql"),
};

/// Largest numbers of a rehearsal.
const USERS: u32 = 50_000;
const SEATS: u32 = 100_000;
const HOLD_SECONDS: u64 = 24 * 60 * 60;
const OPENS_IN_SECONDS: u64 = 60 * 60;

/// What to prepare.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Buyers.
    #[schema(minimum = 1, maximum = 50_000)]
    users: u32,
    /// Seats.
    #[schema(minimum = 1, maximum = 100_000)]
    seats: u32,
    /// How long an unpaid order keeps its seats.
    #[schema(minimum = 1, maximum = 86_400)]
    hold_seconds: u64,
    /// The sale opens after so many seconds; at once if absent.
    #[serde(default)]
    #[schema(maximum = 3_600)]
    opens_in_seconds: u64,
    /// Price of a seat; 380.00 CNY unless given.
    price: Option<Money>,
}

/// A sale that can begin.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Rehearsal {
    session_id: SessionId,
    /// Names of the seats, by position.
    #[schema(value_type = Vec<String>)]
    seats: Vec<Arc<str>>,
    buyers: Vec<RehearsalBuyer>,
    /// In how many milliseconds the sale opens, at the moment of this answer.
    opens_in_ms: u64,
}

/// A buyer who is signed in.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct RehearsalBuyer {
    user_id: UserId,
    access_token: String,
}

impl std::fmt::Debug for RehearsalBuyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RehearsalBuyer").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// Prepare a rehearsal: a hidden session with its own hall, on sale at once or soon, and buyers with access tokens.
#[utoipa::path(post, path = "/admin/rehearsals", tag = "admin", security(("bearer" = [])), request_body = Wanted,
    responses(
        (status = CREATED, body = Rehearsal),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
pub(super) async fn create_rehearsal(
    State(app): State<App>,
    _: Granted<rehearsal::Create>,
    Json(wanted): Json<Wanted>,
) -> Result<(StatusCode, Json<Rehearsal>)> {
    within("users", wanted.users.into(), USERS.into())?;
    within("seats", wanted.seats.into(), SEATS.into())?;
    within("hold_seconds", wanted.hold_seconds, HOLD_SECONDS)?;
    if wanted.opens_in_seconds > OPENS_IN_SECONDS {
        let detail = format!("`opens_in_seconds` is 0 to {OPENS_IN_SECONDS}.");
        return Err(Problem::new(Code::InvalidValue, detail).with("field", "opens_in_seconds"));
    }
    let users: Vec<_> = (0..wanted.users).map(|_| UserId::new()).collect();
    let plan = Arc::new(hall(wanted.seats));
    let seats = plan.seats.iter().map(|seat| Arc::clone(&seat.guid)).collect();
    let ids = users.clone();
    let opens_in = Duration::from_secs(wanted.opens_in_seconds);
    let (session_id, opens_at) = app
        .database
        .write
        .run(move |connection| {
            Box::pin(async move {
                // Counted from here, so that the time that the preparation takes is not missing.
                let opens_at = Millis::now().plus(opens_in);
                Ok::<_, Problem>((store(connection, &wanted, &plan, &ids, opens_at).await?, opens_at))
            })
        })
        .await?;
    app.inventory.warm(session_id).await?;
    let signer = app.clone();
    let buyers = tokio::task::spawn_blocking(move || sign_in(&signer, users)).await.map_err(Problem::internal)??;
    let opens_in_ms = u64::try_from(opens_at.since(Millis::now()).as_millis()).unwrap_or(0);
    Ok((StatusCode::CREATED, Json(Rehearsal { session_id, seats, buyers, opens_in_ms })))
}

fn sign_in(app: &App, users: Vec<UserId>) -> Result<Vec<RehearsalBuyer>> {
    let buyer = |user_id| Ok(RehearsalBuyer { user_id, access_token: app.users.bare_token(user_id)? });
    users.into_iter().map(buyer).collect()
}

async fn store(
    connection: &mut Connection<'_>,
    wanted: &Wanted,
    plan: &store::NewPlan,
    users: &[UserId],
    opens_at: Millis,
) -> Result<SessionId> {
    let ids = serde_json::to_string(users).map_err(Problem::internal)?;
    query(INSERT_BUYERS).bind(ids).bind(Millis::now().0).execute(&mut *connection).await?;
    let venue = store::venue(connection, "Rehearsal hall", "", "").await?;
    let plan = store::insert_plan(connection, venue, plan, |_| {}).await?;
    let show = store::NewShow {
        title: "Rehearsal".to_owned(),
        title_zh: "演练".to_owned(),
        hidden: true,
        ..store::NewShow::default()
    };
    let show = store::insert_show(connection, &show).await?;
    let now = Millis::now();
    let day = Duration::from_secs(24 * 60 * 60);
    let session = store::NewSession {
        show,
        plan,
        starts_at: now.plus(2 * day),
        sale_opens_at: opens_at,
        sale_closes_at: opens_at.plus(day),
        hold: Duration::from_secs(wanted.hold_seconds),
        seats_per_user: 10,
        prices: BTreeMap::from([(
            HALL_CATEGORY.to_owned(),
            wanted.price.unwrap_or(Money { minor: 38_000, currency: Currency::CNY }),
        )]),
    };
    Ok(store::insert_session(connection, &session).await?)
}

fn within(field: &str, value: u64, most: u64) -> Result<()> {
    if (1..=most).contains(&value) {
        return Ok(());
    }
    Err(Problem::new(Code::InvalidValue, format!("`{field}` is 1 to {most}.")).with("field", field))
}
