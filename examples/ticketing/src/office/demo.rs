//! Somebody for each role, to try the back office with.

use crate::{app::App, ids::UserId, problem::Result};

/// E-mail address, name, and role of each.
pub const STAFF: [(&str, &str, &str); 6] = [
    (crate::demo::ADMIN_EMAIL, "Demo Admin", "platform-operations"),
    ("merchant@example.com", "Demo Merchant", "merchant-admin"),
    ("boxoffice@example.com", "Demo Box Office", "box-office"),
    ("door@example.com", "Demo Door", "door"),
    ("finance@example.com", "Demo Finance", "finance"),
    ("support@example.com", "Demo Support", "support"),
];

/// Gives a demo account its role, unless somebody has given it or another one already.
///
/// # Errors
///
/// The store failed.
///
/// # Cancel safety
///
/// It is given or not.
pub async fn appoint(app: &App, user: UserId, role: &str) -> Result<()> {
    if app.office.roles_of(user).await?.is_empty() {
        app.office.assign(user, role, "demo").await?;
    }
    Ok(())
}
