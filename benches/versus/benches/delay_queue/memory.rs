//! In memory: sending and delivering, against a bare heap and against the least that keeps what a queue promises.

use std::sync::Arc;
use std::time::Duration;

use nebula_delay_queue::{DelayQueue, MemoryDelayQueue};
use nebula_test_support::{Effort, Unit, Versus};
use nebula_versus::rounds;

use crate::bare_memory::{BareHeap, BareIndex};
use crate::{HOUR, ours};

const HEAP: &str = "heap behind a mutex";
const INDEX: &str = "map and index behind a mutex (limit)";

pub(crate) async fn send(effort: Effort, body: &Arc<str>) {
    let total = effort.pick(20_000, 100_000);
    let operations = u64::try_from(total).unwrap();
    let mut send = Versus::new("delay_queue memory send");
    let ours = async || {
        let queue = DelayQueue::new(MemoryDelayQueue::new());
        let all = async {
            for _ in 0..total {
                ours::schedule(&queue, "later", body, HOUR).await;
            }
        };
        Unit::OpsPerSec.time(operations, all).await
    };
    for _ in 0..rounds(effort) {
        let index = BareIndex::default();
        let all = async { (0..total).for_each(|_| index.schedule(body, HOUR)) };
        send.round(INDEX, ours, async || Unit::OpsPerSec.time(operations, all).await).await;
        let heap = BareHeap::default();
        let all = async { (0..total).for_each(|id| heap.schedule(id, body, HOUR)) };
        send.round(HEAP, ours, async || Unit::OpsPerSec.time(operations, all).await).await;
    }
    send.print();
}

pub(crate) async fn deliver(effort: Effort, body: &Arc<str>) {
    let total = effort.pick(20_000, 100_000);
    let operations = u64::try_from(total).unwrap();
    let mut deliver = Versus::new("delay_queue memory deliver");
    let ours = async || {
        let queue = DelayQueue::new(MemoryDelayQueue::new());
        ours::schedule_batches(&queue, "due", body, Duration::ZERO, total).await;
        Unit::OpsPerSec.time(operations, ours::deliver(&queue, "due", total)).await
    };
    for _ in 0..rounds(effort) {
        let index = BareIndex::default();
        (0..total).for_each(|_| index.schedule(body, Duration::ZERO));
        deliver.round(INDEX, ours, async || Unit::OpsPerSec.time(operations, index.deliver(total)).await).await;
        let heap = BareHeap::default();
        (0..total).for_each(|id| heap.schedule(id, body, Duration::ZERO));
        let bare = async || Unit::OpsPerSec.time(operations, async { heap.deliver(total) }).await;
        deliver.round(HEAP, ours, bare).await;
    }
    deliver.print();
}
