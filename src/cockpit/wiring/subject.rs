//! Which ids a snippet asks and tracks with.

use serde_json::{Map, Value, json};

use crate::domain::{AssignmentMode, SubjectType};

/// The user of every snippet.
pub const USER: &str = "u-1";
/// An event of event mode.
pub const EVENT: &str = "e-1";
const DEVICE: &str = "d-1";
const SESSION: &str = "s-1";
const GROUP: &str = "g-1";
const NAMED: &str = "id-1";

/// What a snippet says of its user beside [`USER`], so that an experiment finds the id that it buckets by, in
/// the evaluation as in the events.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    device: bool,
    session: bool,
    event: bool,
    group: Option<String>,
    /// The name of a property that is the id: in the evaluation, and in events.
    property: Option<(String, String)>,
}

impl Subject {
    /// Of an experiment in this mode that buckets by this id.
    pub fn of(mode: AssignmentMode, kind: &SubjectType) -> Self {
        let mut subject = Self {
            session: mode == AssignmentMode::Session,
            event: mode == AssignmentMode::Event,
            ..Self::default()
        };
        match kind {
            SubjectType::Any => {}
            SubjectType::Group(kind) => subject.group = Some(kind.clone()),
            SubjectType::Named(name) => match name.as_str() {
                "user_id" | "userId" | "profile_id" | "profileId" => {}
                "device_id" | "deviceId" => subject.device = true,
                "session_id" | "sessionId" => subject.session = true,
                "event_id" | "eventId" => subject.event = true,
                name => {
                    // A rule reads `profile.plan` as the property `plan`; events are read as they are.
                    let asked = name.strip_prefix("profile.").filter(|rest| !rest.is_empty());
                    subject.property = Some((asked.unwrap_or(name).to_owned(), name.to_owned()));
                }
            },
        }
        subject
    }

    /// Whether each event is decided by itself, and tracked under the id that was asked with. The one event is
    /// then what was exposed and what converts.
    pub fn is_event(&self) -> bool {
        self.event
    }

    /// The context of an OpenFeature client beside the targeting key.
    pub fn context(&self) -> Vec<(&str, Value)> {
        let mut fields = Vec::new();
        if self.device {
            fields.push(("device_id", DEVICE.into()));
        }
        if self.session {
            fields.push(("session_id", SESSION.into()));
        }
        if self.event {
            fields.push(("event_id", EVENT.into()));
        }
        if let Some(kind) = &self.group {
            fields.push(("groups", one(kind, GROUP.into())));
        }
        if let Some((asked, _)) = &self.property {
            fields.push((asked, NAMED.into()));
        }
        fields
    }

    /// Fields of an event of `POST /track` beside the person, each with the field of the context that has its
    /// value.
    pub fn fields(&self) -> Vec<(&'static str, &'static str, Value)> {
        let mut fields = Vec::new();
        if self.device {
            fields.push(("deviceId", "device_id", DEVICE.into()));
        }
        if self.session {
            fields.push(("sessionId", "session_id", SESSION.into()));
        }
        if self.event {
            fields.push(("id", "event_id", EVENT.into()));
        }
        fields
    }

    /// Properties of an event beside the attribution, each with the field of the context that has its value.
    pub fn properties(&self) -> Vec<(&str, &str, Value)> {
        let mut properties = Vec::new();
        if let Some(kind) = &self.group {
            properties.push(("groups", "groups", one(kind, GROUP.into())));
        }
        if let Some((asked, sent)) = &self.property {
            properties.push((sent, asked, NAMED.into()));
        }
        properties
    }

    /// Fields that Amplitude's users and events have in common, the user's id first. Of events the id is
    /// another field, and of users the visit is none that their classes know.
    pub fn amplitude(&self) -> Vec<(&'static str, Value)> {
        let mut fields = vec![("user_id", USER.into())];
        if self.device {
            fields.push(("device_id", DEVICE.into()));
        }
        if let Some(kind) = &self.group {
            fields.push(("groups", one(kind, json!([GROUP]))));
        }
        if let Some((asked, _)) = &self.property {
            fields.push(("user_properties", one(asked, NAMED.into())));
        }
        fields
    }

    /// A visit as Amplitude's users and events name it.
    pub fn amplitude_session(&self) -> Option<(&'static str, Value)> {
        self.session.then(|| ("session_id", SESSION.into()))
    }

    /// The property of Amplitude's events that is the id.
    pub fn amplitude_property(&self) -> Option<(&str, Value)> {
        self.property
            .as_ref()
            .map(|(_, sent)| (sent.as_str(), NAMED.into()))
    }
}

fn one(name: &str, value: Value) -> Value {
    Map::from_iter([(name.to_owned(), value)]).into()
}
