//! Somebody for each role, to try the back office with.

use nebula_tenant::TenantId;

use crate::{
    app::App,
    ids::{UserId, platform},
    merchant::NewMerchant,
    problem::{Code, Problem, Result},
};

use super::MERCHANT_ROLES;

/// The second merchant, which has yet to set up its shop.
const SECOND: &str = "star";

/// E-mail address, name, and role of each.
pub const STAFF: [(&str, &str, &str); 8] = [
    (crate::demo::ADMIN_EMAIL, "Demo Admin", "platform-operations"),
    ("merchant@example.com", "Demo Merchant", "merchant-admin"),
    ("boxoffice@example.com", "Demo Box Office", "box-office"),
    ("door@example.com", "Demo Door", "door"),
    ("finance@example.com", "Demo Finance", "finance"),
    ("support@example.com", "Demo Support", "support"),
    ("agent@example.com", "Demo Agent", "general-agent"),
    (SECOND_EMAIL, "Demo Star", "merchant-admin"),
];

/// Who administers the second merchant.
const SECOND_EMAIL: &str = "star@example.com";

/// Gives a demo account its role, unless somebody has given it or another one already.
///
/// # Errors
///
/// The store failed.
///
/// # Cancel safety
///
/// It is given or not.
pub async fn appoint(app: &App, user: UserId, email: &str, role: &str) -> Result<()> {
    if !app.office.roles_of(user).await?.is_empty() {
        return Ok(());
    }
    match role {
        "general-agent" => app.office.assign_agent(user).await,
        role if MERCHANT_ROLES.contains(&role) => {
            let merchant = if email == SECOND_EMAIL { SECOND.parse().map_err(Problem::internal)? } else { platform() };
            app.office.employ(user, &merchant, role).await
        }
        role => app.office.assign(user, role, "demo").await,
    }
}

/// Makes the second merchant, unless it is there, and answers its name.
///
/// # Errors
///
/// A store failed.
///
/// # Cancel safety
///
/// Call it again.
pub async fn second_merchant(app: &App) -> Result<TenantId> {
    let id: TenantId = SECOND.parse().map_err(Problem::internal)?;
    let new = NewMerchant { name: "Star Stage", name_zh: "星辰剧场", domains: &[] };
    match app.merchants.create(id.clone(), &new).await {
        Err(problem) if problem.code != Code::NameTaken => Err(problem),
        _ => {
            app.office.open_department(&id, "Star Stage · 星辰剧场").await?;
            Ok(id)
        }
    }
}
