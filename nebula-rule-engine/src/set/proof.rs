//! A price that can be checked again, years later.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::def::{TestDef, TestLine, short_enough};
use super::{Basket, Detail, Line, Priced, RuleSet, Version};
use crate::budget::{Budget, Meter};
use crate::error::{Error, ErrorKind, Problem, Result};
use crate::facts::Facts;
use crate::money::Money;
use crate::schema::Schema;

/// The form of proofs that this version writes and reads.
const FORMAT: u32 = 1;

/// Everything that went into a price and everything that came out. [`replay`](Self::replay) computes it anew and compares
/// byte for byte.
///
/// It says that the rules of this version give this price for this input. It does not say who made it: sign
/// [`to_bytes`](Self::to_bytes) where that matters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PriceProof {
    format: u32,
    rule_set: String,
    version: Version,
    facts: serde_json::Value,
    lines: Vec<ProofLine>,
    priced: Priced,
}

/// A line of the basket in a proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProofLine {
    /// The line.
    pub id: String,
    /// The price of a unit.
    pub price: Money,
    /// How many.
    pub quantity: u32,
    /// Its facts, with defaults filled in.
    pub facts: serde_json::Value,
}

impl Line {
    /// Its facts under the schema of the rules.
    pub(crate) fn checked(&self, schema: &std::sync::Arc<Schema>) -> Result<Facts> {
        let mut builder = schema.facts();
        if !self.json.is_null() {
            builder = builder.json(&self.json).map_err(|error| error.at(format_args!("line `{}`", self.id)))?;
        }
        for (name, value) in &self.facts {
            builder = builder.set(name, value.clone());
        }
        builder.build().map_err(|error| error.at(format_args!("line `{}`", self.id)))
    }
}

impl RuleSet {
    /// Prices `basket` and writes down everything that is needed to do it again.
    ///
    /// # Errors
    ///
    /// As [`price`](Self::price).
    pub fn prove(&self, facts: &Facts, basket: &Basket, meter: &mut Meter) -> Result<PriceProof> {
        let priced = self.price(facts, basket, meter, Detail::Fired)?;
        let mut lines = Vec::with_capacity(basket.lines().len());
        for line in basket.lines() {
            let (id, facts) = (line.id.clone(), line.checked(&self.line_facts)?.to_json());
            lines.push(ProofLine { id, price: line.price, quantity: line.quantity, facts });
        }
        let (rule_set, version) = (self.def.name.clone(), self.version.clone());
        Ok(PriceProof { format: FORMAT, rule_set, version, facts: facts.to_json(), lines, priced })
    }

    /// Runs the tests of the definition.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TestFailed`] with every test that fails, and how.
    pub fn test(&self) -> Result<()> {
        let mut problems = Vec::new();
        for test in &self.def.tests {
            if let Err(message) = self.test_one(test) {
                problems.push(Problem::error(format!("tests.{}", test.name), message));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        let context = format!("rule set `{}`: {} of {} tests", self.def.name, problems.len(), self.def.tests.len());
        Err(Error::new(ErrorKind::TestFailed, context).with_problems(problems))
    }

    fn test_one(&self, test: &TestDef) -> std::result::Result<(), String> {
        let none = serde_json::Value::Object(serde_json::Map::new());
        let facts = if test.facts.is_null() { &none } else { &test.facts };
        let facts = self.schema.facts_from_json(facts).map_err(|error| error.to_string())?;
        let line = |it: &TestLine| Line::new(it.id.clone(), it.price, it.quantity).with_json(it.facts.clone());
        let basket = Basket::new(test.lines.iter().map(line));
        let mut meter = Budget::default().with_deadline(None).start();
        let priced = self.price(&facts, &basket, &mut meter, Detail::Fired).map_err(|error| error.to_string())?;
        if priced.total != test.total {
            return Err(format!("costs {} and not {} ({})", priced.total, test.total, priced.fired().join(", ")));
        }
        if let Some(wanted) = &test.fired {
            let (mut wanted, mut fired): (Vec<&str>, _) = (wanted.iter().map(String::as_str).collect(), priced.fired());
            wanted.sort_unstable();
            fired.sort_unstable();
            if fired != wanted {
                return Err(format!("fired {} and not {}", fired.join(", "), wanted.join(", ")));
            }
        }
        Ok(())
    }
}

impl PriceProof {
    /// The price that it proves.
    #[must_use]
    pub const fn priced(&self) -> &Priced {
        &self.priced
    }

    /// The version of the rules that it was made with.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// The one form of it: JSON without spaces, fields in a fixed order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`], which is out of reach: everything in it can be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|error| Error::new(ErrorKind::Invalid, "a proof").with_source(error))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProofMismatch`] for what is no proof, or one of a later form; [`ErrorKind::TooLarge`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let no_proof =
            |error: &dyn std::fmt::Display| Error::new(ErrorKind::ProofMismatch, format!("no proof: {error}"));
        let text = std::str::from_utf8(bytes).map_err(|error| no_proof(&error))?;
        short_enough(text)?;
        let proof: Self = serde_json::from_str(text).map_err(|error| no_proof(&error))?;
        if proof.format != FORMAT {
            return Err(no_proof(&format_args!("it has the form {}, and {FORMAT} is known", proof.format)));
        }
        Ok(proof)
    }

    /// The SHA-256 of [`to_bytes`](Self::to_bytes) in hexadecimal, to be kept with an order.
    ///
    /// # Errors
    ///
    /// As [`to_bytes`](Self::to_bytes).
    pub fn digest(&self) -> Result<String> {
        let mut text = String::new();
        for byte in Sha256::digest(self.to_bytes()?) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }

    /// What went into the price, under the schema of `set`.
    pub(super) fn input(&self, set: &RuleSet) -> Result<(Facts, Basket)> {
        let facts = set.schema.facts_from_json(&self.facts)?;
        let line = |it: &ProofLine| Line::new(it.id.clone(), it.price, it.quantity).with_json(it.facts.clone());
        Ok((facts, Basket::new(self.lines.iter().map(line))))
    }

    /// Computes the price anew with `set`, which has to be of the proof's version.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ProofMismatch`] if the version is another, the input is not one for these rules, or anything comes out
    /// differently, with the first difference; those of the budget, since a proof may come from anywhere.
    pub fn replay(&self, set: &RuleSet, meter: &mut Meter) -> Result<()> {
        let mismatch = |context: String| Error::new(ErrorKind::ProofMismatch, context);
        if self.version != set.version || self.rule_set != set.def.name {
            return Err(mismatch(format!("made with version {}, and this is {}", self.version, set.version)));
        }
        let (facts, basket) = self.input(set).map_err(|error| mismatch(format!("its facts: {error}")))?;
        let again = match set.prove(&facts, &basket, meter) {
            Err(error) if error.is_budget() => return Err(error),
            again => again.map_err(|error| mismatch(format!("it cannot be computed: {error}")))?,
        };
        let (own, again) = (self.to_bytes()?, again.to_bytes()?);
        if own == again {
            return Ok(());
        }
        let at = own.iter().zip(&again).take_while(|(one, other)| one == other).count();
        let around = |bytes: &[u8]| {
            let (from, to) = (at.saturating_sub(24), (at + 40).min(bytes.len()));
            String::from_utf8_lossy(&bytes[from.min(to)..to]).into_owned()
        };
        Err(mismatch(format!("byte {at}: the proof says `{}`, the rules `{}`", around(&own), around(&again))))
    }
}
