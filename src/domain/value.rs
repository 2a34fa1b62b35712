//! The value that code asks for: of one kind, whichever variant somebody gets.
//!
//! Clients of OpenFeature ask for a type, and take an answer of any other one for an error, with which the
//! attribution is lost. Were some variants answered with another type than the others, only part of the
//! subjects would count. So all variants together decide the kind:
//!
//! | payloads | kind | a variant without a payload |
//! |---|---|---|
//! | none; the keys are `on` and maybe `off` | [`ValueKind::Boolean`] | `on` is true, `off` is false |
//! | none; any other keys | [`ValueKind::Text`] | its key |
//! | booleans | [`ValueKind::Boolean`] | false, unless its key is `on` |
//! | texts | [`ValueKind::Text`] | its key |
//! | whole numbers, on each variant | [`ValueKind::Integer`] | |
//! | numbers, on each variant | [`ValueKind::Number`] | |
//! | lists | [`ValueKind::List`] | an empty list |
//! | objects, or objects and lists | [`ValueKind::Object`] | an empty object |
//! | anything else, such as numbers on some variants only | [`ValueKind::Text`], payloads as JSON | its key |
//!
//! False and an empty object say that there is nothing; no number does, which is why numbers have to be
//! complete.

use serde_json::{Map, Value};

use super::flag::{OFF, ON};
use super::{Experiment, Flag, Variant};

/// What kind of value all variants are answered with.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq)]
pub enum ValueKind {
    /// True or false.
    Boolean,
    /// A text.
    Text,
    /// A number without a fraction.
    Integer,
    /// A number that is always written with a fraction.
    Number,
    /// An object, or a list among objects.
    Object,
    /// A list.
    List,
}

impl ValueKind {
    /// The kind that `variants` have together.
    #[must_use]
    pub fn of<'a>(variants: impl IntoIterator<Item = &'a Variant>) -> Self {
        let mut kind = None;
        let (mut missing, mut switch, mut on) = (false, true, false);
        for variant in variants {
            if variant.payload.is_null() {
                missing = true;
                on |= is(variant, ON);
                switch &= is(variant, ON) || is(variant, OFF);
                continue;
            }
            let own = Self::of_payload(&variant.payload);
            kind = Some(kind.map_or(own, |before: Self| before.and(own)));
        }
        match kind {
            None if switch && on => Self::Boolean,
            None => Self::Text,
            Some(Self::Integer | Self::Number) if missing => Self::Text,
            Some(kind) => kind,
        }
    }

    fn of_payload(payload: &Value) -> Self {
        match payload {
            Value::Bool(_) => Self::Boolean,
            Value::Number(n) if n.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::Object(_) => Self::Object,
            Value::Array(_) => Self::List,
            Value::String(_) | Value::Null => Self::Text,
        }
    }

    /// What payloads of both kinds have in common.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Integer | Self::Number, Self::Integer | Self::Number) => Self::Number,
            (Self::Object | Self::List, Self::Object | Self::List) => Self::Object,
            _ => Self::Text,
        }
    }

    /// The value of the variant with this key and payload, one of those that the kind was made of.
    #[must_use]
    pub fn value(self, key: &str, payload: &Value) -> Value {
        match (self, payload) {
            (Self::Boolean, Value::Null) => key.eq_ignore_ascii_case(ON).into(),
            (Self::Object, Value::Null) => Map::new().into(),
            (Self::List, Value::Null) => Vec::<Value>::new().into(),
            (_, Value::Null) => key.into(),
            (Self::Number, Value::Number(n)) => n.as_f64().map_or_else(|| payload.clone(), Value::from),
            (Self::Text, Value::String(_)) => payload.clone(),
            (Self::Text, _) => payload.to_string().into(),
            (_, _) => payload.clone(),
        }
    }
}

impl Experiment {
    /// What kind of value code asks for.
    #[must_use]
    pub fn value_kind(&self) -> ValueKind {
        ValueKind::of(&self.variants)
    }
}

impl Flag {
    /// What kind of value code asks for. [`OFF`] without a payload has no say.
    #[must_use]
    pub fn value_kind(&self) -> ValueKind {
        let silent = |v: &&Variant| is(v, OFF) && v.payload.is_null();
        ValueKind::of(self.variants.iter().filter(|v| !silent(v)))
    }

    /// The value of the variant with this key and payload. [`OFF`] without a payload is false where the others
    /// are booleans, and else its key, which is no number and no object: code goes on with what it falls back to.
    #[must_use]
    pub fn value(&self, key: &str, payload: &Value) -> Value {
        let kind = self.value_kind();
        if kind != ValueKind::Boolean && payload.is_null() && key.eq_ignore_ascii_case(OFF) {
            key.into()
        } else {
            kind.value(key, payload)
        }
    }
}

fn is(variant: &Variant, key: &str) -> bool {
    variant.key.as_str().eq_ignore_ascii_case(key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variants(all: &[(&str, Value)]) -> Vec<Variant> {
        let variant = |(key, payload): &(&str, Value)| {
            serde_json::from_value(json!({"key": key, "payload": payload})).expect("a variant")
        };
        all.iter().map(variant).collect()
    }

    /// The kind of these variants, and the value of each.
    fn values(all: &[(&str, Value)]) -> (ValueKind, Value) {
        let kind = ValueKind::of(&variants(all));
        let values: Vec<Value> = all.iter().map(|(key, p)| kind.value(key, p)).collect();
        (kind, values.into())
    }

    #[test]
    fn all_variants_decide_the_kind_together() {
        let none = Value::Null;
        let two = |a: &Value, b: &Value| values(&[("control", a.clone()), ("treatment", b.clone())]);
        for (a, b, kind, expected) in [
            (&none, &none, ValueKind::Text, json!(["control", "treatment"])),
            (&none, &json!("x"), ValueKind::Text, json!(["control", "x"])),
            (&json!(""), &json!("x"), ValueKind::Text, json!(["", "x"])),
            (&json!(10), &json!(-12), ValueKind::Integer, json!([10, -12])),
            (&json!(10), &json!(9.5), ValueKind::Number, json!([10.0, 9.5])),
            (&json!(10.0), &json!(12.0), ValueKind::Number, json!([10.0, 12.0])),
            (&none, &json!(12), ValueKind::Text, json!(["control", "12"])),
            (&json!(9.5), &none, ValueKind::Text, json!(["9.5", "treatment"])),
            (
                &json!(false),
                &json!(true),
                ValueKind::Boolean,
                json!([false, true]),
            ),
            (&none, &json!(true), ValueKind::Boolean, json!([false, true])),
            (
                &json!({}),
                &json!({"a": 1}),
                ValueKind::Object,
                json!([{}, {"a": 1}]),
            ),
            (&none, &json!({"a": 1}), ValueKind::Object, json!([{}, {"a": 1}])),
            (
                &json!([1]),
                &json!({"a": 1}),
                ValueKind::Object,
                json!([[1], {"a": 1}]),
            ),
            (&none, &json!([1]), ValueKind::List, json!([[], [1]])),
            (&json!("x"), &json!(1), ValueKind::Text, json!(["x", "1"])),
            (&json!(true), &json!(1), ValueKind::Text, json!(["true", "1"])),
            (
                &json!({"a": 1}),
                &json!("x"),
                ValueKind::Text,
                json!(["{\"a\":1}", "x"]),
            ),
        ] {
            assert_eq!(two(a, b), (kind, expected), "{a} {b}");
        }
        // 10 as a fraction is written as one, which clients of Python tell from a whole number.
        assert_eq!(ValueKind::Number.value("a", &json!(10)).to_string(), "10.0");
    }

    #[test]
    fn on_and_off_are_a_switch() {
        let none = || Value::Null;
        let boolean = (ValueKind::Boolean, json!([false, true]));
        assert_eq!(values(&[("off", none()), ("ON", none())]), boolean);
        assert_eq!(values(&[("On", none())]), (ValueKind::Boolean, json!([true])));
        let more = [("off", none()), ("on", none()), ("blue", none())];
        assert_eq!(values(&more), (ValueKind::Text, json!(["off", "on", "blue"])));
        assert_eq!(values(&[("off", none())]).0, ValueKind::Text);
        // As everywhere, a payload says what is on.
        let worded = [("off", none()), ("on", json!("go"))];
        assert_eq!(values(&worded), (ValueKind::Text, json!(["off", "go"])));
    }

    #[test]
    fn a_flag_that_is_off_leaves_the_kind_as_it_is() {
        let flag = |all: &[(&str, Value)]| -> Flag {
            let mut flag = json!({
                "id": uuid::Uuid::nil(), "key": "f", "salt": "f", "resourceVersion": 1, "variants": [],
                "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
            });
            flag["variants"] = serde_json::to_value(variants(all)).expect("writes");
            serde_json::from_value(flag).expect("a flag")
        };
        for (all, kind, off) in [
            (vec![("on", Value::Null)], ValueKind::Boolean, json!(false)),
            (vec![("many", json!(42))], ValueKind::Integer, json!("off")),
            (
                vec![("many", json!(42)), ("off", Value::Null)],
                ValueKind::Integer,
                json!("off"),
            ),
            (vec![("a", json!({"x": 1}))], ValueKind::Object, json!("off")),
            (vec![("a", json!(true))], ValueKind::Boolean, json!(false)),
            (vec![("a", Value::Null)], ValueKind::Text, json!("off")),
            (
                vec![("a", json!(1)), ("b", Value::Null)],
                ValueKind::Text,
                json!("off"),
            ),
        ] {
            let flag = flag(&all);
            assert_eq!(flag.value_kind(), kind, "{all:?}");
            assert_eq!(flag.value(OFF, &Value::Null), off, "{all:?}");
        }
        let told = flag(&[("many", json!(42)), ("off", json!(0))]);
        assert_eq!(told.value(OFF, &json!(0)), 0);
        assert_eq!(
            flag(&[("many", json!(42)), ("off", json!(0.5))]).value("many", &json!(42)),
            42.0
        );
    }

    /// Whatever the payloads are, each variant is answered with the same type as the others.
    #[test]
    fn no_variant_is_answered_with_another_type_than_the_others() {
        let payloads = [
            Value::Null,
            json!(true),
            json!(false),
            json!("x"),
            json!(""),
            json!(12),
            json!(-1),
            json!(9.5),
            json!(1.0),
            json!({"a": 1}),
            json!({}),
            json!([1]),
            json!([]),
        ];
        let fits = |kind: ValueKind, value: &Value| match kind {
            ValueKind::Boolean => value.is_boolean(),
            ValueKind::Text => value.is_string(),
            ValueKind::Integer => value.is_i64() || value.is_u64(),
            ValueKind::Number => value.is_f64(),
            ValueKind::Object => value.is_object() || value.is_array(),
            ValueKind::List => value.is_array(),
        };
        for keys in [["control", "b", "c"], ["off", "on", "c"]] {
            for a in &payloads {
                for b in &payloads {
                    for c in &payloads {
                        let all = [a, b, c].map(Value::clone);
                        let named: Vec<_> = keys.into_iter().zip(all).collect();
                        for some in [&named[..2], &named[..]] {
                            let (kind, values) = values(some);
                            let mut values = values.as_array().expect("a list").iter();
                            assert!(values.all(|value| fits(kind, value)), "{some:?}");
                        }
                    }
                }
            }
        }
    }
}
