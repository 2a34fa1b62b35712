//! Flags over the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::present;
use crate::domain::{EvaluationMode, Experiment, Flag, Key, Percent, Rule, Variant};

/// Body of `POST /flags`. Only `name` or `key` is required.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateFlag {
    /// The name that people read; the key where it is missing.
    #[serde(default)]
    pub name: String,
    /// Slug; made from the name where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What it switches.
    #[serde(default)]
    pub description: String,
    /// Whether it serves anything but `off`.
    #[serde(default)]
    pub enabled: bool,
    /// The share of subjects that get one of the variants.
    #[serde(default)]
    pub rollout_pct: Percent,
    /// What it serves; `on` to the whole rollout where they are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variants: Option<Vec<Variant>>,
    /// Who gets which variant by their properties.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Where it is evaluated.
    #[serde(default)]
    pub evaluation_mode: EvaluationMode,
    /// The deployments that see it; the project's default one where they are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployments: Option<Vec<Uuid>>,
}

/// Body of `PATCH /flags/{idOrKey}`: what is there is changed, what is missing stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateFlag {
    /// The version the change was made from; a newer one on the server is a conflict.
    pub resource_version: u64,
    /// New name.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// New description.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub description: Option<String>,
    /// Switched on or off.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub enabled: Option<bool>,
    /// New rollout.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub rollout_pct: Option<Percent>,
    /// New variants, all of them.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub variants: Option<Vec<Variant>>,
    /// New rules, all of them.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub rules: Option<Vec<Rule>>,
    /// New place of evaluation.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub evaluation_mode: Option<EvaluationMode>,
    /// New deployments, all of them.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub deployments: Option<Vec<Uuid>>,
    /// Hidden, or shown again.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(nullable = false)]
    pub archived: Option<bool>,
    /// Why, in words, for the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Query of `GET /flags`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListFlags {
    /// Whether archived ones are wanted too.
    #[serde(default)]
    pub archived: bool,
}

/// Answer of `GET /flags`, sorted by key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagList {
    /// The project's flags; archived ones only when they were asked for.
    pub flags: Vec<FlagRow>,
}

/// A flag with the experiment that decides it, if there is one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagRow {
    /// The flag.
    #[serde(flatten)]
    pub flag: Flag,
    /// Key of the experiment that is linked to it and decides it at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Key>,
    /// How many subjects are forced into a variant.
    pub overrides: u64,
    /// The same by the variant they are forced into. A variant without any is missing.
    #[serde(default)]
    pub overrides_by_variant: BTreeMap<Key, u64>,
}

/// Body of `POST /experiments/{idOrKey}/convert` (to a flag) and `POST /flags/{idOrKey}/convert` (to an
/// experiment).
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Convert {
    /// The version the decision was made from.
    pub resource_version: u64,
    /// Key of the new object; the same as the old one where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
}

/// Answer to [`Convert`].
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Converted {
    /// The flag.
    pub flag: Flag,
    /// The experiment that is linked to it.
    pub experiment: Experiment,
}
