//! The contract of `SeatLedger`, bullet by bullet.

use std::time::Duration;

use futures_util::future::join_all;
use nebula_test_support::eventually;
use ticketing::{
    ids::{OrderId, SessionId, UserId},
    inventory::{Changes, Counts, Cursor, Hold, HoldRequest, LedgerImage, Load, SeatState, Settled},
};

use crate::fixture::{Fixture, empty, held, image_order, letters, open, request, text};

const HOUR: Duration = Duration::from_secs(3_600);

macro_rules! suite {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name::<crate::fixture::Memory>().await;
            })+
        }

        mod redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name::<crate::fixture::Redis>().await;
            })+
        }

        mod redis_in_groups {
            $(#[tokio::test]
            async fn $name() {
                super::$name::<crate::fixture::Gathered>().await;
            })+
        }
    };
}

suite! {
    hold_takes_all_or_none,
    hold_repeats_by_order,
    user_limit_counts_held_and_sold,
    the_counter_has_no_limit,
    unknown_seats_are_refused,
    release_frees_only_holds,
    expire_spares_young_holds,
    sell_repeats,
    many_sell_at_once_each_for_itself,
    refund_frees_sold_seats,
    changes_are_logged,
    old_cursors_reset,
    changes_come_in_pages,
    watch_hints,
    counts_add_up,
    holds_lists_the_oldest,
    unloaded_is_not_ready,
    load_replaces_all,
    older_epochs_do_not_load,
    an_empty_request_holds_nothing,
}

async fn new<F: Fixture>() -> F {
    F::with_log(65_536).await
}

async fn hold_takes_all_or_none<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 6).await;
    held(&*ledger, session, &[1, 3]).await;
    let before = ledger.counts(session).await.unwrap();
    assert_eq!(ledger.hold(&request(session, &[0, 3, 1, 2])).await.unwrap(), Hold::Taken(vec![1, 3]));
    assert_eq!(letters(&*ledger, session).await, "ALALAA");
    assert_eq!(ledger.counts(session).await.unwrap(), before);
    assert_eq!(ledger.hold(&request(session, &[5, 0])).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(letters(&*ledger, session).await, "LLALAL");
}

async fn hold_repeats_by_order<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 6).await;
    let mine = held(&*ledger, session, &[1, 3]).await;
    let before = ledger.counts(session).await.unwrap();
    let again = HoldRequest { seats: vec![3, 1], ..mine.clone() };
    assert_eq!(ledger.hold(&again).await.unwrap(), Hold::Held { epoch: 1 });
    for seats in [&[1][..], &[1, 2], &[1, 3, 4], &[4], &[]] {
        let other = HoldRequest { seats: seats.to_vec(), ..mine.clone() };
        assert_eq!(ledger.hold(&other).await.unwrap(), Hold::OtherSeats(vec![1, 3]), "{seats:?}");
    }
    let stranger = HoldRequest { user: UserId::new(), ..mine.clone() };
    assert_eq!(ledger.hold(&stranger).await.unwrap(), Hold::OtherSeats(Vec::new()));
    assert_eq!(ledger.counts(session).await.unwrap(), before);

    fixture.make_older(session, mine.order, HOUR).await;
    assert_eq!(ledger.holds(session, HOUR, 9).await.unwrap(), [mine.order]);
    assert_eq!(ledger.hold(&mine).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(ledger.holds(session, HOUR, 9).await.unwrap(), []);

    assert_eq!(ledger.sell(session, mine.order).await.unwrap(), Settled::Changed(2));
    assert_eq!(ledger.hold(&again).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(letters(&*ledger, session).await, "ASASAA");
    assert_eq!(ledger.holds(session, Duration::ZERO, 9).await.unwrap(), []);
}

async fn user_limit_counts_held_and_sold<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 9).await;
    let first = held(&*ledger, session, &[0, 1]).await;
    assert_eq!(ledger.sell(session, first.order).await.unwrap(), Settled::Changed(2));
    let next = |seats: &[u32]| HoldRequest { user: first.user, ..request(session, seats) };
    let second = next(&[2]);
    assert_eq!(ledger.hold(&second).await.unwrap(), Hold::Held { epoch: 1 });
    // The limit is named before the taken seat.
    assert_eq!(ledger.hold(&next(&[2, 4])).await.unwrap(), Hold::UserLimit { has: 3, limit: 4 });
    assert_eq!(ledger.hold(&next(&[4])).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(ledger.hold(&next(&[5])).await.unwrap(), Hold::UserLimit { has: 4, limit: 4 });
    // Others are not concerned, and released seats do not count.
    held(&*ledger, session, &[5, 6, 7, 8]).await;
    assert_eq!(ledger.release(session, second.order).await.unwrap(), Settled::Changed(1));
    assert_eq!(ledger.hold(&next(&[3])).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(letters(&*ledger, session).await, "SSALLLLLL");
}

async fn the_counter_has_no_limit<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 9).await;
    let sale = |seats: &[u32]| HoldRequest { user: UserId::COUNTER, ..request(session, seats) };
    // The limit is four.
    let first = sale(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(ledger.hold(&first).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(ledger.hold(&sale(&[6])).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(ledger.hold(&sale(&[5, 7])).await.unwrap(), Hold::Taken(vec![5]));
    assert_eq!(ledger.release(session, first.order).await.unwrap(), Settled::Changed(6));
    assert_eq!(letters(&*ledger, session).await, "AAAAAALAA");
}

async fn unknown_seats_are_refused<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 3).await;
    assert_eq!(ledger.hold(&request(session, &[9, 2, 3])).await.unwrap(), Hold::UnknownSeat(3));
    assert_eq!(ledger.hold(&request(session, &[u32::MAX])).await.unwrap(), Hold::UnknownSeat(u32::MAX));
    assert_eq!(letters(&*ledger, session).await, "AAA");
}

async fn refund_frees_sold_seats<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 4).await;
    let sold = held(&*ledger, session, &[0, 1]).await;
    assert_eq!(ledger.sell(session, sold.order).await.unwrap(), Settled::Changed(2));
    let other = held(&*ledger, session, &[2]).await;
    // The message that it was sold may come after the one that it was refunded: what is only held goes as well.
    let late = held(&*ledger, session, &[3]).await;
    assert_eq!(ledger.refund(session, late.order).await.unwrap(), Settled::Changed(1));
    assert_eq!(ledger.sell(session, late.order).await.unwrap(), Settled::NothingHeld);

    assert_eq!(ledger.refund(session, sold.order).await.unwrap(), Settled::Changed(2));
    assert_eq!(ledger.refund(session, sold.order).await.unwrap(), Settled::NothingHeld);
    assert_eq!(letters(&*ledger, session).await, "AALA");
    let counts = ledger.counts(session).await.unwrap().unwrap();
    assert_eq!((counts.locked, counts.sold, counts.available()), (1, 0, 3));

    // The user may have four seats again, and the first order cannot take them away.
    let again = HoldRequest { order: OrderId::new(), seats: vec![0, 1, 3], ..sold.clone() };
    assert_eq!(ledger.hold(&again).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(ledger.refund(session, sold.order).await.unwrap(), Settled::NothingHeld);
    assert_eq!(ledger.refund(session, OrderId::new()).await.unwrap(), Settled::NothingHeld);
    assert_eq!(ledger.release(session, other.order).await.unwrap(), Settled::Changed(1));
    assert_eq!(letters(&*ledger, session).await, "LLAL");
}

async fn release_frees_only_holds<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 4).await;
    let sold = held(&*ledger, session, &[0]).await;
    assert_eq!(ledger.sell(session, sold.order).await.unwrap(), Settled::Changed(1));
    let mine = held(&*ledger, session, &[1, 2]).await;
    let other = held(&*ledger, session, &[3]).await;

    assert_eq!(ledger.release(session, sold.order).await.unwrap(), Settled::Kept);
    assert_eq!(ledger.release(session, mine.order).await.unwrap(), Settled::Changed(2));
    assert_eq!(ledger.release(session, mine.order).await.unwrap(), Settled::NothingHeld);
    assert_eq!(letters(&*ledger, session).await, "SAAL");

    // Another order has the seats now: the first one cannot free them.
    held(&*ledger, session, &[1]).await;
    assert_eq!(ledger.release(session, mine.order).await.unwrap(), Settled::NothingHeld);
    assert_eq!(ledger.release(session, OrderId::new()).await.unwrap(), Settled::NothingHeld);
    assert_eq!(letters(&*ledger, session).await, "SLAL");

    // A released order may begin again.
    assert_eq!(ledger.hold(&HoldRequest { seats: vec![2], ..mine }).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(ledger.release(session, other.order).await.unwrap(), Settled::Changed(1));
    assert_eq!(letters(&*ledger, session).await, "SLLA");
}

async fn expire_spares_young_holds<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 2).await;
    let mine = held(&*ledger, session, &[0]).await;
    assert_eq!(ledger.expire(session, mine.order, HOUR).await.unwrap(), Settled::Kept);
    fixture.make_older(session, mine.order, HOUR).await;
    // Asked for again before the sweep comes back with what it saw.
    assert_eq!(ledger.hold(&mine).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(ledger.expire(session, mine.order, HOUR).await.unwrap(), Settled::Kept);
    assert_eq!(letters(&*ledger, session).await, "LA");
    fixture.make_older(session, mine.order, HOUR).await;
    assert_eq!(ledger.expire(session, mine.order, HOUR).await.unwrap(), Settled::Changed(1));
    assert_eq!(letters(&*ledger, session).await, "AA");
}

async fn sell_repeats<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 3).await;
    let mine = held(&*ledger, session, &[0, 2]).await;
    assert_eq!(ledger.sell(session, OrderId::new()).await.unwrap(), Settled::NothingHeld);
    assert_eq!(ledger.sell(session, mine.order).await.unwrap(), Settled::Changed(2));
    let after = ledger.counts(session).await.unwrap();
    assert_eq!(ledger.sell(session, mine.order).await.unwrap(), Settled::Kept);
    assert_eq!(ledger.expire(session, mine.order, Duration::ZERO).await.unwrap(), Settled::Kept);
    assert_eq!(ledger.counts(session).await.unwrap(), after);
    assert_eq!(letters(&*ledger, session).await, "SAS");
    assert_eq!(ledger.hold(&request(session, &[0])).await.unwrap(), Hold::Taken(vec![0]));
}

async fn many_sell_at_once_each_for_itself<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 60).await;
    let mut orders = Vec::new();
    for first in (0..40).step_by(2) {
        // In no order, so that what is written together has to be put into one.
        orders.push(held(&*ledger, session, &[first, 59 - first]).await.order);
    }
    let before = ledger.snapshot(session).await.unwrap().unwrap();
    assert_eq!(ledger.sell(session, orders[0]).await.unwrap(), Settled::Changed(2));
    assert_eq!(ledger.release(session, orders[1]).await.unwrap(), Settled::Changed(2));
    // One was sold before, one was given up, one was never there, and each of the others is confirmed twice.
    let stranger = OrderId::new();
    let wanted: Vec<OrderId> = orders.iter().chain(&orders).copied().chain([stranger]).collect();
    let answers = join_all(wanted.iter().map(|order| ledger.sell(session, *order))).await;
    let of = |order: OrderId| {
        let of = wanted.iter().zip(&answers).filter(move |(wanted, _)| **wanted == order);
        of.map(|(_, answer)| *answer.as_ref().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(of(orders[0]), [Settled::Kept; 2]);
    assert_eq!(of(orders[1]), [Settled::NothingHeld; 2]);
    assert_eq!(of(stranger), [Settled::NothingHeld]);
    for order in &orders[2..] {
        let mut twice = of(*order);
        twice.sort_by_key(|settled| *settled == Settled::Kept);
        assert_eq!(twice, [Settled::Changed(2), Settled::Kept]);
    }
    let after = ledger.snapshot(session).await.unwrap().unwrap();
    assert_eq!(text(&after).matches('S').count(), 38);
    let counts = ledger.counts(session).await.unwrap().unwrap();
    assert_eq!((counts.locked, counts.sold), (0, 38));
    // Whoever followed the log has the same seats.
    let Changes::Since { seats, counts: logged, .. } = ledger.changes(session, before.cursor).await.unwrap() else {
        panic!("the log has all of it")
    };
    let mut states = before.states;
    for (position, state) in seats {
        states[position as usize] = state;
    }
    assert_eq!((states, logged), (after.states, counts));
    assert!(ledger.holds(session, Duration::ZERO, 100).await.unwrap().is_empty());
}

async fn changes_are_logged<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 5).await;
    let mut snapshots = vec![ledger.snapshot(session).await.unwrap().unwrap()];
    let first = held(&*ledger, session, &[0, 1]).await;
    snapshots.push(ledger.snapshot(session).await.unwrap().unwrap());
    let second = held(&*ledger, session, &[3]).await;
    snapshots.push(ledger.snapshot(session).await.unwrap().unwrap());
    assert_eq!(ledger.release(session, first.order).await.unwrap(), Settled::Changed(2));
    snapshots.push(ledger.snapshot(session).await.unwrap().unwrap());
    assert_eq!(ledger.sell(session, second.order).await.unwrap(), Settled::Changed(1));
    let last = ledger.snapshot(session).await.unwrap().unwrap();
    assert_eq!(text(&last), "AAASA");
    for mut snapshot in snapshots {
        let Changes::Since { cursor, seats, counts } = ledger.changes(session, snapshot.cursor).await.unwrap() else {
            panic!("the log has all of it")
        };
        for (position, state) in seats {
            snapshot.states[position as usize] = state;
        }
        snapshot.cursor = cursor;
        assert_eq!(snapshot, last);
        assert_eq!(counts, last.counts());
    }
    // What changes nothing is not logged.
    let _ = ledger.release(session, first.order).await.unwrap();
    let _ = ledger.hold(&request(session, &[3])).await.unwrap();
    let Changes::Since { cursor, seats, .. } = ledger.changes(session, last.cursor).await.unwrap() else {
        panic!("the log has all of it")
    };
    assert_eq!((cursor, seats), (last.cursor, Vec::new()));
}

async fn old_cursors_reset<F: Fixture>() {
    let fixture = F::with_log(100).await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 2).await;
    let start = ledger.counts(session).await.unwrap().unwrap().cursor;
    for _ in 0..300 {
        let order = held(&*ledger, session, &[0]).await.order;
        assert_eq!(ledger.release(session, order).await.unwrap(), Settled::Changed(1));
    }
    let end = ledger.counts(session).await.unwrap().unwrap().cursor;
    assert_eq!(end.sequence - start.sequence, 600);
    let changes = |cursor| {
        let ledger = fixture.ledger();
        async move { ledger.changes(session, cursor).await.unwrap() }
    };
    assert_eq!(changes(start).await, Changes::Reset);
    let Changes::Since { cursor, seats, .. } = changes(Cursor { sequence: end.sequence - 100, ..end }).await else {
        panic!("the log keeps 100 steps")
    };
    assert_eq!((cursor, seats.len()), (end, 100));
    for nowhere in [
        Cursor { sequence: end.sequence + 1, ..end },
        Cursor { sequence: u64::MAX, ..end },
        Cursor { epoch: 0, ..end },
        Cursor { epoch: 2, ..end },
    ] {
        assert_eq!(changes(nowhere).await, Changes::Reset, "{nowhere}");
    }
    assert_eq!(ledger.load(session, &empty(2, 2)).await.unwrap(), Load::Done);
    assert_eq!(changes(end).await, Changes::Reset);
}

async fn changes_come_in_pages<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 1).await;
    let mut cursor = ledger.counts(session).await.unwrap().unwrap().cursor;
    for _ in 0..2_500 {
        let order = held(&*ledger, session, &[0]).await.order;
        assert_eq!(ledger.release(session, order).await.unwrap(), Settled::Changed(1));
    }
    let mut all = Vec::new();
    let mut pages = 0;
    loop {
        let Changes::Since { cursor: next, seats, .. } = ledger.changes(session, cursor).await.unwrap() else {
            panic!("the log has all of it")
        };
        if next == cursor {
            break;
        }
        assert_eq!(next.sequence - cursor.sequence, seats.len() as u64);
        pages += 1;
        cursor = next;
        all.extend(seats);
    }
    let expected: Vec<_> =
        (0..5_000).map(|n| (0, if n % 2 == 0 { SeatState::Locked } else { SeatState::Available })).collect();
    assert!(all == expected);
    assert!(pages > 1);
}

async fn watch_hints<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 3).await;
    let mut watch = ledger.watch(session);
    let mut other = ledger.watch(session);
    // A watch that works over a network is open when its first hint arrives.
    let patience = Duration::from_secs(30);
    let order = held(&*ledger, session, &[0]).await.order;
    tokio::time::timeout(patience, watch.changed()).await.unwrap().unwrap();
    tokio::time::timeout(patience, other.changed()).await.unwrap().unwrap();
    // More than the time that a hint covers lies between these steps.
    tokio::time::sleep(Duration::from_millis(200)).await;
    watch.mark_unchanged();
    assert_eq!(ledger.sell(session, order).await.unwrap(), Settled::Changed(1));
    tokio::time::timeout(patience, watch.changed()).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    watch.mark_unchanged();
    assert_eq!(ledger.load(session, &empty(2, 3)).await.unwrap(), Load::Done);
    tokio::time::timeout(patience, watch.changed()).await.unwrap().unwrap();
    // A session that is not loaded can be watched as well, and a watch that was dropped can be taken again.
    drop((watch, other));
    let mut early = ledger.watch(session);
    eventually(patience, || {
        let ledger = fixture.ledger();
        async move { matches!(ledger.hold(&request(session, &[1])).await, Ok(Hold::Held { .. } | Hold::Taken(_))) }
    })
    .await;
    tokio::time::timeout(patience, early.changed()).await.unwrap().unwrap();
}

async fn counts_add_up<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 7).await;
    let order = held(&*ledger, session, &[0, 1, 2]).await.order;
    held(&*ledger, session, &[3]).await;
    assert_eq!(ledger.sell(session, order).await.unwrap(), Settled::Changed(3));
    let counts = ledger.counts(session).await.unwrap().unwrap();
    let cursor = Cursor { epoch: 1, sequence: 3 };
    assert_eq!(counts, Counts { cursor, seats: 7, locked: 1, sold: 3 });
    assert_eq!(counts.available(), 3);
    assert_eq!(ledger.snapshot(session).await.unwrap().unwrap().counts(), counts);
}

async fn holds_lists_the_oldest<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 5).await;
    let mut orders = Vec::new();
    for seat in 0..4 {
        let order = held(&*ledger, session, &[seat]).await.order;
        fixture.make_older(session, order, HOUR * (5 - seat)).await;
        orders.push(order);
    }
    assert_eq!(ledger.sell(session, orders.remove(1)).await.unwrap(), Settled::Changed(1));
    let young = held(&*ledger, session, &[4]).await.order;
    assert_eq!(ledger.holds(session, HOUR, 9).await.unwrap(), orders);
    assert_eq!(ledger.holds(session, HOUR, 2).await.unwrap(), orders[..2]);
    assert_eq!(ledger.holds(session, HOUR * 100, 9).await.unwrap(), []);
    assert_eq!(ledger.holds(session, Duration::ZERO, 9).await.unwrap().last(), Some(&young));
}

async fn unloaded_is_not_ready<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    // Another session is loaded.
    open(&*ledger, 1).await;
    let (session, order) = (SessionId::new(), OrderId::new());
    let _watched = ledger.watch(session);
    assert_eq!(ledger.hold(&request(session, &[0])).await.unwrap(), Hold::NotReady);
    assert_eq!(ledger.release(session, order).await.unwrap(), Settled::NotReady);
    assert_eq!(ledger.expire(session, order, HOUR).await.unwrap(), Settled::NotReady);
    assert_eq!(ledger.sell(session, order).await.unwrap(), Settled::NotReady);
    assert_eq!(ledger.snapshot(session).await.unwrap(), None);
    assert_eq!(ledger.counts(session).await.unwrap(), None);
    assert_eq!(ledger.changes(session, Cursor { epoch: 0, sequence: 0 }).await.unwrap(), Changes::Reset);
    assert_eq!(ledger.holds(session, Duration::ZERO, 9).await.unwrap(), []);
}

async fn load_replaces_all<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 3).await;
    let forgotten = held(&*ledger, session, &[0, 1]).await;

    let (sold, live) = (image_order(&[4], true), image_order(&[2, 0], false));
    let image = LedgerImage { seats_per_user: 2, orders: vec![sold.clone(), live.clone()], ..empty(7, 5) };
    assert_eq!(ledger.load(session, &image).await.unwrap(), Load::Done);
    assert_eq!(letters(&*ledger, session).await, "LALAS");
    let counts = ledger.counts(session).await.unwrap().unwrap();
    assert_eq!((counts.cursor, counts.locked, counts.sold), (Cursor { epoch: 7, sequence: 0 }, 2, 1));
    assert_eq!(ledger.release(session, forgotten.order).await.unwrap(), Settled::NothingHeld);
    assert_eq!(ledger.holds(session, Duration::ZERO, 9).await.unwrap(), [live.order]);
    assert_eq!(ledger.hold(&request(session, &[4])).await.unwrap(), Hold::Taken(vec![4]));

    // The loaded orders are as if they had been held here.
    let more = HoldRequest { user: live.user, ..request(session, &[1]) };
    assert_eq!(ledger.hold(&more).await.unwrap(), Hold::UserLimit { has: 2, limit: 2 });
    let again = HoldRequest { session, order: live.order, user: live.user, seats: vec![0, 2] };
    assert_eq!(ledger.hold(&again).await.unwrap(), Hold::Held { epoch: 7 });
    assert_eq!(ledger.sell(session, sold.order).await.unwrap(), Settled::Kept);
    assert_eq!(ledger.release(session, live.order).await.unwrap(), Settled::Changed(2));
    assert_eq!(letters(&*ledger, session).await, "AAAAS");
}

async fn older_epochs_do_not_load<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = SessionId::new();
    // As large as fence tokens are, and larger than a double can count.
    let epoch = 1_790_000_000_000_000_001_i64;
    assert_eq!(ledger.load(session, &empty(epoch, 3)).await.unwrap(), Load::Done);
    let order = held_under(&*ledger, session, epoch).await;
    for older in [0, 9, epoch - 1, epoch] {
        let image = LedgerImage { orders: vec![image_order(&[2], true)], ..empty(older, 3) };
        assert_eq!(ledger.load(session, &image).await.unwrap(), Load::Behind { present: epoch }, "{older}");
    }
    assert_eq!(letters(&*ledger, session).await, "LAA");
    assert_eq!(ledger.load(session, &empty(epoch + 1, 3)).await.unwrap(), Load::Done);
    assert_eq!(letters(&*ledger, session).await, "AAA");
    assert_eq!(ledger.sell(session, order).await.unwrap(), Settled::NothingHeld);
}

async fn held_under(ledger: &dyn ticketing::inventory::SeatLedger, session: SessionId, epoch: i64) -> OrderId {
    let request = request(session, &[0]);
    assert_eq!(ledger.hold(&request).await.unwrap(), Hold::Held { epoch });
    request.order
}

async fn an_empty_request_holds_nothing<F: Fixture>() {
    let fixture = new::<F>().await;
    let ledger = fixture.ledger();
    let session = open(&*ledger, 2).await;
    let nothing = request(session, &[]);
    assert_eq!(ledger.hold(&nothing).await.unwrap(), Hold::Held { epoch: 1 });
    assert_eq!(ledger.release(session, nothing.order).await.unwrap(), Settled::NothingHeld);
    // A seat that is named twice is held once.
    held(&*ledger, session, &[1, 1, 1]).await;
    let counts = ledger.counts(session).await.unwrap().unwrap();
    assert_eq!((counts.cursor.sequence, counts.locked), (1, 1));
}
