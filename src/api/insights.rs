//! The saved summary of an experiment over the wire.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who wrote a summary.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// Rules, from the numbers.
    Rules,
}

/// One paragraph.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paragraph {
    /// What it is about.
    pub title: String,
    /// What it says.
    pub text: String,
}

/// Answer of `GET /experiments/{idOrKey}/insight` (404 while there is none) and of `POST` to the same path,
/// which writes it anew from the numbers of that moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Insight {
    /// What it says.
    pub paragraphs: Vec<Paragraph>,
    /// Who wrote it.
    pub author: Author,
    /// Who asked for it.
    pub actor: String,
    /// When.
    pub generated_at: Timestamp,
    /// Version of the experiment that it was written from.
    pub resource_version: u64,
    /// Subjects in the arms at that time.
    pub subjects: u64,
    /// Conversions in the arms at that time.
    pub conversions: u64,
    /// What of the configuration changed since, as paths of fields; empty when nothing did.
    #[serde(default)]
    pub changed_since: Vec<String>,
}
