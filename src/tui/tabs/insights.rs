//! Insights: the results in words.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cockpit::format;
use crate::cockpit::state::{ExperimentDetail, Laid};
use crate::domain::Experiment;
use crate::tui::page::Page;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::empty;

/// Longer lines are hard to read.
const MEASURE: u16 = 96;

/// Draws the tab.
pub fn draw(pen: &mut Pen<'_>, experiment: &Experiment, detail: &ExperimentDetail, now: Timestamp) -> Laid {
    let theme = pen.theme;
    let (width, height) = (pen.width(), pen.height());
    let Some(results) = &detail.results.value else {
        let mut inside = pen.part(2, 0, width.saturating_sub(4), height);
        match &detail.results.failure {
            Some(failure) => {
                empty(
                    &mut inside,
                    &format!("Cannot load the results: {}", failure.message),
                    "Tried again by itself; ctrl-r tries at once.",
                );
            }
            None => {
                inside.text(0, 0, &theme.glyphs.text("Asking for the results …"), theme.dim);
            }
        }
        return Laid::default();
    };
    let mut page = Page::new(theme, width.min(MEASURE));
    let age = format!(
        "of {} UTC, {} ago",
        format::moment(results.computed_at, &TimeZone::UTC),
        format::age(results.computed_at, now)
    );
    page.heading("Summary", &age);
    page.text(
        "Written by rules from the numbers of Analytics, not by a language model. It follows the data by itself.",
        theme.dim,
    );
    if results.query != crate::api::results::ResultsQuery::default() {
        page.text("The filters of the Analytics tab apply.", theme.info);
    }
    if experiment.resource_version != detail.results_version {
        page.text(
            "The configuration changed since; a new summary is on its way.",
            theme.stale,
        );
    }
    for paragraph in &detail.summary {
        page.heading(paragraph.title, "");
        page.text(&paragraph.text, theme.text);
    }
    page.draw(pen, detail.row())
}
