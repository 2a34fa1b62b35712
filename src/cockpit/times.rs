//! How the cockpit writes moments that lie some time ago: as how long ago that is, or as the date in UTC.
//!
//! Spans that count (a retry, a wait, how stale something is) are no moments, and are always spans.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::format;

/// How moments are written.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq)]
pub enum Times {
    /// As how long ago they were: `6 d 4 h`.
    #[default]
    Ages,
    /// As their dates in UTC: `11-20 23:55`.
    Dates,
}

/// Columns of the longest date in a column of a table.
const DATE: u16 = 11;

impl Times {
    /// The other way.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Ages => Self::Dates,
            Self::Dates => Self::Ages,
        }
    }

    /// Whether they are written as dates.
    #[must_use]
    pub fn are_dates(self) -> bool {
        self == Self::Dates
    }

    /// A moment in a column: `6 d 4 h` and `< 1 min`, or `11-20 23:55`; of another year `2025-11-20`. The zone is for
    /// the title of the column to name: see [`Times::title`].
    #[must_use]
    pub fn cell(self, at: Timestamp, now: Timestamp) -> String {
        match self {
            Self::Ages => format::since(at, now),
            Self::Dates => short(at, now, "%Y-%m-%d"),
        }
    }

    /// A moment to come, in a column: `in 6 d 4 h`, or its date.
    #[must_use]
    pub fn until(self, at: Timestamp, now: Timestamp) -> String {
        match self {
            Self::Ages => format!("in {}", format::age(now, at)),
            Self::Dates => short(at, now, "%Y-%m-%d"),
        }
    }

    /// A moment gone by, behind a word in a column: `6 d 4 h ago`, or its date.
    #[must_use]
    pub fn cell_ago(self, at: Timestamp, now: Timestamp) -> String {
        match self {
            Self::Ages => format!("{} ago", format::since(at, now)),
            Self::Dates => self.cell(at, now),
        }
    }

    /// A moment in a sentence: `6 d 4 h ago`, `at 11-20 23:55 UTC`, `at 2025-11-20 23:55 UTC`.
    #[must_use]
    pub fn ago(self, at: Timestamp, now: Timestamp) -> String {
        match self {
            Self::Ages => format!("{} ago", format::age(at, now)),
            Self::Dates => format!("at {}", dated(at, now)),
        }
    }

    /// The same in minutes or longer, for a sentence that is to stay what it is while nothing happens.
    #[must_use]
    pub fn ago_steady(self, at: Timestamp, now: Timestamp) -> String {
        match self {
            Self::Ages => format!("{} ago", format::since(at, now)),
            Self::Dates => self.ago(at, now),
        }
    }

    /// For how long, or since when, in a sentence: `6 d 4 h`, `since 11-20 23:55 UTC`.
    #[must_use]
    pub fn lasting(self, from: Timestamp, now: Timestamp) -> String {
        match self {
            Self::Ages => format::since(from, now),
            Self::Dates => format!("since {}", dated(from, now)),
        }
    }

    /// The columns that [`Times::cell`] needs, of which ages have `ages`.
    #[must_use]
    pub fn width(self, ages: u16) -> u16 {
        match self {
            Self::Ages => ages,
            Self::Dates => ages.max(DATE),
        }
    }

    /// The title of a column of moments: dates name their zone.
    #[must_use]
    pub fn title(self, title: &str) -> String {
        match self {
            Self::Ages => title.to_owned(),
            Self::Dates => format!("{title} UTC"),
        }
    }
}

/// A moment with its zone, without the year where that is the present one.
fn dated(at: Timestamp, now: Timestamp) -> String {
    format!("{} UTC", short(at, now, "%Y-%m-%d %H:%M"))
}

/// A moment to the minute without its year, or as `other` says where the year is not that of `now`.
fn short(at: Timestamp, now: Timestamp, other: &str) -> String {
    let (at, now) = (at.to_zoned(TimeZone::UTC), now.to_zoned(TimeZone::UTC));
    let format = if at.year() == now.year() {
        "%m-%d %H:%M"
    } else {
        other
    };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    #[test]
    fn ages_and_dates_are_the_same_moments() {
        let (then, now) = (at("2026-11-14T19:55:42Z"), at("2026-11-20T23:56:00Z"));
        let (ages, dates) = (Times::Ages, Times::Ages.other());
        assert_eq!((dates, dates.other()), (Times::Dates, Times::Ages));
        assert_eq!(ages.cell(then, now), "6 d 4 h");
        assert_eq!(dates.cell(then, now), "11-14 19:55");
        assert_eq!(ages.cell_ago(then, now), "6 d 4 h ago");
        assert_eq!(dates.cell_ago(then, now), "11-14 19:55");
        assert_eq!(ages.ago(then, now), "6 d 4 h ago");
        assert_eq!(dates.ago(then, now), "at 11-14 19:55 UTC");
        assert_eq!(dates.ago_steady(then, now), "at 11-14 19:55 UTC");
        assert_eq!(ages.lasting(then, now), "6 d 4 h");
        assert_eq!(dates.lasting(then, now), "since 11-14 19:55 UTC");
        assert_eq!(ages.until(now, then), "in 6 d 4 h");
        assert_eq!(dates.until(now, then), "11-20 23:56");
        assert_eq!(ages.title("changed"), "changed");
        assert_eq!(dates.title("changed"), "changed UTC");
    }

    #[test]
    fn seconds_are_told_where_they_were_asked_for() {
        let (then, now) = (at("2026-11-20T23:55:18Z"), at("2026-11-20T23:56:00Z"));
        assert_eq!(Times::Ages.cell(then, now), "< 1 min");
        assert_eq!(Times::Ages.ago(then, now), "42 s ago");
        assert_eq!(Times::Ages.ago_steady(then, now), "< 1 min ago");
        assert_eq!(Times::Ages.lasting(then, now), "< 1 min");
    }

    #[test]
    fn another_year_is_named_and_no_date_is_wider_than_its_column() {
        let new_year = at("2027-01-01T00:00:00Z");
        let second_before = at("2026-12-31T23:59:59Z");
        let dates = Times::Dates;
        assert_eq!(dates.cell(second_before, new_year), "2026-12-31");
        assert_eq!(dates.ago(second_before, new_year), "at 2026-12-31 23:59 UTC");
        assert_eq!(dates.until(new_year, second_before), "2027-01-01");
        assert_eq!(dates.cell(new_year, new_year), "01-01 00:00");
        for then in [second_before, new_year] {
            let cell = dates.cell(then, new_year);
            assert!(cell.len() <= usize::from(dates.width(0)), "{cell}");
        }
        assert_eq!(dates.width(20), 20);
        assert_eq!(Times::Ages.width(8), 8);
    }
}
