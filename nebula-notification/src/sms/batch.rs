//! Which messages go together in one request.

use super::provider::SmsMessage;

/// Messages by their places in the list, in groups of at most `most` whose members go together with the first. A number stands in a
/// group once: receipts tell the messages of a group apart by their numbers.
pub(super) fn groups(
    messages: &[SmsMessage],
    most: usize,
    together: impl Fn(&SmsMessage, &SmsMessage) -> bool,
) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    let mut left: Vec<usize> = (0..messages.len()).collect();
    while let Some(&first) = left.first() {
        let mut group: Vec<usize> = Vec::new();
        left.retain(|&at| {
            let (one, known) = (&messages[at], group.iter().any(|&other| messages[other].phone == messages[at].phone));
            let joins = group.len() < most && !known && together(&messages[first], one);
            if joins {
                group.push(at);
            }
            !joins
        });
        groups.push(group);
    }
    groups
}
