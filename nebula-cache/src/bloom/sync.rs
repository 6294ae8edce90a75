//! The task that keeps a replica of a shared filter current.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{debug, warn};

use super::bits::Bits;
use super::store::{BloomState, BloomStore, Generation, Since};
use super::{Filling, Inner, PATIENCE};
use crate::core::within;
use crate::error::{Error, ErrorKind, Result};

/// Bits are read and written in pieces of this size.
pub(super) const PIECE: u64 = 1024 * 1024;

pub(super) async fn run(inner: Weak<Inner>) {
    let Some(bound) = inner.upgrade().map(|inner| inner.bound) else { return };
    let mut ticks = interval(bound / 4);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = inner.look().await {
            debug!(filter = %inner.name, %error, "the replica of a bloom filter does not know whether it is current");
        }
        inner.announce();
    }
}

impl Inner {
    /// Catches up with the log of insertions, and with the generations.
    pub(super) async fn look(&self) -> Result<()> {
        let Some(store) = &self.store else { return Ok(()) };
        let asked = self.now();
        let place = self.held.read().place;
        let (state, since) = within(PATIENCE, store.since(&self.name, place)).await?;
        let mut caught_up = false;
        {
            let mut held = self.held.write();
            match since {
                Since::Inserted(hashes) => {
                    if let Some(current) = &held.current {
                        hashes.iter().for_each(|hash| current.insert(*hash));
                        caught_up = true;
                    }
                    held.place = Some(state.place);
                }
                // What it knows is believed until the bound is over.
                Since::Forgotten => held.place = None,
                Since::Lost => {
                    warn!(filter = %self.name, "a shared bloom filter lost insertions and is built again");
                    (held.current, held.place) = (None, None);
                }
            }
            (held.state, held.asked) = (state, true);
            if state.current.is_none() {
                held.current = None;
            }
        }
        if caught_up {
            self.confirmed.store(asked, Ordering::Release);
        }
        let has = self.held.read().current.as_ref().map(|current| current.generation.id);
        if let Some(generation) = state.current
            && (has != Some(generation.id) || !caught_up)
        {
            let filling = self.download(&**store, generation, &state).await?;
            let mut held = self.held.write();
            (held.current, held.place, held.since) = (Some(filling), Some(state.place), Some(Instant::now()));
            drop(held);
            if !caught_up {
                self.confirmed.store(asked, Ordering::Release);
            }
            // What was inserted during the download is in the log.
        }
        self.update_items(&state);
        Ok(())
    }

    /// The bits of a generation: all that was inserted before `state` was read, and perhaps more.
    async fn download(
        &self,
        store: &dyn BloomStore,
        generation: Generation,
        state: &BloomState,
    ) -> Result<Arc<Filling>> {
        let bits = Bits::replica(generation.geometry)?;
        if let Bits::Replica(replica) = &bits {
            let size = generation.geometry.bytes();
            let mut offset = 0;
            while offset < size {
                let length = PIECE.min(size - offset);
                let piece = within(PATIENCE, store.read(&self.name, &generation, offset, length)).await?;
                if piece.len() as u64 != length {
                    // An insertion of nothing finds out whether the bits are gone for good.
                    within(PATIENCE, store.insert(&self.name, state, &[])).await?;
                    return Err(Error::new(ErrorKind::Unavailable, "the bits of this generation are gone"));
                }
                replica.merge(usize::try_from(offset).unwrap_or(usize::MAX), &piece);
                offset += length;
            }
        }
        Ok(Arc::new(Filling { generation, bits, items: generation.items.into() }))
    }

    fn update_items(&self, state: &BloomState) {
        let held = self.held.read();
        if let (Some(current), Some(generation)) = (&held.current, state.current)
            && current.generation.id == generation.id
        {
            current.items.fetch_max(generation.items, Ordering::Relaxed);
        }
    }
}
