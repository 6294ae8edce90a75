//! Holds that share a call are answered as if they had come one after the other.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use proptest::{collection::vec, prelude::*, test_runner::Config};
use ticketing::{
    ids::{OrderId, SessionId, UserId},
    inventory::{Changes, Cursor, Hold, HoldRequest, LedgerImage, SeatLedger, SeatState},
};

use crate::fixture::{Fixture, Gathered, Memory, empty, held, letters, open, request};

/// Order, user and seats, by number.
type Wish = (usize, usize, Vec<u32>);

const SEATS: u32 = 12;

/// Far apart: they are read one by one.
const FAR: u32 = 20_000;

fn wish() -> impl Strategy<Value = Wish> {
    // Two seats that no plan has.
    (0..8_usize, 0..3_usize, vec(0..SEATS + 2, 0..4))
}

async fn joined(ledger: &dyn SeatLedger, requests: &[HoldRequest]) -> Vec<Hold> {
    join_all(requests.iter().map(|request| async { ledger.hold(request).await.unwrap() })).await
}

async fn in_turn(ledger: &dyn SeatLedger, requests: &[HoldRequest]) -> Vec<Hold> {
    let mut holds = Vec::new();
    for request in requests {
        holds.push(ledger.hold(request).await.unwrap());
    }
    holds
}

#[test]
fn a_call_of_many_answers_as_many_calls() {
    // One thread: all holds of a batch have gathered before the first call is made.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (memory, redis) =
        runtime.block_on(async { (Memory::with_log(99).await.ledger(), Gathered::with_log(99).await.ledger()) });
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    proptest!(config, |(batches in vec(vec(wish(), 1..40), 1..6), spread in prop::bool::ANY)| {
        runtime.block_on(async {
            let session = SessionId::new();
            let apart = if spread { FAR } else { 1 };
            for ledger in [&memory, &redis] {
                let image = LedgerImage { seats_per_user: 5, ..empty(1, SEATS * apart) };
                let _ = ledger.load(session, &image).await.unwrap();
            }
            let orders: Vec<_> = (0..8).map(|_| OrderId::new()).collect();
            let users: Vec<_> = (0..3).map(|_| UserId::new()).collect();
            for batch in &batches {
                let requests: Vec<_> = batch.iter().map(|(order, user, seats)| HoldRequest {
                    session,
                    order: orders[*order],
                    user: users[*user],
                    seats: seats.iter().map(|seat| seat * apart).collect(),
                }).collect();
                prop_assert_eq!(in_turn(&*memory, &requests).await, joined(&*redis, &requests).await);
                prop_assert_eq!(letters(&*memory, session).await, letters(&*redis, session).await);
                let mut held = Vec::new();
                for ledger in [&memory, &redis] {
                    let holds = ledger.holds(session, Duration::ZERO, 99).await.unwrap();
                    held.push(holds.into_iter().collect::<BTreeSet<_>>());
                }
                prop_assert_eq!(&held[0], &held[1]);
                // Whatever was held in a call of many is given back alone.
                for order in &orders[..4] {
                    prop_assert_eq!(
                        memory.release(session, *order).await.unwrap(),
                        redis.release(session, *order).await.unwrap()
                    );
                }
            }
            Ok(())
        })?;
    });
}

#[tokio::test]
async fn a_call_of_many_is_one_step_that_replays() {
    let ledger = Gathered::with_log(99).await.ledger();
    let session = open(&*ledger, 40).await;
    let first = held(&*ledger, session, &[7]).await;
    let requests: Vec<_> =
        [vec![3, 4], vec![7], vec![5], vec![39, 0], vec![4]].iter().map(|s| request(session, s)).collect();
    let epoch = 1;
    assert_eq!(
        joined(&*ledger, &requests).await,
        [Hold::Held { epoch }, Hold::Taken(vec![7]), Hold::Held { epoch }, Hold::Held { epoch }, Hold::Taken(vec![4])]
    );
    let Changes::Since { cursor, seats, counts } =
        ledger.changes(session, Cursor { epoch, sequence: 0 }).await.unwrap()
    else {
        panic!("the log reaches back")
    };
    assert_eq!(cursor, Cursor { epoch, sequence: 2 });
    let locked = |seat| (seat, SeatState::Locked);
    assert_eq!(seats, [7, 0, 3, 4, 5, 39].map(locked));
    assert_eq!((counts.locked, counts.sold), (6, 0));
    assert!(ledger.hold(&first).await.unwrap() == Hold::Held { epoch });
}

/// What several want at once while nobody loads the session, and what somebody wanted who left.
#[tokio::test]
async fn nobody_waits_for_an_answer_that_does_not_come() {
    let ledger = Gathered::with_log(99).await.ledger();
    let unknown: Vec<_> = (0..5).map(|seat| request(SessionId::new(), &[seat])).collect();
    assert_eq!(joined(&*ledger, &unknown).await, vec![Hold::NotReady; 5]);

    let session = open(&*ledger, 10).await;
    let (left, stayed) = (request(session, &[1, 2]), request(session, &[2, 3]));
    let leaving = Arc::clone(&ledger);
    let mut gone = Box::pin(async move { leaving.hold(&left).await });
    assert!(futures_util::poll!(&mut gone).is_pending());
    drop(gone);
    // It was not sent yet, so it is not sent any more.
    assert_eq!(ledger.hold(&stayed).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(letters(&*ledger, session).await, "AALL".to_owned() + &"A".repeat(6));
}
