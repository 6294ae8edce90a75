//! What the server keeps in memory.

use nebula_test_support::Effort;

use crate::child::{Child, Role};
use crate::platform::Sale;
use crate::wire::Wire;

pub(crate) async fn print(effort: Effort) {
    let platform = Child::start(&Role::Embedded).await;
    println!("http memory at the start: {:.0} MiB", platform.memory());
    let sale = Sale::prepare(&platform, 1, 100_000).await;
    let mut wire = Wire::connect(platform.at.http).await;
    for path in ["/seatmap", "/seats"] {
        assert_eq!(wire.ask(&sale.get(path)).await.status, 200);
    }
    println!("http memory with a hall of 100,000 seats: {:.0} MiB", platform.memory());
    let streams = effort.pick(1_000, 10_000);
    let mut open = Vec::new();
    for _ in 0..streams {
        let mut wire = Wire::connect(platform.at.http).await;
        wire.send(&sale.get("/events")).await;
        assert_eq!(wire.head().await.unwrap().status, 200);
        open.push(wire);
    }
    println!("http memory with {} open event streams as well: {:.0} MiB", open.len(), platform.memory());
}
