//! Shared filters in this process.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::bits::Replica;
use super::store::{BloomPlace, BloomState, BloomStore, Generation, Inserted, Since};
use crate::error::Result;
use crate::memory::MemoryShared;
use crate::store::{Lease, Loader};

/// So many insertions are remembered.
const KEPT: usize = 2000;

#[derive(Debug, Default)]
pub(crate) struct Filters(Mutex<HashMap<String, Filter>>);

#[derive(Default)]
struct Filter {
    state: BloomState,
    bits: HashMap<u64, Replica>,
    log: VecDeque<(BloomPlace, Vec<u64>)>,
    builder: Option<(Loader, Instant)>,
    aside: Vec<(u64, u64, Bytes)>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Filter {
    fn holds(&self, builder: Loader) -> bool {
        self.builder.is_some_and(|(holder, end)| holder == builder && end > Instant::now())
    }
}

#[async_trait]
impl BloomStore for MemoryShared {
    async fn since(&self, name: &str, after: Option<BloomPlace>) -> Result<(BloomState, Since)> {
        let mut filters = self.filters.0.lock();
        let filter = filters.entry(name.to_owned()).or_default();
        let place = filter.state.place;
        let since = match after {
            Some(after) if after == place => Since::Inserted(Vec::new()),
            Some(after) if after.sequence >= place.sequence => {
                filter.state.current = None;
                Since::Lost
            }
            Some(after) => {
                let missed = filter.log.iter().filter(|(at, _)| at.sequence > after.sequence);
                let known = filter.log.front().is_some_and(|(first, _)| first.sequence <= after.sequence + 1);
                let same = filter.log.iter().find(|(at, _)| at.sequence == after.sequence);
                match same {
                    Some((at, _)) if *at != after => {
                        filter.state.current = None;
                        Since::Lost
                    }
                    _ if known => Since::Inserted(missed.flat_map(|(_, hashes)| hashes.iter().copied()).collect()),
                    _ => Since::Forgotten,
                }
            }
            None => Since::Forgotten,
        };
        Ok((filter.state, since))
    }

    async fn insert(&self, name: &str, state: &BloomState, hashes: &[u64]) -> Result<Inserted> {
        let mut filters = self.filters.0.lock();
        let filter = filters.entry(name.to_owned()).or_default();
        let ids = |state: &BloomState| [state.current, state.next].map(|it| it.map(|it| it.id));
        if ids(&filter.state) != ids(state) {
            return Ok(Inserted::Moved);
        }
        let mut new = [0, 0];
        for (generation, new) in [filter.state.current, filter.state.next].into_iter().zip(&mut new) {
            if let Some(bits) = generation.and_then(|generation| filter.bits.get(&generation.id)) {
                *new = hashes.iter().filter(|hash| bits.insert(**hash)).count() as u64;
            }
        }
        for (generation, new) in [&mut filter.state.current, &mut filter.state.next].into_iter().zip(new) {
            if let Some(generation) = generation {
                generation.items += new;
            }
        }
        filter.state.place = BloomPlace { sequence: filter.state.place.sequence + 1, mark: rand::random() };
        filter.log.push_back((filter.state.place, hashes.to_vec()));
        if filter.log.len() > KEPT {
            filter.log.pop_front();
        }
        Ok(Inserted::Done(new[0]))
    }

    async fn recent(&self, name: &str) -> Result<Vec<u64>> {
        let filters = self.filters.0.lock();
        Ok(filters
            .get(name)
            .into_iter()
            .flat_map(|filter| &filter.log)
            .flat_map(|(_, hashes)| hashes.clone())
            .collect())
    }

    #[allow(clippy::cast_possible_truncation, reason = "what is in memory fits")]
    async fn read(&self, name: &str, generation: &Generation, offset: u64, length: u64) -> Result<Bytes> {
        let filters = self.filters.0.lock();
        let bits = filters.get(name).and_then(|filter| filter.bits.get(&generation.id));
        Ok(bits.map(|bits| bits.bytes(offset as usize, length as usize)).unwrap_or_default().into())
    }

    async fn begin(&self, name: &str, builder: Loader, next: &Generation, lease: Duration) -> Result<Lease> {
        let now = Instant::now();
        let mut filters = self.filters.0.lock();
        let filter = filters.entry(name.to_owned()).or_default();
        if let Some((holder, end)) = filter.builder
            && holder != builder
            && end > now
        {
            return Ok(Lease::Busy(end - now));
        }
        filter.builder = Some((builder, now + lease));
        if let Some(old) = filter.state.next.replace(*next) {
            filter.bits.remove(&old.id);
        }
        filter.bits.insert(next.id, Replica::new(next.geometry)?);
        filter.aside.clear();
        Ok(Lease::Granted)
    }

    async fn renew(&self, name: &str, builder: Loader, lease: Duration) -> Result<bool> {
        let mut filters = self.filters.0.lock();
        let Some(filter) = filters.get_mut(name).filter(|filter| filter.holds(builder)) else { return Ok(false) };
        filter.builder = Some((builder, Instant::now() + lease));
        Ok(true)
    }

    async fn upload(&self, name: &str, generation: &Generation, offset: u64, bits: Bytes) -> Result<()> {
        if let Some(filter) = self.filters.0.lock().get_mut(name) {
            filter.aside.push((generation.id, offset, bits));
        }
        Ok(())
    }

    #[allow(clippy::cast_possible_truncation, reason = "what is in memory fits")]
    async fn finish(&self, name: &str, builder: Loader, next: &Generation, items: u64) -> Result<bool> {
        let mut filters = self.filters.0.lock();
        let Some(filter) = filters.get_mut(name).filter(|filter| filter.holds(builder)) else { return Ok(false) };
        let Some(mut generation) = filter.state.next.filter(|it| it.id == next.id) else { return Ok(false) };
        let aside = std::mem::take(&mut filter.aside);
        let whole: u64 = aside.iter().filter(|(id, ..)| *id == next.id).map(|(.., bits)| bits.len() as u64).sum();
        let Some(bits) = filter.bits.get(&next.id).filter(|_| whole >= next.geometry.bytes()) else { return Ok(false) };
        for (_, offset, more) in aside.iter().filter(|(id, ..)| *id == next.id) {
            bits.merge(*offset as usize, more);
        }
        generation.items += items;
        filter.state = BloomState { current: Some(generation), next: None, ..filter.state };
        filter.bits.retain(|id, _| *id == next.id);
        filter.builder = None;
        Ok(true)
    }

    async fn abandon(&self, name: &str, builder: Loader) -> Result<()> {
        if let Some(filter) = self.filters.0.lock().get_mut(name) {
            filter.builder.take_if(|(holder, _)| *holder == builder);
        }
        Ok(())
    }
}
