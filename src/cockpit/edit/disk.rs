//! What is kept of drafts on disk, and what is found there.
//!
//! Every cockpit keeps its drafts in files of its own, so that two of them never write the same file. What a
//! cockpit leaves behind that ended is offered to the next one that looks.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::draft::StoredDraft;
use super::flag::StoredFlag;

/// What a draft is of.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Of {
    /// An experiment.
    #[default]
    Experiment,
    /// A flag.
    Flag,
}

/// Which draft: of which object on which server.
#[derive(Debug, Clone, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
pub struct DraftKey {
    /// The server's address.
    pub server: String,
    /// The project.
    pub project: Uuid,
    /// What it is of.
    #[serde(default)]
    pub of: Of,
    /// The id of the experiment or flag; nil for an experiment that is being created.
    #[serde(alias = "experiment")]
    pub object: Uuid,
}

/// A project of a server, as drafts are kept for it.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Place {
    /// The server's address.
    pub server: String,
    /// The project.
    pub project: Uuid,
}

/// A draft as it is kept on disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Kept {
    /// Of an experiment.
    Experiment(Box<StoredDraft>),
    /// Of a flag.
    Flag(Box<StoredFlag>),
}

impl Kept {
    /// Reads what was written of a draft of this kind.
    ///
    /// # Errors
    /// What cannot be read, and where.
    pub fn read(of: Of, text: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match of {
            Of::Experiment => Self::Experiment(serde_json::from_slice(text)?),
            Of::Flag => Self::Flag(serde_json::from_slice(text)?),
        })
    }

    /// Which draft.
    #[must_use]
    pub fn key(&self) -> &DraftKey {
        match self {
            Self::Experiment(stored) => &stored.key,
            Self::Flag(stored) => &stored.key,
        }
    }

    /// When it was last changed.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Experiment(stored) => stored.at,
            Self::Flag(stored) => stored.at,
        }
    }

    /// How many changes it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Experiment(stored) => stored.count(),
            Self::Flag(stored) => stored.count(),
        }
    }
}

/// A draft that waits on disk for somebody to go on with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Left<T = Kept> {
    /// The name of the file that another cockpit left behind; none for this cockpit's own.
    pub file: Option<String>,
    /// The draft.
    pub stored: T,
}

/// What is found on disk when a draft is looked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OnDisk {
    /// This cockpit's own first, then those of cockpits that ended, the newest first.
    pub left: Vec<Left>,
    /// Those that other cockpits work on at this moment.
    pub elsewhere: Vec<Kept>,
    /// What could not be read: what failed, on what, and where it is now.
    pub trouble: Vec<String>,
}
