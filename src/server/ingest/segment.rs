//! The form of a segment file, and reading one back whatever happened to it.
//!
//! A segment is a header and records, each the events of one request:
//!
//! ```text
//! header   "SDSPOOL" version:u8 · segment id:16 · crc32:u32 of all before
//! record   marker:4 · payload bytes:u32 · events:u32 · crc32:u32 of both counts and the payload · payload
//! ```
//!
//! Numbers are little-endian. The payload is UTF-8 and the marker begins with a byte that UTF-8 never
//! contains, so that reading can start again behind a damaged place.

use std::ops::Range;

use uuid::Uuid;

const MAGIC: &[u8; 7] = b"SDSPOOL";
/// The version of the form that this program writes.
pub(super) const FORM: u8 = 1;
/// Bytes of a segment's header.
pub(super) const HEADER: usize = 7 + 1 + 16 + 4;
const MARKER: [u8; 4] = [0xF5, b'r', b'e', b'c'];
/// Bytes of a record before its payload.
pub(super) const FRAME: usize = 4 + 4 + 4 + 4;

/// The header of segment `id`.
pub(super) fn header(id: Uuid) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[..7].copy_from_slice(MAGIC);
    out[7] = FORM;
    out[8..24].copy_from_slice(id.as_bytes());
    let crc = crc32fast::hash(&out[..24]);
    out[24..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// A record of `events` events with its `payload`; `None` when it is too large for the form (4 GiB).
pub(super) fn record(events: usize, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
    let events = u32::try_from(events).ok()?.to_le_bytes();
    let mut out = Vec::with_capacity(FRAME + payload.len());
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&length);
    out.extend_from_slice(&events);
    out.extend_from_slice(&checksum(&length, &events, payload).to_le_bytes());
    out.extend_from_slice(payload);
    Some(out)
}

fn checksum(length: &[u8], events: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(events);
    hasher.update(payload);
    hasher.finalize()
}

/// What a segment's header says.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub(super) enum Header {
    /// Written by this form of segment, with this id.
    Sound(Uuid),
    /// Sound, and of a form that this program does not know.
    OtherForm(u8),
    /// Cut short or damaged.
    Broken,
}

/// Bytes of a segment that are no record.
#[derive(Debug, Clone, Eq, PartialEq)]
pub(super) struct Bad {
    /// Where they are.
    pub range: Range<usize>,
    /// Whether they are the end of the file, as a write leaves it that was cut off: such bytes were never
    /// acknowledged. Otherwise sound records follow, and these bytes were damaged later.
    pub torn: bool,
}

/// What is in a segment.
#[derive(Debug, Clone, Eq, PartialEq)]
pub(super) struct Scan {
    /// Its header.
    pub header: Header,
    /// The payloads of sound records with the number of their events.
    pub records: Vec<(Range<usize>, u32)>,
    /// Everything else.
    pub bad: Vec<Bad>,
}

impl Scan {
    /// Events in sound records.
    pub(super) fn events(&self) -> u64 {
        self.records.iter().map(|(_, events)| u64::from(*events)).sum()
    }
}

/// Finds every sound record in `bytes`; all other bytes are listed as bad, none is left out.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    let header = read_header(bytes);
    let mut found = Scan {
        header,
        records: Vec::new(),
        bad: Vec::new(),
    };
    let mut at = if header == Header::Broken { 0 } else { HEADER };
    while at < bytes.len() {
        if let Some((payload, events)) = read_record(bytes, at) {
            at = payload.end;
            found.records.push((payload, events));
            continue;
        }
        // The next place at which a sound record begins; only a marker can be one.
        let next = (at + 1..bytes.len())
            .filter(|from| bytes[*from] == MARKER[0])
            .find(|from| read_record(bytes, *from).is_some());
        let end = next.unwrap_or(bytes.len());
        found.bad.push(Bad {
            range: at..end,
            torn: next.is_none(),
        });
        at = end;
    }
    found
}

fn read_header(bytes: &[u8]) -> Header {
    let Some(header) = bytes.get(..HEADER) else {
        return Header::Broken;
    };
    let crc = crc32fast::hash(&header[..24]).to_le_bytes();
    if header[..7] != MAGIC[..] || header[24..] != crc {
        return Header::Broken;
    }
    if header[7] != FORM {
        return Header::OtherForm(header[7]);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&header[8..24]);
    Header::Sound(Uuid::from_bytes(id))
}

fn read_record(bytes: &[u8], at: usize) -> Option<(Range<usize>, u32)> {
    let frame = bytes.get(at..at.checked_add(FRAME)?)?;
    if frame[..4] != MARKER {
        return None;
    }
    let number = |from: usize| -> Option<u32> {
        let four: [u8; 4] = frame.get(from..from + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(four))
    };
    let (length, events, crc) = (number(4)?, number(8)?, number(12)?);
    let start = at + FRAME;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    let payload = bytes.get(start..end)?;
    (checksum(&frame[4..8], &frame[8..12], payload) == crc).then_some((start..end, events))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(payloads: &[String]) -> Vec<u8> {
        let mut bytes = header(Uuid::from_u128(7)).to_vec();
        for (events, payload) in payloads.iter().enumerate() {
            bytes.extend(record(events, payload.as_bytes()).expect("fits"));
        }
        bytes
    }

    fn texts<'b>(bytes: &'b [u8], scan: &Scan) -> Vec<&'b str> {
        let text =
            |(range, _): &(Range<usize>, u32)| std::str::from_utf8(&bytes[range.clone()]).expect("text");
        scan.records.iter().map(text).collect()
    }

    /// Every byte behind the header is in exactly one record or bad range.
    fn nothing_is_left_out(bytes: &[u8], scan: &Scan) {
        let mut parts: Vec<Range<usize>> = scan.bad.iter().map(|b| b.range.clone()).collect();
        parts.extend(scan.records.iter().map(|(r, _)| r.start - FRAME..r.end));
        parts.sort_by_key(|r| r.start);
        let mut at = if scan.header == Header::Broken { 0 } else { HEADER };
        for part in parts {
            assert_eq!(part.start, at);
            at = part.end;
        }
        assert!(at == bytes.len() || bytes.len() < HEADER);
    }

    #[test]
    fn reads_what_was_written() {
        let payloads = ["one".to_owned(), String::new(), "drei é".to_owned()];
        let bytes = segment(&payloads);
        let scan = scan(&bytes);
        assert_eq!(scan.header, Header::Sound(Uuid::from_u128(7)));
        assert_eq!(texts(&bytes, &scan), payloads);
        assert_eq!((scan.events(), scan.bad.len()), (3, 0));
    }

    #[test]
    fn zeros_are_no_records() {
        let mut bytes = segment(&["one".to_owned()]);
        let end = bytes.len();
        bytes.extend([0; 4096]);
        let scan = scan(&bytes);
        assert_eq!(texts(&bytes, &scan), ["one"]);
        assert_eq!(
            scan.bad,
            [Bad {
                range: end..end + 4096,
                torn: true
            }]
        );
    }

    #[test]
    fn a_later_form_is_told_apart_from_damage() {
        let mut bytes = header(Uuid::nil());
        bytes[7] = 9;
        let crc = crc32fast::hash(&bytes[..24]).to_le_bytes();
        bytes[24..].copy_from_slice(&crc);
        assert_eq!(scan(&bytes).header, Header::OtherForm(9));
        bytes[7] = 8;
        assert_eq!(scan(&bytes).header, Header::Broken);
    }

    proptest! {
        /// A crash cuts the file anywhere: the records before the cut are all there, the rest is torn.
        #[test]
        fn any_cut_keeps_every_whole_record(
            payloads in proptest::collection::vec("[a-zé{}\"]{0,40}", 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = segment(&payloads);
            let cut = cut.index(bytes.len() + 1);
            let mut whole = 0;
            let mut end = HEADER;
            for payload in &payloads {
                end += FRAME + payload.len();
                if end <= cut {
                    whole += 1;
                }
            }
            let cut_bytes = &bytes[..cut];
            let scan = scan(cut_bytes);
            nothing_is_left_out(cut_bytes, &scan);
            prop_assert_eq!(texts(cut_bytes, &scan), &payloads[..whole]);
            prop_assert!(scan.bad.len() <= 1 && scan.bad.iter().all(|b| b.torn));
        }

        /// One flipped bit costs at most the one record it is in, and what it cost is listed.
        #[test]
        fn a_flipped_bit_costs_one_record(
            payloads in proptest::collection::vec("[a-zé{}\"]{0,40}", 1..8),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let mut bytes = segment(&payloads);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let scan = scan(&bytes);
            nothing_is_left_out(&bytes, &scan);
            if at < HEADER {
                prop_assert_eq!(scan.header, Header::Broken);
                prop_assert_eq!(texts(&bytes, &scan), payloads.iter().map(String::as_str).collect::<Vec<_>>());
            } else {
                let mut hit = 0;
                let mut end = HEADER;
                for (n, payload) in payloads.iter().enumerate() {
                    let from = end;
                    end += FRAME + payload.len();
                    if (from..end).contains(&at) {
                        hit = n;
                    }
                }
                let mut left = payloads.clone();
                left.remove(hit);
                prop_assert_eq!(texts(&bytes, &scan), left);
                prop_assert_eq!(scan.bad.len(), 1);
                prop_assert_eq!(scan.bad[0].torn, hit == payloads.len() - 1);
            }
        }

        /// Whatever the bytes, reading neither fails nor leaves any out.
        #[test]
        fn garbage_is_listed_whole(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let found = scan(&bytes);
            nothing_is_left_out(&bytes, &found);
        }
    }
}
