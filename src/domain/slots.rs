//! Slots and cohorts: which part of the hash space belongs to which variant.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

use super::{Key, Percent};

/// How many slots there are: `hash / 100` of a 32-bit hash is `0..=42_949_672`.
pub const SLOTS: u32 = 42_949_673;

/// A half-open range of slots, `start..end`.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd, Serialize, Deserialize, ToSchema)]
pub struct SlotRange {
    /// The first slot of the range.
    pub start: u32,
    /// The first slot after the range, at most [`SLOTS`].
    pub end: u32,
}

impl SlotRange {
    /// How many slots the range holds.
    #[must_use]
    pub fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the range holds no slot.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Whether `slot` lies in the range.
    #[must_use]
    pub fn contains(self, slot: u32) -> bool {
        (self.start..self.end).contains(&slot)
    }
}

/// What one variant owns in a cohort.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CohortVariant {
    /// The variant's key.
    pub variant: Key,
    /// Its share; on the wire a fraction from 0 to 1.
    #[serde(serialize_with = "write_fraction", deserialize_with = "read_fraction")]
    #[schema(value_type = f64, minimum = 0, maximum = 1)]
    pub split: Percent,
    /// The slots it owns: sorted, disjoint, not empty.
    #[serde(default)]
    pub slots: Vec<SlotRange>,
}

/// The split from one moment on. A change of the split while active appends a cohort.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cohort {
    /// 1 for the first one, then one more each time.
    pub index: u32,
    /// From when on it holds.
    pub created_at: Timestamp,
    /// The variants in their order, with their slots. Slots that nobody owns are unallocated.
    pub variants: Vec<CohortVariant>,
}

impl Cohort {
    /// The variant that owns `slot`, if any.
    #[must_use]
    pub fn owner(&self, slot: u32) -> Option<&Key> {
        self.variants
            .iter()
            .find(|v| v.slots.iter().any(|range| range.contains(slot)))
            .map(|v| &v.variant)
    }

    /// The variant that owns every slot, if one does.
    #[must_use]
    pub fn sole_owner(&self) -> Option<&Key> {
        let all = |owner: &&CohortVariant| {
            let slots = owner.slots.iter().map(|range| u64::from(range.end - range.start));
            slots.sum::<u64>() == u64::from(SLOTS)
        };
        self.variants.iter().find(all).map(|v| &v.variant)
    }
}

fn write_fraction<S: Serializer>(split: &Percent, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(split.fraction())
}

fn read_fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Percent, D::Error> {
    let fraction = f64::deserialize(deserializer)?;
    Percent::new((fraction * 10_000.0).round() / 100.0).map_err(serde::de::Error::custom)
}
