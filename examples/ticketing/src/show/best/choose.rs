//! The best free seats for a wish.

use super::{
    rows::{Fit, Rows, Run, Standing},
    split,
};
use crate::ids::SeatPosition;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// How many seats.
    pub count: usize,
    /// All next to each other; otherwise, where that cannot be, as near as can be.
    pub together: bool,
    /// One of so many choices that are about as good: more where many buyers choose at the same time, 1 for the best.
    pub among: usize,
    /// Which of them: any number.
    pub lot: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// These, in the order of their positions.
    Seats(Vec<SeatPosition>),
    /// There are enough seats, but not next to each other.
    Apart {
        /// Most seats next to each other.
        together: usize,
        /// Seats that are left.
        left: usize,
    },
    /// There are not so many.
    TooFew {
        /// Seats that are left.
        left: usize,
    },
}

/// Seats next to each other that would do, all of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) run: usize,
    pub(super) start: usize,
    /// Seats that would be left alone on either side.
    orphans: usize,
    /// How far its seats are from the stage, on average.
    distance: f64,
}

impl Window {
    fn is_better(&self, other: &Self) -> bool {
        self.orphans.cmp(&other.orphans).then(self.distance.total_cmp(&other.distance)).is_lt()
    }
}

/// Chooses among the seats that fit and are free: next to each other in a row, leaving no single seat between others where that
/// can be avoided, and as near to the stage as can be.
///
/// Where nothing but standing places fits, any of one area will do.
pub fn choose(rows: &Rows, fit: &Fit, ask: &Ask, is_free: &dyn Fn(SeatPosition) -> bool) -> Choice {
    let wanted = |seat: SeatPosition| rows.is_wanted(fit, seat) && is_free(seat);
    if !fit.seated {
        return stand(rows, ask, &wanted);
    }
    // A seat that is not for sale is nobody's neighbour.
    let open = |seat: SeatPosition| is_free(seat) && rows.is_offered(fit, seat);
    let windows = best_windows(rows, ask, &open, &wanted);
    if !windows.is_empty() {
        let mut seats = pick(&windows, ask.lot).map_or_else(Vec::new, |window| seats_of(rows, window, ask.count));
        seats.sort_unstable();
        return Choice::Seats(seats);
    }
    let stretches = split::stretches(rows, &wanted);
    let left = stretches.iter().map(|stretch| stretch.len).sum();
    if left < ask.count {
        return Choice::TooFew { left };
    }
    if ask.together {
        return Choice::Apart { together: stretches.iter().map(|stretch| stretch.len).max().unwrap_or(0), left };
    }
    let mut seats = split::nearest(rows, &stretches, ask);
    seats.sort_unstable();
    Choice::Seats(seats)
}

fn pick<T>(choices: &[T], lot: u64) -> Option<&T> {
    let index = u64::try_from(choices.len()).ok().and_then(|number| lot.checked_rem(number))?;
    choices.get(usize::try_from(index).ok()?)
}

fn seats_of(rows: &Rows, window: &Window, count: usize) -> Vec<SeatPosition> {
    let run = rows.runs.get(window.run).map(|run| run.seats.as_slice()).unwrap_or_default();
    run.iter().skip(window.start).take(count).copied().collect()
}

/// The best windows, the very best first.
fn best_windows(
    rows: &Rows,
    ask: &Ask,
    is_open: &dyn Fn(SeatPosition) -> bool,
    wanted: &dyn Fn(SeatPosition) -> bool,
) -> Vec<Window> {
    let most = ask.among.max(1);
    let mut best: Vec<Window> = Vec::with_capacity(most + 1);
    for (index, run) in rows.runs.iter().enumerate() {
        // Runs come nearest first: no window of this one or a later one can be better than all of these.
        let full = best.len() == most && best.iter().all(|window| window.orphans == 0);
        if full && best.last().is_some_and(|last| last.distance <= run.nearest) {
            break;
        }
        each_window(run, index, ask, is_open, wanted, &mut |window| {
            if best.len() == most && !best.last().is_some_and(|last| window.is_better(last)) {
                return;
            }
            let place = best.partition_point(|other| !window.is_better(other));
            best.insert(place, window);
            best.truncate(most);
        });
    }
    // A choice that leaves a seat alone is not as good as one that leaves none.
    let orphans = best.first().map_or(0, |window| window.orphans);
    best.retain(|window| window.orphans == orphans);
    best
}

/// Every window of a run; where one of many is to be chosen, only some, which have no seat in common.
fn each_window(
    run: &Run,
    index: usize,
    ask: &Ask,
    is_open: &dyn Fn(SeatPosition) -> bool,
    wanted: &dyn Fn(SeatPosition) -> bool,
    found: &mut dyn FnMut(Window),
) {
    let count = ask.count;
    if count == 0 || run.seats.len() < count {
        return;
    }
    let free = |at: Option<usize>| at.and_then(|at| run.seats.get(at)).is_some_and(|seat| is_open(*seat));
    // A neighbour that is free and has no other free neighbour.
    let alone = |next: Option<usize>, beyond: Option<usize>| usize::from(free(next) && !free(beyond));
    let (mut sum, mut stretch) = (0.0, 0);
    for (at, seat) in run.seats.iter().enumerate() {
        if !wanted(*seat) {
            (sum, stretch) = (0.0, 0);
            continue;
        }
        sum += run.distances.get(at).copied().unwrap_or_default();
        stretch += 1;
        if stretch > count {
            sum -= run.distances.get(at - count).copied().unwrap_or_default();
        }
        if stretch < count || (ask.among > 1 && stretch % count != 0) {
            continue;
        }
        let start = at + 1 - count;
        let left = alone(start.checked_sub(1), start.checked_sub(2));
        let right = alone(at.checked_add(1), at.checked_add(2));
        #[allow(clippy::cast_precision_loss, reason = "an order has a few seats")]
        let distance = sum / count as f64;
        found(Window { run: index, start, orphans: left + right, distance });
    }
}

/// Places of a standing area: any of them are as good as others, so buyers who choose at the same time begin in different ones.
fn stand(rows: &Rows, ask: &Ask, wanted: &dyn Fn(SeatPosition) -> bool) -> Choice {
    let free_of = |area: &Standing| {
        let shift = if ask.among > 1 { u32::try_from(ask.lot % u64::from(area.places.max(1))).unwrap_or(0) } else { 0 };
        let (front, back) = (area.first..area.first + shift, area.first + shift..area.first + area.places);
        back.chain(front).filter(|place| wanted(*place)).collect::<Vec<_>>()
    };
    let areas: Vec<_> = rows.standing.iter().map(free_of).collect();
    let left = areas.iter().map(Vec::len).sum();
    if left < ask.count {
        return Choice::TooFew { left };
    }
    let taken = match areas.iter().find(|free| free.len() >= ask.count) {
        Some(free) => free.iter().take(ask.count).copied().collect(),
        None if ask.together => {
            return Choice::Apart { together: areas.iter().map(Vec::len).max().unwrap_or(0), left };
        }
        None => areas.into_iter().flatten().take(ask.count).collect(),
    };
    let mut taken: Vec<SeatPosition> = taken;
    taken.sort_unstable();
    Choice::Seats(taken)
}
