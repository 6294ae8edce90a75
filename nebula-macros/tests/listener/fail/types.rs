use nebula_delay_queue::delay_queue_listener;

struct NotABody;

#[delay_queue_listener(queue = "a")]
async fn undecodable(_: NotABody) {}

#[delay_queue_listener(queue = "a")]
async fn odd_result(_: u64) -> u64 {
    7
}

fn main() {}
