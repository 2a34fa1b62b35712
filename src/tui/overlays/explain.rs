//! `x`: a decision step by step.

use ratatui::layout::Position;
use ratatui::style::Style;

use super::{CLOSES, Canvas, WIDEST, corner, rows};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::overlay::ExplainPanel;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::overlays;
use crate::domain::{ExplainStep, Explanation, Reason, User, Variant};
use crate::tui::chrome::key_text;
use crate::tui::field;
use crate::tui::glyphs::arm_slots;
use crate::tui::page::Page;
use crate::tui::theme::Theme;
use crate::tui::widgets::pen::{columns, fit_middle};

/// Columns of the key in the title, at least, where it has as many.
const LEAST_KEY: u16 = 8;

/// Draws the panel.
pub fn draw(canvas: &mut Canvas<'_, '_>, state: &State, panel: &ExplainPanel) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let mut page = Page::new(theme, width);
    match (&panel.answer.value, &panel.answer.failure) {
        (Some(explanation), _) => write(&mut page, state, panel, explanation),
        (None, Some(failure)) => page.text(&failure.message, theme.danger),
        (None, None) if panel.asked.is_empty() => {
            let key = state.keymap.key_at(Context::Explain, Command::Accept);
            let then = key.map_or_else(String::new, |key| format!(", then {}", key_text(key)));
            let text = format!(
                "Type a user id{then}: which variant would it get, and why? What is known of it may follow: \
                 u-1 country=TH event.plan=pro device=d-7, or the JSON of a user. Nothing is recorded by asking."
            );
            page.text(&text, theme.dim);
        }
        (None, None) => page.text(&format!("Asking about {} …", panel.asked), theme.dim),
    }
    let name = match &panel.flag {
        Some((_, key)) => key.as_str(),
        None => state.open.as_deref().map_or("", |d| d.name.as_str()),
    };
    // A flag is explained as it is saved.
    let supposed = state
        .open
        .as_deref()
        .filter(|_| panel.flag.is_none())
        .and_then(|detail| detail.id())
        .map(|id| overlays::supposed(state, id, User::default()));
    let supposed = match supposed {
        Some(request) if request.suppose.rules.is_some() && request.suppose.as_if_active => {
            ", as if it were active, with the unsaved rules"
        }
        Some(request) if request.suppose.rules.is_some() => ", with the unsaved rules",
        Some(request) if request.suppose.as_if_active => ", as if it were active",
        _ => "",
    };
    // The key gives way to what is supposed, and to the hint behind it.
    let beside = columns("Explain a decision of ") + columns(supposed);
    let name = fit_middle(name, width.saturating_sub(beside).max(LEAST_KEY), theme.glyphs);
    // Not lower than this, so that the first answer does not make it jump.
    let height = rows((page.len() + 2).max(14));
    canvas.boxed(
        &format!("Explain a decision of {name}{supposed}"),
        &corner(
            &state.keymap,
            &[(Context::Explain, Command::Accept, "ask"), CLOSES],
        ),
        (width, height),
        |pen| {
            let start = pen.text(0, 0, "user id ", pen.theme.dim);
            let start = pen.text(start, 0, pen.theme.glyphs.cursor_bar(), pen.theme.accent);
            let room = pen.width().saturating_sub(start);
            let cursor = field::draw(pen, start, 0, room, &panel.input, pen.theme.text);
            let (width, height) = (pen.width(), pen.height());
            let top = if height >= 6 { 2 } else { 1 };
            let laid = page.draw(
                &mut pen.part(0, top, width, height.saturating_sub(top)),
                panel.scroll,
            );
            (laid, cursor)
        },
    )
}

fn write(page: &mut Page<'_>, state: &State, panel: &ExplainPanel, explanation: &Explanation) {
    let theme = page.theme;
    let assignment = &explanation.assignment;
    let (mark, style) = arm(state, theme, panel, &assignment.variant_id);
    page.flowing(&[
        (
            format!("{} {} ", panel.asked, theme.glyphs.arrow()),
            theme.heading,
        ),
        (format!("{mark} {}", assignment.variant_id), style),
        (format!("   {}", reason_text(assignment.reason)), theme.dim),
    ]);
    page.blank();
    let last = explanation.steps.len().saturating_sub(1);
    for (at, step) in explanation.steps.iter().enumerate() {
        let decided = at == last;
        step_lines(page, state, panel, step, decided);
    }
}

/// The glyph and the style of a variant of what is asked about, as its own screen shows them.
fn arm(state: &State, theme: &Theme, panel: &ExplainPanel, key: &str) -> (&'static str, Style) {
    let place = |variants: &[Variant]| {
        variants
            .iter()
            .position(|v| v.key.as_str().eq_ignore_ascii_case(key))
    };
    let slot = match panel.flag {
        Some((id, _)) => {
            let row = state.objects.flags.get(id);
            row.and_then(|row| place(&row.flag.variants))
        }
        None => state.open.as_deref().and_then(|d| d.config()).and_then(|e| {
            let slots = arm_slots(e.variants.iter().map(|v| v.is_control));
            slots.get(place(&e.variants)?).copied()
        }),
    };
    match slot {
        Some(slot) => (theme.glyphs.arm(slot), theme.arm(slot)),
        None => (theme.glyphs.dot(), theme.text),
    }
}

fn step_lines(page: &mut Page<'_>, state: &State, panel: &ExplainPanel, step: &ExplainStep, decided: bool) {
    let theme = page.theme;
    let mark = if decided {
        theme.glyphs.arrow()
    } else {
        theme.glyphs.dot()
    };
    let title_style = if decided { theme.accent } else { theme.text };
    let title = |page: &mut Page<'_>, name: &str, text: &str| {
        page.hanging(
            &[(format!("{mark} {name:<11} "), title_style)],
            text,
            if decided { theme.text } else { theme.dim },
        );
    };
    match step {
        ExplainStep::Status { status, decides } => {
            let text = if *decides {
                format!("{status}: a decision is made")
            } else {
                format!("{status}: no decision is made")
            };
            title(page, "status", &text);
        }
        ExplainStep::DecidedBy { experiment } => {
            title(page, "flag", &format!("the experiment {experiment} decides it"));
        }
        ExplainStep::FlagEnabled => title(page, "flag", "switched on: a decision is made"),
        ExplainStep::FlagDisabled { archived } => {
            let text = if *archived {
                "archived: nobody gets it, whatever its overrides and rules say"
            } else {
                "switched off: nobody gets it, whatever its overrides and rules say"
            };
            title(page, "flag", text);
        }
        ExplainStep::Override {
            subject,
            variant,
            unknown,
        } => {
            let text = match (subject, variant) {
                (Some(subject), Some(variant)) if *unknown => {
                    format!("{subject} is forced into {variant}, which does not exist: ignored")
                }
                (Some(subject), Some(variant)) => format!("{subject} is forced into {variant}"),
                (Some(subject), None) => format!("none for {subject}"),
                (None, _) => "no id to look up".to_owned(),
            };
            title(page, "override", &text);
        }
        ExplainStep::Holdout {
            hashed,
            bucket,
            threshold,
            held_out,
        } => {
            let text = match (threshold, hashed, bucket) {
                (0, ..) => "none".to_owned(),
                (_, Some(hashed), Some(bucket)) => format!(
                    "bucket {bucket} of \"{hashed}\" is {} {threshold}: {}",
                    if *held_out { "below" } else { "not below" },
                    if *held_out {
                        "held out, sees control"
                    } else {
                        "takes part"
                    }
                ),
                (_, None, Some(bucket)) => format!(
                    "bucket {bucket}, drawn at random, is {} {threshold}: {}",
                    if *held_out { "below" } else { "not below" },
                    if *held_out {
                        "held out, sees control"
                    } else {
                        "takes part"
                    }
                ),
                _ => "no id to hash".to_owned(),
            };
            title(page, "holdout", &text);
        }
        ExplainStep::Rule {
            variant,
            priority,
            conditions,
            matched,
            ..
        } => {
            let word = if *matched { "matches" } else { "does not match" };
            title(
                page,
                "rule",
                &format!("priority {priority}, to {variant}: {word}"),
            );
            for condition in conditions {
                let (mark, style) = if condition.passed {
                    ("+", theme.ok)
                } else {
                    ("-", theme.dim)
                };
                let found = condition.found.as_ref().map_or_else(
                    || "it is missing".to_owned(),
                    |found| format!("it is {}", crate::domain::filter::quoted(found)),
                );
                page.hanging(
                    &[(format!("              {mark} "), style)],
                    &format!("{}: {found}", condition.condition),
                    theme.dim,
                );
            }
        }
        ExplainStep::Sticky {
            enabled,
            variant,
            unknown,
        } => {
            let text = match (enabled, variant) {
                (false, _) => "off".to_owned(),
                (true, Some(variant)) if *unknown => {
                    format!("was in {variant} before, which does not exist: ignored")
                }
                (true, Some(variant)) => format!("was in {variant} before and stays"),
                (true, None) => "not seen before".to_owned(),
            };
            title(page, "sticky", &text);
        }
        ExplainStep::Allocation {
            missing,
            hashed,
            hash,
            slot,
            cohort,
            variant,
        } => {
            let text = match (hashed, hash, slot) {
                (Some(hashed), Some(hash), Some(slot)) => format!(
                    "murmur3(\"{hashed}\") = {hash}, slot {} of cohort {cohort}: {}",
                    format::count(u64::from(*slot)),
                    variant.as_deref().unwrap_or("belongs to nobody")
                ),
                (None, Some(_), Some(slot)) => format!(
                    "slot {} of cohort {cohort}, drawn at random: {}",
                    format::count(u64::from(*slot)),
                    variant.as_deref().unwrap_or("belongs to nobody")
                ),
                _ => {
                    let missing = missing.as_deref().unwrap_or("id of the experiment's kind");
                    match variant {
                        None => format!("no {missing} to hash"),
                        Some(everybodys) => format!("no {missing} to hash; everybody gets {everybodys}"),
                    }
                }
            };
            title(page, "allocation", &text);
        }
        ExplainStep::Default { variant } => {
            let (mark, _) = arm(state, theme, panel, variant);
            title(page, "default", &format!("{mark} {variant}"));
        }
    }
}

/// A reason in words.
fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Override => "forced by an override",
        Reason::Holdout => "held out",
        Reason::Rule => "routed by a rule",
        Reason::Sticky => "kept from before",
        Reason::Allocation => "drawn by its slot",
        Reason::Unallocated => "takes no part",
        Reason::ExperimentInactive => "the experiment is not active",
        Reason::Winner => "the winner",
        Reason::ExperimentEnded => "the experiment is over",
        Reason::FlagDisabled => "the flag is off",
    }
}
