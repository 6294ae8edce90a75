//! The live stream.

use std::{sync::Arc, time::Duration};

use nebula_redis::RedisConfig;
use nebula_test_support::{RedisServer, unique};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use ticketing::{
    ids::SessionId,
    inventory::{Cursor, Hold, Inventory, Listener, MemoryLedger, SeatLedger, SeatState, Settled, Update},
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    fixture::{Fixture, Memory, Redis, empty, redis_ledger, request},
    spy::Spy,
    stock::Stock,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A page that shows a session.
struct Page {
    inventory: Inventory,
    session: SessionId,
    states: Vec<SeatState>,
    cursor: Cursor,
    listener: Listener,
    resets: u32,
}

impl Page {
    /// First the snapshot, then what came after it, as browsers do.
    async fn open(inventory: &Inventory, session: SessionId) -> Self {
        let snapshot = inventory.snapshot(session).await.unwrap();
        let listener = inventory.listen(session, Some(snapshot.cursor)).await.unwrap();
        Self {
            inventory: inventory.clone(),
            session,
            states: snapshot.states,
            cursor: snapshot.cursor,
            listener,
            resets: 0,
        }
    }

    /// Takes one update, if there is one within a while.
    async fn take(&mut self) -> bool {
        let Ok(update) = timeout(Duration::from_millis(1_500), self.listener.next()).await else { return false };
        match update.expect("the platform runs") {
            Update::Seats(batch) => {
                assert!(batch.cursor > self.cursor, "{} after {}", batch.cursor, self.cursor);
                assert!(!batch.seats.is_empty());
                self.cursor = batch.cursor;
                for (position, state) in &batch.seats {
                    self.states[*position as usize] = *state;
                }
            }
            Update::Reset => {
                self.resets += 1;
                let snapshot = self.inventory.snapshot(self.session).await.unwrap();
                self.cursor = snapshot.cursor;
                self.states = snapshot.states;
            }
        }
        true
    }

    /// Takes updates until the page looks as it should.
    async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{what} did not come");
            self.take().await;
        }
    }

    async fn reconnect(&mut self) {
        self.listener = self.inventory.listen(self.session, Some(self.cursor)).await.unwrap();
    }
}

/// Pages that come and go see in the end what the ledger has, whatever happens meanwhile.
async fn pages_see_it_all(ledger: Arc<dyn SeatLedger>) {
    const SEATS: u32 = 30;
    let stock = Arc::new(Stock::new(Arc::clone(&ledger), SEATS).await);
    stock.inventory.warm(stock.session).await.unwrap();
    let writers = (0..3_u64).map(|seed| {
        let (ledger, session) = (Arc::clone(&ledger), stock.session);
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            for _ in 0..150 {
                let request = request(session, &[random.random_range(0..SEATS)]);
                if let Hold::Held { .. } = ledger.hold(&request).await.unwrap() {
                    tokio::time::sleep(Duration::from_millis(random.random_range(0..12))).await;
                    if random.random_bool(0.85) {
                        assert_eq!(ledger.release(session, request.order).await.unwrap(), Settled::Changed(1));
                    }
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let written = CancellationToken::new();
    let pages = (0..4_u64).map(|seed| {
        let (stock, written) = (Arc::clone(&stock), written.clone());
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(seed);
            let mut page = Page::open(&stock.inventory, stock.session).await;
            while !written.is_cancelled() {
                page.take().await;
                if random.random_bool(0.3) {
                    page.reconnect().await;
                }
            }
            let end = stock.inventory.snapshot(stock.session).await.unwrap();
            page.until("the last state", |page| page.states == end.states).await;
            assert_eq!(page.resets, 0);
        })
    });
    let pages: Vec<_> = pages.collect();
    for writer in writers {
        writer.await.unwrap();
    }
    written.cancel();
    for page in pages {
        page.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_pages_see_it_all() {
    pages_see_it_all(Memory::with_log(65_536).await.ledger()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_pages_see_it_all() {
    pages_see_it_all(Redis::with_log(65_536).await.ledger()).await;
}

#[tokio::test]
async fn changes_of_a_moment_are_one_update() {
    let ledger = Arc::new(MemoryLedger::new());
    let stock = Stock::new(ledger.clone(), 4).await;
    let mut listener = stock.inventory.listen(stock.session, None).await.unwrap();
    tokio::time::pause();
    let first = request(stock.session, &[0, 1]);
    assert!(matches!(stock.inventory.hold(&first).await.unwrap(), Hold::Held { .. }));
    stock.inventory.release(stock.session, first.order).await.unwrap();
    let second = request(stock.session, &[1, 3]);
    assert!(matches!(stock.inventory.hold(&second).await.unwrap(), Hold::Held { .. }));
    let Some(Update::Seats(batch)) = listener.next().await else { panic!("changes") };
    let (a, l) = (SeatState::Available, SeatState::Locked);
    assert_eq!(batch.seats, [(0, a), (1, l), (3, l)]);
    assert_eq!(batch.cursor.sequence, 3);
    assert_eq!(
        batch.json,
        r#"{"seats":[[0,"A"],[1,"L"],[3,"L"]],"counts":{"seats":4,"available":2,"locked":2,"sold":0}}"#
    );
}

#[tokio::test]
async fn a_cursor_from_before_begins_with_a_reset() {
    let ledger = Arc::new(MemoryLedger::new().with_log(10));
    let stock = Stock::new(ledger.clone(), 1).await;
    let start = stock.inventory.counts(stock.session).await.unwrap().cursor;
    for _ in 0..10 {
        let request = request(stock.session, &[0]);
        assert!(matches!(stock.inventory.hold(&request).await.unwrap(), Hold::Held { .. }));
        stock.inventory.release(stock.session, request.order).await.unwrap();
    }
    for cursor in [start, Cursor { epoch: 1, sequence: 0 }, Cursor { sequence: 99, ..start }] {
        let mut listener = stock.inventory.listen(stock.session, Some(cursor)).await.unwrap();
        assert!(matches!(listener.next().await, Some(Update::Reset)), "{cursor}");
    }
    let mut listener = stock.inventory.listen(stock.session, Some(Cursor { sequence: 11, ..start })).await.unwrap();
    let Some(Update::Seats(batch)) = listener.next().await else { panic!("changes") };
    assert_eq!(batch.seats, [(0, SeatState::Available)]);
}

#[tokio::test]
async fn a_listener_that_is_too_slow_is_told_to_start_again() {
    let stock = Stock::new(Arc::new(MemoryLedger::new()), 1).await;
    let mut page = Page::open(&stock.inventory, stock.session).await;
    tokio::time::pause();
    let mut order = None;
    for _ in 0..101 {
        if let Some(order) = order.take() {
            stock.inventory.release(stock.session, order).await.unwrap();
        } else {
            let request = request(stock.session, &[0]);
            assert!(matches!(stock.inventory.hold(&request).await.unwrap(), Hold::Held { .. }));
            order = Some(request.order);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(page.take().await);
    assert_eq!(page.resets, 1);
    assert_eq!(page.states, [SeatState::Locked]);
    stock.inventory.release(stock.session, order.unwrap()).await.unwrap();
    assert!(page.take().await);
    assert_eq!((page.resets, &page.states[..]), (1, &[SeatState::Available][..]));
}

#[tokio::test]
async fn a_reader_ends_with_its_last_listener() {
    let ledger = Arc::new(MemoryLedger::new());
    let spy = Spy::open(ledger.clone());
    let stock = Stock::new(spy.clone(), 1).await;
    let first = stock.inventory.listen(stock.session, None).await.unwrap();
    let second = stock.inventory.listen(stock.session, None).await.unwrap();
    tokio::time::pause();
    let looks = async |seconds| {
        let before = spy.looks();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        spy.looks() - before
    };
    let both = looks(20).await;
    assert!((15..=25).contains(&both), "one reader for two listeners: {both} looks");
    drop(first);
    assert!(looks(20).await >= 15);
    drop(second);
    tokio::task::yield_now().await;
    let _last = looks(1).await;
    assert_eq!(looks(20).await, 0);
    // And begins again with the next.
    let _third = stock.inventory.listen(stock.session, None).await.unwrap();
    assert!(looks(20).await >= 15);
}

#[tokio::test]
async fn listeners_end_when_the_platform_stops() {
    let stock = Stock::new(Arc::new(MemoryLedger::new()), 1).await;
    let mut listener = stock.inventory.listen(stock.session, None).await.unwrap();
    stock.stopping.cancel();
    assert!(timeout(PATIENCE, listener.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_new_generation_resets_listeners() {
    let ledger = Arc::new(MemoryLedger::new());
    let stock = Stock::new(ledger.clone(), 2).await;
    let mut page = Page::open(&stock.inventory, stock.session).await;
    let next = empty(page.cursor.epoch + 1, 2);
    let _ = ledger.load(stock.session, &next).await.unwrap();
    page.until("the reset", |page| page.resets > 0).await;
    assert_eq!((page.resets, page.cursor.epoch), (1, next.epoch));
}

#[tokio::test]
async fn listeners_survive_a_server_that_loses_its_memory() {
    let mut server = RedisServer::start().await;
    let config = RedisConfig::new(server.url())
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(100))
        .with_keep_alive(Duration::from_millis(500));
    let stock = Stock::new(Arc::new(redis_ledger(&config).with_prefix(unique("p"))), 3).await;
    stock.order("PAID", &[2]).await;
    let mut page = Page::open(&stock.inventory, stock.session).await;
    assert!(matches!(stock.inventory.hold(&request(stock.session, &[0])).await.unwrap(), Hold::Held { .. }));
    page.until("the hold", |page| page.states[0] == SeatState::Locked).await;
    server.restart_empty().await;
    // The reader itself has the ledger rebuilt: nobody buys meanwhile.
    page.until("the reset", |page| page.resets > 0).await;
    assert_eq!(page.states, [SeatState::Available, SeatState::Available, SeatState::Sold]);
    assert!(matches!(stock.inventory.hold(&request(stock.session, &[1])).await.unwrap(), Hold::Held { .. }));
    page.until("the next hold", |page| page.states[1] == SeatState::Locked).await;
}
