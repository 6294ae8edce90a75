//! What can be found, as the database has it.

use std::{collections::HashMap, sync::Arc};

use super::domain::Entry;
use crate::{
    clock::Millis,
    ids::ShowId,
    problem::Result,
    show::Catalog,
    storage::{Database, sql::query},
};

/// Another text when a show, a session, a price or a venue was added, changed or removed: versions only grow, and
/// identifiers are made in order of time.
pub(super) async fn marker(database: &Database) -> Result<String> {
    Ok(query(include_str!("sql/marker.sql")).scalar(&database.read).await?)
}

/// Every show that is listed, with its performances to come.
pub(super) async fn entries(database: &Database, catalog: &Catalog) -> Result<Arc<[Entry]>> {
    let rows = query(include_str!("sql/heat.sql")).bind(Millis::now().0).fetch_all(&database.read).await?;
    let mut heat = HashMap::new();
    for row in rows {
        let (show, sold): (ShowId, i64) = (row.get("show_id")?, row.get("sold")?);
        heat.insert(show, u64::try_from(sold).unwrap_or(0));
    }
    let shows = catalog.every_listed_show().await?;
    let entry = |show: crate::show::Show| Entry { heat: heat.get(&show.id).copied().unwrap_or(0), show };
    Ok(shows.into_iter().map(entry).collect())
}
