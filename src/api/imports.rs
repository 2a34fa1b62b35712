//! Bulk imports of overrides over the wire.
//!
//! `POST /experiments/{idOrKey}/override-imports` takes the ids as a stream and stages them: that is the dry
//! run, nothing is in force yet. `…/{id}/apply` applies the next chunks, and may be repeated: a chunk
//! that landed is not applied again. `…/{id}/undo` takes them back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::domain::{Key, OverrideSubject};

/// Request header that names an import, so that sending it again does not stage it twice.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How many ids a chunk has; the last one has fewer.
pub const CHUNK_IDS: usize = 10_000;

/// Query of `POST /experiments/{idOrKey}/override-imports`. The body is text: ids, one a line or
/// with commas between them.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartImport {
    /// The forced variant.
    pub variant: Key,
    /// What kind of ids these are.
    pub subject_type: OverrideSubject,
    /// Where the ids come from, such as the name of a file; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportState {
    /// Nothing of it is in force.
    Staged,
    /// Some chunks are in force.
    Applying,
    /// All chunks are in force.
    Applied,
    /// Some chunks were taken back.
    Undoing,
    /// All chunks that were in force were taken back.
    Undone,
}

/// An id that was refused.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Malformed {
    /// Its line, from 1.
    pub line: u64,
    /// What was there, shortened.
    pub given: String,
    /// What is allowed.
    pub allowed: String,
}

/// What an import would do, or did, to the overrides.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportEffect {
    /// Subjects that had no override before.
    pub added: u64,
    /// Subjects that had another variant before.
    pub changed: u64,
    /// Of those, how many had which variant.
    pub changed_from: BTreeMap<String, u64>,
    /// Subjects that had this variant already.
    pub unchanged: u64,
}

/// A bulk import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// What it is applied and undone by.
    pub id: Uuid,
    /// The experiment's key.
    pub experiment: Key,
    /// The forced variant.
    pub variant: Key,
    /// What kind of ids these are.
    pub subject_type: OverrideSubject,
    /// Where the ids came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
    /// SHA-256 of the body, in hexadecimal.
    pub sha256: String,
    /// How far it is.
    pub state: ImportState,
    /// Ids in the body, malformed ones included.
    pub received: u64,
    /// Different ids that can be applied.
    pub unique: u64,
    /// Ids that were there before in the same body.
    pub duplicates: u64,
    /// Ids that were refused.
    pub malformed: u64,
    /// The first hundred refused ones.
    #[serde(default)]
    pub malformed_lines: Vec<Malformed>,
    /// The first three sound ids of the body.
    pub first: Vec<String>,
    /// The last three sound ids of the body.
    pub last: Vec<String>,
    /// What it would do if it were applied now (dry run; in a list: at the time it was staged); of the chunks in
    /// force: what they did.
    pub effect: ImportEffect,
    /// Subjects that were exposed to another variant already; their past exposures stay counted there. None
    /// when ClickHouse could not be asked.
    #[serde(default)]
    pub exposed_elsewhere: Option<u64>,
    /// Why `exposedElsewhere` is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed_unknown: Option<String>,
    /// How many chunks it has.
    pub chunks: u32,
    /// How many of them are in force: always the first ones.
    pub applied_chunks: u32,
    /// What happened to the ids of the chunks that were taken back: `undone` got their former override back,
    /// the others had been changed by somebody else meanwhile and were left alone.
    #[serde(default)]
    pub undone: u64,
    /// Left alone by the undo.
    #[serde(default)]
    pub kept: u64,
    /// Since when it cannot be undone any more: what its ids had before was kept for as long as the server is told to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_at: Option<Timestamp>,
    /// Who staged it.
    pub actor: String,
    /// When it was staged.
    pub created_at: Timestamp,
    /// When a chunk last landed or was taken back.
    pub updated_at: Timestamp,
}

/// Body of `POST …/override-imports/{id}/apply` and `…/undo`.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyChunks {
    /// How many chunks at most; all that are left where it is missing. Each chunk is a transaction of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u32>,
}

/// What the import does to one id, or did if its chunk is in force.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowEffect {
    /// It has no override.
    Added,
    /// It has another variant.
    Changed,
    /// It has this variant.
    Unchanged,
}

/// One id of an import.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportRow {
    /// The id.
    pub subject_id: String,
    /// What the import does to it.
    pub effect: RowEffect,
    /// The variant it has, or had before the import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Query of `GET …/override-imports/{id}/rows`.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListImportRows {
    /// Only these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<RowEffect>,
    /// Only ids that contain this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// Only ids from this position on, in the order of the ids: the `nextAfter` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Page size, 1 to 1,000; 100 where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of the dry run. The ids stand in the order of their bytes, as they are applied.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportRows {
    /// The ids of this page.
    pub rows: Vec<ImportRow>,
    /// To be sent as `after` for the next page; none on the last one.
    #[serde(default)]
    pub next_after: Option<u64>,
}

/// Answer of `GET /experiments/{idOrKey}/override-imports`: the newest first, at most 50.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportList {
    /// The imports.
    pub imports: Vec<Import>,
}
