//! What can be known about a table without facts: rows that overlap, rows that are never reached, and facts for which
//! there is no row.

use std::collections::HashSet;

use super::compile::{Problems, surely_differ};
use super::{DecisionTable, HitPolicy};
use crate::expr::Expr;
use crate::index::Stretch;

/// How much work one check may be, in bitmaps that are looked at.
const MAX_STEPS: usize = 200_000;
/// And in words of bitmaps.
const MAX_WORDS: usize = 50_000_000;
/// More findings of one kind are counted, but not told one by one.
const MAX_FINDINGS: usize = 10;

struct Columns<'a> {
    names: Vec<&'a str>,
    stretches: Vec<Vec<Stretch<'a>>>,
}

/// Reports what is wrong. Returns whether it is proven that every fact finds a row.
pub(super) fn check(table: &DecisionTable, problems: &mut Problems) -> bool {
    let words = table.index.rows().div_ceil(64);
    let columns = table.index.columns().iter().map(|(number, column)| {
        let input = &table.inputs[*number];
        (input.name.as_str(), column.stretches(input.expression.ty(), words))
    });
    let (names, stretches) = columns.unzip();
    let columns = Columns { names, stretches };
    // What is interpreted can neither be counted on nor be held against a row.
    let known: Vec<usize> = (0..table.index.rows()).filter(|row| table.rest[*row].is_empty()).collect();
    match table.policy() {
        HitPolicy::Unique | HitPolicy::Any => overlaps(table, &columns, &known, problems),
        HitPolicy::First => unreachable(table, &columns, &known, problems),
        _ => {}
    }
    gaps(table, &columns, &known, problems)
}

fn bits(rows: impl IntoIterator<Item = usize>, words: usize) -> Vec<u64> {
    let mut bits = vec![0; words];
    for row in rows {
        bits[row / 64] |= 1 << (row % 64);
    }
    bits
}

const fn has(bits: &[u64], row: usize) -> bool {
    bits[row / 64] >> (row % 64) & 1 == 1
}

fn overlaps(table: &DecisionTable, columns: &Columns<'_>, known: &[usize], problems: &mut Problems) {
    let words = table.index.rows().div_ceil(64);
    let all: usize = columns.stretches.iter().map(Vec::len).sum();
    if known.len().saturating_mul(all).saturating_mul(words) > MAX_WORDS {
        problems.warn("rows", "too many to be checked for overlaps; they are found when they happen");
        return;
    }
    let mut found = 0;
    for row in known {
        let mut together = bits(known.iter().copied().filter(|other| other > row), words);
        for stretches in &columns.stretches {
            let mut beside = vec![0; words];
            for stretch in stretches.iter().filter(|stretch| has(stretch.rows, *row)) {
                beside.iter_mut().zip(stretch.rows).for_each(|(all, one)| *all |= one);
            }
            together.iter_mut().zip(&beside).for_each(|(all, one)| *all &= one);
        }
        for other in known.iter().copied().filter(|other| other > row && has(&together, *other)) {
            if table.policy() == HitPolicy::Any && !surely_differ(&table.cells[*row], &table.cells[other]) {
                continue;
            }
            found += 1;
            if found <= MAX_FINDINGS {
                let sample = columns.sample(|column| {
                    columns.stretches[column].iter().find(|it| has(it.rows, *row) && has(it.rows, other))
                });
                let what = if table.policy() == HitPolicy::Any { "contradicts" } else { "overlaps" };
                let message = format!("{what} {} under `{}`, as for {sample}", table.row_name(other), table.policy());
                problems.error(&format!("rows[{row}]"), message);
            }
        }
    }
    if found > MAX_FINDINGS {
        problems.error("rows", format!("and {} more overlaps", found - MAX_FINDINGS));
    }
}

fn unreachable(table: &DecisionTable, columns: &Columns<'_>, known: &[usize], problems: &mut Problems) {
    let words = table.index.rows().div_ceil(64);
    let mut search = Search::new(columns);
    let mut found = 0;
    for row in 1..table.index.rows() {
        search.forget();
        let earlier = bits(known.iter().copied().filter(|other| *other < row), words);
        search.look(0, &earlier, Some(row), &mut Vec::new(), 1);
        if search.exhausted() {
            problems
                .warn("rows", format!("too many to be checked for rows that are never reached, from {} on", row + 1));
            return;
        }
        if search.open.is_empty() {
            found += 1;
            if found <= MAX_FINDINGS {
                problems.warn(&format!("rows[{row}]"), "is never reached: rows above it take everything");
            }
        }
    }
    if found > MAX_FINDINGS {
        problems.warn("rows", format!("and {} more that are never reached", found - MAX_FINDINGS));
    }
}

fn gaps(table: &DecisionTable, columns: &Columns<'_>, known: &[usize], problems: &mut Problems) -> bool {
    // Where it is no mistake that no row applies, nobody wants to know.
    let needs_row = table.policy().is_single() || matches!(table.policy(), HitPolicy::Min | HitPolicy::Max);
    if !needs_row || table.outputs.iter().all(|output| output.default.is_some()) {
        return false;
    }
    let words = table.index.rows().div_ceil(64);
    let mut search = Search::new(columns);
    search.look(0, &bits(known.iter().copied(), words), None, &mut Vec::new(), MAX_FINDINGS);
    if search.exhausted() {
        problems.warn("rows", "too many to be checked for gaps");
    }
    let only_unknown = known.len() < table.index.rows();
    for open in &search.open {
        let sample = columns.words(open);
        let surely = if only_unknown { "no row surely applies" } else { "no row applies" };
        problems.warn("rows", format!("{surely} to {sample}, and there is no default"));
    }
    search.open.is_empty() && !search.exhausted()
}

impl<'a> Columns<'a> {
    fn sample(&self, choose: impl Fn(usize) -> Option<&'a Stretch<'a>>) -> String
    where
        Self: 'a,
    {
        let samples: Vec<&str> =
            (0..self.names.len()).map(|column| choose(column).map_or("", |it| it.sample.as_str())).collect();
        self.words(&samples)
    }

    fn words(&self, samples: &[&str]) -> String {
        let pairs = self.names.iter().zip(samples).filter(|(_, sample)| !sample.is_empty());
        let pairs: Vec<String> = pairs.map(|(name, sample)| format!("{name} = {sample}")).collect();
        if pairs.is_empty() { "anything".to_owned() } else { pairs.join(", ") }
    }
}

/// Looks for values that none of some rows lets through, column by column.
struct Search<'a> {
    columns: &'a Columns<'a>,
    /// What is known to leave nothing open: the column and the rows that are left there.
    closed: HashSet<(usize, Vec<u64>)>,
    open: Vec<Vec<&'a str>>,
    steps: usize,
}

impl<'a> Search<'a> {
    fn new(columns: &'a Columns<'a>) -> Self {
        Self { columns, closed: HashSet::new(), open: Vec::new(), steps: 0 }
    }

    fn forget(&mut self) {
        self.closed.clear();
        self.open.clear();
    }

    const fn exhausted(&self) -> bool {
        self.steps > MAX_STEPS
    }

    /// `within`: only values that this row lets through. Ends when `most` have been found.
    fn look(&mut self, column: usize, rows: &[u64], within: Option<usize>, chosen: &mut Vec<&'a str>, most: usize) {
        self.steps += 1 + rows.len() / 16;
        if self.exhausted() || self.open.len() >= most {
            return;
        }
        if rows.iter().all(|word| *word == 0) {
            self.open.push(chosen.clone());
            return;
        }
        let columns = self.columns;
        let Some(stretches) = columns.stretches.get(column) else { return };
        if self.closed.contains(&(column, rows.to_vec())) {
            return;
        }
        let before = self.open.len();
        let mut tried: HashSet<Vec<u64>> = HashSet::new();
        for stretch in stretches.iter().filter(|stretch| within.is_none_or(|row| has(stretch.rows, row))) {
            let left: Vec<u64> = rows.iter().zip(stretch.rows).map(|(one, other)| one & other).collect();
            self.steps += 1 + rows.len() / 16;
            if self.exhausted() || self.open.len() >= most {
                return;
            }
            if tried.contains(&left) {
                continue;
            }
            chosen.push(&stretch.sample);
            self.look(column + 1, &left, within, chosen, most);
            chosen.pop();
            tried.insert(left);
        }
        if self.open.len() == before {
            self.closed.insert((column, rows.to_vec()));
        }
    }
}
