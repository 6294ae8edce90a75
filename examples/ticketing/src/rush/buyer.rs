//! One buyer, and what all of them did.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rand::RngExt;
use secrecy::SecretString;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    api::{Api, Failure},
    profile::Entrance,
    stock::Stock,
};

/// Pause of a buyer who sees no free seat.
const LOOK_AGAIN: Duration = Duration::from_millis(150);
/// Pause between looks at an order that is being paid.
const POLL: Duration = Duration::from_millis(50);

/// A buyer who wants one seat.
pub(super) struct Buyer {
    pub(super) number: usize,
    pub(super) token: SecretString,
    pub(super) session: String,
    pub(super) api: Api,
    pub(super) stock: Arc<Stock>,
    /// Orders in flight.
    pub(super) gate: Arc<Semaphore>,
    /// Payments in flight: who has a seat does not stand in line with those who want one.
    pub(super) till: Arc<Semaphore>,
    pub(super) abandon_percent: u32,
    /// When the sale began.
    pub(super) began: Instant,
    pub(super) entrance: Entrance,
}

/// What one buyer, or all of them, did.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) attempts: u64,
    pub(super) placed: u64,
    pub(super) abandoned: u64,
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) errors: BTreeMap<String, u64>,
    /// Latencies of `POST /orders`, by whether it was granted.
    pub(super) granted: Vec<Duration>,
    pub(super) denied: Vec<Duration>,
    /// Latencies of what is only looked at.
    pub(super) queries: Vec<Duration>,
    /// How long after the beginning each order was placed.
    pub(super) placed_at: Vec<Duration>,
    paid: Vec<Paid>,
}

/// An order that the buyer saw paid.
#[derive(Clone, Debug)]
pub(super) struct Paid {
    token: SecretString,
    order: String,
}

impl Tally {
    pub(super) fn paid(&self) -> &[Paid] {
        &self.paid
    }

    /// A buyer's task ended by a defect.
    pub(super) fn broken(&mut self, cause: &str) {
        *self.errors.entry(format!("a buyer broke: {cause}")).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.placed += other.placed;
        self.abandoned += other.abandoned;
        for (into, from) in [(&mut self.refused, other.refused), (&mut self.errors, other.errors)] {
            for (what, count) in from {
                *into.entry(what).or_default() += count;
            }
        }
        self.granted.extend(other.granted);
        self.denied.extend(other.denied);
        self.queries.extend(other.queries);
        self.placed_at.extend(other.placed_at);
        self.paid.extend(other.paid);
    }
}

/// How a try to get a seat ended.
enum Try {
    /// Somebody else was quicker, or no seat is free at this moment.
    Later,
    /// The order was placed.
    Placed(String),
    /// There is nothing more to hope for.
    GiveUp,
}

impl Buyer {
    /// Shops until a seat is paid for, given up, or none can come back.
    pub(super) async fn shop(self) -> Tally {
        let mut tally = Tally::default();
        // Once for each buyer: on a machine that is too slow to pay in time, more and more tries must not drive all away.
        let abandons = rand::rng().random_range(0..100) < self.abandon_percent;
        if self.entrance.pass().await {
            match self.api.look_around(&self.session).await {
                Ok(took) => tally.queries.extend(took),
                Err(failure) => *tally.errors.entry(failure.to_string()).or_default() += 1,
            }
        }
        for attempt in 0_u32.. {
            let order = match self.try_a_seat(attempt, &mut tally).await {
                Try::Placed(order) => order,
                Try::GiveUp => break,
                Try::Later => continue,
            };
            tally.placed += 1;
            if abandons {
                tally.abandoned += 1;
                break;
            }
            match self.pay(&order).await {
                Ok(true) => {
                    tally.paid.push(Paid { token: self.token.clone(), order });
                    break;
                }
                // Too slow: the seat is gone, the buyer is not.
                Ok(false) => {}
                Err(failure) => {
                    *tally.errors.entry(failure.to_string()).or_default() += 1;
                    break;
                }
            }
        }
        tally
    }

    async fn try_a_seat(&self, attempt: u32, tally: &mut Tally) -> Try {
        let Some(seat) = self.stock.pick() else {
            if self.stock.is_sold() {
                return Try::GiveUp;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            return Try::Later;
        };
        let Ok(_permit) = self.gate.acquire().await else { return Try::GiveUp };
        tally.attempts += 1;
        let key = format!("rush-{}-{attempt}", self.number);
        let answer = self.api.order(&self.token, &self.session, &seat, &key).await;
        let problem = match answer.result {
            Ok(body) => {
                tally.granted.push(answer.took);
                tally.placed_at.push(self.began.elapsed());
                match body["id"].as_str() {
                    Some(id) => return Try::Placed(id.to_owned()),
                    None => "an order without an id".to_owned(),
                }
            }
            Err(failure) => match failure.code() {
                Some(code @ ("seat-taken" | "sold-out")) => {
                    tally.denied.push(answer.took);
                    *tally.refused.entry(code.to_owned()).or_default() += 1;
                    return Try::Later;
                }
                // The buyer's clock is ahead of the server's.
                Some("sale-not-open") => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    return Try::Later;
                }
                _ => failure.to_string(),
            },
        };
        *tally.errors.entry(problem).or_default() += 1;
        Try::GiveUp
    }

    /// `false` when the time to pay was over.
    async fn pay(&self, order: &str) -> Result<bool, Failure> {
        let pay_url = {
            let _permit = self.till.acquire().await;
            match self.api.pay(&self.token, order).await {
                Err(failure) if matches!(failure.code(), Some("order-expired" | "order-state")) => return Ok(false),
                // An earlier attempt, whose answer was lost, went through.
                Err(failure) if failure.code() == Some("already-paid") => return Ok(true),
                pay_url => pay_url?,
            }
        };
        let _permit = self.till.acquire().await;
        self.api.approve(&pay_url).await?;
        loop {
            match self.api.state(&self.token, order).await?.as_str() {
                state if is_paid(state) => return Ok(true),
                "LOCKED" | "PAYING" => tokio::time::sleep(POLL).await,
                _ => return Ok(false),
            }
        }
    }
}

/// Counts the orders that a buyer saw paid and that are not paid now.
pub(super) async fn lost(api: &Api, gate: &Semaphore, paid: &[Paid]) -> Result<u64, Failure> {
    let looks = paid.iter().map(|paid| async move {
        let _permit = gate.acquire().await;
        api.state(&paid.token, &paid.order).await
    });
    let states = futures_util::future::try_join_all(looks).await?;
    Ok(states.iter().filter(|state| !is_paid(state)).count() as u64)
}

/// Paid for, with or without a ticket yet.
fn is_paid(state: &str) -> bool {
    matches!(state, "PAID" | "ISSUED" | "COMPLETED")
}
