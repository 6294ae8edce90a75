use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::breaker::{Breaker, Circuit};
use crate::{kind::Channel, record::Price, sender::NotificationSender};

/// A sender and how it is used.
#[derive(Clone, Debug)]
pub struct Route {
    sender: Arc<dyn NotificationSender>,
    tier: u32,
    weight: u32,
    price: Option<Price>,
}

impl Route {
    /// The sender of the first tier, with weight 1.
    #[must_use]
    pub fn new(sender: impl NotificationSender) -> Self {
        Self { sender: Arc::new(sender), tier: 0, weight: 1, price: None }
    }

    /// Sets the tier: senders of the second tier are asked when those of the first have failed, and so on.
    #[must_use]
    pub const fn tier(mut self, tier: u32) -> Self {
        self.tier = tier;
        self
    }

    /// Sets the share among the senders of the tier that are asked first: of weights 3 and 1, three messages in four.
    #[must_use]
    pub const fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Sets what a message costs, in millionths of a unit of a currency.
    #[must_use]
    pub fn price(mut self, micros: u64, currency: impl Into<String>) -> Self {
        self.price = Some(Price { micros, currency: currency.into() });
        self
    }
}

/// A route at work.
pub(super) struct Live {
    pub(super) sender: Arc<dyn NotificationSender>,
    pub(super) breaker: Breaker,
    pub(super) price: Option<Price>,
    tier: u32,
    weight: u32,
}

pub(super) struct Routes {
    all: Vec<Arc<Live>>,
    /// What is owed to each route, in the order of `all`: smooth weighted round robin, as nginx has it. Each message, every
    /// route of a tier is owed its weight; the one who is owed most goes first and pays for all.
    owed: Mutex<Vec<i64>>,
}

impl Routes {
    pub(super) fn new(routes: Vec<Route>, threshold: u32, pause: Duration) -> Self {
        let live = |route: Route| {
            Arc::new(Live {
                sender: route.sender,
                breaker: Breaker::new(threshold, pause),
                price: route.price,
                tier: route.tier,
                weight: route.weight,
            })
        };
        let owed = Mutex::new(vec![0; routes.len()]);
        Self { all: routes.into_iter().map(live).collect(), owed }
    }

    pub(super) fn serves(&self, channel: Channel) -> bool {
        self.all.iter().any(|route| route.sender.channel() == channel)
    }

    /// All routes of a channel, in the order in which they are asked for the next message.
    pub(super) fn order(&self, channel: Channel) -> Vec<Arc<Live>> {
        let mut owed = self.owed.lock();
        let mut mine: Vec<usize> = (0..self.all.len()).filter(|&at| self.all[at].sender.channel() == channel).collect();
        // Stable: within a tier the order is that of adding, until weights say otherwise.
        mine.sort_by_key(|&at| self.all[at].tier);
        for peers in mine.chunk_by_mut(|&one, &other| self.all[one].tier == self.all[other].tier) {
            for &at in peers.iter() {
                owed[at] += i64::from(self.all[at].weight);
            }
            peers.sort_by_key(|&at| std::cmp::Reverse(owed[at]));
            let total: i64 = peers.iter().map(|&at| i64::from(self.all[at].weight)).sum();
            if let Some(&first) = peers.first() {
                owed[first] -= total;
            }
        }
        mine.into_iter().map(|at| Arc::clone(&self.all[at])).collect()
    }

    pub(super) fn circuits(&self) -> Vec<Circuit> {
        let circuit = |route: &Arc<Live>| Circuit {
            provider: route.sender.provider().to_owned(),
            channel: route.sender.channel(),
            open: route.breaker.is_open(),
            failures: route.breaker.failures(),
        };
        self.all.iter().map(circuit).collect()
    }

    /// A channel all of whose senders are left alone.
    pub(super) fn closed_channel(&self) -> Option<Channel> {
        let of = |channel: Channel| self.all.iter().filter(move |route| route.sender.channel() == channel);
        Channel::ALL
            .iter()
            .copied()
            .find(|channel| of(*channel).next().is_some() && of(*channel).all(|route| route.breaker.is_open()))
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.circuits()).finish()
    }
}
