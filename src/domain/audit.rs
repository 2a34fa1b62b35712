//! The audit log: who changed what, when, from and to.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Writes the enum of actions with their words on the wire.
macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// What was done. The names on the wire are fixed (`experiment.created`).
        #[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd)]
        pub enum AuditAction {
            $($(#[doc = $doc])+ $name,)+
            /// Something that only a newer version of this program knows.
            Other,
        }

        /// The words of all that this version knows.
        const WORDS: &[&str] = &[$($word),+];

        impl AuditAction {
            /// All that this version knows.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word on the wire, in the store and on the screen.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                    Self::Other => "other",
                }
            }
        }
    };
}

actions! {
    /// An experiment came to be.
    Created = "experiment.created",
    /// An experiment was deleted (drafts only).
    Deleted = "experiment.deleted",
    /// Its status changed.
    StatusChanged = "experiment.status_changed",
    /// Its variants or their split changed.
    VariantsChanged = "experiment.variants_changed",
    /// Its rules changed.
    RulesChanged = "experiment.rules_changed",
    /// Overrides were added, changed or removed.
    OverridesImported = "experiment.overrides_imported",
    /// Anything else of its configuration changed.
    SettingsChanged = "experiment.settings_changed",
    /// A winner was applied.
    ApplyWinner = "experiment.apply_winner",
    /// The guard paused it for a sample ratio mismatch.
    AutoPausedSrm = "experiment.auto_paused_srm",
    /// It was copied to a project, or came to be as a copy.
    Copied = "experiment.copied",
    /// It was turned into a flag, or came to be from one.
    Converted = "experiment.converted",
    /// A summary of its results was saved.
    InsightSaved = "experiment.insight_saved",
    /// A flag came to be.
    FlagCreated = "flag.created",
    /// It was switched on or off, archived or shown again.
    FlagStatusChanged = "flag.status_changed",
    /// Its variants, their shares or its rollout changed.
    FlagVariantsChanged = "flag.variants_changed",
    /// Its rules changed.
    FlagRulesChanged = "flag.rules_changed",
    /// Its overrides were added, changed or removed.
    FlagOverridesImported = "flag.overrides_imported",
    /// Anything else of its configuration changed.
    FlagSettingsChanged = "flag.settings_changed",
    /// It was copied to a project, or came to be as a copy.
    FlagCopied = "flag.copied",
    /// It was turned into an experiment, or came to be from one.
    FlagConverted = "flag.converted",
    /// It went with the draft that it came with.
    FlagDeleted = "flag.deleted",
    /// A deployment came to be.
    DeploymentCreated = "deployment.created",
    /// It was renamed.
    DeploymentSettingsChanged = "deployment.settings_changed",
    /// It got a new key.
    DeploymentKeyRotated = "deployment.key_rotated",
    /// Its keys are not taken any more.
    DeploymentRevoked = "deployment.revoked",
    /// A project came to be.
    ProjectCreated = "project.created",
    /// Its name, environment or protection changed.
    ProjectSettingsChanged = "project.settings_changed",
    /// The organization's name or key changed.
    OrganizationSettingsChanged = "organization.settings_changed",
    /// A lab came to be.
    LabCreated = "lab.created",
    /// It changed.
    LabSettingsChanged = "lab.settings_changed",
    /// A token was made.
    TokenCreated = "token.created",
    /// What it may do changed.
    TokenRolesChanged = "token.roles_changed",
    /// It is not taken any more.
    TokenRevoked = "token.revoked",
}

impl From<&str> for AuditAction {
    /// A word that this version does not know is [`AuditAction::Other`]: the log stays readable.
    fn from(word: &str) -> Self {
        let known = Self::ALL.iter().find(|action| action.as_str() == word);
        known.copied().unwrap_or(Self::Other)
    }
}

impl utoipa::PartialSchema for AuditAction {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String);
        text.enum_values(Some(WORDS.iter().copied())).into()
    }
}

impl ToSchema for AuditAction {}

impl Serialize for AuditAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AuditAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        match Self::from(word.as_ref()) {
            Self::Other => Err(serde::de::Error::unknown_variant(&word, WORDS)),
            known => Ok(known),
        }
    }
}

/// Reads the action of an entry, which a newer version may have written.
fn of_entry<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AuditAction, D::Error> {
    let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    Ok(AuditAction::from(word.as_ref()))
}

/// One field's change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Rises with time; what pages are cut at.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: the name of a token, `srm-guard`, or `system` for what a server does at its start.
    pub actor: String,
    /// What was done.
    #[serde(deserialize_with = "of_entry")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_word_of_its_own_and_an_unknown_one_is_read() {
        for action in AuditAction::ALL {
            let json = serde_json::to_value(action).expect("writes");
            assert_eq!(json, action.as_str());
            let back: AuditAction = serde_json::from_value(json).expect("reads");
            assert_eq!(back, *action);
        }
        let entry = serde_json::json!({
            "id": 1, "at": "2026-01-01T00:00:00Z", "actor": "a", "action": "experiment.teleported",
            "objectId": Uuid::nil(), "objectKey": "k", "resourceVersion": 1,
        });
        let later: AuditEntry = serde_json::from_value(entry).expect("reads");
        assert_eq!(later.action, AuditAction::Other);
        // A filter is another matter: a typing error must not look like an empty log.
        assert!(serde_json::from_str::<AuditAction>("\"experiment.teleported\"").is_err());
    }
}
