//! What lies over a screen: dialogs, panels, the palette.

mod ask;
mod conflicts;
mod evidence;
mod explain;
mod form;
mod help;
mod history;
mod import;
mod imports;
mod object;
mod palette;
mod resume;
mod secret;
mod settings;
mod step;
mod wiring;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Clear;

use super::chrome::key_text;
use super::page::Page;
use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::frame::{EDGES, Frame as Border, SIDES};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Does, Keymap};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::age::{self, Age};

/// The widest an overlay gets; lines longer than this are hard to read.
const WIDEST: u16 = 76;

/// Draws all overlays, the last one on top; what of it could be shown, and where its cursor is.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &State,
    theme: &Theme,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let mut shown = (Laid::default(), None);
    for (at, overlay) in state.overlays.iter().enumerate() {
        let mut canvas = Canvas {
            frame,
            area,
            theme,
            now,
        };
        shown = match overlay {
            Overlay::Help { scroll } => help::draw(&mut canvas, state, &state.overlays[..at], *scroll),
            Overlay::Evidence { scroll } => evidence::draw(&mut canvas, state, *scroll, now),
            Overlay::Palette(palette) => palette::draw(&mut canvas, state, palette, now),
            Overlay::Step(dialog) => step::draw(&mut canvas, state, dialog, now),
            Overlay::History { selected, scroll, .. } => {
                history::draw(&mut canvas, state, (*selected, *scroll), now)
            }
            Overlay::Explain(panel) => explain::draw(&mut canvas, state, panel),
            Overlay::Ask(dialog) => ask::draw(&mut canvas, state, dialog, now),
            Overlay::Conflicts { selected, scroll } => {
                conflicts::draw(&mut canvas, state, (*selected, *scroll), now)
            }
            Overlay::Wiring(panel) => wiring::draw(&mut canvas, state, panel),
            Overlay::Form(form) => object::draw(&mut canvas, state, form, now),
            Overlay::Secret(secret) => secret::draw(&mut canvas, &state.keymap, secret),
            Overlay::Import(panel) => import::draw(&mut canvas, &state.keymap, panel, now),
            Overlay::Imports(panel) => imports::draw(&mut canvas, state, panel, now),
            Overlay::Audit(panel) => history::draw_audit(&mut canvas, state, panel, now),
            Overlay::Settings(panel) => settings::draw(&mut canvas, state, panel),
        };
    }
    shown
}

/// Where overlays are drawn.
struct Canvas<'f, 'b> {
    frame: &'f mut Frame<'b>,
    area: Rect,
    theme: &'f Theme,
    now: Timestamp,
}

impl Canvas<'_, '_> {
    /// Columns inside the border of an overlay that wants to be `wanted` wide.
    fn inside_width(&self, wanted: u16) -> u16 {
        let outer = wanted.saturating_add(SIDES).min(self.area.width);
        if framed(outer, self.area.height) {
            outer - SIDES
        } else {
            outer
        }
    }

    /// Rows inside the border of an overlay that is as high as there is room.
    fn inside_height(&self) -> u16 {
        if framed(self.area.width, self.area.height) {
            self.area.height.saturating_sub(EDGES)
        } else {
            self.area.height
        }
    }

    /// A box with what is decided upon above, scrolled, and `below` rows of a form that `form` draws. Where there is no
    /// room for both the form comes first, but not alone: what is decided upon must be seen too.
    fn dialog(
        &mut self,
        (title, right): (&str, &str),
        (page, scroll): (&Page<'_>, usize),
        below: usize,
        form: impl FnOnce(&mut Pen<'_>) -> Option<Position>,
    ) -> (Laid, Option<Position>) {
        let height = rows(page.len() + below);
        let bare = !framed(self.area.width, self.area.height);
        self.boxed(title, right, (page.width(), height), |pen| {
            // Without a border what is asked still stands above the buttons: the title, then what comes of it.
            let top = u16::from(bare && pen.height() > 1 && page.width() > 0);
            if top > 0 {
                let style = pen.theme.accent;
                pen.text(0, 0, title, style);
            }
            let (width, height) = (pen.width(), pen.height() - top);
            let least = rows(page.len()).min((height / 3).max(u16::from(height > 1)));
            let below = rows(below).min(height - least);
            let above = height - below;
            let laid = page.draw(&mut pen.part(0, top, width, above), scroll);
            let cursor = form(&mut pen.part(0, top + above, width, below));
            (laid, cursor)
        })
    }

    /// Clears a centred box with a border and room for `width` × `height` inside, as far as there is
    /// room, and lets `draw` fill it.
    fn boxed<T>(
        &mut self,
        title: &str,
        right: &str,
        (width, height): (u16, u16),
        draw: impl FnOnce(&mut Pen<'_>) -> T,
    ) -> T {
        let outer = Rect {
            width: width.saturating_add(SIDES).min(self.area.width),
            height: height.saturating_add(EDGES).min(self.area.height),
            ..self.area
        };
        let spare_height = self.area.height - outer.height;
        let outer = Rect {
            x: self.area.x + (self.area.width - outer.width) / 2,
            // A little above the middle, where eyes are.
            y: self.area.y + spare_height / 3,
            ..outer
        };
        self.frame.render_widget(Clear, outer);
        let buf = self.frame.buffer_mut();
        buf.set_style(outer.intersection(buf.area), self.theme.base());
        let mut pen = Pen::new(self.theme, outer, buf);
        if self.area.height < LEAST_FRAMED {
            // No room for a border, and none to waste on a title.
            return draw(&mut pen);
        }
        let glyphs = self.theme.glyphs;
        let border = Border {
            title: &glyphs.text(title),
            right: &glyphs.text(right),
            focused: true,
        };
        let mut inside = border.draw(&mut pen);
        draw(&mut inside)
    }
}

/// When the numbers above were counted, and that this is too long ago to be taken for the present. Minutes are told, so
/// that nothing is written while nothing changes.
fn counted(page: &mut Page<'_>, state: &State, theme: &Theme, age: &Age, now: Timestamp) {
    let at = age.since.to_zoned(TimeZone::UTC).strftime("%H:%M");
    if age::is_stale(state, age, now) {
        let told = format::age(age.since, now);
        page.text(&format!("Stale: counted at {at} UTC, {told} ago."), theme.warn);
    } else {
        page.text(&format!("Counted at {at} UTC."), theme.dim);
    }
}

/// Whether a box of this size gets a border (see [`Border::draw`]).
fn framed(width: u16, height: u16) -> bool {
    width >= 12 && height >= LEAST_FRAMED
}

/// Rows of the screen from which on boxes have borders: in fewer they would leave a button and not what it is about.
const LEAST_FRAMED: u16 = 5;

/// What closes a panel.
const CLOSES: Does<'static> = (Context::Always, Command::Back, "closes");

/// What the corner of a box says of its keys: `⏎ run   Esc closes`. What has no key is left out.
fn corner(keymap: &Keymap, does: &[Does<'_>]) -> String {
    let keys: Vec<String> = does
        .iter()
        .filter_map(|(place, command, does)| {
            let key = keymap.key_at(*place, *command)?;
            Some(format!("{} {does}", key_text(key)))
        })
        .collect();
    keys.join("   ")
}

/// A count of rows as the terminal counts them.
fn rows(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}
