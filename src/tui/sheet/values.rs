//! What the fields say.

use ratatui::style::Style;

use super::View;
use crate::cockpit::edit::{Cell, Kind, Part, Which};
use crate::cockpit::update::{create, drafts};
use crate::domain::Experiment;
use crate::domain::filter::quoted;
use crate::tui::glyphs;
use crate::tui::glyphs::Glyphs;
use crate::tui::tabs::setup;
use crate::tui::theme::Theme;
use crate::tui::widgets::pen::{columns, fit};

/// What a field says, or quieter that it says nothing.
#[must_use]
pub fn value(theme: &Theme, view: &View<'_>, cell: &Cell) -> (String, Style) {
    if let Some(text) = drafts::unread(view.state, view.id, cell) {
        return (text.to_owned(), theme.danger);
    }
    let e = view.mine;
    let text = cell.text(e);
    let known = |text: String| (text, theme.text);
    let missing = |text: &str| (text.to_owned(), theme.dim);
    match cell {
        Cell::Fact(fact) => setup::fact(theme, view, *fact),
        Cell::Holdout if e.holdout_pct.basis_points() == 0 => missing("none"),
        Cell::Holdout => known(format!("{text} % always see control")),
        Cell::Sticky if e.sticky => known("yes: the first variant stays when the split changes".into()),
        Cell::Sticky => missing("no: a change of the split may move subjects"),
        Cell::SubjectType => known(setup::subject_text(e)),
        Cell::Mode => known(setup::mode_text(e.assignment_mode).to_owned()),
        Cell::Prior => known(format!("Beta({}, {})", e.prior.a, e.prior.b)),
        Cell::LinkedFlag if e.linked_flag.is_none() => missing(if view.id.is_nil() {
            "none: one is created with the experiment"
        } else {
            "none: code asks for the experiment itself"
        }),
        Cell::Link(label) => known(format!(
            "{label}: {}",
            e.links.get(label).map_or("", String::as_str)
        )),
        Cell::NewLink => missing("add one: label https://…"),
        Cell::NewTracked => missing("add an event to watch"),
        Cell::Metric(which) => match (which, text.is_empty()) {
            (_, false) => known(text),
            (Which::Primary, true) => missing("none: exposures are counted, no conversions"),
            (_, true) => missing("none: every exposed subject is the base of the rate"),
        },
        Cell::SecondaryOn => {
            if text == "yes" {
                known("on: who fired it is the base of the rate".to_owned())
            } else {
                missing("off: it does not count")
            }
        }
        Cell::Hypothesis if text.is_empty() => missing("none: what is expected, and why?"),
        Cell::NewKey => match create::live_key(view.state) {
            Some(key) => known(key.to_string()),
            None if e.name.is_empty() => missing("made from the name"),
            None => known(text),
        },
        Cell::Name if text.is_empty() => missing("required"),
        Cell::Baseline | Cell::Lift => {
            let wizard = view.state.create.as_deref().map(|create| &create.wizard);
            let text = wizard.map_or("", |wizard| {
                if *cell == Cell::Baseline {
                    wizard.baseline.text()
                } else {
                    wizard.lift.text()
                }
            });
            let unit = if *cell == Cell::Baseline {
                "% of the subjects convert today"
            } else {
                "% more or less, relative to that"
            };
            known(format!("{text} {unit}"))
        }
        Cell::Event(_) if text.is_empty() => missing("the name of an event"),
        Cell::Filter(.., part) | Cell::Condition(.., part) => {
            match part {
                Part::Field if text.is_empty() => missing("property"),
                // The scope stands before it already.
                Part::Field => {
                    let bare = ["profile.", "session.", "event."]
                        .iter()
                        .find_map(|scope| text.strip_prefix(scope));
                    let scoped = matches!(cell, Cell::Condition(..));
                    known(bare.filter(|_| scoped).unwrap_or(&text).to_owned())
                }
                Part::Value if matches!(cell.kind(e), Kind::Fixed(_)) => missing(""),
                Part::Value => known(quoted(&text).into_owned()),
                Part::Operator | Part::Scope => (text, theme.dim),
            }
        }
        Cell::RuleVariant(_) => match arm(theme, e, &text) {
            Some((mark, style)) => (format!("{mark} {text}"), style),
            None => (text, theme.warn),
        },
        Cell::RulePriority(_) => known(format!("{text} (higher is tried first)")),
        _ if text.trim().is_empty() => missing("none"),
        _ => known(text),
    }
}

/// Glyph and colour of a variant.
#[must_use]
pub fn arm(theme: &Theme, e: &Experiment, key: &str) -> Option<(&'static str, Style)> {
    let slots = glyphs::arm_slots(e.variants.iter().map(|v| v.is_control));
    let at = e
        .variants
        .iter()
        .position(|v| v.key.as_str().eq_ignore_ascii_case(key))?;
    let slot = slots.get(at).copied()?;
    Some((theme.glyphs.arm(slot), theme.arm(slot)))
}

/// Two values of at most `width` columns each, from where they begin to differ where both are longer.
#[must_use]
pub fn differing(old: &str, new: &str, width: u16, glyphs: Glyphs) -> (String, String) {
    /// What is left of the part that is the same, to see where one is.
    const BEFORE: usize = 4;
    let same = old
        .chars()
        .zip(new.chars())
        .take_while(|(old, new)| old == new)
        .count();
    let skip = if columns(old).max(columns(new)) > width {
        same.saturating_sub(BEFORE)
    } else {
        0
    };
    let part = |text: &str| {
        let rest: String = text.chars().skip(skip).collect();
        let mark = if skip > 0 { glyphs.ellipsis() } else { "" };
        fit(&format!("{mark}{rest}"), width, glyphs).into_owned()
    };
    (part(old), part(new))
}

/// White space as single blanks.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_seen_however_far_it_stands() {
        let glyphs = Glyphs::Block;
        let payload = |last: &str| format!("{{ \"a\": \"the same for a long way\", \"z\": \"{last}\" }}");
        let (old, new) = differing(&payload("one"), &payload("two"), 24, glyphs);
        assert_eq!((old.as_str(), new.as_str()), ("…\": \"one\" }", "…\": \"two\" }"));
        let (old, new) = differing("control", "controls", 24, glyphs);
        assert_eq!(
            (old.as_str(), new.as_str()),
            ("control", "controls"),
            "what fits is not cut"
        );
        let (old, new) = differing("none", &payload("two"), 24, glyphs);
        assert_eq!(old, "none");
        assert!(new.starts_with("{ \"a\"") && columns(&new) == 24, "{new}");
    }
}
