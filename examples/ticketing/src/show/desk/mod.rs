//! The catalog at a merchant's desk: venues, seating plans, shows, sessions, prices. Every statement goes through the wall,
//! and every change names the version that it was made on.

mod plans;
mod posters;
mod sessions;
mod shows;
mod venues;

use serde::Deserialize;

use crate::{
    app::App,
    merchant::{AtDesk, Scope, ScopedQuery},
    office::Desk,
    problem::{Problem, Result},
    storage::{Connection, sql::Value},
};

/// What this module has for merchants.
pub(super) fn desk() -> Desk {
    Desk::new()
        .merge(venues::desk())
        .merge(plans::desk())
        .merge(shows::desk())
        .merge(posters::desk())
        .merge(sessions::desk())
}

/// What the path names besides the merchant.
#[derive(Clone, Copy, Debug, Deserialize)]
struct One<I> {
    id: I,
}

/// Whether buyers are to find something.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Publication {
    /// The version that you read.
    version: i64,
    published: bool,
}

/// On what a change is made that has no body of its own to say it.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Version {
    /// The version that you read.
    version: i64,
}

/// A text of at most `most` characters, without white space at its ends.
pub(crate) fn text(field: &str, text: &str, least: usize, most: usize) -> Result<String> {
    let text = text.trim();
    let characters = text.chars().count();
    if !(least..=most).contains(&characters) || text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Problem::invalid(field, format!("{least} to {most} characters.")));
    }
    Ok(text.to_owned())
}

/// Changes one thing of the merchant, on the version that was read: `update` names both, and `find` finds it.
async fn change_one(
    app: &App,
    desk: &AtDesk,
    update: ScopedQuery,
    find: &'static str,
    id: impl Into<Value> + Send + 'static,
    what: &'static str,
) -> Result<()> {
    let scope = desk.scope.clone();
    app.database
        .write
        .run(move |connection| {
            Box::pin(async move {
                let rows = update.execute(&mut *connection).await?;
                changed(connection, &scope, rows, find, id, what).await
            })
        })
        .await
}

/// What became of a change: done, made on an older version, or of something that the merchant does not have.
async fn changed(
    connection: &mut Connection<'_>,
    scope: &Scope,
    rows: u64,
    find: &'static str,
    id: impl Into<Value> + Send,
    what: &str,
) -> Result<()> {
    if rows > 0 {
        return Ok(());
    }
    let there = scope.query(find).bind(id).fetch_optional(connection).await?;
    match there {
        Some(row) => Err(Problem::stale().with("version", row.get::<i64>("version")?)),
        None => Err(Problem::not_found(what)),
    }
}
