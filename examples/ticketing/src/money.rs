//! Money: integer minor units with a currency, never floating point.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{PartialSchema, ToSchema};

/// An ISO 4217 currency with two decimal places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Currency {
    /// Chinese yuan.
    CNY,
    /// Euro.
    EUR,
    /// United States dollar.
    USD,
}

impl Currency {
    /// The three-letter code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::CNY => "CNY",
            Self::EUR => "EUR",
            Self::USD => "USD",
        }
    }

    /// Reads a three-letter code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "CNY" => Some(Self::CNY),
            "EUR" => Some(Self::EUR),
            "USD" => Some(Self::USD),
            _ => None,
        }
    }
}

/// An amount of money. In JSON: `{"amount": "380.00", "currency": "CNY"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units (fen, cents).
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// The sum of all; `None` for nothing, when it overflows, or when currencies differ.
    #[must_use]
    pub fn sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().map(Some).reduce(|sum, amount| sum?.checked_add(amount?)).flatten()
    }

    /// The amount without its currency: `380.00`.
    #[must_use]
    pub fn decimal(self) -> String {
        decimal(self.minor)
    }

    /// The sum, or `None` when it overflows or the currencies differ.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        (self.currency == other.currency)
            .then(|| self.minor.checked_add(other.minor))
            .flatten()
            .map(|minor| Self { minor, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", decimal(self.minor), self.currency.code())
    }
}

pub(crate) fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    let minor = minor.unsigned_abs();
    format!("{sign}{}.{:02}", minor / 100, minor % 100)
}

/// Reads a non-negative decimal with at most two places (`380`, `380.5`, `380.00`) into minor units.
#[must_use]
pub fn parse_minor(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 2 || text.ends_with('.') {
        return None;
    }
    let cents: i64 = format!("{fraction:0<2}").parse().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(100)?.checked_add(cents)
}

#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Money, example = json!({"amount": "380.00", "currency": "CNY"}))]
#[serde(deny_unknown_fields)]
struct MoneyJson {
    /// Decimal with two places.
    amount: String,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        MoneyJson { amount: decimal(self.minor), currency: self.currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let MoneyJson { amount, currency } = MoneyJson::deserialize(deserializer)?;
        let minor = parse_minor(&amount)
            .ok_or_else(|| de::Error::custom(format_args!("`{amount}` is not an amount such as \"380.00\"")))?;
        Ok(Self { minor, currency })
    }
}

impl PartialSchema for Money {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        MoneyJson::schema()
    }
}

impl ToSchema for Money {
    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        schemas.push((Currency::name().into_owned(), Currency::schema()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_print() {
        for (text, minor) in [("380", 38_000), ("380.5", 38_050), ("380.00", 38_000), ("0.01", 1), ("0", 0)] {
            assert_eq!(parse_minor(text), Some(minor), "{text}");
        }
        for text in ["", ".5", "1.", "-1", "1.234", "1e3", "١", "99999999999999999999", " 1", "+1"] {
            assert_eq!(parse_minor(text), None, "{text}");
        }
        let price = Money { minor: 38_050, currency: Currency::CNY };
        let json = serde_json::to_string(&price).unwrap();
        assert_eq!(json, r#"{"amount":"380.50","currency":"CNY"}"#);
        assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), price);
        assert_eq!(price.to_string(), "380.50 CNY");
    }
}
