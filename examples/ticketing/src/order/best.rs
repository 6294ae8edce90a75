//! Orders of the best seats: chosen here from what this process knows, held by the ledger, and chosen again when somebody was
//! faster.

use std::time::Duration;

use rand::RngExt;
use serde::Deserialize;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::place::{Attempt, Orders, Placed, Work, key_reused};
use crate::{
    ids::SeatPosition,
    inventory::{Claimed, Inventory},
    problem::{Code, Problem, Result},
    show::{
        MAX_SEATS, PricedSeat, SessionInfo,
        best::{Ask, Choice, Fit, choose},
    },
};

/// Choosing and choosing again takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(3);
/// Nor does it happen more often.
const CHOICES: usize = 24;
/// What is known of the seats may be this old when they are chosen; a refusal rests on what is known after the question.
const FRESH: Duration = Duration::from_millis(50);
/// Before a refusal, those who are about to hold the last seats are waited for this long at first, and then longer.
const PAUSE: Duration = Duration::from_millis(20);
/// Most choices that one is drawn from by lot.
const MOST_ALIKE: usize = 64;

/// A wish for good seats rather than for certain ones.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// How many, 1 to 10.
    #[schema(minimum = 1, maximum = 10)]
    pub count: usize,
    /// Only of this price category.
    #[serde(default)]
    pub category: Option<String>,
    /// Only in this part of the house: a `zone` of the seat map, or one of its standing areas.
    #[serde(default)]
    pub area: Option<String>,
    /// Next to each other or not at all; `false`: apart where it has to be. In a standing area it does not matter.
    #[serde(default = "yes")]
    pub together: bool,
}

fn yes() -> bool {
    true
}

impl Best {
    /// The seats of a session that would do.
    ///
    /// # Errors
    ///
    /// [`Code::SeatCount`]; [`Code::InvalidValue`] when the session sells nothing of the kind.
    pub(super) fn fit(&self, session: &SessionInfo) -> Result<Fit> {
        if self.count == 0 || self.count > MAX_SEATS {
            let detail = format!("The order has {} seats; 1 to {MAX_SEATS} are allowed.", self.count);
            return Err(Problem::new(Code::SeatCount, detail));
        }
        let named = |name: &Option<String>, is: &str| name.as_deref().is_none_or(|name| name == is);
        let offered = |category: &str| session.prices.contains_key(category);
        if let Some(category) = self.category.as_deref().filter(|category| !offered(category)) {
            let known = session.prices.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(Problem::invalid("best.category", format!("`{category}` is none of: {known}.")));
        }
        let rows = &session.plan.rows;
        if !rows.fitting(offered, |zone, _| named(&self.area, zone)).is_possible() {
            return Err(Problem::invalid("best.area", "This session sells no seats in that part of the house."));
        }
        let fit = rows.fitting(offered, |zone, category| named(&self.area, zone) && named(&self.category, category));
        if !fit.is_possible() {
            return Err(Problem::invalid("best.area", "That part of the house has no seats of that category."));
        }
        Ok(fit)
    }

    /// Tells a repeated wish from another one.
    pub(super) fn fingerprint(&self) -> String {
        let named = |name: &Option<String>| name.as_deref().map_or_else(String::new, |name| format!("={name:?}"));
        let (category, area) = (named(&self.category), named(&self.area));
        format!("best {}{}{category}/{area}", self.count, if self.together { "t" } else { "a" })
    }

    fn ask(&self, busy: usize) -> Ask {
        // Alone, a buyer gets the best; among many, one of the good ones, so that not all run for the same.
        Ask {
            count: self.count,
            together: self.together,
            among: if busy == 0 { 1 } else { busy.saturating_add(3).min(MOST_ALIKE) },
            lot: rand::rng().random(),
        }
    }
}

/// Seats for a look at what they would cost; nobody keeps them.
///
/// # Errors
///
/// As an order of them, but nothing is held.
///
/// # Cancel safety
///
/// Safe.
pub async fn propose<'s>(inventory: &Inventory, session: &'s SessionInfo, best: &Best) -> Result<Vec<PricedSeat<'s>>> {
    let fit = best.fit(session)?;
    let mirror = inventory.mirror(session.id, Instant::now()).await?;
    let ask = Ask { lot: 0, ..best.ask(0) };
    let choice = mirror.look(|is_free| choose(&session.plan.rows, &fit, &ask, is_free));
    match choice {
        Choice::Seats(seats) => priced(session, &seats),
        refused => Err(refusal(best, &refused)),
    }
}

/// Chooses and holds until an order is placed.
pub(super) async fn place(orders: &Orders, work: &Work<'_>, best: &Best) -> Result<Placed> {
    let session = work.session;
    let fit = best.fit(session)?;
    let inventory = &orders.parts().inventory;
    let deadline = Instant::now() + PATIENCE;
    // A crowd: those who lost a seat to another process draw lots from now on.
    let mut lost = 0;
    for _ in 0..CHOICES {
        let claimed = claim(inventory, session, best, &fit, lost, deadline).await?;
        match orders.attempt(work, &priced(session, claimed.seats())?).await? {
            Attempt::Placed(placed) => {
                claimed.held();
                return Ok(placed);
            }
            Attempt::Taken(seats) => {
                lost += seats.len();
                claimed.taken(&seats);
            }
            // An earlier request with this key held these, and its answer was lost: they are the ones.
            Attempt::Other(seats) => {
                drop(claimed);
                return resume(orders, work, best, &fit, &seats).await;
            }
        }
        if Instant::now() >= deadline {
            break;
        }
    }
    Err(Problem::new(Code::SeatTaken, "Others were quicker again and again. Try once more.").with("seats", [""; 0]))
}

async fn resume(orders: &Orders, work: &Work<'_>, best: &Best, fit: &Fit, seats: &[SeatPosition]) -> Result<Placed> {
    let rows = &work.session.plan.rows;
    if seats.len() != best.count || !seats.iter().all(|seat| rows.is_wanted(fit, *seat)) {
        return Err(key_reused());
    }
    match orders.attempt(work, &priced(work.session, seats)?).await? {
        Attempt::Placed(placed) => Ok(placed),
        // Let go in between, and taken by somebody else, or by another request with this key.
        Attempt::Taken(_) | Attempt::Other(_) => {
            Err(Problem::new(Code::OneMoment, "An earlier request with this key is on its way."))
        }
    }
}

/// Chooses seats that nobody else of this process is about to hold.
async fn claim(
    inventory: &Inventory,
    session: &SessionInfo,
    best: &Best,
    fit: &Fit,
    lost: usize,
    deadline: Instant,
) -> Result<Claimed> {
    let (mut pause, mut fresh) = (PAUSE, false);
    let mut since = Instant::now().checked_sub(FRESH).unwrap_or_else(Instant::now);
    loop {
        let mirror = inventory.mirror(session.id, since).await?;
        let busy = mirror.is_busy();
        let choice =
            mirror.claim(|is_free, busy| match choose(&session.plan.rows, fit, &best.ask(busy + lost), is_free) {
                Choice::Seats(seats) => Ok(seats),
                refused => Err(refused),
            });
        let refused = match choice {
            Ok(claimed) => return Ok(claimed),
            Err(refused) => refused,
        };
        // Known before the question: perhaps seats came back since. Claimed by others: perhaps they do not get them.
        if fresh {
            if !busy || Instant::now() >= deadline {
                inventory.suspect(session.id);
                return Err(refusal(best, &refused));
            }
            sleep(pause).await;
            pause *= 2;
        }
        (since, fresh) = (Instant::now(), true);
    }
}

fn priced<'s>(session: &'s SessionInfo, seats: &[SeatPosition]) -> Result<Vec<PricedSeat<'s>>> {
    let priced: Vec<_> = seats.iter().filter_map(|seat| session.seat_at(*seat)).collect();
    if priced.len() == seats.len() { Ok(priced) } else { Err(Problem::internal("a chosen seat has no price")) }
}

fn refusal(best: &Best, refused: &Choice) -> Problem {
    let count = best.count;
    match refused {
        Choice::Apart { together, left } => {
            let detail = format!("{left} are left, but no {count} next to each other: at most {together}.");
            Problem::new(Code::NotTogether, detail).with("together", together).with("left", left)
        }
        Choice::TooFew { left } => {
            Problem::new(Code::TooFewLeft, format!("You ask for {count}; {left} are left.")).with("left", left)
        }
        Choice::Seats(_) => Problem::internal("seats were chosen and refused"),
    }
}
