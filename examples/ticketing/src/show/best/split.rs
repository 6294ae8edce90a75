//! Seats apart: where a party cannot sit in one row, it sits in few parts, near each other, and nobody alone if that can be.

use super::{
    choose::Ask,
    rows::{Rows, distance, place},
};
use crate::ids::SeatPosition;

/// So many beginnings are tried.
const BEGINNINGS: usize = 8;

/// Free seats next to each other, as many as there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    run: usize,
    start: usize,
    pub(super) len: usize,
}

impl Stretch {
    fn seats<'r>(&self, rows: &'r Rows) -> &'r [SeatPosition] {
        let run = rows.runs.get(self.run).map(|run| run.seats.as_slice()).unwrap_or_default();
        run.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

/// All of them, nearest to the stage first.
pub(super) fn stretches(rows: &Rows, wanted: &dyn Fn(SeatPosition) -> bool) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for (run, seats) in rows.runs.iter().enumerate() {
        let mut open = false;
        for (at, seat) in seats.seats.iter().enumerate() {
            if !wanted(*seat) {
                open = false;
                continue;
            }
            match found.last_mut() {
                Some(stretch) if open => stretch.len += 1,
                _ => found.push(Stretch { run, start: at, len: 1 }),
            }
            open = true;
        }
    }
    found
}

/// So many seats in few parts. There have to be so many.
pub(super) fn nearest(rows: &Rows, stretches: &[Stretch], ask: &Ask) -> Vec<SeatPosition> {
    let mut beginnings = stretches.to_vec();
    // The longest first; the sort keeps those nearer to the stage in front.
    beginnings.sort_by_key(|stretch| std::cmp::Reverse(stretch.len.min(ask.count)));
    let shift = usize::try_from(ask.lot).unwrap_or(0) % ask.among.max(1);
    let beginnings = beginnings.iter().skip(shift.min(beginnings.len().saturating_sub(1))).take(BEGINNINGS);
    let parties = beginnings.map(|beginning| Party::gather(rows, stretches, beginning, ask.count));
    let best = parties.min_by(|a, b| {
        let key = |party: &Party| (party.alone, party.parts);
        key(a).cmp(&key(b)).then(a.spread.total_cmp(&b.spread))
    });
    best.map(|party| party.seats).unwrap_or_default()
}

struct Party {
    seats: Vec<SeatPosition>,
    parts: usize,
    /// How many sit without a neighbour of theirs.
    alone: usize,
    /// How far the parts are from the first one.
    spread: f64,
}

impl Party {
    /// Begins here, and goes on with what is nearest.
    fn gather(rows: &Rows, stretches: &[Stretch], first: &Stretch, count: usize) -> Self {
        let mut party = Self { seats: Vec::with_capacity(count), parts: 0, alone: 0, spread: 0.0 };
        let Some(middle) = first.seats(rows).get(first.len / 2).map(|seat| place(&rows.at, *seat)) else {
            return party;
        };
        let far = |seat: SeatPosition| distance(place(&rows.at, seat), middle);
        let mut rest: Vec<(f64, &[SeatPosition])> = stretches
            .iter()
            .map(|stretch| {
                let seats = stretch.seats(rows);
                (seats.iter().map(|seat| far(*seat)).fold(f64::INFINITY, f64::min), seats)
            })
            .collect();
        // Only the nearest matter, and no more of them than there are seats to find.
        let most = count.min(rest.len());
        if most < rest.len() {
            rest.select_nth_unstable_by(most, |a, b| a.0.total_cmp(&b.0));
            rest.truncate(most);
        }
        rest.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, seats) in rest {
            let missing = count - party.seats.len();
            if missing == 0 {
                break;
            }
            let part = closest(seats, missing, &far);
            party.parts += 1;
            party.alone += usize::from(part.len() == 1);
            party.spread += part.iter().map(|seat| far(*seat)).sum::<f64>();
            party.seats.extend_from_slice(part);
        }
        party
    }
}

/// Those of the stretch that are nearest, next to each other.
fn closest<'s>(seats: &'s [SeatPosition], most: usize, far: &dyn Fn(SeatPosition) -> f64) -> &'s [SeatPosition] {
    if seats.len() <= most {
        return seats;
    }
    let sum = |part: &[SeatPosition]| part.iter().map(|seat| far(*seat)).sum::<f64>();
    seats.windows(most).min_by(|a, b| sum(a).total_cmp(&sum(b))).unwrap_or(seats)
}
