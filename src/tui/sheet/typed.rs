//! What is typed, over the field it is typed into.

use ratatui::layout::{Position, Rect};

use super::{Focus, View};
use crate::cockpit::edit::refused;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::area;
use crate::cockpit::state::editor::{Editing, Input};
use crate::cockpit::update::edit;
use crate::tui::field;
use crate::tui::widgets::Pen;
use crate::tui::widgets::frame::{Frame as Border, SIDES};
use crate::tui::widgets::pen::{broken, columns, fit, wrap};

/// What is typed, over the field: the text with its cursor, suggestions below it, or a box of lines.
pub fn typed(
    pen: &mut Pen<'_>,
    view: &View<'_>,
    (x0, y, width): (u16, u16, u16),
    focus: Focus,
    cursor: &mut Option<Position>,
) {
    let Some(editing) = view.editing else { return };
    let theme = pen.theme;
    match &editing.input {
        Input::Choice { .. } => {}
        Input::Line(input) => {
            let x = x0 + focus.x;
            let start = pen.text(x, y, theme.glyphs.cursor_bar(), theme.accent);
            let room = (x0 + width).saturating_sub(start + 1).min(focus.width.max(4));
            *cursor = field::draw(pen, start, y, room, input, theme.text);
            suggestions(pen, view, editing, start, y);
        }
        Input::Area(_) => lines(pen, view, editing, cursor),
    }
}

/// Names to choose from, below the field; above it where there is no room.
fn suggestions(pen: &mut Pen<'_>, view: &View<'_>, editing: &Editing, x: u16, y: u16) {
    let theme = pen.theme;
    let names = edit::suggestions(view.state);
    let count = u16::try_from(names.len()).unwrap_or(u16::MAX);
    if count == 0 {
        return;
    }
    let top = if y + 1 + count <= pen.height() {
        y + 1
    } else {
        y.saturating_sub(count)
    };
    let widest = names.iter().map(|name| columns(name)).max().unwrap_or(0).min(40);
    for ((at, name), row) in names.iter().enumerate().zip(top..) {
        if row == y {
            continue;
        }
        let style = if editing.picked == Some(at) {
            theme.selection
        } else {
            theme.dim
        };
        let text = fit(name, widest, theme.glyphs);
        let blanks = usize::from(widest.saturating_sub(columns(&text)));
        pen.text(x, row, &format!(" {text}{} ", " ".repeat(blanks)), style);
    }
}

/// A text of several lines, in a box of its own.
fn lines(pen: &mut Pen<'_>, view: &View<'_>, editing: &Editing, cursor: &mut Option<Position>) {
    let Input::Area(text) = &editing.input else {
        return;
    };
    let theme = pen.theme;
    let whole = pen.area();
    let width = whole.width.min(area::WIDEST + SIDES);
    let rows = text.rows(area::columns(whole.width));
    let (row, column) = text.cursor(&rows);
    let wanted = u16::try_from(rows.len())
        .unwrap_or(u16::MAX)
        .saturating_add(4)
        .max(8);
    let height = whole.height.min(wanted);
    let outer = Rect {
        x: (whole.width - width) / 2,
        y: (whole.height - height) / 3,
        width,
        height,
    };
    let mut scratch = view.mine.clone();
    let why = editing.cell.apply(&editing.text(), &mut scratch).err();
    let mut inside = pen.part(outer.x, outer.y, outer.width, outer.height);
    inside.clear(theme.base());
    let title = editing
        .cell
        .path()
        .map_or_else(String::new, |path| path.label(&[view.mine]));
    let border = Border {
        title: &theme.glyphs.text(&title),
        right: &theme.glyphs.text(&view.state.keymap.ways(&[
            (Context::Always, Command::Back, "leaves it"),
            (Context::Field, Command::NextCell, "goes on"),
            (
                Context::Field,
                Command::Save,
                if view.id.is_nil() { "creates" } else { "saves" },
            ),
        ])),
        focused: true,
    };
    let mut inside = if height >= 3 {
        border.draw(&mut inside)
    } else {
        inside
    };
    // Why it cannot be taken, whole where that leaves most of the rows to the text.
    let why = why.map(|why| theme.glyphs.text(&refused(&why, view.mine)));
    let most = (inside.height() / 3).clamp(1, 3);
    let why = why.filter(|_| inside.height() > 1).map_or_else(Vec::new, |why| {
        wrap(&broken(&why, inside.width()), inside.width(), most, theme.glyphs)
    });
    let below = u16::try_from(why.len()).unwrap_or(most);
    let room = usize::from(inside.height() - below);
    let first = row.saturating_sub(room.saturating_sub(1));
    for (y, row) in (0_u16..).zip(rows.iter().skip(first).take(room)) {
        inside.text(0, y, text.seen(*row).trim_end(), theme.text);
    }
    let right = inside.width().saturating_sub(1);
    let [above, below_it] = theme.glyphs.more();
    let last = inside.height().saturating_sub(below + 1);
    if first > 0 {
        inside.glyph(right, 0, above, theme.accent);
    }
    if first + room < rows.len() {
        inside.glyph(right, last, below_it, theme.accent);
    }
    let at = inside.area();
    // Blanks behind the last word of a row hang over its edge.
    let (x, y) = (column.min(usize::from(right)), row - first);
    if let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y))
        && x < at.width.max(1)
        && y < at.height.max(1)
    {
        *cursor = Some(Position::new(at.x + x, at.y + y));
    }
    for (y, line) in (inside.height() - below..).zip(&why) {
        inside.text(0, y, line, theme.danger);
    }
}
