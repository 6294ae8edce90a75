//! The fault switch: servers are killed and started again at random while buyers buy.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::try_join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    RushError,
    stage::{Stage, Target},
};

/// How long something is left alone between two strikes, in milliseconds.
const LIVES: std::ops::Range<u64> = 1_000..7_000;
/// How long it stays down, in milliseconds; what it takes to come up is added.
const DOWN: std::ops::Range<u64> = 0..2_000;

/// What was struck.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Chaos {
    /// The same seed gives every server the same times to live and to be down. What else happens at that moment is not
    /// in its hands.
    pub seed: u64,
    /// How often each server was killed.
    pub strikes: BTreeMap<String, u64>,
}

/// Strikes until `until`, every server by itself, so that several may be down at once. When this answers, all are up.
pub(super) async fn strike(stage: &mut Stage, seed: u64, until: Instant) -> Result<Chaos, RushError> {
    let targets = stage.targets().into_iter().zip(0_u64..);
    let struck =
        targets.map(|(target, number)| torment(target, StdRng::seed_from_u64(seed.wrapping_add(number)), until));
    Ok(Chaos { seed, strikes: try_join_all(struck).await?.into_iter().collect() })
}

async fn torment(mut target: Target<'_>, mut random: StdRng, until: Instant) -> Result<(String, u64), RushError> {
    let mut strikes = 0;
    loop {
        let next = Instant::now() + Duration::from_millis(random.random_range(LIVES));
        if next >= until {
            return Ok((target.name(), strikes));
        }
        tokio::time::sleep_until(next).await;
        target.kill().await;
        strikes += 1;
        tokio::time::sleep(Duration::from_millis(random.random_range(DOWN))).await;
        target.restart().await?;
    }
}
