//! What happens to messages: nowhere to go, tried often, sent by a wrong clock.

use std::time::Duration;

use nebula_delay_queue::{
    DeadReason, DelayMessage, DelayQueue, DelayQueueConsumer, DelayQueueProducer, ErrorKind, Outcome, Priority,
    QueueName, RabbitDelayQueue, RawMessage, Received, RetryPolicy, Schedule,
    lapin::{
        BasicProperties, Connection, ConnectionProperties,
        options::{BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions},
        types::FieldTable,
    },
    testing::WrongClock,
};
use nebula_test_support::{amqp_url, eventually, unique};
use tokio::time::{Instant, sleep_until, timeout};

use super::{PATIENCE, QUEUE, Seen, connect_as, idle, options, send};

/// Another client of the broker.
async fn stranger(url: &str) -> nebula_delay_queue::lapin::Channel {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_whose_queue_is_gone_rest_apart_and_disturb_nobody() {
    const COUNT: u64 = 100;
    let (url, prefix) = (amqp_url().await, unique("gone"));
    let queue = DelayQueue::new(options(url.clone()).prefix(&prefix).connect().await.unwrap());
    let raw = stranger(&url).await;
    let unroutable = format!("{prefix}.unroutable");
    let doomed: Vec<_> = (0..COUNT)
        .map(|number| DelayMessage::builder().body(number).delay(Duration::from_millis(1500)).build().unwrap())
        .collect();
    queue.send_batch("doomed", &doomed).await.unwrap();
    for rank in 0..3 {
        let name = format!("{prefix}.ready.{rank}.doomed");
        raw.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    }
    // They climb the same steps at the same time.
    let seen = Seen::default();
    queue.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    let mut ids = Vec::new();
    for number in 0..COUNT {
        ids.push(send(&queue, number, Duration::from_millis(1500)).await);
    }
    seen.all(&queue, &ids).await;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    eventually(PATIENCE, async || {
        let name = unroutable.as_str().into();
        let apart = raw.queue_declare(name, passive, FieldTable::default()).await.unwrap().message_count();
        if u64::from(apart) == COUNT { Ok(()) } else { Err(format!("{apart} are in the queue of the unroutable")) }
    })
    .await;

    // Sending to it again brings the queue back.
    let again = DelayMessage::new(1u64);
    eventually(PATIENCE, async || queue.send("doomed", &again).await.map_err(|error| error.to_string())).await;
    assert_eq!(queue.stats("doomed").await.unwrap().backlog, 1);
    queue.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_retries_take_the_same_ladder() {
    let backend = options(amqp_url().await).queue_prefix(unique("retry").try_into().unwrap()).connect().await.unwrap();
    let queue = DelayQueue::new(backend);
    let pause = Duration::from_millis(300);
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |message: Received<u64>| {
        told.send((message.attempt(), Instant::now())).unwrap();
        let done = message.attempt() == 6;
        async move { if done { Ok(()) } else { Err("not yet") } }
    };
    queue.worker(QUEUE).unwrap().retry(RetryPolicy::fixed(5, pause)).handle(handler).start().unwrap();
    send(&queue, 1, pause).await;
    let mut last = None;
    for expected in 1..=6 {
        let (attempt, at) = timeout(PATIENCE, hears.recv()).await.unwrap().unwrap();
        assert_eq!(attempt, expected);
        assert!(last.is_none_or(|last| at - last >= pause), "attempt {attempt} came early");
        last = Some(at);
    }
    eventually(PATIENCE, async || queue.stats(QUEUE).await.unwrap().leased == 0).await;
    assert_eq!(queue.dead_letters(QUEUE, 0, 10).await.unwrap().len(), 0);
    queue.shutdown(PATIENCE).await;
}

/// Whether the broker has a queue of this name.
async fn exists(url: &str, name: String) -> bool {
    // The question for a queue that is missing costs the channel.
    let channel = stranger(url).await;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), passive, FieldTable::default()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_takes_its_delay_past_the_ladder_retries_included() {
    let (url, prefix, lane) = (amqp_url().await, unique("lane"), Duration::from_millis(400));
    let queue = DelayQueue::new(options(url.clone()).prefix(&prefix).lane(lane).connect().await.unwrap());
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |message: Received<u64>| {
        told.send((*message.body(), message.attempt(), Instant::now())).unwrap();
        let done = message.attempt() == 2;
        async move { if done { Ok(()) } else { Err("not yet") } }
    };
    queue.worker(QUEUE).unwrap().retry(RetryPolicy::fixed(1, lane)).handle(handler).start().unwrap();
    let mut last = Instant::now();
    send(&queue, 7, lane).await;
    for attempt in 1..=2 {
        let (body, heard, at) = timeout(PATIENCE, hears.recv()).await.unwrap().unwrap();
        assert_eq!((body, heard), (7, attempt));
        assert!(at - last >= lane, "attempt {attempt} came early: {:?}", at - last);
        last = at;
    }
    idle(&queue).await;
    assert!(exists(&url, format!("{prefix}.lane.400")).await);
    assert!(!exists(&url, format!("{prefix}.level.0.1")).await, "nothing needed the ladder");
    queue.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_down_a_wide_ladder_and_lane_once_and_in_time() {
    let (url, prefix, lane) = (amqp_url().await, unique("wide"), Duration::from_millis(300));
    let connect = async |width| {
        let options = options(url.clone()).prefix(&prefix).levels(2).width(width).lane(lane);
        DelayQueue::new(options.connect().await.unwrap())
    };
    // Whoever sends by fewer queues meets the same workers.
    let (narrow, wide) = (connect(1).await, connect(3).await);
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |message: Received<u64>| {
        told.send((*message.body(), Instant::now())).unwrap();
        async {}
    };
    wide.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    let sent = Instant::now();
    let delays: Vec<u64> = (0..6).flat_map(|_| [40, 300, 600, 777]).collect();
    for (queue, delays) in [(&narrow, &delays[..8]), (&wide, &delays[8..])] {
        for delay in delays {
            send(queue, *delay, Duration::from_millis(*delay)).await;
        }
    }
    let mut came = Vec::new();
    for _ in &delays {
        let (body, at) = timeout(PATIENCE, hears.recv()).await.unwrap().unwrap();
        assert!(at - sent >= Duration::from_millis(body), "early: {:?}", at - sent);
        came.push(body);
    }
    idle(&wide).await;
    assert!(hears.try_recv().is_err(), "something came twice");
    came.sort_unstable();
    let mut expected = delays;
    expected.sort_unstable();
    assert_eq!(came, expected);
    for queue in ["lane.300", "lane.300.2", "level.0.2", "level.0.2.1", "level.0.2.2", "level.1.2.2"] {
        assert!(exists(&url, format!("{prefix}.{queue}")).await, "{queue}");
    }
    narrow.shutdown(PATIENCE).await;
    wide.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_longer_than_the_ladder_is_high_goes_round_again() {
    let (url, prefix) = (amqp_url().await, unique("rounds"));
    // One level takes 15 units of 16 ms: these take three rounds and more.
    let backend = options(url.clone()).prefix(&prefix).levels(1).connect().await.unwrap();
    let queue = DelayQueue::new(backend);
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |message: Received<u64>| {
        told.send((*message.body(), message.attempt(), Instant::now())).unwrap();
        async {}
    };
    queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    let sent = Instant::now();
    for delay in [900, 600] {
        send(&queue, delay, Duration::from_millis(delay)).await;
    }
    for delay in [600, 900] {
        let (body, attempt, at) = timeout(PATIENCE, hears.recv()).await.unwrap().unwrap();
        assert_eq!((body, attempt), (delay, 1), "going round is no attempt");
        assert!(at - sent >= Duration::from_millis(delay), "early: {:?}", at - sent);
    }
    idle(&queue).await;
    assert!(exists(&url, format!("{prefix}.level.0.15")).await);
    assert!(!exists(&url, format!("{prefix}.level.1.1")).await);
    queue.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_go_through_the_exchange_that_is_asked_for() {
    let (url, prefix, exchange) = (amqp_url().await, unique("deaths"), unique("dlx.exchange"));
    let prefixed = options(url.clone()).queue_prefix(prefix.as_str().try_into().unwrap());
    let queue = DelayQueue::new(prefixed.dead_letter_exchange(&exchange).connect().await.unwrap());
    let id = send(&queue, 1, Duration::ZERO).await;
    // Somebody else's queue beside the one in which dead letters rest.
    let raw = stranger(&url).await;
    let own = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let mourner = raw.queue_declare("".into(), own, FieldTable::default()).await.unwrap().name().clone();
    let key = format!("{prefix}.{QUEUE}");
    let bound = raw.queue_bind(mourner.clone(), exchange.into(), key.into(), Default::default(), FieldTable::default());
    bound.await.unwrap();
    let refuse = |_: Received<u64>| async { Outcome::DeadLetter("hopeless".into()) };
    queue.worker(QUEUE).unwrap().handle(refuse).start().unwrap();
    let heard = eventually(PATIENCE, async || {
        raw.basic_get(mourner.clone(), Default::default()).await.unwrap().ok_or("nothing has come")
    });
    assert_eq!(heard.await.delivery.data, b"1");
    // Each of the two queues takes it in its own time.
    let rests = eventually(PATIENCE, async || {
        let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
        if dead.is_empty() { Err("nothing rests yet") } else { Ok(dead) }
    });
    let dead = rests.await;
    assert_eq!(dead.len(), 1);
    assert_eq!((&dead[0].message.id, &dead[0].reason), (&id, &DeadReason::Rejected("hopeless".into())));
    queue.shutdown(PATIENCE).await;
}

/// Two processes; the first one has asked for messages once, and never again.
async fn deserted() -> (RabbitDelayQueue, RabbitDelayQueue, QueueName) {
    let (url, prefix, name) = (amqp_url().await, unique("deserted"), QueueName::new(QUEUE).unwrap());
    let prefix: QueueName = prefix.try_into().unwrap();
    let first = options(url.clone()).queue_prefix(prefix.clone()).connect().await.unwrap();
    let second = options(url).queue_prefix(prefix).connect().await.unwrap();
    assert!(first.claim(&name, 1, PATIENCE).await.unwrap().deliveries.is_empty());
    (first, second, name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_gives_back_unasked_for_is_not_early() {
    let (first, second, name) = deserted().await;
    let delay = Duration::from_millis(15);
    let sending = tokio::spawn({
        let name = name.clone();
        async move {
            let mut sent = std::collections::HashMap::new();
            let began = Instant::now();
            // They go on until the first process gives back what it holds, some of which is not due yet. No more than it is
            // pushed, so that it holds the last of them as well.
            for number in 0..40u32 {
                let message = RawMessage::new(number.to_string().try_into().unwrap(), "1")
                    .with_priority(Priority::ALL[number as usize % 3])
                    .with_schedule(Schedule::After(delay));
                sent.insert(message.id.clone(), Instant::now());
                let _ = first.enqueue(&name, message).await.unwrap();
                sleep_until(began + Duration::from_millis(2800 + 25 * u64::from(number))).await;
            }
            // It is still there.
            (sent, first)
        }
    });
    let mut came = std::collections::HashMap::new();
    while came.len() < 40 {
        for delivery in second.claim(&name, 50, PATIENCE).await.unwrap().deliveries {
            came.insert(delivery.message.id, Instant::now());
        }
    }
    let (sent, _first) = sending.await.unwrap();
    let early: Vec<_> = came.iter().filter(|(id, at)| **at - sent[*id] < delay).collect();
    assert!(early.is_empty(), "{early:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_are_given_up_lose_nothing() {
    const COUNT: usize = 60;
    let (first, queue, name) = deserted().await;
    let message = |number: usize| RawMessage::new(number.to_string().try_into().unwrap(), "1");
    queue.enqueue_batch(&name, (0..COUNT).map(message).collect()).await.unwrap();
    drop(first);
    let mut came = std::collections::HashSet::new();
    let by = Instant::now() + PATIENCE;
    for round in 0u64.. {
        assert!(Instant::now() < by, "{} of {COUNT} have come", came.len());
        // None of them waits for long; each tenth waits until it is answered.
        let patience = if round.is_multiple_of(10) { PATIENCE } else { Duration::from_micros(round * 37 % 4000) };
        if let Ok(claimed) = timeout(patience, queue.claim(&name, 2, PATIENCE * 4)).await {
            came.extend(claimed.unwrap().deliveries.into_iter().map(|delivery| delivery.message.id));
        }
        if came.len() == COUNT {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delays_are_right_though_the_senders_clock_is_off_by_an_hour() {
    let prefix = unique("clock");
    let backend = async |options: nebula_delay_queue::RabbitOptions| {
        options.queue_prefix(prefix.clone().try_into().unwrap()).connect().await.unwrap()
    };
    let url = amqp_url().await;
    let worker = DelayQueue::new(backend(options(url.clone())).await);
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |_: Received<u64>| {
        told.send(Instant::now()).unwrap();
        async {}
    };
    worker.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    let delay = Duration::from_millis(700);
    for (number, clock) in [WrongClock::Fast, WrongClock::Slow].into_iter().enumerate() {
        let sender = DelayQueue::new(backend(options(url.clone()).clock(clock)).await);
        let sent = Instant::now();
        send(&sender, number as u64, delay).await;
        let came = timeout(PATIENCE, hears.recv()).await.expect("within two minutes, not after an hour").unwrap();
        assert!(came - sent >= delay, "early: {:?}", came - sent);
    }
    worker.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_publish_becomes_a_dead_letter() {
    let (url, prefix) = (amqp_url().await, unique("strangers"));
    let queue = connect_as(url.clone(), &prefix).await;
    let seen = Seen::default();
    queue.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    let first = send(&queue, 1, Duration::ZERO).await;
    let raw = stranger(&url).await;
    let ready = format!("nebula-delay.2.ready.1.{prefix}.{QUEUE}");
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let published = raw.basic_publish("".into(), ready.into(), options, b"junk", BasicProperties::default()).await;
    published.unwrap().await.unwrap();
    let second = send(&queue, 2, Duration::ZERO).await;
    eventually(PATIENCE, async || queue.stats(QUEUE).await.unwrap().dead == 1).await;
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    assert_eq!((&dead[0].reason, &dead[0].message.body[..]), (&DeadReason::Undecodable, &b"junk"[..]));
    assert_eq!(queue.purge(QUEUE, None).await.unwrap(), 1);
    seen.all(&queue, &[first, second]).await;
    queue.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn bad_options_are_refused() {
    let refused = async |options: nebula_delay_queue::RabbitOptions| {
        let error = options.connect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
        error.to_string()
    };
    let url = amqp_url().await;
    let good = || RabbitDelayQueue::options(url.clone());
    refused(RabbitDelayQueue::options("http://nowhere")).await;
    refused(good().prefix("a b")).await;
    refused(good().prefix("x".repeat(31))).await;
    refused(good().dead_letter_exchange("")).await;
    refused(good().lane(Duration::ZERO)).await;
    refused(good().lane(Duration::from_secs(60 * 24 * 3600))).await;
    refused(good().levels(0)).await;
    refused(good().levels(8)).await;
    refused(good().width(0)).await;
    refused(good().width(17)).await;
    refused((1..=17).fold(good(), |options, lane| options.lane(Duration::from_secs(lane)))).await;
    let text = refused(good().credentials(Some("nobody".into()), Some("hidden".into()))).await;
    assert!(!text.contains("hidden"), "{text}");
    let nobody = RabbitDelayQueue::options("amqp://127.0.0.1:1/%2f").connect().await.unwrap_err();
    assert!(nobody.is_retryable(), "{nobody:?}");
}
