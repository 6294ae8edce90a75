//! The replicas as the balancer sees them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use serde::Serialize;
use tokio::{sync::Notify, time::Instant};

use super::outage::{Outage, Outages};
use crate::serve::print;

/// What the last look at a replica found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Health {
    /// Nobody answers.
    Down,
    /// It answers that it cannot do everything. Better than nobody: a payment may need less than an order.
    Unready,
    /// It can work.
    Ready,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    /// A [`Health`].
    health: AtomicU8,
    /// Requests and streams in progress.
    active: AtomicUsize,
    outages: Outages,
    /// Somebody doubts that it is well.
    doubted: Notify,
}

/// Counts a request until its answer was passed on to the end.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Backend>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backend {
    pub(crate) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            2 => Health::Ready,
            1 => Health::Unready,
            _ => Health::Down,
        }
    }

    /// What a look that began at this time found, or a request.
    pub(crate) fn set(&self, health: Health, asked: Instant) {
        // First: whoever sees it ready finds the outage told.
        let over = self.outages.now(health, asked);
        let before = self.health();
        self.health.store(health as u8, Ordering::Relaxed);
        if before != health {
            tracing::info!(address = %self.address, ?before, now = ?health, "a replica changed");
        }
        if let Some(Outage { out, back, failed }) = over {
            let address = self.address;
            print(&format!(
                "{address} got no more requests {out} ms after it had ended, and again after {back} ms; {failed} were sent there in vain. \
                 · {address} 结束 {out} 毫秒后不再分到请求，{back} 毫秒后恢复；其间 {failed} 个请求落空。\n"
            ));
        }
    }

    /// A request was sent to it in vain: it is looked at before the next time would be.
    pub(crate) fn doubt(&self) {
        self.outages.failed();
        self.doubted.notify_one();
    }

    /// Waits until somebody doubts that it is well.
    pub(crate) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    pub(crate) fn last_outage(&self) -> Option<Outage> {
        self.outages.last()
    }

    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }
}

/// All replicas.
#[derive(Clone, Debug)]
pub(crate) struct Backends {
    all: Arc<[Arc<Backend>]>,
    /// Breaks ties, so that idle replicas take turns.
    turn: Arc<AtomicUsize>,
}

impl Backends {
    pub(crate) fn new(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let backend = |address| {
            Arc::new(Backend {
                address,
                health: AtomicU8::new(Health::Ready as u8),
                active: AtomicUsize::default(),
                outages: Outages::default(),
                doubted: Notify::default(),
            })
        };
        Self { all: addresses.into_iter().map(backend).collect(), turn: Arc::default() }
    }

    /// The process at this address is gone.
    pub(crate) fn ended(&self, address: SocketAddr) {
        for backend in self.all.iter().filter(|backend| backend.address == address) {
            backend.outages.ended();
        }
    }

    pub(crate) fn all(&self) -> &[Arc<Backend>] {
        &self.all
    }

    /// The one with the fewest requests in progress among the healthiest that were not tried yet.
    pub(crate) fn pick(&self, tried: &[SocketAddr]) -> Option<(Arc<Backend>, Busy)> {
        let count = self.all.len().max(1);
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        let in_turn = (0..self.all.len()).filter_map(|n| self.all.get((first + n) % count));
        let picked = in_turn
            .filter(|backend| !tried.contains(&backend.address) && backend.health() != Health::Down)
            .min_by_key(|backend| (std::cmp::Reverse(backend.health()), backend.active()))?;
        picked.active.fetch_add(1, Ordering::Relaxed);
        Some((Arc::clone(picked), Busy(Arc::clone(picked))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends() -> Backends {
        Backends::new((1..=3).map(|port| SocketAddr::from(([127, 0, 0, 1], port))))
    }

    #[test]
    fn the_least_busy_is_picked_and_idle_ones_take_turns() {
        let backends = backends();
        let held: Vec<_> = (0..6).filter_map(|_| backends.pick(&[])).collect();
        assert!(backends.all().iter().all(|backend| backend.active() == 2));
        let freed = held[4].0.address;
        let held: Vec<_> = held.into_iter().filter(|(backend, _)| backend.address != freed).collect();
        assert_eq!(backends.pick(&[]).map(|(backend, _)| backend.address), Some(freed));
        drop(held);
        assert!(backends.all().iter().all(|backend| backend.active() == 0));
    }

    #[test]
    fn the_healthiest_go_first_and_the_dead_get_nothing() {
        let backends = backends();
        let [one, two, three] = backends.all() else { panic!("three") };
        one.set(Health::Down, Instant::now());
        two.set(Health::Unready, Instant::now());
        for _ in 0..4 {
            assert_eq!(backends.pick(&[]).unwrap().0.address, three.address);
        }
        assert_eq!(backends.pick(&[three.address]).unwrap().0.address, two.address, "better than nobody");
        assert!(backends.pick(&[two.address, three.address]).is_none());
    }
}
