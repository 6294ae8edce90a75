//! Identities and contacts over HTTP.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::person::{Masked, NewPerson};
use crate::{
    app::App,
    http::{Json, Path},
    ids::ContactId,
    problem::Result,
    user::Buyer,
};

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(identity, verify, forget))
        .routes(routes!(contacts, add))
        .routes(routes!(rename, remove))
}

/// Whose my account is.
#[derive(Debug, Serialize, ToSchema)]
struct MyIdentity {
    /// As far as it was shown; of name and number parts.
    identity: Option<Masked>,
    /// Who is asked: `http` is the authority of this platform, `demo` believes nearly everybody, and of `none` nobody gets an answer.
    #[schema(value_type = String, example = "http")]
    authority: &'static str,
}

/// Somebody whom I buy for.
#[derive(Debug, Serialize, ToSchema)]
struct Contact {
    id: ContactId,
    #[serde(flatten)]
    person: Masked,
}

/// Whom I buy for.
#[derive(Debug, Serialize, ToSchema)]
struct Contacts {
    contacts: Vec<Contact>,
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RenamedContact {
    #[schema(min_length = 2, max_length = 60)]
    name: String,
}

async fn mine(app: &App, buyer: Buyer) -> Result<Json<MyIdentity>> {
    let identity = app.identities.of(buyer.id).await?;
    Ok(Json(MyIdentity { identity, authority: app.identities.authority() }))
}

/// Whose my account is.
#[utoipa::path(get, operation_id = "my_identity", path = "/me/identity", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = MyIdentity),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn identity(State(app): State<App>, buyer: Buyer) -> Result<Json<MyIdentity>> {
    mine(&app, buyer).await
}

/// Show whose my account is. The authority is asked whether name and document belong together.
#[utoipa::path(put, operation_id = "verify_identity", path = "/me/identity", tag = "account", request_body = NewPerson,
    security(("bearer" = [])), responses(
    (status = OK, body = MyIdentity),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = CONFLICT, description = "`identity-limit`: five accounts have this document; `identity-set`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, of a document with a `reason`; `identity-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
    (status = SERVICE_UNAVAILABLE, description = "`identity-unchecked`"),
))]
async fn verify(State(app): State<App>, buyer: Buyer, Json(body): Json<NewPerson>) -> Result<Json<MyIdentity>> {
    app.identities.verify(buyer.id, &body.read("")?).await?;
    mine(&app, buyer).await
}

/// Take away whose my account is.
#[utoipa::path(delete, operation_id = "forget_identity", path = "/me/identity", tag = "account", security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn forget(State(app): State<App>, buyer: Buyer) -> Result<StatusCode> {
    app.identities.forget(buyer.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whom I buy for.
#[utoipa::path(get, operation_id = "my_contacts", path = "/me/contacts", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = Contacts),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn contacts(State(app): State<App>, buyer: Buyer) -> Result<Json<Contacts>> {
    let contacts = app.identities.contacts(buyer.id).await?;
    let contacts = contacts.into_iter().map(|(id, person)| Contact { id, person }).collect();
    Ok(Json(Contacts { contacts }))
}

/// Add somebody whom I buy for, at most 15. The authority is asked when something is ordered for them.
#[utoipa::path(post, operation_id = "add_contact", path = "/me/contacts", tag = "account", request_body = NewPerson,
    security(("bearer" = [])), responses(
    (status = CREATED, body = Contact),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = CONFLICT, description = "`name-taken`: the document is there already; `list-full`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, of a document with a `reason`"),
))]
async fn add(State(app): State<App>, buyer: Buyer, Json(body): Json<NewPerson>) -> Result<(StatusCode, Json<Contact>)> {
    let (id, person) = app.identities.add_contact(buyer.id, &body).await?;
    Ok((StatusCode::CREATED, Json(Contact { id, person })))
}

/// Give a contact of mine another name.
#[utoipa::path(patch, operation_id = "rename_contact", path = "/me/contacts/{id}", tag = "account",
    params(("id" = ContactId, Path)), request_body = RenamedContact, security(("bearer" = [])), responses(
    (status = OK, body = Contact),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn rename(
    State(app): State<App>,
    buyer: Buyer,
    Path(id): Path<ContactId>,
    Json(body): Json<RenamedContact>,
) -> Result<Json<Contact>> {
    Ok(Json(Contact { id, person: app.identities.rename_contact(buyer.id, id, &body.name).await? }))
}

/// Remove a contact of mine. Orders keep whom they were for.
#[utoipa::path(delete, operation_id = "remove_contact", path = "/me/contacts/{id}", tag = "account",
    params(("id" = ContactId, Path)), security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn remove(State(app): State<App>, buyer: Buyer, Path(id): Path<ContactId>) -> Result<StatusCode> {
    app.identities.remove_contact(buyer.id, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
