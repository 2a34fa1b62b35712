//! Variants: the arms, their shares, what they carry.

use ratatui::style::Style;

use crate::cockpit::lifecycle::unallocated;
use crate::cockpit::state::Laid;
use crate::domain::{Experiment, Variant};
use crate::tui::glyphs::arm_slots;
use crate::tui::page::{Page, Span};
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::columns;

/// Columns of a full bar.
const BAR: u16 = 30;

/// Draws the tab.
pub fn draw(pen: &mut Pen<'_>, experiment: &Experiment, offset: usize) -> Laid {
    let theme = pen.theme;
    let mut page = Page::new(theme, pen.width());
    let slots = arm_slots(experiment.variants.iter().map(|v| v.is_control));
    let key = experiment
        .variants
        .iter()
        .map(|v| columns(v.key.as_str()))
        .max()
        .unwrap_or(0)
        .clamp(12, 32);
    let total: u32 = experiment
        .variants
        .iter()
        .map(|v| v.traffic_pct.basis_points())
        .sum();
    page.heading(
        "Variants",
        &format!("traffic {}.{:02} %", total / 100, total % 100),
    );
    for (variant, slot) in experiment.variants.iter().zip(&slots) {
        let style = theme.arm(*slot);
        let mut line: Vec<Span> = vec![
            (format!("{} ", theme.glyphs.arm(*slot)), style),
            (padded(variant.key.as_str(), key), theme.heading),
            (format!("{:>7} %  ", variant.traffic_pct.to_string()), theme.text),
        ];
        if page.width() >= 70 {
            line.push((bar(page.theme.glyphs, variant.traffic_pct.fraction()), style));
            line.push(("  ".to_owned(), theme.dim));
        }
        line.push((marks(experiment, variant), theme.dim));
        page.line(line);
    }
    if let Some(rest) = unallocated(experiment) {
        page.line(vec![
            ("  ".to_owned(), theme.dim),
            (padded("unallocated", key), theme.dim),
            (format!("{rest:>7} %  "), theme.text),
            (
                format!("sees {} and is not counted", experiment.default_variant_id),
                theme.dim,
            ),
        ]);
    }
    for (variant, slot) in experiment.variants.iter().zip(&slots) {
        details(&mut page, variant, theme.glyphs.arm(*slot), theme.arm(*slot));
    }
    page.draw(pen, offset)
}

fn details(page: &mut Page<'_>, variant: &Variant, mark: &str, style: Style) {
    let theme = page.theme;
    page.blank();
    page.line(vec![
        (format!("{mark} "), style),
        (variant.label().to_owned(), theme.heading),
    ]);
    if variant.description.trim().is_empty() {
        page.missing("description", "none");
    } else {
        page.field("description", &variant.description);
    }
    if variant.payload.is_null() {
        page.missing("payload", "none");
    } else {
        // What came over the wire as JSON can be written as JSON.
        let payload = serde_json::to_string_pretty(&variant.payload).unwrap_or_default();
        for (at, line) in payload.lines().enumerate() {
            let label = if at == 0 { "payload" } else { "" };
            page.line(vec![
                (format!("{label:<16}"), theme.dim),
                (line.to_owned(), theme.text),
            ]);
        }
    }
}

fn marks(experiment: &Experiment, variant: &Variant) -> String {
    let mut marks = Vec::new();
    if variant.is_control {
        marks.push("control");
    }
    if experiment.default_variant_id == variant.key {
        marks.push("default");
    }
    if experiment.winning_variant.as_ref() == Some(&variant.key) {
        marks.push("winner");
    }
    marks.join(", ")
}

fn padded(text: &str, width: u16) -> String {
    let blanks = usize::from(width.saturating_sub(columns(text)));
    format!("{text}{}", " ".repeat(blanks))
}

fn bar(glyphs: crate::tui::glyphs::Glyphs, share: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a bar of thirty columns"
    )]
    let eighths = (share.clamp(0.0, 1.0) * f64::from(BAR) * 8.0).round() as usize;
    (0..usize::from(BAR))
        .map(|column| glyphs.across(eighths.saturating_sub(column * 8).min(8)))
        .collect()
}
