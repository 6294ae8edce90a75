//! Sixteen tasks want one key and hold it for a millisecond; a thousand want one and give it back at once.

use std::time::Duration;

use nebula_lock::{LockGuard, LockManager, Release};
use nebula_test_support::{Unit, Versus};
use redis::aio::MultiplexedConnection;

use crate::contention::{Contended, contend};
use crate::sides::{self, Kind};
use crate::{LEASE, PATIENCE, peer};

/// How many want the key, and for how long.
type Wanted = (usize, Duration);

const SOME: Wanted = (16, Duration::from_millis(1));
const CROWD: Wanted = (1_000, Duration::ZERO);

pub(crate) async fn compare(url: &str, rounds: u32, time: Duration) {
    let locks = sides::ours(url, Kind::Fenced).await;
    let rslock = peer::patient(url);
    let connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut waits = Versus::new("lock one key t=16 hold=1ms wait p99").unit(Unit::Millis);
    let mut rates = Versus::new("lock one key t=16 hold=1ms acquisitions");
    let mut sums: [(&str, Vec<Contended>); 3] = [("ours", vec![]), ("ours-fair", vec![]), ("rslock", vec![])];
    for round in 0..rounds {
        let (ours, theirs) = if round % 2 == 0 {
            let ours = unfair(SOME, &locks, &connection, time).await;
            (ours, peers(SOME, &rslock, &connection, time).await)
        } else {
            let theirs = peers(SOME, &rslock, &connection, time).await;
            (unfair(SOME, &locks, &connection, time).await, theirs)
        };
        waits.record("rslock", ours.p99, theirs.p99);
        rates.record("rslock", ours.rate, theirs.rate);
        sums[0].1.push(ours);
        sums[1].1.push(fair(SOME, &locks, &connection, time).await);
        sums[2].1.push(theirs);
    }
    waits.print();
    rates.print();
    for (name, rounds) in &sums {
        print("t=16-hold=1ms", name, rounds);
    }
    for round in 0..rounds {
        let sides = [
            unfair(CROWD, &locks, &connection, time).await,
            fair(CROWD, &locks, &connection, time).await,
            peers(CROWD, &rslock, &connection, time).await,
        ];
        if round == 0 {
            sums.iter_mut().for_each(|(_, all)| all.clear());
        }
        sums.iter_mut().zip(sides).for_each(|((_, all), side)| all.push(side));
    }
    for (name, rounds) in &sums {
        print("t=1000-hold=0", name, rounds);
    }
}

/// The medians of the rounds.
fn print(what: &str, name: &str, rounds: &[Contended]) {
    let median = |figure: fn(&Contended) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    println!(
        "contended lock-one-key-{what} {name} acquisitions={:.0}/s p99={:.1}ms commands/acquisition={:.2} most/least={:.2}",
        median(|round| round.rate),
        median(|round| round.p99),
        median(|round| round.commands),
        median(|round| round.spread),
    );
}

async fn unfair(wanted: Wanted, locks: &LockManager, connection: &MultiplexedConnection, time: Duration) -> Contended {
    let take = async |locks: LockManager| locks.lock("wanted").wait(PATIENCE).await.unwrap();
    contend(wanted, time, locks, async || sent(connection, OURS).await, take, give).await
}

async fn fair(wanted: Wanted, locks: &LockManager, connection: &MultiplexedConnection, time: Duration) -> Contended {
    let take = async |locks: LockManager| locks.lock("in turn").fair().wait(PATIENCE).await.unwrap();
    contend(wanted, time, locks, async || sent(connection, OURS).await, take, give).await
}

async fn give(_: LockManager, guard: LockGuard) {
    assert_eq!(guard.release().await, Release::Released);
}

async fn peers(
    wanted: Wanted,
    rslock: &rslock::LockManager,
    connection: &MultiplexedConnection,
    time: Duration,
) -> Contended {
    let take = async |rslock: rslock::LockManager| rslock.lock("theirs", LEASE).await.unwrap();
    let give = async |rslock: rslock::LockManager, lock| rslock.unlock(&lock).await;
    contend(wanted, time, rslock, async || sent(connection, THEIRS).await, take, give).await
}

/// What our clients send; all else in the statistics was called by scripts.
const OURS: &[&str] = &["evalsha", "eval", "subscribe", "unsubscribe"];
const THEIRS: &[&str] = &["evalsha", "eval", "set"];

/// How often the server was sent one of these commands.
async fn sent(connection: &MultiplexedConnection, commands: &[&str]) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection.clone()).await.unwrap();
    let calls = info.lines().filter_map(|line| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        commands.contains(&name).then(|| figures.split(',').next()?.parse::<u64>().ok())?
    });
    calls.sum()
}
