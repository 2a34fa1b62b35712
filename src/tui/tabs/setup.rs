//! Setup: what the experiment is, where it stands in its life, what counts as a conversion.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::metric_text;
use crate::api::results::Overview;
use crate::cockpit::format;
use crate::cockpit::state::Laid;
use crate::domain::{AssignmentMode, EndedReason, Experiment, PauseCause, Status, SubjectType};
use crate::tui::page::{Page, columns_of, draw_two};
use crate::tui::widgets::Pen;

/// Draws the tab.
pub fn draw(
    pen: &mut Pen<'_>,
    experiment: &Experiment,
    overview: Option<&Overview>,
    offset: usize,
    now: Timestamp,
) -> Laid {
    let theme = pen.theme;
    let (left, right) = columns_of(pen.width());
    let mut one = Page::new(theme, left);
    details(&mut one, experiment);
    assignment(&mut one, experiment);
    let mut two = Page::new(theme, right);
    lifecycle(&mut two, experiment, overview, now);
    conversion(&mut two, experiment);
    splits(&mut two, experiment);
    draw_two(one, two, pen, offset)
}

fn details(page: &mut Page<'_>, experiment: &Experiment) {
    page.heading("Details", "");
    page.field("key", experiment.key.as_str());
    page.field("name", &experiment.name);
    text_or(page, "description", &experiment.description, "none");
    text_or(
        page,
        "hypothesis",
        &experiment.hypothesis,
        "none: what is expected, and why?",
    );
    if experiment.links.is_empty() {
        page.missing("links", "none");
    }
    for (at, (label, url)) in experiment.links.iter().enumerate() {
        page.field(if at == 0 { "links" } else { "" }, &format!("{label}: {url}"));
    }
    page.field("lab", &experiment.parent_id);
}

fn assignment(page: &mut Page<'_>, experiment: &Experiment) {
    page.heading("Assignment", "");
    let mode = match experiment.assignment_mode {
        AssignmentMode::Profile => "profile: sticky for a person, across visits",
        AssignmentMode::Session => "session: sticky for a visit",
        AssignmentMode::Event => "event: each event is drawn anew",
    };
    page.field("mode", mode);
    let subject = match &experiment.subject_type {
        SubjectType::Any => match experiment.assignment_mode {
            AssignmentMode::Profile => "ANY: the user id, else the device id".to_owned(),
            AssignmentMode::Session => "ANY: the session id".to_owned(),
            AssignmentMode::Event => "ANY: the event id, else a random draw".to_owned(),
        },
        SubjectType::Named(name) => format!("{name}: a property of the user and of events"),
        SubjectType::Group(kind) => format!("groups of type {kind}"),
    };
    page.field("subject", &subject);
    page.field("default", experiment.default_variant_id.as_str());
    if experiment.holdout_pct.basis_points() == 0 {
        page.missing("holdout", "none");
    } else {
        let text = format!("{} % always see control", experiment.holdout_pct);
        page.field("holdout", &text);
    }
    if experiment.sticky {
        page.field("sticky", "yes: the first variant stays when the split changes");
    } else {
        page.missing("sticky", "no: a change of the split may move subjects");
    }
    match &experiment.linked_flag {
        Some(flag) => page.field("linked flag", flag.as_str()),
        None => page.missing("linked flag", "none: code asks for the experiment itself"),
    }
    page.field("salt", &experiment.salt);
}

fn lifecycle(page: &mut Page<'_>, experiment: &Experiment, overview: Option<&Overview>, now: Timestamp) {
    let theme = page.theme;
    page.heading("Lifecycle", "");
    let auto = experiment.is_auto_paused();
    let since = experiment.status_changed_at.unwrap_or(experiment.created_at);
    let status = format!(
        "{} {} since {} ({})",
        theme.glyphs.status(experiment.status, auto),
        format::status(experiment.status, auto),
        moment(since),
        format::age(since, now)
    );
    page.field_in("status", &status, theme.status(experiment.status, auto));
    if let (Status::Paused, Some(cause)) = (experiment.status, experiment.paused_by) {
        page.field(
            "paused by",
            match cause {
                PauseCause::Person => "a person",
                PauseCause::SrmGuard => "the guard, for a sample ratio mismatch; r shows the evidence",
            },
        );
    }
    page.field("created", &moment(experiment.created_at));
    match experiment.activated_at {
        Some(at) => page.field("activated", &moment(at)),
        None => page.missing("activated", "never"),
    }
    page.field(
        "changed",
        &format!(
            "{}, version {}; H shows the history",
            moment(experiment.updated_at),
            experiment.resource_version
        ),
    );
    if let Some(winner) = &experiment.winning_variant {
        page.field("winner", winner.as_str());
    }
    if let Some(reason) = experiment.ended_reason {
        page.field("ended for", ended_text(reason));
    }
    let next: Vec<&str> = experiment
        .status
        .next()
        .iter()
        .filter_map(|to| match (experiment.status, to) {
            (Status::Draft, Status::Active) => Some("a activate"),
            (_, Status::Active) => Some("r resume"),
            (_, Status::Paused) => Some("p pause"),
            (_, Status::Completed) => Some("c complete"),
            _ => None,
        })
        .collect();
    if next.is_empty() {
        page.missing("next", "nothing: this is over");
    } else {
        page.field_in(
            "next",
            &next.join(&format!(" {} ", theme.glyphs.dot())),
            theme.key,
        );
    }
    if let Some(overview) = overview {
        page.field("subjects", &format::count(overview.subjects));
        if let (Status::Active, Some(last)) = (experiment.status, overview.per_minute.last()) {
            page.field(
                "exposures",
                &format!("{} in the last minute", format::count(*last)),
            );
        }
        match overview.last_event_at {
            Some(at) => page.field("last event", &format!("{} ago", format::age(at, now))),
            None => page.missing(
                "last event",
                "none yet. Attach the attribution to your events: w shows how.",
            ),
        }
    }
}

fn conversion(page: &mut Page<'_>, experiment: &Experiment) {
    page.heading("Conversion", "");
    match &experiment.primary_metric {
        Some(metric) => page.field("primary metric", &metric_text(metric)),
        None => page.missing("primary metric", "none: exposures are counted, no conversions"),
    }
    match &experiment.secondary_event {
        Some(secondary) => {
            let text = metric_text(&secondary.metric);
            if secondary.enabled {
                page.field(
                    "first step",
                    &format!("{text} (on: who fired it is the base of the rate)"),
                );
            } else {
                page.missing("first step", &format!("{text} (off)"));
            }
        }
        None => page.missing(
            "first step",
            "none: every exposed subject is the base of the rate",
        ),
    }
    if experiment.tracked_events.is_empty() {
        page.missing("tracked", "none");
    }
    for (at, metric) in experiment.tracked_events.iter().enumerate() {
        page.field(if at == 0 { "tracked" } else { "" }, &metric_text(metric));
    }
    let prior = experiment.prior;
    page.field("prior", &format!("Beta({}, {})", prior.a, prior.b));
}

fn splits(page: &mut Page<'_>, experiment: &Experiment) {
    page.heading("Splits", "one for each change while active");
    if experiment.cohorts.is_empty() {
        page.missing(
            "",
            "None yet: the first one is made when the experiment is activated.",
        );
    }
    for cohort in experiment.cohorts.iter().rev() {
        let shares: Vec<String> = cohort
            .variants
            .iter()
            .map(|v| format!("{} {} %", v.variant, v.split))
            .collect();
        page.field(&format!("cohort {}", cohort.index), &shares.join(", "));
        page.missing("", &format!("since {}", moment(cohort.created_at)));
    }
}

fn text_or(page: &mut Page<'_>, label: &str, text: &str, missing: &str) {
    if text.trim().is_empty() {
        page.missing(label, missing);
    } else {
        page.field(label, text);
    }
}

fn moment(at: Timestamp) -> String {
    format!("{} UTC", format::moment(at, &TimeZone::UTC))
}

/// The reason of an end, in words.
#[must_use]
pub fn ended_text(reason: EndedReason) -> &'static str {
    match reason {
        EndedReason::Success => "success",
        EndedReason::TechIssue => "a technical issue",
        EndedReason::NoLongerNeeded => "no longer needed",
        EndedReason::NoStatSig => "no significant difference",
        EndedReason::Other => "other",
    }
}
