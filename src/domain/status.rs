//! The lifecycle of an experiment.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an experiment stands in its life.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Being prepared: everybody gets the default variant.
    Draft,
    /// Live: decisions are made.
    Active,
    /// Held, by a person or by the guard: everybody gets the default variant.
    Paused,
    /// Finished and still depended upon: the winner, or the default variant.
    #[serde(alias = "winner_declared")]
    Completed,
    /// Over: the default variant, and no assignment is recorded.
    Ended,
    /// As ended, and hidden from lists.
    Archived,
}

impl Status {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Draft,
        Self::Active,
        Self::Paused,
        Self::Completed,
        Self::Ended,
        Self::Archived,
    ];

    /// The statuses that may follow this one.
    #[must_use]
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Active, Self::Archived],
            Self::Active => &[Self::Paused, Self::Completed],
            Self::Paused => &[Self::Active, Self::Completed],
            Self::Completed => &[Self::Ended, Self::Archived],
            Self::Ended => &[Self::Archived],
            Self::Archived => &[Self::Ended],
        }
    }

    /// Whether `to` may follow this status.
    #[must_use]
    pub fn may_become(self, to: Self) -> bool {
        self.next().contains(&to)
    }

    /// The word on the wire and on the screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Ended => "ended",
            Self::Archived => "archived",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_the_one_on_the_wire() {
        for status in Status::ALL {
            assert_eq!(serde_json::to_value(status).expect("writes"), status.as_str());
        }
        let lab: Status = serde_json::from_str("\"winner_declared\"").expect("reads the labs' word");
        assert_eq!(lab, Status::Completed);
    }

    #[test]
    fn nothing_follows_itself_and_nothing_returns_to_draft() {
        for from in Status::ALL {
            assert!(!from.may_become(from));
            assert!(!from.may_become(Status::Draft));
            assert!(!from.next().is_empty(), "{from} is a dead end");
        }
    }
}
