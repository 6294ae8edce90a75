//! Keeping the rules in step with those of other nodes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use super::limiter::Inner;
use super::rules;
use super::store::Changes;
use crate::breaker::BreakerState;
use crate::error::Result;

/// Looks once, and takes over what is newer. Rules that the store has lost are put back.
pub(super) async fn look(inner: &Inner) -> Result<()> {
    let mine = inner.version();
    let book = inner.within(inner.store.book(inner.node, mine)).await?;
    inner.nodes.store(book.nodes.max(1), Ordering::Relaxed);
    if book.version > mine {
        let rules = rules::read(&book.text)?;
        inner.apply(book.version, &rules);
        info!(version = book.version, "rate limits changed");
    } else if book.version < mine {
        let text = {
            let rules = inner.rules.load();
            rules::write(rules.shared.iter())?
        };
        // Whoever is first puts them back; under a higher version, so that everybody agrees on what it says.
        if let Some(version) = inner.within(inner.store.replace(book.version, mine, &text)).await? {
            let shared = inner.rules.load().shared.clone();
            inner.apply(version, &shared);
            warn!(version, "the store had lost the rate limits; they were put back");
        }
    }
    Ok(())
}

/// Looks every so often and whenever a change is announced, and hands counts to the facade `metrics`; until the limiter is
/// dropped.
pub(super) fn spawn(inner: &Arc<Inner>, poll: Option<Duration>) {
    tokio::spawn(report(Arc::downgrade(inner)));
    if let Some(poll) = poll {
        tokio::spawn(follow(Arc::downgrade(inner), poll));
    }
}

async fn report(inner: Weak<Inner>) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        let rules = inner.rules.load();
        for live in rules.live.values() {
            live.stats.report(live.rule.name());
        }
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
        gauge!("nebula_rate_limit_rules_version").set(rules.version as f64);
        let open = inner.breaker.state() != BreakerState::Closed;
        gauge!("nebula_rate_limit_breaker_open").set(f64::from(u8::from(open)));
    }
}

async fn follow(inner: Weak<Inner>, poll: Duration) {
    let mut changes: Option<Changes> = None;
    let mut failing = false;
    loop {
        if changes.is_none() {
            let Some(store) = inner.upgrade().map(|inner| Arc::clone(&inner.store)) else { return };
            changes = store.watch().await.ok();
        }
        let heard = async {
            match &mut changes {
                Some(stream) => stream.next().await.is_some(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            alive = heard => if !alive {
                changes = None;
                sleep(poll).await;
            },
            () = sleep(poll) => {}
        }
        let Some(inner) = inner.upgrade() else { return };
        match look(&inner).await {
            Ok(()) => failing = false,
            // Once, not every second.
            Err(error) if !failing => {
                failing = true;
                warn!(%error, "cannot look for changed rate limits; those known stay in force");
            }
            Err(_) => {}
        }
    }
}
