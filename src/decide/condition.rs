//! Conditions of rules: finding the field, and comparing it.
//!
//! # How a field is found
//!
//! A field is a path with dots into the data of its scope. A leading scope is ignored (`profile.country`
//! in the scope `profile` is `country`).
//!
//! | scope | data | beside it |
//! |---|---|---|
//! | `profile` | the user's properties | `user_id`, `device_id`, `groups.<type>`, `group_properties.<type>.<property>` |
//! | `session` | the session's data | `session_id` |
//! | `event` | the event's data | `event_id` |
//!
//! - What stands *beside* the data wins over a property of the same name, where it is there.
//! - Keys may contain dots themselves: at each object the longest key that begins the path and leads to a
//!   value wins (`{"a.b": 1}` before `{"a": {"b": 2}}` for `a.b`).
//! - `properties.plan` and `plan` mean the same, whichever way the data is nested: exactly what was written
//!   is tried first.
//! - Null and an empty id are as missing. Lists are not entered: their text is compact JSON (`["a","b"]`),
//!   as the warehouse stores it. Of a user's groups of one type, one is its id, several are such a list.
//! - Properties of groups are those of the user's groups of the type, the first that has the property; where
//!   the user lists none of the type, those of any group that came along, in the order of their names. A
//!   single group can be named: `group_properties.org.acme.plan`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::subject::given;
use crate::domain::filter::property_text;
use crate::domain::{Condition, ExplainCondition, Scope, User};

/// What a field holds; never null.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    Id(&'a str),
    Json(&'a Value),
    Groups(&'a [String]),
}

impl<'a> Found<'a> {
    /// The text that operators compare; `None` is missing.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Id(id) => Some(Cow::Borrowed(id)),
            Self::Json(Value::String(text)) => Some(Cow::Borrowed(text)),
            Self::Json(value) => property_text(value).map(Cow::Owned),
            Self::Groups(ids) => {
                let mut ids = ids.iter().filter(|id| !id.is_empty());
                let first = ids.next()?;
                let rest: Vec<&String> = ids.collect();
                if rest.is_empty() {
                    return Some(Cow::Borrowed(first));
                }
                let all = std::iter::once(first).chain(rest);
                let list = all.map(|id| Value::String(id.clone())).collect();
                property_text(&Value::Array(list)).map(Cow::Owned)
            }
        }
    }
}

/// The text a condition compares; `None` when the field is missing.
fn text<'a>(condition: &Condition, user: &'a User) -> Option<Cow<'a, str>> {
    find(user, condition.scope, &condition.field).and_then(Found::text)
}

/// Whether a condition passes.
pub(super) fn passes(condition: &Condition, user: &User) -> bool {
    let found = text(condition, user);
    condition.operator.matches(found.as_deref(), &condition.value)
}

/// How much of what a field holds an explanation tells.
const MAX_FOUND: usize = 1_000;

/// What a field holds as an explanation tells it. Each of thousands of conditions may look at the same long text: told
/// whole, a small request would have an answer that no memory holds.
fn told(found: Cow<'_, str>) -> String {
    match found.char_indices().nth(MAX_FOUND) {
        Some((end, _)) => format!("{}…", &found[..end]),
        None => found.into_owned(),
    }
}

/// A condition with what was found, in words.
pub(super) fn explained(condition: &Condition, user: &User) -> ExplainCondition {
    let found = text(condition, user);
    ExplainCondition {
        condition: condition.to_string(),
        passed: condition.operator.matches(found.as_deref(), &condition.value),
        found: found.map(told),
    }
}

/// What the field of a scope holds.
pub(super) fn find<'a>(user: &'a User, scope: Scope, field: &str) -> Option<Found<'a>> {
    let path = scope.bare(field);
    let data = match scope {
        Scope::Profile => &user.user_properties,
        Scope::Session => &user.session,
        Scope::Event => &user.event,
    };
    beside(user, scope, path).or_else(|| property(data, path).map(Found::Json))
}

/// What stands beside the properties of a scope.
fn beside<'a>(user: &'a User, scope: Scope, path: &str) -> Option<Found<'a>> {
    let id = match (scope, path) {
        (Scope::Profile, "user_id" | "userId" | "profile_id" | "profileId") => &user.user_id,
        (Scope::Profile, "device_id" | "deviceId") => &user.device_id,
        (Scope::Session, "session_id" | "sessionId") => &user.session_id,
        (Scope::Event, "event_id" | "eventId") => &user.event_id,
        (Scope::Profile, _) => {
            if let Some(kind) = path.strip_prefix("groups.") {
                return user
                    .groups
                    .get(kind)
                    .filter(|ids| ids.iter().any(|id| !id.is_empty()))
                    .map(|ids| Found::Groups(ids));
            }
            let path = path
                .strip_prefix("group_properties.")
                .or_else(|| path.strip_prefix("groupProperties."))?;
            return group_property(user, path).map(Found::Json);
        }
        _ => return None,
    };
    given(id).map(Found::Id)
}

/// `plan`, `properties.plan`, and data that is itself nested below `properties`.
fn property<'a>(data: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let bare = path.strip_prefix("properties.");
    at_path(data, path)
        .or_else(|| at_path(data, bare?))
        .or_else(|| match data.get("properties") {
            Some(Value::Object(nested)) => at_path(nested, bare.unwrap_or(path)),
            _ => None,
        })
}

/// The value at a path, the longest keys first; null is as missing.
fn at_path<'a>(data: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = data.get(path).filter(|value| !value.is_null()) {
        return Some(value);
    }
    path.rmatch_indices('.')
        .find_map(|(dot, _)| match data.get(&path[..dot]) {
            Some(Value::Object(nested)) => at_path(nested, &path[dot + 1..]),
            _ => None,
        })
}

type GroupsOfType = BTreeMap<String, Map<String, Value>>;

/// A property of the user's groups: `<type>.<property>` or `<type>.<group>.<property>`.
fn group_property<'a>(user: &'a User, path: &str) -> Option<&'a Value> {
    path.rmatch_indices('.').find_map(|(dot, _)| {
        let (kind, path) = (&path[..dot], &path[dot + 1..]);
        let groups = user.group_properties.get(kind)?;
        let listed = user.groups.get(kind).map_or(&[][..], Vec::as_slice);
        of_groups(groups, listed, path).or_else(|| of_one_group(groups, path))
    })
}

fn of_groups<'a>(groups: &'a GroupsOfType, listed: &[String], path: &str) -> Option<&'a Value> {
    if listed.iter().all(String::is_empty) {
        return groups.values().find_map(|data| property(data, path));
    }
    listed
        .iter()
        .filter_map(|id| groups.get(id))
        .find_map(|data| property(data, path))
}

fn of_one_group<'a>(groups: &'a GroupsOfType, path: &str) -> Option<&'a Value> {
    path.rmatch_indices('.').find_map(|(dot, _)| {
        let data = groups.get(&path[..dot])?;
        property(data, &path[dot + 1..])
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::domain::Operator;

    fn user(json: Value) -> User {
        serde_json::from_value(json).expect("a user")
    }

    fn found(user: &User, path: &str) -> Option<String> {
        let (scope, _) = path.split_once('.').expect("a scope");
        let scope = serde_json::from_value(json!(scope)).expect("a scope");
        find(user, scope, path).and_then(Found::text).map(Cow::into_owned)
    }

    #[test]
    fn all_twelve_operators_on_all_three_scopes() {
        use Operator as O;
        let data = json!({"country": "TH", "age": 42, "note": "très bon", "none": null});
        let user = user(json!({
            "user_id": "u", "user_properties": data, "session": data, "event": {"properties": data},
        }));
        let rows = [
            ("country", O::Is, "TH", true),
            ("country", O::Is, "th", false),
            ("country", O::IsNot, "DE", true),
            ("country", O::IsNot, "TH", false),
            ("missing", O::IsNot, "TH", true),
            ("note", O::Contains, "ès", true),
            ("note", O::Contains, "es", false),
            ("note", O::DoesNotContain, "es", true),
            ("note", O::DoesNotContain, "bon", false),
            ("missing", O::DoesNotContain, "x", true),
            ("note", O::StartsWith, "trè", true),
            ("note", O::StartsWith, "bon", false),
            ("note", O::EndsWith, "bon", true),
            ("note", O::EndsWith, "très", false),
            ("age", O::Gt, "9", true),
            ("age", O::Gt, "42", false),
            ("age", O::Gte, "42.0", true),
            ("age", O::Gte, "43", false),
            ("age", O::Lt, "100", true),
            ("age", O::Lt, "42", false),
            ("age", O::Lte, "42", true),
            ("age", O::Lte, "41", false),
            ("country", O::Lt, "ZZ", false),
            ("missing", O::Lte, "41", false),
            ("none", O::IsNull, "", true),
            ("missing", O::IsNull, "", true),
            ("age", O::IsNull, "", false),
            ("age", O::IsNotNull, "", true),
            ("none", O::IsNotNull, "", false),
        ];
        for operator in O::ALL {
            let verdicts = rows.iter().filter(|row| row.1 == operator).map(|row| row.3);
            let verdicts: std::collections::BTreeSet<bool> = verdicts.collect();
            assert_eq!(verdicts.len(), 2, "{operator} is not tried both ways");
        }
        for scope in [Scope::Profile, Scope::Session, Scope::Event] {
            for (field, operator, value, expected) in rows {
                let condition = Condition {
                    scope,
                    field: field.to_owned(),
                    operator,
                    value: value.to_owned(),
                };
                let words = explained(&condition, &user);
                assert_eq!(passes(&condition, &user), expected, "{words:?}");
                assert_eq!(words.passed, expected, "{words:?}");
            }
        }
    }

    #[test]
    fn paths_reach_into_nested_data() {
        let user = user(json!({
            "user_properties": {
                "country": "TH", "address": {"geo": {"lat": 1.5}}, "a.b": {"c": "dotted"},
                "a": {"b": {"c": "nested", "d": "only nested"}, "b.d": null},
                "properties": {"deep": "down", "country": "below"}, "profile": {"x": "scoped"},
                "tags": ["x", "y"], "empty": "", "flag": true, "void": null,
            },
            "session": {"entryPage": "/home", "session.x": "kept"},
            "event": {"name": "pay", "properties": {"plan": "pro"}, "amount": 12.50},
        }));
        for (path, expected) in [
            ("profile.country", Some("TH")),
            ("profile.address.geo.lat", Some("1.5")),
            ("profile.address.geo", Some(r#"{"lat":1.5}"#)),
            ("profile.address.geo.lat.more", None),
            // The longest key wins; null is as missing, so the search goes on.
            ("profile.a.b.c", Some("dotted")),
            ("profile.a.b.d", Some("only nested")),
            // With and without `properties`.
            ("profile.properties.country", Some("below")),
            ("profile.deep", Some("down")),
            ("profile.properties.flag", Some("true")),
            ("event.properties.plan", Some("pro")),
            ("event.plan", Some("pro")),
            ("event.properties.amount", Some("12.5")),
            ("event.name", Some("pay")),
            // A leading scope is dropped once.
            ("profile.profile.x", Some("scoped")),
            ("session.entryPage", Some("/home")),
            ("session.session.x", Some("kept")),
            // Lists are not entered.
            ("profile.tags", Some(r#"["x","y"]"#)),
            ("profile.tags.0", None),
            ("profile.empty", Some("")),
            ("profile.void", None),
            ("profile.", None),
            ("profile..", None),
            ("profile.address..lat", None),
        ] {
            assert_eq!(found(&user, path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_field_without_its_scope_is_the_same_field() {
        let user = user(json!({"user_properties": {"country": "TH"}, "session": {"profile": {"x": 1}}}));
        let text = |scope, field| find(&user, scope, field).and_then(Found::text);
        assert_eq!(text(Scope::Profile, "country").as_deref(), Some("TH"));
        assert_eq!(text(Scope::Profile, "profile.country").as_deref(), Some("TH"));
        // Another scope's name is an ordinary key.
        assert_eq!(text(Scope::Session, "profile.x").as_deref(), Some("1"));
        assert_eq!(text(Scope::Session, "profile.country"), None);
    }

    #[test]
    fn ids_stand_beside_the_properties() {
        let user = user(json!({
            "user_id": "u", "device_id": "", "session_id": "s", "event_id": "e",
            "user_properties": {"user_id": "shadowed", "device_id": "from properties"},
        }));
        for (path, expected) in [
            ("profile.user_id", Some("u")),
            ("profile.userId", Some("u")),
            ("profile.profile_id", Some("u")),
            ("profile.device_id", Some("from properties")),
            ("session.session_id", Some("s")),
            ("event.event_id", Some("e")),
            ("event.user_id", None),
        ] {
            assert_eq!(found(&user, path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn groups_and_their_properties() {
        let of = |groups: Value| {
            user(json!({
                "groups": groups,
                "group_properties": {
                    "org": {"acme": {"plan": "pro"}, "beta": {"plan": "free", "seats": 3, "a": {"b": 1}}},
                    "org.unit": {"x": {"name": "dotted type"}},
                },
            }))
        };
        let one = of(json!({"org": ["", "beta"]}));
        let two = of(json!({"org": ["acme", "be\"ta"]}));
        let both = of(json!({"org": ["acme", "beta"]}));
        let none = of(json!({"org": []}));
        for (user, path, expected) in [
            (&one, "profile.groups.org", Some("beta")),
            (&two, "profile.groups.org", Some(r#"["acme","be\"ta"]"#)),
            (&none, "profile.groups.org", None),
            (&one, "profile.groups.team", None),
            (&one, "profile.group_properties.org.plan", Some("free")),
            (&one, "profile.groupProperties.org.a.b", Some("1")),
            (&both, "profile.group_properties.org.plan", Some("pro")),
            (&both, "profile.group_properties.org.seats", Some("3")),
            (&two, "profile.group_properties.org.seats", None),
            (&none, "profile.group_properties.org.seats", Some("3")),
            (&one, "profile.group_properties.org.acme.plan", Some("pro")),
            (&one, "profile.group_properties.org.nobody.plan", None),
            (
                &one,
                "profile.group_properties.org.unit.name",
                Some("dotted type"),
            ),
        ] {
            assert_eq!(
                found(user, path).as_deref(),
                expected,
                "{path} of {:?}",
                user.groups
            );
        }
    }

    #[test]
    fn a_condition_in_words() {
        let user = user(json!({"user_properties": {"country": "DE"}}));
        let condition = |json: Value| serde_json::from_value::<Condition>(json).expect("a condition");
        let is = condition(
            json!({"scope": "profile", "field": "profile.country", "operator": "is", "value": "TH"}),
        );
        assert_eq!(
            explained(&is, &user),
            ExplainCondition {
                condition: "profile.country is TH".to_owned(),
                found: Some("DE".to_owned()),
                passed: false,
            }
        );
        let long = "é".repeat(MAX_FOUND);
        for (held, found) in [
            (long.clone(), long.clone()),
            (format!("{long}TH"), format!("{long}…")),
        ] {
            let user = self::user(json!({"user_properties": {"country": held}}));
            let ends = json!({"scope": "profile", "field": "country", "operator": "endsWith", "value": "TH"});
            let told = explained(&condition(ends), &user);
            assert_eq!((told.found, told.passed), (Some(found), held.ends_with("TH")));
        }
        let null = condition(json!({"scope": "event", "field": "plan", "operator": "isNull", "value": "x"}));
        assert_eq!(
            explained(&null, &user),
            ExplainCondition {
                condition: "event.plan isNull".to_owned(),
                found: None,
                passed: true,
            }
        );
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            "[ab.]{0,3}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            proptest::collection::btree_map("[ab.]{0,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        })
    }

    /// Every value of the data with the path of keys that leads to it.
    fn values(data: &Map<String, Value>, prefix: Option<&str>, out: &mut Vec<(String, Value)>) {
        for (key, value) in data {
            let path = prefix.map_or_else(|| key.clone(), |prefix| format!("{prefix}.{key}"));
            if let Value::Object(nested) = value {
                values(nested, Some(&path), out);
            }
            out.push((path, value.clone()));
        }
    }

    proptest! {
        #[test]
        fn every_value_is_found_by_its_path(value in json_value()) {
            let Value::Object(data) = value else { return Ok(()) };
            let mut all = Vec::new();
            values(&data, None, &mut all);
            all.retain(|(_, value)| !value.is_null());
            for (path, _) in &all {
                // Several ways may spell the same path; what is found is one of them.
                let found = at_path(&data, path);
                let spelled = all.iter().any(|(other, value)| other == path && found == Some(value));
                prop_assert!(spelled, "{path:?} in {data:?}: {found:?}");
            }
        }
    }
}
