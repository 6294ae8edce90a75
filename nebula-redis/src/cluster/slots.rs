//! Which slot of a cluster a command belongs to.

use redis::{Arg, Cmd, Pipeline, RedisError, RedisResult, ServerErrorKind};

pub(crate) const SLOTS: usize = 16_384;

/// The slot of the keys of a command; `None` if it has none and any node will do.
pub(super) fn of_command(command: &Cmd) -> RedisResult<Option<u16>> {
    let words: Vec<&[u8]> =
        command.args_iter().map(|arg| if let Arg::Simple(word) = arg { word } else { b"" }).collect();
    let mut slot = None;
    for key in keys(&words) {
        one(&mut slot, key_slot(key))?;
    }
    Ok(slot)
}

/// Likewise for several commands that are sent together.
pub(super) fn of_pipeline(commands: &Pipeline) -> RedisResult<Option<u16>> {
    let mut slot = None;
    for command in commands.cmd_iter() {
        if let Some(next) = of_command(command)? {
            one(&mut slot, next)?;
        }
    }
    Ok(slot)
}

fn one(slot: &mut Option<u16>, next: u16) -> RedisResult<()> {
    if *slot.get_or_insert(next) == next { Ok(()) } else { Err(several_slots()) }
}

fn several_slots() -> RedisError {
    let kind = redis::ErrorKind::Server(ServerErrorKind::CrossSlot);
    (kind, "the keys of one command, script or pipeline belong to different slots of the cluster").into()
}

/// The keys by which a command is sent on its way. Where only the first is listed, the server checks the others.
fn keys<'a>(words: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let Some(name) = words.first() else { return Vec::new() };
    let at = |index: usize| words.get(index).copied().into_iter().collect();
    match name.to_ascii_uppercase().as_slice() {
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO" => {
            let count = words.get(2).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok()).unwrap_or(0);
            words.iter().skip(3).take(count).copied().collect()
        }
        b"MGET" | b"DEL" | b"UNLINK" | b"EXISTS" | b"TOUCH" => words[1..].to_vec(),
        b"XREAD" | b"XREADGROUP" => {
            let streams = words.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"));
            streams.map_or_else(Vec::new, |streams| at(streams + 1))
        }
        b"OBJECT" | b"MEMORY" | b"XINFO" | b"XGROUP" | b"BITOP" => at(2),
        b"PING" | b"ECHO" | b"INFO" | b"TIME" | b"ROLE" | b"SCAN" | b"KEYS" | b"DBSIZE" | b"FLUSHALL" | b"FLUSHDB"
        | b"PUBLISH" | b"PUBSUB" | b"SCRIPT" | b"FUNCTION" | b"CONFIG" | b"CLIENT" | b"CLUSTER" | b"COMMAND"
        | b"WAIT" | b"WAITAOF" | b"RANDOMKEY" | b"LASTSAVE" | b"SLOWLOG" | b"LATENCY" | b"ACL" | b"MULTI" | b"EXEC"
        | b"DISCARD" | b"UNWATCH" | b"ASKING" => Vec::new(),
        _ => at(1),
    }
}

/// The slot of a key on a cluster: CRC-16/XMODEM of its hash tag, or of all of it (Redis cluster specification). Keys of one
/// command have to share it.
///
/// ```
/// use nebula_redis::key_slot;
///
/// assert_eq!(key_slot(b"123456789"), 12_739);
/// assert_eq!(key_slot(b"{user:7}:cart"), key_slot(b"user:7"));
/// ```
#[must_use]
pub fn key_slot(key: &[u8]) -> u16 {
    let hashed = tag(key).unwrap_or(key);
    let crc = hashed.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    });
    crc % SLOTS as u16
}

/// What stands between the first `{` and the next `}`, unless that is nothing.
fn tag(key: &[u8]) -> Option<&[u8]> {
    let after = &key[key.iter().position(|byte| *byte == b'{')? + 1..];
    let end = after.iter().position(|byte| *byte == b'}')?;
    (end > 0).then(|| &after[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        for (key, slot) in [
            ("123456789", 0x31C3),
            ("foo", 12182),
            ("{foo}bar", 12182),
            ("a{foo}{bar}", 12182),
            ("{}foo", 9500),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
        ] {
            assert_eq!(key_slot(key.as_bytes()), slot % SLOTS as u16, "{key}");
        }
    }

    #[test]
    fn commands_go_where_their_keys_are() {
        let slot = |words: &[&str]| of_command(redis::cmd(words[0]).arg(&words[1..]));
        let foo = Some(key_slot(b"foo"));
        for words in [
            &["get", "foo"][..],
            &["EVALSHA", "f00", "2", "{foo}1", "{foo}2", "other"],
            &["XREADGROUP", "GROUP", "g", "c", "STREAMS", "foo", ">"],
            &["XGROUP", "CREATE", "foo", "g", "$"],
            &["DEL", "foo", "{foo}1"],
        ] {
            assert_eq!(slot(words).unwrap(), foo, "{words:?}");
        }
        for words in [&["PING"][..], &["EVAL", "return 1", "0", "foo"], &["PUBLISH", "foo", "x"], &["GET"]] {
            assert_eq!(slot(words).unwrap(), None, "{words:?}");
        }
        for words in [&["EVAL", "return 1", "2", "foo", "bar"][..], &["DEL", "foo", "bar"]] {
            let error = slot(words).unwrap_err();
            assert_eq!(crate::classify(&error), crate::ErrorKind::ClusterRedirect, "{error}");
        }
        let pipeline = redis::pipe().atomic().set("{foo}1", 1).set("{foo}2", 2).to_owned();
        assert_eq!(of_pipeline(&pipeline).unwrap(), foo);
        assert!(of_pipeline(redis::pipe().set("foo", 1).set("bar", 2)).is_err());
    }
}
