//! Orders over HTTP.

use std::{collections::HashMap, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    best::Best,
    domain::{Ending, OrderState},
    place::{Placed, Places, Wish},
    storage::{self, OrderRow, OrderSeat},
};
use crate::{
    admission::{Admitted, Knock},
    app::App,
    clock::Millis,
    funnel::{Count, Gate, Hurdle, Refusal},
    http::{Json, Path, Query},
    identity::{AttendeeView, NameRefusal, WishedAttendee},
    ids::{OrderId, PaymentId, RefundId, SessionId, TicketId},
    marketing::{self, PriceView},
    merchant::Storefront,
    money::Money,
    payment::{
        Ended,
        storage::{
            self as payments, PaymentRow, PaymentState,
            refunds::{self, RefundRow, RefundState},
        },
    },
    picture::Poster,
    problem::{Code, Problem, Result},
    qr,
    show::SessionInfo,
    ticket::storage::{TicketRow, TicketState},
    user::Buyer,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(place, list)).routes(routes!(show)).routes(routes!(pay)).routes(routes!(cancel))
}

/// What to order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlaceOrder {
    /// The session.
    session_id: SessionId,
    /// `guid`s of 1 to 10 seats. Either these or `best`.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 10)]
    seats: Option<Vec<String>>,
    /// Good seats, chosen by the server; places of a standing area always are. Either this or `seats`.
    #[serde(default)]
    best: Option<Best>,
    /// The code of a coupon of yours, or of one that you can still have.
    #[serde(default)]
    coupon: Option<String>,
    /// Whom the seats are for, in the order of the seats, where `GET /sessions/{id}/admission` says `real_name`: one for each
    /// seat, or one for all. Elsewhere they are not kept.
    #[serde(default)]
    #[schema(max_items = 10)]
    attendees: Vec<WishedAttendee>,
    /// What it should cost: if given and no longer true, the order is refused with `price-changed`.
    expected_total: Option<Money>,
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderView {
    id: OrderId,
    session_id: SessionId,
    show_title: String,
    show_title_zh: String,
    /// The show's picture, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    poster: Option<Poster>,
    venue: String,
    starts_at: Millis,
    state: OrderState,
    seats: Vec<SeatView>,
    /// That the authority refused a name after the order was placed, and what came of it. Only when a single order is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    name_refused: Option<NameRefusal>,
    total: Money,
    /// How the total came about, where it is not just the list price. Only when a single order is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<PriceView>,
    created_at: Millis,
    /// When it was put into the archive: it can only be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    archived_at: Option<Millis>,
    /// When an unpaid order ends.
    expires_at: Millis,
    /// The server's time, to correct a countdown by.
    server_time: Millis,
    /// The latest payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refunds: Vec<RefundView>,
    /// The tickets, once they are issued. Only when a single order is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tickets: Vec<TicketView>,
    /// Only when a single order is asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    history: Vec<HistoryView>,
}

/// The right to one seat.
#[derive(Debug, Serialize, ToSchema)]
struct TicketView {
    id: TicketId,
    /// The `guid` of the seat.
    seat: String,
    state: TicketState,
    /// What the door reads, while it opens the door.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The same as a QR code: an SVG document.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
    /// When somebody went in with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<Millis>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SeatView {
    guid: String,
    zone: String,
    /// The same in Chinese, where it has a name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    zone_zh: Option<String>,
    row: String,
    number: String,
    /// A place of a standing area: it has neither row nor number.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(default = false)]
    standing: bool,
    category: String,
    /// The same in Chinese, where it has a name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    category_zh: Option<String>,
    price: Money,
    /// Whose it is, where the sale asked. Only when a single order is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    attendee: Option<AttendeeView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PaymentView {
    id: PaymentId,
    state: PaymentState,
    /// Whose payment it is.
    provider: String,
    /// The provider's page, when an open payment was asked for and the provider has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pay_url: Option<String>,
    /// The QR code that the provider's app reads, an SVG document, when an open payment was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pay_qr: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct RefundView {
    id: RefundId,
    amount: Money,
    /// What is kept.
    fee: Money,
    reason: String,
    state: RefundState,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct HistoryView {
    state: OrderState,
    reason: String,
    at: Millis,
}

/// A page of orders, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct OrderPage {
    orders: Vec<OrderView>,
    /// Pass as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<OrderId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageParams {
    /// 1 to 100, 20 if absent.
    limit: Option<u32>,
    /// The last order of the page before.
    after: Option<OrderId>,
}

/// A payment that was begun.
#[derive(Debug, Serialize, ToSchema)]
struct PayReply {
    payment: PaymentView,
    order: OrderView,
}

/// Hold seats and place an order, in one step.
///
/// All seats or none: those that you name, or the best that are free of those you describe. Repeat the request with the same `Idempotency-Key` when the answer was lost: it is the same order.
#[utoipa::path(
    post, path = "/orders", tag = "orders",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters, new for each order"),
        ("Admission-Token" = Option<String>, Header, description = "Of the waiting room, where the sale has one"),
        ("Qualification-Token" = Option<String>, Header, description = "Of your reservation, where the sale asks for it"),
        ("Challenge-Token" = Option<String>, Header, description = "Of a solved challenge, where the sale asks for one"),
        ("Device-Id" = Option<String>, Header, description = "1 to 200 visible ASCII characters: what the device calls itself"),
    ),
    request_body = PlaceOrder,
    responses(
        (status = 201, description = "Placed; pay before `expires_at`", body = OrderView),
        (status = 200, description = "Placed by an earlier request with this key (`Idempotent-Replayed: true`)", body = OrderView),
        (status = 403, description = "`waiting-room`, `admission-ended`, `reservation-required`, `qualification-required`, `challenge-required`, `blocked`: see `GET /sessions/{id}/admission`"),
        (status = 404, description = "`not-found`: no such session, or it is not on sale here"),
        (status = 409, description = "`seat-taken`, `not-together`, `too-few-left`, `sold-out`, `user-limit`, `daily-limit`, `person-limit`, `identity-limit`, `sale-not-open`, `sale-closed`, `price-changed`, `coupon-refused`, `not-priced`"),
        (status = 422, description = "`seat-count`, `duplicate-seat`, `unknown-seat`, `idempotency-key-reused`, `real-name-required`, `identity-refused`; `invalid-value` with the `field`"),
        (status = 429, description = "`rate-limited`; `too-many-attempts` to name people"),
        (status = 503, description = "`one-moment`, `busy`, `unavailable`, `identity-unchecked`: repeat with the same key"),
    ),
    security(("bearer" = []))
)]
async fn place(
    State(app): State<App>,
    shop: Result<Storefront>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    buyer: Buyer,
    headers: HeaderMap,
    Json(body): Json<PlaceOrder>,
) -> Result<Response> {
    let knock = Knock::new(&app, peer, &headers, buyer, body.session_id);
    let policy = app.admission.policies().of(body.session_id).await?;
    let wish = Wish {
        user: buyer.id,
        session: body.session_id,
        places: places(body.seats, body.best)?,
        coupon: body.coupon,
        expected_total: body.expected_total,
        idempotency_key: idempotency_key(&headers)?,
        per_person: policy.per_person,
        sale: None,
        real_name: policy.real_name,
        attendees: body.attendees,
    };
    let found = match shop {
        Ok(shop) => shop.session(&app, wish.session).await,
        Err(closed) => Err(closed),
    };
    let (session, known) = (wish.session, found.is_ok());
    if known {
        app.funnel.count(session, Count::Requested);
    }
    let admitted = match found {
        Ok(_) => app.admission.admit(&knock).await,
        Err(absent) => Admitted { outcome: Err(absent), step: None, headers: HeaderMap::new() },
    };
    let answer = match admitted.outcome {
        Ok(()) => app.orders.place(wish).await,
        // What was placed before is answered, whatever holds now.
        Err(refusal) => match app.orders.placed(&wish).await {
            Ok(None) => Err(refusal),
            Ok(Some(placed)) => Ok(placed),
            Err(problem) => Err(problem),
        },
    };
    if let (Err(problem), true) = (&answer, known) {
        let gate = admitted.step.map_or_else(|| Gate::Order(Hurdle::of(problem.code)), Gate::Admission);
        app.funnel.refused(session, Refusal::new(gate, problem.code));
    }
    let mut response = match answer {
        Ok(placed) => answered(&app, placed).await?,
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().extend(admitted.headers);
    Ok(response)
}

/// Exactly one of the two.
pub(crate) fn places(seats: Option<Vec<String>>, best: Option<Best>) -> Result<Places> {
    match (seats, best) {
        (Some(seats), None) => Ok(Places::Named(seats)),
        (None, Some(best)) => Ok(Places::Best(best)),
        (None, None) => Err(Problem::invalid("seats", "Name `seats`, or ask for the `best`.")),
        (Some(_), Some(_)) => Err(Problem::invalid("best", "Either `seats` or `best`, not both.")),
    }
}

async fn answered(app: &App, placed: Placed) -> Result<Response> {
    let location = format!("/api/v1/orders/{}", placed.order.id);
    let location = HeaderValue::from_str(&location).map_err(Problem::internal)?;
    Ok(match placed.seats {
        None => {
            let view = Json(view(app, &placed.order, false).await?);
            (StatusCode::OK, [(header::LOCATION, location), (REPLAYED, HeaderValue::from_static("true"))], view)
                .into_response()
        }
        // Nothing is asked of the database that has just been told to it.
        Some(seats) => {
            let view = Json(view_with(app, &placed.order, seats.to_vec(), false, false).await?);
            (StatusCode::CREATED, [(header::LOCATION, location)], view).into_response()
        }
    })
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.as_bytes();
    let sound = (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) && values.next().is_none();
    match value.to_str() {
        Ok(text) if sound => Ok(Some(text.to_owned())),
        _ => Err(Problem::new(
            Code::InvalidValue,
            "Idempotency-Key has 1 to 255 visible ASCII characters, and stands once.",
        )
        .with("field", "Idempotency-Key")),
    }
}

/// Your orders, newest first.
#[utoipa::path(
    get, path = "/orders", tag = "orders", params(PageParams),
    responses(
        (status = 200, body = OrderPage),
        (status = 404, description = "`not-found`: no such order to go on after"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn list(State(app): State<App>, buyer: Buyer, Query(page): Query<PageParams>) -> Result<Json<OrderPage>> {
    let limit = page.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::new(Code::InvalidValue, "`limit` is 1 to 100.").with("field", "limit"));
    }
    let before = match page.after {
        Some(id) => Some(own(&app, buyer, id).await?),
        None => None,
    };
    let mut rows = storage::list(&app.database.read, buyer.id, before.as_ref(), limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    let mut orders = Vec::with_capacity(rows.len());
    for row in &rows {
        orders.push(view(&app, row, false).await?);
    }
    Ok(Json(OrderPage { orders, next }))
}

/// One of your orders, with its history.
#[utoipa::path(
    get, path = "/orders/{id}", tag = "orders", params(("id" = OrderId, Path)),
    responses((status = 200, body = OrderView), (status = 404, description = "`not-found`")),
    security(("bearer" = []))
)]
async fn show(State(app): State<App>, buyer: Buyer, Path(id): Path<OrderId>) -> Result<Json<OrderView>> {
    Ok(Json(view(&app, &own(&app, buyer, id).await?, true).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PayParams {
    /// One of `GET /payments/providers`; the first one if absent.
    provider: Option<String>,
}

/// Begin to pay, or go on with the payment that is open.
#[utoipa::path(
    post, path = "/orders/{id}/pay", tag = "orders", params(("id" = OrderId, Path), PayParams),
    responses(
        (status = 200, description = "Send the buyer to `payment.pay_url`, or show `payment.pay_qr`", body = PayReply),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`already-paid`, `order-expired`, `order-state`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn pay(
    State(app): State<App>,
    buyer: Buyer,
    Path(id): Path<OrderId>,
    Query(params): Query<PayParams>,
) -> Result<Json<PayReply>> {
    let (payment, till) = app.payments.begin(buyer.id, id, params.provider.as_deref()).await?;
    let order = view(&app, &own(&app, buyer, id).await?, true).await?;
    let pay_qr = till.qr.as_deref().and_then(qr::svg);
    let payment = PaymentView { pay_url: till.url, pay_qr, ..PaymentView::from(payment) };
    Ok(Json(PayReply { payment, order }))
}

/// Give up an unpaid order; its seats are free again.
#[utoipa::path(
    post, path = "/orders/{id}/cancel", tag = "orders", params(("id" = OrderId, Path)),
    responses(
        (status = 200, description = "Ended, now or before", body = OrderView),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`already-paid`"),
    ),
    security(("bearer" = []))
)]
async fn cancel(State(app): State<App>, buyer: Buyer, Path(id): Path<OrderId>) -> Result<Json<OrderView>> {
    own(&app, buyer, id).await?;
    match app.payments.end(id, Ending::ByBuyer).await? {
        Ended::Paid(state) => {
            Err(Problem::new(Code::AlreadyPaid, "A paid order cannot be cancelled.").with("state", state))
        }
        Ended::Ended(_) | Ended::NotYet(_) => Ok(Json(view(&app, &own(&app, buyer, id).await?, true).await?)),
    }
}

/// The order, if it is this buyer's. Others are told that there is none.
pub(crate) async fn own(app: &App, buyer: Buyer, id: OrderId) -> Result<OrderRow> {
    storage::find_any(&app.database.read, id)
        .await?
        .filter(|order| order.user == buyer.id)
        .ok_or_else(|| Problem::not_found("order"))
}

pub(crate) async fn view(app: &App, row: &OrderRow, history: bool) -> Result<OrderView> {
    view_for(app, row, history, false).await
}

/// The same, with whom the seats are for; `whole` for those who may know.
pub(super) async fn view_for(app: &App, row: &OrderRow, history: bool, whole: bool) -> Result<OrderView> {
    let seats = storage::seats(&app.database.read, row).await?;
    view_with(app, row, seats, history, whole).await
}

async fn view_with(app: &App, row: &OrderRow, seats: Vec<OrderSeat>, history: bool, whole: bool) -> Result<OrderView> {
    let pool = &app.database.read;
    let session = app.catalog.session(row.session).await?;
    let mut attendees = if history { app.identities.attendees(row.id, whole).await? } else { HashMap::new() };
    let name_refused = match attendees.values().any(AttendeeView::is_refused) {
        true => app.identities.refusal(row.id).await?,
        false => None,
    };
    let seats = seats
        .into_iter()
        .map(|seat| {
            let place = session.plan.seat(seat.position);
            SeatView {
                attendee: attendees.remove(&seat.position),
                zone: place.map(|place| place.zone.to_string()).unwrap_or_default(),
                zone_zh: place.and_then(|place| session.plan.zh(&place.zone)),
                row: place.map(|place| place.row.to_string()).unwrap_or_default(),
                number: place.map(|place| place.number.clone()).unwrap_or_default(),
                standing: place.is_some_and(|place| place.standing),
                guid: seat.guid,
                category_zh: session.plan.zh(&seat.category),
                category: seat.category,
                price: seat.price,
            }
        })
        .collect();
    // An order that was just placed has no payment yet: two questions less on the way that must be fast.
    let fresh = row.state == OrderState::Locked;
    let payment = if fresh { None } else { payments::of_order(pool, row.id).await?.into_iter().next() };
    let refunds = if fresh { Vec::new() } else { refunds::of_order(pool, row.id).await? };
    let tickets = if history && row.state.was_paid() { app.tickets.of_order(row.id).await? } else { Vec::new() };
    let tickets = tickets.into_iter().map(|(ticket, code)| ticket_view(&session, &ticket, code)).collect();
    let price = if history { marketing::kept(pool, row.id, row.total.currency).await? } else { None };
    let history = if history { storage::history(pool, row.id).await? } else { Vec::new() };
    Ok(OrderView {
        id: row.id,
        session_id: row.session,
        show_title: session.title.clone(),
        show_title_zh: session.title_zh.clone(),
        poster: session.poster.clone(),
        venue: session.venue.clone(),
        starts_at: session.starts_at,
        state: row.state,
        seats,
        name_refused,
        total: row.total,
        price,
        created_at: row.created_at,
        archived_at: row.archived_at,
        expires_at: row.expires_at,
        server_time: Millis::now(),
        payment: payment.map(PaymentView::from),
        refunds: refunds.into_iter().map(RefundView::from).collect(),
        tickets,
        history: history
            .into_iter()
            .map(|entry| HistoryView { state: entry.state, reason: entry.reason, at: entry.at })
            .collect(),
    })
}

impl OrderView {
    /// Whether it says what opens the door.
    pub(crate) fn has_codes(&self) -> bool {
        self.tickets.iter().any(|ticket| ticket.code.is_some())
    }

    /// As the staff sees it: what opens the door is the buyer's.
    pub(super) fn without_codes(mut self) -> Self {
        for ticket in &mut self.tickets {
            (ticket.code, ticket.qr) = (None, None);
        }
        self
    }
}

impl From<PaymentRow> for PaymentView {
    fn from(row: PaymentRow) -> Self {
        Self { id: row.id, state: row.state, provider: row.provider, pay_url: None, pay_qr: None }
    }
}

impl From<RefundRow> for RefundView {
    fn from(row: RefundRow) -> Self {
        Self { id: row.id, amount: row.amount, fee: row.fee, reason: row.reason, state: row.state, note: row.note }
    }
}

fn ticket_view(session: &SessionInfo, row: &TicketRow, code: String) -> TicketView {
    let code = Some(code).filter(|_| row.state == TicketState::Valid);
    TicketView {
        id: row.id,
        seat: session.plan.seat(row.position).map(|seat| seat.guid.to_string()).unwrap_or_default(),
        state: row.state,
        qr: code.as_deref().and_then(qr::svg),
        code,
        used_at: row.used_at,
    }
}
