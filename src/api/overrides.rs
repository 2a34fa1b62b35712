//! Overrides over the wire.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::{Key, Override, OverrideSource, OverrideSubject};

/// The most overrides one request may set; larger sets are sent in several.
pub const MAX_OVERRIDES_PER_REQUEST: usize = 50_000;

/// Body of `PUT /experiments/{idOrKey}/overrides`: sets the same variant for many subjects.
///
/// Setting a subject again updates it; with the same variant that changes nothing.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetOverrides {
    /// The forced variant.
    pub variant: Key,
    /// What kind of ids these are.
    pub subject_type: OverrideSubject,
    /// The ids, at most [`MAX_OVERRIDES_PER_REQUEST`].
    pub subject_ids: Vec<String>,
    /// How they came to be: `fixed` one by one (the default), `manual` in bulk.
    #[serde(default = "fixed")]
    pub source: OverrideSource,
}

fn fixed() -> OverrideSource {
    OverrideSource::Fixed
}

/// Answer to [`SetOverrides`].
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverridesSet {
    /// Subjects that had no override before.
    pub added: u64,
    /// Subjects that had another variant before.
    pub changed: u64,
    /// Subjects that had this variant already.
    pub unchanged: u64,
}

/// Query of `DELETE /experiments/{idOrKey}/overrides`.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteOverride {
    /// What kind of id.
    pub subject_type: OverrideSubject,
    /// The id.
    pub subject_id: String,
}

/// Query of `GET /experiments/{idOrKey}/overrides`.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListOverrides {
    /// Only ids that contain this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only ids after this one (the last of the page before), as `user:alice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Page size, 1 to 1,000; 100 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of overrides, sorted by subject type and id.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverridePage {
    /// The overrides of this page.
    pub overrides: Vec<Override>,
    /// To be sent as `after` for the next page; none on the last one.
    #[serde(default)]
    pub next_after: Option<String>,
    /// All overrides of the experiment with source `fixed`.
    pub fixed: u64,
    /// All overrides of the experiment with source `manual`.
    pub manual: u64,
    /// All overrides of the experiment by the variant they force into. A variant without any is missing.
    #[serde(default)]
    pub by_variant: BTreeMap<Key, u64>,
}
