//! Rules: who is routed by properties, in the order in which they are tried.

use crate::cockpit::edit::rows::in_order;
use crate::cockpit::edit::{Cell, Path};
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::Laid;
use crate::tui::page::{Drawn, Page, Span};
use crate::tui::sheet::{View, arm, offset};
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::empty;
use crate::tui::widgets::pen::{columns, fit_middle};

/// Columns of a variant's key, at least, where it has as many.
const LEAST_KEY: u16 = 8;

/// Draws the tab.
pub fn draw(pen: &mut Pen<'_>, view: &View<'_>, drawn: &mut Drawn) -> Laid {
    let theme = pen.theme;
    let e = view.mine;
    if e.rules.is_empty() {
        let (width, height) = (pen.width(), pen.height());
        empty(
            &mut pen.part(2, 0, width.saturating_sub(4), height),
            "No rules: nobody is routed by their properties.",
            &view.state.keymap.sentence(
                "A rule sends everybody who meets its conditions to one variant, such as profile.country is TH.",
                &[
                    (Context::Edit, Command::Add, "adds one"),
                    (
                        Context::Experiment,
                        Command::Explain,
                        "shows for one user how a decision comes about",
                    ),
                ],
            ),
        );
        return Laid::default();
    }
    let mut page = Page::new(theme, pen.width());
    let tries = (Context::Experiment, Command::Explain, "tries a subject");
    let hint = "tried from the top, the first that matches decides";
    page.heading("Rules", &view.state.keymap.after(hint, "; ", &[tries]));
    let mut focus = 0;
    for (at, rule) in in_order(e).into_iter().enumerate() {
        let (mark, style) = arm(theme, e, rule.variant.as_str()).unwrap_or(("?", theme.warn));
        if at > 0 {
            page.blank();
        }
        let on = view.on(at, 0);
        let first = page.len();
        if on {
            focus = first;
        }
        let before = view.draft.map(|draft| Path::Rule(rule.id).get(&draft.base));
        let changed = match &before {
            None => "  ",
            Some(before) if before.is_null() => "+ ",
            Some(before) if *before != Path::Rule(rule.id).get(e) => "~ ",
            Some(_) => "  ",
        };
        let number: Span = (
            format!("{:>2}  ", at + 1),
            if on { theme.accent } else { theme.dim },
        );
        let priority = format!("   priority {}", rule.priority);
        let before_key = format!("{} {mark} ", theme.glyphs.arrow());
        let beside = [changed, &number.0, &before_key, &priority].map(columns);
        // One column at either edge.
        let room = pen
            .width()
            .saturating_sub(beside.iter().sum::<u16>() + 2)
            .max(LEAST_KEY);
        let key = fit_middle(rule.variant.as_str(), room, theme.glyphs);
        page.line(vec![
            (changed.to_owned(), theme.dirty),
            number,
            (format!("{before_key}{key}"), view.style(theme, on, style)),
            (priority, theme.dim),
        ]);
        if rule.conditions.is_empty() {
            page.hanging(
                &[("        ".to_owned(), theme.dim)],
                "no conditions: catches everybody",
                theme.warn,
            );
        }
        for (at, condition) in rule.conditions.iter().enumerate() {
            let joint = if at == 0 { "    if  " } else { "   and  " };
            page.hanging(
                &[(joint.to_owned(), theme.dim)],
                &condition.to_string(),
                theme.text,
            );
        }
        if changed == "~ "
            && let Some(before) = &before
        {
            let old = Path::Rule(rule.id).show(before);
            page.hanging(&[("   was  ".to_owned(), theme.dim)], &old, theme.dim);
        }
        if let Some(why) = view.problem(&Cell::Rule(rule.id)) {
            page.hanging(&[("        ".to_owned(), theme.dim)], &why, theme.danger);
        }
        page.field_at(first..page.len(), 0..page.width(), (at, 0));
    }
    let gone = view.draft.map_or(0, |draft| {
        let gone = draft
            .base
            .rules
            .iter()
            .filter(|old| !e.rules.iter().any(|r| r.id == old.id));
        gone.count()
    });
    if gone > 0 {
        page.blank();
        page.line(vec![
            ("- ".to_owned(), theme.dirty),
            (
                format!(
                    "{} removed, unsaved",
                    crate::cockpit::format::counted(gone as u64, "rule", "rules")
                ),
                theme.dim,
            ),
        ]);
    }
    let height = usize::from(pen.height());
    page.draw_fields(pen, offset(focus, page.len(), height), drawn)
}
