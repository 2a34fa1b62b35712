//! The OpenFeature Remote Evaluation Protocol (OFREP): what its clients send and get.
//!
//! The names on the wire are the protocol's. A request's context becomes a [`User`]:
//!
//! | key of the context | becomes |
//! |---|---|
//! | `targetingKey` | the user id |
//! | `user_id`, `device_id`, `session_id`, `event_id` (or camelCase) | that id; `targetingKey` wins over `user_id` |
//! | `groups` | type → a group, or a list of them |
//! | `group_properties` | type → group → properties |
//! | `session`, `event` | what the scopes `session` and `event` of rules look at |
//! | `user_properties` | properties of the person |
//! | any other key | a property of the person of that name, which wins over one in `user_properties` |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::{Reason, User};

use super::sdk_user::{self, Wrong};

/// Body of an evaluation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// Who asks, and what is known about them.
    #[serde(default)]
    pub context: Value,
}

/// The OpenFeature reason of an answer.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OpenReason {
    /// Everybody gets it.
    Static,
    /// A rule or an override says so.
    TargetingMatch,
    /// The subject's bucket.
    Split,
    /// The flag is off, or the experiment does not run.
    Disabled,
    /// Nothing decided.
    Default,
}

impl From<Reason> for OpenReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Override | Reason::Rule => Self::TargetingMatch,
            Reason::Holdout | Reason::Sticky | Reason::Allocation => Self::Split,
            Reason::Winner => Self::Static,
            Reason::ExperimentInactive | Reason::ExperimentEnded | Reason::FlagDisabled => Self::Disabled,
            Reason::Unallocated => Self::Default,
        }
    }
}

/// One flag, evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evaluation {
    /// The flag's key.
    pub key: String,
    /// Of the same type whichever variant is answered: the payload; where there is none, true or false for a
    /// switch (`on` and `off`), else the variant's key. See `docs/sdks.md` for variants of several types.
    pub value: Value,
    /// The variant's key.
    pub variant: String,
    /// Why, in OpenFeature's words; ours is in the metadata.
    pub reason: OpenReason,
    /// The attribution, our reason, the rule: texts, numbers and booleans only.
    pub metadata: BTreeMap<String, Value>,
}

/// Answer of a bulk evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Bulk {
    /// Every flag that the caller sees, sorted by key.
    pub flags: Vec<Evaluation>,
}

/// What went wrong, in OpenFeature's words.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// The body is not JSON.
    ParseError,
    /// No id is in the context.
    TargetingKeyMissing,
    /// The context is there and not of the right form.
    InvalidContext,
    /// There is no such flag, or the deployment does not see it.
    FlagNotFound,
    /// Anything else.
    General,
}

/// An evaluation that failed.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The flag that was asked for; none in a bulk evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What went wrong.
    pub error_code: ErrorCode,
    /// The same in words, and what to do.
    pub error_details: String,
}

impl Failure {
    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.error_code {
            ErrorCode::ParseError | ErrorCode::TargetingKeyMissing | ErrorCode::InvalidContext => 400,
            ErrorCode::FlagNotFound => 404,
            ErrorCode::General => 500,
        }
    }
}

/// Answer of `GET /ofrep/v1/configuration`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// `splitdeck`
    pub name: String,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// What the server can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// How clients learn of changes.
    pub cache_invalidation: CacheInvalidation,
    /// Which types of values there are.
    pub flag_evaluation: FlagEvaluation,
    /// Whether server providers may keep answers.
    pub caching: Caching,
}

/// How clients learn of changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CacheInvalidation {
    /// By asking again.
    pub polling: Polling,
}

/// Asking again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Polling {
    /// Whether it makes sense.
    pub enabled: bool,
    /// Not more often than this.
    pub min_polling_interval_ms: u32,
}

/// Which types of values there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagEvaluation {
    /// Their names in the protocol.
    pub supported_types: Vec<String>,
}

/// Whether server providers may keep answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Caching {
    /// Never: a decision is cheap, and a change holds at once.
    pub enabled: bool,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            name: "splitdeck".to_owned(),
            capabilities: Capabilities {
                cache_invalidation: CacheInvalidation {
                    polling: Polling {
                        enabled: true,
                        min_polling_interval_ms: 1_000,
                    },
                },
                flag_evaluation: FlagEvaluation {
                    supported_types: ["boolean", "string", "int", "float", "object"]
                        .map(str::to_owned)
                        .to_vec(),
                },
                caching: Caching { enabled: false },
            },
        }
    }
}

/// The user of a request's body.
///
/// # Errors
/// [`ErrorCode::ParseError`], [`ErrorCode::InvalidContext`] with the key at fault, or
/// [`ErrorCode::TargetingKeyMissing`]; as code and words.
pub fn user(body: &[u8]) -> Result<User, (ErrorCode, String)> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| (ErrorCode::ParseError, format!("the body is not JSON: {error}")))?;
    let invalid = |wrong: Wrong| (ErrorCode::InvalidContext, wrong.to_string());
    let mut context = match body {
        Value::Object(mut fields) => match fields.remove("context") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(context)) => context,
            Some(_) => return Err(invalid(Wrong::new("context", "an object"))),
        },
        _ => {
            let text = "the body is JSON and no object; send {\"context\": {\"targetingKey\": …}}";
            return Err((ErrorCode::ParseError, text.to_owned()));
        }
    };
    let key = sdk_user::id(&mut context, &["targetingKey"]).map_err(invalid)?;
    let mut user = sdk_user::take(&mut context).map_err(invalid)?;
    if key.is_some() {
        user.user_id = key;
    }
    // What the evaluation context says itself is newer than a bag of properties inside it.
    user.user_properties
        .extend(context.into_iter().filter(|(_, value)| !value.is_null()));
    if user.has_id() {
        Ok(user)
    } else {
        Err((
            ErrorCode::TargetingKeyMissing,
            "the context has no id; set targetingKey, user_id, device_id, session_id, event_id or groups"
                .to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(body: &Value) -> Result<User, ErrorCode> {
        user(body.to_string().as_bytes()).map_err(|(code, words)| {
            assert!(!words.is_empty());
            code
        })
    }

    #[test]
    fn every_key_of_a_context_has_its_place() {
        let context = json!({"context": {
            "targetingKey": "u1", "user_id": "shadowed", "deviceId": "d1", "session_id": 17,
            "groups": {"org": "acme", "team": ["a", "b"]}, "groupProperties": {"org": {"acme": {"plan": "pro"}}},
            "user_properties": {"plan": "free", "age": 41}, "plan": "pro", "vip": true, "void": null,
            "session": {"page": "/"}, "event": {"name": "x"},
        }});
        let user = of(&context).expect("a user");
        assert_eq!(
            serde_json::to_value(&user).expect("writes"),
            json!({
                "user_id": "u1", "device_id": "d1", "session_id": "17",
                "user_properties": {"plan": "pro", "age": 41, "vip": true},
                "session": {"page": "/"}, "event": {"name": "x"},
                "groups": {"org": ["acme"], "team": ["a", "b"]},
                "group_properties": {"org": {"acme": {"plan": "pro"}}},
            })
        );
        let by_group = json!({"context": {"groups": {"org": "acme"}}});
        assert!(of(&by_group).expect("a group is enough").user_id.is_none());
    }

    #[test]
    fn each_refusal_has_its_code() {
        for (body, code) in [
            (json!({}), ErrorCode::TargetingKeyMissing),
            (json!({"context": null}), ErrorCode::TargetingKeyMissing),
            (
                json!({"context": {"targetingKey": ""}}),
                ErrorCode::TargetingKeyMissing,
            ),
            (json!({"context": []}), ErrorCode::InvalidContext),
            (
                json!({"context": {"targetingKey": {}}}),
                ErrorCode::InvalidContext,
            ),
            (
                json!({"context": {"targetingKey": "a", "groups": 1}}),
                ErrorCode::InvalidContext,
            ),
            (json!([]), ErrorCode::ParseError),
        ] {
            assert_eq!(of(&body), Err(code), "{body}");
        }
        assert_eq!(user(b"{").map_err(|e| e.0), Err(ErrorCode::ParseError));
    }

    #[test]
    fn reasons_are_told_in_the_words_of_the_protocol() {
        for (reason, open) in [
            (Reason::Override, "TARGETING_MATCH"),
            (Reason::Rule, "TARGETING_MATCH"),
            (Reason::Holdout, "SPLIT"),
            (Reason::Allocation, "SPLIT"),
            (Reason::Unallocated, "DEFAULT"),
            (Reason::ExperimentInactive, "DISABLED"),
            (Reason::Winner, "STATIC"),
        ] {
            assert_eq!(
                serde_json::to_value(OpenReason::from(reason)).expect("writes"),
                open
            );
        }
    }
}
