//! When a failed message is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often, and after which pauses, a failed message is tried again before it becomes a dead letter.
///
/// The default is the seed's: three retries, 60 s apart, so at most four attempts.
///
/// ```
/// use std::time::Duration;
/// use nebula_delay_queue::RetryPolicy;
///
/// let policy = RetryPolicy::exponential(5, Duration::from_secs(1)).with_max(Duration::from_secs(10)).with_jitter(0.0);
/// let pauses: Vec<_> = (1..=6).map(|retry| policy.pause(retry).map(|pause| pause.as_secs())).collect();
/// assert_eq!(pauses, [Some(1), Some(2), Some(4), Some(8), Some(10), None]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy(Shape);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shape {
    Fixed { times: u32, pause_ms: u64 },
    Exponential { times: u32, first_ms: u64, factor: f64, max_ms: u64, jitter: f64 },
    Table { pauses_ms: Vec<u64> },
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl RetryPolicy {
    /// The longest pause of an exponential policy unless [`with_max`](Self::with_max) says otherwise.
    pub const DEFAULT_MAX: Duration = Duration::from_secs(60 * 60);

    /// No retry: the first failure makes a dead letter.
    #[must_use]
    pub const fn none() -> Self {
        Self(Shape::Fixed { times: 0, pause_ms: 0 })
    }

    /// `times` retries, each after the same `pause` (milliseconds precise).
    #[must_use]
    pub fn fixed(times: u32, pause: Duration) -> Self {
        Self(Shape::Fixed { times, pause_ms: ms(pause) })
    }

    /// `times` retries, the first after `first`, each further one after twice the time, at most
    /// [`DEFAULT_MAX`](Self::DEFAULT_MAX), with a jitter of 0.2.
    #[must_use]
    pub fn exponential(times: u32, first: Duration) -> Self {
        Self(Shape::Exponential { times, first_ms: ms(first), factor: 2.0, max_ms: ms(Self::DEFAULT_MAX), jitter: 0.2 })
    }

    /// One retry per entry, after that pause.
    #[must_use]
    pub fn table(pauses: impl IntoIterator<Item = Duration>) -> Self {
        Self(Shape::Table { pauses_ms: pauses.into_iter().map(ms).collect() })
    }

    /// Caps the pauses of an exponential policy. No effect on the others.
    #[must_use]
    pub fn with_max(mut self, max: Duration) -> Self {
        if let Shape::Exponential { max_ms, .. } = &mut self.0 {
            *max_ms = ms(max);
        }
        self
    }

    /// The growth of an exponential policy, 1.0 to 1000.0 (what is not a number counts as 1.0). No effect on the others.
    #[must_use]
    pub fn with_factor(mut self, growth: f64) -> Self {
        if let Shape::Exponential { factor, .. } = &mut self.0 {
            *factor = if growth.is_nan() { 1.0 } else { growth.clamp(1.0, 1000.0) };
        }
        self
    }

    /// The part of an exponential pause that is random, 0.0 to 1.0: a pause `p` becomes one between `p · (1 − jitter)`
    /// and `p`, so that messages which failed together do not come back together. No effect on the others.
    #[must_use]
    pub fn with_jitter(mut self, share: f64) -> Self {
        if let Shape::Exponential { jitter, .. } = &mut self.0 {
            *jitter = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        }
        self
    }

    /// How many retries follow the first attempt.
    #[must_use]
    pub fn times(&self) -> u32 {
        match &self.0 {
            Shape::Fixed { times, .. } | Shape::Exponential { times, .. } => *times,
            Shape::Table { pauses_ms } => u32::try_from(pauses_ms.len()).unwrap_or(u32::MAX),
        }
    }

    /// The pause before the `retry`-th retry, counted from 1; `None` when there is no such retry.
    #[must_use]
    pub fn pause(&self, retry: u32) -> Option<Duration> {
        self.pause_at(retry, rand::random())
    }

    /// As [`pause`](Self::pause), with the random number (0.0 to 1.0) that decides the jitter.
    pub(crate) fn pause_at(&self, retry: u32, random: f64) -> Option<Duration> {
        if retry == 0 || retry > self.times() {
            return None;
        }
        let pause_ms = match &self.0 {
            Shape::Fixed { pause_ms, .. } => *pause_ms,
            Shape::Table { pauses_ms } => *pauses_ms.get(usize::try_from(retry - 1).ok()?)?,
            Shape::Exponential { first_ms, factor, max_ms, jitter, .. } => {
                // The power saturates at infinity, from where the cap brings it back; zero times infinity would not.
                let exponent = i32::try_from(retry - 1).unwrap_or(i32::MAX);
                let grown = if *first_ms == 0 { 0.0 } else { *first_ms as f64 * factor.powi(exponent) };
                let pause = grown.min(*max_ms as f64);
                (pause * (1.0 - jitter.clamp(0.0, 1.0) * random.clamp(0.0, 1.0))) as u64
            }
        };
        Some(Duration::from_millis(pause_ms))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::fixed(3, Duration::from_secs(60))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_policy() -> impl Strategy<Value = RetryPolicy> {
        let pause = || (0u64..100_000_000).prop_map(Duration::from_millis);
        prop_oneof![
            (0u32..50, pause()).prop_map(|(times, pause)| RetryPolicy::fixed(times, pause)),
            (0u32..5000, pause(), pause(), any::<f64>(), any::<f64>()).prop_map(
                |(times, first, max, factor, jitter)| {
                    RetryPolicy::exponential(times, first).with_max(max).with_factor(factor).with_jitter(jitter)
                }
            ),
            prop::collection::vec(pause(), 0..20).prop_map(RetryPolicy::table),
        ]
    }

    proptest! {
        #[test]
        fn there_are_exactly_as_many_pauses_as_retries(policy in any_policy(), random in 0.0f64..=1.0) {
            prop_assert_eq!(policy.pause_at(0, random), None);
            let count = (1..=policy.times() + 3).filter(|&retry| policy.pause_at(retry, random).is_some()).count();
            prop_assert_eq!(count, policy.times() as usize);
        }

        #[test]
        fn exponential_pauses_grow_up_to_the_cap(
            first in 1u64..10_000, max in 1u64..10_000_000, factor in 1.0f64..10.0, times in 1u32..2000,
        ) {
            let policy = RetryPolicy::exponential(times, Duration::from_millis(first))
                .with_max(Duration::from_millis(max)).with_factor(factor).with_jitter(0.0);
            let pauses: Vec<_> = (1..=times).filter_map(|retry| policy.pause_at(retry, 0.5)).collect();
            prop_assert!(pauses.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert_eq!(pauses[0], Duration::from_millis(first.min(max)));
            prop_assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(max)));
        }

        #[test]
        fn jitter_only_shortens_and_only_by_its_share(share in 0.0f64..=1.0, random in 0.0f64..=1.0, retry in 1u32..10) {
            let plain = RetryPolicy::exponential(10, Duration::from_secs(1)).with_jitter(0.0);
            let full = plain.pause_at(retry, random).unwrap();
            let jittered = plain.with_jitter(share).pause_at(retry, random).unwrap();
            prop_assert!(jittered <= full);
            prop_assert!(jittered + Duration::from_millis(1) >= full.mul_f64(1.0 - share));
        }

        #[test]
        fn policies_survive_storage(policy in any_policy()) {
            let stored = serde_json::to_string(&policy).unwrap();
            let read: RetryPolicy = serde_json::from_str(&stored).unwrap();
            for retry in 0..20 {
                prop_assert_eq!(read.pause_at(retry, 0.3), policy.pause_at(retry, 0.3));
            }
        }
    }
}
