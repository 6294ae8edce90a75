//! The seats of a screen: counted once, then followed.

use std::{collections::HashMap, sync::Arc};

use futures_util::FutureExt;

use super::view::{SeatSums, ZoneSums};
use crate::{
    ids::SessionId,
    inventory::{Cursor, Inventory, Listener, SeatState, Update},
    problem::Result,
    show::Plan,
};

/// The state of every seat, and the sums of every zone.
#[derive(Debug, Default)]
pub(super) struct Seats {
    states: Vec<SeatState>,
    /// The zone of each seat, by its place in `zones`.
    zone_of: Vec<usize>,
    zones: Vec<ZoneSums>,
    /// What is older was counted already.
    seen: Option<Cursor>,
    listener: Option<Listener>,
}

impl Seats {
    /// Brings the sums up to date.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not applied is counted anew.
    pub(super) async fn follow(&mut self, inventory: &Inventory, session: SessionId, plan: &Plan) -> Result<()> {
        let Some(mut listener) = self.listener.take() else {
            // First the stream, then the snapshot: what happens in between is in both.
            let listener = inventory.listen(session, None).await?;
            return self.count(inventory, session, plan, listener).await;
        };
        while let Some(update) = listener.next().now_or_never() {
            match update {
                Some(Update::Seats(batch)) => {
                    if self.seen.is_none_or(|seen| batch.cursor > seen) {
                        batch.seats.iter().for_each(|(position, state)| self.change(*position as usize, *state));
                    }
                }
                Some(Update::Reset) => return self.count(inventory, session, plan, listener).await,
                // The platform stops.
                None => return Ok(()),
            }
        }
        self.listener = Some(listener);
        Ok(())
    }

    async fn count(
        &mut self,
        inventory: &Inventory,
        session: SessionId,
        plan: &Plan,
        listener: Listener,
    ) -> Result<()> {
        let snapshot = inventory.snapshot(session).await?;
        self.lay_out(plan);
        self.states = vec![SeatState::Available; self.zone_of.len()];
        for (position, state) in snapshot.states.into_iter().enumerate() {
            self.change(position, state);
        }
        (self.seen, self.listener) = (Some(snapshot.cursor), Some(listener));
        Ok(())
    }

    fn lay_out(&mut self, plan: &Plan) {
        let mut known: HashMap<Arc<str>, usize> = HashMap::new();
        (self.zones, self.zone_of) = (Vec::new(), Vec::with_capacity(plan.seats.len()));
        for seat in &plan.seats {
            let place = *known.entry(Arc::clone(&seat.zone)).or_insert_with(|| {
                let (zone, zone_zh) = (seat.zone.to_string(), plan.zh(&seat.zone));
                self.zones.push(ZoneSums { zone, zone_zh, sums: SeatSums::default() });
                self.zones.len() - 1
            });
            self.zone_of.push(place);
            if let Some(zone) = self.zones.get_mut(place) {
                zone.sums.seats += 1;
                zone.sums.available += 1;
            }
        }
    }

    fn change(&mut self, position: usize, state: SeatState) {
        let Some(before) = self.states.get_mut(position) else { return };
        let before = std::mem::replace(before, state);
        let Some(zone) = self.zone_of.get(position).and_then(|place| self.zones.get_mut(*place)) else { return };
        *of(&mut zone.sums, before) -= 1;
        *of(&mut zone.sums, state) += 1;
    }

    pub(super) fn zones(&self) -> &[ZoneSums] {
        &self.zones
    }

    pub(super) fn sums(&self) -> SeatSums {
        self.zones.iter().fold(SeatSums::default(), |all, ZoneSums { sums, .. }| SeatSums {
            seats: all.seats + sums.seats,
            available: all.available + sums.available,
            locked: all.locked + sums.locked,
            sold: all.sold + sums.sold,
        })
    }
}

fn of(sums: &mut SeatSums, state: SeatState) -> &mut u32 {
    match state {
        SeatState::Available => &mut sums.available,
        SeatState::Locked => &mut sums.locked,
        SeatState::Sold => &mut sums.sold,
    }
}
