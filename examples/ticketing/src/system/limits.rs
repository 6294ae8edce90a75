//! How often somebody may do something, and how often it was refused.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    admission,
    api_limits::{self, Class},
    app::App,
    telemetry::Figures,
    user,
};

const DECISIONS: &str = "nebula_rate_limit_decisions_total";

/// A limit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Limit {
    /// The name of its rule.
    name: String,
    /// So many at once, or in a window.
    capacity: u64,
    /// So many come back in a window.
    count: u64,
    /// The window.
    window_ms: u64,
    /// So many come back in a window now; less than `count` while the server warms up.
    current: u64,
    /// Decisions of this process that allowed something. Counted once a second.
    allowed: u64,
    /// Those that refused it, by this rule or another one of the same request.
    refused: u64,
    /// Those that were made while the counters could not be asked.
    alone: u64,
}

pub(super) fn state(app: &App, figures: &Figures) -> Vec<Limit> {
    let mut decided: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    let decisions = figures.counters(DECISIONS);
    for decision in &decisions {
        let [allowed, refused, alone] = decided.entry(decision.label("rule")).or_default();
        *if decision.label("outcome") == "allowed" { allowed } else { refused } += decision.value;
        if ["local-share", "open", "closed"].contains(&decision.label("origin")) {
            *alone += decision.value;
        }
    }
    // Every domain has the same rules.
    let limiter = app.attempts.limiter();
    let names = user::RULES.iter().chain(&admission::limits::RULES);
    let known = names.filter_map(|name| limiter.rule(name));
    let limit = |rule: nebula_cache::rate_limit::Rule| {
        let [allowed, refused, alone] = decided.get(rule.name()).copied().unwrap_or_default();
        let quota = rule.quota();
        Limit {
            name: rule.name().to_owned(),
            capacity: quota.capacity(),
            count: quota.count(),
            window_ms: u64::try_from(quota.window().as_millis()).unwrap_or(u64::MAX),
            current: quota.count(),
            allowed,
            refused,
            alone,
        }
    };
    own(app, figures).chain(known.map(limit)).collect()
}

/// Those that the server has for itself.
fn own(app: &App, figures: &Figures) -> impl Iterator<Item = Limit> {
    let decisions = figures.counters(api_limits::DECISIONS);
    Class::ALL.into_iter().map(move |class| {
        let of = |outcome: &str| {
            let decided = decisions.iter().filter(|one| one.label("class") == class.as_str());
            decided.filter(|one| one.label("outcome") == outcome).map(|one| one.value).sum()
        };
        let limiter = app.api_limits.limiter(class);
        let quota = limiter.quota();
        Limit {
            name: class.as_str().to_owned(),
            capacity: quota.capacity(),
            count: quota.count(),
            window_ms: u64::try_from(quota.window().as_millis()).unwrap_or(u64::MAX),
            current: limiter.rate(),
            allowed: of("allowed"),
            refused: of("refused"),
            alone: 0,
        }
    })
}
