//! What changed between two JSON documents, field by field, with paths that people can read.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::domain::{AuditAction, Change};

/// The field that holds a document of somebody else. Named value by value, its own names could make each change as
/// long as the document.
const PAYLOAD: &str = "payload";

/// Fields that change with everything and say nothing.
const BOOKKEEPING: [&str; 3] = ["resourceVersion", "updatedAt", "statusChangedAt"];

/// The names by which the elements of a list are told apart, the first one that is there.
const NAMES: [&str; 3] = ["key", "id", "index"];

/// All fields in which `to` differs from `from`.
///
/// Elements of a list are named by their `key`, `id` or `index` (`variants.treatment.trafficPct`), or by
/// their position where they have none (`trackedEvents[0].event`). What was added or removed as a whole
/// is one change, and so is a payload: what stands in it is its owner's.
#[must_use]
pub fn changes(from: &Value, to: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", from, to, &mut found);
    found
}

/// All changes between two states of an object as JSON; `from` is none when it was just created.
#[must_use]
pub fn of(from: Option<Value>, to: Value) -> Vec<Change> {
    let from = from.map_or_else(|| Value::Object(Map::new()), document);
    changes(&from, &document(to))
}

/// The action that a changed field belongs to.
#[must_use]
pub fn action_of(field: &str) -> AuditAction {
    match field.split(['.', '[']).next() {
        Some("variants" | "cohorts") => AuditAction::VariantsChanged,
        Some("rules") => AuditAction::RulesChanged,
        _ => AuditAction::SettingsChanged,
    }
}

/// An object as far as the audit log is concerned: without bookkeeping, and with the shares of a cohort in
/// the place of its slots.
fn document(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        for name in BOOKKEEPING {
            fields.remove(name);
        }
        for cohort in fields
            .get_mut("cohorts")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let split = cohort
                .get("variants")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let split: Map<String, Value> = split
                .filter_map(|v| Some((v.get("variant")?.as_str()?.to_owned(), v.get("split")?.clone())))
                .collect();
            if let Value::Object(cohort) = cohort {
                cohort.insert("variants".to_owned(), Value::Object(split));
            }
        }
    }
    value
}

fn compare(path: &str, from: &Value, to: &Value, found: &mut Vec<Change>) {
    if from == to {
        return;
    }
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let names: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
            for name in names {
                let field = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                let missing = Value::Null;
                let (from, to) = (from.get(name), to.get(name));
                let (from, to) = (from.unwrap_or(&missing), to.unwrap_or(&missing));
                if name == PAYLOAD {
                    changed(field, from, to, found);
                } else {
                    compare(&field, from, to, found);
                }
            }
        }
        (Value::Array(from), Value::Array(to)) => match (names(from), names(to)) {
            (Some(old), Some(new)) => {
                let (places, there) = (by_name(&old), by_name(&new));
                let gone = old.iter().zip(from).filter(|(name, _)| !there.contains_key(name));
                for (name, from) in gone {
                    compare(&format!("{path}.{name}"), from, &Value::Null, found);
                }
                for (name, to) in new.iter().zip(to) {
                    let before = places.get(name).and_then(|at| from.get(*at));
                    compare(
                        &format!("{path}.{name}"),
                        before.unwrap_or(&Value::Null),
                        to,
                        found,
                    );
                }
                let kept = |names: &[String], others: &HashMap<&String, usize>| -> Vec<String> {
                    let kept = names.iter().filter(|n| others.contains_key(n));
                    kept.cloned().collect()
                };
                let (before, after) = (kept(&old, &there), kept(&new, &places));
                if before != after {
                    found.push(Change {
                        field: format!("{path}.order"),
                        from: before.into(),
                        to: after.into(),
                    });
                }
            }
            _ => {
                for at in 0..from.len().max(to.len()) {
                    let (from, to) = (from.get(at), to.get(at));
                    compare(
                        &format!("{path}[{at}]"),
                        from.unwrap_or(&Value::Null),
                        to.unwrap_or(&Value::Null),
                        found,
                    );
                }
            }
        },
        (from, to) => changed(path.to_owned(), from, to, found),
    }
}

/// One change of a field as a whole, if it is one.
fn changed(field: String, from: &Value, to: &Value, found: &mut Vec<Change>) {
    if from != to {
        found.push(Change {
            field,
            from: from.clone(),
            to: to.clone(),
        });
    }
}

/// Where each name stands.
fn by_name(names: &[String]) -> HashMap<&String, usize> {
    names.iter().zip(0..).collect()
}

/// The names of a list's elements; none when one of them has no name or two have the same.
fn names(list: &[Value]) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::with_capacity(list.len());
    for element in list {
        let name = NAMES.iter().find_map(|name| match element.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })?;
        if !seen.insert(name.clone()) {
            return None;
        }
        all.push(name);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn lines(from: &Value, to: &Value) -> Vec<String> {
        changes(from, to)
            .iter()
            .map(|c| format!("{} {} → {}", c.field, c.from, c.to))
            .collect()
    }

    #[test]
    fn list_elements_go_by_their_names() {
        let from = json!({"variants": [{"key": "control", "trafficPct": 50}, {"key": "treatment", "trafficPct": 50}]});
        let to = json!({"variants": [{"key": "control", "trafficPct": 50}, {"key": "treatment", "trafficPct": 20},
                                     {"key": "b", "trafficPct": 30}]});
        assert_eq!(
            lines(&from, &to),
            [
                "variants.treatment.trafficPct 50 → 20",
                "variants.b null → {\"key\":\"b\",\"trafficPct\":30}"
            ]
        );
        assert_eq!(
            lines(&to, &from),
            [
                "variants.b {\"key\":\"b\",\"trafficPct\":30} → null",
                "variants.treatment.trafficPct 20 → 50"
            ]
        );
    }

    #[test]
    fn elements_without_a_name_go_by_position() {
        let from = json!({"trackedEvents": [{"event": "a"}, {"event": "b"}]});
        let to = json!({"trackedEvents": [{"event": "c"}]});
        assert_eq!(
            lines(&from, &to),
            [
                "trackedEvents[0].event \"a\" → \"c\"",
                "trackedEvents[1] {\"event\":\"b\"} → null"
            ]
        );
    }

    #[test]
    fn a_new_order_is_a_change() {
        let from = json!({"rules": [{"id": "r1"}, {"id": "r2"}]});
        let to = json!({"rules": [{"id": "r2"}, {"id": "r1"}]});
        assert_eq!(
            lines(&from, &to),
            ["rules.order [\"r1\",\"r2\"] → [\"r2\",\"r1\"]"]
        );
    }

    #[test]
    fn a_payload_is_one_change() {
        let with = |payload: Value| json!({"variants": [{"key": "on", "payload": payload}]});
        assert_eq!(
            lines(
                &with(json!({"a": [0, 0], "b": 1})),
                &with(json!({"a": [1, 1], "b": 1}))
            ),
            ["variants.on.payload {\"a\":[0,0],\"b\":1} → {\"a\":[1,1],\"b\":1}"]
        );
        assert_eq!(
            lines(&with(json!({})), &with(Value::Null)),
            ["variants.on.payload {} → null"]
        );
        assert!(lines(&with(json!({"a": 1.5})), &with(json!({"a": 1.5}))).is_empty());
    }

    #[test]
    fn a_missing_field_and_null_are_the_same() {
        assert!(lines(&json!({"a": null}), &json!({})).is_empty());
        assert_eq!(lines(&json!({}), &json!({"a": 1})), ["a null → 1"]);
    }

    fn documents() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..3_i64).prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from),
        ];
        scalar.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[abk]|key|id", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    /// Without nulls in objects and at the end of lists, where a missing element is the same as null.
    fn plain(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let kept = fields.iter().map(|(k, v)| (k.clone(), plain(v)));
                Value::Object(kept.filter(|(_, v)| !v.is_null()).collect())
            }
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(plain).collect();
                while items.last().is_some_and(Value::is_null) {
                    items.pop();
                }
                Value::Array(items)
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn there_are_changes_exactly_when_the_documents_differ(a in documents(), b in documents()) {
            prop_assert!(changes(&a, &a).is_empty());
            let differ = plain(&a) != plain(&b);
            if differ {
                prop_assert!(!changes(&a, &b).is_empty());
            }
            for change in changes(&a, &b) {
                prop_assert_ne!(change.from, change.to);
            }
        }

        #[test]
        fn the_way_back_is_the_same_way(a in documents(), b in documents()) {
            let mut there: Vec<_> = changes(&a, &b).into_iter().map(|c| (c.field, c.from.to_string(), c.to.to_string())).collect();
            let mut back: Vec<_> = changes(&b, &a).into_iter().map(|c| (c.field, c.to.to_string(), c.from.to_string())).collect();
            there.sort();
            back.sort();
            prop_assert_eq!(there, back);
        }
    }
}
