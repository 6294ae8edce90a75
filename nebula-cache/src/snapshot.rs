//! What monitoring asks for.

use serde::Serialize;

/// The state of a manager and its caches, ready for JSON.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// The caches, by name.
    pub caches: Vec<CacheSnapshot>,
    /// Whether the invalidations of other nodes are followed; always, if there are none.
    pub trusted: bool,
    /// How old the knowledge of invalidations is, in milliseconds: nothing here is staler than that.
    pub staleness_ms: u64,
    /// From publishing to applying, in milliseconds, of the last invalidation heard of.
    pub invalidation_lag_ms: u64,
    /// Evictions that have not reached the shared level yet.
    pub pending_evictions: usize,
    /// Answers of the shared level about evictions and invalidations, which concern all caches, that were slow.
    pub slow_shared: u64,
    /// Whether the shared level is asked: `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// How often the breaker has opened.
    pub breaker_opened: u64,
}

/// The state of one cache. Counts are since the start.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CacheSnapshot {
    /// Its name.
    pub name: String,
    /// Entries of the local level; those that have ended but not left yet are counted.
    pub entries: usize,
    /// Their weight: bytes with [`with_local_weight`](crate::CacheBuilder::with_local_weight) in bytes, else their number.
    pub weight: u64,
    /// Capacity of the local level, in weight.
    pub capacity: u64,
    /// Found in this process.
    pub local_hits: u64,
    /// Found in the shared level.
    pub shared_hits: u64,
    /// Found nowhere.
    pub misses: u64,
    /// Hits, of either level, that said that there is no value.
    pub known_absent: u64,
    /// Keys that are hot, here or elsewhere.
    pub hot_keys: usize,
    /// Reads that a filter answered: there is certainly nothing.
    pub excluded: u64,
    /// Values that were served though older than their time to live.
    pub stale_served: u64,
    /// Loads that succeeded.
    pub loads: u64,
    /// Loads that failed.
    pub failed_loads: u64,
    /// Loads that took too long and were given up.
    pub timed_out_loads: u64,
    /// Loads that were slow.
    pub slow_loads: u64,
    /// Calls that waited for a load of somebody else.
    pub joined_loads: u64,
    /// Loads under way.
    pub loading: usize,
    /// How long loads took: the upper ends of classes in microseconds with the number of loads in each; `None` for no end.
    pub load_histogram: Vec<(Option<u64>, u64)>,
    /// How long the shared level took to answer, in the same form.
    pub shared_histogram: Vec<(Option<u64>, u64)>,
    /// Answers of the shared level that were slow, see [`with_slow_shared`](crate::CacheBuilder::with_slow_shared).
    pub slow_shared: u64,
    /// Loaded values that were not stored because of an eviction meanwhile.
    pub refused_fills: u64,
    /// Stored values that could not be decoded.
    pub undecodable: u64,
    /// Stored values of another schema or codec, which counted as missing.
    pub other_schema: u64,
    /// Failures of the shared level.
    pub shared_errors: u64,
    /// Calls of `put`.
    pub puts: u64,
    /// Keys that `evict` was called for, whether or not they were cached.
    pub evicted: u64,
    /// Entries that left the local level, by cause.
    pub evictions: Evictions,
}

/// How many entries left the local level, by cause. What has ended leaves when somebody asks for it, or when its room is
/// needed, whichever is first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Evictions {
    /// To make room for others, or because they were too heavy to be let in.
    pub capacity: u64,
    /// The weight of these; bytes, if the cache was built with a weight in bytes.
    pub capacity_weight: u64,
    /// Their time was over: to live with all that is added to it, or idle.
    pub expired: u64,
    /// Evicted otherwise than by their key on this node: on another node, by a tag, by clearing, or for lack of trust.
    pub invalidated: u64,
    /// For a newer value of the same key.
    pub replaced: u64,
    /// Evicted by their key on this node.
    pub explicit: u64,
}

impl CacheSnapshot {
    /// The part of reads that found something, 0 to 1; 0 without reads.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a ratio need not be exact")]
    pub fn hit_ratio(&self) -> f64 {
        let hits = self.local_hits + self.shared_hits;
        match hits + self.misses {
            0 => 0.0,
            reads => hits as f64 / reads as f64,
        }
    }
}
