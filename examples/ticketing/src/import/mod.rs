//! Imports seating plans: reads and checks everything first, then writes it in one transaction.

mod areas;
mod command;
mod fields;
mod findings;
mod place;
pub mod plan;
mod standing;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use thiserror::Error;

pub use self::{
    command::{Args, run},
    findings::Findings,
};
use crate::{
    clock::Millis,
    ids::{PlanId, SessionId, ShowId},
    money::Money,
    problem::Problem,
    show::store::{self, NewPlan, NewSession, NewShow},
    storage::{Connection, Database, sql::query},
};

/// What is to be sold on the plan.
#[derive(Clone, Debug)]
pub struct Sale {
    /// Name of the venue; made when there is none of that name.
    pub venue: String,
    /// City of a new venue.
    pub city: String,
    /// Title of the show; a show of that title gets a further session.
    pub show: String,
    /// Title in Chinese of a new show.
    pub show_zh: Option<String>,
    /// Price by category.
    pub prices: BTreeMap<String, Money>,
    /// When the performance begins.
    pub starts_at: Millis,
    /// From then on seats are sold.
    pub sale_opens_at: Millis,
    /// From then on no more.
    pub sale_closes_at: Millis,
    /// Most seats one buyer may have.
    pub seats_per_user: u32,
    /// How long an unpaid order keeps its seats.
    pub hold: Duration,
}

/// What was imported.
#[derive(Clone, Copy, Debug)]
pub struct Imported {
    /// The show.
    pub show: ShowId,
    /// The session on sale.
    pub session: SessionId,
    /// Number of seats.
    pub seats: usize,
    /// Whether the very same plan was there already and is used again.
    pub plan_reused: bool,
}

/// Nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The plan or the sale cannot be used.
    #[error("{0}")]
    Refused(Findings),
    /// The database failed.
    #[error("the database could not be written; nothing was imported")]
    Database(#[source] Problem),
}

/// Reads and checks a plan for a sale.
///
/// # Errors
///
/// All problems that were found.
pub fn check(json: &[u8], sale: &Sale) -> Result<(NewPlan, Findings), Findings> {
    let mut findings = Findings::default();
    let plan = plan::read(json, &mut findings);
    if let Some(plan) = &plan {
        check_prices(plan, sale, &mut findings);
    }
    check_sale(sale, &mut findings);
    match plan {
        Some(plan) if findings.is_clean() => Ok((plan, findings)),
        _ => Err(findings),
    }
}

fn check_prices(plan: &NewPlan, sale: &Sale, findings: &mut Findings) {
    let used: BTreeSet<_> = plan.seats.iter().map(|seat| &*seat.category).collect();
    for (index, category) in plan.categories.iter().enumerate() {
        let name = &category.name;
        match (used.contains(name.as_str()), sale.prices.contains_key(name)) {
            (true, false) => findings.problem_at(
                &format!("$.categories[{index}]"),
                format_args!("no price for {name:?}: add --price {}", quoted(name)),
            ),
            (false, false) => findings.note(format!("$.categories[{index}]: {name:?} has no seats and no price")),
            _ => {}
        }
    }
    for name in sale.prices.keys().filter(|name| plan.categories.iter().all(|known| known.name != **name)) {
        let known = plan.categories.iter().map(|category| category.name.as_str()).collect::<Vec<_>>().join(", ");
        findings.problem_at(&format!("--price {name}"), format_args!("the plan has no such category, only: {known}"));
    }
}

fn quoted(name: &str) -> String {
    if name.contains(char::is_whitespace) { format!("\"{name}=0.00\"") } else { format!("{name}=0.00") }
}

fn check_sale(sale: &Sale, findings: &mut Findings) {
    for (option, text) in [("--venue", &sale.venue), ("--show", &sale.show)] {
        if text.trim().is_empty() || text.chars().count() > 200 {
            findings.problem_at(option, "a name has 1 to 200 characters");
        }
    }
    if sale.sale_opens_at >= sale.sale_closes_at {
        findings.problem_at("--sale-opens-at", "the sale must open before it closes");
    }
    if sale.sale_closes_at > sale.starts_at {
        findings.problem_at("--sale-closes-at", "the sale must close when the performance begins, or earlier");
    }
    if sale.seats_per_user == 0 {
        findings.problem_at("--seats-per-user", "must be at least 1");
    }
    let currencies: BTreeSet<_> = sale.prices.values().map(|price| price.currency.code()).collect();
    if currencies.len() > 1 {
        findings.problem_at("--price", "all prices must be in one currency");
    }
}

/// Writes a checked plan and its sale: all of it, or nothing. `progress` is told how many seats were written.
///
/// # Errors
///
/// [`ImportError::Database`].
///
/// # Cancel safety
///
/// It is written whole or not at all; after a cancel, either may be the case.
pub async fn write(
    database: &Database,
    plan: NewPlan,
    sale: Sale,
    progress: impl Fn(usize) + Send + Sync + 'static,
) -> Result<Imported, ImportError> {
    let written = database.write.run(move |connection| {
        Box::pin(async move {
            let venue = store::venue(connection, &sale.venue, &sale.city, "").await?;
            let known: Option<PlanId> = query("SELECT id FROM plans WHERE venue_id = $1 AND digest = $2")
                .bind(venue)
                .bind(&plan.digest)
                .scalar_optional(&mut *connection)
                .await?;
            let plan_id = match known {
                Some(id) => id,
                None => store::insert_plan(connection, venue, &plan, progress).await?,
            };
            let show = show(connection, &sale).await?;
            let session = NewSession {
                show,
                plan: plan_id,
                starts_at: sale.starts_at,
                sale_opens_at: sale.sale_opens_at,
                sale_closes_at: sale.sale_closes_at,
                hold: sale.hold,
                seats_per_user: sale.seats_per_user,
                prices: sale.prices,
            };
            let session = store::insert_session(connection, &session).await?;
            Ok(Imported { show, session, seats: plan.seats.len(), plan_reused: known.is_some() })
        })
    });
    written.await.map_err(ImportError::Database)
}

async fn show(connection: &mut Connection<'_>, sale: &Sale) -> Result<ShowId, Problem> {
    let known: Option<ShowId> = query("SELECT id FROM shows WHERE title = $1 AND hidden = 0 ORDER BY id")
        .bind(&sale.show)
        .scalar_optional(&mut *connection)
        .await?;
    match known {
        Some(id) => Ok(id),
        None => {
            let show = NewShow {
                title: sale.show.clone(),
                title_zh: sale.show_zh.clone().unwrap_or_else(|| sale.show.clone()),
                ..NewShow::default()
            };
            Ok(store::insert_show(connection, &show).await?)
        }
    }
}
