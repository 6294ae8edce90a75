//! Refunds for the staff.

use axum::extract::State;
use nebula_auth::access::{Granted, Requirement};
use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::{
    http::{Offer, reason},
    service::{Asker, Request},
};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path, Query},
    ids::{OrderId, RefundId, UserId},
    merchant::Staff,
    money::Money,
    office::{
        Desk, Sight, Spot, Whose,
        fields::{NOTE, REASON, REFUND},
        refund,
    },
    order::{
        OrderState, sale_of,
        storage::{self as orders, OrderRow},
    },
    payment::storage::refunds::{self, RefundKind, RefundRow, RefundState},
    problem::{Code, Problem, Result},
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<refund::Read>(), routes!(list))
        .routes(Requirement::permission::<refund::Read>(), routes!(offer))
        .routes(Requirement::permission::<refund::Decide>(), routes!(ask))
        .routes(Requirement::permission::<refund::Decide>(), routes!(approve))
        .routes(Requirement::permission::<refund::Decide>(), routes!(refuse))
}

/// A refund as the staff sees it: no names.
#[derive(Debug, Serialize, ToSchema)]
struct RefundEntry {
    id: RefundId,
    order_id: OrderId,
    kind: RefundKind,
    state: RefundState,
    amount: Money,
    fee: Money,
    /// In full, masked or absent, as roles say.
    #[schema(required = false)]
    reason: String,
    /// Why it was refused; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    created_at: Millis,
}

/// What is not for everybody in a refund.
const ENTRY: [Spot; 2] = [Spot::new(&REFUND, REASON, &["reason"]), Spot::new(&REFUND, NOTE, &["note"])];

/// A refund as whoever asks sees it. It is whose who asked for it.
fn shown(sight: &Sight, merchant: &TenantId, row: RefundRow) -> Result<Value> {
    let whose = Whose { merchant, clerk: row.asked_by };
    sight.shown(&ENTRY, whose, &RefundEntry::from(row))
}

impl From<RefundRow> for RefundEntry {
    fn from(row: RefundRow) -> Self {
        Self {
            id: row.id,
            order_id: row.order,
            kind: row.kind,
            state: row.state,
            amount: row.amount,
            fee: row.fee,
            reason: row.reason,
            note: row.note,
            created_at: row.created_at,
        }
    }
}

#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes what is put together of entries")]
struct RefundList {
    refunds: Vec<RefundEntry>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// Only those in this state.
    state: Option<RefundState>,
    /// 1 to 200, 50 if absent.
    limit: Option<u32>,
}

/// An order and what would go back of it.
#[derive(Debug, Serialize, ToSchema)]
struct StaffOffer {
    order_id: OrderId,
    state: OrderState,
    total: Money,
    /// By the rules.
    by_rule: Offer,
    /// As goodwill.
    goodwill: Offer,
}

/// What the staff grants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StaffRefund {
    /// Why, 1 to 200 characters.
    reason: String,
    /// All of it goes back, at whatever time before somebody went in; otherwise as for buyers.
    #[serde(default)]
    goodwill: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refuse {
    /// Why, 1 to 200 characters: the buyer reads it.
    reason: String,
}

/// The newest refunds.
#[utoipa::path(
    get, operation_id = "list_refunds", path = "/admin/refunds", tag = "admin", params(ListParams),
    responses((status = 200, body = RefundList), (status = 422, description = "`invalid-value`")),
    security(("bearer" = []))
)]
async fn list(
    State(app): State<App>,
    _: Granted<refund::Read>,
    staff: Staff,
    Query(params): Query<ListParams>,
) -> Result<Json<Value>> {
    let limit = params.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::new(Code::InvalidValue, "`limit` is 1 to 200.").with("field", "limit"));
    }
    let rows = refunds::newest(&app.database.read, &staff.rows(&app).await?, params.state, limit).await?;
    let sight = Sight::current().await?;
    let refunds = rows.into_iter().map(|(row, merchant)| shown(&sight, &merchant, row)).collect::<Result<Vec<_>>>()?;
    Ok(Json(json!({ "refunds": refunds })))
}

/// What would go back of an order.
#[utoipa::path(
    get, operation_id = "offer_refund", path = "/admin/orders/{id}/refund", tag = "admin", params(("id" = OrderId, Path)),
    responses((status = 200, body = StaffOffer), (status = 404, description = "`not-found`")),
    security(("bearer" = []))
)]
async fn offer(
    State(app): State<App>,
    _: Granted<refund::Read>,
    staff: Staff,
    Path(id): Path<OrderId>,
) -> Result<Json<StaffOffer>> {
    let (order, _) = order_of(&app, &staff, id, "order").await?;
    Ok(Json(StaffOffer {
        order_id: id,
        state: order.state,
        total: order.total,
        by_rule: app.refunds.quote(&order, Asker::Staff { goodwill: false }).await?.into(),
        goodwill: app.refunds.quote(&order, Asker::Staff { goodwill: true }).await?.into(),
    }))
}

/// Return the money of an order.
#[utoipa::path(
    post, operation_id = "grant_refund", path = "/admin/orders/{id}/refund", tag = "admin", params(("id" = OrderId, Path)), request_body = StaffRefund,
    responses(
        (status = 200, description = "On its way, from now on or before", body = RefundEntry),
        (status = 403, description = "`forbidden`, `own-money`: somebody else has to do it"),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`refund-refused`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn ask(
    State(app): State<App>,
    _: Granted<refund::Decide>,
    staff: Staff,
    Path(id): Path<OrderId>,
    Json(body): Json<StaffRefund>,
) -> Result<Json<Value>> {
    let (_, merchant) = order_of(&app, &staff, id, "order").await?;
    let sold = sale_of(&app.database.read, id).await?;
    not_their_own(&staff, sold.map(|row| row.sale.clerk))?;
    let request = Request {
        order: id,
        by: Some(staff.user),
        asker: Asker::Staff { goodwill: body.goodwill },
        expected: None,
        reason: some_reason(&body.reason)?,
    };
    Ok(Json(shown(&Sight::current().await?, &merchant, app.refunds.ask(request).await?)?))
}

/// Agree to what a buyer asked for, or try again what the provider refused to take back.
#[utoipa::path(
    post, operation_id = "approve_refund", path = "/admin/refunds/{id}/approve", tag = "admin", params(("id" = RefundId, Path)),
    responses(
        (status = 200, body = RefundEntry),
        (status = 403, description = "`forbidden`, `own-money`: somebody else has to agree"),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`refund-state`"),
    ),
    security(("bearer" = []))
)]
async fn approve(
    State(app): State<App>,
    _: Granted<refund::Decide>,
    staff: Staff,
    Path(id): Path<RefundId>,
) -> Result<Json<Value>> {
    let (refund, merchant) = at_their_desk(&app, &staff, id).await?;
    not_their_own(&staff, refund.asked_by)?;
    Ok(Json(shown(&Sight::current().await?, &merchant, app.refunds.approve(id).await?)?))
}

/// Refuse what a buyer asked for.
#[utoipa::path(
    post, operation_id = "refuse_refund", path = "/admin/refunds/{id}/refuse", tag = "admin", params(("id" = RefundId, Path)), request_body = Refuse,
    responses(
        (status = 200, body = RefundEntry),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`refund-state`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn refuse(
    State(app): State<App>,
    _: Granted<refund::Decide>,
    staff: Staff,
    Path(id): Path<RefundId>,
    Json(body): Json<Refuse>,
) -> Result<Json<Value>> {
    let (_, merchant) = at_their_desk(&app, &staff, id).await?;
    let why = some_reason(&body.reason)?;
    Ok(Json(shown(&Sight::current().await?, &merchant, app.refunds.refuse(id, why).await?)?))
}

/// An order of a merchant that they work for.
async fn order_of(app: &App, staff: &Staff, id: OrderId, what: &str) -> Result<(OrderRow, TenantId)> {
    let order = orders::find_any(&app.database.read, id).await?.ok_or_else(|| Problem::not_found(what))?;
    let merchant = app.catalog.session(order.session).await?.merchant.clone();
    staff.enter(app, &merchant, what).await?;
    Ok((order, merchant))
}

/// Refuses refunds of other merchants' orders, as if they were not there.
async fn at_their_desk(app: &App, staff: &Staff, id: RefundId) -> Result<(RefundRow, TenantId)> {
    let refund = refunds::find(&app.database.read, &id.to_string()).await?;
    let refund = refund.ok_or_else(|| Problem::not_found("refund"))?;
    let (_, merchant) = order_of(app, staff, refund.order, "refund").await?;
    Ok((refund, merchant))
}

/// Nobody agrees to what they asked for, or gives back what they took.
fn not_their_own(staff: &Staff, whose: Option<UserId>) -> Result<()> {
    if whose == Some(staff.user) {
        return Err(Problem::new(Code::OwnMoney, "Whoever took the money, or asked for it, does not decide."));
    }
    Ok(())
}

fn some_reason(text: &str) -> Result<String> {
    let text = reason(text)?;
    if text.is_empty() {
        return Err(Problem::new(Code::InvalidValue, "`reason` is missing.").with("field", "reason"));
    }
    Ok(text)
}
