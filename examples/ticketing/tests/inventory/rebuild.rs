//! Rebuilding ledgers from the database.

use std::{sync::Arc, time::Duration};

use nebula_redis::RedisConfig;
use nebula_test_support::{RedisServer, eventually, unique};
use ticketing::{
    clock::Millis,
    ids::{OrderId, SessionId, UserId},
    inventory::{Hold, HoldRequest, Load, MemoryLedger, SeatLedger, Settled},
    money::{Currency, Money},
    order::{
        OrderState,
        storage::{self, Inserted, OrderRow, OrderSeat},
    },
    problem::{Code, Problem},
    storage::sql::query,
};

use crate::{
    fixture::{Fixture, Redis, empty, redis_ledger, request},
    spy::Spy,
    stock::Stock,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn memory() -> Arc<dyn SeatLedger> {
    Arc::new(MemoryLedger::new())
}

async fn held(stock: &Stock, seats: &[u32]) -> HoldRequest {
    let request = request(stock.session, seats);
    assert!(matches!(stock.inventory.hold(&request).await.unwrap(), Hold::Held { .. }));
    request
}

#[tokio::test]
async fn the_first_question_loads_what_the_database_knows() {
    let stock = Stock::new(memory(), 12).await;
    let (_, locked) = stock.order("LOCKED", &[0, 1]).await;
    stock.order("PAYING", &[2]).await;
    stock.order("PAID", &[4, 5]).await;
    for (n, state) in ["CANCELLED", "TIMEOUT_CANCELLED", "REFUNDED", "INIT"].into_iter().enumerate() {
        stock.order(state, &[n as u32 + 6]).await;
    }
    assert_eq!(stock.epoch().await, 0);
    assert_eq!(stock.letters().await, "LLLASSAAAAAA");
    let epoch = stock.epoch().await;
    assert!(epoch > 0);
    let more = HoldRequest { user: locked, ..request(stock.session, &[3, 6, 7]) };
    assert_eq!(stock.inventory.hold(&more).await.unwrap(), Hold::UserLimit { has: 2, limit: 4 });
    assert_eq!(stock.inventory.hold(&request(stock.session, &[3])).await.unwrap(), Hold::Held { epoch });
    assert_eq!(stock.epoch().await, epoch, "loaded once");
}

#[tokio::test]
async fn an_unknown_session_is_not_found_and_leaves_nothing() {
    let spy = Spy::open(memory());
    let stock = Stock::new(spy.clone(), 2).await;
    let nowhere = SessionId::new();
    let problems = [
        stock.inventory.hold(&request(nowhere, &[0])).await.unwrap_err(),
        stock.inventory.snapshot(nowhere).await.unwrap_err(),
        stock.inventory.warm(nowhere).await.unwrap_err(),
        stock.inventory.listen(nowhere, None).await.unwrap_err(),
    ];
    for problem in problems {
        assert_eq!(problem.code, Code::NotFound);
    }
    assert_eq!(spy.loads(), 0);
    // Where nothing is held there is nothing to free or to sell.
    stock.inventory.release(nowhere, OrderId::new()).await.unwrap();
    stock.inventory.sell(nowhere, OrderId::new()).await.unwrap();
    assert_eq!(stock.inventory.sweep(nowhere, Duration::ZERO).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_first_holds_load_once() {
    let spy = Spy::open(memory());
    let stock = Arc::new(Stock::new(spy.clone(), 100).await);
    let holds = (0..100).map(|seat| {
        let stock = Arc::clone(&stock);
        tokio::spawn(async move { held(&stock, &[seat]).await })
    });
    for hold in holds.collect::<Vec<_>>() {
        hold.await.unwrap();
    }
    assert_eq!(spy.loads(), 1);
    assert_eq!(stock.letters().await, "L".repeat(100));
}

/// Processes whose locks do not exclude each other rebuild and hold as the order service does: under the database's epoch
/// or not at all. Every seat that the database accepted stays with its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_rebuild_at_once_agree() {
    let ledger = Redis::with_log(65_536).await.ledger();
    let stock = Arc::new(Stock::new(Arc::clone(&ledger), 40).await);
    let tasks = (0..8_u32).map(|n| {
        let stock = Arc::clone(&stock);
        let inventory = stock.process(Arc::clone(&ledger));
        tokio::spawn(async move {
            let request = request(stock.session, &[n, n + 8]);
            // Most of the time somebody else's rebuild has voided the hold.
            loop {
                let epoch = match inventory.hold(&request).await {
                    Ok(Hold::Held { epoch }) => epoch,
                    Ok(other) => panic!("{other:?}"),
                    Err(problem) if problem.code == Code::OneMoment => continue,
                    Err(problem) => panic!("{problem}"),
                };
                if accept(&stock, &request, epoch).await {
                    return request;
                }
                inventory.invalidate(stock.session, epoch).await.unwrap();
            }
        })
    });
    let mut orders = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        orders.push(tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap());
    }
    // One more rebuild, from what the database has.
    let epoch = stock.epoch().await;
    stock.inventory.invalidate(stock.session, epoch).await.unwrap();
    assert!(stock.epoch().await > epoch);
    assert_eq!(stock.letters().await, format!("{}{}", "L".repeat(16), "A".repeat(24)));
    for order in orders {
        assert!(matches!(stock.inventory.hold(&order).await.unwrap(), Hold::Held { .. }));
    }
}

/// Writes the order in one step with the check of the epoch, as the order service does.
async fn accept(stock: &Stock, request: &HoldRequest, epoch: i64) -> bool {
    let order = OrderRow {
        id: request.order,
        user: request.user,
        session: request.session,
        state: OrderState::Locked,
        total: Money { minor: 0, currency: Currency::CNY },
        fingerprint: String::new(),
        created_at: Millis(0),
        expires_at: Millis(0),
        archived_at: None,
    };
    let seat = |position: &u32| OrderSeat {
        position: *position,
        guid: format!("g{position}"),
        category: "c".to_owned(),
        price: Money { minor: 0, currency: Currency::CNY },
    };
    let seats: Vec<_> = request.seats.iter().map(seat).collect();
    let write = stock.database.write.run::<_, Problem, _>(move |connection| {
        Box::pin(async move {
            query(
                "INSERT INTO users (id, email_index, display_name, created_at) VALUES ($1, $1, '', 0)
                 ON CONFLICT DO NOTHING",
            )
            .bind(order.user)
            .execute(&mut *connection)
            .await?;
            storage::insert(connection, &order, &seats, epoch).await
        })
    });
    write.await.unwrap() == Inserted::New
}

#[tokio::test]
async fn orders_that_end_during_a_rebuild_are_followed() {
    let spy = Spy::closed(memory());
    let stock = Arc::new(Stock::new(spy.clone(), 5).await);
    let (cancelled, _) = stock.order("LOCKED", &[0]).await;
    let (paid, _) = stock.order("PAYING", &[1, 2]).await;
    stock.order("LOCKED", &[3]).await;
    let warm = tokio::spawn({
        let stock = Arc::clone(&stock);
        async move { stock.letters().await }
    });
    // The image was read and waits to be loaded.
    eventually(PATIENCE, || async { spy.loads() == 1 }).await;
    stock.set(cancelled, "CANCELLED").await;
    stock.set(paid, "PAID").await;
    // The messages that tell the ledger come too early: it is not ready.
    stock.inventory.release(stock.session, cancelled).await.unwrap();
    stock.inventory.sell(stock.session, paid).await.unwrap();
    spy.gate.add_permits(10);
    assert_eq!(warm.await.unwrap(), "ASSLA");
}

#[tokio::test]
async fn a_rebuild_that_lost_its_lock_changes_nothing() {
    let ledger = memory();
    let spy = Spy::closed(Arc::clone(&ledger));
    let stock = Arc::new(Stock::new(spy.clone(), 3).await);
    let slow = tokio::spawn({
        let stock = Arc::clone(&stock);
        async move { stock.inventory.warm(stock.session).await }
    });
    eventually(PATIENCE, || async { spy.loads() == 1 }).await;
    let voided = stock.epoch().await;

    // Another process is quicker, under a later epoch, and sells.
    let other = stock.process(Arc::clone(&ledger));
    let mine = request(stock.session, &[1]);
    let Hold::Held { epoch } = other.hold(&mine).await.unwrap() else { panic!("the seat is free") };
    assert!(epoch > voided);
    spy.gate.add_permits(10);
    slow.await.unwrap().unwrap();
    assert_eq!(stock.letters().await, "ALA");
    assert_eq!(stock.epoch().await, epoch);
    assert_eq!(ledger.sell(stock.session, mine.order).await.unwrap(), Settled::Changed(1));
}

/// A process died after it had opened an epoch: the ledger goes on under the old one, whose holds are void.
#[tokio::test]
async fn a_rebuild_that_died_half_way_is_finished_by_another() {
    let stock = Stock::new(memory(), 3).await;
    let old = held(&stock, &[0]).await;
    let void = stock.inventory.counts(stock.session).await.unwrap().cursor.epoch;
    query("UPDATE sessions SET ledger_epoch = ledger_epoch + 1").execute(&stock.database.read).await.unwrap();
    stock.inventory.invalidate(stock.session, void).await.unwrap();
    let Hold::Held { epoch } = stock.inventory.hold(&old).await.unwrap() else { panic!("the seat is free") };
    assert_eq!(epoch, stock.epoch().await);
    assert!(epoch > void + 1);
    // Told again by somebody who was slower: that epoch has passed already.
    stock.inventory.invalidate(stock.session, void).await.unwrap();
    assert_eq!(epoch, stock.epoch().await);
}

/// The database was restored from a copy, the server kept its memory: the ledger knows later epochs than the database.
#[tokio::test]
async fn a_database_behind_the_ledger_catches_up() {
    let server = RedisServer::start().await;
    let config = RedisConfig::new(server.url());
    let ledger = Arc::new(redis_ledger(&config).with_prefix("p:"));
    let stock = Stock::new(ledger.clone(), 3).await;
    let ahead = 5_000_000_000_000_000;
    assert_eq!(ledger.load(stock.session, &empty(ahead, 3)).await.unwrap(), Load::Done);
    let mut connection = config.connect().await.unwrap();
    let book = format!("p:{{{}}}:book", stock.session);
    redis::cmd("HSET").arg(book).arg("run").arg("another").exec_async(&mut connection).await.unwrap();
    assert_eq!(stock.letters().await, "AAA");
    assert_eq!(stock.epoch().await, ahead + 1);
}

#[tokio::test]
async fn a_rebuild_that_takes_long_answers_one_moment() {
    let spy = Spy::closed(memory());
    let stock = Stock::new(spy.clone(), 3).await;
    let request = request(stock.session, &[0]);
    let answer = tokio::time::timeout(PATIENCE, stock.inventory.hold(&request)).await.expect("a deadline");
    assert_eq!(answer.unwrap_err().code, Code::OneMoment);
    // It went on meanwhile, and is not begun a second time.
    spy.gate.add_permits(10);
    let answer = eventually(PATIENCE, || async { stock.inventory.hold(&request).await }).await;
    assert!(matches!(answer, Hold::Held { .. }));
    assert_eq!(spy.loads(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_break_the_rebuild_off() {
    let spy = Spy::closed(memory());
    let stock = Arc::new(Stock::new(spy.clone(), 3).await);
    let caller = tokio::spawn({
        let stock = Arc::clone(&stock);
        async move { stock.inventory.warm(stock.session).await }
    });
    eventually(PATIENCE, || async { spy.loads() == 1 }).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    spy.gate.add_permits(10);
    assert_eq!(stock.letters().await, "AAA");
    assert_eq!(spy.loads(), 1);
}

#[tokio::test]
async fn a_server_that_lost_its_memory_is_loaded_again_by_the_next_hold() {
    let mut server = RedisServer::start().await;
    let config = RedisConfig::new(server.url()).with_reconnect(Duration::from_millis(10), Duration::from_millis(100));
    let stock = Stock::new(Arc::new(redis_ledger(&config).with_prefix(unique("p"))), 4).await;
    let (paid, _) = stock.order("PAID", &[0]).await;
    let kept = held(&stock, &[1]).await;
    stock.order_of(kept.order, kept.user, "LOCKED", &[1]).await;
    held(&stock, &[2]).await;
    assert_eq!(stock.letters().await, "SLLA");
    let before = stock.epoch().await;
    server.restart_empty().await;
    let answer = eventually(PATIENCE, || async { stock.inventory.hold(&request(stock.session, &[0])).await }).await;
    assert_eq!(answer, Hold::Taken(vec![0]));
    assert_eq!(stock.letters().await, "SLAA");
    assert!(stock.epoch().await > before);
    stock.inventory.sell(stock.session, paid).await.unwrap();
    assert_eq!(stock.letters().await, "SLAA");
}

#[tokio::test]
async fn a_sweep_lets_the_ledger_follow_the_database() {
    let stock = Stock::new(memory(), 8).await;
    let orphan = held(&stock, &[0]).await;
    let live = held(&stock, &[1]).await;
    stock.order_of(live.order, live.user, "PAYING", &[1]).await;
    let ended = held(&stock, &[2, 3]).await;
    stock.order_of(ended.order, ended.user, "TIMEOUT_CANCELLED", &[2, 3]).await;
    let paid = held(&stock, &[4]).await;
    stock.order_of(paid.order, paid.user, "PAID", &[4]).await;
    assert_eq!(stock.inventory.sweep(stock.session, Duration::from_secs(3_600)).await.unwrap(), 0);
    assert_eq!(stock.letters().await, "LLLLLAAA");
    assert_eq!(stock.inventory.sweep(stock.session, Duration::ZERO).await.unwrap(), 3);
    assert_eq!(stock.letters().await, "ALAASAAA");
    assert_eq!(stock.inventory.sweep(stock.session, Duration::ZERO).await.unwrap(), 0);
    assert!(matches!(stock.inventory.hold(&orphan).await.unwrap(), Hold::Held { .. }));
}

#[tokio::test]
async fn a_paid_order_that_the_ledger_forgot_is_found_again() {
    let ledger = memory();
    let stock = Stock::new(Arc::clone(&ledger), 3).await;
    let paid = held(&stock, &[1]).await;
    stock.order_of(paid.order, paid.user, "PAID", &[1]).await;
    assert_eq!(ledger.release(stock.session, paid.order).await.unwrap(), Settled::Changed(1));
    stock.inventory.sell(stock.session, paid.order).await.unwrap();
    assert_eq!(stock.letters().await, "ASA");
    // Of an order that is not paid, nothing comes of it.
    let nobody = HoldRequest { user: UserId::new(), ..request(stock.session, &[0]) };
    stock.inventory.sell(stock.session, nobody.order).await.unwrap();
    assert_eq!(stock.letters().await, "ASA");
}
