//! Users as evaluation SDKs send them: snake_case or camelCase, null for what is not known.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use crate::domain::User;
use crate::domain::filter::property_text;

/// A field of a user that has another form than it may have.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Wrong {
    /// Its name, with what it lies in.
    pub field: String,
    /// What is allowed.
    pub allowed: &'static str,
}

impl Wrong {
    /// The field `field` may be `allowed`.
    pub fn new(field: impl Into<String>, allowed: &'static str) -> Self {
        Self {
            field: field.into(),
            allowed,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: allowed is {}", self.field, self.allowed)
    }
}

impl std::error::Error for Wrong {}

/// Takes ids, groups, properties, session and event out of `fields`. What is left has no place of its own.
///
/// # Errors
/// The first field that has another form.
pub fn take(fields: &mut Map<String, Value>) -> Result<User, Wrong> {
    Ok(User {
        user_id: id(fields, &["user_id", "userId"])?,
        device_id: id(fields, &["device_id", "deviceId"])?,
        session_id: id(fields, &["session_id", "sessionId"])?,
        event_id: id(fields, &["event_id", "eventId"])?,
        user_properties: object(fields, &["user_properties", "userProperties"])?,
        session: object(fields, &["session"])?,
        event: object(fields, &["event"])?,
        groups: groups(fields)?,
        group_properties: group_properties(fields)?,
    })
}

/// Takes an id out: a text or a number, the first name that holds one. All the names are taken out.
///
/// # Errors
/// It is neither.
pub fn id(fields: &mut Map<String, Value>, names: &[&str]) -> Result<Option<String>, Wrong> {
    let mut found = None;
    for name in names {
        match fields.remove(*name) {
            None | Some(Value::Null) => {}
            Some(value @ (Value::String(_) | Value::Number(_))) => {
                found = found.or_else(|| property_text(&value).filter(|text| !text.is_empty()));
            }
            Some(_) => return Err(Wrong::new(*name, "a text or a number")),
        }
    }
    Ok(found)
}

fn object(fields: &mut Map<String, Value>, names: &[&str]) -> Result<Map<String, Value>, Wrong> {
    let mut found = Map::new();
    for name in names {
        match fields.remove(*name) {
            None | Some(Value::Null) => {}
            Some(Value::Object(object)) => found.extend(object),
            Some(_) => return Err(Wrong::new(*name, "an object")),
        }
    }
    Ok(found)
}

fn groups(fields: &mut Map<String, Value>) -> Result<BTreeMap<String, Vec<String>>, Wrong> {
    let mut groups = BTreeMap::new();
    for (kind, value) in object(fields, &["groups"])? {
        let text = |value: &Value| match value {
            Value::String(_) | Value::Number(_) => property_text(value),
            _ => None,
        };
        let ids: Option<Vec<String>> = match &value {
            Value::Null => continue,
            Value::Array(several) => several.iter().map(text).collect(),
            one => text(one).map(|one| vec![one]),
        };
        let Some(ids) = ids else {
            return Err(Wrong::new(
                format!("groups.{kind}"),
                "a group, or a list of groups",
            ));
        };
        groups.insert(kind, ids);
    }
    Ok(groups)
}

type GroupProperties = BTreeMap<String, BTreeMap<String, Map<String, Value>>>;

fn group_properties(fields: &mut Map<String, Value>) -> Result<GroupProperties, Wrong> {
    let mut all = GroupProperties::new();
    for (kind, groups) in object(fields, &["group_properties", "groupProperties"])? {
        let Value::Object(groups) = groups else {
            if groups.is_null() {
                continue;
            }
            return Err(Wrong::new(
                format!("group_properties.{kind}"),
                "an object of groups",
            ));
        };
        for (group, properties) in groups {
            let Value::Object(properties) = properties else {
                if properties.is_null() {
                    continue;
                }
                return Err(Wrong::new(
                    format!("group_properties.{kind}.{group}"),
                    "an object of properties",
                ));
            };
            all.entry(kind.clone()).or_default().insert(group, properties);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::api::{amplitude, ofrep, openpanel};

    /// Any JSON, with names that mean something more often than not.
    fn any_json() -> impl Strategy<Value = Value> {
        const NAMES: [&str; 16] = [
            "context",
            "targetingKey",
            "user_id",
            "device_id",
            "session_id",
            "groups",
            "group_properties",
            "user_properties",
            "session",
            "event",
            "properties",
            "profileId",
            "groupIds",
            "__timestamp",
            "value",
            "name",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(|n| json!(n)),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        let name = prop_oneof![
            4 => proptest::sample::select(&NAMES[..]).prop_map(str::to_owned),
            1 => "\\PC{0,6}",
        ];
        leaf.prop_recursive(5, 60, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(name.clone(), inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever is sent is read or refused, and a user that is read can be evaluated.
        #[test]
        fn no_json_makes_a_reader_panic(json in any_json(), bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = ofrep::user(&bytes);
            if let Ok(user) = ofrep::user(json.to_string().as_bytes()) {
                prop_assert!(user.has_id());
            }
            if let Value::Object(fields) = json {
                if let Err(wrong) = amplitude::user(fields.clone()) {
                    prop_assert!(!wrong.to_string().is_empty());
                }
                for kind in openpanel::Kind::ALL {
                    if let Ok(event) = openpanel::plain(kind, fields.clone()) {
                        prop_assert!(event["properties"].is_object());
                    }
                }
            }
        }
    }
}
