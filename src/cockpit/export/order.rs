//! Tables that are longer than what the screen holds: asked for page by page while their files are written.

use uuid::Uuid;

use super::rows::Shape;
use super::tables;
use crate::api::audit::AuditQuery;
use crate::api::imports::ListImportRows;
use crate::api::overrides::ListOverrides;
use crate::cockpit::edit::Of;
use crate::cockpit::format;

/// The number of an export; later ones have higher ones.
pub type ExportId = u64;

/// What is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Which export.
    pub id: ExportId,
    /// The names of both files, without folder and ending.
    pub name: String,
    /// Where the rows come from.
    pub source: Source,
}

/// Where the rows of an export come from: the server's pages, from the first one on.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// `GET /experiments/{id}/overrides`, or the same of a flag.
    Overrides {
        /// Of what.
        of: Of,
        /// Of which one.
        id: Uuid,
        /// Which of them.
        query: ListOverrides,
    },
    /// `GET /experiments/{id}/history`.
    History {
        /// Of which experiment.
        id: Uuid,
    },
    /// `GET /audit`.
    Audit(Box<AuditQuery>),
    /// `GET …/override-imports/{import}/rows`.
    ImportRows {
        /// Of what.
        of: Of,
        /// Of which one.
        id: Uuid,
        /// Of which import.
        import: Uuid,
        /// Which rows.
        query: ListImportRows,
    },
}

impl Source {
    /// What its table looks like.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match self {
            Self::Overrides { .. } => tables::OVERRIDES,
            Self::History { .. } => tables::HISTORY,
            Self::Audit(query) if query.object_id.is_some() => tables::HISTORY,
            Self::Audit(_) => tables::AUDIT,
            Self::ImportRows { .. } => tables::IMPORT_ROWS,
        }
    }
}

/// What is told of an export.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Told {
    /// So many rows are written.
    Written {
        /// Which export.
        id: ExportId,
        /// How many.
        rows: u64,
    },
    /// Its token is refused: it waits for other credentials, if there are any.
    Refused {
        /// Which export.
        id: ExportId,
        /// That it is, in words.
        why: String,
    },
    /// It has ended.
    Ended {
        /// Which export.
        id: ExportId,
        /// How many rows were written, and the paths of the files; or what failed, on what, and what to do.
        outcome: Result<(u64, Vec<String>), String>,
    },
}

/// That an export ended before its time, and why.
#[must_use]
pub fn ended(what: &str, rows: u64, why: &str) -> String {
    let rows = format::counted(rows, "row", "rows");
    format!("The export of {what} ended after {rows}, and no file is kept: {why}")
}
