//! Where somebody gets mail: sealed, and nobody else's business.

use std::fmt;

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Buyer;
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    identity::{changed_one, room},
    ids::{AddressId, UserId},
    personal::ADDRESS,
    problem::{Problem, Result},
    storage::{Connection, sql::query},
};

/// Most addresses of an account.
const MOST: i64 = 10;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(change, remove))
}

/// Where somebody gets mail.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PostalAddress {
    /// Who gets it.
    #[schema(min_length = 1, max_length = 60)]
    recipient: String,
    /// Country, province, city.
    #[schema(min_length = 1, max_length = 120)]
    region: String,
    /// Street, number, flat.
    #[schema(min_length = 1, max_length = 200)]
    street: String,
    #[schema(max_length = 16)]
    #[serde(default)]
    postcode: String,
    /// Whom to call.
    #[schema(max_length = 32)]
    #[serde(default)]
    phone: String,
}

impl fmt::Debug for PostalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostalAddress").finish_non_exhaustive()
    }
}

/// An address of mine.
#[derive(Debug, Serialize, ToSchema)]
struct MyPostalAddress {
    id: AddressId,
    #[serde(flatten)]
    address: PostalAddress,
}

/// My addresses.
#[derive(Debug, Serialize, ToSchema)]
struct MyPostalAddresses {
    addresses: Vec<MyPostalAddress>,
}

impl PostalAddress {
    /// The address without what nobody sees, if mail can go there.
    fn read(self) -> Result<Self> {
        let field = |name: &str, text: &str, least: usize, most: usize| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if !(least..=most).contains(&text.chars().count()) || text.chars().any(char::is_control) {
                return Err(Problem::invalid(name, format!("`{name}` has {least} to {most} characters.")));
            }
            Ok(text)
        };
        Ok(Self {
            recipient: field("recipient", &self.recipient, 1, 60)?,
            region: field("region", &self.region, 1, 120)?,
            street: field("street", &self.street, 1, 200)?,
            postcode: field("postcode", &self.postcode, 0, 16)?,
            phone: field("phone", &self.phone, 0, 32)?,
        })
    }

    async fn sealed(&self, app: &App, id: AddressId) -> Result<String> {
        let text = serde_json::to_string(self).map_err(Problem::internal)?;
        app.vault.seal(ADDRESS, &id.to_string(), &text).await
    }
}

/// My addresses, in the order in which they were added.
#[utoipa::path(get, operation_id = "my_addresses", path = "/me/addresses", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = MyPostalAddresses),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn list(State(app): State<App>, buyer: Buyer) -> Result<Json<MyPostalAddresses>> {
    let found = query("SELECT id, address_sealed FROM postal_addresses WHERE user_id = $1 ORDER BY created_at, id");
    let mut addresses = Vec::new();
    for row in found.bind(buyer.id).fetch_all(&app.database.read).await? {
        let id: AddressId = row.get("id")?;
        let text = app.vault.unseal(ADDRESS, &id.to_string(), &row.get::<String>("address_sealed")?).await?;
        // The parser's error would repeat what it read.
        let address = serde_json::from_str(&text).map_err(|_| Problem::internal("a sealed address is none"))?;
        addresses.push(MyPostalAddress { id, address });
    }
    Ok(Json(MyPostalAddresses { addresses }))
}

/// Add an address of mine, at most 10.
#[utoipa::path(post, operation_id = "add_address", path = "/me/addresses", tag = "account", request_body = PostalAddress,
    security(("bearer" = [])), responses(
    (status = CREATED, body = MyPostalAddress),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = CONFLICT, description = "`list-full`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn add(
    State(app): State<App>,
    buyer: Buyer,
    Json(body): Json<PostalAddress>,
) -> Result<(StatusCode, Json<MyPostalAddress>)> {
    let (id, address) = (AddressId::new(), body.read()?);
    let sealed = address.sealed(&app, id).await?;
    app.database
        .write
        .run::<_, Problem, _>(move |connection| Box::pin(async move { insert(connection, buyer.id, id, sealed).await }))
        .await?;
    Ok((StatusCode::CREATED, Json(MyPostalAddress { id, address })))
}

async fn insert(connection: &mut Connection<'_>, user: UserId, id: AddressId, sealed: String) -> Result<()> {
    room(connection, "postal_addresses", user, MOST).await?;
    let insert =
        query("INSERT INTO postal_addresses (id, user_id, address_sealed, created_at) VALUES ($1, $2, $3, $4)");
    insert.bind(id).bind(user).bind(sealed).bind(Millis::now().0).execute(connection).await?;
    Ok(())
}

/// Change an address of mine.
#[utoipa::path(put, operation_id = "change_address", path = "/me/addresses/{id}", tag = "account",
    params(("id" = AddressId, Path)), request_body = PostalAddress, security(("bearer" = [])), responses(
    (status = OK, body = MyPostalAddress),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn change(
    State(app): State<App>,
    buyer: Buyer,
    Path(id): Path<AddressId>,
    Json(body): Json<PostalAddress>,
) -> Result<Json<MyPostalAddress>> {
    let address = body.read()?;
    let sealed = address.sealed(&app, id).await?;
    let change = query("UPDATE postal_addresses SET address_sealed = $1 WHERE id = $2 AND user_id = $3");
    changed_one(&app.database, change.bind(sealed).bind(id).bind(buyer.id), "address").await?;
    Ok(Json(MyPostalAddress { id, address }))
}

/// Remove an address of mine.
#[utoipa::path(delete, operation_id = "remove_address", path = "/me/addresses/{id}", tag = "account",
    params(("id" = AddressId, Path)), security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn remove(State(app): State<App>, buyer: Buyer, Path(id): Path<AddressId>) -> Result<StatusCode> {
    let remove = query("DELETE FROM postal_addresses WHERE id = $1 AND user_id = $2").bind(id).bind(buyer.id);
    changed_one(&app.database, remove, "address").await?;
    Ok(StatusCode::NO_CONTENT)
}
