use nebula_delay_queue::delay_queue_listener;

#[delay_queue_listener]
async fn no_queue(_: u64) {}

#[delay_queue_listener(queue = "order timeout")]
async fn bad_queue(_: u64) {}

#[delay_queue_listener(queue = 7)]
async fn numeric_queue(_: u64) {}

#[delay_queue_listener(queue = "a", workers = 8, queue = "b")]
async fn unknown_and_twice(_: u64) {}

#[delay_queue_listener(queue = "a", concurrency = 0, prefetch = "8", lease = 30, handler_timeout = "soon")]
async fn bad_values(_: u64) {}

#[delay_queue_listener(queue = "a", retry = nebula_delay_queue::RetryPolicy::none(), retry_times = 3)]
async fn two_policies(_: u64) {}

fn main() {}
