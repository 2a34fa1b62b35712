//! A draft as it is kept on disk, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Conflict, Draft, Unread, chosen};
use crate::cockpit::edit::cell::Cell;
use crate::cockpit::edit::disk::DraftKey;
use crate::cockpit::edit::merge::Both;
use crate::cockpit::edit::{path, refusal};
use crate::domain::Experiment;

/// A draft as it is kept on disk, complete in itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredDraft {
    /// Which draft.
    pub key: DraftKey,
    /// When it was last changed.
    pub at: Timestamp,
    /// What it began from.
    pub base: Experiment,
    /// What it says.
    pub mine: Experiment,
    /// Texts that cannot be read, or that were still being typed.
    #[serde(default)]
    pub texts: Vec<(Cell, String)>,
    /// What both changed and nobody has decided.
    #[serde(default)]
    pub open: Vec<Both>,
}

impl StoredDraft {
    /// How many changes it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        path::changes(&self.base, &self.mine).len() + chosen(&self.base, &self.mine) + self.texts.len()
    }
}

impl Draft {
    /// A draft from disk. Nothing of its texts is taken: what was still being typed waits in its field.
    #[must_use]
    pub fn restored(stored: StoredDraft) -> Self {
        let mut draft = Self::new(Arc::new(stored.base), stored.at);
        draft.mine = stored.mine;
        for (cell, text) in stored.texts {
            let outcome = cell.apply(&text, &mut draft.mine.clone());
            let half = outcome.is_ok();
            let why = match outcome {
                Ok(()) => {
                    let label = cell.path().map(|path| path.label(&[&draft.mine]));
                    let label = label.unwrap_or_else(|| "a new link".to_owned());
                    format!("{label}: was still being typed")
                }
                Err(error) => refusal::refused(&error, &draft.mine),
            };
            draft.unread.insert(cell, Unread { text, why, half });
        }
        draft.conflicts = (stored.open.into_iter())
            .map(|both| Conflict { both, choice: None })
            .collect();
        draft.decided();
        draft.revision = 1;
        draft.restored = true;
        draft
    }

    /// What is kept on disk; with the text that is being typed.
    #[must_use]
    pub fn stored(&self, key: DraftKey, typing: Option<(Cell, String)>) -> StoredDraft {
        let mut texts: BTreeMap<Cell, String> = self
            .unread
            .iter()
            .map(|(cell, unread)| (cell.clone(), unread.text.clone()))
            .collect();
        texts.extend(typing);
        StoredDraft {
            key,
            at: self.at,
            base: (*self.base).clone(),
            mine: self.mine.clone(),
            texts: texts.into_iter().collect(),
            open: (self.conflicts.iter())
                .filter(|conflict| conflict.choice.is_none())
                .map(|conflict| conflict.both.clone())
                .collect(),
        }
    }
}
