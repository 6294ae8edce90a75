//! The rows of a plan as buyers sit in them: worked out once for each plan, by where the seats lie.

use std::{collections::HashMap, sync::Arc};

use crate::{ids::SeatPosition, show::Seat};

/// Neighbours of a row are at most so many of its usual distances apart; beyond that there is an aisle.
const AISLE: f64 = 1.6;

/// Seats next to each other, without an aisle between them.
#[derive(Debug)]
pub(super) struct Run {
    /// In the order of the row.
    pub(super) seats: Vec<SeatPosition>,
    /// How far each is from the stage.
    pub(super) distances: Vec<f64>,
    /// The least of them.
    pub(super) nearest: f64,
}

/// A standing area: a range of places that nobody tells apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name: the zone of its places.
    pub area: Arc<str>,
    /// The price category of its places.
    pub category: Arc<str>,
    /// Its first place.
    pub first: SeatPosition,
    /// Number of places.
    pub places: u32,
}

impl Standing {
    /// Its places.
    #[must_use]
    pub fn positions(&self) -> std::ops::Range<SeatPosition> {
        self.first..self.first.saturating_add(self.places)
    }
}

/// Seats that are offered alike: of one part of the house and one price category.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    zone: Arc<str>,
    category: Arc<str>,
    standing: bool,
}

/// What a plan is to somebody who looks for good seats.
#[derive(Debug)]
pub struct Rows {
    /// Nearest to the stage first.
    pub(super) runs: Vec<Run>,
    pub(super) standing: Vec<Standing>,
    /// Where each seat lies.
    pub(super) at: Vec<(f64, f64)>,
    kinds: Vec<Kind>,
    /// The kind of each seat, by its place in `kinds`.
    kind_of: Vec<usize>,
}

/// Which seats of a plan somebody wants.
#[derive(Debug)]
pub struct Fit {
    wanted: Vec<bool>,
    offered: Vec<bool>,
    /// Whether any of them is a seat, and not a place to stand.
    pub(super) seated: bool,
}

impl Fit {
    /// Whether there are such seats at all.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.wanted.contains(&true)
    }
}

impl Rows {
    /// The rows of these seats. `areas` is the decoration around them, of which the stage is looked for; where there is none,
    /// it is above the middle of the seats, as plans are drawn.
    #[must_use]
    pub fn new(seats: &[Seat], areas: &serde_json::Value) -> Self {
        let at: Vec<_> = seats.iter().map(|seat| (seat.x, seat.y)).collect();
        let (kinds, kind_of) = kinds(seats);
        let stage = stage(areas).unwrap_or_else(|| above(seats));
        let mut rows: HashMap<(&str, &str), Vec<SeatPosition>> = HashMap::new();
        let mut standing: Vec<Standing> = Vec::new();
        for (seat, position) in seats.iter().zip(0..) {
            if !seat.standing {
                rows.entry((&seat.zone, &seat.row)).or_default().push(position);
                continue;
            }
            match standing.last_mut() {
                Some(area) if area.area == seat.zone && area.category == seat.category => area.places += 1,
                _ => standing.push(Standing {
                    area: Arc::clone(&seat.zone),
                    category: Arc::clone(&seat.category),
                    first: position,
                    places: 1,
                }),
            }
        }
        let mut rows: Vec<_> = rows.into_values().map(|row| along(row, &at)).collect();
        // The same plan gives the same choice, whatever the order of the map was.
        rows.sort_by_key(|row| row.first().copied());
        let usual = usual(rows.iter().flat_map(|row| steps(row, &at)).collect());
        let mut runs: Vec<_> =
            rows.iter().flat_map(|row| runs(row, &at, usual)).map(|run| Run::new(run, &at, stage)).collect();
        runs.sort_by(|a, b| a.nearest.total_cmp(&b.nearest).then(a.seats.cmp(&b.seats)));
        Self { runs, standing, at, kinds, kind_of }
    }

    /// The seats of those zones and categories that `wanted` names. `is_offered` says which categories are for sale.
    pub fn fitting(&self, is_offered: impl Fn(&str) -> bool, wanted: impl Fn(&str, &str) -> bool) -> Fit {
        let offered: Vec<_> = self.kinds.iter().map(|kind| is_offered(&kind.category)).collect();
        let wanted =
            self.kinds.iter().zip(&offered).map(|(kind, offered)| *offered && wanted(&kind.zone, &kind.category));
        let wanted: Vec<_> = wanted.collect();
        let seated = self.kinds.iter().zip(&wanted).any(|(kind, wanted)| *wanted && !kind.standing);
        Fit { wanted, offered, seated }
    }

    /// Whether a seat is one of them.
    #[must_use]
    pub fn is_wanted(&self, fit: &Fit, seat: SeatPosition) -> bool {
        self.is(&fit.wanted, seat)
    }

    pub(super) fn is_offered(&self, fit: &Fit, seat: SeatPosition) -> bool {
        self.is(&fit.offered, seat)
    }

    fn is(&self, kinds: &[bool], seat: SeatPosition) -> bool {
        self.kind_of.get(seat as usize).and_then(|kind| kinds.get(*kind)) == Some(&true)
    }

    /// The standing areas.
    #[must_use]
    pub fn standing(&self) -> &[Standing] {
        &self.standing
    }
}

impl Run {
    fn new(seats: Vec<SeatPosition>, at: &[(f64, f64)], stage: (f64, f64)) -> Self {
        let distances: Vec<_> = seats.iter().map(|seat| distance(place(at, *seat), stage)).collect();
        let nearest = distances.iter().copied().fold(f64::INFINITY, f64::min);
        Self { seats, distances, nearest }
    }
}

fn kinds(seats: &[Seat]) -> (Vec<Kind>, Vec<usize>) {
    let mut known: HashMap<(&str, &str, bool), usize> = HashMap::new();
    let mut kinds = Vec::new();
    let kind_of = seats.iter().map(|seat| {
        *known.entry((&seat.zone, &seat.category, seat.standing)).or_insert_with(|| {
            let (zone, category) = (Arc::clone(&seat.zone), Arc::clone(&seat.category));
            kinds.push(Kind { zone, category, standing: seat.standing });
            kinds.len() - 1
        })
    });
    let kind_of = kind_of.collect();
    (kinds, kind_of)
}

pub(super) fn place(at: &[(f64, f64)], seat: SeatPosition) -> (f64, f64) {
    at.get(seat as usize).copied().unwrap_or_default()
}

pub(super) fn distance((ax, ay): (f64, f64), (bx, by): (f64, f64)) -> f64 {
    (ax - bx).hypot(ay - by)
}

/// The seats of a row in the order in which they stand: along the line between those at its ends, whichever way it runs.
fn along(mut row: Vec<SeatPosition>, at: &[(f64, f64)]) -> Vec<SeatPosition> {
    let farthest = |from: (f64, f64)| {
        let far = |seat: &SeatPosition| distance(place(at, *seat), from);
        row.iter().max_by(|a, b| far(a).total_cmp(&far(b))).map(|seat| place(at, *seat))
    };
    let Some(one) = row.first().and_then(|seat| farthest(place(at, *seat))) else { return row };
    let Some(other) = farthest(one) else { return row };
    // From left to right, or from the stage back.
    let ((ax, ay), (bx, by)) = if one <= other { (one, other) } else { (other, one) };
    let along = |seat: &SeatPosition| {
        let (x, y) = place(at, *seat);
        (x - ax) * (bx - ax) + (y - ay) * (by - ay)
    };
    row.sort_by(|a, b| along(a).total_cmp(&along(b)).then(a.cmp(b)));
    row
}

fn steps<'a>(row: &'a [SeatPosition], at: &'a [(f64, f64)]) -> impl Iterator<Item = f64> + 'a {
    row.windows(2).map(|pair| match pair {
        [one, next] => distance(place(at, *one), place(at, *next)),
        _ => 0.0,
    })
}

fn usual(mut steps: Vec<f64>) -> f64 {
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or_default()
}

/// A row, cut at its aisles.
fn runs(row: &[SeatPosition], at: &[(f64, f64)], of_plan: f64) -> Vec<Vec<SeatPosition>> {
    let steps: Vec<_> = steps(row, at).collect();
    // Two or three seats do not show what is usual in their row.
    let usual = if steps.len() < 3 { of_plan } else { usual(steps.clone()) };
    let mut runs: Vec<Vec<SeatPosition>> = Vec::new();
    for (index, seat) in row.iter().enumerate() {
        let step = index.checked_sub(1).and_then(|before| steps.get(before)).copied();
        match runs.last_mut() {
            Some(run) if step.is_some_and(|step| step <= usual * AISLE) => run.push(*seat),
            _ => runs.push(vec![*seat]),
        }
    }
    runs
}

/// Where the stage's name is written.
fn stage(areas: &serde_json::Value) -> Option<(f64, f64)> {
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_default();
    areas.as_array()?.iter().find_map(|area| {
        let text = area.pointer("/text/text")?.as_str()?.to_lowercase();
        if !["stage", "舞台", "screen", "银幕", "pitch"].iter().any(|name| text.contains(name)) {
            return None;
        }
        let (base, label) = (&area["position"], &area["text"]["position"]);
        Some((number(&base["x"]) + number(&label["x"]), number(&base["y"]) + number(&label["y"])))
    })
}

fn above(seats: &[Seat]) -> (f64, f64) {
    let least = |of: fn(&Seat) -> f64| seats.iter().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&Seat) -> f64| seats.iter().map(of).fold(f64::NEG_INFINITY, f64::max);
    if seats.is_empty() {
        return (0.0, 0.0);
    }
    (f64::midpoint(least(|seat| seat.x), most(|seat| seat.x)), least(|seat| seat.y))
}
