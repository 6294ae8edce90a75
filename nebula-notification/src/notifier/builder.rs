use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Notifier,
    queue::RetryQueue,
    route::{Route, Routes},
    state::{Inner, Options},
};
use crate::{
    audience::{AudienceStore, MemoryAudience, QuietHours},
    clock::{Clock, SystemClock},
    kind::Kind,
    limit::Limits,
    record::{MemoryRecords, RecordStore},
    sender::NotificationSender,
    template::TemplateStore,
};

/// Puts a [`Notifier`] together.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct NotifierBuilder {
    templates: Arc<dyn TemplateStore>,
    records: Arc<dyn RecordStore>,
    audience: Arc<dyn AudienceStore>,
    limits: Option<Limits>,
    quiet: Vec<(Kind, QuietHours)>,
    clock: Arc<dyn Clock>,
    routes: Vec<Route>,
    queue: Option<Arc<dyn RetryQueue>>,
    options: Options,
    breaker: (u32, Duration),
}

impl NotifierBuilder {
    pub(super) fn new(templates: impl TemplateStore) -> Self {
        Self {
            templates: Arc::new(templates),
            records: Arc::new(MemoryRecords::new()),
            audience: Arc::new(MemoryAudience::new()),
            limits: None,
            quiet: Vec::new(),
            clock: Arc::new(SystemClock),
            routes: Vec::new(),
            queue: None,
            options: Options {
                attempt_timeout: Duration::from_secs(10),
                round_timeout: Duration::from_secs(30),
                tries: 2,
                pause: Duration::from_millis(200),
                rounds: 5,
                round_pause: Duration::from_secs(30),
                receipt_wait: Duration::from_secs(15 * 60),
            },
            breaker: (5, Duration::from_secs(30)),
        }
    }

    /// Adds a sender. Those of one channel are asked in the order in which they are added, each in a tier of its own.
    pub fn sender(self, sender: impl NotificationSender) -> Self {
        let tier = u32::try_from(self.routes.len()).unwrap_or(u32::MAX);
        self.route(Route::new(sender).tier(tier))
    }

    /// Adds a sender with tier, weight and price of its own.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Where records are kept; in this process by default.
    pub fn records(mut self, store: impl RecordStore) -> Self {
        self.records = Arc::new(store);
        self
    }

    /// Where the wishes of recipients are kept; in this process by default.
    pub fn audience(mut self, store: impl AudienceStore) -> Self {
        self.audience = Arc::new(store);
        self
    }

    /// Limits; none by default.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// Quiet hours for everybody, by kind. Codes and alarms have none.
    pub fn quiet_hours(mut self, kind: Kind, hours: QuietHours) -> Self {
        self.quiet.push((kind, hours));
        self
    }

    /// Reminds of jobs; without one, only the [pump](Notifier::start) does.
    pub fn retry_queue(mut self, queue: impl RetryQueue) -> Self {
        self.queue = Some(Arc::new(queue));
        self
    }

    /// The clock; the system's by default.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What one attempt may take (10 s), after which its outcome is unknown, and what one round of attempts may (30 s).
    pub const fn timeouts(mut self, attempt: Duration, round: Duration) -> Self {
        self.options.attempt_timeout = attempt;
        self.options.round_timeout = round;
        self
    }

    /// How often a provider with a transient fault is tried within a round (2), and the pause before the second try (200 ms),
    /// which doubles.
    pub const fn tries(mut self, tries: u32, pause: Duration) -> Self {
        self.options.tries = tries;
        self.options.pause = pause;
        self
    }

    /// How many rounds of attempts a job has (5), and the pause before the second (30 s), which doubles.
    pub const fn rounds(mut self, rounds: u32, pause: Duration) -> Self {
        self.options.rounds = rounds;
        self.options.round_pause = pause;
        self
    }

    /// How long a receipt is waited for when an outcome is unknown; 15 min.
    pub const fn receipt_wait(mut self, wait: Duration) -> Self {
        self.options.receipt_wait = wait;
        self
    }

    /// After how many failures in a row a provider is left alone (5), and for how long (30 s), which doubles up to ten times.
    pub const fn breaker(mut self, failures: u32, pause: Duration) -> Self {
        self.breaker = (failures, pause);
        self
    }

    /// The notifier.
    #[must_use]
    pub fn build(self) -> Notifier {
        let (threshold, pause) = self.breaker;
        Notifier(Arc::new(Inner {
            templates: self.templates,
            records: self.records,
            audience: self.audience,
            limits: self.limits,
            quiet: self.quiet,
            clock: self.clock,
            routes: Routes::new(self.routes, threshold, pause),
            queue: self.queue,
            options: self.options,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }
}
