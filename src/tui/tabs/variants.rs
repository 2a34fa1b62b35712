//! Variants: the arms, their shares, what they carry; a table that is edited in place.

use ratatui::style::Style;

use crate::cockpit::edit::{Attr, Cell};
use crate::cockpit::state::Laid;
use crate::cockpit::state::editor::Input;
use crate::domain::{Experiment, Variant};
use crate::tui::glyphs::arm_slots;
use crate::tui::page::{Drawn, Page, Span};
use crate::tui::sheet::{Focus, View, differing, mark, offset, one_line, typed};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::{columns, fit, fit_middle};

/// Columns of a full bar.
const BAR: u16 = 20;

/// A column of the table.
struct Column {
    title: &'static str,
    width: u16,
    right: bool,
}

/// The columns, in the order of the fields of a row.
fn table(e: &Experiment, width: u16) -> Vec<Column> {
    let widest = |text: fn(&Variant) -> &str, least: u16, most: u16| {
        let widths = e.variants.iter().map(|v| columns(text(v)));
        widths.max().unwrap_or(0).clamp(least, most)
    };
    let column = |title, width, right| Column { title, width, right };
    let mut key = widest(|v| v.key.as_str(), 12, 28) + 2;
    let mut name = widest(|v| &v.name, 10, 24);
    // Names are shortened before it goes unsaid which variant is the default: three columns in front, four gaps.
    let over = (3 + key + 9 + name + 7 + 7 + 4 * 2 + 1).saturating_sub(width);
    let of_name = over.div_ceil(2).min(name - 10);
    name -= of_name;
    key -= (over - of_name).min(key - 14);
    let fixed = key + 9 + name + 7 + 7 + 12;
    // Three columns in front, two behind; and the bar of the share, where the texts keep enough beside it.
    let rest = width.saturating_sub(fixed + 5);
    let beside_bar = rest.checked_sub(BAR + 3).filter(|rest| *rest >= 30);
    let rest = beside_bar.unwrap_or(rest);
    let payload = (rest / 2).clamp(12, 40);
    vec![
        column("key", key, false),
        column("traffic %", 9, true),
        column("name", name, false),
        column("control", 7, false),
        column("default", 7, false),
        column("payload", payload, false),
        column("description", rest.saturating_sub(payload).clamp(12, 60), false),
    ]
}

/// Draws the tab; `rest` are further rows of labelled fields below the table.
pub fn draw(pen: &mut Pen<'_>, view: &View<'_>, drawn: &mut Drawn) -> Laid {
    let theme = pen.theme;
    let e = view.mine;
    let width = pen.width();
    let mut page = Page::new(theme, width);
    let total: u32 = e.variants.iter().map(|v| v.traffic_pct.basis_points()).sum();
    page.heading(
        "Variants",
        &format!("traffic {}.{:02} %", total / 100, total % 100),
    );
    let all = table(e, width);
    let selected = view.cursor.map_or(0, |(_, column)| column);
    let shown = shown(&all, selected, width);
    let mut titles: Vec<Span> = vec![("  ".to_owned(), theme.dim)];
    for (at, column) in shown.iter().filter_map(|at| all.get(*at)).enumerate() {
        let gap = if at == 0 { "" } else { "  " };
        titles.push((format!("{gap}{}", cut(theme, column.title, column)), theme.dim));
    }
    page.line(titles);
    let slots = arm_slots(e.variants.iter().map(|v| v.is_control));
    let mut focus = None;
    for (at, (row, slot)) in view.sheet.rows(e).iter().zip(&slots).enumerate() {
        if !matches!(row.cells.first(), Some(Cell::Variant(..))) {
            break;
        }
        let mark = mark(view, &row.cells);
        let mut line: Vec<Span> = vec![(mark.to_owned(), theme.dirty)];
        let mut x: u16 = 3;
        for column in &shown {
            let (Some(cell), Some(how)) = (row.cells.get(*column), all.get(*column)) else {
                continue;
            };
            if view.on(at, *column) {
                // The glyph of the arm stays in front of what is typed.
                let glyph = if is_key(cell) { GLYPH } else { 0 };
                focus = Some(Focus {
                    line: page.len(),
                    x: x.saturating_sub(1) + glyph,
                    width: how.width.max(14) + 2 - glyph,
                });
            }
            let (text, style) = value(theme, view, e, cell, *slot);
            let style = view.style(theme, view.on(at, *column), style);
            if *column > 0 {
                line.push(("  ".to_owned(), theme.dim));
            }
            line.push((cut(theme, &text, how), style));
            let from = if *column == 0 { 0 } else { x };
            x += how.width + 2;
            page.field_at(page.len()..page.len() + 1, from..x, (at, *column));
        }
        if x + BAR + 2 < width
            && let Some(variant) = e.variants.get(at)
        {
            line.push(("  ".to_owned(), theme.dim));
            line.push((bar(theme, variant.traffic_pct.fraction()), theme.arm(*slot)));
        }
        page.line(line);
        notes(&mut page, view, row.cells.as_slice());
    }
    totals(&mut page, e, total);
    details(&mut page, view, &slots);
    below(&mut page, view);
    let height = usize::from(pen.height());
    let extra = extra_focus(view, &page);
    let focus = focus.or(extra);
    let offset = focus.map_or(0, |focus| offset(focus.line, page.len(), height));
    let laid = page.draw_fields(pen, offset, drawn);
    if let Some(focus) = focus {
        let y = u16::try_from(focus.line.saturating_sub(offset)).unwrap_or(u16::MAX);
        typed(pen, view, (0, y, width), focus, &mut drawn.cursor);
    }
    laid
}

/// The columns that fit: the key and the selected one always, of the others as many as there is room for, so that
/// few of them change places while the cursor moves.
fn shown(all: &[Column], selected: usize, width: u16) -> Vec<usize> {
    let wide = |at: usize| all.get(at).map_or(0, |column: &Column| column.width + 2);
    let mut shown = vec![0];
    shown.extend((selected > 0).then_some(selected));
    let mut used = 3 + shown.iter().map(|at| wide(*at)).sum::<u16>();
    for at in (1..all.len()).filter(|at| *at != selected) {
        if used + wide(at) - 2 >= width {
            break;
        }
        used += wide(at);
        shown.push(at);
    }
    shown.sort_unstable();
    shown
}

/// Columns of the glyph of an arm in front of its key, with the blank behind it.
const GLYPH: u16 = 2;

/// Whether a field is the key of a variant.
fn is_key(cell: &Cell) -> bool {
    matches!(cell, Cell::Variant(_, Attr::Key))
}

/// What a field of the table says.
fn value(theme: &Theme, view: &View<'_>, e: &Experiment, cell: &Cell, slot: usize) -> (String, Style) {
    let editing = view.editing.filter(|editing| editing.cell == *cell);
    let glyph = match is_key(cell) {
        true => format!("{} ", theme.glyphs.arm(slot)),
        false => String::new(),
    };
    if let Some(Input::Line(_)) = editing.map(|editing| &editing.input) {
        // What is typed is drawn behind it.
        return (glyph, theme.arm(slot));
    }
    if let Some(text) = crate::cockpit::update::drafts::unread(view.state, view.id, cell) {
        return (format!("{glyph}{text}"), theme.danger);
    }
    let dirty = view.old(cell).is_some();
    let style = if dirty { theme.dirty } else { theme.text };
    let text = cell.text(e);
    match cell {
        Cell::Variant(_, Attr::Key) => (
            format!("{glyph}{text}"),
            if dirty { theme.dirty } else { theme.arm(slot) },
        ),
        Cell::Variant(_, Attr::Control) | Cell::VariantDefault(_) => {
            if text == "yes" {
                ("yes".to_owned(), style)
            } else {
                (theme.glyphs.none().to_owned(), theme.dim)
            }
        }
        _ if text.trim().is_empty() => (theme.glyphs.none().to_owned(), theme.dim),
        _ => (one_line(&text), style),
    }
}

/// Below a row: what changed in it, and what cannot stand.
fn notes(page: &mut Page<'_>, view: &View<'_>, cells: &[Cell]) {
    let theme = page.theme;
    let changes: Vec<String> = cells
        .iter()
        .filter(|cell| !matches!(cell, Cell::VariantDefault(_)))
        .filter_map(|cell| {
            let Cell::Variant(_, attr) = cell else { return None };
            let old = view.old(cell)?;
            let old = if old.trim().is_empty() {
                "none".to_owned()
            } else {
                one_line(&old)
            };
            // What cannot stand is shown as it was typed.
            let unread = view.draft.and_then(|draft| draft.unread.get(cell));
            let new = unread.map_or_else(|| cell.text(view.mine), |unread| unread.text.clone());
            let new = one_line(&new);
            let new = if new.is_empty() { "none".to_owned() } else { new };
            let (old, new) = differing(&old, &new, 24, theme.glyphs);
            let unit = if *attr == Attr::Traffic { " %" } else { "" };
            let with = |value: String| match value.as_str() {
                "none" => value,
                _ => value + unit,
            };
            Some(format!("{} {} → {}", attr.label(), with(old), with(new)))
        })
        .collect();
    if !changes.is_empty() {
        page.hanging(
            &[("    ".to_owned(), theme.dim)],
            &changes.join(", "),
            theme.dirty,
        );
    }
    for cell in cells {
        if let Some(why) = view.problem(cell) {
            page.hanging(&[("    ".to_owned(), theme.dim)], &why, theme.danger);
        }
    }
}

fn totals(page: &mut Page<'_>, e: &Experiment, total: u32) {
    let theme = page.theme;
    let (text, style) = match total.cmp(&10_000) {
        std::cmp::Ordering::Greater => {
            let over = total - 10_000;
            (
                format!(
                    "{}.{:02} % too much: the shares add up to at most 100",
                    over / 100,
                    over % 100
                ),
                theme.danger,
            )
        }
        std::cmp::Ordering::Equal => ("nothing is unallocated".to_owned(), theme.dim),
        std::cmp::Ordering::Less => {
            let rest = 10_000 - total;
            (
                format!(
                    "{}.{:02} % unallocated: sees {} and is not counted",
                    rest / 100,
                    rest % 100,
                    e.default_variant_id
                ),
                theme.text,
            )
        }
    };
    page.hanging(
        &[
            ("  total  ".to_owned(), theme.dim),
            (format!("{:>3}.{:02} %   ", total / 100, total % 100), theme.text),
        ],
        &text,
        style,
    );
}

/// What the table has no room for, of the variant under the cursor.
fn details(page: &mut Page<'_>, view: &View<'_>, slots: &[usize]) {
    let theme = page.theme;
    let Some((row, _)) = view.cursor else { return };
    let (Some(variant), Some(slot)) = (view.mine.variants.get(row), slots.get(row)) else {
        return;
    };
    page.blank();
    page.line(vec![
        (format!("{} ", theme.glyphs.arm(*slot)), theme.arm(*slot)),
        (variant.label().to_owned(), theme.heading),
        (marks(view.mine, variant), theme.dim),
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

/// The fields below the table, on the step of a new experiment.
fn below(page: &mut Page<'_>, view: &View<'_>) {
    let theme = page.theme;
    for (at, row) in view.sheet.rows(view.mine).iter().enumerate() {
        let [cell] = row.cells.as_slice() else { continue };
        if let Some(section) = row.section {
            page.heading(section, "");
        }
        let on = view.on(at, 0);
        let (text, style) = crate::tui::sheet::value(theme, view, cell);
        let label = format!("  {:<16}", row.label);
        page.field_at(page.len()..page.len() + 1, 0..page.width(), (at, 0));
        page.line(vec![
            (label, if on { theme.accent } else { theme.dim }),
            (text, view.style(theme, on, style)),
        ]);
        if let Some(why) = view.problem(cell) {
            page.hanging(&[(" ".repeat(18), theme.dim)], &why, theme.danger);
        }
    }
}

/// Where the cursor is when it is below the table.
fn extra_focus(view: &View<'_>, page: &Page<'_>) -> Option<Focus> {
    let (row, _) = view.cursor?;
    let rows = view.sheet.rows(view.mine);
    let after = rows.len().checked_sub(row + 1)?;
    (rows.get(row)?.cells.len() == 1).then(|| Focus {
        line: page.len().saturating_sub(1 + after),
        x: 19,
        width: 30,
    })
}

fn marks(e: &Experiment, variant: &Variant) -> String {
    if e.winning_variant.as_ref() == Some(&variant.key) {
        "   winner".to_owned()
    } else {
        String::new()
    }
}

/// A text in the width of its column.
fn cut(theme: &Theme, text: &str, column: &Column) -> String {
    let text = match column.title {
        // Keys often differ in their ends.
        "key" => fit_middle(text, column.width, theme.glyphs),
        _ => fit(text, column.width, theme.glyphs),
    };
    let blanks = " ".repeat(usize::from(column.width.saturating_sub(columns(&text))));
    if column.right {
        format!("{blanks}{text}")
    } else {
        format!("{text}{blanks}")
    }
}

fn bar(theme: &Theme, share: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a bar of twenty columns"
    )]
    let eighths = (share.clamp(0.0, 1.0) * f64::from(BAR) * 8.0).round() as usize;
    (0..usize::from(BAR))
        .map(|column| theme.glyphs.across(eighths.saturating_sub(column * 8).min(8)))
        .collect()
}
