//! A message within a message: due at once for the relay, and at its own time for its listener.

use std::time::{Duration, SystemTime};

use crate::{
    RawMessage, Schedule,
    clock::{ceil_ms, duration_ms, floor_ms},
};

/// What is left of the delay when the message is stored, in milliseconds.
const DELAY: &str = "x-nebula-relay-delay";

pub(super) fn pack(mut message: RawMessage, now: SystemTime) -> RawMessage {
    let delay = match message.schedule {
        Schedule::After(delay) => duration_ms(delay),
        Schedule::At(time) => ceil_ms(time).saturating_sub(floor_ms(now)),
    };
    message.schedule = Schedule::NOW;
    if delay > 0 {
        message.headers.insert(DELAY.to_owned(), delay.to_string());
    }
    message
}

/// The message as it was, due after what is left of its delay `waited` later.
pub(super) fn unpack(mut message: RawMessage, waited: Duration) -> RawMessage {
    let delay = message.headers.remove(DELAY).and_then(|delay| delay.parse().ok()).unwrap_or(0);
    message.schedule = Schedule::After(Duration::from_millis(delay).saturating_sub(waited));
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageId;

    #[test]
    fn a_delay_counts_on_while_the_message_waits() {
        let now = SystemTime::now();
        let later = now + Duration::from_millis(1500);
        for schedule in [Schedule::After(Duration::from_millis(1500)), Schedule::At(later)] {
            let mut message = RawMessage::new(MessageId::random(), "x").with_schedule(schedule);
            message.headers.insert("a".into(), "b".into());
            let packed = pack(message.clone(), now);
            assert_eq!(packed.schedule, Schedule::NOW);
            for (waited, left) in [(0, 1500), (400, 1100), (9000, 0)] {
                let unpacked = unpack(packed.clone(), Duration::from_millis(waited));
                let Schedule::After(rest) = unpacked.schedule else { panic!("{unpacked:?}") };
                let left = Duration::from_millis(left);
                assert!(rest >= left && rest <= left + Duration::from_millis(2), "{rest:?}, not {left:?}");
                assert_eq!(unpacked.headers, message.headers);
            }
        }
        let at_once = pack(RawMessage::new(MessageId::random(), "x"), now);
        assert_eq!(unpack(at_once.clone(), Duration::ZERO), at_once);
    }
}
