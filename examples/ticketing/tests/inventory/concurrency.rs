//! Many at once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use ticketing::{
    ids::{OrderId, SessionId, UserId},
    inventory::{Hold, HoldRequest, SeatLedger, Settled},
};

use crate::fixture::{Fixture, Gathered, Memory, Redis, open, text};

const SEATS: u32 = 60;
const TASKS: u64 = 32;
const ROUNDS: usize = 60;

/// `no_seat_twice`: tasks hold, release and sell overlapping lists of seats. Each notes what it was promised; two
/// promises of one seat at the same time fail the test at once.
async fn no_seat_twice(ledger: Arc<dyn SeatLedger>) {
    let session = open(&*ledger, SEATS).await;
    let owners = Arc::new(Mutex::new(HashMap::new()));
    let tasks = (0..TASKS).map(|seed| {
        let (ledger, owners) = (Arc::clone(&ledger), Arc::clone(&owners));
        tokio::spawn(async move { buyer(&*ledger, session, seed, &owners).await })
    });
    let mut sold = HashSet::new();
    let mut refused = 0;
    for task in tasks.collect::<Vec<_>>() {
        let (mine, no) = task.await.unwrap();
        refused += no;
        for seat in mine {
            assert!(sold.insert(seat), "seat {seat} was sold twice");
        }
    }
    assert!(refused > 0, "nobody was in the way of anybody");
    let snapshot = ledger.snapshot(session).await.unwrap().unwrap();
    let expected: String = (0..SEATS).map(|seat| if sold.contains(&seat) { 'S' } else { 'A' }).collect();
    assert_eq!(text(&snapshot), expected);
    assert_eq!(ledger.counts(session).await.unwrap(), Some(snapshot.counts()));
    assert_eq!(ledger.holds(session, std::time::Duration::ZERO, 9).await.unwrap(), []);
}

async fn buyer(
    ledger: &dyn SeatLedger,
    session: SessionId,
    seed: u64,
    owners: &Mutex<HashMap<u32, OrderId>>,
) -> (Vec<u32>, u32) {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut sold, mut refused) = (Vec::new(), 0);
    let user = UserId::new();
    for _ in 0..ROUNDS {
        let seats: HashSet<u32> = (0..random.random_range(1..=4)).map(|_| random.random_range(0..SEATS)).collect();
        let order = OrderId::new();
        let request = HoldRequest { session, order, user, seats: seats.into_iter().collect() };
        match ledger.hold(&request).await.unwrap() {
            Hold::Held { .. } => {}
            Hold::Taken(_) | Hold::UserLimit { .. } => {
                refused += 1;
                continue;
            }
            other => panic!("{other:?}"),
        }
        for seat in &request.seats {
            let other = owners.lock().insert(*seat, order);
            assert_eq!(other, None, "seat {seat} was held twice");
        }
        tokio::task::yield_now().await;
        // A seat of a sold order is never free again, so only of released ones the note is taken away, and before that.
        if sold.is_empty() && random.random_bool(0.2) {
            assert_eq!(ledger.sell(session, order).await.unwrap(), Settled::Changed(request.seats.len() as u32));
            sold = request.seats;
        } else {
            for seat in &request.seats {
                assert_eq!(owners.lock().remove(seat), Some(order));
            }
            assert_eq!(ledger.release(session, order).await.unwrap(), Settled::Changed(request.seats.len() as u32));
        }
    }
    (sold, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_no_seat_twice() {
    no_seat_twice(Memory::with_log(65_536).await.ledger()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_no_seat_twice() {
    no_seat_twice(Redis::with_log(65_536).await.ledger()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_in_groups_no_seat_twice() {
    no_seat_twice(Gathered::with_log(65_536).await.ledger()).await;
}

/// One order asked for by many at once is held once.
async fn one_order_many_askers(ledger: Arc<dyn SeatLedger>) {
    let session = open(&*ledger, 10).await;
    let request = HoldRequest { session, order: OrderId::new(), user: UserId::new(), seats: vec![1, 2] };
    let askers = (0..50).map(|_| {
        let (ledger, request) = (Arc::clone(&ledger), request.clone());
        tokio::spawn(async move { ledger.hold(&request).await.unwrap() })
    });
    for asker in askers.collect::<Vec<_>>() {
        assert_eq!(asker.await.unwrap(), Hold::Held { epoch: 1 });
    }
    let counts = ledger.counts(session).await.unwrap().unwrap();
    assert_eq!((counts.locked, counts.cursor.sequence), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_one_order_many_askers() {
    one_order_many_askers(Memory::with_log(65_536).await.ledger()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_one_order_many_askers() {
    one_order_many_askers(Redis::with_log(65_536).await.ledger()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_in_groups_one_order_many_askers() {
    one_order_many_askers(Gathered::with_log(65_536).await.ledger()).await;
}
