//! What is happening in a project now, and the names that its events carry: what the cockpit asks the server
//! for where its token does not open ClickHouse.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::results::Overview;
use crate::domain::FieldError;

/// The most experiments that one request may name.
pub const MAX_NAMED: usize = 100;

/// Query of `GET /overview`.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OverviewQuery {
    /// Ids of the experiments that are meant, with commas between them, at most 100; all that are not archived
    /// where it is missing. Ids that the project does not have are left out of the answer.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "join",
        deserialize_with = "split"
    )]
    #[param(value_type = Option<String>)]
    pub experiments: Option<Vec<Uuid>>,
}

fn join<S: Serializer>(ids: &Option<Vec<Uuid>>, serializer: S) -> Result<S::Ok, S::Error> {
    let ids = ids.iter().flatten().map(Uuid::to_string);
    serializer.serialize_str(&ids.collect::<Vec<_>>().join(","))
}

fn split<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Uuid>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let ids = text.split(',').map(|id| Uuid::try_parse(id.trim()));
    let ids: Option<Vec<Uuid>> = ids.map(Result::ok).collect();
    match ids {
        Some(ids) if ids.len() <= MAX_NAMED => Ok(Some(ids)),
        // Serde puts the name of the field in its place.
        _ => Err(de::Error::custom(FieldError::new(
            "experiments",
            text.chars().take(80).collect::<String>(),
            format!("at most {MAX_NAMED} ids of experiments, with commas between them"),
        ))),
    }
}

/// Answer of `GET /overview`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverviewList {
    /// The live numbers, one for each experiment; in the order of their keys.
    pub overviews: Vec<Overview>,
    /// By the id of the experiment: a text that changes when something arrived that its results are made of.
    pub marks: BTreeMap<Uuid, String>,
}

/// Which names are wanted.
#[derive(Debug, Clone, Copy, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamesOf {
    /// Names of events.
    Events,
    /// Names of properties.
    Properties,
    /// Values of a property.
    Values,
}

/// Query of `GET /names`.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamesQuery {
    /// Which names.
    #[param(inline)]
    pub of: NamesOf,
    /// The property whose values are wanted; for `values` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
}

/// Answer of `GET /names`.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NameList {
    /// What the project's events of the last 30 days carry, the most frequent first; at most 200.
    pub names: Vec<String>,
}
