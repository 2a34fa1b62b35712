//! What differs between copies of a flag, in words: each difference by itself, by the variant or rule and its field, and
//! told so that whatever differs reads differently.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::Uuid;

use super::flag::FlagPart;
use crate::cockpit::rule_text;
use crate::domain::checks::is_unseen;
use crate::domain::{Flag, Rule, Variant};

/// What a copy says of something that it does not have.
pub const ABSENT: &str = "not there";
/// The most characters of a value; of longer ones what is around their first difference.
const MOST: usize = 240;
/// So many characters stand before it.
const BEFORE: usize = 24;

/// Something in which copies of a flag differ.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Difference {
    /// What it is within its part, as `on payload`; empty where the part is one value.
    pub label: String,
    /// What each copy says, in their order. Copies that differ in it say something different.
    pub sides: Vec<String>,
}

impl Difference {
    /// What a copy says, with what it is about: `on payload "mine"`.
    #[must_use]
    pub fn side(&self, copy: usize) -> String {
        let side = self.sides.get(copy).map_or("", String::as_str);
        match self.label.as_str() {
            "" => side.to_owned(),
            label => format!("{label} {side}"),
        }
    }

    /// From the first copy to the second: `on payload nothing → "mine"`.
    #[must_use]
    pub fn change(&self) -> String {
        let label = &self.label;
        let [from, to] = [0, 1].map(|copy| self.sides.get(copy).map_or("", String::as_str));
        match (from, to) {
            _ if label.is_empty() => format!("{from} → {to}"),
            (ABSENT, to) => format!("{label} added: {to}"),
            (from, ABSENT) => format!("{label} removed: {from}"),
            _ => format!("{label} {from} → {to}"),
        }
    }
}

/// In what the copies differ of a part, in the order of the page; nothing where they agree. `name` is that of a
/// deployment.
#[must_use]
pub fn differences(part: FlagPart, copies: &[&Flag], name: &dyn Fn(Uuid) -> String) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    match part {
        FlagPart::Name => found.extend(told("", of(copies, |f| &f.name), |text| or(text, "none"))),
        FlagPart::Description => {
            found.extend(told("", of(copies, |f| &f.description), |text| or(text, "none")));
        }
        FlagPart::Rollout => found.extend(told("", of(copies, |f| &f.rollout_pct), |p| format!("{p} %"))),
        FlagPart::Mode => {
            found.extend(told("", of(copies, |f| &f.evaluation_mode), |mode| {
                mode.as_str().to_owned()
            }));
        }
        FlagPart::Deployments => found.extend(told("", of(copies, |f| &f.deployments), |ids| {
            let names: Vec<String> = ids.iter().map(|id| name(*id)).collect();
            or(&names.join(", "), "none")
        })),
        FlagPart::Variants => found.extend(variants(copies)),
        FlagPart::Rules => found.extend(rules(copies)),
    }
    // Nothing that differs is left out, whatever it is.
    let untold = |(a, b): (usize, usize)| {
        !part.same(copies[a], copies[b]) && found.iter().all(|d| d.sides[a] == d.sides[b])
    };
    if pairs(copies.len()).any(untold) {
        found.extend(match part {
            FlagPart::Variants => told("all", of(copies, |f| &f.variants), |_| String::new()),
            _ => told("all", of(copies, |f| &f.rules), |_| String::new()),
        });
    }
    found
}

fn of<'a, T>(copies: &[&'a Flag], part: impl Fn(&'a Flag) -> &'a T) -> Vec<&'a T> {
    copies.iter().map(|flag| part(flag)).collect()
}

fn or(text: &str, nothing: &str) -> String {
    if text.is_empty() { nothing } else { text }.to_owned()
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |a| (a + 1..n).map(move |b| (a, b)))
}

/// Values that are not all the same, each in the words of `write`; none where they are.
fn told<T: PartialEq + Serialize>(
    label: impl Into<String>,
    values: Vec<T>,
    write: impl Fn(&T) -> String,
) -> Option<Difference> {
    if pairs(values.len()).all(|(a, b)| values[a] == values[b]) {
        return None;
    }
    let tells =
        |texts: &[String]| pairs(values.len()).all(|(a, b)| values[a] == values[b] || texts[a] != texts[b]);
    let mut texts: Vec<String> = values.iter().map(|value| seen(&write(value))).collect();
    if !tells(&texts) {
        texts = values.iter().map(exact).collect();
    }
    let short = around(&texts);
    Some(Difference {
        label: label.into(),
        sides: if tells(&short) { short } else { texts },
    })
}

/// A text as it is read on the screen, in one line.
fn seen(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line = words.join(" ");
    line.retain(|c| !c.is_control() && !is_unseen(c));
    line
}

/// A value as JSON in which nothing is unseen: two that differ read differently.
fn exact<T: Serialize>(value: &T) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut out = String::new();
    for c in json.chars() {
        let blank = c.is_whitespace() && (c != ' ' || out.ends_with([' ', '"']));
        if blank || c.is_control() || is_unseen(c) || matches!(c, '\u{200c}' | '\u{200d}') {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Long texts from a little before where they first differ.
fn around(texts: &[String]) -> Vec<String> {
    if texts.iter().all(|text| text.chars().count() <= MOST) {
        return texts.to_vec();
    }
    let mut others = texts.iter().skip(1);
    let first: Vec<char> = texts
        .first()
        .map(|text| text.chars().collect())
        .unwrap_or_default();
    let same = others.by_ref().fold(first.len(), |same, text| {
        let alike = text.chars().zip(&first).take_while(|(a, b)| a == *b);
        same.min(alike.count())
    });
    let from = same.saturating_sub(BEFORE);
    let cut = |text: &String| {
        let shown: String = text.chars().skip(from).take(MOST).collect();
        let before = if from > 0 { "…" } else { "" };
        let after = if text.chars().count() > from + MOST {
            "…"
        } else {
            ""
        };
        format!("{before}{shown}{after}")
    };
    texts.iter().map(cut).collect()
}

fn json_or_nothing(payload: &serde_json::Value) -> String {
    if payload.is_null() {
        "nothing".to_owned()
    } else {
        payload.to_string()
    }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// A variant that a copy does not have, with all that it carries.
fn whole_variant(v: &Variant) -> String {
    let mut text = format!("{} %", v.traffic_pct);
    if !v.name.is_empty() {
        text.push_str(&format!(", name {}", v.name));
    }
    if !v.description.is_empty() {
        text.push_str(&format!(", description {}", v.description));
    }
    if !v.payload.is_null() {
        text.push_str(&format!(", payload {}", v.payload));
    }
    if v.is_control {
        text.push_str(", control");
    }
    text
}

fn variants(copies: &[&Flag]) -> Vec<Difference> {
    let mut keys: Vec<String> = Vec::new();
    for key in copies.iter().flat_map(|f| &f.variants).map(|v| v.key.folded()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let mut found = Vec::new();
    for key in &keys {
        let each: Vec<Option<&Variant>> = copies.iter().map(|f| f.variant(key)).collect();
        let there: Vec<&Variant> = each.iter().copied().flatten().collect();
        let name = there.first().map_or(key.as_str(), |v| v.key.as_str());
        if there.len() < copies.len() {
            found.extend(told(name, each, |v| v.map_or(ABSENT.to_owned(), whole_variant)));
            continue;
        }
        let label = |what: &str| format!("{name} {what}");
        let of = |field: fn(&Variant) -> &String| there.iter().map(|v| field(v)).collect::<Vec<_>>();
        let keys: Vec<&str> = there.iter().map(|v| v.key.as_str()).collect();
        found.extend(told(label("key"), keys, |key| (*key).to_owned()));
        found.extend(told(label("name"), of(|v| &v.name), |text| or(text, "nothing")));
        let shares: Vec<_> = there.iter().map(|v| v.traffic_pct).collect();
        found.extend(told(label("share"), shares, |share| format!("{share} %")));
        let payloads: Vec<_> = there.iter().map(|v| &v.payload).collect();
        found.extend(told(label("payload"), payloads, |payload| {
            json_or_nothing(payload)
        }));
        found.extend(told(label("description"), of(|v| &v.description), |text| {
            or(text, "nothing")
        }));
        let control: Vec<bool> = there.iter().map(|v| v.is_control).collect();
        found.extend(told(label("control"), control, |is| yes(*is)));
        let places: Vec<u32> = there.iter().map(|v| v.order_index).collect();
        found.extend(told(label("place"), places, u32::to_string));
    }
    let of = |flag: &Flag| flag.variants.iter().map(|v| v.key.folded()).collect();
    found.extend(order("order", copies, of, |key| key.clone()));
    found
}

/// A rule that a copy does not have.
fn whole_rule(rule: &Rule) -> String {
    format!("{} gets {}, priority {}", who(rule), rule.variant, rule.priority)
}

fn who(rule: &Rule) -> String {
    match rule.conditions.is_empty() {
        true => "everybody".to_owned(),
        false => rule_text::write(&rule.conditions),
    }
}

fn rules(copies: &[&Flag]) -> Vec<Difference> {
    let mut ids: Vec<Uuid> = Vec::new();
    for id in copies.iter().flat_map(|f| &f.rules).map(|rule| rule.id) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    // Numbered as in the first copy; those that only others have go on from there.
    let number = |id: &Uuid| ids.iter().position(|other| other == id).map_or(0, |at| at + 1);
    let mut found = Vec::new();
    for id in &ids {
        let in_copy = |flag: &&'_ Flag| flag.rules.iter().position(|rule| rule.id == *id);
        let each: Vec<Option<&Rule>> = copies
            .iter()
            .map(|flag| in_copy(flag).map(|at| &flag.rules[at]))
            .collect();
        let there: Vec<&Rule> = each.iter().copied().flatten().collect();
        let name = format!("rule {}", number(id));
        if there.len() < copies.len() {
            found.extend(told(name, each, |rule| {
                rule.map_or(ABSENT.to_owned(), whole_rule)
            }));
            continue;
        }
        // The conditions are the rule's: who it catches is read from the whole of them.
        let conditions: Vec<_> = there.iter().map(|rule| &rule.conditions).collect();
        found.extend(told(format!("{name} if"), conditions, |all| {
            match all.is_empty() {
                true => "everybody".to_owned(),
                false => rule_text::write(all),
            }
        }));
        let variants: Vec<_> = there.iter().map(|rule| &rule.variant).collect();
        found.extend(told(format!("{name} variant"), variants, ToString::to_string));
        let priorities: Vec<i32> = there.iter().map(|rule| rule.priority).collect();
        found.extend(told(format!("{name} priority"), priorities, i32::to_string));
    }
    let of = |flag: &Flag| flag.rules.iter().map(|rule| rule.id).collect();
    found.extend(order("order of rules", copies, of, |id| number(id).to_string()));
    found
}

/// The order of what all copies have, where it is not the same in each.
fn order<K: Ord + Clone + Serialize>(
    label: &str,
    copies: &[&Flag],
    of: impl Fn(&Flag) -> Vec<K>,
    word: impl Fn(&K) -> String,
) -> Option<Difference> {
    let orders: Vec<Vec<K>> = copies.iter().map(|flag| of(flag)).collect();
    let sets = orders
        .iter()
        .map(|order| order.iter().cloned().collect::<BTreeSet<K>>());
    let common = sets.reduce(|a, b| a.intersection(&b).cloned().collect())?;
    let orders: Vec<Vec<K>> = orders
        .into_iter()
        .map(|order| order.into_iter().filter(|key| common.contains(key)).collect())
        .collect();
    told(label, orders, |order| {
        let words: Vec<String> = order.iter().map(&word).collect();
        words.join(", ")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn flag() -> Value {
        let rule = |id: u128, variant: &str| {
            json!({"id": Uuid::from_u128(id), "variant": variant, "priority": 1, "conditions": [
                {"scope": "profile", "field": "country", "operator": "is", "value": "TH"}]})
        };
        json!({
            "id": Uuid::nil(), "key": "new-checkout", "salt": "new-checkout", "resourceVersion": 1,
            "name": "", "description": "", "rolloutPct": 10, "evaluationMode": "remote", "deployments": [],
            "variants": [
                {"key": "on", "name": "", "description": "", "payload": null, "isControl": false, "trafficPct": 50,
                 "orderIndex": 0},
                {"key": "blue", "trafficPct": 50, "orderIndex": 1}],
            "rules": [rule(1, "on"), rule(2, "blue")],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        })
    }

    fn read(value: &Value) -> Flag {
        serde_json::from_value(value.clone()).expect("a flag")
    }

    /// The flag with another value at a place.
    fn with(at: &str, value: &Value) -> Flag {
        let mut flag = flag();
        *flag.pointer_mut(at).unwrap_or_else(|| panic!("no {at}")) = value.clone();
        read(&flag)
    }

    fn name(_: Uuid) -> String {
        "app".to_owned()
    }

    fn tell(part: FlagPart, copies: &[&Flag]) -> Vec<Difference> {
        differences(part, copies, &name)
    }

    /// What a copy is told to say.
    fn side(told: &[Difference], copy: usize) -> String {
        let sides: Vec<String> = told.iter().map(|d| d.side(copy)).collect();
        sides.join("; ")
    }

    /// Texts that look alike, are long, or are the words for what is missing.
    fn texts() -> Vec<Value> {
        let long = "x".repeat(2_000);
        let [a, b] = ["a", "b"].map(|end| format!("{long}{end}{long}"));
        [
            "",
            "none",
            "nothing",
            "not there",
            "\"none\"",
            "a b",
            "a  b",
            " a b",
            "a b ",
            "a\u{a0}b",
            "a\u{200d}b",
            "ab",
        ]
        .into_iter()
        .map(str::to_owned)
        .chain([format!("{a}1"), format!("{a}2"), format!("{b}1"), long])
        .map(Value::from)
        .collect()
    }

    fn values() -> Vec<(FlagPart, String, Vec<Value>)> {
        let mut all = vec![
            (FlagPart::Name, "/name".to_owned(), texts()),
            (FlagPart::Description, "/description".to_owned(), texts()),
            (
                FlagPart::Rollout,
                "/rolloutPct".to_owned(),
                vec![json!(0), json!(0.01), json!(100)],
            ),
            (
                FlagPart::Mode,
                "/evaluationMode".to_owned(),
                vec![json!("remote"), json!("local")],
            ),
            (
                FlagPart::Deployments,
                "/deployments".to_owned(),
                // All of one name, in any order.
                vec![
                    json!([]),
                    json!([Uuid::from_u128(1)]),
                    json!([Uuid::from_u128(2)]),
                    json!([Uuid::from_u128(1), Uuid::from_u128(2)]),
                    json!([Uuid::from_u128(2), Uuid::from_u128(1)]),
                ],
            ),
        ];
        let payloads = [
            json!(null),
            json!("null"),
            json!("nothing"),
            json!(1),
            json!("1"),
            json!({"a": [1]}),
            json!({}),
        ];
        let payloads = payloads.into_iter().chain(texts()).collect();
        for (field, values) in [
            ("key", vec![json!("on"), json!("On"), json!("on-2")]),
            ("name", texts()),
            ("description", texts()),
            ("payload", payloads),
            ("isControl", vec![json!(true), json!(false)]),
            ("trafficPct", vec![json!(0), json!(12.5), json!(50)]),
            ("orderIndex", vec![json!(0), json!(7)]),
        ] {
            all.push((FlagPart::Variants, format!("/variants/0/{field}"), values));
        }
        for (field, values) in [
            ("id", vec![json!(Uuid::from_u128(1)), json!(Uuid::from_u128(9))]),
            ("variant", vec![json!("on"), json!("blue"), json!("Blue")]),
            ("priority", vec![json!(1), json!(100), json!(101), json!(-1)]),
            ("conditions", vec![json!([])]),
        ] {
            all.push((FlagPart::Rules, format!("/rules/0/{field}"), values));
        }
        for (field, values) in [
            ("scope", vec![json!("profile"), json!("event"), json!("session")]),
            // The scope may stand in the field as well.
            (
                "field",
                vec![json!("country"), json!("profile.country"), json!("a b")],
            ),
            ("operator", vec![json!("is"), json!("isNot"), json!("isNull")]),
            ("value", texts()),
        ] {
            all.push((FlagPart::Rules, format!("/rules/0/conditions/0/{field}"), values));
        }
        // What is there and what is not, and the order of it.
        for (part, list) in [(FlagPart::Variants, "/variants"), (FlagPart::Rules, "/rules")] {
            let before = flag().pointer(list).expect("a list").clone();
            let [first, second] = [&before[0], &before[1]];
            let lists = vec![
                before.clone(),
                json!([first]),
                json!([second]),
                json!([second, first]),
                json!([]),
            ];
            all.push((part, list.to_owned(), lists));
        }
        all
    }

    #[test]
    fn whatever_differs_is_told_differently() {
        for (part, at, values) in values() {
            let mut copies: Vec<Flag> = values.iter().map(|value| with(&at, value)).collect();
            copies.push(read(&flag()));
            for (one, other) in pairs(copies.len()) {
                let (one, other) = (&copies[one], &copies[other]);
                let told = tell(part, &[one, other]);
                assert_eq!(part.same(one, other), told.is_empty(), "{at}: {told:?}");
                if told.is_empty() {
                    continue;
                }
                assert_ne!(side(&told, 0), side(&told, 1), "{at}");
                // With a third beside them, as a conflict has it.
                for third in &copies {
                    let told = tell(part, &[third, one, other]);
                    assert_ne!(side(&told, 1), side(&told, 2), "{at}");
                }
            }
        }
    }

    #[test]
    fn no_field_is_left_out() {
        let covered: Vec<String> = values().into_iter().map(|(_, at, _)| at).collect();
        let missing = |at: &str| {
            let flag = flag();
            let fields = flag.pointer(at).and_then(Value::as_object).expect("an object");
            let missing: Vec<String> = fields.keys().map(|field| format!("{at}/{field}")).collect();
            missing
                .into_iter()
                .filter(|at| !covered.contains(at))
                .collect::<Vec<_>>()
        };
        let whole = serde_json::to_value(read(&flag())).expect("writes");
        for at in ["/variants/0", "/rules/0", "/rules/0/conditions/0"] {
            let known = flag().pointer(at).and_then(Value::as_object).map(|o| o.len());
            let there = whole.pointer(at).and_then(Value::as_object).map(|o| o.len());
            assert_eq!(known, there, "{at}: a field is new");
            assert_eq!(missing(at), [""; 0]);
        }
    }

    #[test]
    fn a_difference_names_the_variant_or_the_rule_and_its_field() {
        let said = |at: &str, value: Value| {
            let part = if at.starts_with("/rules") {
                FlagPart::Rules
            } else {
                FlagPart::Variants
            };
            let told = tell(part, &[&read(&flag()), &with(at, &value)]);
            told.iter().map(Difference::change).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(
            said("/variants/0/payload", json!("mine")),
            "on payload nothing → \"mine\""
        );
        assert_eq!(
            said("/variants/1/trafficPct", json!(20)),
            "blue share 50.00 % → 20.00 %"
        );
        assert_eq!(said("/rules/1/priority", json!(101)), "rule 2 priority 1 → 101");
        assert_eq!(
            said("/rules/0/conditions/0/value", json!("a\nb")),
            "rule 1 if profile.country is TH → profile.country is \"a b\""
        );
        let second = flag()["rules"][1].clone();
        assert_eq!(
            said("/rules", json!([second])),
            "rule 1 removed: profile.country is TH gets on, priority 1"
        );
        let more = json!([flag()["variants"][0], flag()["variants"][1], {"key": "red", "trafficPct": 5, "payload": 1}]);
        assert_eq!(said("/variants", more), "red added: 5.00 %, payload 1");
        let turned = json!([flag()["rules"][1], flag()["rules"][0]]);
        assert_eq!(said("/rules", turned), "order of rules 1, 2 → 2, 1");
        // Of a long text what is around the difference.
        let [one, other] = ["a", "b"].map(|end| {
            with(
                "/variants/0/payload",
                &json!(format!("{}{end}", "x".repeat(5_000))),
            )
        });
        let told = tell(FlagPart::Variants, &[&one, &other]);
        let short = format!("…{}", "x".repeat(24));
        assert_eq!(told[0].sides, [format!("{short}a\""), format!("{short}b\"")]);
    }
}
