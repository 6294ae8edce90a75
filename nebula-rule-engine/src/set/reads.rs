//! What a price can depend on.

use std::collections::BTreeSet;

use super::action::Act;
use super::{Most, RuleSet};
use crate::domain::{Cut, Domain};
use crate::expr::Expression;

/// What the rules of a set read. What they do not read changes no price.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// Facts, by place in the schema.
    pub(crate) facts: Vec<usize>,
    /// Facts of lines, by place in theirs.
    pub(crate) lines: Vec<usize>,
    /// The clock, where nothing but windows reads it,
    pub(crate) clock: Option<usize>,
    /// and where these begin and end, in order.
    pub(crate) edges: Vec<Cut>,
}

impl Reads {
    pub(super) fn of(set: &RuleSet, clock: Option<usize>) -> Self {
        let mut read: BTreeSet<usize> = set.tables.iter().flat_map(|derived| derived.table.read_places()).collect();
        let mut see = |it: &Expression| read.extend(it.read_places());
        set.floor.iter().chain(&set.cap).for_each(&mut see);
        for rule in &set.rules {
            rule.rest.iter().chain(&rule.lines).for_each(&mut see);
            rule.act.expressions(&mut see);
            if let Act::Bundle { parts, .. } = &rule.act {
                parts.iter().for_each(|(lines, _)| see(lines));
            }
        }
        for limit in set.phases.iter().flat_map(|phase| &phase.groups).filter_map(|group| group.limit.as_ref()) {
            match limit {
                Most::Amount(it) | Most::Percent(it) => see(it),
            }
        }
        let windows = clock.filter(|clock| !read.contains(clock));
        let wants = || set.rules.iter().flat_map(|rule| &rule.wants);
        read.extend(wants().map(|(fact, _)| *fact).filter(|fact| Some(*fact) != windows));
        let mut edges: Vec<Cut> = Vec::new();
        for (_, domain) in wants().filter(|(fact, _)| Some(*fact) == windows) {
            if let Domain::Ordered { cuts, .. } = domain {
                edges.extend(cuts);
            }
        }
        edges.sort_unstable();
        edges.dedup();
        let outer = set.schema.fields().len();
        // The engine's own facts of a line stand before those of the schema.
        let first = set.inner.fields().len() + 4;
        Self {
            facts: read.iter().copied().filter(|place| *place < outer).collect(),
            lines: read.iter().filter_map(|place| place.checked_sub(first)).collect(),
            clock: windows,
            edges,
        }
    }
}
