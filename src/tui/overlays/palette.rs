//! `:`: everything by name.

use jiff::Timestamp;
use ratatui::layout::Position;
use uuid::Uuid;

use super::{CLOSES, Canvas, WIDEST, corner, rows};
use crate::cockpit::keymap::{Command, Context, Does};
use crate::cockpit::state::objects::Kind;
use crate::cockpit::state::overlay::Palette;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::contexts_under;
use crate::cockpit::update::palette::{self, PaletteItem};
use crate::tui::chrome::key_text;
use crate::tui::field;
use crate::tui::widgets::Pen;
use crate::tui::widgets::pen::columns;

/// Lines of choices that are shown at most.
const MOST: usize = 14;
/// Columns of the names.
const NAME: u16 = 22;

/// Draws the palette.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    palette: &Palette,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let items = palette::items(state, palette.input.text());
    let width = canvas.inside_width(WIDEST);
    // Always the same height, so that the line that is typed into does not jump.
    let height = rows(MOST + 1);
    let selected = palette.selected.min(items.len().saturating_sub(1));
    // What Enter does with the line under the cursor; nothing where that line says why nothing can be done.
    let enters = items
        .get(selected)
        .and_then(|item| palette::enters(state, *item, now));
    let enters = enters.map(|does| (Context::Palette, Command::Accept, does));
    let does: Vec<Does<'_>> = enters.into_iter().chain([CLOSES]).collect();
    let keys = corner(&state.keymap, &does);
    canvas.boxed("Commands", &keys, (width, height), |pen| {
        let start = pen.text(0, 0, ": ", pen.theme.key);
        let room = pen.width().saturating_sub(start);
        let cursor = field::draw(pen, start, 0, room, &palette.input, pen.theme.text);
        let shown = usize::from(pen.height().saturating_sub(1));
        if items.is_empty() {
            pen.text(0, 1, "Nothing has such a name.", pen.theme.dim);
        }
        let first = selected
            .saturating_sub(shown / 2)
            .min(items.len().saturating_sub(shown));
        for (y, (at, item)) in (1_u16..).zip(items.iter().enumerate().skip(first).take(shown)) {
            line(pen, y, state, *item, now);
            if at == selected {
                pen.restyle_row(y, pen.theme.selection);
            }
        }
        let laid = Laid {
            rows: shown,
            last: items.len().saturating_sub(1),
        };
        (laid, cursor)
    })
}

/// What an object is, and which one.
fn object(state: &State, kind: Kind, id: Uuid) -> Option<(&'static str, String)> {
    let objects = &state.objects;
    Some(match kind {
        Kind::Flags => {
            let flag = &objects.flags.get(id)?.flag;
            ("flag", format!("{}  {}", flag.key, flag.name))
        }
        Kind::Deployments => {
            let deployment = &objects.deployments.get(id)?.deployment;
            let kind = deployment.kind.as_str();
            ("deployment", format!("{}  {kind}", deployment.name))
        }
        Kind::Projects => {
            let project = &objects.projects.get(id)?.project;
            ("project", format!("{}  {}", project.key, project.name))
        }
        Kind::Labs => {
            let lab = objects.labs.get(id)?;
            ("lab", format!("{}  {}", lab.key, lab.name))
        }
        Kind::Tokens => ("token", objects.tokens.get(id)?.name.clone()),
    })
}

fn line(pen: &mut Pen<'_>, y: u16, state: &State, item: PaletteItem, now: Timestamp) {
    let theme = pen.theme;
    let (name, help, keys) = match item {
        PaletteItem::Command(command) => {
            let Some(entry) = command.entry() else {
                return;
            };
            // What is refused now says why, before anybody chooses it.
            let refused = palette::refused(state, command, now);
            let contexts: Vec<Context> = contexts_under(state, &[]);
            let keys: Vec<String> = state
                .keymap
                .keys(&contexts, command)
                .take(2)
                .map(key_text)
                .collect();
            let help = refused.unwrap_or_else(|| entry.help.to_owned());
            (entry.name.to_owned(), help, keys.join(" "))
        }
        PaletteItem::Elsewhere(command) => {
            let Some(entry) = command.entry() else {
                return;
            };
            (
                entry.name.to_owned(),
                palette::told(state, command),
                String::new(),
            )
        }
        PaletteItem::Context(at) => match state.preferences.contexts.get(at) {
            Some(context) => {
                let here = state.settings.context.as_deref() == Some(context.name.as_str());
                let project = context.project.as_deref().unwrap_or_default();
                let here = if here { "here" } else { "" };
                let help = format!("{} {project}", context.api);
                (format!("context {}", context.name), help, here.to_owned())
            }
            None => return,
        },
        PaletteItem::Theme(at) => match state.preferences.themes.get(at) {
            Some(theme) => (
                format!("theme {}", theme.name),
                theme.description.clone(),
                String::new(),
            ),
            None => return,
        },
        PaletteItem::Object(kind, id) => match object(state, kind, id) {
            Some((name, help)) => (name.to_owned(), help, String::new()),
            None => return,
        },
        PaletteItem::Experiment(id) => match state.list.experiment(id) {
            Some(e) => ("open".to_owned(), format!("{}  {}", e.key, e.name), String::new()),
            None => return,
        },
    };
    let keys = theme.glyphs.text(&keys);
    let keys_at = pen.width().saturating_sub(columns(&keys));
    // What does nothing here stands back.
    let style = match item {
        PaletteItem::Elsewhere(_) => theme.dim,
        _ => theme.heading,
    };
    pen.text_within(0, y, &name, NAME, style);
    let room = keys_at.saturating_sub(NAME + 2);
    pen.text_within(NAME + 1, y, &theme.glyphs.text(&help), room, theme.dim);
    pen.text(keys_at, y, &keys, theme.key);
}
