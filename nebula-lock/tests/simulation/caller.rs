//! One task of a simulated client: it takes locks, looks on while it has them, and writes down what it sees.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use nebula_lock::{LockGuard, LockManager, LossReason, Lost, Mode, SegmentedLock};
use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::broken::Defect;
use super::held::{Held, Wish};
use super::history::{Event, How};
use super::polls::Polls;
use super::world::{Fate, MODES, SEGMENTS, STOCK, key};

pub(crate) struct Caller {
    fate: Arc<Fate>,
    locks: LockManager,
    stock: SegmentedLock,
    story: Arc<Mutex<String>>,
    /// The number of its next hold.
    next: u64,
    rng: StdRng,
}

/// A lock that it has.
struct Begun<'a> {
    guard: &'a LockGuard,
    hold: u64,
    until: u64,
    /// Hears of the loss.
    _told: AbortOnDropHandle<()>,
}

impl Caller {
    pub(crate) fn new(fate: Arc<Fate>, locks: LockManager, story: Arc<Mutex<String>>, first: u64, rng: StdRng) -> Self {
        let stock = SegmentedLock::new(locks.clone(), STOCK, SEGMENTS).unwrap();
        Self { fate, locks, stock, story, next: first, rng }
    }

    pub(crate) async fn work(mut self) {
        let turns = if self.fate.case.calm { 30 } else { usize::MAX };
        for _ in 0..turns {
            if self.fate.stop.is_cancelled() {
                return;
            }
            self.turn().await;
        }
    }

    fn wish(&mut self) -> Wish {
        let mode = MODES[self.rng.random_range(0..MODES.len())];
        let one = key(self.rng.random_range(0..self.fate.keys));
        match self.rng.random_range(0..8) {
            _ if self.fate.case.fair => Wish::One(one, Mode::Fair),
            0 => Wish::All((0..self.fate.keys).rev().map(key).collect()),
            1 => Wish::Segment(self.stock.clone()),
            _ => Wish::One(one, mode),
        }
    }

    async fn turn(&mut self) {
        let fate = Arc::clone(&self.fate);
        let wish = self.wish();
        let wait = match self.rng.random_range(0..5) {
            _ if fate.case.calm => Duration::from_hours(10),
            0 => Duration::ZERO,
            _ => fate.lease.mul_f64(self.rng.random_range(0.1..3.0)),
        };
        let explicit = !fate.case.calm && self.rng.random_bool(0.3);
        let lease = explicit.then(|| fate.lease.mul_f64(self.rng.random_range(0.1..=1.0)));
        let asked = fate.now();
        // Gives up after so many polls, or after some time, or not at all.
        let polls = if self.rng.random_bool(0.1) { self.rng.random_range(0..3) } else { usize::MAX };
        let time = if self.rng.random_bool(0.1) { wait.mul_f64(self.rng.random()) } else { Duration::MAX };
        let time = if fate.case.calm { time.min(Duration::from_secs(600)) } else { time };
        // An attempt at the end, the opening of a watch before it, and one before that; and one for each further lock.
        let steps = 2 + u32::try_from(wish.width()).unwrap();
        let most = wait + (fate.command_timeout + Duration::from_millis(10)) * steps;
        let what = format!("{wish:?}");
        let answer = timeout(time.min(most), Polls(Box::pin(wish.ask(&self.locks, wait, lease)), polls)).await;
        let waited = Duration::from_nanos(fate.now() - asked);
        if fate.case.calm && waited > Duration::from_secs(60) {
            self.complain(&format!("a wake-up was missed: {what} waited for {waited:?}"));
        }
        match answer {
            Ok(Some(Ok(held))) => self.hold(held, asked).await,
            Ok(Some(Err(error))) => {
                self.note(&Event::Failed { kind: format!("{:?}", error.kind()) });
                sleep(Duration::from_millis(self.rng.random_range(1..100))).await;
            }
            Ok(None) => {}
            Err(_) if time >= most => self.complain(&format!("a request got no answer in time: {what}")),
            Err(_) => {}
        }
    }

    async fn hold(&mut self, held: Held, asked: u64) {
        let fate = Arc::clone(&self.fate);
        let begun: Vec<Begun<'_>> = held.guards().into_iter().map(|guard| self.begin(guard, asked)).collect();
        let length = match self.rng.random_range(0..4) {
            _ if fate.case.calm => Duration::from_millis(self.rng.random_range(0..50)),
            0 => fate.longest().mul_f64(self.rng.random_range(0.0..2.0)),
            _ => Duration::from_millis(self.rng.random_range(0..50)),
        };
        let careful = self.rng.random_bool(0.5);
        let work = join_all(begun.iter().map(|begun| self.look_on(begun, length)));
        let lost = if careful {
            held.run(work).await.err()
        } else {
            work.await;
            None
        };
        let at = fate.now();
        for Begun { guard, hold, .. } in &begun {
            // Of several, one was lost; the others are given back with it.
            let how = match lost.as_ref().filter(|lost| lost.key() == guard.key()).map(Lost::reason) {
                None => How::GivenBack,
                Some(LossReason::Gone) => How::Gone,
                Some(_) => How::Expired,
            };
            self.note(&Event::Ended { hold: *hold, at, how });
        }
        let only = if let [begun] = &*begun { Some(begun.hold) } else { None };
        drop(begun);
        match (self.rng.random_range(0..10), held) {
            (0 | 1, held) => drop(held),
            (2, Held::One(guard)) => {
                let again = guard.reenter();
                drop(guard);
                again.release().await;
            }
            (3, Held::One(guard)) if guard.mode() == Mode::Write => drop(guard.downgrade().await),
            (_, held) => {
                let (begin, outcome) = (Instant::now(), held.release().await);
                // A renewal on its way is waited for.
                if begin.elapsed() > fate.command_timeout * 2 + Duration::from_millis(10) {
                    self.complain("a release got no answer in time");
                }
                // That of several is the worst of them, of which nobody can tell whose it is.
                if let Some(hold) = only {
                    self.note(&Event::Outcome { hold, at: fate.now(), outcome: format!("{outcome:?}") });
                }
            }
        }
    }

    fn begin<'a>(&mut self, guard: &'a LockGuard, asked: u64) -> Begun<'a> {
        let hold = self.next;
        self.next += 1;
        let (at, until) = (self.fate.now(), self.until(guard));
        let (key, fence, shared) = (guard.key().to_string(), guard.fence().get(), guard.mode() == Mode::Read);
        self.note(&Event::Acquired { hold, key, shared, fence, asked, at, until });
        let (fate, story, lost) = (Arc::clone(&self.fate), Arc::clone(&self.story), guard.lost());
        let told = tokio::spawn(async move {
            lost.await;
            if fate.case.defect == Some(Defect::LateWord) {
                sleep(fate.longest() / 50 + Duration::from_millis(10)).await;
            }
            writeln!(story.lock(), "{}", Event::Told { hold, at: fate.now() }).unwrap();
        });
        Begun { guard, hold, until, _told: AbortOnDropHandle::new(told) }
    }

    /// Looks so often that no extension of the lease goes unseen until the lease would have ended without it.
    async fn look_on(&self, Begun { guard, hold, until, .. }: &Begun<'_>, length: Duration) {
        let (end, mut known, mut lost) = (Instant::now() + length, *until, false);
        loop {
            let often = if lost { length } else { (guard.remaining() / 4).max(Duration::from_millis(1)) };
            let rest = end.saturating_duration_since(Instant::now());
            sleep(rest.min(length / 10).min(often)).await;
            let until = self.until(guard);
            if lost && !guard.is_lost() {
                self.complain("a lost lock came back");
            }
            lost = guard.is_lost();
            if !lost && until > known {
                known = until;
                self.note(&Event::Extended { hold: *hold, until });
            }
            if Instant::now() >= end {
                return;
            }
        }
    }

    fn until(&self, guard: &LockGuard) -> u64 {
        self.fate.now() + u64::try_from(guard.remaining().as_nanos()).unwrap()
    }

    fn note(&self, event: &Event) {
        writeln!(self.story.lock(), "{event}").unwrap();
    }

    fn complain(&self, text: &str) {
        self.note(&Event::Complaint { text: text.to_owned() });
    }
}
