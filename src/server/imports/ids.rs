//! Many ids in little memory.
//!
//! The text of the ids is there once, in blocks that never move; an id is a place in them. A million ids of 36
//! characters take 36 MB and 16 bytes each.

use std::cmp::Ordering;

/// The size of a block. An id is never in two of them.
const BLOCK: usize = 1 << 20;

/// An id in [`Ids`].
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The first eight bytes: most comparisons end there.
    head: u64,
    block: u32,
    /// Below [`BLOCK`].
    at: u32,
    length: u32,
}

/// Ids, in the order they came.
#[derive(Debug, Default)]
pub struct Ids {
    blocks: Vec<Vec<u8>>,
    places: Vec<Place>,
}

fn head(id: &[u8]) -> u64 {
    let mut head = [0; 8];
    let length = id.len().min(8);
    head[..length].copy_from_slice(&id[..length]);
    u64::from_be_bytes(head)
}

fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Ids {
    /// Appends an id of at most `BLOCK` bytes.
    pub fn push(&mut self, id: &str) {
        let room = self.blocks.last().map_or(0, |block| BLOCK - block.len());
        if room < id.len() || self.blocks.is_empty() {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let number = self.blocks.len().saturating_sub(1);
        if let Some(block) = self.blocks.last_mut() {
            self.places.push(Place {
                head: head(id.as_bytes()),
                block: short(number),
                at: short(block.len()),
                length: short(id.len()),
            });
            block.extend_from_slice(id.as_bytes());
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn bytes(&self, place: Place) -> &[u8] {
        let start = place.at as usize;
        let block = self.blocks.get(place.block as usize);
        block
            .and_then(|block| block.get(start..start + place.length as usize))
            .unwrap_or_default()
    }

    /// The id at a place.
    #[must_use]
    pub fn text(&self, place: Place) -> &str {
        // What was pushed was text.
        std::str::from_utf8(self.bytes(place)).unwrap_or_default()
    }

    /// The places, in the order they came or in the one of [`Self::sort`].
    #[must_use]
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Sorts the ids by their bytes and leaves each in once. The number of those that were left out.
    pub fn sort(&mut self) -> usize {
        let mut places = std::mem::take(&mut self.places);
        let before = places.len();
        let order = |a: &Place, b: &Place| match a.head.cmp(&b.head) {
            Ordering::Equal => self.bytes(*a).cmp(self.bytes(*b)),
            other => other,
        };
        places.sort_unstable_by(order);
        places.dedup_by(|a, b| order(a, b) == Ordering::Equal);
        let left_out = before - places.len();
        self.places = places;
        left_out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sorting_is_what_a_set_does(texts in prop::collection::vec("[a-cä\0]{0,12}", 0..60)) {
            let mut ids = Ids::default();
            for text in &texts {
                ids.push(text);
            }
            let in_order: Vec<&str> = ids.places().iter().map(|p| ids.text(*p)).collect();
            prop_assert_eq!(&in_order, &texts);
            let set: std::collections::BTreeSet<&str> = texts.iter().map(String::as_str).collect();
            let left_out = ids.sort();
            prop_assert_eq!(left_out, texts.len() - set.len());
            let sorted: Vec<&str> = ids.places().iter().map(|p| ids.text(*p)).collect();
            prop_assert_eq!(sorted, set.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_id_is_never_in_two_blocks() {
        let mut ids = Ids::default();
        let long = "x".repeat(BLOCK - 10);
        for id in [&long, "0123456789a", "b", &long, ""] {
            ids.push(id);
        }
        assert_eq!(ids.blocks.len(), 3);
        let texts: Vec<&str> = ids.places().iter().map(|p| ids.text(*p)).collect();
        assert_eq!(texts, [&long, "0123456789a", "b", &long, ""]);
        assert!(ids.blocks.iter().all(|block| block.capacity() == BLOCK));
    }
}
