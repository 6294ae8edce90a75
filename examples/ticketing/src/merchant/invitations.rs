//! Invitations to work for a merchant, in the database.

use std::time::Duration;

use nebula_tenant::TenantId;
use uuid::Uuid;

use super::Scope;
use crate::{
    clock::Millis,
    digest::sha256,
    ids::UserId,
    personal::{INVITED, Vault},
    problem::{Code, Problem, Result},
    storage::{
        Database,
        sql::{Row, query},
    },
};

/// How long an invitation is open.
const OPEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An invitation, without the code that opens it.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub(super) struct Invitation {
    /// Identifier.
    pub(super) id: Uuid,
    /// For whom.
    pub(super) email: String,
    /// As what.
    pub(super) role: String,
    /// Until when it can be accepted.
    pub(super) expires_at: Millis,
    /// When it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) accepted_at: Option<Millis>,
}

async fn invitation(vault: &Vault, merchant: &TenantId, row: &Row) -> Result<Invitation> {
    let id: String = row.get("id")?;
    let email = match row.get::<Option<String>>("email_sealed")? {
        Some(sealed) => match vault.of(merchant).unseal(INVITED, &id, &sealed).await {
            Ok(email) => email,
            // Invitations of former versions are under the platform's key.
            Err(_) => vault.unseal(INVITED, &id, &sealed).await?,
        },
        None => row.get("email_index")?,
    };
    Ok(Invitation {
        id: id.parse().map_err(Problem::internal)?,
        email,
        role: row.get("role")?,
        expires_at: Millis(row.get("expires_at")?),
        accepted_at: row.get::<Option<i64>>("accepted_at")?.map(Millis),
    })
}

/// A code that nobody guesses, to be told once.
fn code() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Invites somebody, and gives the code.
pub(super) async fn invite(
    database: &Database,
    vault: &Vault,
    scope: &Scope,
    by: UserId,
    email: String,
    role: String,
) -> Result<(Invitation, String)> {
    let (now, code) = (Millis::now(), code());
    let made = Invitation { id: Uuid::now_v7(), email, role, expires_at: now.plus(OPEN), accepted_at: None };
    let id = made.id.to_string();
    let (index, sealed) =
        (vault.index(INVITED, &made.email).await?, vault.of(scope.tenant()).seal(INVITED, &id, &made.email).await?);
    let (scope, row, hash) = (scope.clone(), made.clone(), sha256(code.as_bytes()));
    database
        .write
        .run(move |connection| {
            Box::pin(async move {
                scope
                    .query(
                        "INSERT INTO merchant_invitations (id, email_index, email_sealed, role, code_hash, invited_by, \
                         created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    )
                    .bind(id)
                    .bind(index)
                    .bind(sealed)
                    .bind(row.role)
                    .bind(hash)
                    .bind(by)
                    .bind(now.0)
                    .bind(row.expires_at.0)
                    .execute(connection)
                    .await
            })
        })
        .await?;
    Ok((made, code))
}

/// The invitations of a merchant, the latest first.
pub(super) async fn list(database: &Database, vault: &Vault, scope: &Scope) -> Result<Vec<Invitation>> {
    let rows = scope
        .query(
            "SELECT id, email_index, email_sealed, role, expires_at, accepted_at FROM merchant_invitations \
             ORDER BY created_at DESC LIMIT 200",
        )
        .fetch_all(&database.read)
        .await?;
    let mut list = Vec::with_capacity(rows.len());
    for row in &rows {
        list.push(invitation(vault, scope.tenant(), row).await?);
    }
    Ok(list)
}

/// Takes an invitation back.
pub(super) async fn revoke(database: &Database, scope: &Scope, id: Uuid) -> Result<()> {
    let scope = scope.clone();
    let gone = database
        .write
        .run(move |connection| {
            Box::pin(async move {
                let sql = "DELETE FROM merchant_invitations WHERE id = $1 AND accepted_at IS NULL";
                scope.query(sql).bind(id.to_string()).execute(connection).await
            })
        })
        .await?;
    if gone == 0 { Err(Problem::not_found("invitation")) } else { Ok(()) }
}

/// The invitation that a code opens for this address: whose it is, and the role. Before there is a merchant there is no
/// scope; the code alone finds the row.
pub(super) async fn opened(database: &Database, vault: &Vault, code: &str, email: &str) -> Result<(TenantId, String)> {
    let index = vault.index(INVITED, email).await?;
    let row = query(
        "SELECT tenant_id, role FROM merchant_invitations \
         WHERE code_hash = $1 AND email_index = $2 AND accepted_at IS NULL AND expires_at > $3",
    )
    .bind(sha256(code.as_bytes()))
    .bind(index)
    .bind(Millis::now().0)
    .fetch_optional(&database.read)
    .await?;
    let refused = || Problem::new(Code::InvitationRefused, "It is unknown, over, used, or for another address.");
    let row = row.ok_or_else(refused)?;
    let tenant: String = row.get("tenant_id")?;
    Ok((tenant.parse().map_err(Problem::internal)?, row.get("role")?))
}

/// Uses up the invitation that a code opens.
pub(super) async fn close(database: &Database, scope: Scope, code: &str) -> Result<()> {
    let hash = sha256(code.as_bytes());
    database
        .write
        .run(move |connection| {
            Box::pin(async move {
                let sql =
                    "UPDATE merchant_invitations SET accepted_at = $1 WHERE code_hash = $2 AND accepted_at IS NULL";
                scope.query(sql).bind(Millis::now().0).bind(hash).execute(connection).await.map(drop)
            })
        })
        .await
}
