//! RabbitMQ: against the bare driver on one durable quorum queue.

use std::sync::Arc;
use std::time::Duration;

use nebula_delay_queue::{DelayQueue, RabbitDelayQueue};
use nebula_test_support::{Effort, RabbitMq, Unit, Versus};
use nebula_versus::{drain, rounds};
use tokio::time::{Instant, sleep_until};

use crate::bare_rabbit::BareRabbit;
use crate::{BURST, HOUR, ours};

/// As many messages on their way as raw publishers usually allow themselves.
const SENDERS: usize = 1_000;
const LIMIT: &str = "bare lapin on a quorum queue (limit)";

/// Over how many queues each digit of the ladder is spread.
pub(crate) const WIDTHS: [u8; 2] = [1, 4];

pub(crate) async fn connect(broker: &RabbitMq, width: u8) -> DelayQueue {
    let options = RabbitDelayQueue::options(broker.url()).width(width).timeout(ours::PATIENCE);
    DelayQueue::new(options.connect().await.unwrap())
}

/// Messages with a delay of an hour, against messages without any.
pub(crate) async fn send(effort: Effort, body: &Arc<str>) {
    let broker = RabbitMq::start().await;
    let queue = connect(&broker, 1).await;
    let total = effort.pick(10_000, 20_000);
    let mut send = Versus::new("delay_queue rabbitmq send");
    for round in 0..rounds(effort) {
        let bare = BareRabbit::connect(&broker.url(), &format!("bare.{round}")).await;
        let name = format!("later.{round}");
        // Declared before the clock runs, as the bare queue is.
        ours::schedule(&queue, &name, body, HOUR).await;
        let side = (queue.clone(), Arc::<str>::from(name), Arc::clone(body));
        let send_ours = async |(queue, name, body): (DelayQueue, Arc<str>, Arc<str>), _| {
            ours::schedule(&queue, &name, &body, HOUR).await;
        };
        let ours_sends = async || drain(SENDERS, total, &side, send_ours).await;
        let bare_sends = async || publish(&bare, body, total).await;
        send.round(LIMIT, ours_sends, bare_sends).await;
    }
    send.print();
}

async fn publish(bare: &BareRabbit, body: &Arc<str>, total: usize) -> f64 {
    let side = (bare.clone(), Arc::clone(body));
    drain(SENDERS, total, &side, async |(bare, body): (BareRabbit, Arc<str>), _| bare.publish(&body).await).await
}

/// All due at one instant, having come down the ladder, against as many on one queue.
pub(crate) async fn burst(effort: Effort, body: &Arc<str>) {
    for width in WIDTHS {
        burst_of(width, effort, body).await;
    }
}

async fn burst_of(width: u8, effort: Effort, body: &Arc<str>) {
    let broker = RabbitMq::start().await;
    let queue = connect(&broker, width).await;
    let operations = u64::try_from(BURST).unwrap();
    let mut burst = Versus::new(&format!("delay_queue rabbitmq burst, width {width}"));
    // The ladder is declared before the clock runs.
    ours::schedule(&queue, "warm-up", body, HOUR).await;
    for round in 0..rounds(effort) {
        let name = format!("burst.{round}");
        ours::schedule(&queue, &name, body, Duration::ZERO).await;
        ours::deliver(&queue, &name, 1).await;
        let bare = BareRabbit::connect(&broker.url(), &format!("bare.{round}")).await;
        publish(&bare, body, BURST).await;
        let ours = async || {
            let due = Instant::now() + Duration::from_secs(20);
            ours::schedule_at(&queue, &name, body, due, BURST).await;
            let worker = ours::Counting::start(&queue, &name, BURST, due);
            sleep_until(due).await;
            worker.finish().await;
            Unit::OpsPerSec.figure(operations, due.elapsed())
        };
        let bare = async || Unit::OpsPerSec.time(operations, bare.deliver(BURST)).await;
        burst.round(LIMIT, ours, bare).await;
    }
    burst.print();
}
