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

/// A condition with what was found, in words.
pub(super) fn explained(condition: &Condition, user: &User) -> ExplainCondition {
    let Condition {
        scope,
        field,
        operator,
        value,
    } = condition;
    let scope_word = scope.as_str();
    let mut words = format!("{scope_word}.{} {operator}", without_scope(*scope, field));
    if operator.takes_value() {
        words.push(' ');
        words.push_str(value);
    }
    ExplainCondition {
        condition: words,
        found: text(condition, user).map(Cow::into_owned),
        passed: passes(condition, user),
    }
}

/// What the field of a scope holds.
pub(super) fn find<'a>(user: &'a User, scope: Scope, field: &str) -> Option<Found<'a>> {
    let path = without_scope(scope, field);
    let data = match scope {
        Scope::Profile => &user.user_properties,
        Scope::Session => &user.session,
        Scope::Event => &user.event,
    };
    beside(user, scope, path).or_else(|| property(data, path).map(Found::Json))
}

fn without_scope(scope: Scope, field: &str) -> &str {
    let rest = field
        .strip_prefix(scope.as_str())
        .and_then(|rest| rest.strip_prefix('.'));
    rest.filter(|rest| !rest.is_empty()).unwrap_or(field)
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
