//! From configuration to rules that are kept up to date.

mod duration;
mod source;

use std::borrow::Cow;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::Deserialize;

use self::source::SourceSection;
use crate::budget::Budget;
use crate::engine::{OnBounds, OnBudget, RuleEngine};
use crate::error::{Error, ErrorKind, Result};
use crate::money::decimal;
use crate::recorder::Recorder;
use crate::set::{Detail, RuleSetDef};
use crate::source::{RuleKeeper, RuleSource};
use crate::text::Source;

/// The section `nebula.rule-engine` of an application's configuration. Unknown keys are refused; durations are text such as
/// `"50ms"` or integers in milliseconds.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `source.file` | | the path of a file in JSON, or YAML by its name |
/// | `source.http.url` | | an address that gives the rules (feature `http`) |
/// | `source.http.token`, `.timeout`, `.format` | none, 10 s, by the path | bearer token; time for a request; `json` or `yaml` |
/// | `source.sqlite`, `source.postgres`, `source.mysql`: `url`, `name`, `max-connections` | –, –, 2 | the version in force of the rules `name` in a database (features of these names); its tables are made if they are missing |
/// | `reload-interval` | 5 s | how often the source is asked |
/// | `budget.deadline` | 50 ms | longest time of one evaluation |
/// | `budget.cells`, `.depth`, `.list-length` | 1,000,000, 64, 10,000 | most steps, levels and elements of one evaluation |
/// | `on-budget` | `fail` | what a price is when the budget is used up: `fail`, or `list-price` |
/// | `on-bounds` | `hold` | what floor and cap have to be proven to publish rules: `hold` (nothing), `refuse-broken`, `refuse-unproven` |
/// | `detail` | `fired` | how much of the way to a price is written down: `off`, `fired`, `full` |
/// | `cache` | 0 | how many prices are remembered |
/// | `shadow.prices`, `.every` | 0, 1 | how many of the latest prices, and one of how many, new rules are tried on before they serve; 0: none |
/// | `shadow.max-percent` | 5 | by how much they may change the revenue of these in either direction |
///
/// ```
/// use nebula_rule_engine::RuleEngineConfig;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let folder = std::env::temp_dir().join(format!("rules-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("prices.json");
/// std::fs::write(&path, r#"{ "name": "shop", "currency": "CNY", "phases": [{ "id": "p", "groups": [] }] }"#)?;
/// let config: RuleEngineConfig = serde_json::from_value(serde_json::json!({
///     "source": { "file": path }, "reload-interval": "1s", "budget": { "deadline": "20ms" },
/// }))?;
/// let keeper = config.connect().await?;
/// let watch = keeper.watch();
/// assert_eq!(keeper.engine().current().definition().name, "shop");
/// watch.shutdown().await;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleEngineConfig {
    source: SourceSection,
    #[serde(deserialize_with = "duration::optional")]
    reload_interval: Option<Duration>,
    budget: BudgetSection,
    on_budget: OnBudget,
    on_bounds: OnBounds,
    detail: Detail,
    cache: usize,
    shadow: ShadowSection,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct BudgetSection {
    #[serde(deserialize_with = "duration::optional")]
    deadline: Option<Duration>,
    cells: Option<u64>,
    depth: Option<u32>,
    list_length: Option<usize>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct ShadowSection {
    prices: usize,
    every: Option<u32>,
    /// Text, or a whole number: floating-point numbers are refused here as well.
    max_percent: Option<Source>,
}

impl ShadowSection {
    fn max_percent(&self) -> Result<Decimal> {
        let Some(text) = &self.max_percent else { return Ok(Decimal::from(5)) };
        let no_number = |error: Error| invalid(format!("`shadow.max-percent`: {}", error.context()));
        let percent = decimal(text.as_str()).map_err(no_number)?;
        if percent.is_sign_negative() && !percent.is_zero() {
            return Err(invalid("`shadow.max-percent` cannot be negative"));
        }
        Ok(percent)
    }
}

impl RuleEngineConfig {
    /// Rules in a file, with the defaults.
    #[must_use]
    pub fn file(path: impl Into<std::path::PathBuf>) -> Self {
        Self { source: SourceSection::file(path.into()), ..Self::default() }
    }

    /// What one evaluation may cost.
    #[must_use]
    pub fn budget(&self) -> Budget {
        let mut budget = Budget::default();
        let section = &self.budget;
        if let Some(deadline) = section.deadline {
            budget = budget.with_deadline(Some(deadline));
        }
        if let Some(cells) = section.cells {
            budget = budget.with_cells(cells);
        }
        if let Some(depth) = section.depth {
            budget = budget.with_depth(depth);
        }
        if let Some(elements) = section.list_length {
            budget = budget.with_list_length(elements);
        }
        budget
    }

    /// Loads the rules of the source and puts them in force. They are kept up to date from the first
    /// [`RuleKeeper::watch`] on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for values that cannot work and sources that are not compiled in, and as [`RuleKeeper::open`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what was opened; tables that were missing may have been made.
    pub async fn connect(&self) -> Result<RuleKeeper> {
        self.check()?;
        self.connect_with(self.source.open().await?).await
    }

    /// The same with a source that the application brings; `source` is ignored.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is harmless.
    pub async fn connect_with(&self, source: impl RuleSource) -> Result<RuleKeeper> {
        self.check()?;
        let config = self.clone();
        let mut keeper = RuleKeeper::load(source, move |def| config.engine(def)).await?;
        if let Some(interval) = self.reload_interval {
            keeper = keeper.with_interval(interval);
        }
        if self.shadow.prices > 0 {
            let recorder = Recorder::new(self.shadow.prices).every(self.shadow.every.unwrap_or(1));
            keeper = keeper.with_shadow(recorder, self.shadow.max_percent()?);
        }
        Ok(keeper)
    }

    fn engine(&self, def: &RuleSetDef) -> Result<RuleEngine> {
        let engine = RuleEngine::new(def)?.with_on_bounds(self.on_bounds);
        if self.on_bounds != OnBounds::Hold {
            // What is asked of later rules is asked of the first ones, too.
            engine.dry_run(def)?;
        }
        let engine = engine.with_budget(self.budget()).with_on_budget(self.on_budget).with_detail(self.detail);
        Ok(if self.cache == 0 { engine } else { engine.with_cache(self.cache) })
    }

    fn check(&self) -> Result<()> {
        let budget = &self.budget;
        let zero = [self.reload_interval, budget.deadline].into_iter().flatten().any(|time| time.is_zero());
        if zero || budget.cells == Some(0) || budget.depth == Some(0) || budget.list_length == Some(0) {
            return Err(invalid("`reload-interval` and the limits of `budget` have to be above zero"));
        }
        self.shadow.max_percent()?;
        self.source.check()
    }
}

fn invalid(what: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Invalid, what).at("`nebula.rule-engine`")
}
