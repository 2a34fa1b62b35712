//! Sheets of fields: what stands in them, what changed, what cannot stand there, what is typed.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use uuid::Uuid;

use super::field;
use super::page::{Drawn, Page, Span, columns_of, draw_two, side_by_side};
use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::frame::Frame as Border;
use super::widgets::pen::{columns, fit};
use crate::api::results::Overview;
use crate::cockpit::edit::sheet::Row;
use crate::cockpit::edit::{Cell, Draft, Kind, Sheet};
use crate::cockpit::format;
use crate::cockpit::state::editor::{Editing, Input};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::{drafts, edit};
use crate::domain::{Experiment, FieldError};

/// Columns before a label: the mark of a change.
const MARK: u16 = 2;
/// Columns of the labels.
const LABEL: u16 = 16;
/// How much of an old value is shown beside the new one.
const OLD: u16 = 24;

/// A sheet with everything that is known about it.
pub struct View<'a> {
    /// The experiment, or nil for a new one.
    pub id: Uuid,
    /// Which sheet.
    pub sheet: Sheet,
    /// As it is edited.
    pub mine: &'a Experiment,
    /// The unsaved changes.
    pub draft: Option<&'a Draft>,
    /// Row and column of the cursor.
    pub cursor: Option<(usize, usize)>,
    /// The field that is typed into.
    pub editing: Option<&'a Editing>,
    /// Everything that the experiment would be refused for.
    pub refusals: Vec<FieldError>,
    /// Its live numbers.
    pub overview: Option<&'a Overview>,
    /// Everything else.
    pub state: &'a State,
    /// The time.
    pub now: Timestamp,
}

impl<'a> View<'a> {
    /// The sheet on the screen.
    #[must_use]
    pub fn of(state: &'a State, now: Timestamp) -> Option<Self> {
        let (id, sheet) = state.sheet()?;
        let mine = state.edited(id)?;
        let editor = state.editor()?;
        let draft = state.drafts.get(&id);
        Some(Self {
            id,
            sheet,
            mine,
            draft,
            cursor: editor.cursor(sheet, mine),
            editing: editor.editing.as_ref(),
            refusals: draft
                .filter(|d| !d.is_clean())
                .map(Draft::refusals)
                .unwrap_or_default(),
            overview: state.list.overview(id),
            state,
            now,
        })
    }

    /// Why a field cannot stay as it is.
    #[must_use]
    pub fn problem(&self, cell: &Cell) -> Option<String> {
        if let Some(unread) = self.draft.and_then(|draft| draft.unread.get(cell)) {
            return Some(unread.why.clone());
        }
        let refusal = self
            .refusals
            .iter()
            .find(|refusal| Cell::of_refusal(&refusal.field, self.mine).as_ref() == Some(cell))?;
        // A new experiment has no name at first: that is no fault before the review.
        let fresh = self.id.is_nil() && matches!(cell, Cell::Name) && self.mine.name.is_empty();
        (!fresh).then(|| refusal.to_string())
    }

    /// Whether the cursor is on a field.
    #[must_use]
    pub fn on(&self, row: usize, column: usize) -> bool {
        self.cursor == Some((row, column))
    }

    /// The style of a field with the cursor on it, or of its value.
    #[must_use]
    pub fn style(&self, theme: &Theme, on: bool, value: Style) -> Style {
        if on && self.editing.is_none() {
            theme.selection
        } else {
            value
        }
    }

    /// Whether a field belongs to a rule or variant that is new as a whole.
    #[must_use]
    pub fn fresh(&self, cell: &Cell) -> bool {
        let Some(draft) = self.draft else { return false };
        match cell {
            Cell::Rule(id) | Cell::RuleVariant(id) | Cell::RulePriority(id) | Cell::Condition(id, ..) => {
                !draft.base.rules.iter().any(|rule| rule.id == *id)
            }
            Cell::Variant(key, _) | Cell::VariantDefault(key) => draft.base.variant(key).is_none(),
            _ => false,
        }
    }

    /// What a field said before, when it says something else now.
    #[must_use]
    pub fn old(&self, cell: &Cell) -> Option<String> {
        if self.id.is_nil() {
            // Everything is new in a new experiment.
            return None;
        }
        let draft = self.draft?;
        if self.fresh(cell) && !draft.unread.contains_key(cell) {
            return None;
        }
        let changed = draft.unread.contains_key(cell) || {
            let (old, new) = (cell.text(&draft.base), cell.text(&draft.mine));
            old != new
        };
        changed.then(|| match cell.path() {
            Some(path) if matches!(cell, Cell::Rule(_) | Cell::Metric(_)) => {
                path.show(&path.get(&draft.base))
            }
            _ => cell.text(&draft.base),
        })
    }
}

/// Where something is to be typed: line and column.
#[derive(Debug, Clone, Copy, Default)]
pub struct Focus {
    /// The line of the page.
    pub line: usize,
    /// The column in it.
    pub x: u16,
    /// Columns for what is typed.
    pub width: u16,
}

/// The fields of a sheet as lines of a page; where the cursor is.
pub struct Lines<'t> {
    /// The lines.
    pub page: Page<'t>,
    /// Where the cursor is, if it is among them.
    pub focus: Option<Focus>,
}

/// Draws a sheet of labelled fields, in two columns where there is room.
pub fn draw(pen: &mut Pen<'_>, view: &View<'_>, drawn: &mut Drawn) -> Laid {
    let theme = pen.theme;
    let rows = view.sheet.rows(view.mine);
    let two = rows.iter().any(|row| row.right) && side_by_side(pen.width());
    let (left_width, right_width) = if two {
        columns_of(pen.width())
    } else {
        (pen.width(), pen.width())
    };
    let mut left = lines(theme, view, &rows, left_width, |row| !two || !row.right);
    let right = lines(theme, view, &rows, right_width, |row| two && row.right);
    if let Some(title) = heading(view) {
        let mut page = Page::new(theme, left_width);
        page.heading(&title, hint(view.sheet));
        let above = page.len();
        page.append_close(left.page);
        left.page = page;
        if let Some(focus) = &mut left.focus {
            focus.line += above;
        }
    }
    let height = usize::from(pen.height());
    let (focus, x0, len) = match (left.focus, right.focus) {
        (Some(focus), _) => (Some(focus), 0, left.page.len()),
        (None, Some(focus)) => (Some(focus), pen.width() - right_width, right.page.len()),
        (None, None) => (None, 0, left.page.len()),
    };
    let offset = focus.map_or(0, |focus| offset(focus.line, len, height));
    let laid = if two {
        draw_two(left.page, right.page, pen, offset, drawn)
    } else {
        left.page.draw_fields(pen, offset, drawn)
    };
    if let Some(focus) = focus {
        let width = if x0 == 0 { left_width } else { right_width };
        let y = u16::try_from(focus.line.saturating_sub(offset)).unwrap_or(u16::MAX);
        typed(pen, view, (x0, y, width), focus, &mut drawn.cursor);
    }
    laid
}

/// The first line that is shown so that line `at` is in view, of `len` lines in `rows` rows.
#[must_use]
pub fn offset(at: usize, len: usize, rows: usize) -> usize {
    at.saturating_sub(rows / 2).min(len.saturating_sub(rows))
}

/// The heading of a sheet that was opened from another one.
fn heading(view: &View<'_>) -> Option<String> {
    view.sheet.title(view.mine).filter(|title| !title.is_empty())
}

fn hint(sheet: Sheet) -> &'static str {
    match sheet {
        Sheet::Metric(_) => "n adds a filter, d removes one, Esc goes back",
        Sheet::Rule(_) => "all conditions must hold; n adds one, d removes one, Esc goes back",
        _ => "",
    }
}

fn lines<'t>(
    theme: &'t Theme,
    view: &View<'_>,
    rows: &[Row],
    width: u16,
    wanted: impl Fn(&Row) -> bool,
) -> Lines<'t> {
    let mut page = Page::new(theme, width);
    let mut focus = None;
    let widths = widths(theme, view, rows, width);
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| wanted(row)) {
        if let Some(section) = row.section {
            page.heading(section, "");
        }
        let first = page.len();
        let x = if row.cells.len() == 1 {
            one(&mut page, view, at, row)
        } else {
            several(&mut page, view, at, row, &widths)
        };
        if view.cursor.is_some_and(|(y, _)| y == at) {
            focus = Some(Focus {
                line: first,
                x,
                width: width.saturating_sub(x + 1),
            });
        }
        for cell in &row.cells {
            if let Some(why) = view.problem(cell) {
                below(&mut page, &why, theme.danger);
            }
        }
        if row.cells.len() == 1 {
            // Its further lines and what is wrong with it are the field too.
            page.field_at(first..page.len(), 0..width, (at, 0));
        }
    }
    Lines { page, focus }
}

/// A line below a field, where its value stands.
fn below(page: &mut Page<'_>, text: &str, style: Style) {
    let indent = MARK + label_width(page.width());
    page.hanging(&[(" ".repeat(usize::from(indent)), style)], text, style);
}

fn label_width(width: u16) -> u16 {
    if width < 40 { LABEL.min(width / 3) } else { LABEL }
}

/// The mark and the label of a row.
fn label_spans(theme: &Theme, width: u16, label: &str, mark: &str, on: bool) -> Vec<Span> {
    let room = label_width(width);
    let label = fit(label, room.saturating_sub(1), theme.glyphs).into_owned();
    let blanks = usize::from(room.saturating_sub(columns(&label)));
    vec![
        (mark.to_owned(), theme.dirty),
        (
            format!("{label}{}", " ".repeat(blanks)),
            if on { theme.accent } else { theme.dim },
        ),
    ]
}

/// Whether a row is new, changed, or as it was.
#[must_use]
pub fn mark(view: &View<'_>, cells: &[Cell]) -> &'static str {
    if cells.iter().any(|cell| view.fresh(cell)) {
        "+ "
    } else if cells.iter().any(|cell| view.old(cell).is_some()) {
        "~ "
    } else {
        "  "
    }
}

/// A row of one field; the column where its value begins.
fn one(page: &mut Page<'_>, view: &View<'_>, at: usize, row: &Row) -> u16 {
    let theme = page.theme;
    let on = view.on(at, 0);
    let Some(cell) = row.cells.first() else { return 0 };
    let old = view.old(cell);
    let width = page.width();
    let mut spans = label_spans(theme, width, &row.label, mark(view, &row.cells), on);
    let x = 1 + MARK + label_width(width);
    let editing = view.editing.filter(|editing| editing.cell == *cell);
    if let Some(editing) = editing {
        match &editing.input {
            Input::Choice { options, at } => {
                choice(page, spans, options, *at);
                return x;
            }
            Input::Line(_) => {
                spans.push((theme.glyphs.cursor_bar().to_owned(), theme.accent));
                page.line(spans);
                return x;
            }
            Input::Area(_) => {}
        }
    }
    let (text, style) = value(theme, view, cell);
    let style = match (&old, on) {
        (_, true) if !text.contains('\n') => view.style(theme, true, style),
        (Some(_), _) => theme.dirty,
        (None, _) => style,
    };
    if let Some(old) = old {
        let old = if old.trim().is_empty() {
            "none".to_owned()
        } else {
            one_line(&old)
        };
        let old = fit(&old, OLD.min(width / 3), theme.glyphs).into_owned();
        spans.push((old, theme.dim));
        spans.push((format!(" {} ", theme.glyphs.arrow()), theme.dim));
    }
    page.hanging(&spans, &text, style);
    x
}

/// The words of a choice, the chosen one marked.
fn choice(page: &mut Page<'_>, mut spans: Vec<Span>, options: &[String], at: usize) {
    let theme = page.theme;
    let (open, close) = if theme.glyphs.is_ascii() {
        ("<", ">")
    } else {
        ("‹", "›")
    };
    let chosen = options.get(at).map_or("", String::as_str);
    spans.push((format!("{open} {chosen} {close}"), theme.selection));
    page.line(spans);
    if options.len() > 1 {
        let all = options.join(" · ");
        let indent = MARK + label_width(page.width());
        page.hanging(&[(" ".repeat(usize::from(indent)), theme.dim)], &all, theme.dim);
    }
}

/// The widest value of each column of the rows with several fields, so that they line up.
fn widths(theme: &Theme, view: &View<'_>, rows: &[Row], width: u16) -> Vec<u16> {
    let mut widths: Vec<u16> = Vec::new();
    for row in rows.iter().filter(|row| row.cells.len() > 1) {
        for (at, cell) in row.cells.iter().enumerate() {
            let wide = columns(&value(theme, view, cell).0).min(width / 4);
            match widths.get_mut(at) {
                Some(widest) => *widest = (*widest).max(wide),
                None => widths.push(wide),
            }
        }
    }
    widths
}

/// A row of several fields side by side; the column where the one under the cursor begins.
fn several(page: &mut Page<'_>, view: &View<'_>, at: usize, row: &Row, widths: &[u16]) -> u16 {
    let theme = page.theme;
    let on_row = view.cursor.is_some_and(|(y, _)| y == at);
    let mark = mark(view, &row.cells);
    let mut spans = label_spans(theme, page.width(), &row.label, mark, on_row);
    let mut x = 1 + MARK + label_width(page.width());
    let mut focus = x;
    let mut options: Option<(&[String], usize)> = None;
    let line = page.len();
    for (column, cell) in row.cells.iter().enumerate() {
        let on = view.on(at, column);
        if on {
            focus = x;
        }
        let editing = view.editing.filter(|editing| editing.cell == *cell);
        let (text, style) = match editing.map(|editing| &editing.input) {
            Some(Input::Choice { options: all, at }) => {
                options = Some((all, *at));
                let chosen = all.get(*at).map_or("", String::as_str);
                (format!("‹ {chosen} ›"), theme.selection)
            }
            // What is typed is drawn over it; the others stay where they are.
            Some(Input::Line(input)) => {
                let wide = columns(input.text()).max(12) + 2;
                (" ".repeat(usize::from(wide)), theme.accent)
            }
            _ => {
                let (text, style) = value(theme, view, cell);
                let style = if view.old(cell).is_some() {
                    theme.dirty
                } else {
                    style
                };
                (text, view.style(theme, on, style))
            }
        };
        let text = if theme.glyphs.is_ascii() {
            text.replace('‹', "<").replace('›', ">")
        } else {
            text
        };
        let wide = columns(&text);
        let rest = widths.get(column).map_or(0, |width| width.saturating_sub(wide)) + 2;
        let last = column + 1 == row.cells.len();
        // The label belongs to the first field, the rest of the line to the last one.
        let from = if column == 0 { 0 } else { x };
        x += wide + rest;
        let to = if last { page.width() } else { x };
        page.field_at(line..line + 1, from..to, (at, column));
        spans.push((text, style));
        if !last {
            spans.push((" ".repeat(usize::from(rest)), theme.dim));
        }
    }
    page.line(spans);
    if let Some((options, _)) = options {
        below(page, &options.join(" · "), theme.dim);
    }
    focus
}

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
        Input::Area(_) => area(pen, view, editing, cursor),
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
fn area(pen: &mut Pen<'_>, view: &View<'_>, editing: &Editing, cursor: &mut Option<Position>) {
    let Input::Area(text) = &editing.input else {
        return;
    };
    let theme = pen.theme;
    let whole = pen.area();
    let width = whole.width.min(100);
    let lines: Vec<String> = text.lines().collect();
    let (row, column) = text.cursor();
    let wanted = u16::try_from(lines.len())
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
        right: &theme.glyphs.text("Esc leaves it, tab goes on, ctrl-o saves"),
        focused: true,
    };
    let mut inside = if height >= 3 {
        border.draw(&mut inside)
    } else {
        inside
    };
    let below = u16::from(why.is_some() && inside.height() > 1);
    let room = usize::from(inside.height() - below);
    let first = row.saturating_sub(room.saturating_sub(1));
    let across = usize::from(inside.width().saturating_sub(1));
    let shift = column.saturating_sub(across);
    for (y, line) in (0_u16..).zip(lines.iter().skip(first).take(room)) {
        let shown: String = skip_columns(line, shift);
        inside.text(0, y, &shown, theme.text);
    }
    let at = inside.area();
    let (x, y) = (column - shift, row - first);
    if let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y))
        && x < at.width.max(1)
        && y < at.height.max(1)
    {
        *cursor = Some(Position::new(at.x + x, at.y + y));
    }
    if let Some(why) = why
        && below == 1
    {
        let last = inside.height() - 1;
        inside.text(0, last, &theme.glyphs.text(&why.to_string()), theme.danger);
    }
}

/// A text without what stands in its first columns.
fn skip_columns(text: &str, columns: usize) -> String {
    use unicode_width::UnicodeWidthChar as _;
    let mut skipped = 0;
    text.chars()
        .skip_while(|c| {
            let skip = skipped < columns;
            skipped += c.width().unwrap_or(0);
            skip
        })
        .collect()
}

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
        Cell::Fact(fact) => super::tabs::setup::fact(theme, view, *fact),
        Cell::Holdout if e.holdout_pct.basis_points() == 0 => missing("none"),
        Cell::Holdout => known(format!("{text} % always see control")),
        Cell::Sticky if e.sticky => known("yes: the first variant stays when the split changes".into()),
        Cell::Sticky => missing("no: a change of the split may move subjects"),
        Cell::SubjectType => known(super::tabs::setup::subject_text(e)),
        Cell::Mode => known(super::tabs::setup::mode_text(e.assignment_mode).to_owned()),
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
            (crate::cockpit::edit::Which::Primary, true) => {
                missing("none: exposures are counted, no conversions")
            }
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
        Cell::NewKey => match crate::cockpit::update::create::live_key(view.state) {
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
            use crate::cockpit::edit::Part;
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
                Part::Value => known(crate::cockpit::edit::path::quoted(&text)),
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
    let slots = super::glyphs::arm_slots(e.variants.iter().map(|v| v.is_control));
    let at = e
        .variants
        .iter()
        .position(|v| v.key.as_str().eq_ignore_ascii_case(key))?;
    let slot = slots.get(at).copied()?;
    Some((theme.glyphs.arm(slot), theme.arm(slot)))
}

/// White space as single blanks.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is to be known before anything is edited: a draft of the last time, what came in from others.
#[must_use]
pub fn banners(state: &State, theme: &Theme, now: Timestamp) -> Vec<Vec<Span>> {
    let Some((id, _)) = state.sheet() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let key = |text: &str| (text.to_owned(), theme.key);
    let dim = |text: &str| (text.to_owned(), theme.dim);
    if let Some(editor) = state.editor()
        && let Some(stored) = editor.found.offered()
    {
        lines.push(offer(theme, stored.count(), stored.at, editor.found.more(), now));
    }
    let Some(draft) = state.drafts.get(&id) else {
        return lines;
    };
    if let Some(news) = &draft.news {
        let (who, when) = match drafts::who(state, id) {
            Some((who, at)) => (who, format!(", {} ago", format::age(at, now))),
            None => ("Somebody".to_owned(), String::new()),
        };
        let copies = [draft.base.as_ref(), &draft.mine];
        let taken: Vec<String> = news.taken.iter().map(|path| path.label(&copies)).collect();
        let mut text = format!("{who} saved v{}{when} while you edit", news.to);
        if !taken.is_empty() {
            text.push_str(&format!(": {} merged with yours", taken.join(", ")));
        }
        lines.push(vec![(format!("! {text}"), theme.info)]);
    }
    let open = draft.open_conflicts();
    if open > 0 {
        let copies = [draft.base.as_ref(), &draft.mine];
        let names: Vec<String> = draft
            .conflicts
            .iter()
            .filter(|conflict| conflict.choice.is_none())
            .map(|conflict| conflict.both.path.label(&copies))
            .collect();
        lines.push(vec![
            (format!("! Both of you changed {}", names.join(", ")), theme.warn),
            dim("   "),
            key("M"),
            dim(" decide"),
        ]);
    }
    lines
}

/// The line that offers a draft on disk; `more` are offered after it.
#[must_use]
pub fn offer(theme: &Theme, count: usize, at: Timestamp, more: usize, now: Timestamp) -> Vec<Span> {
    let key = |text: &str| (text.to_owned(), theme.key);
    let dim = |text: &str| (text.to_owned(), theme.dim);
    let count = format::counted(count as u64, "unsaved change", "unsaved changes");
    let same_day = now.duration_since(at).as_hours() < 20;
    let moment = format::moment(at, &TimeZone::UTC);
    let at = if same_day {
        moment.get(11..16).unwrap_or(&moment)
    } else {
        &moment
    };
    let mut spans = vec![
        (format!("~ {count} from {at} UTC"), theme.dirty),
        dim("   "),
        key("R"),
        dim(" restore   "),
        key("X"),
        dim(" throw away"),
    ];
    if more > 0 {
        let drafts = format::counted(more as u64, "draft", "drafts");
        spans.push(dim(&format!("   {drafts} of other cockpits after it")));
    }
    spans
}

/// How much is unsaved, for the footer.
#[must_use]
pub fn unsaved(state: &State) -> Option<String> {
    let (id, _) = state.sheet()?;
    let count = state.drafts.get(&id)?.count();
    if id.is_nil() || count == 0 {
        return None;
    }
    Some(format::counted(count as u64, "unsaved change", "unsaved changes"))
}
