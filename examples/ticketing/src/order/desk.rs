//! Orders at a merchant's desk.

use std::collections::HashMap;

use axum::extract::State;
use nebula_auth::{
    access::{AuthContext, Requirement},
    rbac::Permission,
};
use serde::{Deserialize, Serialize};
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
    counter,
    http::{Json, Path, Query},
    ids::{OrderId, PaymentId, SessionId, UserId},
    merchant::AtDesk,
    money::Money,
    office::{Desk, order},
    payment::storage::{self as payments, PaymentState},
    problem::{Problem, Result},
    user::email,
};

/// Who has it sees whole addresses.
const PERSONAL: &str = "order:personal";

/// What this module has for merchants.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<order::Read>(), routes!(list))
        .routes(Requirement::permission::<order::Read>(), routes!(show))
        .routes(Requirement::permission::<order::Personal>(), routes!(of_attendee))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// An order's number, or at least 6 characters of its beginning.
    number: Option<String>,
    /// The buyer's e-mail address.
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

/// Who ordered. Masked for whoever may not know.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct BuyerView {
    id: UserId,
    /// Of which, masked, only the first letter and the domain are left; empty when the account is gone.
    email: String,
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
    channel: counter::Channel,
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
async fn list(State(app): State<App>, desk: AtDesk, Query(search): Query<Search>) -> Result<Json<DeskOrders>> {
    let limit = search.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::invalid("limit", "`limit` is 1 to 100."));
    }
    let buyer = match search.email.as_deref().map(str::trim).filter(|email| !email.is_empty()) {
        Some(email) => {
            let email = email::canonical(email).ok_or_else(|| Problem::invalid("email", "A whole e-mail address."))?;
            match app.users.id_of(&email).await? {
                Some(id) => Some(id),
                None => return Ok(Json(DeskOrders { orders: Vec::new(), next: None })),
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
    let mut buyers = Buyers::of(&app, &desk, "list").await?;
    let mut orders = Vec::with_capacity(rows.len());
    for row in &rows {
        orders.push(line(&app, row, buyers.view(&app, row.user).await?).await?);
    }
    Ok(Json(DeskOrders { orders, next }))
}

/// Somebody who is named in orders: by name, by number, or by both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Sought {
    /// All of the name, as the document has it; capitals are no difference.
    name: Option<String>,
    /// All of the document's number.
    number: Option<String>,
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
async fn of_attendee(State(app): State<App>, desk: AtDesk, Json(sought): Json<Sought>) -> Result<Json<DeskOrders>> {
    let given = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let name = match given(sought.name) {
        Some(name) => Some(app.identities.index_of_name(&name).await?),
        None => None,
    };
    let number = match given(sought.number) {
        Some(number) => Some(app.identities.index_of_number(&number).await?),
        None => None,
    };
    if name.is_none() && number.is_none() {
        return Err(Problem::invalid("name", "Give a `name`, a `number`, or both."));
    }
    let rows = search::of_attendee(&app.database.read, &desk.scope, name, number).await?;
    let mut buyers = Buyers::of(&app, &desk, "attendee").await?;
    let mut orders = Vec::with_capacity(rows.len());
    for row in &rows {
        orders.push(line(&app, row, buyers.view(&app, row.user).await?).await?);
    }
    Ok(Json(DeskOrders { orders, next: None }))
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
async fn show(State(app): State<App>, desk: AtDesk, Path(One { id }): Path<One>) -> Result<Json<DeskOrderDetail>> {
    let row = search::find(&app.database.read, &desk.scope, id).await?;
    let payments = payments::of_order(&app.database.read, id).await?.into_iter().map(|row| DeskPayment {
        id: row.id,
        provider: row.provider,
        state: row.state,
        amount: row.amount,
        txn: row.txn,
    });
    let payments = payments.collect();
    let mut buyers = Buyers::of(&app, &desk, &id.to_string()).await?;
    let buyer = buyers.view(&app, row.user).await?;
    let order = view_for(&app, &row, true, buyers.whole).await?.without_codes();
    let sale = sold(&app, id).await?;
    Ok(Json(DeskOrderDetail { order, buyer, payments, sale }))
}

async fn sold(app: &App, id: OrderId) -> Result<Option<DeskSale>> {
    let Some(row) = counter::sale_of(&app.database.read, id).await? else { return Ok(None) };
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

/// The buyers of some orders, each asked for once.
struct Buyers {
    whole: bool,
    known: HashMap<UserId, BuyerView>,
}

impl Buyers {
    /// As whoever sits at this desk may see them. Who sees whole addresses leaves a trace.
    async fn of(app: &App, desk: &AtDesk, what: &str) -> Result<Self> {
        let permission = Permission::new(PERSONAL).map_err(Problem::internal)?;
        let whole = AuthContext::current()?.has(&permission).await?;
        if whole {
            desk.note(app, PERSONAL, format!("orders/{what}")).await?;
        }
        Ok(Self { whole, known: HashMap::new() })
    }

    async fn view(&mut self, app: &App, id: UserId) -> Result<BuyerView> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let email = app.users.user(id).await?.map(|user| user.email).unwrap_or_default();
        let email = if self.whole { email } else { masked(&email) };
        let view = BuyerView { id, email, masked: !self.whole };
        self.known.insert(id, view.clone());
        Ok(view)
    }
}

/// The first letter and the domain of an address.
fn masked(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((name, domain)) => format!("{}***@{domain}", name.chars().next().unwrap_or('*')),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn of_an_address_the_first_letter_and_the_domain_are_left() {
        for (email, expected) in
            [("fan@example.com", "f***@example.com"), ("李雷@例子.公司", "李***@例子.公司"), ("", ""), ("gone", "")]
        {
            assert_eq!(masked(email), expected);
        }
    }
}
