//! Rules: who is routed by properties, in the order in which they are tried.

use crate::cockpit::state::Laid;
use crate::domain::{Condition, Experiment, Rule};
use crate::tui::glyphs::arm_slots;
use crate::tui::page::Page;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::empty;

/// Draws the tab.
pub fn draw(pen: &mut Pen<'_>, experiment: &Experiment, offset: usize) -> Laid {
    let theme = pen.theme;
    if experiment.rules.is_empty() {
        let (width, height) = (pen.width(), pen.height());
        empty(
            &mut pen.part(2, 0, width.saturating_sub(4), height),
            "No rules: nobody is routed by their properties.",
            "A rule sends everybody who meets its conditions to one variant, such as profile.country is TH. \
             x shows for one user how a decision comes about.",
        );
        return Laid::default();
    }
    let slots = arm_slots(experiment.variants.iter().map(|v| v.is_control));
    let mut page = Page::new(theme, pen.width());
    page.heading("Rules", "tried from the top, the first that matches decides");
    for (at, rule) in in_order(experiment).into_iter().enumerate() {
        let slot = experiment
            .variants
            .iter()
            .position(|v| v.key.as_str().eq_ignore_ascii_case(rule.variant.as_str()))
            .and_then(|at| slots.get(at).copied());
        let style = slot.map_or(theme.warn, |slot| theme.arm(slot));
        let mark = slot.map_or("?", |slot| theme.glyphs.arm(slot));
        if at > 0 {
            page.blank();
        }
        page.line(vec![
            (format!("{:>3}  ", at + 1), theme.dim),
            (format!("{} {mark} {}", theme.glyphs.arrow(), rule.variant), style),
            (format!("   priority {}", rule.priority), theme.dim),
        ]);
        if rule.conditions.is_empty() {
            page.hanging(
                &[("       ".to_owned(), theme.dim)],
                "no conditions: catches everybody",
                theme.warn,
            );
        }
        for (at, condition) in rule.conditions.iter().enumerate() {
            let joint = if at == 0 { "   if  " } else { "  and  " };
            page.hanging(
                &[(joint.to_owned(), theme.dim)],
                &condition_text(condition),
                theme.text,
            );
        }
    }
    page.draw(pen, offset)
}

/// The rules as a decision tries them: higher priority first, ties by the order of their variants.
fn in_order(experiment: &Experiment) -> Vec<&Rule> {
    let place = |rule: &Rule| {
        let variant = experiment.variant(rule.variant.as_str());
        variant.map_or(u32::MAX, |v| v.order_index)
    };
    let mut rules: Vec<&Rule> = experiment.rules.iter().collect();
    // Stable: equal in both, they stay as they are stored.
    rules.sort_by_key(|rule| (std::cmp::Reverse(rule.priority), place(rule)));
    rules
}

/// `profile.country is TH`
fn condition_text(condition: &Condition) -> String {
    let scope = condition.scope.as_str();
    let field = condition
        .field
        .strip_prefix(scope)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(&condition.field);
    let operator = condition.operator;
    if operator.takes_value() {
        format!("{scope}.{field} {operator} {}", super::quoted(&condition.value))
    } else {
        format!("{scope}.{field} {operator}")
    }
}
