//! Values and leases in one map.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::store::{Begun, Fill, Lease, Loader, StoreKey};

#[derive(Debug, Default)]
pub(super) struct Values {
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_key: HashMap<StoreKey, Slot>,
    /// When everything that has ended is thrown out next: after as many writes as there are slots.
    writes_left: usize,
}

#[derive(Debug, Default)]
struct Slot {
    value: Option<(Bytes, Instant)>,
    lease: Option<(Loader, Instant)>,
}

impl Slot {
    fn is_over(&self, now: Instant) -> bool {
        let ends = [self.value.as_ref().map(|it| it.1), self.lease.map(|it| it.1)];
        ends.iter().flatten().all(|end| *end <= now)
    }

    fn value(&self, now: Instant) -> Option<Bytes> {
        self.value.as_ref().filter(|(_, end)| *end > now).map(|(value, _)| value.clone())
    }
}

impl Slots {
    fn slot(&mut self, key: &StoreKey, now: Instant) -> &mut Slot {
        match self.writes_left.checked_sub(1) {
            Some(left) => self.writes_left = left,
            None => {
                self.by_key.retain(|_, slot| !slot.is_over(now));
                self.writes_left = self.by_key.len() + 64;
            }
        }
        self.by_key.entry(key.clone()).or_default()
    }
}

impl Values {
    pub(super) fn entries(&self) -> usize {
        let now = Instant::now();
        let slots = self.slots.lock();
        let live = |end: Option<Instant>| usize::from(end.is_some_and(|end| end > now));
        let count = |slot: &Slot| live(slot.value.as_ref().map(|it| it.1)) + live(slot.lease.map(|it| it.1));
        slots.by_key.values().map(count).sum()
    }

    pub(super) fn get(&self, key: &StoreKey, touch: Option<Duration>) -> Option<Bytes> {
        let now = Instant::now();
        let mut slots = self.slots.lock();
        let slot = slots.by_key.get_mut(key)?;
        let value = slot.value(now)?;
        if let (Some(time), Some((_, end))) = (touch, &mut slot.value) {
            *end = now + time.max(Duration::from_millis(1));
        }
        Some(value)
    }

    pub(super) fn begin(&self, key: &StoreKey, loader: Loader, lease: Duration) -> Begun {
        let now = Instant::now();
        let mut slots = self.slots.lock();
        let slot = slots.slot(key, now);
        let granted = match slot.lease {
            Some((holder, end)) if end > now && holder != loader => Lease::Busy(end - now),
            _ => {
                slot.lease = Some((loader, now + lease));
                Lease::Granted
            }
        };
        Begun { value: slot.value(now), lease: granted }
    }

    pub(super) fn renew(&self, key: &StoreKey, loader: Loader, lease: Duration) -> bool {
        let now = Instant::now();
        let mut slots = self.slots.lock();
        let Some(Slot { lease: Some((holder, end)), .. }) = slots.by_key.get_mut(key) else { return false };
        let holds = *holder == loader && *end > now;
        if holds {
            *end = now + lease;
        }
        holds
    }

    pub(super) fn fill(&self, fill: &Fill) -> bool {
        let now = Instant::now();
        let mut slots = self.slots.lock();
        let slot = slots.slot(&fill.key, now);
        let holds = slot.lease.take_if(|(holder, end)| *holder == fill.loader && *end > now).is_some();
        if holds {
            slot.value = Some((fill.value.clone(), now + fill.ttl));
        }
        holds
    }

    pub(super) fn abandon(&self, key: &StoreKey, loader: Loader, back_off: Duration) {
        let now = Instant::now();
        if let Some(Slot { lease: Some((holder, end)), .. }) = self.slots.lock().by_key.get_mut(key)
            && *holder == loader
        {
            // Nobody has it, but it is not to be had yet.
            *holder = Loader::random();
            *end = now + back_off;
        }
    }

    pub(super) fn put(&self, key: &StoreKey, value: Bytes, ttl: Duration) {
        let now = Instant::now();
        let mut slots = self.slots.lock();
        let slot = slots.slot(key, now);
        *slot = Slot { value: Some((value, now + ttl)), lease: None };
    }

    pub(super) fn evict(&self, key: &StoreKey) {
        self.slots.lock().by_key.remove(key);
    }
}
