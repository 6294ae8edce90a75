//! Which rows let given values through, without looking at every row: one bitmap of rows for each stretch of values of
//! each column, and the AND of one bitmap per column.
//!
//! Bitmap indexes with range encoding by elementary intervals, as in the literature on packet classification (Lakshman and
//! Stiliadis, "High-speed policy-based packet forwarding using efficient multi-dimensional range matching", 1998).

mod column;

use smallvec::SmallVec;

pub(crate) use self::column::{Column, Stretch};
use crate::domain::Domain;
use crate::error::Result;
use crate::types::Type;
use crate::value::Val;

/// Bitmaps of more than this many words for one column are not built; its cells are interpreted instead.
pub(crate) const MAX_WORDS: usize = 4 * 1024 * 1024;

/// An index over rows. Columns in which every row lets everything through are left out.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    rows: usize,
    words: usize,
    /// With the number that the column has outside.
    columns: Vec<(usize, Column)>,
}

/// The bitmaps that belong to the values of one evaluation.
pub(crate) type Selected<'a> = SmallVec<[&'a [u64]; 16]>;

impl Index {
    /// An index over `rows` rows from the columns' numbers, types and domains. Returns the numbers of columns that are too
    /// large for it.
    pub(crate) fn build(rows: usize, columns: Vec<(usize, Type, Vec<Domain>)>, max_words: usize) -> (Self, Vec<usize>) {
        let words = rows.div_ceil(64);
        let mut built = Vec::new();
        let mut refused = Vec::new();
        for (number, ty, domains) in columns {
            if domains.iter().all(Domain::is_all) {
                continue;
            }
            match Column::build(&ty, &domains, words, max_words) {
                Some(column) => built.push((number, column)),
                None => refused.push(number),
            }
        }
        (Self { rows, words, columns: built }, refused)
    }

    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> &[(usize, Column)] {
        &self.columns
    }

    /// Looks up one bitmap for each column; `value` gives the value of a column by its number.
    #[inline]
    pub(crate) fn select<'a, 'v>(&'a self, mut value: impl FnMut(usize) -> Result<&'v Val>) -> Result<Selected<'a>> {
        let mut selected = Selected::new();
        for (number, column) in &self.columns {
            selected.push(column.bitmap(value(*number)?, self.words));
        }
        Ok(selected)
    }

    /// [`select`](Self::select) and [`each`](Self::each) in one: up to 64 rows are one word, and need no list of bitmaps.
    #[inline]
    pub(crate) fn matching<'v>(
        &self,
        mut value: impl FnMut(usize) -> Result<&'v Val>,
        mut see: impl FnMut(usize) -> Result<bool>,
    ) -> Result<()> {
        if self.words != 1 {
            return self.each(&self.select(value)?, see);
        }
        let mut bits = self.full(0);
        for (number, column) in &self.columns {
            bits &= column.word(value(*number)?);
        }
        while bits != 0 {
            if !see(bits.trailing_zeros() as usize)? {
                return Ok(());
            }
            bits &= bits - 1;
        }
        Ok(())
    }

    /// Calls `see` with every row that all columns let through, in ascending order, until it returns `false`.
    #[inline]
    pub(crate) fn each(&self, selected: &Selected<'_>, mut see: impl FnMut(usize) -> Result<bool>) -> Result<()> {
        for word in 0..self.words {
            let mut bits = self.full(word);
            for bitmap in selected {
                bits &= bitmap[word];
            }
            while bits != 0 {
                let row = word * 64 + bits.trailing_zeros() as usize;
                if !see(row)? {
                    return Ok(());
                }
                bits &= bits - 1;
            }
        }
        Ok(())
    }

    /// Calls `see` with every row that exactly one column holds back, and the number of that column.
    pub(crate) fn each_near_miss(&self, selected: &Selected<'_>, mut see: impl FnMut(usize, usize)) {
        for word in 0..self.words {
            // Bit-sliced counting: what failed at least once, and at least twice.
            let (mut once, mut twice) = (0_u64, 0_u64);
            for bitmap in selected {
                let failed = !bitmap[word];
                twice |= once & failed;
                once |= failed;
            }
            let mut near = once & !twice & self.full(word);
            while near != 0 {
                let bit = near.trailing_zeros() as usize;
                for ((number, _), bitmap) in self.columns.iter().zip(selected) {
                    if bitmap[word] >> bit & 1 == 0 {
                        see(word * 64 + bit, *number);
                    }
                }
                near &= near - 1;
            }
        }
    }

    /// The rows that there are, as bits.
    #[inline]
    const fn full(&self, word: usize) -> u64 {
        let rest = self.rows - word * 64;
        if rest >= 64 { u64::MAX } else { (1 << rest) - 1 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::expr::Cmp;

    fn number() -> impl Strategy<Value = Domain> {
        (0_u8..7, -40_i64..40, 0_i64..30, 0_u32..3).prop_map(|(kind, low, length, scale)| {
            let (low, high) = (Val::Num(Decimal::new(low, scale)), Val::Num(Decimal::new(low + length, scale)));
            let compare = |cmp, at: &Val| Domain::compare(cmp, at).unwrap();
            match kind {
                0 => Domain::all(&Type::Decimal).unwrap(),
                1 => compare(Cmp::Eq, &low),
                2 => compare(Cmp::Lt, &low),
                3 => compare(Cmp::Ge, &low),
                4 => compare(Cmp::Ne, &low),
                _ => compare(Cmp::Ge, &low).and(&compare(Cmp::Lt, &high)),
            }
        })
    }

    fn name() -> impl Strategy<Value = Domain> {
        (any::<bool>(), proptest::collection::btree_set(0_u8..6, 0..3)).prop_map(|(except, names)| Domain::Names {
            except,
            names: names.into_iter().map(|name| format!("n{name}").into()).collect(),
        })
    }

    fn flag() -> impl Strategy<Value = Domain> {
        (any::<bool>(), any::<bool>()).prop_map(|(no, yes)| Domain::Bools { no, yes })
    }

    proptest! {
        #[test]
        fn the_index_finds_what_looking_at_every_row_finds(
            rows in proptest::collection::vec((number(), name(), flag()), 1..150),
            asked in proptest::collection::vec((-900_i64..900, 0_u32..3, 0_u8..8, any::<bool>()), 1..20),
        ) {
            let (numbers, names): (Vec<_>, Vec<_>) =
                rows.iter().map(|(number, name, _)| (number.clone(), name.clone())).unzip();
            let flags = rows.iter().map(|(_, _, flag)| flag.clone()).collect();
            let columns = vec![(7, Type::Decimal, numbers), (8, Type::Text, names), (9, Type::Bool, flags)];
            let (index, refused) = Index::build(rows.len(), columns, MAX_WORDS);
            prop_assert!(refused.is_empty());
            for (at, scale, name, flag) in asked {
                let values = [
                    Val::Num(Decimal::new(at, scale)),
                    Val::Text(format!("n{name}").into()),
                    Val::Bool(flag),
                ];
                let selected = index.select(|number| Ok(&values[number - 7])).unwrap();
                let mut found = Vec::new();
                index.each(&selected, |row| { found.push(row); Ok(true) }).unwrap();
                let mut near = Vec::new();
                index.each_near_miss(&selected, |row, column| near.push((row, column)));

                let (mut wanted, mut missed) = (Vec::new(), Vec::new());
                for (row, (number, name, flag)) in rows.iter().enumerate() {
                    let held: Vec<usize> = [number, name, flag]
                        .iter().zip(&values).enumerate()
                        .filter(|(_, (domain, value))| !domain.contains(value))
                        .map(|(place, _)| place + 7)
                        .collect();
                    match held.as_slice() {
                        [] => wanted.push(row),
                        [one] => missed.push((row, *one)),
                        _ => {}
                    }
                }
                prop_assert_eq!(&found, &wanted);
                let mut direct = Vec::new();
                index.matching(|number| Ok(&values[number - 7]), |row| { direct.push(row); Ok(true) }).unwrap();
                prop_assert_eq!(&direct, &wanted);
                prop_assert_eq!(near, missed);
                let mut first = None;
                index.each(&selected, |row| { first = Some(row); Ok(false) }).unwrap();
                prop_assert_eq!(first, wanted.first().copied());
            }
        }
    }
}
