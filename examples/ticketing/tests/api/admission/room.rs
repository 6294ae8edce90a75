//! The contract of waiting rooms, in this process and on a real server.

use std::{collections::HashSet, sync::Arc, time::Duration};

use nebula_redis::RedisConfig;
use nebula_test_support::{eventually, redis_url, unique};
use ticketing::{
    admission::room::{Answer, Crowd, Errand, MemoryRoom, RedisRoom, Rooms, Rules, Standing, WaitingRoom},
    clock::Millis,
    ids::{SessionId, UserId},
};

type Room = Arc<dyn WaitingRoom>;

const HOUR: Duration = Duration::from_secs(3_600);
/// A lease this short is over after [`past`].
const BRIEF: Duration = Duration::from_millis(1);

fn open(admitted: u32) -> Rules {
    Rules { opens_at: Millis(0), admitted, stay: HOUR, grace: HOUR }
}

fn early(admitted: u32) -> Rules {
    Rules { opens_at: Millis::now().plus(HOUR), ..open(admitted) }
}

/// Long enough for what is [`BRIEF`] to be over, on any clock.
async fn past() {
    tokio::time::sleep(20 * BRIEF).await;
}

fn users(count: usize) -> Vec<UserId> {
    (0..count).map(|_| UserId::new()).collect()
}

async fn join(room: &Room, session: SessionId, rules: &Rules, users: &[UserId]) -> Answer {
    room.visit(session, rules, Errand::Join, users).await.unwrap()
}

async fn joined(room: &Room, session: SessionId, rules: &Rules, user: UserId) -> Standing {
    join(room, session, rules, &[user]).await.standings[0]
}

async fn look(room: &Room, session: SessionId, rules: &Rules, user: UserId) -> Standing {
    room.visit(session, rules, Errand::Look, &[user]).await.unwrap().standings[0]
}

fn inside(standing: Standing) -> bool {
    matches!(standing, Standing::Inside { .. })
}

fn ahead(standing: Standing) -> u64 {
    match standing {
        Standing::Waiting { ahead } => ahead,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn room_lets_in_so_many(room: Room) {
    let (session, rules, users) = (SessionId::new(), open(3), users(5));
    let answer = join(&room, session, &rules, &users).await;
    assert_eq!(answer.crowd, Crowd { waiting: 2, inside: 3, pace: 0 });
    assert!(answer.standings[..3].iter().all(|standing| inside(*standing)), "{answer:?}");
    assert_eq!(answer.standings[3..].iter().map(|it| ahead(*it)).collect::<Vec<_>>(), [0, 1]);
    // Who is inside and asks again takes nobody's place, and has no more time than before.
    let (left, again) = (answer.standings[0], joined(&room, session, &rules, users[0]).await);
    let (Standing::Inside { left }, Standing::Inside { left: now }) = (left, again) else { panic!("{again:?}") };
    assert!(now <= left && left <= HOUR);
    // More room, set while it runs.
    assert!(inside(joined(&room, session, &open(4), users[3]).await));
}

pub(super) async fn room_admits_the_next_when_one_leaves(room: Room) {
    let (session, users) = (SessionId::new(), users(4));
    let brief = Rules { stay: BRIEF, ..open(1) };
    assert!(inside(joined(&room, session, &brief, users[0]).await));
    past().await;
    // Its time is over.
    join(&room, session, &open(1), &users[1..]).await;
    assert!(inside(look(&room, session, &open(1), users[1]).await));
    assert_eq!(look(&room, session, &open(1), users[0]).await, Standing::Away);
    // The next one leaves, and one of those who wait does.
    room.visit(session, &open(1), Errand::Leave, &[users[1], users[2]]).await.unwrap();
    assert!(inside(look(&room, session, &open(1), users[3]).await));
    assert_eq!(look(&room, session, &open(1), users[2]).await, Standing::Away);
    assert_eq!(ahead(joined(&room, session, &open(1), users[1]).await), 0, "who left begins anew");
}

pub(super) async fn room_keeps_the_order_of_coming(room: Room) {
    let (session, rules, users) = (SessionId::new(), open(1), users(20));
    for user in &users {
        joined(&room, session, &rules, *user).await;
    }
    for (place, user) in users[1..].iter().enumerate() {
        assert_eq!(ahead(joined(&room, session, &rules, *user).await), place as u64, "asking again changes nothing");
    }
    for user in &users {
        assert!(inside(joined(&room, session, &rules, *user).await));
        room.visit(session, &rules, Errand::Leave, &[*user]).await.unwrap();
    }
}

pub(super) async fn room_shuffles_those_who_come_early(room: Room) {
    let (session, before, users) = (SessionId::new(), early(5), users(40));
    let answer = join(&room, session, &before, &users).await;
    assert_eq!(answer.crowd, Crowd { waiting: 40, inside: 0, pace: 0 });
    let places: Vec<u64> = answer.standings.iter().map(|it| ahead(*it)).collect();
    assert_eq!(places.iter().collect::<HashSet<_>>().len(), 40);
    assert!(!places.is_sorted(), "40! orders, and it is the one of coming");
    // Who leaves and comes again has the same place.
    room.visit(session, &before, Errand::Leave, &users[..10]).await.unwrap();
    let again = join(&room, session, &before, &users).await;
    assert_eq!(again.standings, answer.standings);
    // At the opening the first of them go in; whoever comes later stands behind all of them.
    let late = UserId::new();
    assert_eq!(ahead(joined(&room, session, &open(5), late).await), 35);
    for (user, place) in users.iter().zip(places) {
        assert_eq!(inside(look(&room, session, &open(5), *user).await), place < 5, "{place}");
    }
}

pub(super) async fn room_forgets_who_does_not_ask(room: Room) {
    let (session, rules, users) = (SessionId::new(), open(1), users(4));
    join(&room, session, &rules, &users[..3]).await;
    past().await;
    // Of those who wait only one asks again; the grace of the other is over.
    let brief = Rules { grace: BRIEF, ..rules };
    join(&room, session, &brief, &users[2..3]).await;
    assert_eq!(look(&room, session, &rules, users[1]).await, Standing::Away);
    assert!(inside(look(&room, session, &rules, users[0]).await), "who is inside need not ask");
    // Let in by somebody else's visit, and not there to hear of it: the next gets the place.
    let session = SessionId::new();
    let (nobody, soon) = (Rules { admitted: 0, ..rules }, Rules { grace: Duration::from_millis(300), ..rules });
    while !inside(look(&room, session, &soon, users[0]).await) {
        joined(&room, session, &nobody, users[0]).await;
    }
    eventually(Duration::from_secs(60), || async { inside(joined(&room, session, &rules, users[3]).await) }).await;
    assert_eq!(look(&room, session, &rules, users[0]).await, Standing::Away);
}

pub(super) async fn room_answers_a_batch(room: Room) {
    let (session, rules, users) = (SessionId::new(), open(100), users(600));
    let rooms = Rooms::new(Arc::clone(&room));
    let visits = users.iter().map(|user| rooms.join(session, rules, *user));
    let answers = futures_util::future::join_all(visits).await;
    let let_in = answers.iter().filter(|answer| inside(answer.as_ref().unwrap().0)).count();
    assert_eq!(let_in, 100);
    let answer = join(&room, session, &rules, &users).await;
    assert_eq!(answer.crowd, Crowd { waiting: 500, inside: 100, pace: 0 });
    for (one, batch) in answers.iter().zip(&answer.standings) {
        assert_eq!(inside(one.as_ref().unwrap().0), inside(*batch), "answers are in the order of those who asked");
    }
    let places: HashSet<u64> = answer.standings.iter().filter(|it| !inside(**it)).map(|it| ahead(*it)).collect();
    assert_eq!(places, (0..500).collect());
}

pub(super) async fn room_keeps_sessions_apart(room: Room) {
    let (one, other, rules, users) = (SessionId::new(), SessionId::new(), open(1), users(2));
    for session in [one, other] {
        assert!(inside(join(&room, session, &rules, &users).await.standings[0]));
    }
    room.visit(one, &rules, Errand::Leave, &users).await.unwrap();
    assert_eq!(look(&room, one, &rules, users[0]).await, Standing::Away);
    assert!(inside(look(&room, other, &rules, users[0]).await));
}

pub(super) async fn room_looks_without_joining(room: Room) {
    let (session, rules, users) = (SessionId::new(), open(1), users(2));
    assert_eq!(look(&room, session, &rules, users[0]).await, Standing::Away);
    join(&room, session, &rules, &users).await;
    past().await;
    look(&room, session, &rules, users[1]).await;
    let brief = Rules { grace: BRIEF, ..rules };
    assert_eq!(look(&room, session, &brief, users[1]).await, Standing::Away, "a look is no sign of life");
}

pub(super) async fn room_measures_its_pace(room: Room) {
    let (session, rules, users) = (SessionId::new(), open(2), users(6));
    let answer = join(&room, session, &rules, &users).await;
    assert_eq!(answer.crowd.wait(0), None, "who filled the room says nothing about its pace");
    room.visit(session, &rules, Errand::Leave, &users[..1]).await.unwrap();
    let crowd = room.visit(session, &rules, Errand::Leave, &users[1..2]).await.unwrap().crowd;
    assert_eq!(crowd, Crowd { waiting: 2, inside: 2, pace: 2 });
    // Two in a minute: the third from now on comes after a minute and a half.
    assert_eq!(crowd.wait(2), Some(Duration::from_secs(90)));
}

fn memory() -> Room {
    Arc::new(MemoryRoom::default())
}

async fn redis() -> Room {
    let config = RedisConfig::new(redis_url().await).with_response_timeout(Duration::from_secs(20));
    Arc::new(RedisRoom::new(config.connect().await.unwrap(), format!("{}:", unique("room"))))
}

macro_rules! conformance {
    ($($bullet:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test] async fn $bullet() { super::$bullet(super::memory()).await; })+
        }
        mod on_redis {
            $(#[tokio::test] async fn $bullet() { super::$bullet(super::redis().await).await; })+
        }
    };
}

pub(super) async fn room_counts_everybody_once(room: Room) {
    let (session, rules, users) = (SessionId::new(), open(2), users(5));
    let mut counted = (0, 0);
    let mut add = |answer: &Answer| counted = (counted.0 + answer.queued, counted.1 + answer.let_in);
    for some in [&users[..3], &users[1..], &users[..]] {
        add(&join(&room, session, &rules, some).await);
    }
    add(&room.visit(session, &rules, Errand::Look, &[]).await.unwrap());
    // The place of one who leaves is taken within the same call.
    add(&room.visit(session, &rules, Errand::Leave, &users[..1]).await.unwrap());
    assert_eq!(counted, (5, 3));
}

conformance! {
    room_lets_in_so_many,
    room_admits_the_next_when_one_leaves,
    room_keeps_the_order_of_coming,
    room_shuffles_those_who_come_early,
    room_forgets_who_does_not_ask,
    room_answers_a_batch,
    room_keeps_sessions_apart,
    room_looks_without_joining,
    room_measures_its_pace,
    room_counts_everybody_once,
}

#[tokio::test]
async fn every_key_of_a_room_has_an_end() {
    let url = redis_url().await;
    let prefix = unique("room");
    let connection = RedisConfig::new(url).connect().await.unwrap();
    let room: Room = Arc::new(RedisRoom::new(connection.clone(), format!("{prefix}:")));
    join(&room, SessionId::new(), &open(1), &users(3)).await;
    join(&room, SessionId::new(), &early(1), &users(3)).await;
    let mut connection = connection;
    let mut keys = redis::cmd("KEYS");
    let keys: Vec<String> = keys.arg(format!("{prefix}:*")).query_async(&mut connection).await.unwrap();
    assert!(keys.len() >= 6, "{keys:?}");
    for key in keys {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
        assert!(left > 0, "{key}: {left}");
    }
}
