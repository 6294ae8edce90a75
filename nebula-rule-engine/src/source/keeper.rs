//! Keeps an engine at what its source says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rust_decimal::Decimal;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::JoinHandle;

use super::{Loaded, RuleSource, TenantRules};
use crate::engine::{Published, RuleEngine};
use crate::error::{Error, ErrorKind, Problem, Result};
use crate::recorder::Recorder;
use crate::set::{RuleSetDef, Shadow, Version};

/// How often a source is asked.
const INTERVAL: Duration = Duration::from_secs(5);
const RELOADS: &str = "nebula_rules_reloads_total";

/// Keeps a [`RuleEngine`] at what a [`RuleSource`] says.
///
/// What is new is checked, its tests are run, and it is tried on recorded prices if there are any; only then it takes the
/// place of the old rules, at once. Whatever goes wrong on the way leaves the old rules in force, and
/// [`status`](Self::status) says why.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_rule_engine::{Format, MemorySource, Reload, RuleKeeper};
///
/// let rules = |name: &str| format!(r#"{{ "name": "{name}", "currency": "CNY", "phases": [{{ "id": "p", "groups": [] }}] }}"#);
/// let source = MemorySource::new(rules("one"), Format::Json);
/// let keeper = RuleKeeper::open(source.clone()).await?;
/// let engine = keeper.engine().clone();
///
/// source.set("{ broken", Format::Json);
/// assert!(keeper.reload().await.is_err());
/// assert_eq!(engine.current().definition().name, "one");
/// assert!(keeper.status().problem.unwrap().contains("rules in JSON"));
///
/// source.set(rules("two"), Format::Json);
/// assert!(matches!(keeper.reload().await?, Reload::InForce { .. }));
/// assert_eq!((engine.current().definition().name.as_str(), keeper.status().problem), ("two", None));
/// # Ok::<_, nebula_rule_engine::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RuleKeeper {
    source: Arc<dyn RuleSource>,
    engine: RuleEngine,
    interval: Duration,
    shadow: Option<(Recorder, Decimal)>,
    tenants: Option<TenantRules>,
    shared: Arc<Shared>,
}

struct Shared {
    /// The tag of what was seen last, also if it was refused. Held during a reload, and until what it found is in force or
    /// refused, even if nobody waits for that any more: else an older document could overtake a newer one.
    seen: Arc<AsyncMutex<Option<String>>>,
    state: Mutex<State>,
}

struct State {
    status: RuleStatus,
    /// Why the document that was seen last is not in force. What keeps the source from being read is told beside it.
    refused: Option<String>,
    /// What the source put in force last.
    published: Version,
    /// The tenants whose overlays do not fit that.
    left: Vec<Problem>,
}

/// How rules are being kept up to date.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleStatus {
    /// The rules in force.
    pub version: Version,
    /// Why the source's rules are not those in force, for all or for some tenants, or cannot be read now.
    pub problem: Option<String>,
    /// How often rules were put in force since the start.
    pub reloads: u64,
    /// How often that failed or was refused since the start.
    pub failures: u64,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq)]
pub enum Reload {
    /// There is nothing new.
    Unchanged,
    /// The new rules are in force. With recorded prices, what they change.
    InForce {
        /// Their version.
        version: Version,
        /// What they would have made of recorded prices.
        shadow: Option<Shadow>,
    },
    /// The old rules are: the revenue would change by too much, or some recorded basket has no price under the new ones.
    Refused(Shadow),
}

impl fmt::Debug for RuleKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleKeeper")
            .field("source", &self.source)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl RuleKeeper {
    /// Loads the rules of `source` and puts them in force.
    ///
    /// # Errors
    ///
    /// Those of the source, and as [`RuleEngine::new`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is harmless.
    pub async fn open(source: impl RuleSource) -> Result<Self> {
        Self::load(source, RuleEngine::new).await
    }

    /// The same with an engine that `make` makes, on a thread that may block.
    pub(crate) async fn load(
        source: impl RuleSource,
        make: impl FnOnce(&RuleSetDef) -> Result<RuleEngine> + Send + 'static,
    ) -> Result<Self> {
        let Loaded::Document(document) = source.load(None).await? else {
            return Err(Error::new(ErrorKind::Unavailable, "the source gives no document"));
        };
        let tag = document.tag.clone();
        let work = tokio::task::spawn_blocking(move || make(&document.parse()?));
        let engine = work.await.map_err(|error| super::unavailable("the first rules", error))??;
        let published = engine.current().version().clone();
        let status = RuleStatus { version: published.clone(), problem: None, reloads: 0, failures: 0 };
        let state = Mutex::new(State { status, refused: None, published, left: Vec::new() });
        let shared = Shared { seen: Arc::new(AsyncMutex::new(Some(tag))), state };
        Ok(Self {
            source: Arc::new(source),
            engine,
            interval: INTERVAL,
            shadow: None,
            tenants: None,
            shared: Arc::new(shared),
        })
    }

    /// Changes the engine: its budget, its cache, what it does about bounds.
    #[must_use]
    pub fn with_engine(mut self, change: impl FnOnce(RuleEngine) -> RuleEngine) -> Self {
        self.engine = change(self.engine);
        self
    }

    /// How often [`watch`](Self::watch) asks the source; every 5 s without this. Sources that hear of changes are asked at
    /// once as well.
    #[must_use]
    pub fn with_interval(mut self, interval: Duration) -> Self {
        // A source is not asked without a pause.
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Tries new rules on what `recorder` has, and refuses them if the revenue would change by more than `max_percent` in
    /// either direction. The engine records into it.
    #[must_use]
    pub fn with_shadow(mut self, recorder: Recorder, max_percent: Decimal) -> Self {
        self.engine = self.engine.with_recorder(recorder.clone());
        self.shadow = Some((recorder, max_percent));
        self
    }

    /// Puts the overlays of `tenants`, which share the engine of this keeper, over all rules that come into force. A tenant
    /// whose overlay does not fit them keeps its old ones, and [`status`](Self::status) says so.
    #[must_use]
    pub fn with_tenants(mut self, tenants: TenantRules) -> Self {
        self.tenants = Some(tenants);
        self
    }

    /// The engine. Clones of it follow the source, too.
    #[must_use]
    pub const fn engine(&self) -> &RuleEngine {
        &self.engine
    }

    /// What is in force, and what keeps the source's rules from being it.
    #[must_use]
    pub fn status(&self) -> RuleStatus {
        let version = self.engine.current().version().clone();
        let state = self.shared.state.lock();
        let by_hand = || (version != state.published).then(|| "others were put in force by hand since".to_owned());
        let tenants = || {
            let left: Vec<String> = state.left.iter().map(|it| format!("{}: {}", it.place, it.message)).collect();
            (!left.is_empty()).then(|| format!("some tenants keep their old rules: {}", left.join("; ")))
        };
        let problem = state.status.problem.clone().or_else(by_hand).or_else(tenants);
        RuleStatus { version, problem, ..state.status }
    }

    /// Asks the source now. Rules that were refused once are not looked at again until they change; the problem stays in
    /// [`status`](Self::status).
    ///
    /// # Errors
    ///
    /// Those of the source, and as [`RuleEngine::publish`]; the rules in force stay.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rules in force, or what was loaded goes on to be checked and put in force; a reload
    /// after it comes after that.
    pub async fn reload(&self) -> Result<Reload> {
        let mut seen = Arc::clone(&self.shared.seen).lock_owned().await;
        let document = match self.source.load(seen.as_deref()).await {
            Ok(Loaded::Document(document)) => document,
            Ok(Loaded::Unchanged) => {
                let mut state = self.shared.state.lock();
                state.status.problem = state.refused.clone();
                return Ok(Reload::Unchanged);
            }
            Err(error) => {
                tracing::warn!(%error, "rules cannot be read; the old ones stay in force");
                self.failed(error.to_string());
                return Err(error);
            }
        };
        let keeper = self.clone();
        let work = tokio::spawn(async move {
            *seen = Some(document.tag.clone());
            let result = keeper.exchange(document).await;
            if result.as_ref().is_err_and(Error::is_retryable) {
                // The next look at it may end otherwise.
                *seen = None;
            }
            keeper.note(&result);
            result
        });
        work.await.map_err(|error| super::unavailable("exchanging rules", error))?
    }

    /// Compiling and testing are work for a thread of their own, not for the one that serves requests.
    async fn exchange(&self, document: super::Document) -> Result<Reload> {
        let (engine, shadow) = (self.engine.clone(), self.shadow.clone());
        let (tenants, shared) = (self.tenants.clone(), Arc::clone(&self.shared));
        let work = tokio::task::spawn_blocking(move || {
            let def = document.parse()?;
            let rebase = || {
                let left = tenants.map(|tenants| tenants.rebase()).unwrap_or_default();
                for problem in &left {
                    tracing::warn!(%problem, "a tenant keeps its old rules");
                }
                shared.state.lock().left = left;
            };
            let Some((recorder, max_percent)) = shadow else {
                let set = engine.publish(&def)?;
                rebase();
                return Ok(Reload::InForce { version: set.version().clone(), shadow: None });
            };
            let recorded = recorder.recorded();
            match engine.publish_after_shadow(&def, recorded.iter().map(AsRef::as_ref), max_percent)? {
                Published::InForce(shadow) => {
                    rebase();
                    Ok(Reload::InForce { version: shadow.version.clone(), shadow: Some(shadow) })
                }
                Published::Refused(shadow) => Ok(Reload::Refused(shadow)),
            }
        });
        work.await.map_err(|error| super::unavailable("exchanging rules", error))?
    }

    fn note(&self, result: &Result<Reload>) {
        let told = match result {
            Ok(Reload::Unchanged) => return,
            Ok(Reload::InForce { version, .. }) => {
                tracing::info!(%version, "new rules are in force");
                metrics::counter!(RELOADS, "outcome" => "in-force").increment(1);
                let mut state = self.shared.state.lock();
                state.status.reloads += 1;
                (state.status.problem, state.refused, state.published) = (None, None, version.clone());
                return;
            }
            Ok(Reload::Refused(shadow)) => {
                let change = shadow.percent().unwrap_or_default().round_dp(2);
                let told = format!(
                    "refused: of {} recorded prices {} change and {} fail, {} becomes {} ({change} %)",
                    shadow.decisions, shadow.changed, shadow.failed, shadow.before, shadow.after
                );
                tracing::warn!(problem = told, "new rules are refused; the old ones stay in force");
                metrics::counter!(RELOADS, "outcome" => "refused").increment(1);
                let mut state = self.shared.state.lock();
                state.status.failures += 1;
                state.status.problem = Some(told.clone());
                told
            }
            Err(error) => {
                tracing::warn!(%error, "new rules cannot be used; the old ones stay in force");
                self.failed(error.to_string());
                error.to_string()
            }
        };
        self.shared.state.lock().refused = Some(told);
    }

    fn failed(&self, told: String) {
        metrics::counter!(RELOADS, "outcome" => "failed").increment(1);
        let mut state = self.shared.state.lock();
        state.status.failures += 1;
        state.status.problem = Some(told);
    }

    /// Asks the source from now on, in the background, until the watch is dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[must_use]
    pub fn watch(&self) -> RuleWatch {
        let keeper = self.clone();
        let (stop, mut stopped) = watch::channel(());
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = stopped.changed() => return,
                    () = keeper.source.changed() => {}
                    () = tokio::time::sleep(keeper.interval) => {}
                }
                // What went wrong stands in the status.
                keeper.reload().await.ok();
            }
        });
        RuleWatch { stop: Some(stop), task: Some(task) }
    }
}

/// A [`RuleKeeper`] at work; it stops when this is dropped.
#[derive(Debug)]
pub struct RuleWatch {
    stop: Option<watch::Sender<()>>,
    task: Option<JoinHandle<()>>,
}

impl RuleWatch {
    /// Stops, and waits for a reload that is under way.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops it all the same.
    pub async fn shutdown(mut self) {
        self.stop = None;
        if let Some(task) = self.task.take() {
            task.await.ok();
        }
    }
}
