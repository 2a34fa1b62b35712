//! Snippets that ask for a variant and attach the attribution to events: for an experiment or a flag, with its
//! real address and keys. Shared by the cockpit and `splitdeck experiments wiring`.
//!
//! | file | what it writes |
//! |---|---|
//! | `subject` | the ids that are asked and tracked with: those that the experiment buckets by |
//! | `quote` | texts as each language writes them |
//! | `curl`, `open_feature`, `amplitude` | the snippets |

mod amplitude;
mod curl;
mod open_feature;
mod quote;
mod subject;

use uuid::Uuid;

use crate::api::deployments::DeploymentRow;
use crate::domain::{Deployment, DeploymentKind, Experiment, Flag, ValueKind};

use subject::Subject;

/// The environment variable that snippets read a server's key from.
pub const KEY_VARIABLE: &str = "SPLITDECK_KEY";

/// A language or service.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq)]
pub enum Way {
    /// A shell with curl.
    Curl,
    /// OpenFeature for JavaScript in a server.
    JsServer,
    /// OpenFeature for JavaScript in a browser.
    JsWeb,
    /// OpenFeature for Python.
    Python,
    /// OpenFeature for Go.
    Go,
    /// Amplitude's evaluation SDK for Node.
    AmplitudeNode,
    /// Amplitude's evaluation SDK for Python.
    AmplitudePython,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Curl,
        Self::JsServer,
        Self::JsWeb,
        Self::Python,
        Self::Go,
        Self::AmplitudeNode,
        Self::AmplitudePython,
    ];

    /// The name of its tab.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::JsServer => "JavaScript server",
            Self::JsWeb => "JavaScript web",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::AmplitudeNode => "Amplitude Node",
            Self::AmplitudePython => "Amplitude Python",
        }
    }

    /// The same where there is little room.
    #[must_use]
    pub fn brief(self) -> &'static str {
        match self {
            Self::JsServer => "JS server",
            Self::JsWeb => "JS web",
            _ => self.title(),
        }
    }

    /// The word of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::JsServer => "js-server",
            Self::JsWeb => "js-web",
            Self::Python => "python",
            Self::Go => "go",
            Self::AmplitudeNode => "amplitude-node",
            Self::AmplitudePython => "amplitude-python",
        }
    }
}

/// What is wired up.
#[derive(Debug, Clone)]
pub struct Wiring {
    api: String,
    /// What code asks for.
    flag: String,
    /// What an event that converts is called.
    event: String,
    /// The kind of value that code asks for.
    value: ValueKind,
    /// The key of a client; none when it is read from the environment.
    key: Option<String>,
    subject: Subject,
}

impl Wiring {
    /// Of an experiment: its linked flag is asked for, or the experiment by its own key.
    #[must_use]
    pub fn of_experiment(api: &str, experiment: &Experiment, deployment: Option<&Deployment>) -> Self {
        let flag = experiment.linked_flag.as_ref().unwrap_or(&experiment.key);
        let metric = experiment.primary_metric.as_ref();
        Self {
            api: api.trim_end_matches('/').to_owned(),
            flag: flag.to_string(),
            event: metric.map_or_else(|| "purchase".to_owned(), |metric| metric.event.clone()),
            value: experiment.value_kind(),
            key: public_key(deployment),
            subject: Subject::of(experiment.assignment_mode, &experiment.subject_type),
        }
    }

    /// Of a flag by itself.
    #[must_use]
    pub fn of_flag(api: &str, flag: &Flag, deployment: Option<&Deployment>) -> Self {
        Self {
            api: api.trim_end_matches('/').to_owned(),
            flag: flag.key.to_string(),
            event: "purchase".to_owned(),
            value: flag.value_kind(),
            key: public_key(deployment),
            subject: Subject::default(),
        }
    }

    /// The snippet, ready to run.
    #[must_use]
    pub fn snippet(&self, way: Way) -> String {
        match way {
            Way::Curl => self.curl(),
            Way::JsServer => self.js_server(),
            Way::JsWeb => self.js_web(),
            Way::Python => self.python(),
            Way::Go => self.go(),
            Way::AmplitudeNode => self.amplitude_node(),
            Way::AmplitudePython => self.amplitude_python(),
        }
    }

    /// What is said above the tracking of an event.
    fn about_events(&self) -> &'static str {
        if self.subject.is_event() {
            "Attach the attribution to the event, and track it under the id that was asked with."
        } else {
            "Attach the attribution to every event."
        }
    }

    /// The key as an expression of a language, given how it reads the environment.
    fn key(&self, quote: char, environment: &str) -> String {
        match &self.key {
            Some(key) => format!("{quote}{key}{quote}"),
            None => environment.to_owned(),
        }
    }
}

/// The deployments whose key can stand in a snippet: those that are named first, and of them those of clients,
/// whose key everybody may read; revoked ones not at all.
#[must_use]
pub fn usable<'a>(rows: &'a [DeploymentRow], named: &[Uuid]) -> Vec<&'a Deployment> {
    let mut usable: Vec<&Deployment> = rows
        .iter()
        .map(|row| &row.deployment)
        .filter(|d| d.revoked_at.is_none())
        .collect();
    usable.sort_by_key(|d| (!named.contains(&d.id), d.kind == DeploymentKind::Server));
    usable
}

/// The key, where everybody may read it.
fn public_key(deployment: Option<&Deployment>) -> Option<String> {
    deployment
        .filter(|d| d.kind == DeploymentKind::Client)
        .and_then(|d| d.key.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn experiment(fields: &Value) -> Experiment {
        let mut experiment = json!({
            "id": Uuid::nil(), "key": "x", "name": "x", "status": "active", "assignmentMode": "profile", "defaultVariantId": "a", "salt": "x",
            "resourceVersion": 1, "variants": [{"key": "a", "isControl": true}],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        for (name, value) in fields.as_object().expect("an object") {
            experiment[name] = value.clone();
        }
        serde_json::from_value(experiment).expect("an experiment")
    }

    /// A call of a client, and whether it takes an answer.
    type Call = (Way, &'static str, fn(&Value) -> bool);

    /// The calls that clients of OpenFeature offer, and what each takes as an answer; as they do it at the
    /// versions that the tests name.
    const CALLS: [Call; 14] = [
        (Way::JsServer, ".getBooleanDetails(", Value::is_boolean),
        (Way::JsServer, ".getStringDetails(", Value::is_string),
        (Way::JsServer, ".getNumberDetails(", Value::is_number),
        (Way::JsServer, ".getObjectDetails(", is_object),
        (Way::Python, ".get_boolean_details(", Value::is_boolean),
        (Way::Python, ".get_string_details(", Value::is_string),
        (Way::Python, ".get_integer_details(", is_whole),
        (Way::Python, ".get_float_details(", Value::is_f64),
        (Way::Python, ".get_object_details(", is_object),
        (Way::Go, ".BooleanValueDetails(", Value::is_boolean),
        (Way::Go, ".StringValueDetails(", Value::is_string),
        (Way::Go, ".IntValueDetails(", is_whole),
        (Way::Go, ".FloatValueDetails(", Value::is_number),
        (Way::Go, ".ObjectValueDetails(", is_object),
    ];

    fn is_object(value: &Value) -> bool {
        value.is_object() || value.is_array()
    }

    fn is_whole(value: &Value) -> bool {
        value.is_i64() || value.is_u64()
    }

    #[test]
    fn every_variant_is_answered_with_what_the_snippet_asks_for() {
        let payloads = [
            Value::Null,
            json!(true),
            json!("x"),
            json!(12),
            json!(9.5),
            json!({"a": 1}),
            json!([1]),
        ];
        for keys in [["a", "b"], ["off", "on"]] {
            for one in &payloads {
                for other in &payloads {
                    let variants = json!([
                        {"key": keys[0], "isControl": true, "payload": one},
                        {"key": keys[1], "payload": other},
                    ]);
                    let experiment = experiment(&json!({"variants": variants}));
                    let wiring = Wiring::of_experiment("http://x", &experiment, None);
                    for way in [Way::JsServer, Way::Python, Way::Go] {
                        let text = wiring.snippet(way);
                        let asks = |(of, call, _): &&Call| *of == way && text.contains(call);
                        let (_, call, takes) = CALLS.iter().find(asks).expect("a call");
                        for variant in &experiment.variants {
                            let value = experiment
                                .value_kind()
                                .value(variant.key.as_str(), &variant.payload);
                            assert!(takes(&value), "{call} of {value}: {one} {other}");
                        }
                    }
                    // Both clients for JavaScript ask in the same way.
                    let (server, web) = (wiring.snippet(Way::JsServer), wiring.snippet(Way::JsWeb));
                    let call = |text: &str| {
                        let rest = text.split("getClient().").nth(1).expect("a call");
                        rest.split('(').next().expect("a name").to_owned()
                    };
                    assert_eq!(call(&server), call(&web));
                }
            }
        }
    }

    #[test]
    fn the_ids_of_the_experiment_are_in_every_snippet() {
        for (mode, subject, ids) in [
            ("profile", "ANY", &["u-1"][..]),
            ("profile", "group:org", &["u-1", "org", "g-1"]),
            ("profile", "customer-id", &["u-1", "customer-id", "id-1"]),
            ("profile", "device_id", &["d-1"]),
            ("session", "ANY", &["s-1"]),
            ("session", "group:org", &["s-1", "g-1"]),
            ("event", "ANY", &["e-1"]),
        ] {
            let experiment = experiment(&json!({"assignmentMode": mode, "subjectType": subject}));
            let wiring = Wiring::of_experiment("http://x", &experiment, None);
            for way in Way::ALL {
                let text = wiring.snippet(way);
                for id in ids {
                    assert!(text.contains(id), "{id} of {mode} {subject}:\n{text}");
                }
                let exposes = matches!(way, Way::AmplitudeNode | Way::AmplitudePython) && mode != "event";
                assert_eq!(text.contains("$exposure"), exposes, "{text}");
            }
        }
    }
}
