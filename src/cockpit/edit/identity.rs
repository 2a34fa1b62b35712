//! Where a field stands after an experiment has become another one by somebody else's hand.
//!
//! Variants go by their key, rules by their id, links by their label. Tracked events, filters and conditions have no
//! name of their own: they are found again by what they say.

use super::cell::{Cell, Which, metric, rule};
use super::path::Path;
use super::sheet::Sheet;
use crate::domain::Experiment;

/// Whether the thing that a field belongs to is there.
#[must_use]
pub fn exists(cell: &Cell, e: &Experiment) -> bool {
    match cell {
        Cell::Variant(key, _) | Cell::VariantDefault(key) => e.variant(key).is_some(),
        Cell::Rule(id) | Cell::RuleVariant(id) | Cell::RulePriority(id) => rule(e, *id).is_some(),
        Cell::Condition(id, at, _) => rule(e, *id).is_some_and(|rule| *at < rule.conditions.len()),
        Cell::Filter(which, at, _) => metric(e, *which).is_some_and(|metric| *at < metric.filters.len()),
        Cell::Link(label) => e.links.contains_key(label),
        _ => true,
    }
}

/// The same field in `new`; none where what it belongs to is gone.
#[must_use]
pub fn follow(cell: &Cell, old: &Experiment, new: &Experiment) -> Option<Cell> {
    let found = match cell {
        Cell::Metric(which) => Cell::Metric(follow_metric(*which, old, new)?),
        Cell::Event(which) => {
            let now = follow_metric(*which, old, new)?;
            // With the metric its filters would go in silence.
            if metric(old, *which).is_some() && metric(new, now).is_none() {
                return None;
            }
            Cell::Event(now)
        }
        Cell::Filter(which, at, part) => {
            let now = follow_metric(*which, old, new)?;
            let (was, is) = (metric(old, *which)?, metric(new, now)?);
            Cell::Filter(now, place(&was.filters, *at, &is.filters, |_, _| false)?, *part)
        }
        Cell::Condition(id, at, part) => {
            let (was, is) = (rule(old, *id)?, rule(new, *id)?);
            Cell::Condition(
                *id,
                place(&was.conditions, *at, &is.conditions, |_, _| false)?,
                *part,
            )
        }
        other => other.clone(),
    };
    exists(&found, new).then_some(found)
}

/// The same sheet in `new`; none where what it is about is gone.
#[must_use]
pub fn follow_sheet(sheet: Sheet, old: &Experiment, new: &Experiment) -> Option<Sheet> {
    match sheet {
        Sheet::Metric(which) => follow_metric(which, old, new).map(Sheet::Metric),
        Sheet::Rule(id) => rule(new, id).map(|_| sheet),
        other => Some(other),
    }
}

fn follow_metric(which: Which, old: &Experiment, new: &Experiment) -> Option<Which> {
    match which {
        Which::Tracked(at) if at < old.tracked_events.len() => {
            let same_event = |a: &crate::domain::Metric, b: &crate::domain::Metric| a.event == b.event;
            place(&old.tracked_events, at, &new.tracked_events, same_event).map(Which::Tracked)
        }
        other => Some(other),
    }
}

/// Where an element of one list stands in another: the one that is equal, else the only one that is alike, else the
/// one in its place where nothing else has changed.
fn place<T: PartialEq>(old: &[T], at: usize, new: &[T], alike: impl Fn(&T, &T) -> bool) -> Option<usize> {
    let it = old.get(at)?;
    if new.get(at) == Some(it) {
        return Some(at);
    }
    let nearest = |found: &usize| found.abs_diff(at);
    let equal = (0..new.len()).filter(|n| new[*n] == *it).min_by_key(nearest);
    if equal.is_some() {
        return equal;
    }
    let mut similar = (0..new.len()).filter(|n| alike(&new[*n], it));
    if let (Some(one), None) = (similar.next(), similar.next()) {
        return Some(one);
    }
    let others = || (0..old.len()).filter(|n| *n != at);
    (old.len() == new.len() && others().all(|n| old[n] == new[n])).then_some(at)
}

/// What is asked about as a whole where the thing that a field belongs to is gone.
#[must_use]
pub fn whole(cell: &Cell) -> Option<Path> {
    match cell {
        Cell::Variant(key, _) | Cell::VariantDefault(key) => Some(Path::Variant(key.clone())),
        other => other.path(),
    }
}

/// The part in which two copies differ where the text of a field does, its thing being in both.
#[must_use]
pub fn part(cell: &Cell) -> Option<Path> {
    match cell {
        Cell::Variant(key, attr) => Some(Path::VariantAttr(key.clone(), *attr)),
        other => other.path(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::{Attr, Part, rows};
    use super::*;
    use crate::domain::Metric;

    fn experiment() -> Experiment {
        let mut e = super::super::wizard::blank(jiff::Timestamp::UNIX_EPOCH);
        e.tracked_events = ["a", "b", "c"].map(Metric::event).to_vec();
        e.primary_metric = Some(Metric::event("purchase"));
        for field in ["x", "y"] {
            rows::add_filter(&mut e, Which::Primary);
            let filters = &mut e.primary_metric.as_mut().expect("there").filters;
            filters.last_mut().expect("there").field = field.to_owned();
        }
        rows::add_rule(&mut e, Uuid::from_u128(1));
        e
    }

    fn changed(change: impl FnOnce(&mut Experiment)) -> Experiment {
        let mut e = experiment();
        change(&mut e);
        e
    }

    #[test]
    fn rows_without_a_name_are_found_by_what_they_say() {
        let old = experiment();
        let event = |at| Cell::Event(Which::Tracked(at));
        let new = changed(|e| e.tracked_events.insert(0, Metric::event("new")));
        assert_eq!(follow(&event(1), &old, &new), Some(event(2)));
        assert_eq!(
            follow_sheet(Sheet::Metric(Which::Tracked(2)), &old, &new),
            Some(Sheet::Metric(Which::Tracked(3)))
        );
        let new = changed(|e| {
            e.tracked_events.remove(1);
        });
        assert_eq!(follow(&event(1), &old, &new), None);
        assert_eq!(follow(&event(2), &old, &new), Some(event(1)));
        // It has a filter now, and stands elsewhere.
        let new = changed(|e| {
            rows::add_filter(e, Which::Tracked(2));
            e.tracked_events.swap(0, 2);
        });
        assert_eq!(follow(&event(2), &old, &new), Some(event(0)));
        // It says something else in its place.
        let new = changed(|e| e.tracked_events[1].event = "other".into());
        assert_eq!(follow(&event(1), &old, &new), Some(event(1)));
        let filter = |at| Cell::Filter(Which::Primary, at, Part::Value);
        let new = changed(|e| {
            e.primary_metric.as_mut().expect("there").filters.remove(0);
        });
        assert_eq!(follow(&filter(1), &old, &new), Some(filter(0)));
        assert_eq!(follow(&filter(0), &old, &new), None);
    }

    #[test]
    fn what_has_a_name_is_there_or_gone() {
        let old = experiment();
        let key = |attr| Cell::Variant("treatment".into(), attr);
        let new = changed(|e| {
            rows::remove_variant(e, "treatment");
            e.primary_metric = None;
            e.rules.clear();
        });
        for cell in [
            key(Attr::Name),
            Cell::Rule(Uuid::from_u128(1)),
            Cell::Event(Which::Primary),
        ] {
            assert_eq!(follow(&cell, &old, &old), Some(cell.clone()));
            assert_eq!(follow(&cell, &old, &new), None, "{cell:?}");
        }
        assert_eq!(whole(&key(Attr::Name)), Some(Path::Variant("treatment".into())));
        assert_eq!(
            follow(&Cell::Event(Which::Secondary), &old, &new),
            Some(Cell::Event(Which::Secondary)),
            "one that is being named"
        );
    }
}
