//! What stands before each value in the shared level.
//!
//! Little-endian: magic `4E C1`, format version, flags (1: known to be absent, 2: zstd), codec, schema (u32), written at
//! (u64, ms), fresh for (u64, ms), usable for (u64, ms), epoch (u64), sequence (u64), number of tags (u16), tags (u64
//! each), and, if compressed, the original length (u32); then the value.

use bytes::{Buf, BufMut, Bytes};

use crate::error::{Error, ErrorKind, Result};

const MAGIC: [u8; 2] = [0x4E, 0xC1];
const VERSION: u8 = 1;
const ABSENT: u8 = 1;
const ZSTD: u8 = 2;

/// Everything about a stored value but the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) absent: bool,
    pub(crate) codec: u8,
    pub(crate) schema: u32,
    /// The server's clock, milliseconds since 1970.
    pub(crate) written: u64,
    pub(crate) fresh_for: u64,
    pub(crate) keep_for: u64,
    /// How far the writer had followed the invalidations when it began to load.
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    pub(crate) tags: Vec<u64>,
}

/// The bytes to store. `compress_above` is the size from which compression is tried.
pub(crate) fn seal(header: &Header, value: &[u8], compress_above: usize) -> Bytes {
    let packed = (value.len() >= compress_above).then(|| pack(value)).flatten();
    let mut bytes = Vec::with_capacity(64 + header.tags.len() * 8 + packed.as_deref().unwrap_or(value).len());
    bytes.put_slice(&MAGIC);
    bytes.put_u8(VERSION);
    bytes.put_u8(u8::from(header.absent) * ABSENT + u8::from(packed.is_some()) * ZSTD);
    bytes.put_u8(header.codec);
    bytes.put_u32_le(header.schema);
    for number in [header.written, header.fresh_for, header.keep_for, header.epoch, header.sequence] {
        bytes.put_u64_le(number);
    }
    let tags = header.tags.get(..usize::from(u16::MAX)).unwrap_or(&header.tags);
    bytes.put_u16_le(u16::try_from(tags.len()).unwrap_or(u16::MAX));
    tags.iter().for_each(|tag| bytes.put_u64_le(*tag));
    match packed {
        Some(packed) => {
            bytes.put_u32_le(u32::try_from(value.len()).unwrap_or(u32::MAX));
            bytes.put_slice(&packed);
        }
        None => bytes.put_slice(value),
    }
    bytes.into()
}

/// What was stored. `limit` is the longest value that is unpacked.
pub(crate) fn open(mut bytes: Bytes, limit: usize) -> Result<(Header, Bytes)> {
    let mut magic = [0; 2];
    bytes.try_copy_to_slice(&mut magic).map_err(short)?;
    if magic != MAGIC {
        return Err(Error::new(ErrorKind::Codec, "not written by this cache"));
    }
    if bytes.try_get_u8().map_err(short)? != VERSION {
        return Err(Error::new(ErrorKind::Codec, "written by another version of the cache's format"));
    }
    let flags = bytes.try_get_u8().map_err(short)?;
    if flags & !(ABSENT | ZSTD) != 0 {
        return Err(Error::new(ErrorKind::Codec, "flags that this version does not know"));
    }
    let codec = bytes.try_get_u8().map_err(short)?;
    let schema = bytes.try_get_u32_le().map_err(short)?;
    let mut numbers = [0; 5];
    for number in &mut numbers {
        *number = bytes.try_get_u64_le().map_err(short)?;
    }
    let count = bytes.try_get_u16_le().map_err(short)?;
    let tags = (0..count).map(|_| bytes.try_get_u64_le().map_err(short)).collect::<Result<_>>()?;
    let [written, fresh_for, keep_for, epoch, sequence] = numbers;
    let absent = flags & ABSENT != 0;
    let header = Header { absent, codec, schema, written, fresh_for, keep_for, epoch, sequence, tags };
    let value = if flags & ZSTD == 0 {
        bytes
    } else {
        let length = bytes.try_get_u32_le().map_err(short)? as usize;
        if length > limit {
            return Err(Error::new(ErrorKind::TooLarge, format!("the stored value has {length} bytes unpacked")));
        }
        unpack(&bytes, length)?
    };
    Ok((header, value))
}

fn short(_: bytes::TryGetError) -> Error {
    Error::new(ErrorKind::Codec, "the stored value is cut off")
}

#[cfg(feature = "zstd")]
fn pack(value: &[u8]) -> Option<Vec<u8>> {
    // Level 1: the link to Redis is faster than the better levels.
    zstd::bulk::compress(value, 1).ok().filter(|packed| packed.len() < value.len() - value.len() / 8)
}

#[cfg(not(feature = "zstd"))]
fn pack(_: &[u8]) -> Option<Vec<u8>> {
    None
}

#[cfg(feature = "zstd")]
fn unpack(packed: &[u8], length: usize) -> Result<Bytes> {
    let value = zstd::bulk::decompress(packed, length)
        .map_err(|error| Error::new(ErrorKind::Codec, "the stored value cannot be unpacked").with_source(error))?;
    Ok(value.into())
}

#[cfg(not(feature = "zstd"))]
fn unpack(_: &[u8], _: usize) -> Result<Bytes> {
    Err(Error::new(ErrorKind::Unsupported, "the stored value is compressed: enable the feature `zstd` of nebula-cache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            absent: false,
            codec: 1,
            schema: 7,
            written: 1_700_000_000_000,
            fresh_for: 60_000,
            keep_for: 90_000,
            epoch: u64::MAX,
            sequence: 3,
            tags: vec![1, u64::MAX],
        }
    }

    #[test]
    fn the_format_never_changes() {
        let absent = Header { absent: true, tags: vec![0x0102], ..header() };
        let bytes = seal(&absent, b"v", usize::MAX);
        let expected: Vec<u8> = [
            &[0x4E, 0xC1, 1, 1, 1, 7, 0, 0, 0][..],
            &1_700_000_000_000_u64.to_le_bytes(),
            &60_000_u64.to_le_bytes(),
            &90_000_u64.to_le_bytes(),
            &[0xFF; 8],
            &3_u64.to_le_bytes(),
            &[1, 0, 2, 1, 0, 0, 0, 0, 0, 0],
            b"v",
        ]
        .concat();
        assert_eq!(bytes, expected);
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn large_values_are_compressed_and_bombs_are_refused() {
        let value = vec![b'a'; 100_000];
        let bytes = seal(&header(), &value, 4096);
        assert!(bytes.len() < 1000, "{}", bytes.len());
        assert_eq!(open(bytes.clone(), 100_000).unwrap(), (header(), Bytes::from(value)));
        assert_eq!(open(bytes, 99_999).unwrap_err().kind(), ErrorKind::TooLarge);
        let noise: Vec<u8> = (0..10_000).map(|_| rand::random()).collect();
        assert!(seal(&header(), &noise, 4096).len() > 10_000, "what does not shrink is stored as it is");
    }

    proptest::proptest! {
        #[test]
        fn what_is_sealed_can_be_opened(value: Vec<u8>, tags: Vec<u64>, absent: bool, compress_above in 0_usize..100) {
            let header = Header { absent, tags, ..header() };
            let (opened, found) = open(seal(&header, &value, compress_above), 1 << 20).unwrap();
            proptest::prop_assert_eq!(opened, header);
            proptest::prop_assert_eq!(found, value);
        }

        #[test]
        fn any_bytes_are_an_error_or_a_value(bytes: Vec<u8>, cut in 0_usize..80, place in 0_usize..80, byte: u8) {
            let _ = open(bytes.into(), 1 << 16);
            let mut good = seal(&header(), b"some value", 0).to_vec();
            let place = place % good.len();
            good[place] = byte;
            good.truncate(cut.max(1));
            let _ = open(good.into(), 1 << 16);
        }
    }
}
