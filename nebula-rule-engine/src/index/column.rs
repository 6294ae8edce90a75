//! One column of an index.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::domain::{Cut, Domain, between, show};
use crate::types::Type;
use crate::value::Val;

/// How a value becomes the number of a stretch.
#[derive(Clone, Debug)]
enum Lookup {
    /// Cuts as integers: twice the value in units of `10^-scale`, plus one for a cut after it.
    Ints {
        scale: u32,
        keys: Box<[i64]>,
    },
    Decimals(Box<[Cut]>),
    /// What is not named has the last stretch.
    Names(HashMap<Arc<str>, u32, BuildHasherDefault<Fnv>>),
    Bools,
}

/// Values that all rows treat alike have one bitmap of rows.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    lookup: Lookup,
    /// From the stretch to the start of its bitmap; equal bitmaps are kept once.
    starts: Box<[u32]>,
    words: Box<[u64]>,
    /// For the ordered types, the cuts between the stretches; for texts, the names.
    cuts: Box<[Cut]>,
    names: Box<[Arc<str>]>,
}

/// Values that a column treats alike, for the checks at load.
#[derive(Clone, Debug)]
pub(crate) struct Stretch<'a> {
    pub(crate) rows: &'a [u64],
    /// One of its values, or several, in words.
    pub(crate) sample: String,
    /// One of its values.
    pub(crate) value: Val,
    /// Where it begins and ends, for the ordered types.
    pub(crate) ends: (Option<Cut>, Option<Cut>),
}

impl Column {
    pub(crate) fn build(ty: &Type, domains: &[Domain], row_words: usize, max_words: usize) -> Option<Self> {
        let mut cuts: Vec<Cut> = Vec::new();
        let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
        for domain in domains {
            match domain {
                Domain::Ordered { cuts: own, .. } => cuts.extend(own),
                Domain::Names { names: own, .. } => names.extend(own.iter().cloned()),
                Domain::Bools { .. } => {}
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        let names: Vec<Arc<str>> = names.into_iter().collect();
        let stretches = if *ty == Type::Bool { 2 } else { cuts.len() + names.len() + 1 };
        if stretches.checked_mul(row_words)? > max_words {
            return None;
        }
        let mut bitmaps = vec![0_u64; stretches * row_words];
        for (row, domain) in domains.iter().enumerate() {
            let mut set = |stretch: usize| bitmaps[stretch * row_words + row / 64] |= 1 << (row % 64);
            match domain {
                Domain::Bools { no, yes } => {
                    if *no {
                        set(0);
                    }
                    if *yes {
                        set(1);
                    }
                }
                Domain::Names { except, names: own } => {
                    let inside = |name: &Arc<str>| own.contains(name) != *except;
                    names.iter().enumerate().filter(|(_, name)| inside(name)).for_each(|(place, _)| set(place));
                    if *except {
                        set(names.len());
                    }
                }
                Domain::Ordered { from_start, cuts: own } => {
                    // The stretch `n` begins with the cut `n - 1`.
                    let begins = own.iter().map(|cut| cuts.partition_point(|known| known < cut) + 1);
                    let mut ends = from_start.then_some(0).into_iter().chain(begins);
                    while let Some(begin) = ends.next() {
                        (begin..ends.next().unwrap_or(stretches)).for_each(&mut set);
                    }
                }
            }
        }
        let lookup = match ty {
            Type::Bool => Lookup::Bools,
            ty if ty.is_text() => Lookup::Names(names.iter().cloned().zip(0..).collect()),
            _ => ints(&cuts).unwrap_or_else(|| Lookup::Decimals(cuts.clone().into())),
        };
        let (starts, words) = shared(&bitmaps, row_words)?;
        Some(Self { lookup, starts, words, cuts: cuts.into(), names: names.into() })
    }

    /// The rows that let `value` through.
    #[inline]
    pub(crate) fn bitmap(&self, value: &Val, row_words: usize) -> &[u64] {
        let start = self.starts[self.stretch(value)] as usize;
        &self.words[start..start + row_words]
    }

    /// The rows that let `value` through, where one word has them all.
    #[inline]
    pub(crate) fn word(&self, value: &Val) -> u64 {
        self.words[self.starts[self.stretch(value)] as usize]
    }

    #[inline]
    fn stretch(&self, value: &Val) -> usize {
        match (&self.lookup, value) {
            (Lookup::Bools, value) => usize::from(matches!(value, Val::Bool(true))),
            (Lookup::Names(names), Val::Text(text)) => {
                names.get(text.as_ref()).map_or(self.names.len(), |place| *place as usize)
            }
            (Lookup::Ints { scale, keys }, value) => {
                let key = value.ordinal().map_or(i64::MIN, |at| key(at, *scale));
                keys.partition_point(|cut| *cut <= key)
            }
            (Lookup::Decimals(cuts), value) => {
                value.ordinal().map_or(0, |at| cuts.partition_point(|cut| *cut <= Cut { at, after: false }))
            }
            (Lookup::Names(_), _) => self.names.len(),
        }
    }

    /// All stretches that hold a value of `ty`.
    pub(crate) fn stretches(&self, ty: &Type, row_words: usize) -> Vec<Stretch<'_>> {
        let rows = |stretch: usize| {
            let start = self.starts[stretch] as usize;
            &self.words[start..start + row_words]
        };
        let one = |place, sample: String, value| Stretch { rows: rows(place), sample, value, ends: (None, None) };
        let named = |place, name: &Arc<str>| one(place, format!("'{name}'"), Val::Text(Arc::clone(name)));
        match (&self.lookup, ty) {
            (Lookup::Bools, _) => {
                vec![one(0, "false".to_owned(), Val::Bool(false)), one(1, "true".to_owned(), Val::Bool(true))]
            }
            (Lookup::Names(places), Type::Enum(all)) => all
                .iter()
                .map(|name| named(places.get(name).map_or(self.names.len(), |place| *place as usize), name))
                .collect(),
            (Lookup::Names(_), _) => {
                let mut all: Vec<_> = self.names.iter().enumerate().map(|(place, name)| named(place, name)).collect();
                // A text that is none of the names: longer than each of them.
                let length = self.names.iter().map(|name| name.len()).max().unwrap_or(0) + 1;
                let other = Val::Text("~".repeat(length).into());
                all.push(one(self.names.len(), "any other text".to_owned(), other));
                all
            }
            _ => (0..=self.cuts.len())
                .filter_map(|stretch| {
                    let low = stretch.checked_sub(1).and_then(|before| self.cuts.get(before)).copied();
                    let ends = (low, self.cuts.get(stretch).copied());
                    let sample = between(ends.0, ends.1, ty)?;
                    let value = Val::from_ordinal(sample, ty)?;
                    Some(Stretch { rows: rows(stretch), sample: show(sample, ty), value, ends })
                })
                .collect(),
        }
    }
}

/// Where each bitmap starts, and the words of them all.
type Shared = (Box<[u32]>, Box<[u64]>);

/// Keeps equal bitmaps once.
fn shared(bitmaps: &[u64], row_words: usize) -> Option<Shared> {
    let mut known: HashMap<&[u64], u32> = HashMap::new();
    let mut words = Vec::new();
    let mut starts = Vec::new();
    for bitmap in bitmaps.chunks(row_words.max(1)) {
        let start = match known.get(bitmap) {
            Some(start) => *start,
            None => {
                let start = u32::try_from(words.len()).ok()?;
                words.extend_from_slice(bitmap);
                known.insert(bitmap, start);
                start
            }
        };
        starts.push(start);
    }
    Some((starts.into(), words.into()))
}

/// The cuts as integers, where they fit with room to spare.
fn ints(cuts: &[Cut]) -> Option<Lookup> {
    let scale = cuts.iter().map(|cut| cut.at.normalize().scale()).max().unwrap_or(0);
    let keys = cuts.iter().map(|cut| {
        let at = cut.at.normalize();
        let units = at.mantissa().checked_mul(10_i128.checked_pow(scale - at.scale())?)?;
        // Two bits to spare: the doubling, and keys of values beyond the outermost cut.
        let units = i64::try_from(units).ok().filter(|units| units.unsigned_abs() < 1 << 61)?;
        Some(units * 2 + i64::from(cut.after))
    });
    Some(Lookup::Ints { scale, keys: keys.collect::<Option<Box<[i64]>>>()? })
}

/// The key of a value: greater than or equal to those of the cuts that it has passed. What lies between two units has the
/// odd key above the lower one.
#[inline]
fn key(at: Decimal, scale: u32) -> i64 {
    let own = at.scale();
    let mantissa = at.mantissa();
    if own <= scale
        && let Some(factor) = POWERS.get((scale - own) as usize)
        && let Ok(small) = i64::try_from(mantissa)
        && let Some(units) = small.checked_mul(*factor)
        && units.unsigned_abs() < 1 << 61
    {
        return units * 2;
    }
    rare_key(mantissa, own, scale)
}

const POWERS: [i64; 12] = {
    let mut powers = [1_i64; 12];
    let mut place = 1;
    while place < powers.len() {
        powers[place] = powers[place - 1] * 10;
        place += 1;
    }
    powers
};

#[cold]
fn rare_key(mantissa: i128, own: u32, scale: u32) -> i64 {
    let beyond = if mantissa < 0 { i64::MIN } else { i64::MAX };
    let doubled = |units: i128, odd: bool| {
        let key = units.checked_mul(2).and_then(|units| units.checked_add(i128::from(odd)));
        key.and_then(|key| i64::try_from(key).ok()).unwrap_or(beyond)
    };
    if own <= scale {
        let factor = 10_i128.checked_pow(scale - own);
        return factor.and_then(|factor| mantissa.checked_mul(factor)).map_or(beyond, |units| doubled(units, false));
    }
    match 10_i128.checked_pow(own - scale) {
        Some(divisor) => doubled(mantissa.div_euclid(divisor), mantissa.rem_euclid(divisor) != 0),
        None => beyond,
    }
}

/// FNV-1a: short names, and only the table's author chooses what is stored.
#[derive(Clone, Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_the_fast_path_are_found_too() {
        let (low, high) = (Decimal::new(15, 1), Decimal::from(10));
        let domain = Domain::Ordered {
            from_start: false,
            cuts: vec![Cut { at: low, after: false }, Cut { at: high, after: true }],
        };
        let column = Column::build(&Type::Decimal, std::slice::from_ref(&domain), 1, 100).unwrap();
        for text in [
            "-79228162514264337593543950335",
            "79228162514264337593543950335",
            "1.4999999999999999999999999999",
            "1.5000000000000000000000000000",
            "1.50000000000000000000000001",
            "10.0000",
            "10.00000000000000001",
            "-0.00",
        ] {
            let value = Val::Num(text.parse().unwrap());
            assert_eq!(column.bitmap(&value, 1)[0] == 1, domain.contains(&value), "{text}");
        }
    }

    #[test]
    fn a_column_that_would_be_too_large_is_not_built() {
        let domains = vec![Domain::Names { except: false, names: ["a".into()].into() }; 640];
        assert!(Column::build(&Type::Text, &domains, 10, 10).is_none());
    }
}
