//! Splits: which slots belong to which variant, now and after each change of the shares.
//!
//! # How many slots a share owns
//!
//! A basis point is `SLOTS / 10_000` = 4,294.9673 slots, no whole number, so what a share owns depends a
//! little on where it lies. The count that everything here aims at is the **side-by-side count**: lay the
//! variants of the new split side by side from slot 0 in `orderIndex` order, boundary `b` basis points at
//! `ceil(b * SLOTS / 10_000)`, and count. It differs from the exact share by less than one slot.
//!
//! - The first cohort *is* that layout.
//! - In a later one every variant whose share changed is brought to its side-by-side count of the new
//!   split; a variant whose share did not change keeps the very slots it has, although its own
//!   side-by-side count may have changed by one.
//! - Where the shares add up to 100 %, nobody may be left without a variant: the few slots by which the
//!   kept ones fall short go to the variants that changed.
//!
//! Counts are aimed at afresh instead of being corrected by differences, so rounding does not add up over
//! many changes. As a hard bound a variant never owns more than [`SLACK`] + 1 slots above its exact share
//! (0.0003 % of all); should the kept ones ever fall short by more, they get the rest themselves, out of
//! slots that nobody owned.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::domain::{Cohort, CohortVariant, Key, SLOTS, SlotRange, Variant};

/// How far a changed variant may exceed its side-by-side count to leave no slot without an owner.
pub const SLACK: u32 = 100;

/// All basis points.
const FULL: u32 = 10_000;

/// The first slot at or above `points` basis points.
#[must_use]
pub fn boundary(points: u32) -> u32 {
    let slot = (u64::from(points) * u64::from(SLOTS)).div_ceil(u64::from(FULL));
    u32::try_from(slot).unwrap_or(SLOTS).min(SLOTS)
}

/// The split of a first activation: the variants side by side in `orderIndex` order.
///
/// Shares that add up to less than 100 % leave the upper slots unallocated.
#[must_use]
pub fn first_cohort(variants: &[Variant], created_at: Timestamp) -> Cohort {
    let ordered = in_order(variants);
    let slots = side_by_side(&ordered).into_iter().map(|range| vec![range]);
    cohort(1, created_at, &ordered, slots.collect())
}

/// Whether `variants` are split exactly as in `cohort`: the same keys, whatever their case, with the same
/// shares. Then no new cohort is needed.
#[must_use]
pub fn same_split(cohort: &Cohort, variants: &[Variant]) -> bool {
    cohort.variants.len() == variants.len()
        && variants
            .iter()
            .all(|v| entry(cohort, &v.key).is_some_and(|old| old.split == v.traffic_pct))
}

/// The cohort after `previous` in which `variants` own their new shares, moving as few slots as possible.
///
/// - A variant whose share shrinks gives slots away from its upper end; one that is gone gives all.
/// - A variant whose share grows, or that is new, takes free ones: first those just given away, then those
///   that nobody owned, each time from the lowest slot, in `orderIndex` order. A slot changes its owner only
///   if a share makes it necessary.
/// - A variant whose share stays keeps its slots, so nobody moves between two variants that both keep
///   their share.
///
/// Variants are recognised by their key, whatever its case. The same arguments always give the same slots.
#[must_use]
pub fn rebalance(previous: &Cohort, variants: &[Variant], created_at: Timestamp) -> Cohort {
    let ordered = in_order(variants);
    let old: Vec<Option<&CohortVariant>> = ordered.iter().map(|v| entry(previous, &v.key)).collect();
    let mut owned: Vec<Vec<SlotRange>> = old
        .iter()
        .map(|old| old.map_or_else(Vec::new, |old| merged(old.slots.clone())))
        .collect();
    let targets = targets(&ordered, &old, &owned);

    let gone = |old: &&CohortVariant| !ordered.iter().any(|v| same_key(&v.key, &old.variant));
    let removed = previous.variants.iter().filter(gone);
    let mut given: Vec<SlotRange> = removed.flat_map(|old| old.slots.iter().copied()).collect();
    for (slots, target) in owned.iter_mut().zip(&targets) {
        let surplus = total(slots).saturating_sub(*target);
        cut_upper_end(slots, surplus, &mut given);
    }
    let all_owned = previous.variants.iter().flat_map(|old| old.slots.iter().copied());
    let mut free = merged(given);
    free.extend(gaps(&merged(all_owned.collect())));
    let mut free = VecDeque::from(free);
    for (slots, target) in owned.iter_mut().zip(&targets) {
        let missing = target.saturating_sub(total(slots));
        take(slots, missing, &mut free);
    }
    cohort(previous.index + 1, created_at, &ordered, owned)
}

/// How many slots each variant is to own; see the module's description. May add up to a few more slots
/// than there are: the last ones that grow then get what is left.
fn targets(ordered: &[&Variant], old: &[Option<&CohortVariant>], owned: &[Vec<SlotRange>]) -> Vec<u32> {
    let side_by_side: Vec<u32> = side_by_side(ordered).into_iter().map(SlotRange::len).collect();
    let changed = |at: &usize| old[*at].is_none_or(|old| old.split != ordered[*at].traffic_pct);
    let all = || 0..ordered.len();
    let mut targets: Vec<u32> = all()
        .map(|at| {
            if changed(&at) {
                side_by_side[at]
            } else {
                total(&owned[at])
            }
        })
        .collect();
    if ordered.iter().map(|v| v.traffic_pct.basis_points()).sum::<u32>() >= FULL {
        let mut spare = SLOTS.saturating_sub(targets.iter().sum());
        let growing = all().filter(|at| changed(at) && side_by_side[*at] > 0);
        let with_slack = growing.map(|at| (at, side_by_side[at] + SLACK));
        for (at, limit) in with_slack.chain(all().map(|at| (at, side_by_side[at]))) {
            let more = spare.min(limit.saturating_sub(targets[at]));
            targets[at] += more;
            spare -= more;
        }
    }
    targets
}

fn in_order(variants: &[Variant]) -> Vec<&Variant> {
    let mut ordered: Vec<&Variant> = variants.iter().collect();
    ordered.sort_by_key(|v| v.order_index);
    ordered
}

fn same_key(one: &Key, other: &Key) -> bool {
    one.as_str().eq_ignore_ascii_case(other.as_str())
}

fn entry<'a>(cohort: &'a Cohort, key: &Key) -> Option<&'a CohortVariant> {
    cohort.variants.iter().find(|v| same_key(&v.variant, key))
}

fn cohort(index: u32, created_at: Timestamp, ordered: &[&Variant], slots: Vec<Vec<SlotRange>>) -> Cohort {
    let variants = ordered.iter().zip(slots).map(|(variant, slots)| CohortVariant {
        variant: variant.key.clone(),
        split: variant.traffic_pct,
        slots: merged(slots),
    });
    Cohort {
        index,
        created_at,
        variants: variants.collect(),
    }
}

/// The range of each variant when all lie side by side from slot 0; may be empty.
fn side_by_side(ordered: &[&Variant]) -> Vec<SlotRange> {
    let mut sum = 0;
    let layout = ordered.iter().map(|variant| {
        let start = boundary(sum);
        sum += variant.traffic_pct.basis_points();
        let end = boundary(sum);
        SlotRange { start, end }
    });
    layout.collect()
}

fn total(slots: &[SlotRange]) -> u32 {
    slots.iter().map(|range| range.len()).sum()
}

/// The same slots sorted, without empty ranges, neighbours joined.
fn merged(mut slots: Vec<SlotRange>) -> Vec<SlotRange> {
    slots.retain(|range| !range.is_empty());
    slots.sort_unstable();
    let mut joined: Vec<SlotRange> = Vec::with_capacity(slots.len());
    for range in slots {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// The slots between merged ranges, up to [`SLOTS`].
fn gaps(merged: &[SlotRange]) -> Vec<SlotRange> {
    let starts = std::iter::once(0).chain(merged.iter().map(|range| range.end));
    let ends = merged.iter().map(|range| range.start).chain([SLOTS]);
    let gaps = starts.zip(ends).map(|(start, end)| SlotRange { start, end });
    gaps.filter(|range| !range.is_empty()).collect()
}

/// Moves the `count` highest slots of merged ranges to `given`.
fn cut_upper_end(slots: &mut Vec<SlotRange>, mut count: u32, given: &mut Vec<SlotRange>) {
    while count > 0
        && let Some(mut last) = slots.pop()
    {
        let cut = last.len().min(count);
        count -= cut;
        let kept_until = last.end - cut;
        given.push(SlotRange {
            start: kept_until,
            end: last.end,
        });
        last.end = kept_until;
        if !last.is_empty() {
            slots.push(last);
        }
    }
}

/// Moves `count` slots, or as many as there are, from the front of `free` to `slots`.
fn take(slots: &mut Vec<SlotRange>, mut count: u32, free: &mut VecDeque<SlotRange>) {
    while count > 0
        && let Some(mut first) = free.pop_front()
    {
        let taken = first.len().min(count);
        count -= taken;
        let until = first.start + taken;
        slots.push(SlotRange {
            start: first.start,
            end: until,
        });
        first.start = until;
        if !first.is_empty() {
            free.push_front(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::hash::{Salted, bucket_of, slot};
    use super::*;
    use crate::domain::Percent;

    fn variants(shares: &[(&str, u32)]) -> Vec<Variant> {
        let variant = |(at, (key, points)): (usize, &(&str, u32))| Variant {
            key: Key::new(*key).expect("a key"),
            name: String::new(),
            description: String::new(),
            payload: serde_json::Value::Null,
            is_control: at == 0,
            traffic_pct: Percent::from_basis_points(*points).expect("a share"),
            order_index: u32::try_from(at).expect("few"),
        };
        shares.iter().enumerate().map(variant).collect()
    }

    fn first(shares: &[(&str, u32)]) -> Cohort {
        first_cohort(&variants(shares), Timestamp::UNIX_EPOCH)
    }

    fn then(previous: &Cohort, shares: &[(&str, u32)]) -> Cohort {
        rebalance(previous, &variants(shares), Timestamp::UNIX_EPOCH)
    }

    fn slots<'a>(cohort: &'a Cohort, key: &str) -> &'a [SlotRange] {
        let key = Key::new(key).expect("a key");
        entry(cohort, &key).map_or(&[], |v| &v.slots)
    }

    fn ranges(cohort: &Cohort, key: &str) -> Vec<(u32, u32)> {
        slots(cohort, key).iter().map(|r| (r.start, r.end)).collect()
    }

    /// How many slots changed hands between two cohorts, and from whom to whom.
    fn moves(before: &Cohort, after: &Cohort) -> Vec<(Option<String>, Option<String>, u32)> {
        let mut cuts = BTreeSet::from([0, SLOTS]);
        for range in [before, after]
            .iter()
            .flat_map(|c| &c.variants)
            .flat_map(|v| &v.slots)
        {
            cuts.extend([range.start, range.end]);
        }
        let cuts: Vec<u32> = cuts.into_iter().collect();
        let owner = |cohort: &Cohort, slot| cohort.owner(slot).map(Key::folded);
        cuts.windows(2)
            .map(|w| (owner(before, w[0]), owner(after, w[0]), w[1] - w[0]))
            .filter(|(from, to, _)| from != to)
            .collect()
    }

    fn check_ranges(cohort: &Cohort) -> Result<(), TestCaseError> {
        let mut all: Vec<SlotRange> = Vec::new();
        for variant in &cohort.variants {
            prop_assert!(variant.slots.iter().all(|r| r.start < r.end && r.end <= SLOTS));
            // Sorted, disjoint, neighbours joined.
            prop_assert!(variant.slots.windows(2).all(|w| w[0].end < w[1].start));
            all.extend(&variant.slots);
        }
        all.sort_unstable();
        prop_assert!(
            all.windows(2).all(|w| w[0].end <= w[1].start),
            "two owners of one slot"
        );
        Ok(())
    }

    #[test]
    fn the_first_cohort_lies_side_by_side() {
        let cohort = first(&[("a", 5_000), ("b", 3_333), ("c", 0), ("d", 1_667)]);
        assert_eq!(cohort.index, 1);
        assert_eq!(ranges(&cohort, "a"), [(0, 21_474_837)]);
        assert_eq!(ranges(&cohort, "b"), [(21_474_837, 35_789_963)]);
        assert_eq!(ranges(&cohort, "c"), []);
        assert_eq!(ranges(&cohort, "d"), [(35_789_963, SLOTS)]);
        // What is left is unallocated.
        let partial = first(&[("a", 1), ("b", 1)]);
        assert_eq!(ranges(&partial, "a"), [(0, 4_295)]);
        assert_eq!(ranges(&partial, "b"), [(4_295, 8_590)]);
        assert_eq!(partial.owner(8_590), None);
    }

    #[test]
    fn the_order_is_order_index_not_the_position() {
        let mut swapped = variants(&[("a", 4_000), ("b", 6_000)]);
        swapped[0].order_index = 7;
        let cohort = first_cohort(&swapped, Timestamp::UNIX_EPOCH);
        assert_eq!(ranges(&cohort, "b"), [(0, boundary(6_000))]);
        assert_eq!(ranges(&cohort, "a"), [(boundary(6_000), SLOTS)]);
    }

    #[test]
    fn a_boundary_in_slots_is_a_boundary_in_buckets() {
        for points in 1..=10_000 {
            let slot = boundary(points);
            assert_eq!(bucket_of(slot - 1), points - 1);
            assert!(slot == SLOTS || bucket_of(slot) == points);
        }
    }

    #[test]
    fn shrinking_gives_away_the_upper_end_and_growing_takes_it() {
        let before = first(&[("a", 5_000), ("b", 5_000)]);
        let after = then(&before, &[("a", 4_000), ("b", 6_000)]);
        assert_eq!(after.index, 2);
        assert_eq!(ranges(&after, "a"), [(0, boundary(4_000))]);
        assert_eq!(ranges(&after, "b"), [(boundary(4_000), SLOTS)]);
        // And back: b gives from its own upper end, so a is in two pieces.
        let back = then(&after, &[("a", 5_000), ("b", 5_000)]);
        let b_end = boundary(4_000) + (SLOTS - boundary(5_000));
        assert_eq!(ranges(&back, "a"), [(0, boundary(4_000)), (b_end, SLOTS)]);
        assert_eq!(ranges(&back, "b"), [(boundary(4_000), b_end)]);
    }

    #[test]
    fn growing_takes_what_was_just_given_away_before_what_nobody_owned() {
        let before = first(&[("a", 3_000), ("b", 3_000)]);
        let after = then(&before, &[("a", 2_000), ("b", 4_000)]);
        assert_eq!(ranges(&after, "b"), [(boundary(2_000), boundary(6_000))]);
        let wider = then(&after, &[("a", 1_000), ("b", 6_000)]);
        assert_eq!(ranges(&wider, "b"), [(boundary(1_000), boundary(7_000))]);
    }

    #[test]
    fn removed_variants_free_all_and_new_ones_start_empty() {
        let before = first(&[("a", 4_000), ("b", 3_000), ("c", 3_000)]);
        let without = then(&before, &[("a", 4_000), ("c", 3_000)]);
        assert_eq!(ranges(&without, "a"), ranges(&before, "a"));
        assert_eq!(ranges(&without, "c"), ranges(&before, "c"));
        assert_eq!(without.owner(boundary(5_000)), None);
        let with_new = then(&without, &[("a", 4_000), ("c", 3_000), ("d", 0)]);
        assert_eq!(ranges(&with_new, "d"), []);
        // Side by side d would lie at 70 % to 80 %; what is free is where b was.
        let grown = then(&with_new, &[("a", 4_000), ("c", 3_000), ("d", 1_000)]);
        let d_count = boundary(8_000) - boundary(7_000);
        assert_eq!(
            ranges(&grown, "d"),
            [(boundary(4_000), boundary(4_000) + d_count)]
        );
    }

    #[test]
    fn a_key_in_another_case_is_the_same_variant() {
        let before = first(&[("Control", 5_000), ("b", 5_000)]);
        let after = then(&before, &[("control", 5_000), ("B", 5_000)]);
        assert!(moves(&before, &after).is_empty());
        assert!(same_split(
            &before,
            &variants(&[("CONTROL", 5_000), ("b", 5_000)])
        ));
        assert!(!same_split(
            &before,
            &variants(&[("control", 5_000), ("c", 5_000)])
        ));
        assert!(!same_split(
            &before,
            &variants(&[("control", 5_000), ("b", 4_999)])
        ));
        assert!(!same_split(&before, &variants(&[("control", 5_000)])));
    }

    #[test]
    fn rounding_does_not_add_up_over_thousands_of_changes() {
        // The adversary: each step changes one share only, and every other step fills up to 100 %.
        let mut cohort = first(&[("a", 3_333), ("b", 3_333), ("c", 3_334)]);
        let mut shares = [3_333_u32, 3_333, 3_334];
        let mut worst = 0.0_f64;
        for step in 0..6_000 {
            let at = step % 3;
            if step % 2 == 0 {
                shares[at] -= 1 + u32::try_from(step % 97).expect("small").min(shares[at] - 1);
            } else {
                shares[at] = 10_000 - (shares.iter().sum::<u32>() - shares[at]);
            }
            cohort = then(&cohort, &[("a", shares[0]), ("b", shares[1]), ("c", shares[2])]);
            for (variant, share) in cohort.variants.iter().zip(shares) {
                let exact = f64::from(share) * f64::from(SLOTS) / 10_000.0;
                worst = worst.max((f64::from(total(&variant.slots)) - exact).abs());
            }
            if step % 2 == 1 {
                let owned: u32 = cohort.variants.iter().map(|v| total(&v.slots)).sum();
                assert_eq!(owned, SLOTS, "step {step}");
            }
        }
        assert!(worst < 10.0, "{worst} slots off");
    }

    #[test]
    fn at_a_hundred_percent_no_slot_is_left_and_no_share_grows_past_the_slack() {
        // A cohort as rounding alone could never leave it: b is 1,000 slots short.
        let mut before = first(&[("a", 2_000), ("b", 5_000)]);
        let b = &mut before.variants[1].slots[0];
        b.end -= 1_000;
        let after = then(&before, &[("a", 5_000), ("b", 5_000)]);
        let owned: u32 = after.variants.iter().map(|v| total(&v.slots)).sum();
        assert_eq!(owned, SLOTS);
        assert_eq!(total(slots(&after, "a")), boundary(5_000) + SLACK);
        // b keeps what it has and gets what nobody owned.
        assert!(moves(&before, &after).iter().all(|(from, _, _)| from.is_none()));
    }

    #[test]
    fn sixteen_thousand_ids_follow_the_split_and_only_the_moved_ones_move() {
        let salted = Salted::new("moves");
        let before = first(&[("a", 5_000), ("b", 2_500), ("c", 2_500)]);
        let after = then(&before, &[("a", 4_000), ("b", 2_500), ("c", 3_500)]);
        let mut moved = 0;
        for id in 0..16_000 {
            let slot = slot(salted.hash(&id.to_string()));
            let (from, to) = (before.owner(slot), after.owner(slot));
            if from != to {
                assert_eq!(
                    (from.map(Key::as_str), to.map(Key::as_str)),
                    (Some("a"), Some("c"))
                );
                moved += 1;
            }
        }
        // A tenth of all; five standard deviations are 190.
        assert!((1_410..=1_790).contains(&moved), "{moved} moved");
    }

    /// A split: some of six variants, with shares that add up to at most 100 %, often to exactly 100 %.
    fn split() -> impl Strategy<Value = Vec<(&'static str, u32)>> {
        let weight = prop_oneof![Just(0_u32), Just(1), Just(50), 0..10_000_u32];
        let of = prop_oneof![Just(10_000_u32), 0..=10_000_u32];
        const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
        (proptest::sample::subsequence(&KEYS[..], 1..=6), of).prop_flat_map(move |(keys, of)| {
            proptest::collection::vec(weight.clone(), keys.len()).prop_map(move |weights| {
                let sum = weights.iter().sum::<u32>().max(1);
                let mut shares: Vec<u32> = weights.iter().map(|w| w * of / sum).collect();
                // What rounding left goes to the last, so that 100 % is reached.
                if weights.iter().any(|w| *w > 0)
                    && let Some(last) = shares.pop()
                {
                    shares.push(last + of - shares.iter().sum::<u32>() - last);
                }
                keys.iter().copied().zip(shares).collect()
            })
        })
    }

    /// Sequences in which shares often stay: each step takes a whole new split, or changes one or two.
    fn splits() -> impl Strategy<Value = Vec<Vec<(&'static str, u32)>>> {
        let step = (split(), 0..4_u8, 0..6_usize, 0..6_usize, 0..=10_000_u32);
        (split(), proptest::collection::vec(step, 1..12)).prop_map(|(first, steps)| {
            let mut all = vec![first];
            for (fresh, kind, from, to, points) in steps {
                let mut next = all[all.len() - 1].clone();
                let (from, to) = (from % next.len(), to % next.len());
                match kind {
                    // From one to another, the sum stays.
                    0 => {
                        let points = points.min(next[from].1);
                        next[from].1 -= points;
                        next[to].1 += points;
                    }
                    // One shrinks, or fills up to 100 %.
                    1 => next[from].1 -= points.min(next[from].1),
                    2 => next[to].1 += 10_000 - next.iter().map(|(_, p)| p).sum::<u32>(),
                    _ => next = fresh,
                }
                all.push(next);
            }
            all
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_sequence_of_splits(splits in splits()) {
            let mut before = first(&splits[0]);
            check_ranges(&before)?;
            for (step, shares) in splits.iter().enumerate().skip(1) {
                let after = then(&before, shares);
                check_ranges(&after)?;
                prop_assert_eq!(after.index, before.index + 1);
                prop_assert_eq!(&after, &then(&before, shares), "not deterministic");

                let sum: u32 = shares.iter().map(|(_, points)| points).sum();
                let owned: u32 = after.variants.iter().map(|v| total(&v.slots)).sum();
                if sum == 10_000 {
                    prop_assert_eq!(owned, SLOTS, "100 % leaves slots without an owner");
                }
                for (key, points) in shares {
                    let exact = f64::from(*points) * f64::from(SLOTS) / 10_000.0;
                    let off = f64::from(total(slots(&after, key))) - exact;
                    prop_assert!(off.abs() < 20.0, "{key} is {off} slots off in step {step}");
                    if *points == 0 {
                        prop_assert!(slots(&after, key).is_empty());
                    }
                }

                // A share that stays keeps its slots, so nobody moves between two such variants.
                let stays = |key: &str| {
                    let old = splits[step - 1].iter().find(|(k, _)| *k == key);
                    old.is_some() && old == shares.iter().find(|(k, _)| *k == key)
                };
                for (key, _) in shares.iter().filter(|(key, _)| stays(key)) {
                    prop_assert_eq!(slots(&after, key), slots(&before, key), "{} moved", key);
                }

                // No slot moves that need not: a variant that gives takes nothing, and what is taken comes
                // from what is given as far as that goes.
                let moves = moves(&before, &after);
                let from: BTreeSet<_> = moves.iter().filter_map(|m| m.0.clone()).collect();
                let to: BTreeSet<_> = moves.iter().filter_map(|m| m.1.clone()).collect();
                prop_assert!(from.is_disjoint(&to), "{from:?} and {to:?}");
                let dropped = moves.iter().any(|m| m.1.is_none());
                let fetched = moves.iter().any(|m| m.0.is_none());
                prop_assert!(!(dropped && fetched), "freed slots while taking unallocated ones");

                // What a variant gives is its upper end.
                for key in &from {
                    let kept = slots(&after, key).last().map_or(0, |r| r.end);
                    let lowest_given = moves_from(&before, &after, key);
                    prop_assert!(lowest_given >= kept, "{key} gave from its middle");
                }
                before = after;
            }
        }
    }

    /// The lowest slot that `key` owned before and does not own any more.
    fn moves_from(before: &Cohort, after: &Cohort, key: &str) -> u32 {
        let still = slots(after, key);
        let lost = slots(before, key).iter().filter_map(|range| {
            let covering = still.iter().find(|r| r.contains(range.start));
            let lost_from = covering.map_or(range.start, |r| r.end);
            (lost_from < range.end).then_some(lost_from)
        });
        lost.min().unwrap_or(SLOTS)
    }

    /// Pearson's chi-square of counts against one expected count for all.
    fn chi_square(counts: &[u32], expected: f64) -> f64 {
        let deviation = |count: &u32| (f64::from(*count) - expected).powi(2) / expected;
        counts.iter().map(deviation).sum()
    }

    fn decile(salted: Salted, id: u32) -> usize {
        (bucket_of(slot(salted.hash(&format!("user-{id}")))) / 1_000) as usize
    }

    #[test]
    fn ids_spread_evenly() {
        for key in ["checkout-cta", "a", "search-ranking", "поиск", "x.y_z-0123456789"] {
            let salted = Salted::new(key);
            let mut counts = vec![0; 100];
            for id in 0..100_000 {
                counts[(bucket_of(slot(salted.hash(&format!("user-{id}")))) / 100) as usize] += 1;
            }
            // 99 degrees of freedom: above 164 with probability 1/25,000.
            let chi = chi_square(&counts, 1_000.0);
            assert!((50.0..164.0).contains(&chi), "{key}: {chi}");
        }
    }

    #[test]
    fn experiments_whose_keys_differ_in_one_character_are_independent() {
        let pairs = [
            ("exp-1", "exp-2"),
            ("exp-1", "exp-9"),
            ("checkout-a", "checkout-b"),
            ("a", "b"),
            ("pricing", "pricinG"),
            ("pricing", "Pricing"),
            ("search.v1", "search_v1"),
            ("homepage-hero", "homepage-her0"),
            ("exp", "exp1"),
        ];
        for (one, other) in pairs {
            let (one, other) = (Salted::new(one), Salted::new(other));
            let mut table = vec![0; 100];
            for id in 0..50_000 {
                table[decile(one, id) * 10 + decile(other, id)] += 1;
            }
            // Both margins being uniform, independence is uniformity of the table: 99 degrees of freedom.
            let chi = chi_square(&table, 500.0);
            assert!((50.0..164.0).contains(&chi), "{one:?} {other:?}: {chi}");
        }
    }

    #[test]
    fn the_holdout_is_independent_of_the_split() {
        let (split, holdout) = (Salted::new("flag"), Salted::new("flag:holdout"));
        let mut table = vec![0; 100];
        for id in 0..50_000 {
            table[decile(split, id) * 10 + decile(holdout, id)] += 1;
        }
        let chi = chi_square(&table, 500.0);
        assert!((50.0..164.0).contains(&chi), "{chi}");
    }
}
