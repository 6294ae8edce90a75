//! Which sales a rush holds, and how their buyers come.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

/// What kind of sale is rehearsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// A show on sale: buyers come over `--over` seconds, look around, and buy.
    Show,
    /// A sale that is about to open: everybody is there and comes at the opening second.
    #[default]
    Flash,
    /// Half of the buyers and seats each: a flash sale while a show sells as on any day.
    Mixed,
}

/// How the buyers of one sale come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// One by one, within this time.
    Over(Duration),
    /// All at once, when the sale opens: after so many seconds.
    AtOpening(u64),
}

/// One sale of a rush.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) name: &'static str,
    pub(super) users: u32,
    pub(super) seats: u32,
    pub(super) arrival: Arrival,
}

impl Profile {
    pub(super) fn plans(self, users: u32, seats: u32, over: Duration, opens_in: u64) -> Vec<Plan> {
        let show = |users, seats| Plan { name: "show", users, seats, arrival: Arrival::Over(over) };
        let flash = |users, seats| Plan { name: "flash", users, seats, arrival: Arrival::AtOpening(opens_in) };
        match self {
            Self::Show => vec![show(users, seats)],
            Self::Flash => vec![flash(users, seats)],
            Self::Mixed => {
                let (half_users, half_seats) = ((users / 2).max(1), (seats / 2).max(1));
                vec![show(half_users, half_seats), flash((users - users / 2).max(1), (seats - seats / 2).max(1))]
            }
        }
    }
}

/// What one buyer passes before the first order. A waiting room stands here: between the opening and the first order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entrance {
    at: Instant,
    /// Who comes on any day looks around first.
    looks_around: bool,
}

impl Entrance {
    /// For a buyer of a sale that began, or opens, at `began`.
    pub(super) fn new(arrival: Arrival, began: Instant) -> Self {
        match arrival {
            Arrival::Over(time) => {
                let share: f64 = rand::rng().random();
                Self { at: began + time.mul_f64(share), looks_around: true }
            }
            Arrival::AtOpening(_) => Self { at: began, looks_around: false },
        }
    }

    /// Waits for the buyer's turn; answers whether they look around first.
    pub(super) async fn pass(self) -> bool {
        tokio::time::sleep_until(self.at).await;
        self.looks_around
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixed_rush_leaves_nobody_and_no_seat_out() {
        for (users, seats) in [(5_000, 1_000), (7, 3), (1, 1)] {
            let plans = Profile::Mixed.plans(users, seats, Duration::from_secs(1), 3);
            let sums = plans.iter().fold((0, 0), |sum, plan| (sum.0 + plan.users, sum.1 + plan.seats));
            assert!(sums.0 >= users && sums.1 >= seats && sums.0 <= users.max(2) && sums.1 <= seats.max(2), "{sums:?}");
            assert_eq!(plans.iter().map(|plan| plan.name).collect::<Vec<_>>(), ["show", "flash"]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn buyers_of_a_flash_sale_come_together_and_those_of_a_show_one_by_one() {
        let began = Instant::now() + Duration::from_secs(3);
        let flash = (0..50).map(|_| Entrance::new(Arrival::AtOpening(3), began));
        for entrance in flash {
            assert!(!entrance.pass().await && Instant::now() == began);
        }
        let show: Vec<_> = (0..50).map(|_| Entrance::new(Arrival::Over(Duration::from_secs(60)), began)).collect();
        let mut times: Vec<_> = show.iter().map(|entrance| entrance.at).collect();
        assert!(times.iter().all(|at| (began..began + Duration::from_secs(60)).contains(at)));
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 25, "they come together");
    }
}
