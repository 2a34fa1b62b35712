//! Setup: what the experiment is, where it stands in its life, what counts as a conversion. The fields are
//! drawn as those of every sheet; here is what the facts among them say.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::style::Style;

use crate::cockpit::edit::cell::Fact;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Keymap};
use crate::cockpit::times::Times;
use crate::cockpit::update::age;
use crate::domain::{AssignmentMode, EndedReason, Experiment, PauseCause, Status, SubjectType};
use crate::tui::sheet::View;
use crate::tui::theme::Theme;

/// What a fact says.
#[must_use]
pub fn fact(theme: &Theme, view: &View<'_>, fact: Fact) -> (String, Style) {
    let e = view.mine;
    let keymap = &view.state.keymap;
    let known = |text: String| (text, theme.text);
    let missing = |text: &str| (text.to_owned(), theme.dim);
    match fact {
        Fact::Key => known(e.key.to_string()),
        Fact::Mode => known(mode_text(e.assignment_mode).to_owned()),
        Fact::Salt => known(e.salt.clone()),
        Fact::Status => status(theme, keymap, e, view.now),
        Fact::PausedBy => match e.paused_by {
            Some(PauseCause::SrmGuard) => {
                let key = keymap.aside(Command::Resume, "shows the evidence");
                known(format!("the guard, for a sample ratio mismatch{key}"))
            }
            _ => known("a person".to_owned()),
        },
        Fact::Created => known(moment(e.created_at)),
        Fact::Activated => match e.activated_at {
            Some(at) => known(moment(at)),
            None => missing("never"),
        },
        Fact::Changed => known(format!(
            "{}, version {}{}",
            moment(e.updated_at),
            e.resource_version,
            keymap.aside(Command::History, "shows the history")
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

fn status(theme: &Theme, keymap: &Keymap, e: &Experiment, now: Timestamp) -> (String, Style) {
    let auto = e.is_auto_paused();
    let since = e.status_changed_at.unwrap_or(e.created_at);
    let next: Vec<String> = e
        .status
        .next()
        .iter()
        .filter_map(|to| match (e.status, to) {
            (Status::Draft, Status::Active) => Some((Command::Activate, "activates")),
            (_, Status::Active) => Some((Command::Resume, "resumes")),
            (_, Status::Paused) => Some((Command::Pause, "pauses")),
            (_, Status::Completed) => Some((Command::Complete, "completes")),
            _ => None,
        })
        .filter_map(|(command, does)| Some(format!("{} {does}", keymap.key_of(command)?)))
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
            format!(
                "none yet: attach the attribution to your events{}",
                view.state.keymap.aside(Command::Attach, "shows how")
            ),
            theme.dim,
        );
    };
    let ago = theme.times.ago_steady(newest, view.now);
    let active = view.mine.status == Status::Active;
    // When the newest one came is all that is known of it: whether it counts depends on how it was decided.
    let news = match overview.per_minute.last().filter(|_| active) {
        Some(last) => format!(
            "; {} in the last minute, the last one {ago}",
            format::counted(*last, "exposure", "exposures")
        ),
        None => format!("; the last exposure {ago}"),
    };
    text.push_str(&news);
    match age::live(view.state) {
        Some(age) if age.is_old(view.now) || view.state.warehouse.is_down() => {
            let text = format!("stale {}: {text}", format::age(age.since, view.now));
            (text, theme.dim)
        }
        _ => (text, theme.text),
    }
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
