//! Coupons for buyers.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::domain::{Coupon, Refusal, Worth, code};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    ids::SessionId,
    merchant::Storefront,
    money::Money,
    problem::Result,
    user::Buyer,
};

/// Most coupons in a list for a buyer.
const SHOWN: usize = 20;

/// A coupon that you have, or can have.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CouponView {
    /// Send it as `coupon` with a quote or an order.
    code: String,
    title: String,
    title_zh: String,
    worth: Worth,
    /// What the seats have to cost without it.
    minimum: Money,
    ends_at: Millis,
    /// Whether you have one to use.
    yours: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct CouponList {
    coupons: Vec<CouponView>,
}

/// A coupon to be claimed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ClaimCoupon {
    /// Letters of either case.
    code: String,
}

/// The routes of this module.
pub(in crate::marketing) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, claim))
}

fn view(coupon: &Coupon, yours: bool) -> CouponView {
    CouponView {
        code: coupon.code.clone(),
        title: coupon.title.clone(),
        title_zh: coupon.title_zh.clone(),
        worth: coupon.worth,
        minimum: coupon.minimum,
        ends_at: coupon.terms.ends_at,
        yours,
    }
}

/// The coupons of whoever sells this session that you have or are offered.
#[utoipa::path(
    operation_id = "coupons_offered",
    get, path = "/sessions/{id}/coupons", tag = "orders", params(("id" = SessionId, Path)), responses(
    (status = OK, body = CouponList),
    (status = NOT_FOUND, description = "`not-found`"),
), security(("bearer" = [])))]
async fn list(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path(id): Path<SessionId>,
) -> Result<Json<CouponList>> {
    let session = shop.session(&app, id).await?;
    let book = &app.prices.coupons;
    let mut coupons = Vec::new();
    let purse = book.purse(buyer.id).await?;
    for coupon in book.good(&session.merchant, Millis::now()).await? {
        let yours = purse.unused(&coupon).is_some();
        if yours || (coupon.terms.listed && book.check(&coupon, &purse).await.is_ok()) {
            coupons.push(view(&coupon, yours));
        }
        if coupons.len() == SHOWN {
            break;
        }
    }
    Ok(Json(CouponList { coupons }))
}

/// Claim a coupon, to use it later. If you have one of this code that is not used, it is that one.
#[utoipa::path(
    operation_id = "coupons_claim",
    post, path = "/sessions/{id}/coupons", tag = "orders", params(("id" = SessionId, Path)), request_body = ClaimCoupon,
    responses(
        (status = CREATED, body = CouponView),
        (status = OK, description = "You have had it already", body = CouponView),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`coupon-refused`"),
        (status = TOO_MANY_REQUESTS, description = "`rate-limited`"),
    ), security(("bearer" = [])))]
async fn claim(
    State(app): State<App>,
    shop: Storefront,
    buyer: Buyer,
    Path(id): Path<SessionId>,
    Json(body): Json<ClaimCoupon>,
) -> Result<(StatusCode, Json<CouponView>)> {
    let session = shop.session(&app, id).await?;
    app.admission.domain(id).await?.limits.quote(buyer.id).await?;
    let coupon = app.prices.coupons.find(&session.merchant, &code(&body.code)).await?.ok_or(Refusal::Unknown)?;
    let (_, new) = app.prices.coupons.claim(&coupon, buyer.id).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view(&coupon, true))))
}
