//! Rules at a merchant's desk, and prices for buyers before they order.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::Requirement;
use nebula_rule_engine::PriceProof;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Purchase, coupon, kept::Step, prices::total, quote, quote::budget};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    ids::{OrderId, SessionId},
    merchant::{AtDesk, Storefront},
    money::Money,
    office::{
        Desk, Sight, Whose,
        fields::{ORDER, PRICE, hidden},
        order, rule,
    },
    order::{Best, Places, places, propose},
    problem::{Problem, Result},
    user::{Buyer, Kind},
};

/// The rules of a merchant.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct RuleText {
    /// The revision in force; none while list prices hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<i64>,
    /// The latest revisions, from the newest.
    revisions: Vec<i64>,
    /// The text in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A text to be looked at, and a purchase to be tried on it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckRules {
    /// YAML.
    text: String,
    /// What to try.
    #[serde(default)]
    sample: Option<Sample>,
}

/// A purchase of one of the merchant's sessions.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Sample {
    session_id: SessionId,
    /// `guid`s.
    seats: Vec<String>,
    buyer: Kind,
    /// When; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    at: Option<Millis>,
}

/// Rules that may be put in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CheckedRules {
    /// What was shown about the floor and the cap.
    proof: String,
    /// What is probably not what was meant.
    warnings: Vec<String>,
    /// The sample in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<String>,
}

/// A text to be put in force.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PublishRules {
    text: String,
    /// The revision in force that you read.
    #[serde(default)]
    active: Option<i64>,
}

/// A revision to be put back in force.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RollBack {
    revision: i64,
    /// The revision in force that you read.
    #[serde(default)]
    active: Option<i64>,
}

/// How the price of an order came about.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OrderPrice {
    revision: i64,
    /// In words.
    explanation: String,
    /// Whether the rules of that revision give the same price again, to the byte.
    proven: bool,
    /// The proof itself.
    #[schema(value_type = Object)]
    proof: serde_json::Value,
}

/// Seats whose price is asked for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct QuoteRequest {
    /// `guid`s of 1 to 10 seats. Either these or `best`.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 10)]
    seats: Option<Vec<String>>,
    /// Good seats, as in an order: what those that would be chosen now cost. Either this or `seats`.
    #[serde(default)]
    best: Option<Best>,
    /// The code of a coupon.
    #[serde(default)]
    coupon: Option<String>,
}

/// What seats cost you now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Quote {
    lines: Vec<QuoteLine>,
    /// At list prices.
    subtotal: Money,
    /// Send it as `expected_total`.
    total: Money,
    /// What rules and coupon did, in their order.
    steps: Vec<Step>,
    /// Whether whoever sells them takes coupons at present.
    coupons: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct QuoteLine {
    guid: String,
    category: String,
    list: Money,
    price: Money,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct OneRevision {
    revision: i64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct OneOrder {
    id: OrderId,
}

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(quote_seats)).merge(coupon::routes())
}

/// What this module has for the back office.
pub fn desk() -> Desk {
    let write = || Requirement::permission::<rule::Write>();
    Desk::new()
        .merge(coupon::desk())
        .routes(Requirement::permission::<rule::Read>(), routes!(read))
        .routes(Requirement::permission::<rule::Read>(), routes!(revision))
        .routes(write(), routes!(check))
        .routes(write(), routes!(publish))
        .routes(write(), routes!(roll_back))
        .routes(Requirement::permission::<order::Read>(), routes!(order_price))
}

async fn current(app: &App, desk: &AtDesk) -> Result<Json<RuleText>> {
    let active = app.prices.rules.active_revision(desk.merchant()).await?;
    let text = match active {
        Some(revision) => Some(app.prices.rules.text(desk.merchant(), revision).await?),
        None => None,
    };
    Ok(Json(RuleText { active, revisions: app.prices.rules.revisions(desk.merchant()).await?, text }))
}

/// The rules in force, and the revisions before.
#[utoipa::path(
    operation_id = "rules_read",
    get, path = "/desk/{merchant}/rules", tag = "desk", params(("merchant" = String, Path)),
    responses((status = OK, body = RuleText), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn read(State(app): State<App>, desk: AtDesk) -> Result<Json<RuleText>> {
    current(&app, &desk).await
}

/// The text of a revision.
#[utoipa::path(
    operation_id = "rules_revision",
    get, path = "/desk/{merchant}/rules/{revision}", tag = "desk",
    params(("merchant" = String, Path), ("revision" = i64, Path)),
    responses((status = OK, body = RuleText), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn revision(State(app): State<App>, desk: AtDesk, Path(one): Path<OneRevision>) -> Result<Json<RuleText>> {
    let text = Some(app.prices.rules.text(desk.merchant(), one.revision).await?);
    let active = app.prices.rules.active_revision(desk.merchant()).await?;
    Ok(Json(RuleText { active, revisions: vec![one.revision], text }))
}

/// Look at rules without storing them, and try a purchase on them.
#[utoipa::path(
    operation_id = "rules_check",
    post, path = "/desk/{merchant}/rules/check", tag = "desk", params(("merchant" = String, Path)),
    request_body = CheckRules, responses(
        (status = OK, body = CheckedRules),
        (status = CONFLICT, description = "`not-priced`: the sample"),
        (status = UNPROCESSABLE_ENTITY, description = "`rules-refused`, `unknown-seat`"),
    ), security(("bearer" = [])))]
async fn check(State(app): State<App>, desk: AtDesk, Json(body): Json<CheckRules>) -> Result<Json<CheckedRules>> {
    let set = app.prices.rules.check(desk.merchant(), body.text).await?;
    let (proof, warnings) = (set.prove_bounds().to_string(), set.warnings().iter().map(ToString::to_string).collect());
    let sample = match body.sample {
        None => None,
        Some(sample) => {
            let session = app.catalog.session(sample.session_id).await?;
            if session.merchant != *desk.merchant() {
                return Err(Problem::not_found("session"));
            }
            let seats = session.choose(&sample.seats)?;
            let rules = super::Rules { revision: 0, set };
            let now = sample.at.unwrap_or_else(Millis::now);
            let purchase = Purchase { session: &session, seats: &seats, buyer: sample.buyer, now };
            Some(if seats.iter().all(|seat| rules.are_for(seat.price.currency)) {
                rules.set.explain(quote(&rules, &purchase)?.proof.priced())
            } else {
                "These rules are for another currency: list prices hold.".to_owned()
            })
        }
    };
    Ok(Json(CheckedRules { proof, warnings, sample }))
}

/// Put rules in force. What is broken, fails its tests, or is not proven to stay above the floor is refused.
#[utoipa::path(
    operation_id = "rules_publish",
    post, path = "/desk/{merchant}/rules", tag = "desk", params(("merchant" = String, Path)),
    request_body = PublishRules, responses(
        (status = CREATED, body = RuleText),
        (status = CONFLICT, description = "`version-conflict`"),
        (status = UNPROCESSABLE_ENTITY, description = "`rules-refused`"),
    ), security(("bearer" = [])))]
async fn publish(
    State(app): State<App>,
    desk: AtDesk,
    Json(body): Json<PublishRules>,
) -> Result<(StatusCode, Json<RuleText>)> {
    let revision = app.prices.rules.publish(desk.merchant(), body.text, body.active).await?;
    desk.note(&app, "rule:publish", format!("rules/{revision}")).await?;
    Ok((StatusCode::CREATED, current(&app, &desk).await?))
}

/// Put an earlier revision back in force.
#[utoipa::path(
    operation_id = "rules_roll_back",
    put, path = "/desk/{merchant}/rules/active", tag = "desk", params(("merchant" = String, Path)),
    request_body = RollBack, responses(
        (status = OK, body = RuleText),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
    ), security(("bearer" = [])))]
async fn roll_back(State(app): State<App>, desk: AtDesk, Json(body): Json<RollBack>) -> Result<Json<RuleText>> {
    app.prices.rules.roll_back(desk.merchant(), body.revision, body.active).await?;
    desk.note(&app, "rule:roll-back", format!("rules/{}", body.revision)).await?;
    current(&app, &desk).await
}

/// How the price of an order came about, for those who are asked.
#[utoipa::path(
    operation_id = "rules_order_price",
    get, path = "/desk/{merchant}/orders/{id}/price", tag = "desk",
    params(("merchant" = String, Path), ("id" = OrderId, Path)), responses(
        (status = OK, body = OrderPrice),
        (status = FORBIDDEN, description = "`forbidden`; with the `reason` `field_denied`, none of your roles shows prices"),
        (status = NOT_FOUND, description = "`not-found`: no such order, or one at list prices"),
    ), security(("bearer" = [])))]
async fn order_price(State(app): State<App>, desk: AtDesk, Path(one): Path<OneOrder>) -> Result<Json<OrderPrice>> {
    if !Sight::current().await?.whole(&ORDER, Whose::of(desk.merchant()), PRICE) {
        return Err(hidden("price"));
    }
    let row =
        desk.scope.query("SELECT revision, coupon_id, proof FROM all_order_prices WHERE order_id = $1").bind(one.id);
    let row = row.fetch_optional(&app.database.read).await?.ok_or_else(|| Problem::not_found("price of an order"))?;
    let (revision, text): (i64, String) = (row.get("revision")?, row.get("proof")?);
    let coupon: Option<String> = row.get("coupon_id")?;
    let proof = PriceProof::from_bytes(text.as_bytes()).map_err(Problem::internal)?;
    let rules = match coupon {
        None => app.prices.rules.rules(desk.merchant(), revision).await?,
        Some(coupon) => {
            let coupon = app.prices.coupons.get(desk.merchant(), coupon.parse().map_err(Problem::internal)?).await?;
            app.prices.rules.with_coupon(revision, &coupon).await?
        }
    };
    let proven = proof.replay(&rules.set, &mut budget().start()).is_ok();
    let explanation = rules.set.explain(proof.priced());
    let proof = serde_json::from_str(&text).map_err(Problem::internal)?;
    Ok(Json(OrderPrice { revision, explanation, proven, proof }))
}

/// What seats cost you now, and why. Nothing is held.
#[utoipa::path(
    operation_id = "rules_quote_seats",
    post, path = "/sessions/{id}/quote", tag = "orders", params(("id" = SessionId, Path)), request_body = QuoteRequest, responses(
    (status = OK, body = Quote),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = CONFLICT, description = "`not-together`, `too-few-left`, `coupon-refused`, `not-priced`"),
    (status = UNPROCESSABLE_ENTITY, description = "`unknown-seat`, `seat-count`, `duplicate-seat`, `invalid-value`"),
    (status = SERVICE_UNAVAILABLE, description = "`one-moment`, `unavailable`"),
    (status = TOO_MANY_REQUESTS, description = "`rate-limited`"),
), security(("bearer" = [])))]
async fn quote_seats(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path(id): Path<SessionId>,
    Json(body): Json<QuoteRequest>,
) -> Result<Json<Quote>> {
    let session = shop.session(&app, id).await?;
    app.admission.domain(id).await?.limits.quote(buyer.id).await?;
    let seats = match places(body.seats, body.best)? {
        Places::Named(names) => session.choose(&names)?,
        Places::Best(best) => propose(&app.inventory, &session, &best).await?,
    };
    let price = app.prices.of(&session, &seats, buyer.id, body.coupon.as_deref()).await?;
    let coupons = !app.prices.coupons.good(&session.merchant, Millis::now()).await?.is_empty();
    let list: Vec<Money> = seats.iter().map(|seat| seat.price).collect();
    let (prices, steps) = match &price {
        None => (list.clone(), Vec::new()),
        Some(price) => (price.quoted.prices.clone(), price.steps()),
    };
    let (subtotal, sum) = (total(list)?, total(prices.iter().copied())?);
    let lines = seats.iter().zip(prices).map(|(seat, price)| QuoteLine {
        guid: seat.seat.guid.to_string(),
        category: seat.seat.category.to_string(),
        list: seat.price,
        price,
    });
    Ok(Json(Quote { lines: lines.collect(), subtotal, total: sum, steps, coupons }))
}
