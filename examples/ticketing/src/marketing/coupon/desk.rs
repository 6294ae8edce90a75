//! Coupons at a merchant's desk.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::Requirement;
use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::{
    book::{self, FIND, MOST},
    domain::{Coupon, LONGEST, Terms, Worth, code},
};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    ids::CouponId,
    merchant::{AtDesk, Scope},
    money::Money,
    office::{Desk, coupon as permission},
    problem::{Code, Problem, Result},
    show::text,
    storage::Connection,
};

/// The largest amount of a coupon, in minor units: more than any purchase costs, and far from any overflow.
const LARGEST: i64 = 1_000_000_000_000;

/// A coupon as its merchant sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeskCoupon {
    id: CouponId,
    code: String,
    title: String,
    title_zh: String,
    worth: Worth,
    minimum: Money,
    #[serde(flatten)]
    terms: Terms,
    /// How many buyers have, or had.
    claimed: u64,
    /// How many orders have one: unpaid, paid, or refunded without giving it back.
    used: u64,
    version: i64,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeskCoupons {
    coupons: Vec<DeskCoupon>,
}

/// A coupon to be offered.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct NewCoupon {
    /// What buyers enter: 3 to 32 letters, digits and hyphens.
    code: String,
    title: String,
    title_zh: String,
    worth: Worth,
    /// What a purchase has to cost without it, in the currency of the prices that it is for; it may be zero.
    minimum: Money,
    #[serde(flatten)]
    terms: Terms,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct CouponChange {
    /// The version that you read.
    version: i64,
    #[serde(flatten)]
    terms: Terms,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct OneCoupon {
    id: CouponId,
}

impl Terms {
    fn checked(self) -> Result<Self> {
        if self.starts_at >= self.ends_at {
            return Err(Problem::invalid("starts_at", "It must begin before it ends."));
        }
        if !(1..=1_000_000).contains(&self.total) {
            return Err(Problem::invalid("total", "1 to 1000000."));
        }
        if !(1..=100).contains(&self.per_buyer) {
            return Err(Problem::invalid("per_buyer", "1 to 100."));
        }
        Ok(self)
    }
}

impl NewCoupon {
    fn checked(self, merchant: &TenantId) -> Result<Coupon> {
        let code = code(&self.code);
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
        if !(3..=LONGEST).contains(&code.len()) || !code.bytes().all(allowed) {
            return Err(Problem::invalid("code", "3 to 32 letters, digits and hyphens."));
        }
        let fits = |amount: Money, least: i64| (least..=LARGEST).contains(&amount.minor);
        match self.worth {
            Worth::Percent(percent) if !(1..=100).contains(&percent) => {
                return Err(Problem::invalid("worth", "1 to 100 percent."));
            }
            Worth::Amount(amount) if !fits(amount, 1) || amount.currency != self.minimum.currency => {
                return Err(Problem::invalid("worth", "An amount of the minimum's currency, and more than nothing."));
            }
            _ => {}
        }
        if !fits(self.minimum, 0) {
            return Err(Problem::invalid("minimum", "That is too much."));
        }
        Ok(Coupon {
            id: CouponId::new(),
            merchant: merchant.clone(),
            code,
            title: text("title", &self.title, 1, 100)?,
            title_zh: text("title_zh", &self.title_zh, 1, 100)?,
            worth: self.worth,
            minimum: self.minimum,
            terms: self.terms.checked()?,
            version: 1,
        })
    }
}

/// What this module has for the back office.
pub(in crate::marketing) fn desk() -> Desk {
    let write = || Requirement::permission::<permission::Write>();
    Desk::new()
        .routes(Requirement::permission::<permission::Read>(), routes!(list))
        .routes(write(), routes!(create))
        .routes(write(), routes!(change))
}

async fn view(app: &App, desk: &AtDesk, coupon: Coupon) -> Result<DeskCoupon> {
    let used =
        desk.scope.query("SELECT COUNT(*) AS used FROM all_order_prices WHERE coupon_id = $1 AND coupon IS NOT NULL");
    let used = used.bind(coupon.id).fetch_optional(&app.database.read).await?;
    let used: i64 = used.map_or(Ok(0), |row| row.get("used"))?;
    Ok(DeskCoupon {
        claimed: app.prices.coupons.claimed(coupon.id).await?,
        used: u64::try_from(used).unwrap_or(0),
        id: coupon.id,
        code: coupon.code,
        title: coupon.title,
        title_zh: coupon.title_zh,
        worth: coupon.worth,
        minimum: coupon.minimum,
        terms: coupon.terms,
        version: coupon.version,
    })
}

/// The merchant's coupons, the newest first.
#[utoipa::path(
    operation_id = "coupons_list",
    get, path = "/desk/{merchant}/coupons", tag = "desk", params(("merchant" = String, Path)),
    responses((status = OK, body = DeskCoupons), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn list(State(app): State<App>, desk: AtDesk) -> Result<Json<DeskCoupons>> {
    let mut coupons = Vec::new();
    for coupon in app.prices.coupons.all(desk.merchant()).await? {
        coupons.push(view(&app, &desk, coupon).await?);
    }
    Ok(Json(DeskCoupons { coupons }))
}

/// Offer a coupon. What it is worth, and from which price on, cannot be changed later.
#[utoipa::path(
    operation_id = "coupons_create",
    post, path = "/desk/{merchant}/coupons", tag = "desk", params(("merchant" = String, Path)),
    request_body = NewCoupon, responses(
        (status = CREATED, body = DeskCoupon),
        (status = CONFLICT, description = "`name-taken`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn create(
    State(app): State<App>,
    desk: AtDesk,
    Json(body): Json<NewCoupon>,
) -> Result<(StatusCode, Json<DeskCoupon>)> {
    let coupon = body.checked(desk.merchant())?;
    let (scope, new) = (desk.scope.clone(), coupon.clone());
    app.database.write.run(move |connection| Box::pin(async move { insert(connection, &scope, &new).await })).await?;
    app.prices.coupons.changed(&coupon);
    desk.note(&app, "coupon:create", coupon.id).await?;
    Ok((StatusCode::CREATED, Json(view(&app, &desk, coupon).await?)))
}

/// Adds a coupon of the merchant whose scope this is.
pub(in crate::marketing) async fn insert(
    connection: &mut Connection<'_>,
    scope: &Scope,
    coupon: &Coupon,
) -> Result<()> {
    let taken = |detail: &str| Problem::new(Code::NameTaken, detail).with("field", "code");
    let counted = scope.query("SELECT COUNT(*) AS number FROM coupons").fetch_optional(&mut *connection).await?;
    if counted.map_or(Ok(0), |row| row.get::<i64>("number"))? >= MOST {
        return Err(taken("A merchant has at most 1000 coupons."));
    }
    let (percent, minor) = match coupon.worth {
        Worth::Percent(percent) => (Some(percent), None),
        Worth::Amount(amount) => (None, Some(amount.minor)),
    };
    let Terms { starts_at, ends_at, total, per_buyer, listed, returns, stopped } = coupon.terms;
    let made = scope
        .query(
            "INSERT INTO coupons (id, code, title, title_zh, percent, minor, currency, minimum, starts_at, ends_at, total, \
             per_buyer, listed, returns, stopped, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (code) DO NOTHING",
        )
        .bind(coupon.id)
        .bind(&coupon.code)
        .bind(&coupon.title)
        .bind(&coupon.title_zh)
        .bind(percent)
        .bind(minor)
        .bind(coupon.minimum.currency.code())
        .bind(coupon.minimum.minor)
        .bind(starts_at.0)
        .bind(ends_at.0)
        .bind(total)
        .bind(per_buyer)
        .bind(listed)
        .bind(returns)
        .bind(stopped)
        .bind(Millis::now().0)
        .execute(&mut *connection)
        .await?;
    if made == 0 {
        return Err(taken("There is a coupon of this code."));
    }
    book::put_template(connection, coupon).await
}

/// Change when, how often and to whom a coupon is good, or stop it.
#[utoipa::path(
    operation_id = "coupons_change",
    put, path = "/desk/{merchant}/coupons/{id}", tag = "desk",
    params(("merchant" = String, Path), ("id" = CouponId, Path)), request_body = CouponChange, responses(
        (status = OK, body = DeskCoupon),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn change(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<OneCoupon>,
    Json(body): Json<CouponChange>,
) -> Result<Json<DeskCoupon>> {
    let (version, terms, scope) = (body.version, body.terms.checked()?, desk.scope.clone());
    let coupon = app
        .database
        .write
        .run(move |connection| {
            Box::pin(async move {
                let rows = scope
                    .query(
                        "UPDATE coupons SET starts_at = $1, ends_at = $2, total = $3, per_buyer = $4, listed = $5, \
                         returns = $6, stopped = $7, version = version + 1 WHERE id = $8 AND version = $9",
                    )
                    .bind(terms.starts_at.0)
                    .bind(terms.ends_at.0)
                    .bind(terms.total)
                    .bind(terms.per_buyer)
                    .bind(terms.listed)
                    .bind(terms.returns)
                    .bind(terms.stopped)
                    .bind(one.id)
                    .bind(version)
                    .execute(&mut *connection)
                    .await?;
                let row = scope.query(FIND).bind(one.id).fetch_optional(&mut *connection).await?;
                let coupon = book::coupon(&row.ok_or_else(|| Problem::not_found("coupon"))?)?;
                if rows == 0 {
                    return Err(Problem::stale().with("version", coupon.version));
                }
                book::put_template(connection, &coupon).await?;
                Ok(coupon)
            })
        })
        .await?;
    app.prices.coupons.changed(&coupon);
    desk.note(&app, "coupon:change", coupon.id).await?;
    view(&app, &desk, coupon).await.map(Json)
}
