//! Money: a decimal amount with its currency.

use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};

/// A currency: three capital letters as in ISO 4217.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency with this code.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Currency`] if `code` is not three capital letters.
    pub fn new(code: &str) -> Result<Self> {
        match code.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(Error::new(ErrorKind::Currency, format!("`{code}` is no currency: three capital letters are"))),
        }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimal places its smallest unit has (ISO 4217; two where it names nothing else).
    #[must_use]
    pub const fn minor_digits(&self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF" | b"UGX"
            | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = Error;

    fn from_str(code: &str) -> Result<Self> {
        Self::new(code)
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::new(&code).map_err(serde::de::Error::custom)
    }
}

/// An amount of money. As text, `"12.50 CNY"`; amounts that differ only in trailing zeros are equal.
///
/// ```
/// use nebula_rule_engine::Money;
///
/// let price: Money = "12.50 CNY".parse()?;
/// assert_eq!(price, Money::from_minor(1250, "CNY".parse()?)?);
/// assert!("12.505 CNY".parse::<Money>()?.is_rounded() == false);
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// `amount` units of `currency`.
    #[must_use]
    pub const fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// `amount` of the smallest units of `currency`: cents, fen, yen.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Overflow`] is out of reach for 64 bits, but the conversion can say it.
    pub fn from_minor(amount: i64, currency: Currency) -> Result<Self> {
        Decimal::try_from_i128_with_scale(i128::from(amount), currency.minor_digits())
            .map(|amount| Self { amount, currency })
            .map_err(|error| Error::new(ErrorKind::Overflow, "an amount in minor units").with_source(error))
    }

    /// How much.
    #[must_use]
    pub const fn amount(&self) -> Decimal {
        self.amount
    }

    /// Of what.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Whether it can be paid: it has no fraction of the smallest unit.
    #[must_use]
    pub fn is_rounded(&self) -> bool {
        self.amount.normalize().scale() <= self.currency.minor_digits()
    }

    /// The nearest amount that can be paid.
    #[must_use]
    pub fn rounded(&self, rounding: Rounding) -> Self {
        Self { amount: rounding.apply(self.amount, self.currency.minor_digits()), ..*self }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut amount = self.amount.normalize();
        let digits = self.currency.minor_digits();
        if amount.scale() < digits {
            amount.rescale(digits);
        }
        write!(f, "{amount} {}", self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Money {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::new(ErrorKind::BadFact, format!("`{text}` is no money: write it as `12.50 CNY`"));
        let (amount, currency) = text.split_once(' ').ok_or_else(bad)?;
        Ok(Self { amount: decimal(amount).map_err(|error| bad().with_source(error))?, currency: currency.parse()? })
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How a step rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rounding {
    /// Halves away from zero: what invoices usually do.
    #[default]
    HalfUp,
    /// Halves to the even neighbour.
    HalfEven,
    /// Towards zero.
    Down,
    /// Away from zero.
    Up,
}

impl Rounding {
    /// `number` with at most `digits` decimal places.
    #[must_use]
    pub fn apply(self, number: Decimal, digits: u32) -> Decimal {
        number.round_dp_with_strategy(
            digits,
            match self {
                Self::HalfUp => RoundingStrategy::MidpointAwayFromZero,
                Self::HalfEven => RoundingStrategy::MidpointNearestEven,
                Self::Down => RoundingStrategy::ToZero,
                Self::Up => RoundingStrategy::AwayFromZero,
            },
        )
    }
}

/// A decimal from text, exactly: what does not fit into 28 digits is refused and not rounded.
pub(crate) fn decimal(text: &str) -> Result<Decimal> {
    Decimal::from_str_exact(text)
        .map_err(|error| Error::new(ErrorKind::BadFact, format!("`{text}` is no decimal number")).with_source(error))
}

/// Divides `total` over `weights` in proportion, in whole units of `10^-digits`, so that the parts add up to `total`.
///
/// Largest remainders get the units left over (Hamilton's method); equal remainders go to the earlier part. `total` has to
/// be a whole number of units. Where all weights are zero everything goes to the first part.
///
/// ```
/// use nebula_rule_engine::allocate;
/// use rust_decimal::Decimal;
///
/// let third = [Decimal::ONE; 3];
/// let parts = allocate(Decimal::new(1000, 2), &third, 2)?;
/// assert_eq!(parts, [Decimal::new(334, 2), Decimal::new(333, 2), Decimal::new(333, 2)]);
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::BadFact`] if there are no weights, one is negative, or `total` is no whole number of units;
/// [`ErrorKind::Overflow`] for numbers beyond 28 digits.
pub fn allocate(total: Decimal, weights: &[Decimal], digits: u32) -> Result<Vec<Decimal>> {
    let bad = |what| Err(Error::new(ErrorKind::BadFact, what));
    let overflow = || Error::new(ErrorKind::Overflow, "the division of an amount over lines");
    if digits > Decimal::MAX_SCALE {
        return bad("there are no units of so many decimal places");
    }
    if weights.is_empty() {
        return bad("an amount cannot be divided over nothing");
    }
    if weights.iter().any(|weight| weight.is_sign_negative() && !weight.is_zero()) {
        return bad("an amount cannot be divided by negative weights");
    }
    if total.normalize().scale() > digits {
        return bad("only whole units can be divided");
    }
    let mut units = total;
    units.rescale(digits);
    if units.scale() != digits {
        // A sum of units would lose its last digits.
        return Err(overflow());
    }
    let sum = weights.iter().try_fold(Decimal::ZERO, |sum, weight| sum.checked_add(*weight)).ok_or_else(overflow)?;
    let mut parts = vec![Decimal::ZERO; weights.len()];
    if sum.is_zero() {
        parts[0] = total;
        return Ok(parts);
    }
    let unit = Decimal::new(1, digits);
    let sign = if total.is_sign_negative() { -Decimal::ONE } else { Decimal::ONE };
    let mut left = total.abs();
    let mut remainders = Vec::with_capacity(weights.len());
    for (place, weight) in weights.iter().enumerate() {
        // Weights are scaled down first where the product would not fit; the remainders stay comparable.
        let exact = match total.abs().checked_mul(*weight) {
            Some(product) => product.checked_div(sum),
            None => weight.checked_div(sum).and_then(|share| share.checked_mul(total.abs())),
        }
        .ok_or_else(overflow)?;
        let whole = exact.trunc_with_scale(digits).min(left);
        parts[place] = whole;
        left -= whole;
        remainders.push((exact - whole, place));
    }
    remainders.sort_by(|(one, at), (other, beside)| other.cmp(one).then(at.cmp(beside)));
    // Less than one unit is left over for each part, so one round is enough; cycling guards against rounded quotients.
    for (_, place) in remainders.iter().cycle().filter(|(_, place)| !weights[*place].is_zero()) {
        if left < unit {
            break;
        }
        parts[*place] += unit;
        left -= unit;
    }
    for part in &mut parts {
        *part *= sign;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["12.50 CNY", "-3 JPY", "0.125 KWD", "1.005 CNY"] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), text);
        }
        assert_eq!("12.5 CNY".parse::<Money>().unwrap().to_string(), "12.50 CNY");
        for text in ["12.50", "12.50CNY", "12.50 cny", "1e3 CNY", " 1 CNY", "1 CNYX", "x CNY"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_equal_share_goes_to_the_earlier_line() {
        let parts = allocate(Decimal::new(-1, 2), &[Decimal::ONE, Decimal::ONE], 2).unwrap();
        assert_eq!(parts, [Decimal::new(-1, 2), Decimal::ZERO]);
    }

    #[test]
    fn what_has_no_room_for_its_units_is_refused() {
        let kind = allocate(Decimal::MAX, &[Decimal::ONE; 3], 2).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::Overflow);
        let total = Decimal::from_i128_with_scale(i128::from(u64::MAX) * i128::from(u32::MAX), 2);
        let weights = [total, total, Decimal::new(1, 2)];
        assert_eq!(allocate(total, &weights, 2).unwrap().iter().sum::<Decimal>(), total);
        assert_eq!(allocate(Decimal::MAX, &[Decimal::ONE; 3], 0).unwrap().iter().sum::<Decimal>(), Decimal::MAX);
    }

    proptest! {
        #[test]
        fn parts_add_up_and_none_is_a_unit_away_from_its_share(
            total in -10_000_000_i64..10_000_000,
            weights in proptest::collection::vec(0_i64..1_000_000, 1..40),
            digits in 0_u32..4,
        ) {
            let total = Decimal::new(total, digits);
            let weights: Vec<Decimal> = weights.into_iter().map(|weight| Decimal::new(weight, 2)).collect();
            let parts = allocate(total, &weights, digits).unwrap();
            prop_assert_eq!(parts.iter().sum::<Decimal>(), total);
            let sum: Decimal = weights.iter().sum();
            if !sum.is_zero() {
                for (part, weight) in parts.iter().zip(&weights) {
                    let share = total * weight / sum;
                    prop_assert!((part - share).abs() <= Decimal::new(1, digits), "{part} for {share}");
                    prop_assert!(!weight.is_zero() || part.is_zero());
                }
            }
        }
    }
}
