//! Setup: what the experiment is, where it stands in its life, what counts as a conversion. The fields are
//! drawn as those of every sheet; here is what the facts among them say.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::style::Style;

use crate::cockpit::edit::cell::Fact;
use crate::cockpit::format;
use crate::cockpit::times::Times;
use crate::domain::{AssignmentMode, EndedReason, Experiment, PauseCause, Status, SubjectType};
use crate::tui::sheet::View;
use crate::tui::theme::Theme;

/// What a fact says.
#[must_use]
pub fn fact(theme: &Theme, view: &View<'_>, fact: Fact) -> (String, Style) {
    let e = view.mine;
    let known = |text: String| (text, theme.text);
    let missing = |text: &str| (text.to_owned(), theme.dim);
    match fact {
        Fact::Key => known(e.key.to_string()),
        Fact::Mode => known(mode_text(e.assignment_mode).to_owned()),
        Fact::Salt => known(e.salt.clone()),
        Fact::Status => status(theme, e, view.now),
        Fact::PausedBy => match e.paused_by {
            Some(PauseCause::SrmGuard) => {
                known("the guard, for a sample ratio mismatch; r shows the evidence".to_owned())
            }
            _ => known("a person".to_owned()),
        },
        Fact::Created => known(moment(e.created_at)),
        Fact::Activated => match e.activated_at {
            Some(at) => known(moment(at)),
            None => missing("never"),
        },
        Fact::Changed => known(format!(
            "{}, version {}; H shows the history",
            moment(e.updated_at),
            e.resource_version
        )),
        Fact::Winner => known(
            e.winning_variant
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        ),
        Fact::Ended => known(e.ended_reason.map(ended_text).unwrap_or_default().to_owned()),
        Fact::Exposures => exposures(theme, view),
        Fact::Cohort(at) => {
            let Some(cohort) = e.cohorts.get(at) else {
                return missing("");
            };
            let shares: Vec<String> = cohort
                .variants
                .iter()
                .map(|v| format!("{} {} %", v.variant, v.split))
                .collect();
            known(format!(
                "{}\nsince {}",
                shares.join(", "),
                moment(cohort.created_at)
            ))
        }
    }
}

fn status(theme: &Theme, e: &Experiment, now: Timestamp) -> (String, Style) {
    let auto = e.is_auto_paused();
    let since = e.status_changed_at.unwrap_or(e.created_at);
    let next: Vec<&str> = e
        .status
        .next()
        .iter()
        .filter_map(|to| match (e.status, to) {
            (Status::Draft, Status::Active) => Some("a activates"),
            (_, Status::Active) => Some("r resumes"),
            (_, Status::Paused) => Some("p pauses"),
            (_, Status::Completed) => Some("c completes"),
            _ => None,
        })
        .collect();
    let next = if next.is_empty() {
        String::new()
    } else {
        format!("; {}", next.join(", "))
    };
    let age = match theme.times {
        Times::Ages => format!(" ({})", theme.times.lasting(since, now)),
        Times::Dates => String::new(),
    };
    let text = format!(
        "{} {} since {}{age}{next}",
        theme.glyphs.status(e.status, auto),
        format::status(e.status, auto),
        moment(since),
    );
    (text, theme.status(e.status, auto))
}

fn exposures(theme: &Theme, view: &View<'_>) -> (String, Style) {
    let Some(overview) = view.overview else {
        return ("not known yet".to_owned(), theme.dim);
    };
    let mut text = format::counted(overview.subjects, "subject", "subjects");
    let Some(newest) = overview.last_event_at else {
        return (
            "none yet: attach the attribution to your events; w shows how".to_owned(),
            theme.dim,
        );
    };
    let ago = theme.times.ago_steady(newest, view.now);
    // Subjects are people, and those of a pause or of an end are in no arm: what comes then is told as what it is.
    let stopped = match view.mine.status {
        Status::Active => None,
        _ => view.mine.status_changed_at,
    };
    let news = match (stopped, overview.per_minute.last()) {
        (Some(since), _) if newest > since => {
            let word = format::status(view.mine.status, false);
            format!("; the last exposure {ago}, after it was {word}: those count for no variant")
        }
        (None, Some(last)) => format!(
            "; {} in the last minute, the last one {ago}",
            format::counted(*last, "exposure", "exposures")
        ),
        _ => format!("; the last exposure {ago}"),
    };
    text.push_str(&news);
    (text, theme.text)
}

/// What the mode means.
#[must_use]
pub fn mode_text(mode: AssignmentMode) -> &'static str {
    match mode {
        AssignmentMode::Profile => "profile: sticky for a person, across visits",
        AssignmentMode::Session => "session: sticky for a visit",
        AssignmentMode::Event => "event: each event is drawn anew",
    }
}

/// Which id is counted.
#[must_use]
pub fn subject_text(e: &Experiment) -> String {
    match &e.subject_type {
        SubjectType::Any => match e.assignment_mode {
            AssignmentMode::Profile => "ANY: the user id, else the device id".to_owned(),
            AssignmentMode::Session => "ANY: the session id".to_owned(),
            AssignmentMode::Event => "ANY: the event id, else a random draw".to_owned(),
        },
        SubjectType::Named(name) => format!("{name}: a property of the user and of events"),
        SubjectType::Group(kind) => format!("groups of type {kind}"),
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
