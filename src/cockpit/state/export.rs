//! A table that is being written into files.

use std::time::Duration;

use jiff::Timestamp;

use crate::cockpit::export::ExportId;

/// An export that is under way.
#[derive(Debug, Clone, Eq, PartialEq)]
pub struct Exporting {
    /// Which.
    pub id: ExportId,
    /// What is written: `overrides`, `history`.
    pub what: &'static str,
    /// How many rows are written.
    pub rows: u64,
    /// How many there will be, where that is known.
    pub total: Option<u64>,
    /// When it began.
    pub began_at: Timestamp,
    /// Whether the token was refused since the last page that came.
    pub refused: bool,
}

impl Exporting {
    /// How long it will take, once that can be told.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        let total = self.total.filter(|total| *total > self.rows)?;
        let took = now.duration_since(self.began_at).as_secs_f64();
        if self.rows == 0 || took < 1.0 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let left = took * (total - self.rows) as f64 / self.rows as f64;
        Duration::try_from_secs_f64(left).ok()
    }
}
