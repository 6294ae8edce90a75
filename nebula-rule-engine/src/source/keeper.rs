//! Keeps an engine at what its source says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rust_decimal::Decimal;
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::JoinHandle;

use super::{Loaded, RuleSource};
use crate::engine::{Published, RuleEngine};
use crate::error::{Error, ErrorKind, Result};
use crate::recorder::Recorder;
use crate::set::{Shadow, Version};

/// How often a source is asked.
const INTERVAL: Duration = Duration::from_secs(5);

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
    shared: Arc<Shared>,
}

struct Shared {
    /// The tag of what was seen last, also if it was refused. Held during a reload.
    seen: AsyncMutex<Option<String>>,
    status: Mutex<RuleStatus>,
}

/// How rules are being kept up to date.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleStatus {
    /// The rules in force.
    pub version: Version,
    /// Why the source's rules are not those in force; nothing if they are.
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
        let Loaded::Document(document) = source.load(None).await? else {
            return Err(Error::new(ErrorKind::Unavailable, "the source gives no document"));
        };
        let engine = RuleEngine::new(&document.parse()?)?;
        let status = RuleStatus { version: engine.current().version().clone(), problem: None, reloads: 0, failures: 0 };
        let shared = Shared { seen: AsyncMutex::new(Some(document.tag)), status: Mutex::new(status) };
        Ok(Self { source: Arc::new(source), engine, interval: INTERVAL, shadow: None, shared: Arc::new(shared) })
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
    pub const fn with_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
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

    /// The engine. Clones of it follow the source, too.
    #[must_use]
    pub const fn engine(&self) -> &RuleEngine {
        &self.engine
    }

    /// What is in force, and what keeps the source's rules from being it.
    #[must_use]
    pub fn status(&self) -> RuleStatus {
        RuleStatus { version: self.engine.current().version().clone(), ..self.shared.status.lock().clone() }
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
    /// Dropping the future leaves the old or the new rules in force.
    pub async fn reload(&self) -> Result<Reload> {
        let mut seen = self.shared.seen.lock().await;
        let loaded = self.source.load(seen.as_deref()).await.map(|loaded| match loaded {
            Loaded::Unchanged => None,
            Loaded::Document(document) => Some(document),
        });
        let result = match loaded {
            Ok(None) => return Ok(Reload::Unchanged),
            Ok(Some(document)) => {
                *seen = Some(document.tag.clone());
                self.exchange(document).await
            }
            Err(error) => Err(error),
        };
        self.note(&result);
        result
    }

    /// Compiling and testing are work for a thread of their own, not for the one that serves requests.
    async fn exchange(&self, document: super::Document) -> Result<Reload> {
        let (engine, shadow) = (self.engine.clone(), self.shadow.clone());
        let work = tokio::task::spawn_blocking(move || {
            let def = document.parse()?;
            let Some((recorder, max_percent)) = shadow else {
                let set = engine.publish(&def)?;
                return Ok(Reload::InForce { version: set.version().clone(), shadow: None });
            };
            let recorded = recorder.recorded();
            match engine.publish_after_shadow(&def, recorded.iter().map(AsRef::as_ref), max_percent)? {
                Published::InForce(shadow) => {
                    Ok(Reload::InForce { version: shadow.version.clone(), shadow: Some(shadow) })
                }
                Published::Refused(shadow) => Ok(Reload::Refused(shadow)),
            }
        });
        work.await.map_err(|error| super::unavailable("exchanging rules", error))?
    }

    fn note(&self, result: &Result<Reload>) {
        let mut status = self.shared.status.lock();
        let outcome = match result {
            Ok(Reload::Unchanged) => return,
            Ok(Reload::InForce { version, .. }) => {
                tracing::info!(%version, "new rules are in force");
                status.reloads += 1;
                status.problem = None;
                "in-force"
            }
            Ok(Reload::Refused(shadow)) => {
                let change = shadow.percent().unwrap_or_default().round_dp(2);
                let told = format!(
                    "refused: of {} recorded prices {} change and {} fail, {} becomes {} ({change} %)",
                    shadow.decisions, shadow.changed, shadow.failed, shadow.before, shadow.after
                );
                tracing::warn!(problem = told, "new rules are refused; the old ones stay in force");
                status.problem = Some(told);
                status.failures += 1;
                "refused"
            }
            Err(error) => {
                tracing::warn!(%error, "new rules cannot be used; the old ones stay in force");
                status.problem = Some(error.to_string());
                status.failures += 1;
                "failed"
            }
        };
        metrics::counter!("nebula_rules_reloads_total", "outcome" => outcome).increment(1);
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
