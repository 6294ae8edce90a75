//! Which rules can apply together, and for which facts.

use std::collections::{BTreeMap, HashSet};

use rust_decimal::Decimal;

use super::range::{Linear, Range};
use super::side::{Setting, Side};
use crate::domain::{Cut, Domain};
use crate::expr::{Expression, Ir};
use crate::index::{Index, MAX_WORDS};
use crate::set::action::Act;
use crate::set::{Most, RuleSet};
use crate::types::Type;
use crate::value::Val;

/// How many combinations of stretches are looked at.
const MAX_STEPS: usize = 200_000;
/// How many combinations of rules are computed.
const MAX_COMBINATIONS: usize = 5_000;
/// How many suspects are handed on.
const MAX_SUSPECTS: usize = 16;

/// Rules that may pass a bound.
#[derive(Debug)]
pub(super) struct Suspect {
    /// In the order of their groups.
    pub(super) rules: Vec<usize>,
    /// The price before any rule.
    pub(super) subtotal: Decimal,
    /// How far they may pass it.
    pub(super) gap: Decimal,
    /// Values of the facts that conditions ask for, by place: one, and some beside it that no index tells from it.
    pub(super) facts: BTreeMap<usize, Vec<Val>>,
}

#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) suspects: Vec<Suspect>,
    pub(super) combinations: usize,
    pub(super) gave_up: Option<String>,
}

/// Values of one fact that all conditions treat alike.
struct Piece {
    rows: Vec<u64>,
    value: Val,
    ends: (Option<Cut>, Option<Cut>),
}

impl Piece {
    /// Some of its values, since what else is asked of the fact may hold for one and not for another.
    fn values(&self, ty: &Type) -> Vec<Val> {
        let Some(first) = self.value.ordinal() else { return vec![self.value.clone()] };
        const HOUR: i64 = 3_600_000_000_000;
        let steps = match ty {
            Type::DateTime | Type::Duration => [0, 6 * HOUR, 14 * HOUR, 24 * HOUR, 120 * HOUR, 744 * HOUR],
            _ => [0, 1, 2, 3, 5, 10],
        };
        let inside = |at: &Decimal| {
            self.ends.0.is_none_or(|low| low <= Cut { at: *at, after: false })
                && self.ends.1.is_none_or(|high| Cut { at: *at, after: false } < high)
        };
        let values = steps.into_iter().filter_map(|step| first.checked_add(step.into())).filter(inside);
        values.filter_map(|at| Val::from_ordinal(at, ty)).collect()
    }
}

struct Walk<'a> {
    set: &'a RuleSet,
    side: Side,
    bound: &'a Expression,
    /// Facts whose values count, not only which rules they let through, come first.
    columns: Vec<(usize, Vec<Piece>)>,
    counting: usize,
    derived: BTreeMap<usize, Range>,
    seen: HashSet<(usize, Vec<u64>)>,
    steps: usize,
    found: Found,
}

/// Looks for combinations of rules that may pass `bound`.
pub(super) fn look(set: &RuleSet, side: Side, bound: &Expression) -> Found {
    let mut walk = Walk {
        set,
        side,
        bound,
        columns: Vec::new(),
        counting: 0,
        derived: derived(set),
        seen: HashSet::new(),
        steps: 0,
        found: Found::default(),
    };
    let words = set.rules.len().div_ceil(64);
    let all = vec![u64::MAX; words];
    // What holds if all rules may apply to all facts holds.
    if walk.combination(&all, &[], false) && walk.found.suspects.is_empty() {
        return walk.found;
    }
    walk.found = Found { combinations: walk.found.combinations, ..Found::default() };
    if let Err(refused) = walk.columns() {
        walk.found.gave_up = Some(refused);
        return walk.found;
    }
    walk.descend(&all, &mut Vec::new());
    if walk.steps > MAX_STEPS || walk.found.combinations > MAX_COMBINATIONS {
        walk.found.gave_up.get_or_insert("too many combinations of facts and rules to look at all of them".to_owned());
    }
    walk.found
}

/// What the outputs of tables can be.
fn derived(set: &RuleSet) -> BTreeMap<usize, Range> {
    let mut ranges = BTreeMap::new();
    for table in &set.tables {
        for (place, cells) in table.places.iter().zip(table.table.output_cells()) {
            let number = |cell: &Expression| match cell.ir() {
                Ir::Const(Val::Num(number)) => Range::exactly(Linear::constant(*number)),
                _ => Range::ANY,
            };
            // Sums and counts are more than any of the cells.
            if table.table.policy().is_single() {
                ranges.insert(*place, cells.map(number).reduce(Range::hull).unwrap_or(Range::ANY));
            }
        }
    }
    ranges
}

/// The facts whose values decide how much a rule does, or where the bound is.
fn counting(set: &RuleSet, bound: &Expression) -> HashSet<usize> {
    let mut facts: HashSet<usize> = bound.read_places().iter().copied().collect();
    let mut see = |it: &Expression| facts.extend(it.read_places());
    for rule in &set.rules {
        rule.act.expressions(&mut see);
    }
    for limit in set.phases.iter().flat_map(|phase| &phase.groups).filter_map(|group| group.limit.as_ref()) {
        match limit {
            Most::Amount(it) | Most::Percent(it) => see(it),
        }
    }
    let total = set.total_place();
    // Amounts for units need the number of units.
    let each = set.rules.iter().any(|rule| matches!(rule.act, Act::AmountOffEach(_) | Act::PriceEach(_)));
    facts.extend(std::iter::once(total - 1).chain(each.then_some(total + 1)));
    facts
}

impl Walk<'_> {
    fn columns(&mut self) -> Result<(), String> {
        let set = self.set;
        let total = set.total_place();
        let counting = counting(set, self.bound);
        // What is another value in each phase tells no rules of different phases apart.
        let mut facts: Vec<usize> = set
            .rules
            .iter()
            .flat_map(|rule| rule.wants.iter().map(|(fact, _)| *fact))
            .filter(|it| !set.varies(*it))
            .collect();
        facts.sort_unstable();
        facts.dedup();
        facts.sort_by_key(|fact| !counting.contains(fact));
        self.counting = facts.iter().filter(|fact| counting.contains(fact)).count();
        for fact in facts {
            let ty = set.inner.fields()[fact].ty().clone();
            let Some(all) = Domain::all(&ty) else { continue };
            let domain = |rule: &crate::set::Rule| {
                rule.wants
                    .iter()
                    .find(|(own, _)| *own == fact)
                    .map_or_else(|| all.clone(), |(_, domain)| domain.clone())
            };
            let domains = set.rules.iter().map(domain).collect();
            let (index, refused) = Index::build(set.rules.len(), vec![(fact, ty.clone(), domains)], MAX_WORDS);
            if !refused.is_empty() {
                return Err(format!("the conditions on `{}` are too many", set.inner.fields()[fact].name()));
            }
            let words = set.rules.len().div_ceil(64);
            let Some((_, column)) = index.columns().first() else { continue };
            let pieces = column.stretches(&ty, words).into_iter().map(|it| Piece {
                rows: it.rows.to_vec(),
                value: it.value,
                ends: it.ends,
            });
            let mut pieces: Vec<Piece> = pieces.filter(|piece| self.possible(fact, piece)).collect();
            pieces.retain(|piece| fact != total - 1 || !matches!(piece.ends.1, Some(end) if end.at <= Decimal::ZERO));
            self.columns.push((fact, pieces));
        }
        Ok(())
    }

    /// Whether a derived fact can have a value of the piece.
    fn possible(&self, fact: usize, piece: &Piece) -> bool {
        let Some(Range { low: Some(low), high: Some(high) }) = self.derived.get(&fact) else { return true };
        let (begin, end) = piece.ends;
        begin.is_none_or(|begin| begin <= Cut { at: high.constant, after: false })
            && end.is_none_or(|end| Cut { at: low.constant, after: false } < end)
    }

    fn descend(&mut self, rows: &[u64], chosen: &mut Vec<usize>) {
        self.steps += 1;
        if self.found.combinations > MAX_COMBINATIONS || self.steps > MAX_STEPS {
            return;
        }
        let depth = chosen.len();
        if depth == self.counting {
            self.seen.clear();
        }
        if depth >= self.counting && !self.seen.insert((depth, rows.to_vec())) {
            return;
        }
        let Some((_, pieces)) = self.columns.get(depth) else {
            self.combination(rows, chosen, true);
            return;
        };
        let next: Vec<Vec<u64>> =
            pieces.iter().map(|piece| rows.iter().zip(&piece.rows).map(|(one, other)| one & other).collect()).collect();
        for (piece, rows) in next.into_iter().enumerate() {
            chosen.push(piece);
            self.descend(&rows, chosen);
            chosen.pop();
        }
    }

    /// Computes one combination; notes what may pass the bound. `false` if that could not be told.
    fn combination(&mut self, rows: &[u64], chosen: &[usize], exact: bool) -> bool {
        self.found.combinations += 1;
        let set = self.set;
        let total = set.total_place();
        let picked = || self.columns.iter().zip(chosen).map(|((fact, pieces), piece)| (*fact, &pieces[*piece]));
        let unit = Decimal::new(1, set.currency().minor_digits());
        let ends = |piece: &Piece, unit: Decimal| {
            let low = piece.ends.0.map(|cut| if cut.after { cut.at + unit } else { cut.at });
            let high = piece.ends.1.map(|cut| if cut.after { cut.at } else { cut.at - unit });
            (low, high)
        };
        let subtotal = picked().find(|(fact, _)| *fact == total - 1).map_or((None, None), |(_, it)| ends(it, unit));
        let subtotal = (subtotal.0.unwrap_or_default().max(Decimal::ZERO), subtotal.1);
        let facts = |place: usize| -> Range {
            if place == total - 1 {
                return Range::exactly(Linear::SUBTOTAL);
            }
            if place == total {
                let raised = set.rules.iter().any(|rule| rule.act.may_raise());
                return Range { low: Some(Linear::ZERO), high: (!raised).then_some(Linear::SUBTOTAL) };
            }
            let ty = set.inner.fields()[place].ty();
            let step = if *ty == Type::Int { Decimal::ONE } else { Decimal::ZERO };
            let known = picked().find(|(fact, _)| *fact == place).map_or((None, None), |(_, it)| ends(it, step));
            let own = self.derived.get(&place).copied().unwrap_or(Range::ANY);
            let (low, high) = (own.low.map(|it| it.constant), own.high.map(|it| it.constant));
            let low = low.into_iter().chain(known.0).max();
            let high = high.into_iter().chain(known.1).min();
            if place == total + 1 {
                return Range::numbers(Some(low.unwrap_or(Decimal::ONE).max(Decimal::ONE)), high);
            }
            Range::numbers(low, high)
        };
        let may = |rule: usize| rows.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1);
        let setting = Setting { set, side: self.side, subtotal, facts: &facts, exact, may: &may };
        let Some(states) = setting.states() else {
            self.found.gave_up = Some("too many ways in which rules combine".to_owned());
            return false;
        };
        let range = Range::of(self.bound.ir(), &facts);
        let bound = match self.side {
            Side::Floor => range.high,
            Side::Cap => range.low.and_then(|low| low.scaled(-Decimal::ONE)),
        };
        let Some(bound) = bound else {
            self.found.gave_up =
                Some(format!("there is no telling how far `{}` goes", crate::expr::Expr::source(self.bound)));
            return false;
        };
        let mut suspects = Vec::new();
        for state in &states {
            if let Some((gap, subtotal)) = setting.breach(state, bound) {
                let facts = picked().map(|(fact, piece)| (fact, piece.values(set.inner.fields()[fact].ty()))).collect();
                suspects.push(Suspect { rules: state.rules.clone(), subtotal, gap, facts });
            }
        }
        self.found.suspects.extend(suspects);
        // Those that go furthest are the most likely to be found out.
        self.found.suspects.sort_by_key(|suspect| std::cmp::Reverse(suspect.gap));
        self.found.suspects.truncate(MAX_SUSPECTS);
        true
    }
}
