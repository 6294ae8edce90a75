//! The task that follows the invalidations of all nodes.
//!
//! Messages arrive over the channel's link; that none is missing is found out by asking for the end of the log four times
//! within the staleness bound. When the end has not been seen for three quarters of the bound, nothing that is cached here can
//! be trusted any more, and nothing is until it is seen again. The last quarter is what a busy machine may take to notice.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use crate::channel::{CatchUp, Heard, InvalidationChannel, Listening, Position, Published};
use crate::core::Core;
use crate::error::Result;
use crate::slow::Question;
use crate::telemetry;
use crate::tracker::replaces;

pub(crate) async fn run(core: Weak<Core>, channel: Arc<dyn InvalidationChannel>, bound: Duration) {
    let step = bound / 4;
    let mut ticks = interval(step);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listening: Option<Listening> = None;
    // The state before the end of the log was seen for the first time.
    let mut seen = Instant::now();
    let mut trusted = false;
    loop {
        let ends = seen + step * 3;
        // No question, and no silence, makes trust last longer.
        let patience = || (Instant::now() + step / 2).min(if trusted { ends } else { Instant::now() + step });
        let heard = tokio::select! {
            biased;
            () = sleep_until(ends), if trusted => Heard::MaybeLost,
            _ = ticks.tick() => Heard::MaybeLost,
            heard = next(&mut listening) => heard,
        };
        let Some(core) = core.upgrade() else { return };
        let known = match heard {
            Heard::Published(published) => follows(&core, &published),
            Heard::MaybeLost => false,
        };
        if !known {
            if listening.is_none() {
                listening = listen(&*channel, patience()).await;
            }
            let asked = Instant::now();
            match timeout_at(patience(), look(&core, &*channel)).await {
                Ok(Ok(())) => seen = asked,
                Ok(Err(error)) => debug!(%error, "cannot see the end of the invalidation log"),
                Err(_) => debug!("cannot see the end of the invalidation log in time"),
            }
        }
        trusted = seen.elapsed() < step * 3 && core.tracker.position().sequence_known();
        if core.tracker.set_trusted(trusted) {
            telemetry::trusted(trusted);
            if trusted {
                info!("invalidations are followed");
            } else {
                core.distrust_all();
                warn!("invalidations cannot be followed: the local level is bypassed");
            }
        }
    }
}

async fn next(listening: &mut Option<Listening>) -> Heard {
    let Some(stream) = listening else { return std::future::pending().await };
    match stream.next().await {
        Some(heard) => heard,
        None => {
            *listening = None;
            Heard::MaybeLost
        }
    }
}

async fn listen(channel: &dyn InvalidationChannel, until: Instant) -> Option<Listening> {
    match timeout_at(until, channel.listen()).await {
        Ok(Ok(listening)) => Some(listening),
        Ok(Err(error)) => {
            debug!(%error, "cannot listen to invalidations");
            None
        }
        Err(_) => None,
    }
}

/// Applies a batch if it is the next one; `false` if something is missing before it.
fn follows(core: &Core, published: &Published) -> bool {
    let position = core.tracker.position();
    if published.at == position {
        return true;
    }
    if published.after != position {
        // Old news is no loss, but what looks like old news may come from a log that lost its end.
        return published.at.epoch == position.epoch && published.at.sequence < position.sequence;
    }
    if core.tracker.is_replaced(published.at) {
        return false;
    }
    apply(core, published);
    true
}

fn apply(core: &Core, published: &Published) {
    // Versions first: who takes a mark after the marks have changed finds the new version.
    core.note(&published.batch.items, published.at);
    if published.batch.node != core.node {
        core.apply(&published.batch.items);
        core.heat(&published.batch.hot);
    }
    core.tracker.advance(published.at);
    core.tracker.seen(published.at);
    let lag = core.tracker.server_time(&core.clock).saturating_sub(published.time);
    core.tracker.set_lag(lag);
    telemetry::lag(lag);
}

/// Asks for the end of the log and catches up with it.
async fn look(core: &Core, channel: &dyn InvalidationChannel) -> Result<()> {
    let position = core.tracker.position();
    // Before the log is looked at: it has to hold what it took before.
    let ours = core.tracker.unseen();
    let before = core.clock.precise();
    let CatchUp { head, missed, time } = {
        let _watched = core.watched(Question::new("since", &[]));
        let caught_up = channel.since(position.sequence_known().then_some(position)).await?;
        match ours.filter(|ours| lacks(&caught_up, *ours)) {
            // Asked from a place that it lost, it finds that out and begins anew: nothing stored before is believed any more.
            Some(ours) => CatchUp { missed: None, ..channel.since(Some(ours)).await? },
            None => caught_up,
        }
    };
    let after = core.clock.precise();
    core.tracker.set_server_time(time, before, after);
    match missed {
        Some(missed) => {
            if !missed.is_empty() {
                telemetry::replayed(missed.len());
            }
            missed.iter().for_each(|published| apply(core, published));
        }
        None => {
            if position.sequence_known() {
                telemetry::gap();
                warn!("invalidations were lost: the local level is cleared");
            }
            core.distrust_all();
            core.tracker.forget();
            core.tracker.advance(head);
            // What was inserted between the two is older than the head.
            core.distrust_all();
        }
    }
    if ours.is_some() {
        core.tracker.seen(head);
    }
    core.tracker.confirm(before);
    Ok(())
}

/// Whether a log that took `ours` came to this without it: the server that took it died before another one had it.
fn lacks(caught_up: &CatchUp, ours: Position) -> bool {
    let CatchUp { head, missed, .. } = caught_up;
    let behind = head.epoch == ours.epoch && head.sequence < ours.sequence;
    behind || replaces(*head, ours) || missed.iter().flatten().any(|published| replaces(published.at, ours))
}
