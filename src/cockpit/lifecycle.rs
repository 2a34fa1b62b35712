//! The steps of an experiment's life, and what each will do, in words.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::api::experiments::ChangeStatus;
use crate::api::flags::FlagRow;
use crate::api::results::Overview;
use crate::domain::flag::OFF;
use crate::domain::{Experiment, Flag, Key, Status, Variant};

use super::format;
use super::keymap::{Command, Context, Keymap};
use super::ports::Request;
use super::state::overlay::{ENDED_REASONS, StepDialog, TestNow};

/// The seconds of a day.
const A_DAY: u64 = 86_400;

/// That the server says there is none of what was asked about: deleted, or become something else.
pub const GONE: &str = "The server does not know it any more.";

/// Whether others can delete it: nobody can what is known to be no draft.
fn may_be_deleted(experiment: Option<&Arc<Experiment>>) -> bool {
    experiment.is_some_and(|e| Step::Delete.refusal(e).is_none())
}

/// That the server says there is no experiment of this name, as it was known last.
#[must_use]
pub fn gone(name: &str, experiment: Option<&Arc<Experiment>>) -> String {
    if may_be_deleted(experiment) {
        format!("{name} was deleted by somebody else")
    } else {
        format!("The server does not know {name} any more")
    }
}

/// The same above what is shown of it.
#[must_use]
pub fn gone_banner(experiment: Option<&Arc<Experiment>>) -> &'static str {
    if may_be_deleted(experiment) {
        "Somebody else deleted it: this is the last that was known."
    } else {
        "The server does not know it any more: this is the last that was known."
    }
}

/// A step that a person can take.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq)]
pub enum Step {
    /// Draft → active.
    Activate,
    /// Active → paused.
    Pause,
    /// Paused by a person → active.
    Resume,
    /// Paused by the guard → active, from evidence.
    ResumeAutoPaused,
    /// Active or paused → completed.
    Complete,
    /// Completed → ended.
    End,
    /// Draft, completed or ended → archived.
    Archive,
    /// Archived → ended.
    BringBack,
    /// A draft is gone.
    Delete,
}

impl Step {
    /// The status it leads to; none for what is gone afterwards.
    #[must_use]
    pub fn to(self) -> Option<Status> {
        Some(match self {
            Self::Activate | Self::Resume | Self::ResumeAutoPaused => Status::Active,
            Self::Pause => Status::Paused,
            Self::Complete => Status::Completed,
            Self::End | Self::BringBack => Status::Ended,
            Self::Archive => Status::Archived,
            Self::Delete => return None,
        })
    }

    /// The verb, as the button that does it says.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Activate => "Activate",
            Self::Pause => "Pause",
            Self::Resume | Self::ResumeAutoPaused => "Resume",
            Self::Complete => "Complete",
            Self::End => "End",
            Self::Archive => "Archive",
            Self::BringBack => "Bring back",
            Self::Delete => "Delete",
        }
    }

    /// What the button that changes nothing says.
    #[must_use]
    pub fn keep(self) -> &'static str {
        match self {
            Self::Activate => "Keep as draft",
            Self::Pause => "Keep running",
            Self::Resume | Self::ResumeAutoPaused => "Keep paused",
            Self::Complete => "Not yet",
            Self::End => "Keep completed",
            Self::BringBack => "Keep archived",
            Self::Archive | Self::Delete => "Keep it",
        }
    }

    /// What is said once it is done.
    #[must_use]
    pub fn done(self) -> &'static str {
        match self {
            Self::Activate => "is active",
            Self::Pause => "is paused",
            Self::Resume | Self::ResumeAutoPaused => "is active again",
            Self::Complete => "is completed",
            Self::End => "is ended",
            Self::Archive => "is archived",
            Self::BringBack => "is listed again, as ended",
            Self::Delete => "is deleted",
        }
    }

    /// Why the step cannot be taken by `experiment` as it stands; none when it can.
    #[must_use]
    pub fn refusal(self, experiment: &Experiment) -> Option<String> {
        let fits = match self {
            Self::Activate => experiment.status == Status::Draft,
            Self::Pause => experiment.status == Status::Active,
            Self::Resume | Self::ResumeAutoPaused => experiment.status == Status::Paused,
            Self::Complete => matches!(experiment.status, Status::Active | Status::Paused),
            Self::End => experiment.status == Status::Completed,
            Self::Archive => experiment.status.may_become(Status::Archived),
            Self::BringBack => experiment.status == Status::Archived,
            Self::Delete => experiment.status == Status::Draft,
        };
        (!fits).then(|| {
            format!(
                "{} is {}: only {} can be {}",
                experiment.key,
                experiment.status,
                match self {
                    Self::Activate => "a draft",
                    Self::Pause => "an active experiment",
                    Self::Resume | Self::ResumeAutoPaused => "a paused experiment",
                    Self::Complete => "an active or paused experiment",
                    Self::End => "a completed experiment",
                    Self::Archive => "a draft, a completed or an ended experiment",
                    Self::BringBack => "an archived experiment",
                    Self::Delete => "a draft, which nobody has seen,",
                },
                match self {
                    Self::Activate => "activated",
                    Self::Pause => "paused",
                    Self::Resume | Self::ResumeAutoPaused => "resumed",
                    Self::Complete => "completed",
                    Self::End => "ended",
                    Self::Archive => "archived",
                    Self::BringBack => "brought back",
                    Self::Delete => "deleted",
                }
            )
        })
    }

    /// Resume, with the evidence where the guard paused it.
    #[must_use]
    pub fn resume_of(experiment: &Experiment) -> Self {
        if experiment.is_auto_paused() {
            Self::ResumeAutoPaused
        } else {
            Self::Resume
        }
    }

    /// Archive; of what is archived, back from there.
    #[must_use]
    pub fn archive_of(experiment: &Experiment) -> Self {
        match experiment.status {
            Status::Archived => Self::BringBack,
            _ => Self::Archive,
        }
    }
}

/// What a step will do, one sentence a line. `flag` is the linked one, where it is known; so many
/// `overrides` it has, where that is known.
#[must_use]
pub fn effects(
    dialog: &StepDialog,
    overview: Option<&Overview>,
    flag: Option<&FlagRow>,
    overrides: Option<u64>,
    keymap: &Keymap,
) -> Vec<String> {
    let experiment = dialog.experiment.as_ref();
    let default = &experiment.default_variant_id;
    let mut lines = Vec::new();
    match dialog.step {
        Step::Activate => {
            lines.push("Decisions are made from now on, and the split is fixed as a cohort.".to_owned());
            lines.extend(seeing(experiment));
            if experiment.primary_metric.is_none() {
                lines.push("There is no primary metric: exposures are counted, no conversions.".to_owned());
            }
        }
        Step::Pause => {
            lines.push(format!("Everybody sees {default} until it is resumed."));
            lines.extend(losing(experiment, default.as_str(), overview));
        }
        Step::Resume | Step::ResumeAutoPaused => {
            lines.push("Decisions are made again, with the same split and the same slots.".to_owned());
        }
        Step::Complete => {
            let winner = winner_of(dialog).unwrap_or(default.as_str());
            lines.push(format!("Everybody sees {winner} from now on."));
            lines.extend(losing(experiment, winner, overview));
            lines.push("A completed experiment cannot be made active again.".to_owned());
        }
        Step::End => {
            lines.extend(no_longer_served(experiment, flag));
            lines.push("An ended experiment can only be archived.".to_owned());
        }
        Step::Archive => {
            match experiment.status {
                Status::Draft => {
                    lines.push("Nobody has seen it: a draft serves only its default.".to_owned())
                }
                Status::Completed => lines.extend(no_longer_served(experiment, flag)),
                _ => lines.push(goes_on(experiment)),
            }
            let back = [
                (Context::List, Command::Archived, "there shows it"),
                (Context::List, Command::Archive, "brings it back as ended"),
            ];
            lines.push(format!(
                "{}.",
                keymap.after("It is hidden from the list", "; ", &back)
            ));
        }
        Step::BringBack => {
            lines.push(format!("It is listed again, as ended. {}", goes_on(experiment)));
        }
        Step::Delete => {
            lines.push("Nobody has seen it: a draft serves only its default.".to_owned());
            let with = match overrides {
                None => "rules and overrides".to_owned(),
                Some(0) => "rules; it has no overrides".to_owned(),
                Some(n) => format!("rules and {}", format::counted(n, "override", "overrides")),
            };
            lines.push(format!(
                "It is gone for good, with its {with}; the audit log keeps that it was there."
            ));
            if let Some(flag) = &experiment.linked_flag {
                lines.push(format!(
                    "The flag {flag} goes with it if it came with it and is as it was made; else it stays."
                ));
            }
        }
    }
    lines
}

/// Why nobody gets another variant by an override at present; none while the experiment is active.
#[must_use]
pub fn held_back(experiment: &Experiment) -> Option<String> {
    let (key, default) = (&experiment.key, &experiment.default_variant_id);
    let why = match experiment.status {
        Status::Active => return None,
        Status::Draft => format!("{key} is a draft: nobody gets it before it is active."),
        Status::Paused => format!("{key} is paused: everybody sees {default} until it is resumed."),
        Status::Completed => {
            let served = experiment.winning_variant.as_ref().unwrap_or(default);
            format!("{key} is completed: everybody sees {served}, overrides or not.")
        }
        Status::Ended | Status::Archived => {
            format!(
                "{key} is over, and this changes nothing for anybody: its overrides are not looked at any more."
            )
        }
    };
    Some(why)
}

/// Why nobody gets another variant by an override of a flag at present; none while the flag decides by itself and is on.
/// `decided_by` is the experiment that decides in its place.
#[must_use]
pub fn flag_held_back(flag: &Flag, decided_by: Option<&Key>) -> Option<String> {
    let key = &flag.key;
    if let Some(experiment) = decided_by {
        return Some(format!(
            "{experiment} decides {key}: an override of the flag changes nothing for anybody until the flag decides again."
        ));
    }
    if flag.archived {
        return Some(format!(
            "{key} is archived: code that asks for it is told that there is none, overrides or not."
        ));
    }
    (!flag.enabled)
        .then(|| format!("{key} is off: everybody gets {OFF}, overrides or not, until it is switched on."))
}

/// What an experiment that is over does to whoever asks for its key.
fn goes_on(experiment: &Experiment) -> String {
    match &experiment.linked_flag {
        Some(flag) => format!("Nothing changes for anybody: the flag {flag} decides."),
        None => format!("Everybody goes on seeing {}.", experiment.default_variant_id),
    }
}

/// What ends with a completed experiment.
fn no_longer_served(experiment: &Experiment, flag: Option<&FlagRow>) -> Vec<String> {
    let default = &experiment.default_variant_id;
    let winner = experiment.winning_variant.as_ref();
    let Some(linked) = &experiment.linked_flag else {
        return vec![match winner {
            Some(winner) if winner != default => {
                format!("Its winner {winner} is no longer served: everybody who asks for it sees {default}.")
            }
            _ => format!("Everybody who asks for it goes on seeing {default}."),
        }];
    };
    let served = winner.unwrap_or(default);
    vec![
        format!("It no longer serves {served} to everybody: the flag {linked} decides again."),
        match flag {
            Some(flag) => format!("{linked} {}", serving(flag)),
            None => "Its own state, overrides, rules and rollout hold.".to_owned(),
        },
    ]
}

/// Those whom the overrides of a flag force into something else than `served`, as `3 subjects (a 2, c 1)`; none where
/// there are none.
fn forced(row: &FlagRow, served: Option<&Key>) -> Option<String> {
    let elsewhere = |(key, n): &(&Key, &u64)| **n > 0 && served.is_none_or(|s| s.folded() != key.folded());
    let by_variant: Vec<(&Key, &u64)> = row.overrides_by_variant.iter().filter(elsewhere).collect();
    // A server that does not tell them by variant tells how many they are.
    let all = match row.overrides_by_variant.is_empty() {
        true => row.overrides,
        false => by_variant.iter().map(|(_, n)| **n).sum(),
    };
    let each: Vec<String> = by_variant
        .iter()
        .map(|(key, n)| format!("{key} {}", format::count(**n)))
        .collect();
    let each = match each.is_empty() {
        true => String::new(),
        false => format!(" ({})", each.join(", ")),
    };
    (all > 0).then(|| format!("{}{each}", format::counted(all, "subject", "subjects")))
}

/// What comes of the overrides of the flag that a winner is applied to: they wait for the end of the experiment. None
/// where there are none. `flag` is the linked one, where it is known.
#[must_use]
pub fn forced_after_winner(experiment: &Experiment, winner: &Key, flag: Option<&FlagRow>) -> Option<String> {
    let linked = experiment.linked_flag.as_ref()?;
    let until = "That holds for everybody until the experiment is ended; then overrides of";
    match flag {
        Some(row) => forced(row, Some(winner)).map(|forced| format!("{until} {linked} force {forced}.")),
        None => Some(format!("{until} {linked} hold, where it has any.")),
    }
}

/// What a flag serves that takes the place of an experiment which is over: `served` to all but those whom overrides
/// that it has already force into something else. `what` tells what `served` is; `flag` is the one that is there,
/// none where it is made.
#[must_use]
pub fn serves_instead(served: &Key, what: &str, flag: Known<Option<&FlagRow>>) -> String {
    match flag {
        Known::No => format!(
            "The flag is switched on at once: 100 % get {served}, {what}, but for those whom overrides of the flag \
             force."
        ),
        Known::Yes(row) => match row.and_then(|row| forced(row, Some(served))) {
            Some(forced) => format!(
                "The flag is switched on at once: 100 % get {served}, {what}, but for {forced} whom its overrides force."
            ),
            None => format!("The flag is switched on for everybody at once: 100 % get {served}, {what}."),
        },
    }
}

/// Something that may not be known yet.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Known<T> {
    /// It is not known.
    No,
    /// It is known.
    Yes(T),
}

/// What a flag does by itself.
fn serving(row: &FlagRow) -> String {
    let flag = &row.flag;
    if flag.archived || !flag.enabled {
        let state = if flag.archived { "archived" } else { "switched off" };
        return format!("is {state}: everybody who asks for it gets {OFF}.");
    }
    // A variant gets its share of the rollout; one that is called off is none.
    let served = flag
        .variants
        .iter()
        .filter(|v| !v.key.as_str().eq_ignore_ascii_case(OFF));
    let served: Vec<(&Key, u32)> = served
        .map(|v| {
            (
                &v.key,
                v.traffic_pct.basis_points() * flag.rollout_pct.basis_points() / 10_000,
            )
        })
        .filter(|(_, share)| *share > 0)
        .collect();
    match served.as_slice() {
        [(only, 10_000)] if flag.rules.is_empty() => match forced(row, Some(only)) {
            None => format!("is on and serves {only} to everybody."),
            Some(forced) => {
                format!("is on and serves {only} to everybody but {forced} whom its overrides force.")
            }
        },
        _ => {
            let whole: u32 = served.iter().map(|(_, share)| share).sum();
            let rules = if flag.rules.is_empty() {
                ""
            } else {
                ", and who its rules catch"
            };
            let forced = forced(row, None).map_or_else(String::new, |forced| {
                format!(" Before all of that its overrides force {forced}.")
            });
            format!(
                "is on: {}.{:02} % of the subjects get one of its variants{rules}; the others get {OFF}.{forced}",
                whole / 100,
                whole % 100
            )
        }
    }
}

/// The key of the chosen winner; none for none.
#[must_use]
pub fn winner_of(dialog: &StepDialog) -> Option<&str> {
    let at = dialog.winner.checked_sub(1)?;
    dialog.experiment.variants.get(at).map(|v| v.key.as_str())
}

/// The share that belongs to nobody, in basis points.
fn rest_of(experiment: &Experiment) -> u32 {
    10_000_u32.saturating_sub(allocated(experiment))
}

/// The shares of all variants together, in basis points.
fn allocated(experiment: &Experiment) -> u32 {
    let shares = experiment.variants.iter();
    shares.map(|v| v.traffic_pct.basis_points()).sum()
}

/// The share that belongs to nobody, in percent; none when there is none.
#[must_use]
pub fn unallocated(experiment: &Experiment) -> Option<String> {
    let rest = rest_of(experiment);
    (rest > 0).then(|| format!("{}.{:02}", rest / 100, rest % 100))
}

/// Basis points of all subjects that a share of those outside the holdout is, in percent as it is shown.
fn outside_holdout(experiment: &Experiment, basis_points: u32) -> String {
    let outside = 10_000_u32.saturating_sub(experiment.holdout_pct.basis_points());
    format!("{:.2}", f64::from(basis_points) * f64::from(outside) / 1e6)
}

/// Who sees what once the split holds, a line for each: the holdout is taken out before anybody is drawn.
fn seeing(experiment: &Experiment) -> Vec<String> {
    let default = &experiment.default_variant_id;
    let held_out = experiment.holdout_pct;
    let control = experiment.variants.iter().find(|v| v.is_control);
    let control = control.filter(|_| held_out.basis_points() > 0);
    let mut lines: Vec<String> = control
        .map(|control| {
            format!(
                "The holdout, {held_out} % of the subjects, always sees {}; the others are split. Of all subjects:",
                control.key
            )
        })
        .into_iter()
        .collect();
    for variant in &experiment.variants {
        let share = outside_holdout(experiment, variant.traffic_pct.basis_points());
        lines.push(match control.filter(|control| control.key == variant.key) {
            Some(_) => format!(
                "{share} % of the subjects see {} by the split, and {held_out} % as the holdout.",
                variant.key
            ),
            None => format!("{share} % of the subjects see {}.", variant.key),
        });
    }
    let rest = rest_of(experiment);
    if rest > 0 {
        let share = outside_holdout(experiment, rest);
        lines.push(format!("{share} % stay unallocated and see {default}."));
    }
    lines
}

/// What people stop seeing when a winner is applied, a line for each variant, with how many subjects a day that is
/// where it is known.
#[must_use]
pub fn replaced(experiment: &Experiment, winner: &str, overview: Option<&Overview>) -> Vec<String> {
    let default = &experiment.default_variant_id;
    let wins = |key: &Key| key.as_str().eq_ignore_ascii_case(winner);
    if experiment.status == Status::Paused {
        return vec![if wins(default) {
            format!("It is paused: everybody sees {default} already, and goes on seeing it.")
        } else {
            format!("It is paused: everybody sees {default} now, and stops seeing it.")
        }];
    }
    let mut lines = Vec::new();
    let mut counted = false;
    for variant in &experiment.variants {
        if wins(&variant.key) || variant.traffic_pct.basis_points() == 0 {
            continue;
        }
        let share = outside_holdout(experiment, variant.traffic_pct.basis_points());
        let a_day = a_day(experiment, variant, overview);
        counted |= a_day.is_some();
        let a_day = a_day.map_or_else(String::new, |n| {
            format!(" (about {} subjects/day)", format::about(n))
        });
        lines.push(format!(
            "{share} % of the subjects stop seeing {}{a_day}.",
            variant.key
        ));
    }
    let control = experiment.variants.iter().find(|v| v.is_control);
    if let Some(control) = control.filter(|c| experiment.holdout_pct.basis_points() > 0 && !wins(&c.key)) {
        lines.push(format!(
            "The holdout, {} % of the subjects, stops seeing {}.",
            experiment.holdout_pct, control.key
        ));
    }
    let rest = rest_of(experiment);
    if rest > 0 && !wins(default) {
        let share = outside_holdout(experiment, rest);
        lines.push(format!(
            "{share} % of the subjects are unallocated, and stop seeing {default}."
        ));
    }
    lines.extend(overview.filter(|_| counted).and_then(basis));
    lines
}

/// What the subjects a day of an experiment are worth: from how short a time they are reckoned, and that nobody comes
/// at present. None where they are those of a whole day, and go on coming.
#[must_use]
pub fn basis(overview: &Overview) -> Option<String> {
    let seconds = overview.subjects_per_day_seconds?;
    let short = (seconds < A_DAY).then(|| {
        let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        format!("A day is reckoned from only {} of data.", format::span(span))
    });
    let minutes = overview.per_minute.len();
    let silent = minutes > 0 && overview.per_minute.iter().all(|exposures| *exposures == 0);
    let silent = silent.then(|| format!("No exposure came in the last {minutes} min."));
    match (short, silent) {
        (Some(short), Some(silent)) => Some(format!("{short} {silent}")),
        (short, silent) => short.or(silent),
    }
}

/// What is sent for the step, by what is known of the test of the split.
#[must_use]
pub fn request(dialog: &StepDialog, test: TestNow) -> Request {
    let id = dialog.experiment.id;
    match dialog.step.to() {
        Some(to) => Request::Status {
            id,
            change: change(dialog, to, test),
        },
        None => Request::Delete {
            id,
            version: dialog.experiment.resource_version,
        },
    }
}

fn change(dialog: &StepDialog, to: Status, test: TestNow) -> ChangeStatus {
    let comment = dialog.comment.text().trim();
    let winner = winner_of(dialog).and_then(|key| dialog.experiment.variant(key));
    let completes = dialog.step == Step::Complete;
    let has_reason = completes || dialog.step == Step::End;
    ChangeStatus {
        to,
        resource_version: dialog.experiment.resource_version,
        comment: (!comment.is_empty()).then(|| comment.to_owned()),
        winning_variant: winner.filter(|_| completes).map(|v| v.key.clone()),
        ended_reason: has_reason
            .then(|| ENDED_REASONS.get(dialog.ended_reason).copied())
            .flatten(),
        // Only what stood on the screen, and was ticked for what stood there.
        override_failing_srm: dialog.overrides(test),
    }
}

/// "About 12,400 subjects/day stop seeing treatment", for each arm with traffic but `stays`, and what that is worth.
fn losing(experiment: &Experiment, stays: &str, overview: Option<&Overview>) -> Vec<String> {
    let mut lines: Vec<String> = experiment
        .variants
        .iter()
        .filter(|v| v.traffic_pct.basis_points() > 0 && !v.key.as_str().eq_ignore_ascii_case(stays))
        .filter_map(|v| {
            let a_day = format::about(a_day(experiment, v, overview)?);
            Some(format!("About {a_day} subjects/day stop seeing {}.", v.key))
        })
        .collect();
    if !lines.is_empty() {
        lines.extend(overview.and_then(basis));
    }
    lines
}

/// How many subjects a day an arm gets, while it gets any and that is known.
fn a_day(experiment: &Experiment, variant: &Variant, overview: Option<&Overview>) -> Option<u64> {
    let all = overview.and_then(|overview| overview.subjects_per_day)?;
    let total = allocated(experiment).max(1);
    let share = u128::from(all) * u128::from(variant.traffic_pct.basis_points()) / u128::from(total);
    (experiment.status == Status::Active).then(|| u64::try_from(share).unwrap_or(u64::MAX))
}

/// Why no flag can be made of an experiment as it stands; none when one can. `flag` is its linked flag, as far as that
/// is known.
#[must_use]
pub fn no_flag_of(experiment: &Experiment, flag: Option<&Flag>, keymap: &Keymap) -> Option<String> {
    let (key, status) = (&experiment.key, experiment.status);
    match status {
        Status::Active | Status::Paused => {
            let complete = keymap.brackets(&[(Context::List, Command::Complete)]);
            Some(format!(
                "{key} is {status}: making a flag of it would end it; complete it first{complete}"
            ))
        }
        Status::Draft => flag.filter(|flag| flag.enabled).map(|flag| {
            format!(
                "The flag {} is on and serves its own variants: switch it off before it is made of the draft",
                flag.key
            )
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
