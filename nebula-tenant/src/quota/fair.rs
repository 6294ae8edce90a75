//! Turns. Tenants that wait form a ring, and each place that becomes free goes to the next tenant in it, to the one of its
//! requests that has waited for longest (deficit round robin with equal weights; Shreedhar and Varghese, 1995).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Quota;
use crate::id::TenantId;

/// From so many tenants on, those that do nothing are forgotten.
const REMEMBERED: usize = 10_000;

#[derive(Clone)]
pub(super) struct Fair {
    shared: Arc<Shared>,
}

struct Shared {
    at_once: usize,
    waiting: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: usize,
    tenants: HashMap<TenantId, Tenant>,
    /// Tenants with requests that wait for nothing but a place.
    ring: VecDeque<TenantId>,
}

#[derive(Default)]
struct Tenant {
    running: u32,
    most: Option<u32>,
    waiting: VecDeque<oneshot::Sender<Permit>>,
    in_ring: bool,
    /// When all requests so far would have come at the allowed pace (GCRA's theoretical arrival time).
    due: Option<Instant>,
}

/// A place at work. Dropped, it goes to the next one.
pub struct Permit {
    place: Option<(Arc<Shared>, TenantId)>,
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some((shared, tenant)) = self.place.take() {
            let mut state = shared.state();
            state.running -= 1;
            if let Some(own) = state.tenants.get_mut(&tenant) {
                own.running -= 1;
            }
            state.line_up(&tenant);
            shared.next(&mut state);
        }
    }
}

impl Fair {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        Self { shared: Arc::new(Shared { at_once, waiting, state: Mutex::default() }) }
    }

    pub(super) fn at_once(&self) -> usize {
        self.shared.at_once
    }

    /// Counts a request, or says when it may come.
    pub(super) fn request(&self, tenant: &TenantId, quota: &Quota) -> Result<(), Duration> {
        let Some(rate) = quota.requests_per_second else { return Ok(()) };
        let each = Duration::from_secs(1) / rate.max(1);
        // The first one is not saved up.
        let saved = each * quota.burst.unwrap_or(rate).max(1).saturating_sub(1);
        let now = Instant::now();
        let mut state = self.shared.state();
        state.forget_idle(now);
        let own = state.tenants.entry(tenant.clone()).or_default();
        let due = own.due.map_or(now, |due| due.max(now));
        let early = due.saturating_duration_since(now);
        if rate == 0 || early > saved {
            return Err(if rate == 0 { Duration::MAX } else { early.saturating_sub(saved) });
        }
        own.due = Some(due + each);
        Ok(())
    }

    /// Gets in line; `None` if too many of the tenant's are.
    pub(super) fn queue(&self, tenant: &TenantId, most: Option<u32>) -> Option<oneshot::Receiver<Permit>> {
        let mut state = self.shared.state();
        let own = state.tenants.entry(tenant.clone()).or_default();
        own.most = most;
        // Those who gave up make room.
        own.waiting.retain(|waiting| !waiting.is_closed());
        if own.waiting.len() >= self.shared.waiting || most == Some(0) {
            return None;
        }
        let (turn, gets) = oneshot::channel();
        own.waiting.push_back(turn);
        state.line_up(tenant);
        self.shared.next(&mut state);
        Some(gets)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free places to those whose turn it is.
    fn next(self: &Arc<Self>, state: &mut State) {
        while state.running < self.at_once {
            let Some(tenant) = state.ring.pop_front() else { return };
            let Some(own) = state.tenants.get_mut(&tenant) else { continue };
            own.in_ring = false;
            while let Some(turn) = own.waiting.pop_front() {
                let permit = Permit { place: Some((Arc::clone(self), tenant.clone())) };
                match turn.send(permit) {
                    Ok(()) => {
                        own.running += 1;
                        state.running += 1;
                        break;
                    }
                    // Whoever waited is gone. The permit was never counted.
                    Err(mut permit) => drop(permit.place.take()),
                }
            }
            state.line_up(&tenant);
        }
    }
}

impl State {
    /// Puts a tenant at the end of the ring, if it waits for nothing but a place.
    fn line_up(&mut self, tenant: &TenantId) {
        let Some(own) = self.tenants.get_mut(tenant) else { return };
        if !own.in_ring && !own.waiting.is_empty() && own.most.is_none_or(|most| own.running < most) {
            own.in_ring = true;
            self.ring.push_back(tenant.clone());
        }
    }

    fn forget_idle(&mut self, now: Instant) {
        if self.tenants.len() >= REMEMBERED {
            self.tenants.retain(|_, own| {
                own.running > 0 || !own.waiting.is_empty() || own.in_ring || own.due.is_some_and(|due| due > now)
            });
        }
    }
}
