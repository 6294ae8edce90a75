//! Whole orders: placed, and paid.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nebula_test_support::Latencies;
use tokio::task::JoinSet;

use crate::against::spent;
use crate::child::Child;
use crate::load::{Measured, Numbers, run, run_mixed};
use crate::platform::{Sale, json};
use crate::wire::{Wire, request};
use crate::{CONNECTIONS, Plan};

const BUYERS: usize = 10_000;
const SEATS: usize = 100_000;

/// Orders that are placed and left alone.
pub(crate) async fn placed(plan: Plan, what: &str, platform: &Child) {
    let sale = Arc::new(Sale::prepare(platform, BUYERS, SEATS).await);
    let numbers = Numbers::default();
    let before = platform.processor();
    let measured = run(platform.at.http, plan.time * 3, 201, move || sale.order(numbers.next())).await;
    measured.print(&format!("orders placed {what}"));
    println!(
        "http order placed {what}: {:.0} µs of the server's processor time",
        spent(platform, before, measured.answers)
    );
}

/// Orders from the first request to PAID or further, as the buyer sees it, asking every 20 ms.
pub(crate) async fn paid(plan: Plan, what: &str, platform: &Child) {
    let sale = Arc::new(Sale::prepare(platform, BUYERS, SEATS).await);
    let numbers = Numbers::default();
    let before = platform.processor();
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (sale, numbers, address) = (Arc::clone(&sale), numbers.clone(), platform.at.http);
        let time = plan.time * 3;
        tasks.spawn(async move {
            let mut wire = Wire::connect(address).await;
            let mut latencies = Latencies::new();
            while began.elapsed() < time {
                let started = Instant::now();
                pay(&mut wire, &sale, numbers.next()).await;
                latencies.record(started.elapsed());
            }
            latencies
        });
    }
    let mut all = Measured::default();
    while let Some(latencies) = tasks.join_next().await {
        all.latencies.merge(&latencies.unwrap());
    }
    all.answers = all.latencies.len();
    all.per_second = all.answers as f64 / began.elapsed().as_secs_f64();
    all.print(&format!("orders to PAID {what}"));
    println!(
        "http order to PAID {what}: {:.0} µs of the server's processor time",
        spent(platform, before, all.answers)
    );
}

async fn pay(wire: &mut Wire, sale: &Sale, number: usize) {
    let token = Some(sale.token(number));
    let order = json(wire, &sale.order(number)).await;
    let order = order["id"].as_str().unwrap();
    let paying = json(wire, &request("POST", &format!("/api/v1/orders/{order}/pay"), token, None)).await;
    let page = paying["payment"]["pay_url"].as_str().unwrap();
    json(wire, &request("POST", &format!("{page}/approve"), None, None)).await;
    let look = request("GET", &format!("/api/v1/orders/{order}"), token, None);
    while matches!(json(wire, &look).await["state"].as_str().unwrap(), "LOCKED" | "PAYING") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What visitors of a sale ask: of a hundred, 40 for the seats, 25 for the shows, 20 for the session, 10 for a plan that
/// they have already, and 5 order.
pub(crate) async fn mixed(plan: Plan, platform: &Child) {
    let sale = Arc::new(Sale::prepare(platform, BUYERS, SEATS / 10).await);
    let mut wire = Wire::connect(platform.at.http).await;
    let before = reads(&mut wire).await;
    let (numbers, orders) = (Numbers::default(), Arc::new(AtomicU64::new(0)));
    let shows = request("GET", "/api/v1/shows", None, None);
    let (session, seats) = (sale.get(""), sale.get("/seats"));
    let map =
        format!("/api/v1/sessions/{}/seatmap HTTP/1.1\r\nhost: localhost\r\nif-none-match: *\r\n\r\n", sale.session_id);
    let map = format!("GET {map}").into_bytes();
    let [queries, orders] = run_mixed(platform.at.http, plan.time * 2, move || match numbers.next() % 20 {
        0 => (1, 201, sale.order(usize::try_from(orders.fetch_add(1, Ordering::Relaxed)).unwrap())),
        1..=8 => (0, 200, seats.clone()),
        9..=13 => (0, 200, shows.clone()),
        14..=17 => (0, 200, session.clone()),
        _ => (0, 304, map.clone()),
    })
    .await;
    println!("http mixed: {:.0}/s in all", queries.per_second + orders.per_second);
    queries.print("mixed, queries");
    orders.print("mixed, orders");
    let after = reads(&mut wire).await;
    let (hits, misses) = (after.0 - before.0, after.1 - before.1);
    println!("http mixed: {:.2} % of {} reads of caches were hits", 100.0 * hits / (hits + misses), hits + misses);
}

/// Hits and misses of the platform's caches so far.
async fn reads(wire: &mut Wire) -> (f64, f64) {
    let answer = wire.ask(&request("GET", "/metrics", None, None)).await;
    let text = String::from_utf8_lossy(answer.body);
    let sum = |name: &str, wanted: &str| -> f64 {
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(wanted));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let own = |outcome: &str| sum("ticketing_cache_reads_total", &format!("outcome=\"{outcome}\""));
    (own("hit") + sum("nebula_cache_hits_total", ""), own("miss") + sum("nebula_cache_misses_total", ""))
}
