//! The sold-out flag.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nebula_test_support::eventually;
use ticketing::inventory::{Hold, MemoryLedger, SeatLedger, Settled};

use crate::{fixture::request, spy::Spy, stock::Stock};

const PATIENCE: Duration = Duration::from_secs(60);

/// A session of two seats, both held by one order, and the flag raised.
async fn sold_out() -> (Arc<MemoryLedger>, Arc<Spy>, Stock, ticketing::inventory::HoldRequest) {
    let ledger = Arc::new(MemoryLedger::new());
    let spy = Spy::open(ledger.clone());
    let stock = Stock::new(spy.clone(), 2).await;
    let all = request(stock.session, &[0, 1]);
    assert!(matches!(stock.inventory.hold(&all).await.unwrap(), Hold::Held { .. }));
    assert!(!stock.inventory.sold_out(stock.session), "nobody was refused yet");
    eventually(PATIENCE, || async {
        assert!(matches!(stock.inventory.hold(&request(stock.session, &[0])).await, Ok(Hold::Taken(_))));
        stock.inventory.sold_out(stock.session)
    })
    .await;
    (ledger, spy, stock, all)
}

#[tokio::test]
async fn a_refusal_touches_no_ledger() {
    let (_, spy, stock, _) = sold_out().await;
    let before = spy.looks();
    let mut raised = 0;
    for _ in 0..10_000 {
        raised += u32::from(stock.inventory.sold_out(stock.session));
        tokio::task::yield_now().await;
    }
    assert!(raised > 0);
    assert!(spy.looks() - before < 100, "{} looks for 10,000 refusals", spy.looks() - before);
}

#[tokio::test]
async fn it_goes_down_at_once_when_seats_come_back_here() {
    let (_, _, stock, all) = sold_out().await;
    stock.inventory.release(stock.session, all.order).await.unwrap();
    assert!(!stock.inventory.sold_out(stock.session));
}

#[tokio::test]
async fn a_sweep_takes_it_down() {
    let (_, _, stock, _) = sold_out().await;
    assert_eq!(stock.inventory.sweep(stock.session, Duration::ZERO).await.unwrap(), 1);
    assert!(!stock.inventory.sold_out(stock.session));
}

#[tokio::test]
async fn it_goes_down_by_itself_when_seats_come_back_elsewhere() {
    let (ledger, _, stock, all) = sold_out().await;
    // Another process freed them: nothing of this reaches the flag.
    assert_eq!(ledger.release(stock.session, all.order).await.unwrap(), Settled::Changed(2));
    eventually(PATIENCE, || async { !stock.inventory.sold_out(stock.session) }).await;
}

#[tokio::test]
async fn it_is_not_believed_when_the_ledger_cannot_say() {
    let (_, spy, stock, _) = sold_out().await;
    spy.deaf.store(true, Ordering::SeqCst);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!stock.inventory.sold_out(stock.session));
}

#[tokio::test]
async fn a_taken_seat_alone_does_not_raise_it() {
    let stock = Stock::new(Arc::new(MemoryLedger::new()), 2).await;
    let one = request(stock.session, &[0]);
    assert!(matches!(stock.inventory.hold(&one).await.unwrap(), Hold::Held { .. }));
    for _ in 0..20 {
        assert!(matches!(stock.inventory.hold(&request(stock.session, &[0])).await, Ok(Hold::Taken(_))));
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(!stock.inventory.sold_out(stock.session));
    }
}
