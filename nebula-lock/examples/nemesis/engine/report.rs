//! What a campaign found, for people.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::check::Verdict;
use super::faults::Fault;
use super::history::History;
use super::site::{Style, Topology};
use super::store::Damage;

#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) topology: Topology,
    pub(crate) style: Style,
    pub(crate) seed: u64,
    pub(crate) took: Duration,
    /// How often each kind of fault was brought about.
    pub(crate) faults: BTreeMap<&'static str, u32>,
    last: Vec<Fault>,
    pub(crate) holds: usize,
    /// Requests that were granted, by kind.
    pub(crate) taken: BTreeMap<String, u64>,
    /// Holds whose lease ended before the work.
    pub(crate) lost: usize,
    pub(crate) failures: BTreeMap<String, u64>,
    pub(crate) outcomes: BTreeMap<String, u64>,
    /// Two holders at once, and holds that ended under their holders, where a server had forgotten them.
    pub(crate) overlaps: usize,
    pub(crate) vanished: usize,
    pub(crate) explained: Vec<String>,
    pub(crate) damage: Damage,
    pub(crate) slowest_recovery: Duration,
    pub(crate) noticed_late: Duration,
    pub(crate) told_late: Duration,
    /// Where the histories of the clients are kept, if there is something to look into.
    pub(crate) evidence: Option<PathBuf>,
    /// Must be empty.
    pub(crate) violations: Vec<String>,
}

impl Report {
    pub(crate) fn new(topology: Topology, style: Style, seed: u64) -> Self {
        Self {
            topology,
            style,
            seed,
            took: Duration::ZERO,
            faults: BTreeMap::new(),
            last: Vec::new(),
            holds: 0,
            taken: BTreeMap::new(),
            lost: 0,
            failures: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            overlaps: 0,
            vanished: 0,
            explained: Vec::new(),
            damage: Damage::default(),
            slowest_recovery: Duration::ZERO,
            noticed_late: Duration::ZERO,
            told_late: Duration::ZERO,
            evidence: None,
            violations: Vec::new(),
        }
    }

    pub(crate) fn struck(&mut self, fault: Fault) {
        *self.faults.entry(fault.name()).or_default() += 1;
        self.last.push(fault);
    }

    /// The faults since the last recovery, for complaints.
    pub(crate) fn last_faults(&self) -> String {
        let last: Vec<_> = self.last.iter().map(ToString::to_string).collect();
        if last.is_empty() { "no fault at all".to_owned() } else { last.join(" and ") }
    }

    pub(crate) fn recovery(&mut self, took: Duration) {
        self.slowest_recovery = self.slowest_recovery.max(took);
        self.last.clear();
    }

    pub(crate) fn conclude(&mut self, history: &History, verdict: &Verdict, damage: &Damage, took: Duration) {
        self.took = took;
        self.holds = history.holds.len();
        self.taken = history.taken.clone().into_iter().collect();
        self.lost = history.holds.iter().filter(|hold| hold.noticed.is_some()).count();
        self.failures = history.failures.clone().into_iter().collect();
        self.outcomes = history.outcomes.clone().into_iter().collect();
        self.overlaps = verdict.overlaps;
        self.vanished = verdict.vanished;
        self.explained.clone_from(&verdict.explained);
        self.noticed_late = Duration::from_nanos(verdict.noticed_late);
        self.told_late = Duration::from_nanos(verdict.told_late);
        self.violations.extend(verdict.violations.iter().cloned());
        self.violations.extend(damage.guarded.iter().cloned());
        self.damage = damage.clone();
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: [(&str, String); 16] = [
            ("locks held", self.holds.to_string()),
            ("requests granted", listed(&self.taken)),
            ("refused or failed requests", listed(&self.failures)),
            ("releases", listed(&self.outcomes)),
            ("faults", listed(&self.faults)),
            ("leases that ended under their holders", self.lost.to_string()),
            ("latest notice of that, pauses included", format!("{:.1?}", self.noticed_late)),
            ("latest word of it by `lost()`, pauses excluded", format!("{:.1?}", self.told_late)),
            ("two holders at once, where servers forgot or failed over", self.overlaps.to_string()),
            ("holds that vanished, where servers forgot or failed over", self.vanished.to_string()),
            ("guarded register: writes", self.damage.writes.to_string()),
            ("guarded register: stale writes refused", self.damage.refused.to_string()),
            ("guarded register: stale writes accepted", self.damage.guarded.len().to_string()),
            ("unguarded: updates lost, careful holders", self.damage.lost_by_careful.to_string()),
            ("unguarded: updates lost, holders that never look", self.damage.lost_by_naive.to_string()),
            ("slowest recovery", format!("{:.1?}", self.slowest_recovery)),
        ];
        let (topology, style) = (self.topology.name(), self.style.name());
        writeln!(f, "{topology}, {style}, for {:.1?}, seed {}", self.took, self.seed)?;
        for (name, value) in rows {
            writeln!(f, "  {name:<57} {value}")?;
        }
        for explained in self.explained.iter().take(3) {
            writeln!(f, "    for example {explained}")?;
        }
        writeln!(f, "  {:<57} {}", "violations", self.violations.len())?;
        if let Some(folder) = &self.evidence {
            writeln!(f, "  {:<57} {}", "histories kept in", folder.display())?;
        }
        for violation in self.violations.iter().take(20) {
            writeln!(f, "    VIOLATION {violation}")?;
        }
        Ok(())
    }
}

fn listed<K: fmt::Display, V: fmt::Display>(counts: &BTreeMap<K, V>) -> String {
    let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
