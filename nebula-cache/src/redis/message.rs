//! Batches as text: `1 <epoch> <sequence> <mark of the batch before> <mark> <node> <time> <items>`. Epoch, marks and node
//! are hexadecimal; an item is a letter and 16 hexadecimal digits. A hot key is two items: `h`, its cache, and `i`, itself.

use std::fmt::Write as _;

use crate::channel::{Batch, HotKey, Invalid, Position, Published};

pub(super) fn items(batch: &Batch) -> String {
    let mut text = String::with_capacity(batch.items.len() * 17);
    for item in &*batch.items {
        let kind = match item {
            Invalid::Key(_) => 'k',
            Invalid::Tag(_) => 't',
            Invalid::Cache(_) => 'c',
            Invalid::All => 'a',
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "{kind}{:016x}", item.hash());
    }
    for HotKey { cache, key } in &*batch.hot {
        let _ = write!(text, "h{cache:016x}i{key:016x}");
    }
    text
}

/// The batch that the text stands for; `None` if it is written in another way.
pub(super) fn parse(text: &[u8]) -> Option<Published> {
    let mut parts = std::str::from_utf8(text).ok()?.split(' ');
    if parts.next()? != "1" {
        return None;
    }
    let epoch = hex(parts.next()?)?;
    let sequence: u64 = parts.next()?.parse().ok()?;
    let (before, mark, node) = (hex(parts.next()?)?, hex(parts.next()?)?, hex(parts.next()?)?);
    let time = parts.next()?.parse().ok()?;
    let items = parts.next()?;
    let whole = items.len() % 17 == 0 && items.is_ascii();
    let mut invalid = Vec::new();
    let mut hot = Vec::new();
    let mut items = items.as_bytes().chunks_exact(17).filter(|_| whole);
    while let Some(text) = items.next() {
        match text.split_first()? {
            (b'h', cache) => {
                let key = items.next()?.strip_prefix(b"i")?;
                hot.push(HotKey { cache: digits(cache)?, key: digits(key)? });
            }
            _ => invalid.push(item(text)?),
        }
    }
    if !whole {
        return None;
    }
    Some(Published {
        after: Position { epoch, sequence: sequence.checked_sub(1)?, mark: before },
        at: Position { epoch, sequence, mark },
        batch: Batch { node, items: invalid.into(), hot: hot.into() },
        time,
    })
}

fn item(text: &[u8]) -> Option<Invalid> {
    let (kind, hash) = text.split_first()?;
    let hash = digits(hash)?;
    Some(match kind {
        b'k' => Invalid::Key(hash),
        b't' => Invalid::Tag(hash),
        b'c' => Invalid::Cache(hash),
        b'a' => Invalid::All,
        _ => return None,
    })
}

fn digits(text: &[u8]) -> Option<u64> {
    hex(std::str::from_utf8(text).ok()?)
}

pub(super) fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_survives_the_journey() {
        let batch = Batch {
            node: 77,
            items: [Invalid::Key(1), Invalid::Tag(u64::MAX), Invalid::Cache(3), Invalid::All].into(),
            hot: [HotKey { cache: 4, key: u64::MAX }].into(),
        };
        let text = format!("1 ab 12 cd ef {:x} 1700000000000 {}", batch.node, items(&batch));
        let published = parse(text.as_bytes()).unwrap();
        assert_eq!(published.batch, batch);
        assert_eq!(published.after, Position { epoch: 0xab, sequence: 11, mark: 0xcd });
        assert_eq!(published.at, Position { epoch: 0xab, sequence: 12, mark: 0xef });
        assert_eq!(published.time, 1_700_000_000_000);
        let empty = parse(b"1 ab 1 0 ef 5 6 ").unwrap();
        assert!(empty.batch.items.is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_batch_or_nothing(bytes: Vec<u8>, tail in "[0-9a-fhiktcä ]{0,40}") {
            let _ = parse(&bytes);
            let _ = parse(format!("1 ab 1 0 ef 5 6 {tail}").as_bytes());
        }
    }
}
