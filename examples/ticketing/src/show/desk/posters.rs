//! The pictures of shows.

use axum::{body::Body, extract::State};
use nebula_auth::access::Requirement;
use serde::Deserialize;
use utoipa_axum::routes;

use super::{
    One, Version, change_one, changed,
    shows::{DeskShow, FIND, read},
    text,
};
use crate::{
    app::App,
    http::{Json, Path, Query, read_at_most},
    ids::ShowId,
    merchant::{AtDesk, Scope},
    office::{Desk, catalog},
    picture::{Kept, let_go},
    problem::{Problem, Result},
    storage::{Connection, sql::Value},
};

/// What a picture shows, for those who cannot see it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PosterWords {
    /// The version that you read.
    version: i64,
    /// Left empty, it is called by the show's title.
    #[serde(default)]
    alt: String,
    #[serde(default)]
    alt_zh: String,
}

pub(super) fn desk() -> Desk {
    let write = || Requirement::permission::<catalog::Write>();
    Desk::new()
        .routes(write(), routes!(set_poster))
        .routes(write(), routes!(describe_poster))
        .routes(write(), routes!(remove_poster))
}

/// Give a show a picture: JPEG, PNG or WebP, as the body. What is kept is made anew of it, in several widths and without its metadata.
#[utoipa::path(
    operation_id = "desk_shows_set_poster",
    put, path = "/desk/{merchant}/shows/{id}/poster", tag = "desk",
    params(("merchant" = String, Path), ("id" = ShowId, Path), Version),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
        (status = OK, body = DeskShow),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
        (status = UNPROCESSABLE_ENTITY, description = "`picture-refused`"),
    ), security(("bearer" = [])))]
async fn set_poster(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<ShowId>>,
    Query(on): Query<Version>,
    body: Body,
) -> Result<Json<DeskShow>> {
    // Before it is read: whose it is, and whether it will be taken.
    let own = desk.scope.query(FIND).bind(one.id).fetch_optional(&app.database.read).await?;
    let own = own.ok_or_else(|| Problem::not_found("show"))?;
    let version = own.get::<i64>("version")?;
    if version != on.version {
        return Err(Problem::stale().with("version", version));
    }
    let sent = read_at_most(body, app.pictures.max_bytes()).await?;
    let kept = app.pictures.keep(sent).await?;
    exchange(&app, &desk, one.id, on.version, Some(kept)).await?;
    desk.note(&app, "show:poster", one.id).await?;
    read(&app, &desk, one.id).await
}

/// Say what a show's picture shows.
#[utoipa::path(
    operation_id = "desk_shows_describe_poster",
    put, path = "/desk/{merchant}/shows/{id}/poster/words", tag = "desk",
    params(("merchant" = String, Path), ("id" = ShowId, Path)), request_body = PosterWords, responses(
        (status = OK, body = DeskShow),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn describe_poster(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<ShowId>>,
    Json(body): Json<PosterWords>,
) -> Result<Json<DeskShow>> {
    let id = one.id;
    let (alt, alt_zh) = (text("alt", &body.alt, 0, 300)?, text("alt_zh", &body.alt_zh, 0, 300)?);
    let sql = "UPDATE shows SET poster_alt = $1, poster_alt_zh = $2, version = version + 1 \
               WHERE id = $3 AND version = $4 AND hidden = 0";
    let update = desk.scope.query(sql).bind(alt).bind(alt_zh).bind(id).bind(body.version);
    change_one(&app, &desk, update, FIND, id, "show").await?;
    app.catalog.forget_show(id).await;
    desk.note(&app, "show:poster-words", id).await?;
    read(&app, &desk, id).await
}

/// Take a show's picture away.
#[utoipa::path(
    operation_id = "desk_shows_remove_poster",
    delete, path = "/desk/{merchant}/shows/{id}/poster", tag = "desk",
    params(("merchant" = String, Path), ("id" = ShowId, Path), Version), responses(
        (status = OK, body = DeskShow),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
    ), security(("bearer" = [])))]
async fn remove_poster(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<ShowId>>,
    Query(on): Query<Version>,
) -> Result<Json<DeskShow>> {
    exchange(&app, &desk, one.id, on.version, None).await?;
    desk.note(&app, "show:poster-remove", one.id).await?;
    read(&app, &desk, one.id).await
}

/// Another picture, or none, for the one that the show has.
async fn exchange(app: &App, desk: &AtDesk, id: ShowId, version: i64, picture: Option<Kept>) -> Result<()> {
    let scope = desk.scope.clone();
    app.database
        .write
        .run(move |connection| Box::pin(async move { swap(connection, &scope, id, version, picture.as_ref()).await }))
        .await?;
    app.catalog.forget_show(id).await;
    Ok(())
}

async fn swap(
    connection: &mut Connection<'_>,
    scope: &Scope,
    id: ShowId,
    version: i64,
    picture: Option<&Kept>,
) -> Result<()> {
    let before = scope.query(FIND).bind(id).fetch_optional(&mut *connection).await?;
    let before = before.map(|row| row.get::<Option<String>>("poster")).transpose()?.flatten();
    let name = match picture {
        Some(picture) => Some(picture.take(connection).await?),
        None => None,
    };
    let sql = "UPDATE shows SET poster = $1, version = version + 1 WHERE id = $2 AND version = $3 AND hidden = 0";
    let update = scope.query(sql).bind(Value::from(name)).bind(id).bind(version);
    let rows = update.execute(&mut *connection).await?;
    changed(connection, scope, rows, FIND, id, "show").await?;
    match before {
        Some(before) => let_go(connection, &before).await,
        None => Ok(()),
    }
}
