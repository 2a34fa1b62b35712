//! Which id is bucketed.

use std::borrow::Cow;

use super::condition::{Found, find};
use crate::domain::{AssignmentMode, Scope, SubjectType, User};

/// The id that is bucketed and counted, if there is one.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Subject<'a> {
    /// This id; never empty.
    Id(Cow<'a, str>),
    /// An event without an id, in event mode: drawn at random.
    Random,
    /// The user has no id of the experiment's kind.
    Missing,
}

/// The subject of an experiment in what is known of a user. An empty id is as a missing one.
///
/// | `subjectType` | profile mode | session mode | event mode |
/// |---|---|---|---|
/// | `ANY` | user id, else device id | session id | event id, else at random |
/// | a name | property of the profile | of the session, else of the profile | of the event, else of the profile |
/// | `group:<type>` | the user's first group of the type | the same | the same |
///
/// A name is looked up as the `field` of a rule's condition is, and `user_id`, `device_id`, `session_id` and
/// `event_id` name those ids in every mode. Texts and numbers are ids; other JSON is not.
#[must_use]
pub fn subject<'a>(mode: AssignmentMode, kind: &SubjectType, user: &'a User) -> Subject<'a> {
    let id = match (kind, mode) {
        (SubjectType::Any, AssignmentMode::Profile) => {
            given(&user.user_id).or(given(&user.device_id)).map(Cow::Borrowed)
        }
        (SubjectType::Any, AssignmentMode::Session) => given(&user.session_id).map(Cow::Borrowed),
        (SubjectType::Any, AssignmentMode::Event) => match given(&user.event_id) {
            Some(id) => Some(Cow::Borrowed(id)),
            None => return Subject::Random,
        },
        (SubjectType::Group(kind), _) => user
            .groups
            .get(kind)
            .and_then(|ids| ids.iter().find(|id| !id.is_empty()))
            .map(|id| Cow::Borrowed(id.as_str())),
        (SubjectType::Named(name), mode) => {
            let scope = match mode {
                AssignmentMode::Profile => None,
                AssignmentMode::Session => Some(Scope::Session),
                AssignmentMode::Event => Some(Scope::Event),
            };
            scope
                .and_then(|scope| named(user, scope, name))
                .or_else(|| named(user, Scope::Profile, name))
                .or_else(|| in_any_mode(user, name).map(Cow::Borrowed))
        }
    };
    id.map_or(Subject::Missing, Subject::Id)
}

/// What is missing, in words, when there is no subject.
pub(super) fn wanted(mode: AssignmentMode, kind: &SubjectType) -> String {
    match (kind, mode) {
        (SubjectType::Any, AssignmentMode::Profile) => "user_id or device_id".to_owned(),
        (SubjectType::Any, AssignmentMode::Session) => "session_id".to_owned(),
        (SubjectType::Any, AssignmentMode::Event) => "event_id".to_owned(),
        (SubjectType::Named(name), _) => name.clone(),
        (SubjectType::Group(kind), _) => format!("groups.{kind}"),
    }
}

/// An id that is there and not empty.
pub(super) fn given(id: &Option<String>) -> Option<&str> {
    id.as_deref().filter(|id| !id.is_empty())
}

fn named<'a>(user: &'a User, scope: Scope, name: &str) -> Option<Cow<'a, str>> {
    let id = match find(user, scope, name)? {
        Found::Json(value) if !(value.is_string() || value.is_number()) => return None,
        Found::Groups(_) => return None,
        found => found.text()?,
    };
    (!id.is_empty()).then_some(id)
}

/// Ids that the profile's scope does not know; events are counted by them all the same.
fn in_any_mode<'a>(user: &'a User, name: &str) -> Option<&'a str> {
    match name {
        "session_id" | "sessionId" => given(&user.session_id),
        "event_id" | "eventId" => given(&user.event_id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(json: serde_json::Value) -> User {
        serde_json::from_value(json).expect("a user")
    }

    fn id(mode: AssignmentMode, kind: &str, user: &User) -> Option<String> {
        match subject(mode, &SubjectType::from(kind.to_owned()), user) {
            Subject::Id(id) => Some(id.into_owned()),
            Subject::Random => Some("(random)".to_owned()),
            Subject::Missing => None,
        }
    }

    #[test]
    fn each_kind_in_each_mode() {
        use AssignmentMode::{Event, Profile, Session};
        let all = user(json!({
            "user_id": "u", "device_id": "d", "session_id": "s", "event_id": "e",
            "user_properties": {"customer_id": 17, "cart": "profile-cart", "tags": ["a"], "vip": true, "void": ""},
            "session": {"cart": "session-cart"},
            "event": {"properties": {"cart": "event-cart"}},
            "groups": {"org": ["", "acme", "other"], "team": []},
        }));
        let empty = user(json!({"user_id": "", "device_id": "", "session_id": "", "event_id": ""}));
        let device = user(json!({"user_id": "", "device_id": "d"}));
        for (mode, kind, user, expected) in [
            (Profile, "ANY", &all, Some("u")),
            (Profile, "ANY", &device, Some("d")),
            (Profile, "ANY", &empty, None),
            (Session, "ANY", &all, Some("s")),
            (Session, "ANY", &device, None),
            (Event, "ANY", &all, Some("e")),
            (Event, "ANY", &empty, Some("(random)")),
            (Profile, "customer_id", &all, Some("17")),
            (Profile, "cart", &all, Some("profile-cart")),
            (Session, "cart", &all, Some("session-cart")),
            (Event, "cart", &all, Some("event-cart")),
            (Session, "customer_id", &all, Some("17")),
            (Event, "customer_id", &all, Some("17")),
            (Event, "customer_id", &empty, None),
            (Profile, "device_id", &all, Some("d")),
            (Profile, "user_id", &device, None),
            (Profile, "session_id", &all, Some("s")),
            (Event, "sessionId", &all, Some("s")),
            (Session, "event_id", &all, Some("e")),
            (Profile, "event_id", &device, None),
            (Profile, "tags", &all, None),
            (Profile, "vip", &all, None),
            (Profile, "void", &all, None),
            (Profile, "group:org", &all, Some("acme")),
            (Session, "group:org", &all, Some("acme")),
            (Event, "group:org", &all, Some("acme")),
            (Profile, "group:team", &all, None),
            (Event, "group:none", &all, None),
        ] {
            assert_eq!(
                id(mode, kind, user).as_deref(),
                expected,
                "{} {kind}",
                mode.as_str()
            );
        }
    }
}
