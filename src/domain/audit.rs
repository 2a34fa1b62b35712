//! The audit log: who changed what, when, from and to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What was done. The names on the wire are fixed (`experiment.created`).
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum AuditAction {
    /// An experiment came to be.
    #[serde(rename = "experiment.created")]
    Created,
    /// An experiment was deleted (drafts only).
    #[serde(rename = "experiment.deleted")]
    Deleted,
    /// Its status changed.
    #[serde(rename = "experiment.status_changed")]
    StatusChanged,
    /// Its variants or their split changed.
    #[serde(rename = "experiment.variants_changed")]
    VariantsChanged,
    /// Its rules changed.
    #[serde(rename = "experiment.rules_changed")]
    RulesChanged,
    /// Overrides were added, changed or removed.
    #[serde(rename = "experiment.overrides_imported")]
    OverridesImported,
    /// Anything else of its configuration changed.
    #[serde(rename = "experiment.settings_changed")]
    SettingsChanged,
    /// A winner was applied.
    #[serde(rename = "experiment.apply_winner")]
    ApplyWinner,
    /// The guard paused it for a sample ratio mismatch.
    #[serde(rename = "experiment.auto_paused_srm")]
    AutoPausedSrm,
}

/// One field's change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Path of the field, such as `variants.treatment.trafficPct`.
    pub field: String,
    /// What it was; null when it did not exist.
    pub from: Value,
    /// What it is now; null when it is gone.
    pub to: Value,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Rises with time; what pages are cut at.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: the name of a token, or `srm-guard`.
    pub actor: String,
    /// What was done.
    pub action: AuditAction,
    /// The object it was done to.
    pub object_id: Uuid,
    /// The object's key at that time.
    pub object_key: String,
    /// The object's version after it.
    pub resource_version: u64,
    /// The fields that changed.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// The reason or comment that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Numbers behind an automatic action, such as the p-value.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub evidence: Value,
}
