//! How many holds a second, for a look; nothing is asserted about time.
//!
//! `cargo test --release -p ticketing --test inventory speed -- --ignored --nocapture --test-threads 1`

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ticketing::inventory::{Hold, LedgerImage, Load, SeatLedger, Settled};

use crate::fixture::{Fixture, Memory, Redis, empty, image_order, open, request};

const SEATS: u32 = 50_000;

/// `tasks` buyers hold two seats each until none is left, then as many are refused; then all are sold.
async fn measure(name: &str, ledger: Arc<dyn SeatLedger>) {
    for tasks in [1_u32, 16, 64, 256] {
        let session = open(&*ledger, SEATS).await;
        let held = run(tasks, &ledger, move |ledger, seat| async move {
            let request = request(session, &[seat, seat + 1]);
            assert!(matches!(ledger.hold(&request).await.unwrap(), Hold::Held { .. }));
            request.order
        });
        let (orders, held) = held.await;
        let refused = run(tasks, &ledger, move |ledger, seat| async move {
            assert!(matches!(ledger.hold(&request(session, &[seat, seat + 1])).await.unwrap(), Hold::Taken(_)));
        });
        let (_, refused) = refused.await;
        let orders = Arc::new(orders);
        let sold = run(tasks, &ledger, move |ledger, seat| {
            let order = orders[seat as usize / 2];
            async move { assert_eq!(ledger.sell(session, order).await.unwrap(), Settled::Changed(2)) }
        });
        let (_, sold) = sold.await;
        println!("{name:7} {tasks:4} tasks: {held:9.0} holds/s {refused:9.0} refusals/s {sold:9.0} sales/s");
    }
    let orders: Vec<_> = (0..SEATS / 4).map(|n| image_order(&[4 * n, 4 * n + 1], n % 2 == 0)).collect();
    let image = LedgerImage { orders, ..empty(2, SEATS) };
    let session = open(&*ledger, 1).await;
    let start = Instant::now();
    assert_eq!(ledger.load(session, &image).await.unwrap(), Load::Done);
    let load = start.elapsed();
    let start = Instant::now();
    for _ in 0..100 {
        ledger.snapshot(session).await.unwrap().unwrap();
    }
    println!("{name:7} load of {SEATS} seats, {} orders: {load:?}; snapshot {:?}", SEATS / 4, start.elapsed() / 100);
}

/// Does `work` for every second seat, spread over `tasks`; answers the results in order and the rate.
async fn run<T, F, R>(tasks: u32, ledger: &Arc<dyn SeatLedger>, work: F) -> (Vec<T>, f64)
where
    T: Send + 'static,
    F: Fn(Arc<dyn SeatLedger>, u32) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = T> + Send,
{
    let start = Instant::now();
    let running = (0..tasks).map(|task| {
        let (ledger, work) = (Arc::clone(ledger), work.clone());
        tokio::spawn(async move {
            let mut done = Vec::new();
            for seat in (0..SEATS).step_by(2).skip(task as usize).step_by(tasks as usize) {
                done.push((seat, work(Arc::clone(&ledger), seat).await));
            }
            done
        })
    });
    let mut all = Vec::new();
    for task in running.collect::<Vec<_>>() {
        all.extend(task.await.unwrap());
    }
    let rate = f64::from(SEATS / 2) / start.elapsed().max(Duration::from_nanos(1)).as_secs_f64();
    all.sort_by_key(|(seat, _)| *seat);
    (all.into_iter().map(|(_, result)| result).collect(), rate)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p ticketing --test inventory speed -- --ignored --nocapture"]
async fn memory() {
    measure("memory", Memory::with_log(65_536).await.ledger()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p ticketing --test inventory speed -- --ignored --nocapture"]
async fn redis() {
    measure("redis", Redis::with_log(65_536).await.ledger()).await;
}
