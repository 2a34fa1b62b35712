//! Adding, removing and moving what stands in rows: variants, rules, conditions, filters, tracked events.

use std::cmp::Reverse;

use serde_json::Value;
use uuid::Uuid;

use super::cell::{Cell, Which, metric_mut, rule_mut};
use super::path::arrange;
use crate::domain::{Condition, Experiment, Filter, Key, Operator, Percent, Rule, Scope, Variant};

/// The distance between two priorities that the cockpit gives, so that others fit in between.
const STEP: i32 = 10;

/// The rules as a decision tries them: higher priority first, ties by the order of their variants.
#[must_use]
pub fn in_order(e: &Experiment) -> Vec<&Rule> {
    let place = |rule: &Rule| {
        let variant = e.variant(rule.variant.as_str());
        variant.map_or(u32::MAX, |v| v.order_index)
    };
    let mut rules: Vec<&Rule> = e.rules.iter().collect();
    // Stable: equal in both, they stay as they are stored.
    rules.sort_by_key(|rule| (Reverse(rule.priority), place(rule)));
    rules
}

/// A new variant without traffic, behind the others; its key.
pub fn add_variant(e: &mut Experiment) -> Option<String> {
    let free = |name: &String| e.variant(name).is_none();
    let name = (e.variants.len()..).map(|n| match n {
        1 => "treatment".to_owned(),
        n => format!("treatment-{n}"),
    });
    let key = Key::new(name.into_iter().find(free)?).ok()?;
    e.variants.push(Variant {
        key: key.clone(),
        name: String::new(),
        description: String::new(),
        payload: Value::Null,
        is_control: e.variants.is_empty(),
        traffic_pct: Percent::ZERO,
        order_index: e.variants.iter().map(|v| v.order_index + 1).max().unwrap_or(0),
    });
    Some(key.to_string())
}

/// Takes a variant away, with the rules that route to it. The default becomes the control.
pub fn remove_variant(e: &mut Experiment, key: &str) {
    let is = |other: &Key| other.as_str().eq_ignore_ascii_case(key);
    e.variants.retain(|v| !is(&v.key));
    e.rules.retain(|r| !is(&r.variant));
    if is(&e.default_variant_id)
        && let Some(control) = e.control().or(e.variants.first()).map(|v| v.key.clone())
    {
        e.default_variant_id = control;
    }
}

/// Moves a variant one place up or down; false at the end.
pub fn move_variant(e: &mut Experiment, key: &str, down: bool) -> bool {
    let mut order: Vec<String> = e.variants.iter().map(|v| v.key.folded()).collect();
    let Some(at) = order.iter().position(|k| k.eq_ignore_ascii_case(key)) else {
        return false;
    };
    let Some(to) = neighbour(at, order.len(), down) else {
        return false;
    };
    order.swap(at, to);
    arrange(e, &order);
    true
}

/// Gives every variant the same share; what is left over by rounding goes to the first ones.
pub fn split_evenly(e: &mut Experiment) {
    let count = u32::try_from(e.variants.len()).unwrap_or(u32::MAX).max(1);
    let (share, rest) = (10_000 / count, 10_000 % count);
    for (variant, at) in e.variants.iter_mut().zip(0..) {
        let points = share + u32::from(at < rest);
        variant.traffic_pct = Percent::from_basis_points(points).unwrap_or_default();
    }
}

/// A new rule with one empty condition, tried after the others.
pub fn add_rule(e: &mut Experiment, id: Uuid) {
    let lowest = e.rules.iter().map(|r| r.priority).min();
    let variant = (e.variants.iter().find(|v| !v.is_control)).or(e.variants.first());
    let Some(variant) = variant.map(|v| v.key.clone()) else {
        return;
    };
    e.rules.push(Rule {
        id,
        variant,
        priority: lowest.map_or(100, |p| p.saturating_sub(STEP)),
        conditions: vec![empty_condition()],
    });
}

/// Takes a rule away.
pub fn remove_rule(e: &mut Experiment, id: Uuid) {
    e.rules.retain(|r| r.id != id);
}

/// Moves a rule one place up or down in the order in which they are tried; false at the end.
///
/// Two priorities are exchanged where that is enough; else all of them are numbered anew.
pub fn move_rule(e: &mut Experiment, id: Uuid, down: bool) -> bool {
    let mut order: Vec<Uuid> = in_order(e).iter().map(|r| r.id).collect();
    let Some(at) = order.iter().position(|other| *other == id) else {
        return false;
    };
    let Some(to) = neighbour(at, order.len(), down) else {
        return false;
    };
    let before = e.rules.clone();
    let (one, other) = (order[at], order[to]);
    order.swap(at, to);
    let priority = |e: &Experiment, id: Uuid| e.rules.iter().find(|r| r.id == id).map_or(0, |r| r.priority);
    let (p, q) = (priority(e, one), priority(e, other));
    for rule in &mut e.rules {
        if rule.id == one {
            rule.priority = q;
        } else if rule.id == other {
            rule.priority = p;
        }
    }
    if in_order(e).iter().map(|r| r.id).ne(order.iter().copied()) {
        e.rules = before;
        let count = i32::try_from(order.len()).unwrap_or(i32::MAX / STEP);
        for (id, at) in order.iter().zip(0..) {
            if let Some(rule) = rule_mut(e, *id) {
                rule.priority = (count - at) * STEP;
            }
        }
    }
    true
}

/// A new empty condition of a rule; its position.
pub fn add_condition(e: &mut Experiment, id: Uuid) -> Option<usize> {
    let rule = rule_mut(e, id)?;
    rule.conditions.push(empty_condition());
    Some(rule.conditions.len() - 1)
}

/// A new empty filter of a metric; its position.
pub fn add_filter(e: &mut Experiment, which: Which) -> Option<usize> {
    let metric = metric_mut(e, which)?;
    metric.filters.push(Filter {
        field: String::new(),
        operator: Operator::Is,
        value: String::new(),
    });
    Some(metric.filters.len() - 1)
}

fn empty_condition() -> Condition {
    Condition {
        scope: Scope::Profile,
        field: String::new(),
        operator: Operator::Is,
        value: String::new(),
    }
}

/// Exchanges an element with its neighbour; false at the end.
pub fn shift<T>(items: &mut [T], at: usize, down: bool) -> bool {
    match neighbour(at, items.len(), down) {
        Some(to) => {
            items.swap(at, to);
            true
        }
        None => false,
    }
}

fn neighbour(at: usize, len: usize, down: bool) -> Option<usize> {
    let to = if down { at + 1 } else { at.checked_sub(1)? };
    (at < len && to < len).then_some(to)
}

/// Rows that are told apart by their place alone.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Rows {
    /// The conditions of a rule.
    Conditions(Uuid),
    /// The filters of a metric.
    Filters(Which),
    /// The tracked events.
    Tracked,
}

/// What happened to such rows.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Moved {
    /// The row at this place went.
    Gone(usize),
    /// The rows at these places changed them.
    Swapped(usize, usize),
}

impl Moved {
    fn place(self, at: usize) -> Option<usize> {
        match self {
            Self::Gone(gone) if at == gone => None,
            Self::Gone(gone) if at > gone => Some(at - 1),
            Self::Swapped(one, other) if at == one => Some(other),
            Self::Swapped(one, other) if at == other => Some(one),
            _ => Some(at),
        }
    }

    /// The field after it happened; none where its row went.
    #[must_use]
    pub fn follow(self, rows: Rows, cell: Cell) -> Option<Cell> {
        let tracked = |which: Which| match which {
            Which::Tracked(at) => self.place(at).map(Which::Tracked),
            other => Some(other),
        };
        match (rows, cell) {
            (Rows::Conditions(of), Cell::Condition(rule, at, part)) if of == rule => {
                Some(Cell::Condition(rule, self.place(at)?, part))
            }
            (Rows::Filters(of), Cell::Filter(which, at, part)) if of == which => {
                Some(Cell::Filter(which, self.place(at)?, part))
            }
            (Rows::Tracked, Cell::Filter(which, at, part)) => Some(Cell::Filter(tracked(which)?, at, part)),
            (Rows::Tracked, Cell::Event(which)) => Some(Cell::Event(tracked(which)?)),
            (Rows::Tracked, Cell::Metric(which)) => Some(Cell::Metric(tracked(which)?)),
            (_, cell) => Some(cell),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment() -> Experiment {
        super::super::wizard::blank(jiff::Timestamp::UNIX_EPOCH)
    }

    fn shares(e: &Experiment) -> Vec<u32> {
        e.variants.iter().map(|v| v.traffic_pct.basis_points()).collect()
    }

    #[test]
    fn variants_are_added_removed_moved_and_split() {
        let mut e = experiment();
        let added = add_variant(&mut e).expect("a key");
        assert_eq!(added, "treatment-2");
        split_evenly(&mut e);
        assert_eq!(shares(&e), [3_334, 3_333, 3_333]);
        assert!(move_variant(&mut e, &added, false));
        assert!(move_variant(&mut e, &added, false));
        assert!(!move_variant(&mut e, &added, false));
        let keys: Vec<&str> = e.variants.iter().map(|v| v.key.as_str()).collect();
        assert_eq!(keys, ["treatment-2", "control", "treatment"]);
        assert!(e.variants.windows(2).all(|p| p[0].order_index < p[1].order_index));
        e.default_variant_id = Key::new("treatment").expect("a key");
        add_rule(&mut e, Uuid::from_u128(1));
        e.rules[0].variant = Key::new("treatment").expect("a key");
        remove_variant(&mut e, "Treatment");
        assert_eq!(e.default_variant_id.as_str(), "control");
        assert!(e.rules.is_empty(), "its rule went with it");
    }

    #[test]
    fn rules_move_by_exchanging_priorities_and_are_numbered_anew_where_they_tie() {
        let mut e = experiment();
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        for id in &ids {
            add_rule(&mut e, *id);
        }
        let order = |e: &Experiment| -> Vec<Uuid> { in_order(e).iter().map(|r| r.id).collect() };
        assert_eq!(order(&e), ids);
        assert!(move_rule(&mut e, ids[2], false));
        assert_eq!(order(&e), [ids[0], ids[2], ids[1]]);
        let mut priorities: Vec<i32> = e.rules.iter().map(|r| r.priority).collect();
        priorities.sort_unstable();
        assert_eq!(priorities, [80, 90, 100]);
        for rule in &mut e.rules {
            rule.priority = 5;
        }
        let before = order(&e);
        assert!(move_rule(&mut e, before[0], true));
        assert_eq!(order(&e), [before[1], before[0], before[2]]);
        assert!(!move_rule(&mut e, before[2], true));
    }
}
