//! Orders at a merchant's desk.

use std::collections::HashMap;

use axum::extract::State;
use nebula_auth::access::Requirement;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{
    domain::OrderState,
    http::{OrderView, view_for},
    search::{self, Number, Wanted},
    storage::OrderRow,
};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path, Query},
    identity::{Remembered, Said},
    ids::{OrderId, PaymentId, SessionId, UserId},
    merchant::AtDesk,
    money::Money,
    office::{
        Desk, Sight, Spot, Whose,
        fields::{
            ATTENDEE_NAME, ATTENDEE_NUMBER, BUYER_EMAIL, NOTE, ORDER, PAYMENT_REFERENCE, PERSONAL, PRICE, REASON,
            REFUND,
        },
        order,
    },
    order::{Channel, sale_of},
    payment::storage::{self as payments, PaymentState},
    problem::{Problem, Result},
    user::email,
};

/// What the log calls it when somebody saw people in full.
const SEEN: &str = "order:personal";

/// What is not for everybody in a list of orders.
const LISTED: [Spot; 1] = [Spot::new(&ORDER, BUYER_EMAIL, &["orders", "*", "buyer", "email"])];

/// The same in one order.
const DETAIL: [Spot; 7] = [
    Spot::new(&ORDER, BUYER_EMAIL, &["buyer", "email"]),
    Spot::new(&ORDER, ATTENDEE_NAME, &["order", "seats", "*", "attendee", "name"]),
    Spot::new(&ORDER, ATTENDEE_NUMBER, &["order", "seats", "*", "attendee", "number"]),
    Spot::new(&ORDER, PRICE, &["order", "price"]),
    Spot::new(&ORDER, PAYMENT_REFERENCE, &["payments", "*", "txn"]),
    Spot::new(&REFUND, REASON, &["order", "refunds", "*", "reason"]),
    Spot::new(&REFUND, NOTE, &["order", "refunds", "*", "note"]),
];

/// What this module has for merchants.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<order::Read>(), routes!(list))
        .routes(Requirement::permission::<order::Read>(), routes!(show))
        .routes(Requirement::permission::<order::Read>(), routes!(of_attendee))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// An order's number, or at least 6 characters of its beginning.
    number: Option<String>,
    /// The buyer's e-mail address, for those who see it in full.
    email: Option<String>,
    /// One session's.
    session: Option<SessionId>,
    /// Only those in this state.
    state: Option<OrderState>,
    /// Placed at this time or later.
    from: Option<Millis>,
    /// Placed before this time.
    to: Option<Millis>,
    /// 1 to 100, 20 if absent.
    limit: Option<u32>,
    /// The last order of the page before.
    after: Option<OrderId>,
}

/// An order in a list.
#[derive(Debug, Serialize, ToSchema)]
struct DeskOrder {
    id: OrderId,
    session_id: SessionId,
    show_title: String,
    show_title_zh: String,
    starts_at: Millis,
    state: OrderState,
    total: Money,
    created_at: Millis,
    /// When it was put into the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    archived_at: Option<Millis>,
    buyer: BuyerView,
}

/// A page of orders, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct DeskOrders {
    orders: Vec<DeskOrder>,
    /// Pass as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<OrderId>,
}

/// Who ordered.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct BuyerView {
    id: UserId,
    /// In full, masked or absent, as roles say; empty when the account is gone.
    #[schema(required = false)]
    email: String,
    /// Whether it is not the whole address.
    masked: bool,
}

/// One way of paying that was tried.
#[derive(Debug, Serialize, ToSchema)]
struct DeskPayment {
    id: PaymentId,
    provider: String,
    state: PaymentState,
    amount: Money,
    /// The provider's name for the movement of money.
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<String>,
}

/// All about an order. Tickets come without their codes: those are the buyer's.
#[derive(Debug, Serialize, ToSchema)]
struct DeskOrderDetail {
    order: OrderView,
    buyer: BuyerView,
    /// Newest first.
    payments: Vec<DeskPayment>,
    /// Who sold it, if that was at a counter.
    #[serde(skip_serializing_if = "Option::is_none")]
    sale: Option<DeskSale>,
}

/// Who sold an order at a counter, and where.
#[derive(Debug, Serialize, ToSchema)]
struct DeskSale {
    channel: Channel,
    clerk_id: UserId,
    /// How to address the clerk; empty when the account is gone.
    clerk: String,
}

/// What the path names besides the merchant.
#[derive(Clone, Copy, Debug, Deserialize)]
struct One {
    id: OrderId,
}

/// Search the merchant's orders, newest first.
#[utoipa::path(
    operation_id = "desk_orders",
    get, path = "/desk/{merchant}/orders", tag = "desk", params(("merchant" = String, Path), Search),
    responses(
        (status = OK, body = DeskOrders),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn list(State(app): State<App>, desk: AtDesk, Query(search): Query<Search>) -> Result<Json<Value>> {
    let sight = Sight::current().await?;
    let limit = search.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid("limit", "`limit` is 1 to 100."));
    }
    let buyer = match search.email.as_deref().map(str::trim).filter(|email| !email.is_empty()) {
        Some(email) => {
            sight.check_search(&ORDER, Whose::of(desk.merchant()), BUYER_EMAIL, "email")?;
            let email = email::canonical(email).ok_or_else(|| Problem::invalid("email", "A whole e-mail address."))?;
            match app.users.id_of(&email).await? {
                Some(id) => Some(id),
                None => return listed(&app, &desk, &sight, "list", &[], None).await,
            }
        }
        None => None,
    };
    let number = search.number.as_deref().map(str::trim).filter(|number| !number.is_empty());
    let wanted = Wanted {
        number: number.map(Number::read).transpose()?,
        buyer,
        session: search.session,
        state: search.state,
        from: search.from,
        to: search.to,
    };
    let pool = &app.database.read;
    let before = match search.after {
        Some(id) => Some(search::find(pool, &desk.scope, id).await?),
        None => None,
    };
    let mut rows = search::search(pool, &desk.scope, &wanted, before.as_ref(), limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    listed(&app, &desk, &sight, "list", &rows, next).await
}

/// A list of orders, as whoever asks sees it.
async fn listed(
    app: &App,
    desk: &AtDesk,
    sight: &Sight,
    what: &str,
    rows: &[OrderRow],
    next: Option<OrderId>,
) -> Result<Json<Value>> {
    let whose = Whose::of(desk.merchant());
    trace(app, desk, sight, whose, what).await?;
    let mut buyers = Buyers::of(!sight.whole(&ORDER, whose, BUYER_EMAIL));
    let mut orders = Vec::with_capacity(rows.len());
    for row in rows {
        orders.push(line(app, row, buyers.view(app, row.user).await?).await?);
    }
    Ok(Json(sight.shown(&LISTED, whose, &DeskOrders { orders, next })?))
}

/// Most orders that somebody's name leads to.
const FOUND: usize = 100;

/// Somebody who is named in orders: by name, by number, or by both, all of it or a part.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Sought {
    /// All of the name, as the document has it; capitals are no difference.
    name: Option<String>,
    /// A part of it: two letters that stand together, or one Chinese character.
    name_part: Option<String>,
    /// All of the document's number.
    number: Option<String>,
    /// The last four characters of it.
    number_ends: Option<String>,
}

/// Find the merchant's orders that are for somebody, at most 100, newest first. A number stands in no address of this interface.
#[utoipa::path(
    operation_id = "desk_attendee_orders",
    post, path = "/desk/{merchant}/attendees", tag = "desk", params(("merchant" = String, Path)), request_body = Sought,
    responses(
        (status = OK, body = DeskOrders),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn of_attendee(State(app): State<App>, desk: AtDesk, Json(sought): Json<Sought>) -> Result<Json<Value>> {
    let (sight, whose) = (Sight::current().await?, Whose::of(desk.merchant()));
    let [name, name_part, number, number_ends] =
        [&sought.name, &sought.name_part, &sought.number, &sought.number_ends].map(|text| given(text.as_deref()));
    for (field, place, text) in [
        (ATTENDEE_NAME, "name", name),
        (ATTENDEE_NAME, "name_part", name_part),
        (ATTENDEE_NUMBER, "number", number),
        (ATTENDEE_NUMBER, "number_ends", number_ends),
    ] {
        if text.is_some() {
            sight.check_search(&ORDER, whose, field, place)?;
        }
    }
    let rows = match Remembered::read(Said { name, name_part, number, number_ends })? {
        Some(meant) => {
            let mut rows = Vec::new();
            for id in app.identities.remembered(&desk.scope, &meant, FOUND).await? {
                rows.push(search::find(&app.database.read, &desk.scope, id).await?);
            }
            rows
        }
        None => by_all(&app, &desk, name, number).await?,
    };
    listed(&app, &desk, &sight, "attendee", &rows, None).await
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// Those of somebody all of whose name, or number, or both are known.
async fn by_all(app: &App, desk: &AtDesk, name: Option<&str>, number: Option<&str>) -> Result<Vec<OrderRow>> {
    if name.is_none() && number.is_none() {
        return Err(Problem::invalid("name", "Give a name or a number, all of it or a part."));
    }
    let name = match name {
        Some(name) => Some(app.identities.index_of_name(name).await?),
        None => None,
    };
    let number = match number {
        Some(number) => Some(app.identities.index_of_number(number).await?),
        None => None,
    };
    search::of_attendee(&app.database.read, &desk.scope, name, number).await
}

/// One of the merchant's orders: its history, payments, tickets and refunds.
#[utoipa::path(
    operation_id = "desk_order",
    get, path = "/desk/{merchant}/orders/{id}", tag = "desk",
    params(("merchant" = String, Path), ("id" = OrderId, Path)),
    responses(
        (status = OK, body = DeskOrderDetail),
        (status = FORBIDDEN, description = "`forbidden`"),
        (status = NOT_FOUND, description = "`not-found`"),
    ), security(("bearer" = [])))]
async fn show(State(app): State<App>, desk: AtDesk, Path(One { id }): Path<One>) -> Result<Json<Value>> {
    let row = search::find(&app.database.read, &desk.scope, id).await?;
    let sale = sold(&app, id).await?;
    let whose = Whose { merchant: desk.merchant(), clerk: sale.as_ref().map(|sale| sale.clerk_id) };
    let sight = Sight::current().await?;
    trace(&app, &desk, &sight, whose, &id.to_string()).await?;
    let payments = payments::of_order(&app.database.read, id).await?.into_iter().map(|row| DeskPayment {
        id: row.id,
        provider: row.provider,
        state: row.state,
        amount: row.amount,
        txn: row.txn,
    });
    let payments = payments.collect();
    let buyer = Buyers::of(!sight.whole(&ORDER, whose, BUYER_EMAIL)).view(&app, row.user).await?;
    let order = view_for(&app, &row, true, true).await?.without_codes();
    Ok(Json(sight.shown(&DETAIL, whose, &DeskOrderDetail { order, buyer, payments, sale })?))
}

async fn sold(app: &App, id: OrderId) -> Result<Option<DeskSale>> {
    let Some(row) = sale_of(&app.database.read, id).await? else { return Ok(None) };
    let clerk = app.users.user(row.sale.clerk).await?.map(|user| user.display_name).unwrap_or_default();
    Ok(Some(DeskSale { channel: row.sale.channel, clerk_id: row.sale.clerk, clerk }))
}

async fn line(app: &App, row: &OrderRow, buyer: BuyerView) -> Result<DeskOrder> {
    let session = app.catalog.session(row.session).await?;
    Ok(DeskOrder {
        id: row.id,
        session_id: row.session,
        show_title: session.title.clone(),
        show_title_zh: session.title_zh.clone(),
        starts_at: session.starts_at,
        state: row.state,
        total: row.total,
        created_at: row.created_at,
        archived_at: row.archived_at,
        buyer,
    })
}

/// Leaves a trace of whoever sees people in full.
async fn trace(app: &App, desk: &AtDesk, sight: &Sight, whose: Whose<'_>, what: &str) -> Result<()> {
    if PERSONAL.into_iter().any(|field| sight.whole(&ORDER, whose, field)) {
        desk.note(app, SEEN, format!("orders/{what}")).await?;
    }
    Ok(())
}

/// The buyers of some orders, each asked for once.
struct Buyers {
    masked: bool,
    known: HashMap<UserId, BuyerView>,
}

impl Buyers {
    fn of(masked: bool) -> Self {
        Self { masked, known: HashMap::new() }
    }

    async fn view(&mut self, app: &App, id: UserId) -> Result<BuyerView> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let email = app.users.user(id).await?.map(|user| user.email).unwrap_or_default();
        let view = BuyerView { id, email, masked: self.masked };
        self.known.insert(id, view.clone());
        Ok(view)
    }
}
