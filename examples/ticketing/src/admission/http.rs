//! Admission over HTTP: what buyers do before they order.

use std::net::SocketAddr;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    Knock,
    view::{AdmissionView, Place, ReservationView, WaitingView, steps},
};
use crate::{
    app::App,
    clock::Millis,
    funnel::Count,
    http::{Json, Path},
    ids::SessionId,
    merchant::Storefront,
    problem::{Code, Problem, Result},
    risk::{self, Challenge, Wanted},
    show::SessionInfo,
    user::Buyer,
};

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(admission))
        .routes(routes!(waiting_room_join, waiting_room_leave))
        .routes(routes!(reserve, unreserve))
        .routes(routes!(challenge_ask))
        .routes(routes!(challenge_answer))
}

impl Knock {
    /// What this request shows of who sent it.
    #[must_use]
    pub fn new(app: &App, peer: SocketAddr, headers: &HeaderMap, buyer: Buyer, session: SessionId) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let proxies = app.attempts.proxies();
        Self {
            user: buyer.id,
            session,
            address: proxies.client(peer.ip(), headers),
            network: proxies.network(peer, headers),
            device: header("device-id").filter(|device| risk::plain(device)),
            ticket: header("admission-token"),
            qualification: header("qualification-token"),
            human: header("challenge-token"),
        }
    }
}

/// What a sale asks of buyers, and where you stand.
#[utoipa::path(
    get, path = "/sessions/{id}/admission", tag = "admission", params(("id" = SessionId, Path)),
    responses((status = 200, body = AdmissionView), (status = 404, description = "`not-found`")),
    security((), ("bearer" = []))
)]
async fn admission(
    State(app): State<App>,
    shop: Storefront,
    buyer: Option<Buyer>,
    Path(id): Path<SessionId>,
) -> Result<Json<AdmissionView>> {
    let session = shop.session(&app, id).await?;
    app.funnel.count(id, Count::Visited);
    let policy = app.admission.policies().of(id).await?;
    let reservation = match policy.takes_reservations() {
        true => Some(reservation(&app, &session, buyer).await?),
        false => None,
    };
    let waiting_room = match (buyer, &policy.room) {
        (Some(buyer), Some(room)) => app.admission.look(&policy, id, buyer.id).await?.map(|(standing, crowd)| {
            signed(&app, &session, &buyer, WaitingView::of(room, standing, crowd, session.sale_opens_at))
        }),
        _ => None,
    };
    Ok(Json(AdmissionView {
        session_id: id,
        server_time: Millis::now(),
        sale_opens_at: session.sale_opens_at,
        sale_closes_at: session.sale_closes_at,
        steps: steps(&policy),
        sold_out: policy.sold_out && app.inventory.sold_out(id),
        real_name: policy.real_name,
        reservation,
        waiting_room,
    }))
}

/// Join the waiting room, or keep your place in it.
///
/// Ask again after `poll_after_ms`; who does not ask for `grace_seconds` loses the place.
#[utoipa::path(
    post, path = "/sessions/{id}/waiting-room", tag = "admission", params(("id" = SessionId, Path)),
    responses(
        (status = 200, description = "Where you stand; `inside` comes with a token", body = WaitingView),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`sale-closed`"),
        (status = 503, description = "`one-moment`: the room cannot be reached, nobody is let in"),
    ),
    security(("bearer" = []))
)]
async fn waiting_room_join(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path(id): Path<SessionId>,
) -> Result<Json<WaitingView>> {
    let session = shop.session(&app, id).await?;
    let policy = app.admission.policies().of(id).await?;
    let Some(room) = &policy.room else { return Ok(Json(WaitingView::not_needed(session.sale_opens_at))) };
    let view = match app.admission.join(&session, buyer.id).await? {
        Some((standing, crowd)) => WaitingView::of(room, standing, crowd, session.sale_opens_at),
        None => WaitingView::not_needed(session.sale_opens_at),
    };
    Ok(Json(signed(&app, &session, &buyer, view)))
}

/// Somebody inside gets the token that says so.
fn signed(app: &App, session: &SessionInfo, buyer: &Buyer, mut view: WaitingView) -> WaitingView {
    if let WaitingView { state: Place::Inside, until: Some(until), .. } = view {
        view.token = Some(app.admission.ticket(session.id, buyer.id, until));
    }
    view
}

/// Give up your place: in the line, or inside.
#[utoipa::path(
    delete, path = "/sessions/{id}/waiting-room", tag = "admission", params(("id" = SessionId, Path)),
    responses((status = 204, description = "You have none"), (status = 404, description = "`not-found`")),
    security(("bearer" = []))
)]
async fn waiting_room_leave(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path(id): Path<SessionId>,
) -> Result<StatusCode> {
    shop.session(&app, id).await?;
    app.admission.leave(id, buyer.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reserve: say before the sale that you want to buy.
#[utoipa::path(
    post, path = "/sessions/{id}/reservation", tag = "admission", params(("id" = SessionId, Path)),
    responses(
        (status = 200, description = "Reserved, now or before", body = ReservationView),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`reservation-closed`"),
    ),
    security(("bearer" = []))
)]
async fn reserve(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path(id): Path<SessionId>,
) -> Result<Json<ReservationView>> {
    let session = open(&app, &shop, id).await?;
    if app.admission.reservations().reserve(id, buyer.id).await? {
        app.funnel.count(id, Count::Reserved);
    }
    Ok(Json(reservation(&app, &session, Some(buyer)).await?))
}

/// Take your reservation back.
#[utoipa::path(
    delete, path = "/sessions/{id}/reservation", tag = "admission", params(("id" = SessionId, Path)),
    responses(
        (status = 204, description = "You have none"),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`reservation-closed`"),
    ),
    security(("bearer" = []))
)]
async fn unreserve(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path(id): Path<SessionId>,
) -> Result<StatusCode> {
    open(&app, &shop, id).await?;
    // Nobody looks up what was signed.
    if app.admission.policies().of(id).await?.qualification {
        let detail = "A reservation of this sale gives a token; it cannot be taken back.";
        return Err(Problem::new(Code::ReservationClosed, detail));
    }
    app.admission.reservations().cancel(id, buyer.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The session, when it takes reservations now.
async fn open(app: &App, shop: &Storefront, id: SessionId) -> Result<std::sync::Arc<SessionInfo>> {
    let session = shop.session(app, id).await?;
    if !app.admission.policies().of(id).await?.takes_reservations() {
        return Err(Problem::new(Code::ReservationClosed, "This sale takes no reservations."));
    }
    if Millis::now() >= session.sale_opens_at {
        return Err(Problem::new(Code::ReservationClosed, "The sale has begun; reservations were taken before."));
    }
    Ok(session)
}

async fn reservation(app: &App, session: &SessionInfo, buyer: Option<Buyer>) -> Result<ReservationView> {
    let policy = app.admission.policies().of(session.id).await?;
    let reserved = match buyer {
        Some(buyer) => Some(app.admission.reservations().has(session.id, buyer.id).await?),
        None => None,
    };
    let open = Millis::now() < session.sale_opens_at;
    let token = buyer
        .filter(|_| policy.qualification && reserved == Some(true))
        .map(|buyer| app.admission.qualification(session, buyer.id));
    Ok(ReservationView { open, closes_at: session.sale_opens_at, reserved, token })
}

/// Which challenge you want.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedChallenge {
    /// `slider`, or `question` for those who cannot see or push a piece.
    #[serde(default)]
    kind: Wanted,
}

/// Ask for a challenge.
#[utoipa::path(
    post, path = "/sessions/{id}/challenges", tag = "admission", params(("id" = SessionId, Path)),
    request_body = WantedChallenge,
    responses(
        (status = 201, description = "To be answered once, within `expires_in` seconds", body = Challenge),
        (status = 404, description = "`not-found`"),
        (status = 429, description = "`rate-limited`"),
    ),
    security(("bearer" = []))
)]
async fn challenge_ask(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path(id): Path<SessionId>,
    Json(wanted): Json<WantedChallenge>,
) -> Result<(StatusCode, Json<Challenge>)> {
    shop.session(&app, id).await?;
    let domain = app.admission.domain(id).await?;
    domain.limits.challenge(buyer.id).await?;
    Ok((StatusCode::CREATED, Json(domain.puzzles.make(wanted.kind, id, buyer.id).await?)))
}

/// An answer to a challenge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// How far the piece is from the left, in pixels of the picture; or the number that was asked for.
    value: u32,
}

/// A challenge that was solved.
#[derive(Debug, Serialize, ToSchema)]
struct Solved {
    /// To be sent with the order as `Challenge-Token`.
    token: String,
    /// Until when it is good.
    until: Millis,
}

/// Answer a challenge. Right or wrong, it is used up.
#[utoipa::path(
    post, path = "/sessions/{id}/challenges/{challenge}", tag = "admission",
    params(("id" = SessionId, Path), ("challenge" = Uuid, Path)), request_body = Answer,
    responses(
        (status = 200, body = Solved),
        (status = 404, description = "`not-found`"),
        (status = 422, description = "`challenge-failed`"),
    ),
    security(("bearer" = []))
)]
async fn challenge_answer(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path((id, challenge)): Path<(SessionId, Uuid)>,
    Json(answer): Json<Answer>,
) -> Result<Json<Solved>> {
    shop.session(&app, id).await?;
    let puzzles = &app.admission.domain(id).await?.puzzles;
    if !puzzles.answer(challenge, id, buyer.id, answer.value).await? {
        return Err(Problem::new(Code::ChallengeFailed, "That was not it, or too late. Ask for another challenge."));
    }
    let (token, until) = app.admission.human(id, buyer.id);
    Ok(Json(Solved { token, until }))
}
