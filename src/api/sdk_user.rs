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
