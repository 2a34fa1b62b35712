//! From a subject's id to a slot: murmur3 over `{salt}/{subjectId}`.
//!
//! The scheme is the one of Amplitude's evaluation SDKs (npm `@amplitude/experiment-core`), so that an
//! exported flag evaluates alike.

use crate::domain::SLOTS;

const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// murmur3_x86_32 with seed 0, fed in pieces. `Copy`, so that a hashed prefix can be reused.
#[derive(Debug, Clone, Copy, Default)]
struct Murmur3 {
    state: u32,
    /// The `length % 4` bytes that do not fill a block yet, the first one lowest.
    tail: u32,
    /// Bytes so far; the algorithm takes them modulo 2^32.
    length: u32,
}

impl Murmur3 {
    fn update(&mut self, bytes: &[u8]) {
        let shift = 8 * (self.length % 4);
        let (blocks, rest) = bytes.as_chunks::<4>();
        for block in blocks {
            let carried = u64::from(self.tail) | u64::from(u32::from_le_bytes(*block)) << shift;
            self.mix(carried);
        }
        let last = rest
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        let carried = u64::from(self.tail) | last << shift;
        if shift as usize / 8 + rest.len() >= 4 {
            self.mix(carried);
        } else {
            self.tail = low(carried);
        }
        self.length = self.length.wrapping_add(low(bytes.len() as u64));
    }

    /// Mixes the lower four bytes in and keeps the upper ones as the new tail.
    fn mix(&mut self, carried: u64) {
        let mixed = self.state ^ scramble(low(carried));
        self.state = mixed.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        self.tail = low(carried >> 32);
    }

    fn finish(self) -> u32 {
        // A scrambled empty tail is 0, which changes nothing.
        let mut hash = self.state ^ scramble(self.tail) ^ self.length;
        hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
        hash ^ hash >> 16
    }
}

fn scramble(block: u32) -> u32 {
    block.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the lower half is what is asked for"
)]
fn low(word: u64) -> u32 {
    word as u32
}

/// murmur3_x86_32 of `bytes` with seed 0.
#[must_use]
pub fn murmur3(bytes: &[u8]) -> u32 {
    let mut hasher = Murmur3::default();
    hasher.update(bytes);
    hasher.finish()
}

/// A salt, hashed once and ready for any number of subjects.
#[derive(Debug, Clone, Copy)]
pub struct Salted(Murmur3);

impl Salted {
    /// Hashes the prefix `{salt}/`.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        let mut hasher = Murmur3::default();
        hasher.update(salt.as_bytes());
        hasher.update(b"/");
        Self(hasher)
    }

    /// The hash of `{salt}/{subject_id}`.
    #[must_use]
    pub fn hash(self, subject_id: &str) -> u32 {
        let Self(mut hasher) = self;
        hasher.update(subject_id.as_bytes());
        hasher.finish()
    }
}

/// The slot of a hash: `hash / 100`, so below [`SLOTS`].
#[must_use]
pub fn slot(hash: u32) -> u32 {
    hash / 100
}

/// The bucket of a slot: 0 to 9,999, one basis point each.
#[must_use]
pub fn bucket_of(slot: u32) -> u32 {
    low(u64::from(slot) * 10_000 / u64::from(SLOTS))
}

/// The bucket of a subject under a salt: 0 to 9,999, one basis point each.
#[must_use]
pub fn bucket(subject_id: &str, salt: &str) -> u32 {
    bucket_of(slot(Salted::new(salt).hash(subject_id)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reference_values_of_the_scheme() {
        assert_eq!(murmur3(b"abc/1"), 3_148_121_047);
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"hello"), 613_153_351);
        assert_eq!(murmur3("exp-1/é".as_bytes()), 3_796_734_103);
    }

    /// Values of the PyPI package `mmh3` (5.x), an independent implementation: every length modulo 4,
    /// several blocks, non-ASCII text, a very long id.
    #[test]
    fn agrees_with_another_implementation() {
        let text = "splitdeck/subject-20xyz";
        let by_length = [
            0_u32, 4283091697, 3026217885, 3764645533, 2211166245, 2440008584, 95475366, 3451710374,
            545350321, 1899799297, 1767260084, 664268127, 3855585542, 509872185, 1086870213, 3820171222,
            1305578637, 3515190142, 1996245829, 3617095806, 2044760322,
        ];
        for (length, expected) in by_length.into_iter().enumerate() {
            assert_eq!(murmur3(&text.as_bytes()[..length]), expected, "length {length}");
        }
        let long = format!("a/{}", "x".repeat(10_000));
        for (text, expected) in [
            ("exp/日本語", 2_902_726_826),
            ("exp/🦀", 710_395_780),
            ("ключ/пользователь-42", 1_548_579_987),
            (long.as_str(), 1_745_992_445),
            ("exp/", 3_975_370_335),
            ("/", 1_248_550_479),
        ] {
            assert_eq!(murmur3(text.as_bytes()), expected, "{text:.20}");
            let (salt, id) = text.split_once('/').expect("a salt");
            assert_eq!(Salted::new(salt).hash(id), expected, "{text:.20}");
        }
    }

    #[test]
    fn reference_split_of_ten_thousand_ids() {
        let salted = Salted::new("abc");
        let mut counts = [0; 4];
        for id in 1..=10_000 {
            let slot = slot(salted.hash(&id.to_string()));
            let cuts = [10_737_418, 21_474_836, 32_212_254];
            counts[cuts.iter().filter(|cut| slot > **cut).count()] += 1;
        }
        assert_eq!(counts, [2460, 2533, 2490, 2517]);
    }

    #[test]
    fn slots_and_buckets_end_where_they_should() {
        assert_eq!(slot(u32::MAX), SLOTS - 1);
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(SLOTS - 1), 9_999);
        // "abc/1" hashes to 3,148,121,047: slot 31,481,210, bucket floor(7,329.78…).
        assert_eq!(bucket("1", "abc"), 7_329);
    }

    proptest! {
        #[test]
        fn pieces_hash_as_the_whole(salt in ".{0,9}", id in ".{0,40}") {
            let whole = format!("{salt}/{id}");
            prop_assert_eq!(Salted::new(&salt).hash(&id), murmur3(whole.as_bytes()));
        }
    }
}
