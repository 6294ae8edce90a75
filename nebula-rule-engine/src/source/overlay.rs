//! Rules of one tenant on top of those of all.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Problem, Result};
use crate::set::{PhaseDef, RuleDef, RuleSetDef, TestDef, short_enough};
use crate::table::TableDef;
use crate::text::Source;

/// What one tenant changes about a rule set that it shares with others.
///
/// ```
/// use nebula_rule_engine::{Overlay, RuleSetDef};
///
/// let base = RuleSetDef::from_json(r#"{ "name": "shop", "currency": "CNY", "phases": [{ "id": "p", "groups": [{ "id": "g" }] }],
///     "rules": [{ "id": "sale", "group": "g", "order": 1, "then": { "percent-off": 10 } }] }"#)?;
/// let overlay = Overlay::from_json(r#"{ "without": ["sale"], "floor": "basket.subtotal / 2",
///     "rules": [{ "id": "own", "group": "g", "order": 2, "then": { "percent-off": 30 } }] }"#)?;
/// let merged = overlay.over(&base)?;
/// assert_eq!(merged.rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["own"]);
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Overlay {
    /// Rules of the shared set that do not hold for the tenant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Rules of its own. One with the name of a shared rule takes its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleDef>,
    /// Tables of its own, or in the place of shared ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableDef>,
    /// Phases after the shared ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseDef>,
    /// Another floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<Source>,
    /// Another cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<Source>,
    /// Tests instead of the shared ones, which may not hold for the tenant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<TestDef>,
}

impl Overlay {
    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// As [`RuleSetDef::from_json`].
    pub fn from_json(text: &str) -> Result<Self> {
        short_enough(text)?;
        serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("an overlay in JSON: {error}")))
    }

    /// Reads YAML.
    ///
    /// # Errors
    ///
    /// As [`RuleSetDef::from_yaml`].
    #[cfg(feature = "yaml")]
    pub fn from_yaml(text: &str) -> Result<Self> {
        short_enough(text)?;
        serde_saphyr::from_str(text)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("an overlay in YAML: {error}")))
    }

    /// The rules of the tenant.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if it leaves out a rule that `base` does not have. What else is wrong is found when the result
    /// is compiled.
    pub fn over(&self, base: &RuleSetDef) -> Result<RuleSetDef> {
        let unknown = self.without.iter().filter(|id| !base.rules.iter().any(|rule| &rule.id == *id));
        let message = |id: &String| Problem::error("without", format!("there is no rule `{id}`"));
        let problems: Vec<Problem> = unknown.map(message).collect();
        if !problems.is_empty() {
            return Err(Error::invalid("an overlay", problems));
        }
        let mut merged = base.clone();
        let own = |id: &str| self.rules.iter().any(|rule| rule.id == id) || self.without.iter().any(|it| it == id);
        merged.rules.retain(|rule| !own(&rule.id));
        merged.rules.extend(self.rules.iter().cloned());
        merged.tables.retain(|table| !self.tables.iter().any(|own| own.id == table.id));
        merged.tables.extend(self.tables.iter().cloned());
        merged.phases.extend(self.phases.iter().cloned());
        merged.floor = self.floor.clone().or(merged.floor);
        merged.cap = self.cap.clone().or(merged.cap);
        let same = *self == Self { tests: Vec::new(), ..Self::default() };
        if !same {
            merged.tests.clone_from(&self.tests);
        }
        Ok(merged)
    }
}
