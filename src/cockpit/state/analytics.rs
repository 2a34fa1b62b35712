//! The Analytics tab: which results are looked at, and how.

use std::collections::HashMap;

use jiff::civil::Date;

use super::text::TextField;
use crate::api::results::{BreakdownRow, Interval, ResultsQuery};

/// A part of the tab. One of them has the focus.
#[derive(Debug, Clone, Copy, Default, Eq, Hash, PartialEq)]
pub enum Panel {
    /// Counts, rates, intervals, P(best), uplift.
    #[default]
    Results,
    /// Posterior densities.
    Posterior,
    /// Configured beside observed split.
    Distribution,
    /// Exposures over time.
    Series,
    /// From exposed to converted.
    Flow,
    /// Events by value of the segment key.
    Segments,
    /// Events by value of the property key.
    Properties,
    /// Exposures counted by profile, session, device.
    Exposures,
    /// Tracked events.
    Tracked,
    /// What was checked about the data, and what was left out of it.
    Checks,
}

impl Panel {
    /// All of them, in reading order: where there are two columns, left before right.
    pub const ALL: [Self; 10] = [
        Self::Results,
        Self::Posterior,
        Self::Distribution,
        Self::Series,
        Self::Flow,
        Self::Segments,
        Self::Properties,
        Self::Exposures,
        Self::Tracked,
        Self::Checks,
    ];

    /// The panel `by` places further in reading order; the ends hold.
    #[must_use]
    pub fn step(self, by: isize) -> Self {
        let at = Self::ALL.iter().position(|panel| *panel == self).unwrap_or(0);
        Self::ALL[at.saturating_add_signed(by).min(Self::ALL.len() - 1)]
    }
}

/// What is being typed.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum PromptKind {
    /// The whole filter: dates, interval, time zone, both keys.
    Filter,
    /// The key of the segments.
    Segment,
    /// The key of the property breakdown.
    Property,
}

impl PromptKind {
    /// In front of the text.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Segment => "segment by",
            Self::Property => "break down by",
        }
    }

    /// What may be typed.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Filter => {
                "from 2026-11-01 to 2026-11-30 · last 30d · by minute, hour, day, week · segment KEY · \
                 property KEY · zone Europe/Berlin · first-seen · empty for everything"
            }
            Self::Segment | Self::Property => "a property of the events, such as country, os, browser, plan",
        }
    }
}

/// One line of text above the footer.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// What it is for.
    pub kind: PromptKind,
    /// What was typed.
    pub field: TextField,
    /// Why it was not taken.
    pub problem: Option<String>,
}

/// The Analytics tab.
#[derive(Debug, Default)]
pub struct AnalyticsState {
    /// Which results are wanted. A change makes them recomputed at once.
    pub query: ResultsQuery,
    /// The panel that has the focus.
    pub panel: Panel,
    /// Whether it fills the screen.
    pub zoomed: bool,
    /// The line that is being typed.
    pub prompt: Option<Prompt>,
}

impl AnalyticsState {
    /// The text field of the tab that takes the keys, if one does.
    pub fn text_field(&mut self) -> Option<&mut TextField> {
        self.prompt.as_mut().map(|prompt| &mut prompt.field)
    }
}

/// The filter as a person types it: only what differs from everything. [`parse_filter`] reads it back.
#[must_use]
pub fn filter_text(query: &ResultsQuery) -> String {
    let usual = ResultsQuery::default();
    let mut words = Vec::new();
    if let Some(start) = query.start {
        words.push(format!("from {start}"));
    }
    if let Some(end) = query.end {
        words.push(format!("to {end}"));
    }
    if let Some(interval) = query.interval {
        words.push(format!("by {}", interval.as_str()));
    }
    for (word, value, usual) in [
        ("segment", &query.segment_key, &usual.segment_key),
        ("property", &query.property_key, &usual.property_key),
        ("zone", &query.time_zone, &usual.time_zone),
    ] {
        if value != usual {
            words.push(format!("{word} {}", quoted(value)));
        }
    }
    if query.multi_variant != usual.multi_variant {
        words.push("first-seen".to_owned());
    }
    words.join(" ")
}

fn quoted(value: &str) -> String {
    if value.is_empty() || value.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '\\')) {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        value.to_owned()
    }
}

/// Reads a filter; what is not mentioned is as by default. `today` is in the filter's own time zone, which
/// is why it is asked for by name.
///
/// # Errors
/// What was not understood, and what would be.
pub fn parse_filter(
    text: &str,
    today: impl Fn(&str) -> Result<Date, String>,
) -> Result<ResultsQuery, String> {
    use crate::api::results::MultiVariant;

    let mut query = ResultsQuery::default();
    let (mut from, mut to, mut last) = (None, None, None);
    let mut words = words(text)?.into_iter();
    while let Some(word) = words.next() {
        let mut value = || {
            let value = words.next().filter(|value| !value.is_empty());
            value.ok_or_else(|| format!("{word}: a value must follow"))
        };
        match word.as_str() {
            "from" => from = Some(value()?),
            "to" => to = Some(value()?),
            "last" => last = Some(value()?),
            "by" => {
                let value = value()?;
                query.interval = match value.as_str() {
                    "auto" => None,
                    name => Some(interval(name)?),
                };
            }
            "segment" => query.segment_key = value()?,
            "property" => query.property_key = value()?,
            "zone" => query.time_zone = value()?,
            "first-seen" => query.multi_variant = MultiVariant::FirstSeen,
            other => {
                return Err(format!(
                    "{other:?} is not understood; there are from, to, last, by, segment, property, zone, first-seen"
                ));
            }
        }
    }
    // Also where no date needs it: a wrong zone must not reach the warehouse.
    let today = today(&query.time_zone)?;
    let date = |word: &str, text: String| match text.as_str() {
        "today" => Ok(today),
        text => text
            .parse::<Date>()
            .map_err(|_| format!("{word}: got {text:?}, wanted a date such as 2026-11-18, or today")),
    };
    query.start = from.map(|text| date("from", text)).transpose()?;
    query.end = to.map(|text| date("to", text)).transpose()?;
    if let Some(last) = last {
        if query.start.is_some() || query.end.is_some() {
            return Err("last: cannot stand beside from and to".to_owned());
        }
        query.start = Some(days_back(&last, today)?);
    }
    if let (Some(start), Some(end)) = (query.start, query.end)
        && start > end
    {
        return Err(format!("from {start} is after to {end}"));
    }
    Ok(query)
}

fn interval(name: &str) -> Result<Interval, String> {
    Interval::ALL
        .into_iter()
        .find(|interval| interval.as_str() == name)
        .ok_or_else(|| format!("by: got {name:?}, wanted minute, hour, day, week or auto"))
}

/// The first of the last so many days, today being the last of them.
fn days_back(text: &str, today: Date) -> Result<Date, String> {
    let wrong = || format!("last: got {text:?}, wanted a number of days such as 30d");
    let days: i64 = text.trim_end_matches('d').parse().map_err(|_| wrong())?;
    if days < 1 {
        return Err(wrong());
    }
    let back = jiff::Span::new().try_days(days - 1).map_err(|_| wrong())?;
    today.checked_sub(back).map_err(|_| wrong())
}

/// Words parted by blanks; double quotes hold a word with blanks together, a backslash takes the next
/// character as it is.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if quoted {
        return Err("a double quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

/// Puts new rows in the order in which they are shown, but for those that have clearly more events than the one above:
/// what has nearly as many would change places with every refresh, under the eyes of who reads it.
///
/// New values come before the first one that has fewer.
pub fn keep_order(shown: &[BreakdownRow], rows: &mut Vec<BreakdownRow>) {
    let events = |row: &BreakdownRow| row.events.iter().copied().fold(0, u64::saturating_add);
    // A tenth more, and of few events some more.
    let clearly_more = |one: &BreakdownRow, other: &BreakdownRow| {
        let other = events(other);
        events(one) > other.saturating_add((other / 10).max(5))
    };
    let places: HashMap<Option<&str>, usize> = shown
        .iter()
        .enumerate()
        .map(|(at, row)| (row.value.as_deref(), at))
        .collect();
    let place = |row: &BreakdownRow| places.get(&row.value.as_deref()).copied();
    let (mut kept, fresh): (Vec<_>, Vec<_>) = rows.drain(..).partition(|row| place(row).is_some());
    kept.sort_by_key(place);
    for from in 1..kept.len() {
        let mut at = from;
        while at > 0 && clearly_more(&kept[at], &kept[at - 1]) {
            kept.swap(at, at - 1);
            at -= 1;
        }
    }
    for row in fresh {
        let fewer = |other: &BreakdownRow| events(other) < events(&row);
        let at = kept.iter().position(fewer).unwrap_or(kept.len());
        kept.insert(at, row);
    }
    *rows = kept;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::results::MultiVariant;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<ResultsQuery, String> {
        parse_filter(text, |zone| match zone {
            "Nowhere" => Err("no such zone".to_owned()),
            _ => Ok(date(2026, 11, 18)),
        })
    }

    #[test]
    fn panels_hold_at_the_ends() {
        assert_eq!(Panel::Results.step(-1), Panel::Results);
        assert_eq!(Panel::Results.step(1), Panel::Posterior);
        assert_eq!(Panel::Results.step(isize::MAX), Panel::Checks);
        assert_eq!(Panel::Checks.step(isize::MIN), Panel::Results);
    }

    #[test]
    fn a_filter_says_only_what_differs() {
        assert_eq!(filter_text(&ResultsQuery::default()), "");
        assert_eq!(parse(""), Ok(ResultsQuery::default()));
        let all = "from 2026-11-01 to 2026-11-10 by day segment plan property \"a b\" zone Europe/Berlin first-seen";
        let query = parse(all).expect("a filter");
        assert_eq!(query.start, Some(date(2026, 11, 1)));
        assert_eq!(query.property_key, "a b");
        assert_eq!(query.multi_variant, MultiVariant::FirstSeen);
        assert_eq!(filter_text(&query), all);
    }

    #[test]
    fn days_are_counted_back_from_today() {
        assert_eq!(
            parse("last 30d").expect("a filter").start,
            Some(date(2026, 10, 20))
        );
        assert_eq!(parse("last 1").expect("a filter").start, Some(date(2026, 11, 18)));
        assert_eq!(
            parse("from today").expect("a filter").start,
            Some(date(2026, 11, 18))
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, said) in [
            ("since 2026-11-01", "since"),
            ("from", "from: a value must follow"),
            ("from yesterday", "yesterday"),
            ("from 2026-13-01", "2026-13-01"),
            ("from 2026-11-10 to 2026-11-01", "is after"),
            ("last 0d", "30d"),
            ("last 99999999999d", "30d"),
            ("last 30d to today", "beside"),
            ("by year", "year"),
            ("segment \"", "quote"),
            ("segment \"\"", "segment: a value must follow"),
            ("zone Nowhere", "no such zone"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn values_with_nearly_as_many_events_keep_their_places() {
        let rows = |all: &[(&str, u64)]| -> Vec<BreakdownRow> {
            all.iter()
                .map(|(value, events)| BreakdownRow {
                    value: Some((*value).to_owned()),
                    events: vec![*events, 0],
                    subjects: vec![0, 0],
                })
                .collect()
        };
        let kept = |shown: &[(&str, u64)], new: &[(&str, u64)]| -> Vec<String> {
            let mut new = rows(new);
            keep_order(&rows(shown), &mut new);
            new.into_iter().filter_map(|row| row.value).collect()
        };
        let shown = [("TH", 1_000), ("VN", 990), ("DE", 500)];
        let close = [("VN", 1_050), ("TH", 1_010), ("DE", 505)];
        assert_eq!(kept(&shown, &close), ["TH", "VN", "DE"]);
        let risen = [("DE", 1_200), ("VN", 1_050), ("TH", 1_010)];
        assert_eq!(kept(&shown, &risen), ["DE", "TH", "VN"]);
        let new = [("VN", 1_050), ("FR", 1_020), ("TH", 1_010), ("DE", 505)];
        assert_eq!(kept(&shown, &new), ["FR", "TH", "VN", "DE"]);
        assert_eq!(kept(&shown, &[("DE", 7)]), ["DE"]);
        assert_eq!(kept(&[], &close), ["VN", "TH", "DE"], "as the server has them");
        assert_eq!(kept(&[("a", 3), ("b", 2)], &[("b", 5), ("a", 4)]), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn keys_of_any_text_come_back(segment in ".{1,20}", property in "[^\\\\\"]{1,20}") {
            let query = ResultsQuery {
                segment_key: segment,
                property_key: property,
                ..ResultsQuery::default()
            };
            prop_assert_eq!(parse(&filter_text(&query)), Ok(query));
        }
    }
}
