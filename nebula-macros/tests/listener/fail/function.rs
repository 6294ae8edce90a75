use nebula_delay_queue::delay_queue_listener;

#[delay_queue_listener(queue = "a")]
fn not_async(_: u64) {}

#[delay_queue_listener(queue = "a")]
async fn generic<T>(_: T) {}

#[delay_queue_listener(queue = "a")]
async fn no_message() {}

#[delay_queue_listener(queue = "a")]
async fn borrowed_message(_: &u64) {}

#[delay_queue_listener(queue = "a")]
async fn nameless_state((_, _): (u64, u64), _: u64) {}

#[delay_queue_listener(queue = "a")]
async fn exclusive_state(_state: &mut u64, _: u64) {}

struct Service;

impl Service {
    #[delay_queue_listener(queue = "a")]
    async fn exclusive(&mut self, _: u64) {}

    #[delay_queue_listener(queue = "a")]
    async fn consuming(self, _: u64) {}
}

fn main() {}
