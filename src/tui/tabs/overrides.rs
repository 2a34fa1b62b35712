//! Overrides: who is forced by id. One page is held, and only the rows in view are drawn.

use jiff::Timestamp;
use ratatui::layout::Position;

use crate::api::imports::{Import, ImportState};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::Laid;
use crate::cockpit::state::import::is_unfinished;
use crate::cockpit::state::overrides::OverridesState;
use crate::domain::{Experiment, Flag, Variant};
use crate::tui::field;
use crate::tui::glyphs::{Tone, arm_slots};
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::{clears, empty, retried};
use crate::tui::widgets::heading::Heading;
use crate::tui::widgets::pen::{columns, fit_middle};

/// From how many lines on one of them has the names of the columns.
const HEAD_FROM: u16 = 4;

/// Draws the tab.
pub fn draw(
    pen: &mut Pen<'_>,
    experiment: &Experiment,
    (overrides, keymap): (&OverridesState, &Keymap),
    now: Timestamp,
    cursor: &mut Option<Position>,
) -> Laid {
    let (width, height) = (pen.width(), pen.height());
    let top = top(pen, overrides, cursor);
    let mut body = pen.part(0, top, width, height.saturating_sub(top));
    let many = "imports many at once, with a dry run first";
    let hint = keymap.sentence(
        "An override forces one user or device into a variant, before everything else.",
        &[(Context::Overrides, Command::Import, many)],
    );
    rows(&mut body, &experiment.variants, (overrides, keymap), &hint, now)
}

/// Heading and search; the rows they took.
fn top(pen: &mut Pen<'_>, overrides: &OverridesState, cursor: &mut Option<Position>) -> u16 {
    let (width, height) = (pen.width(), pen.height());
    let theme = pen.theme;
    let counts = overrides.page.value.as_ref().map_or_else(String::new, |page| {
        format!(
            "{} {} fixed, {} manual{}",
            theme.glyphs.dot(),
            format::count(page.fixed),
            format::count(page.manual),
            if theme.times.are_dates() {
                ", times in UTC"
            } else {
                ""
            }
        )
    });
    let heading = Heading {
        title: "Overrides",
        detail: &counts,
        ..Heading::default()
    };
    let mut top = 0;
    if height >= 4 {
        heading.draw(&mut pen.part(0, 0, width, 1));
        top = 1;
    }
    if overrides.searching || !overrides.search.text().is_empty() {
        let start = pen.text(1, top, "/ ", theme.key);
        let at = field::draw(
            pen,
            start,
            top,
            width.saturating_sub(start + 1),
            &overrides.search,
            theme.text,
        );
        if overrides.searching {
            *cursor = at;
        }
        top += 1;
    }
    top
}

/// One line for each import that waits for somebody; the rows it took.
pub fn unfinished(pen: &mut Pen<'_>, keymap: &Keymap, imports: &[Import]) -> u16 {
    let theme = pen.theme;
    let waiting: Vec<&Import> = imports.iter().filter(|i| is_unfinished(i)).collect();
    let shown = waiting.len().min(usize::from(pen.height() / 4));
    let mut y = 0;
    for import in &waiting[..shown] {
        let text = match import.state {
            ImportState::Staged => "nothing of it is in force".to_owned(),
            _ => format!("{} of {} chunks in force", import.applied_chunks, import.chunks),
        };
        let of = format!("{} ids into {}", format::count(import.unique), import.variant);
        let mark = theme.glyphs.tone(Tone::Warn);
        let goes_on = |does| keymap.sentence("", &[(Context::Overrides, Command::Imports, does)]);
        let on = goes_on("goes on with it, or undoes it");
        let long = format!("{mark} Import of {of} is unfinished: {text}. {on}");
        let long = long.trim_end().to_owned();
        // The key is what must not be cut.
        let short = match goes_on("goes on with an import, or undoes it").strip_suffix('.') {
            Some(on) => format!("{mark} {on}: {text}"),
            None => format!("{mark} An import is unfinished: {text}"),
        };
        let texts = [long, format!("{short}, of {of}."), format!("{short}.")];
        let fits = |text: &&String| columns(text) + 1 < pen.width();
        let text = texts.iter().find(fits).unwrap_or(&texts[2]);
        pen.text(1, y, &theme.glyphs.text(text), theme.warn);
        y += 1;
    }
    y
}

/// Draws the overrides of a flag.
pub fn draw_flag(
    pen: &mut Pen<'_>,
    flag: &Flag,
    (overrides, keymap): (&OverridesState, &Keymap),
    now: Timestamp,
    cursor: &mut Option<Position>,
) -> Laid {
    let (width, height) = (pen.width(), pen.height());
    let used = unfinished(
        pen,
        keymap,
        overrides.imports.value.as_deref().unwrap_or_default(),
    );
    let mut pen = pen.part(0, used, width, height - used);
    let (width, height) = (pen.width(), pen.height());
    let top = top(&mut pen, overrides, cursor);
    let mut body = pen.part(0, top, width, height.saturating_sub(top));
    let hint = keymap.sentence(
        "An override forces one user or device into a variant while the flag is on.",
        &[
            (Context::FlagOverrides, Command::FlagAddOverride, "adds one"),
            (Context::FlagOverrides, Command::Import, "many"),
        ],
    );
    rows(&mut body, &flag.variants, (overrides, keymap), &hint, now)
}

/// The names of the columns, over them.
fn head(pen: &mut Pen<'_>, id: u16, variant: u16) {
    let (theme, width) = (pen.theme, pen.width());
    let mut x = 1;
    if width >= 80 {
        pen.text(x, 0, "kind", theme.dim);
        x += 8;
    }
    pen.text(x, 0, "id", theme.dim);
    x += id + 2;
    // The name stands over the name, not over the mark.
    pen.text_within(x + 2, 0, "variant", variant.saturating_sub(2), theme.dim);
    x += variant + 2;
    if width >= 50 {
        pen.text(x, 0, "source", theme.dim);
        x += 10;
    }
    if width >= 80 {
        pen.text(x, 0, "changed", theme.dim);
    }
}

fn rows(
    pen: &mut Pen<'_>,
    variants: &[Variant],
    (overrides, keymap): (&OverridesState, &Keymap),
    hint: &str,
    now: Timestamp,
) -> Laid {
    let theme = pen.theme;
    let (width, height) = (pen.width(), pen.height());
    let Some(page) = &overrides.page.value else {
        let mut inside = pen.part(2, 0, width.saturating_sub(4), height);
        match &overrides.page.failure {
            Some(failure) => {
                empty(
                    &mut inside,
                    &format!("Cannot load the overrides: {}", failure.message),
                    &retried(keymap, failure),
                );
            }
            None => {
                inside.text(0, 0, &theme.glyphs.text("Asking for the overrides …"), theme.dim);
            }
        }
        return Laid::default();
    };
    if page.overrides.is_empty() {
        let mut inside = pen.part(2, 0, width.saturating_sub(4), height);
        if overrides.search.is_blank() {
            empty(
                &mut inside,
                "No overrides: nobody is forced into a variant.",
                hint,
            );
        } else {
            empty(
                &mut inside,
                &format!("No id contains \"{}\".", overrides.search.text().trim()),
                &clears(keymap, "search"),
            );
        }
        return Laid::default();
    }
    // The id gets what the other columns leave.
    let variant = if width >= 50 { 18 } else { 12 };
    let rest = match width {
        80.. => 8 + 2 + variant + 2 + 8 + 2 + theme.times.width(10),
        50.. => 2 + variant + 2 + 8,
        _ => 2 + variant,
    };
    let id = width.saturating_sub(rest + 4).max(8);
    let head = if height >= HEAD_FROM {
        head(&mut pen.part(0, 0, width, 1), id, variant);
        1
    } else {
        0
    };
    let mut pen = pen.part(0, head, width, height - head);
    let slots = arm_slots(variants.iter().map(|v| v.is_control));
    let rows = usize::from(height - head);
    let first = overrides
        .selected
        .saturating_sub(rows / 2)
        .min(page.overrides.len().saturating_sub(rows));
    for (y, (at, item)) in (0_u16..).zip(page.overrides.iter().enumerate().skip(first).take(rows)) {
        let slot = variants
            .iter()
            .position(|v| v.key == item.variant)
            .and_then(|at| slots.get(at).copied());
        let style = slot.map_or(theme.warn, |slot| theme.arm(slot));
        let mark = slot.map_or("?", |slot| theme.glyphs.arm(slot));
        let mut x = 1;
        if width >= 80 {
            pen.text(x, y, item.subject_type.as_str(), theme.dim);
            x += 8;
        }
        // Ids of one batch differ at their ends.
        let subject = fit_middle(&item.subject_id, id, theme.glyphs);
        pen.text_within(x, y, &subject, id, theme.text);
        x += id + 2;
        let key = fit_middle(item.variant.as_str(), variant.saturating_sub(2), theme.glyphs);
        pen.text_within(x, y, &format!("{mark} {key}"), variant, style);
        x += variant + 2;
        if width >= 50 {
            pen.text(x, y, item.source.as_str(), theme.dim);
            x += 10;
        }
        if width >= 80 {
            pen.text(x, y, &theme.times.cell(item.updated_at, now), theme.dim);
        }
        if at == overrides.selected {
            pen.restyle_row(y, theme.selection);
        }
    }
    Laid {
        rows,
        last: page.overrides.len().saturating_sub(1),
    }
}
