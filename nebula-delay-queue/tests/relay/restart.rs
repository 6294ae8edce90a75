//! A broker that is slow, or away, while messages wait to be moved there.

use std::time::Duration;

use nebula_delay_queue::{
    DelayQueueProducer, MemoryDelayQueue, QueueName, RabbitDelayQueue, RawMessage, Relay, RunningRelay,
};
use nebula_test_support::{RabbitMq, TcpProxy, eventually};

use super::{PATIENCE, QUEUE};

/// A message of an outbox, due in less than a minute: its way is three levels of queues.
async fn wait(source: &MemoryDelayQueue, id: &str) {
    let outbox: QueueName = "outbox.order.timeout".try_into().unwrap();
    let mut message = RawMessage::new(id.try_into().unwrap(), "1");
    message.headers.insert("x-nebula-relay-delay".to_owned(), "40000".to_owned());
    assert!(source.enqueue(&outbox, message).await.unwrap().is_accepted());
}

async fn moves(relay: &RunningRelay, count: u64) {
    eventually(PATIENCE, async || match relay.status() {
        status if status.moved == count => Ok(()),
        status => Err(format!("{status:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_that_take_longer_to_declare_than_a_call_may_are_declared_in_the_end() {
    let mut broker = RabbitMq::start().await;
    let proxy = TcpProxy::to(format!("127.0.0.1:{}", broker.port()).parse().unwrap()).await.unwrap();
    // Some twenty questions in turn, with 200 ms for each answer, do not fit into three seconds.
    let rabbit = RabbitDelayQueue::options(broker.url_via(proxy.port())).timeout(Duration::from_secs(3));
    let rabbit = rabbit.connect().await.unwrap();
    proxy.delay(Duration::from_millis(100));
    let source = MemoryDelayQueue::new();
    let relay = Relay::new(source.clone(), rabbit).queue(QUEUE).unwrap().start().unwrap();
    wait(&source, "before").await;
    moves(&relay, 1).await;

    // Whatever waits while the broker is away is moved when it is there again, and none of it is given up.
    let failures = relay.status().failures;
    broker.kill();
    for id in ["a", "b", "c"] {
        wait(&source, id).await;
    }
    eventually(PATIENCE, async || relay.status().failures > failures).await;
    broker.restart().await;
    moves(&relay, 4).await;
    assert_eq!(relay.status().refused, 0);
    assert!(relay.shutdown(PATIENCE).await);
}
