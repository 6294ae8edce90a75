//! Against bare handlers.

use std::sync::Arc;
use std::time::Duration;

use nebula_test_support::Versus;
use ticketing::ids::{OrderId, UserId};

use crate::Plan;
use crate::child::Child;
use crate::load::{Numbers, run};
use crate::platform::Sale;
use crate::server::Wanted;
use crate::wire::{Wire, request};

/// The state of all seats of a hall, which nobody changes meanwhile.
pub(crate) async fn stock(plan: Plan, platform: &Child, bare: &Child) {
    let sale = Sale::prepare(platform, 1, 1_000).await;
    let asked = sale.get("/seats");
    compare(plan, "stock query", platform, bare, 200, asked, "GET").await;
}

/// An order for a sale that has no seat left.
pub(crate) async fn sold_out(plan: Plan, platform: &Child, bare: &Child) {
    let sale = Sale::prepare(platform, 2, 1).await;
    let mut wire = Wire::connect(platform.at.http).await;
    assert_eq!(wire.ask(&sale.order(0)).await.status, 201);
    let refused = sale.order_of(1, &sale.seats[0]);
    let before = platform.processor();
    let measured = run(platform.at.http, plan.time, 409, {
        let refused = refused.clone();
        move || refused.clone()
    })
    .await;
    println!("http refusal: {:.1} µs of the server's processor time", spent(platform, before, measured.answers));
    compare(plan, "sold out", platform, bare, 409, refused, "POST").await;
}

/// Microseconds of processor time for each of so many since `before`.
pub(crate) fn spent(platform: &Child, before: f64, number: u64) -> f64 {
    (platform.processor() - before) * 1e6 / number as f64
}

/// One request again and again, against a constant answer of the same length.
async fn compare(plan: Plan, what: &str, ours: &Child, bare: &Child, status: u16, asked: Vec<u8>, method: &str) {
    let mut wire = Wire::connect(ours.at.http).await;
    let length = wire.ask(&asked).await.body.len();
    let constant = request(method, &format!("/constant/{length}/{status}"), None, (method == "POST").then_some("{}"));
    let mut versus = Versus::new(&format!("http {what}"));
    for _ in 0..plan.rounds {
        let side = |child: &Child, bytes: &Vec<u8>| {
            let bytes = bytes.clone();
            run(child.at.http, plan.time, status, move || bytes.clone())
        };
        let (ours, theirs) = (side(ours, &asked), side(bare, &constant));
        versus.round("constant", async || ours.await.per_second, async || theirs.await.per_second).await;
    }
    versus.print();
}

/// Seats that are held, one in each request: the ledger behind a handler, without account, price and order.
pub(crate) async fn hold(plan: Plan, what: &str, ours: &Child, bare: &Child, peer: &str) {
    let mut halls = Vec::new();
    // A second each, since every hall takes memory: more holds than this machine makes.
    let plan = Plan { time: Duration::from_secs(1), ..plan };
    for _ in 0..=plan.rounds {
        halls.push(Sale::prepare(ours, 1, HALL).await.session_id);
    }
    let halls = Arc::new(halls);
    let next = |numbers: Numbers| {
        let halls = Arc::clone(&halls);
        move || {
            let number = numbers.next();
            let session = *halls.get(number / HALL).unwrap_or_else(|| panic!("more holds than seats"));
            // A user of each hold, since each may have a few seats only.
            let (order, user) = (OrderId::new(), UserId::new());
            let seats = vec![u32::try_from(number % HALL).unwrap()];
            let body = serde_json::to_string(&Wanted { session, order, user, seats }).unwrap();
            request("POST", "/hold", None, Some(&body))
        }
    };
    let (ours_next, bare_next) = (next(Numbers::default()), next(Numbers::default()));
    let constant = request("POST", "/constant/4/201", None, Some("{}"));
    let mut versus = Versus::new(&format!("http hold {what}"));
    for _ in 0..plan.rounds {
        let held = run(ours.at.hold, plan.time, 201, ours_next.clone());
        let (constant, bare_next) = (constant.clone(), bare_next.clone());
        let theirs = async || match peer {
            "constant" => run(bare.at.http, plan.time, 201, move || constant.clone()).await.per_second,
            _ => run(bare.at.hold, plan.time, 201, bare_next).await.per_second,
        };
        versus.round(peer, async || held.await.per_second, theirs).await;
    }
    versus.print();
}

const HALL: usize = 100_000;
