//! The task that paints the screen of one session for everybody of this process who watches it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};

use super::{
    Frame, Painters, Sources,
    book::Book,
    seats::Seats,
    sums::Sums,
    view::{Crowd, Part, ScreenView},
};
use crate::{
    clock::Millis,
    ids::SessionId,
    problem::{Problem, Result, chain},
    show::SessionInfo,
};

/// Frames come no faster.
const PACE: Duration = Duration::from_millis(250);
/// How often the sources are asked that do not tell of changes by themselves.
const LOOK: Duration = Duration::from_secs(1);
/// A screen that nobody watches is painted on for so long: whoever asks again and again starts nothing each time.
const LINGER: Duration = Duration::from_secs(10);

pub(super) struct Painter {
    sources: Sources,
    session: SessionId,
    sender: watch::Sender<Frame>,
}

/// What is on the screen.
#[derive(Default)]
struct Canvas {
    seats: Seats,
    book: Book,
    sums: Sums,
    room: Option<Crowd>,
    looked: Option<Instant>,
    stale: Vec<Part>,
    shown: Option<ScreenView>,
}

impl Painter {
    pub(super) fn new(sources: Sources, session: SessionId, sender: watch::Sender<Frame>) -> Self {
        Self { sources, session, sender }
    }

    /// Paints until nobody watches.
    pub(super) async fn run(self, all: &Painters) {
        let mut canvas = Canvas::default();
        loop {
            tokio::select! {
                () = self.paint(&mut canvas) => {}
                () = self.deserted() => {}
                () = self.sources.stopping.cancelled() => {}
            }
            // Nobody may join between the question and the removal.
            let mut all = all.lock();
            if self.sender.receiver_count() == 0 || self.sources.stopping.is_cancelled() {
                all.remove(&self.session);
                return;
            }
        }
    }

    /// Ends when nobody has watched for a while.
    async fn deserted(&self) {
        loop {
            self.sender.closed().await;
            tokio::time::sleep(LINGER).await;
            if self.sender.receiver_count() == 0 {
                return;
            }
        }
    }

    /// Never ends by itself.
    async fn paint(&self, canvas: &mut Canvas) {
        let mut ticks = tokio::time::interval(PACE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let session = match self.sources.catalog.session(self.session).await {
                Ok(session) => session,
                Err(problem) => {
                    tracing::debug!(session = %self.session, error = chain(&problem), "a screen has no session");
                    continue;
                }
            };
            self.look(canvas, &session).await;
            self.show(canvas, &session);
        }
    }

    async fn look(&self, canvas: &mut Canvas, session: &SessionInfo) {
        let Sources { inventory, admission, database, .. } = &self.sources;
        let id = self.session;
        let seats = canvas.seats.follow(inventory, id, &session.plan).await;
        self.found(canvas, Part::Seats, seats);
        if canvas.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        canvas.looked = Some(Instant::now());
        let counted = canvas.book.read(&database.read, id, Millis::now()).await;
        self.found(canvas, Part::Counts, counted);
        let currency = session.prices.values().next().map(|price| price.currency);
        let summed = canvas.sums.read(&database.read, id, currency).await;
        self.found(canvas, Part::Orders, summed);
        let room = admission.crowd(id).await.map(|room| {
            canvas.room = room.map(|(crowd, most_inside)| Crowd {
                waiting: crowd.waiting,
                inside: crowd.inside,
                most_inside,
                pace_per_minute: crowd.pace,
            });
            if let Some(room) = canvas.room {
                canvas.book.waits(room.waiting, Millis::now());
            }
        });
        self.found(canvas, Part::Room, room);
    }

    /// Notes whether a part could be read; the first failure is logged, and the figures stay as they were.
    fn found(&self, canvas: &mut Canvas, part: Part, read: Result<(), Problem>) {
        let was = canvas.stale.contains(&part);
        match read {
            Ok(()) => canvas.stale.retain(|stale| *stale != part),
            Err(problem) if !was => {
                tracing::warn!(session = %self.session, ?part, error = chain(&problem), "a screen shows old figures");
                canvas.stale.push(part);
            }
            Err(_) => {}
        }
    }

    /// Sends the screen, if it is another than before.
    fn show(&self, canvas: &mut Canvas, session: &SessionInfo) {
        let now = Millis::now();
        let mut view = ScreenView {
            server_time: now,
            session_id: session.id,
            show_title: session.title.clone(),
            show_title_zh: session.title_zh.clone(),
            venue: session.venue.clone(),
            starts_at: session.starts_at,
            sale_opens_at: session.sale_opens_at,
            sale_closes_at: session.sale_closes_at,
            seats: canvas.seats.sums(),
            zones: canvas.seats.zones().to_vec(),
            orders: canvas.sums.orders,
            room: canvas.room,
            funnel: canvas.book.funnel(),
            refusals: canvas.book.refusals(),
            series: canvas.book.series(now),
            stale: canvas.stale.clone(),
        };
        if let Some(shown) = &canvas.shown {
            view.server_time = shown.server_time;
            if view == *shown {
                return;
            }
            view.server_time = now;
        }
        match serde_json::to_string(&view) {
            Ok(json) => {
                self.sender.send_replace(Some(Arc::from(json)));
                canvas.shown = Some(view);
            }
            Err(error) => tracing::error!(session = %self.session, %error, "a screen cannot be written"),
        }
    }
}
