//! Variants: what an experiment can serve.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Key, Percent};

/// One arm of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// The name that code and events use (`__variantId`); unique in the experiment, case-insensitive.
    pub key: Key,
    /// The name that people read.
    #[serde(default)]
    pub name: String,
    /// What a user of this variant sees.
    #[serde(default)]
    pub description: String,
    /// Any JSON, handed to the caller with the decision.
    #[serde(default)]
    pub payload: serde_json::Value,
    /// Whether the other arms are compared with this one. Exactly one variant is the control.
    #[serde(default)]
    pub is_control: bool,
    /// The share of the randomly allocated traffic.
    #[serde(default)]
    pub traffic_pct: Percent,
    /// Position in lists and in the split; breaks ties between rules of equal priority, lower first.
    #[serde(default)]
    pub order_index: u32,
}

impl Variant {
    /// The name to show: `name`, or the key where there is none.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.name.is_empty() {
            self.key.as_str()
        } else {
            &self.name
        }
    }
}
