//! What buyers believe about the seats, as their open pages show it.

use std::{sync::Arc, time::Duration};

use indicatif::ProgressBar;
use parking_lot::Mutex;
use rand::RngExt;
use serde_json::Value;

use super::api::Api;

/// How often the shared view is refreshed.
const REFRESH: Duration = Duration::from_millis(100);

/// The seats that are believed to be free.
#[derive(Debug)]
pub(super) struct Stock {
    names: Vec<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Positions believed to be free, in no order.
    free: Vec<usize>,
    sold: usize,
}

impl Stock {
    pub(super) fn new(names: Vec<String>) -> Self {
        let state = State { free: (0..names.len()).collect(), sold: 0 };
        Self { names, state: Mutex::new(state) }
    }

    /// Some seat that is believed to be free; it is then believed to be taken, so that buyers spread.
    pub(super) fn pick(&self) -> Option<String> {
        let mut state = self.state.lock();
        let count = state.free.len();
        if count == 0 {
            return None;
        }
        let position = state.free.swap_remove(rand::rng().random_range(0..count));
        Some(self.names[position].clone())
    }

    /// Whether every seat is paid for: no seat comes back.
    pub(super) fn is_sold(&self) -> bool {
        self.state.lock().sold == self.names.len()
    }

    fn refresh(&self, states: &str) -> usize {
        let mut state = self.state.lock();
        state.free = states.bytes().enumerate().filter(|(_, letter)| *letter == b'A').map(|(at, _)| at).collect();
        state.sold = states.bytes().filter(|letter| *letter == b'S').count();
        state.sold
    }
}

/// Refreshes the view of each session until it is aborted.
pub(super) async fn watch(api: Api, sessions: Vec<(String, Arc<Stock>)>, progress: ProgressBar) {
    loop {
        tokio::time::sleep(REFRESH).await;
        let mut sold = 0;
        for (session, stock) in &sessions {
            // What cannot be read now is read next time.
            if let Ok(seats) = api.seats(session).await
                && let Some(states) = seats.get("states").and_then(Value::as_str)
            {
                sold += stock.refresh(states) as u64;
            }
        }
        progress.set_position(sold);
    }
}
