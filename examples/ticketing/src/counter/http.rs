//! A clerk's work over HTTP: what may be sold, holding seats, taking the money, printing, asking for money back.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use nebula_auth::access::Requirement;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{
    buyer::{self, Buyer},
    commission,
    domain::Method,
    ring::{Rung, Taking},
    take::take_money,
    till,
};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    identity::WishedAttendee,
    ids::{OrderId, SessionId, UserId},
    merchant::AtDesk,
    money::Money,
    office::{
        Desk, Sight, Spot, Whose,
        fields::{
            ATTENDEE_NAME, ATTENDEE_NUMBER, BUYER_EMAIL, BUYER_NAME, COMMISSION, NOTE, ORDER, PRICE, REASON, REFUND,
            TILL,
        },
        order, reason,
    },
    order::{
        Best, Channel, OrderView, Sale, SaleRow, Wish, at_counter, find_at_desk, idempotency_key, places, sale_of,
        storage::OrderRow, view,
    },
    payment::Ended,
    problem::{Code, Problem, Result},
    refund::{Asker, Request},
};

/// Longest reference of a card terminal.
const REFERENCE: usize = 64;

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<order::Sell>(), routes!(offered))
        .routes(Requirement::permission::<order::Sell>(), routes!(hold))
        .routes(Requirement::permission::<order::Sell>(), routes!(show))
        .routes(Requirement::permission::<order::Sell>(), routes!(take))
        .routes(Requirement::permission::<order::Sell>(), routes!(give_up))
        .routes(Requirement::permission::<order::Sell>(), routes!(ask_back))
        .merge(till::desk())
}

/// What a counter may sell now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CounterOffer)]
struct Offered {
    /// Whose counter it is.
    channel: Channel,
    /// What the clerk's agency keeps, in basis points; for those whose roles show it.
    #[schema(required = false)]
    commission_bp: i64,
    sessions: Vec<OfferedSession>,
}

/// A session that is on sale.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CounterSession)]
struct OfferedSession {
    id: SessionId,
    title: String,
    title_zh: String,
    venue: String,
    city: String,
    starts_at: Millis,
    /// Seats that nobody has; absent while they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<u32>,
}

/// Seats for somebody at the counter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CounterOrder {
    session_id: SessionId,
    /// `guid`s of 1 to 10 seats; or `best`.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 10)]
    seats: Option<Vec<String>>,
    /// Good seats, or places to stand, that the server chooses; or `seats`.
    #[serde(default)]
    best: Option<Best>,
    /// What the clerk told the buyer: if no longer true, nothing is held.
    expected_total: Option<Money>,
    /// Whom the seats are for, where the sale asks for names; a counter keeps no contacts.
    #[serde(default)]
    attendees: Vec<WishedAttendee>,
    /// What the buyer leaves, if anything.
    #[serde(default)]
    buyer: Buyer,
}

/// Money that the clerk took.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CounterPayment {
    method: Method,
    /// How much; the order's total.
    amount: Money,
    /// What the card terminal printed, 1 to 64 visible ASCII characters; with a card only, and never without.
    reference: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AskBack {
    /// Why, 1 to 200 characters.
    reason: String,
}

/// An order of a counter.
#[derive(Debug, Serialize, ToSchema)]
struct CounterSale {
    order: OrderView,
    sale: SaleView,
}

/// Who sold an order, where.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CounterSaleView)]
struct SaleView {
    channel: Channel,
    clerk_id: UserId,
    at: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    buyer_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buyer_email: Option<String>,
}

/// What the path names besides the merchant.
#[derive(Clone, Copy, Debug, Deserialize)]
struct One {
    id: OrderId,
}

/// Whose counter a clerk sits at: the merchant's own staff at its own.
async fn channel(app: &App, desk: &AtDesk) -> Result<Channel> {
    match app.office.employee(desk.user, desk.merchant()).await {
        Ok(_) => Ok(Channel::BoxOffice),
        Err(problem) if problem.code == Code::NotFound => Ok(Channel::Agent),
        Err(problem) => Err(problem),
    }
}

/// What a clerk keeps of a sale in that channel.
async fn rate(app: &App, desk: &AtDesk, channel: Channel) -> Result<i64> {
    match channel {
        Channel::BoxOffice => Ok(0),
        Channel::Agent => commission::of(&app.database.read, desk.merchant()).await,
    }
}

/// One of the merchant's orders that was made at a counter.
async fn sold(app: &App, desk: &AtDesk, id: OrderId) -> Result<(OrderRow, SaleRow)> {
    let order = find_at_desk(&app.database.read, &desk.scope, id).await?;
    let sale = sale_of(&app.database.read, id).await?.ok_or_else(|| Problem::not_found("order"))?;
    Ok((order, sale))
}

/// What is not for everybody in an order of a counter: clerks see more of what they sold themselves.
const SOLD: [Spot; 7] = [
    Spot::new(&ORDER, BUYER_NAME, &["sale", "buyer_name"]),
    Spot::new(&ORDER, BUYER_EMAIL, &["sale", "buyer_email"]),
    Spot::new(&ORDER, ATTENDEE_NAME, &["order", "seats", "*", "attendee", "name"]),
    Spot::new(&ORDER, ATTENDEE_NUMBER, &["order", "seats", "*", "attendee", "number"]),
    Spot::new(&ORDER, PRICE, &["order", "price"]),
    Spot::new(&REFUND, REASON, &["order", "refunds", "*", "reason"]),
    Spot::new(&REFUND, NOTE, &["order", "refunds", "*", "note"]),
];

async fn answer(app: &App, desk: &AtDesk, id: OrderId) -> Result<Json<Value>> {
    seen(desk, &found(app, desk, id).await?).await
}

/// An order of a counter, as whoever asks sees it.
async fn seen(desk: &AtDesk, sold: &CounterSale) -> Result<Json<Value>> {
    let whose = Whose { merchant: desk.merchant(), clerk: Some(sold.sale.clerk_id) };
    Ok(Json(Sight::current().await?.shown(&SOLD, whose, sold)?))
}

async fn found(app: &App, desk: &AtDesk, id: OrderId) -> Result<CounterSale> {
    let (row, SaleRow { sale, at }) = sold(app, desk, id).await?;
    let order = view(app, &row, true).await?;
    let sale = SaleView {
        channel: sale.channel,
        clerk_id: sale.clerk,
        at,
        buyer_name: buyer::name(&app.vault, id, &sale).await?,
        buyer_email: buyer::address(&app.vault, id, &sale).await?,
    };
    Ok(CounterSale { order, sale })
}

/// What can be sold at the counter now.
#[utoipa::path(
    operation_id = "counter_sessions",
    get, path = "/desk/{merchant}/counter", tag = "counter", params(("merchant" = String, Path)),
    responses(
        (status = OK, body = Offered),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
    ), security(("bearer" = [])))]
async fn offered(State(app): State<App>, desk: AtDesk) -> Result<Json<Value>> {
    let channel = channel(&app, &desk).await?;
    let commission_bp = rate(&app, &desk, channel).await?;
    let mut sessions = Vec::new();
    if app.merchants.is_active(desk.merchant()).await? {
        let on_sale = desk.scope.query(include_str!("sql/on_sale.sql")).bind(Millis::now().0);
        for row in on_sale.fetch_all(&app.database.read).await? {
            let session = app.catalog.session(row.get("id")?).await?;
            sessions.push(OfferedSession {
                id: session.id,
                title: session.title.clone(),
                title_zh: session.title_zh.clone(),
                venue: session.venue.clone(),
                city: session.city.clone(),
                starts_at: session.starts_at,
                available: app.inventory.counts(session.id).await.ok().map(|counts| counts.available()),
            });
        }
    }
    let whose = Whose { merchant: desk.merchant(), clerk: Some(desk.user) };
    let own = [Spot::new(&TILL, COMMISSION, &["commission_bp"])];
    Ok(Json(Sight::current().await?.shown(&own, whose, &Offered { channel, commission_bp, sessions })?))
}

/// Hold seats for somebody at the counter, and make their order.
///
/// All seats or none; limits of a buyer do not hold here. Repeat it with the same `Idempotency-Key` when the answer was lost: it
/// is the same order. What is not paid in time ends as every order does.
#[utoipa::path(
    operation_id = "counter_hold",
    post, path = "/desk/{merchant}/counter/orders", tag = "counter",
    params(
        ("merchant" = String, Path),
        ("Idempotency-Key" = String, Header, description = "1 to 255 visible ASCII characters, new for each order"),
    ),
    request_body = CounterOrder,
    responses(
        (status = CREATED, description = "Held; take the money before `expires_at`", body = CounterSale),
        (status = OK, description = "Held by an earlier request with this key", body = CounterSale),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`: no such session, or it is not on sale"),
        (status = CONFLICT, description = "`seat-taken`, `sold-out`, `sale-not-open`, `sale-closed`, `price-changed`, `not-priced`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `seat-count`, `duplicate-seat`, `unknown-seat`, `idempotency-key-reused`"),
        (status = SERVICE_UNAVAILABLE, description = "`one-moment`, `busy`, `unavailable`: repeat with the same key"),
    ), security(("bearer" = [])))]
async fn hold(
    State(app): State<App>,
    desk: AtDesk,
    headers: HeaderMap,
    Json(body): Json<CounterOrder>,
) -> Result<(StatusCode, Json<Value>)> {
    let missing = || Problem::invalid("Idempotency-Key", "Send an Idempotency-Key, new for each order.");
    let key = idempotency_key(&headers)?.ok_or_else(missing)?;
    let session = app.catalog.session(body.session_id).await?;
    if session.merchant != *desk.merchant() {
        return Err(Problem::not_found("session"));
    }
    let channel = channel(&app, &desk).await?;
    let order = at_counter(desk.user, &key);
    let (name_sealed, email_sealed) = body.buyer.sealed(&app.vault.of(desk.merchant()), &order.to_string()).await?;
    let sale = Sale {
        merchant: desk.merchant().to_string(),
        clerk: desk.user,
        channel,
        commission_bp: rate(&app, &desk, channel).await?,
        name_sealed,
        email_sealed,
        language: body.buyer.language.as_str().to_owned(),
    };
    let wish = Wish {
        user: UserId::COUNTER,
        session: body.session_id,
        places: places(body.seats, body.best)?,
        coupon: None,
        expected_total: body.expected_total,
        idempotency_key: Some(key),
        per_person: None,
        sale: Some(sale),
        real_name: app.admission.policies().of(body.session_id).await?.real_name,
        attendees: body.attendees,
    };
    let placed = app.orders.place(wish).await?;
    if !placed.is_replayed() {
        desk.note(&app, "order:sell", format!("orders/{}", placed.order.id)).await?;
    }
    let status = if placed.is_replayed() { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, answer(&app, &desk, placed.order.id).await?))
}

/// An order of this merchant that was made at a counter, with what is printed.
#[utoipa::path(
    operation_id = "counter_order",
    get, path = "/desk/{merchant}/counter/orders/{id}", tag = "counter",
    params(("merchant" = String, Path), ("id" = OrderId, Path)),
    responses(
        (status = OK, body = CounterSale),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
    ), security(("bearer" = [])))]
async fn show(State(app): State<App>, desk: AtDesk, Path(One { id }): Path<One>) -> Result<Json<Value>> {
    let sold = found(&app, &desk, id).await?;
    // Whoever has the codes can go in with them.
    if sold.order.has_codes() {
        desk.note(&app, "order:print", format!("orders/{id}")).await?;
    }
    seen(&desk, &sold).await
}

/// Take the money of an order that was made at a counter. The tickets follow within moments: ask for the order.
///
/// Asked again, it is the same payment.
#[utoipa::path(
    operation_id = "counter_take",
    post, path = "/desk/{merchant}/counter/orders/{id}/payment", tag = "counter",
    params(("merchant" = String, Path), ("id" = OrderId, Path)), request_body = CounterPayment,
    responses(
        (status = OK, description = "Paid, now or before", body = CounterSale),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`already-paid`, `order-expired`, `order-state`, `till-closed`, `seat-taken`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn take(
    State(app): State<App>,
    desk: AtDesk,
    Path(One { id }): Path<One>,
    Json(body): Json<CounterPayment>,
) -> Result<Json<Value>> {
    sold(&app, &desk, id).await?;
    let reference = reference(body.method, body.reference)?;
    let taking = Taking { order: id, clerk: desk.user, method: body.method, amount: body.amount, reference };
    if take_money(&app.database, &app.payments, taking).await? == Rung::Taken {
        desk.note(&app, "order:take", format!("orders/{id} {}", body.method.as_str())).await?;
    }
    answer(&app, &desk, id).await
}

fn reference(method: Method, given: Option<String>) -> Result<Option<String>> {
    let reference = given.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let sound = |text: &str| text.len() <= REFERENCE && text.bytes().all(|byte| byte.is_ascii_graphic());
    match (method, reference) {
        (Method::Cash, None) => Ok(None),
        (Method::Card, Some(text)) if sound(&text) => Ok(Some(text)),
        _ => {
            let detail = format!(
                "With a card, what the terminal printed: 1 to {REFERENCE} visible ASCII characters. With cash, nothing."
            );
            Err(Problem::invalid("reference", detail))
        }
    }
}

/// Give up an order that nobody paid; its seats are free again.
#[utoipa::path(
    operation_id = "counter_give_up",
    post, path = "/desk/{merchant}/counter/orders/{id}/cancel", tag = "counter",
    params(("merchant" = String, Path), ("id" = OrderId, Path)),
    responses(
        (status = OK, description = "Ended, now or before", body = CounterSale),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`already-paid`"),
    ), security(("bearer" = [])))]
async fn give_up(State(app): State<App>, desk: AtDesk, Path(One { id }): Path<One>) -> Result<Json<Value>> {
    sold(&app, &desk, id).await?;
    match app.payments.end(id, crate::order::Ending::ByBuyer).await? {
        Ended::Paid(state) => {
            Err(Problem::new(Code::AlreadyPaid, "A paid order cannot be given up.").with("state", state))
        }
        Ended::Ended(_) | Ended::NotYet(_) => {
            desk.note(&app, "order:give-up", format!("orders/{id}")).await?;
            answer(&app, &desk, id).await
        }
    }
}

/// Ask for the money of an order for whoever bought it at a counter, by the rules. Finance agrees or refuses; when it agrees, the
/// money goes out of your till.
#[utoipa::path(
    operation_id = "counter_ask_back",
    post, path = "/desk/{merchant}/counter/orders/{id}/refund", tag = "counter",
    params(("merchant" = String, Path), ("id" = OrderId, Path)), request_body = AskBack,
    responses(
        (status = OK, description = "Asked for, now or before", body = CounterSale),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`refund-refused`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn ask_back(
    State(app): State<App>,
    desk: AtDesk,
    Path(One { id }): Path<One>,
    Json(body): Json<AskBack>,
) -> Result<Json<Value>> {
    sold(&app, &desk, id).await?;
    let reason = reason(&body.reason)?.to_owned();
    let request = Request { order: id, by: Some(desk.user), asker: Asker::Counter, expected: None, reason };
    app.refunds.ask(request).await?;
    desk.note(&app, "refund:ask", format!("orders/{id}")).await?;
    answer(&app, &desk, id).await
}
