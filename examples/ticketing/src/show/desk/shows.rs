//! Shows.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::Requirement;
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::{One, Publication, change_one, text};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    ids::ShowId,
    merchant::AtDesk,
    office::{Desk, catalog},
    picture::Poster,
    problem::{Problem, Result},
    show::Genre,
    storage::sql::Row,
    wanted,
};

pub(super) const FIND: &str = "SELECT id, title, title_zh, description, description_zh, artist, artist_zh, genre, poster, poster_alt, \
                               poster_alt_zh, published, version FROM shows WHERE id = $1 AND hidden = 0";

/// A show as its merchant sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DeskShow {
    id: ShowId,
    #[serde(flatten)]
    about: ShowAbout,
    /// Its picture. Where `alt` is empty, buyers are told the title.
    #[serde(skip_serializing_if = "Option::is_none")]
    poster: Option<Poster>,
    /// Whether buyers can find it.
    published: bool,
    version: i64,
    /// How many buyers want to see it. Only in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    wanted: Option<i64>,
}

/// What is said of a show.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
struct ShowAbout {
    title: String,
    title_zh: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    description_zh: String,
    /// Who performs.
    #[serde(default)]
    artist: String,
    #[serde(default)]
    artist_zh: String,
    #[serde(default)]
    genre: Genre,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeskShows {
    shows: Vec<DeskShow>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct ShowChange {
    /// The version that you read.
    version: i64,
    #[serde(flatten)]
    about: ShowAbout,
}

impl ShowAbout {
    fn checked(self) -> Result<Self> {
        Ok(Self {
            title: text("title", &self.title, 1, 200)?,
            title_zh: text("title_zh", &self.title_zh, 1, 200)?,
            description: text("description", &self.description, 0, 4_000)?,
            description_zh: text("description_zh", &self.description_zh, 0, 4_000)?,
            artist: text("artist", &self.artist, 0, 200)?,
            artist_zh: text("artist_zh", &self.artist_zh, 0, 200)?,
            genre: self.genre,
        })
    }
}

fn show(row: &Row) -> Result<DeskShow> {
    let about = ShowAbout {
        title: row.get("title")?,
        title_zh: row.get("title_zh")?,
        description: row.get("description")?,
        description_zh: row.get("description_zh")?,
        artist: row.get("artist")?,
        artist_zh: row.get("artist_zh")?,
        genre: Genre::from_stored(&row.get::<String>("genre")?),
    };
    let poster = Poster::read(
        row.get::<Option<String>>("poster")?.as_deref(),
        &row.get::<String>("poster_alt")?,
        &row.get::<String>("poster_alt_zh")?,
    );
    let published: i64 = row.get("published")?;
    let (id, version) = (row.get("id")?, row.get("version")?);
    Ok(DeskShow { id, about, poster, published: published != 0, version, wanted: None })
}

pub(super) fn desk() -> Desk {
    let write = || Requirement::permission::<catalog::Write>();
    Desk::new()
        .routes(Requirement::permission::<catalog::Read>(), routes!(list))
        .routes(write(), routes!(create))
        .routes(write(), routes!(change))
        .routes(Requirement::permission::<catalog::Publish>(), routes!(publish))
}

pub(super) async fn read(app: &App, desk: &AtDesk, id: ShowId) -> Result<Json<DeskShow>> {
    let row = desk.scope.query(FIND).bind(id).fetch_optional(&app.database.read).await?;
    show(&row.ok_or_else(|| Problem::not_found("show"))?).map(Json)
}

/// The merchant's shows, published or not, the latest first.
#[utoipa::path(
    operation_id = "desk_shows_list",
    get, path = "/desk/{merchant}/shows", tag = "desk", params(("merchant" = String, Path)),
    responses((status = OK, body = DeskShows), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn list(State(app): State<App>, desk: AtDesk) -> Result<Json<DeskShows>> {
    let sql = "SELECT id, title, title_zh, description, description_zh, artist, artist_zh, genre, poster, poster_alt, \
               poster_alt_zh, published, version FROM shows \
               WHERE hidden = 0 ORDER BY created_at DESC LIMIT 1000";
    let rows = desk.scope.query(sql).fetch_all(&app.database.read).await?;
    let mut shows = rows.iter().map(show).collect::<Result<Vec<_>>>()?;
    let wanted = wanted::counts(&app.database.read, desk.merchant()).await?;
    for show in &mut shows {
        show.wanted = Some(wanted.get(&show.id).copied().unwrap_or(0));
    }
    Ok(Json(DeskShows { shows }))
}

/// Add a show. Buyers do not find it before it is published.
#[utoipa::path(
    operation_id = "desk_shows_create",
    post, path = "/desk/{merchant}/shows", tag = "desk", params(("merchant" = String, Path)),
    request_body = ShowAbout, responses(
        (status = CREATED, body = DeskShow),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn create(
    State(app): State<App>,
    desk: AtDesk,
    Json(about): Json<ShowAbout>,
) -> Result<(StatusCode, Json<DeskShow>)> {
    let (id, about, scope) = (ShowId::new(), about.checked()?, desk.scope.clone());
    app.database
        .write
        .run(move |connection| {
            Box::pin(async move {
                scope
                    .query(
                        "INSERT INTO shows (id, title, title_zh, description, description_zh, hidden, published, created_at, \
                         artist, artist_zh, genre) VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $7, $8, $9)",
                    )
                    .bind(id)
                    .bind(about.title)
                    .bind(about.title_zh)
                    .bind(about.description)
                    .bind(about.description_zh)
                    .bind(Millis::now().0)
                    .bind(about.artist)
                    .bind(about.artist_zh)
                    .bind(about.genre.as_str())
                    .execute(connection)
                    .await
            })
        })
        .await?;
    desk.note(&app, "show:create", id).await?;
    Ok((StatusCode::CREATED, read(&app, &desk, id).await?))
}

/// Change a show.
#[utoipa::path(
    operation_id = "desk_shows_change",
    put, path = "/desk/{merchant}/shows/{id}", tag = "desk",
    params(("merchant" = String, Path), ("id" = ShowId, Path)), request_body = ShowChange, responses(
        (status = OK, body = DeskShow),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn change(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<ShowId>>,
    Json(body): Json<ShowChange>,
) -> Result<Json<DeskShow>> {
    let (id, about) = (one.id, body.about.checked()?);
    let update = desk
        .scope
        .query(
            "UPDATE shows SET title = $1, title_zh = $2, description = $3, description_zh = $4, \
             artist = $5, artist_zh = $6, genre = $7, version = version + 1 \
             WHERE id = $8 AND version = $9 AND hidden = 0",
        )
        .bind(about.title)
        .bind(about.title_zh)
        .bind(about.description)
        .bind(about.description_zh)
        .bind(about.artist)
        .bind(about.artist_zh)
        .bind(about.genre.as_str())
        .bind(id)
        .bind(body.version);
    change_one(&app, &desk, update, FIND, id, "show").await?;
    app.catalog.forget_show(id).await;
    desk.note(&app, "show:change", id).await?;
    read(&app, &desk, id).await
}

/// Let buyers find a show, or hide it from them. Its orders stay.
#[utoipa::path(
    operation_id = "desk_shows_publish",
    put, path = "/desk/{merchant}/shows/{id}/publication", tag = "desk",
    params(("merchant" = String, Path), ("id" = ShowId, Path)), request_body = Publication, responses(
        (status = OK, body = DeskShow),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`"),
    ), security(("bearer" = [])))]
async fn publish(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<ShowId>>,
    Json(body): Json<Publication>,
) -> Result<Json<DeskShow>> {
    let id = one.id;
    let sql = "UPDATE shows SET published = $1, version = version + 1 WHERE id = $2 AND version = $3 AND hidden = 0";
    let update = desk.scope.query(sql).bind(body.published).bind(id).bind(body.version);
    change_one(&app, &desk, update, FIND, id, "show").await?;
    app.catalog.forget_show(id).await;
    desk.note(&app, if body.published { "show:publish" } else { "show:unpublish" }, id).await?;
    read(&app, &desk, id).await
}
