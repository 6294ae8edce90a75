//! The two ledgers side by side: the same steps lead to the same answers.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};
use ticketing::{
    ids::{OrderId, SessionId, UserId},
    inventory::{Cursor, HoldRequest, ImageOrder, LedgerImage, SeatLedger, Snapshot},
};

use crate::fixture::{Fixture, Memory, Redis};

const SEATS: u32 = 10;
const HOUR: Duration = Duration::from_secs(3_600);

/// A step, in small numbers that are likely to meet.
#[derive(Clone, Debug)]
enum Step {
    Hold { order: usize, user: usize, seats: Vec<u32> },
    Release(usize),
    Expire(usize, Duration),
    Sell(usize),
    Refund(usize),
    Load { epoch: i64, limit: u32, orders: Vec<(usize, usize, Vec<u32>, bool)> },
}

fn seats() -> impl Strategy<Value = Vec<u32>> {
    vec(0..SEATS + 1, 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    let order = 0_usize..6;
    let user = 0_usize..3;
    let image = vec((order.clone(), user.clone(), seats(), any::<bool>()), 0..4);
    prop_oneof![
        10 => (order.clone(), user, seats()).prop_map(|(order, user, seats)| Step::Hold { order, user, seats }),
        3 => order.clone().prop_map(Step::Release),
        1 => (order.clone(), prop_oneof![Just(Duration::ZERO), Just(HOUR)]).prop_map(|(o, age)| Step::Expire(o, age)),
        3 => order.clone().prop_map(Step::Sell),
        2 => order.prop_map(Step::Refund),
        1 => (0_i64..12, 2_u32..6, image).prop_map(|(epoch, limit, orders)| {
            let mut seen = BTreeSet::new();
            let orders = orders.into_iter().filter(|order| seen.insert(order.0)).collect();
            Step::Load { epoch, limit, orders }
        }),
    ]
}

struct World {
    session: SessionId,
    orders: Vec<OrderId>,
    users: Vec<UserId>,
}

impl World {
    async fn take(&self, ledger: &dyn SeatLedger, step: &Step) -> String {
        let session = self.session;
        match step {
            Step::Hold { order, user, seats } => {
                let (order, user) = (self.orders[*order], self.users[*user]);
                let request = HoldRequest { session, order, user, seats: seats.clone() };
                format!("{:?}", ledger.hold(&request).await.unwrap())
            }
            Step::Release(order) => format!("{:?}", ledger.release(session, self.orders[*order]).await.unwrap()),
            Step::Expire(order, age) => {
                format!("{:?}", ledger.expire(session, self.orders[*order], *age).await.unwrap())
            }
            Step::Refund(order) => format!("{:?}", ledger.refund(session, self.orders[*order]).await.unwrap()),
            Step::Sell(order) => format!("{:?}", ledger.sell(session, self.orders[*order]).await.unwrap()),
            Step::Load { epoch, limit, orders } => {
                let orders = orders.iter().map(|(order, user, seats, sold)| ImageOrder {
                    order: self.orders[*order],
                    user: self.users[*user],
                    seats: seats.clone(),
                    sold: *sold,
                });
                let image =
                    LedgerImage { epoch: *epoch, seats: SEATS, seats_per_user: *limit, orders: orders.collect() };
                format!("{:?}", ledger.load(session, &image).await.unwrap())
            }
        }
    }

    /// Everything that can be seen.
    async fn look(&self, ledger: &dyn SeatLedger) -> String {
        let counts = ledger.counts(self.session).await.unwrap();
        let start = Cursor { epoch: counts.map_or(0, |counts| counts.cursor.epoch), sequence: 0 };
        let snapshot = ledger.snapshot(self.session).await.unwrap();
        assert_eq!(snapshot.as_ref().map(Snapshot::counts), counts);
        let changes = ledger.changes(self.session, start).await.unwrap();
        let holds: BTreeSet<_> = ledger.holds(self.session, Duration::ZERO, 99).await.unwrap().into_iter().collect();
        format!("{snapshot:?} {changes:?} {holds:?}")
    }
}

#[test]
fn memory_and_redis_agree() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ledgers: Vec<Arc<dyn SeatLedger>> = runtime
        .block_on(async { vec![Memory::with_log(65_536).await.ledger(), Redis::with_log(65_536).await.ledger()] });
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in vec(step(), 1..60))| {
        runtime.block_on(async {
            let world = World {
                session: SessionId::new(),
                orders: (0..6).map(|_| OrderId::new()).collect(),
                users: (0..3).map(|_| UserId::new()).collect(),
            };
            let first = Step::Load { epoch: 1, limit: 4, orders: Vec::new() };
            for step in std::iter::once(&first).chain(&steps) {
                let memory = world.take(&*ledgers[0], step).await;
                let redis = world.take(&*ledgers[1], step).await;
                prop_assert_eq!(memory, redis, "{:?}", step);
            }
            prop_assert_eq!(world.look(&*ledgers[0]).await, world.look(&*ledgers[1]).await);
            Ok(())
        })?;
    });
}
