//! The fault switch: servers are killed and started again while buyers buy, at random or one after another.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::try_join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    RushError,
    kills::{Kill, Strike},
    stage::{Stage, Target},
};

/// How long something is left alone between two strikes, in milliseconds.
const LIVES: std::ops::Range<u64> = 1_000..7_000;
/// How long it stays down, in milliseconds; what it takes to come up is added.
const DOWN: std::ops::Range<u64> = 0..2_000;
/// The same when one is struck after another: each has come to rest before, and is away long enough to be missed.
const LIVES_IN_TURN: Duration = Duration::from_secs(4);
const DOWN_IN_TURN: Duration = Duration::from_secs(2);

/// What was struck.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Chaos {
    /// The same seed gives every server the same times to live and to be down. What else happens at that moment is not
    /// in its hands.
    pub seed: u64,
    /// How often each server was killed.
    pub strikes: BTreeMap<String, u64>,
    /// Each of the kills, in their order. Of those that overlap, none can tell what it would have cost alone.
    pub kills: Vec<Kill>,
}

impl Chaos {
    /// `kills` are of these strikes; servers that were spared are counted as well.
    pub(super) fn new(seed: u64, targets: Vec<String>, kills: Vec<Kill>) -> Self {
        let mut strikes: BTreeMap<_, _> = targets.into_iter().map(|target| (target, 0)).collect();
        for kill in &kills {
            *strikes.entry(kill.target.clone()).or_default() += 1;
        }
        Self { seed, strikes, kills }
    }
}

/// Strikes until `until`, every server by itself, so that several may be down at once. When this answers, all are up.
pub(super) async fn strike(stage: &mut Stage, seed: u64, until: Instant) -> Result<Vec<Strike>, RushError> {
    let targets = stage.targets().into_iter().zip(0_u64..);
    let struck =
        targets.map(|(target, number)| torment(target, StdRng::seed_from_u64(seed.wrapping_add(number)), until));
    let mut strikes = try_join_all(struck).await?.concat();
    strikes.sort_by_key(|strike| strike.killed);
    Ok(strikes)
}

/// Strikes one after another until `until`, each once at least. What a kill costs is then its own.
pub(super) async fn strike_in_turn(stage: &mut Stage, until: Instant) -> Result<Vec<Strike>, RushError> {
    let mut strikes = Vec::new();
    let mut targets = stage.targets();
    loop {
        for target in &mut targets {
            tokio::time::sleep(LIVES_IN_TURN).await;
            strikes.push(hit(target, DOWN_IN_TURN).await?);
        }
        if Instant::now() >= until {
            return Ok(strikes);
        }
    }
}

async fn torment(mut target: Target<'_>, mut random: StdRng, until: Instant) -> Result<Vec<Strike>, RushError> {
    let mut strikes = Vec::new();
    loop {
        let next = Instant::now() + Duration::from_millis(random.random_range(LIVES));
        if next >= until {
            return Ok(strikes);
        }
        tokio::time::sleep_until(next).await;
        strikes.push(hit(&mut target, Duration::from_millis(random.random_range(DOWN))).await?);
    }
}

async fn hit(target: &mut Target<'_>, down: Duration) -> Result<Strike, RushError> {
    target.kill().await;
    let killed = Instant::now();
    tokio::time::sleep(down).await;
    let started = Instant::now();
    target.restart().await?;
    Ok(Strike { target: target.name(), killed, started, up: Instant::now() })
}
