//! Flags, deployments, projects, labs, tokens: the lists, and the page of a flag.

pub mod flag;
pub mod grid;
mod rows;

use jiff::Timestamp;
use ratatui::layout::Position;

use super::field;
use super::page::{Span, draw_spans, width_of};
use super::widgets::Pen;
use super::widgets::empty::{clears, empty, retried};
use super::widgets::pen::columns;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::ports::{Failure, FailureKind};
use crate::cockpit::state::objects::{Kind, Listed, ObjectList};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::objects::filter;

/// The second line of a list: its title and filter.
pub fn title(pen: &mut Pen<'_>, state: &State, kind: Kind) -> Option<Position> {
    let theme = pen.theme;
    let end = pen.text(1, 0, kind.title(), theme.heading);
    let (text, filtering) = filter(&state.objects, kind);
    if filtering || !text.text().is_empty() {
        let start = pen.text(end + 2, 0, "/ ", theme.key);
        let room = pen.width().saturating_sub(start + 1).min(40);
        return field::draw(pen, start, 0, room, text, theme.text).filter(|_| filtering);
    }
    let mut used = end;
    if pen.width() > 40 {
        let filter = (state.keymap).ways(&[(Context::Objects, Command::ObjectFilter, "filter")]);
        used = pen.text(end + 2, 0, &filter, theme.dim);
    }
    let others: Vec<Span> = [
        (Kind::Flags, Command::GoFlags),
        (Kind::Deployments, Command::GoDeployments),
        (Kind::Projects, Command::GoProjects),
        (Kind::Labs, Command::GoLabs),
        (Kind::Tokens, Command::GoTokens),
    ]
    .into_iter()
    .filter(|(other, _)| *other != kind)
    // One without a key is in the palette with all the rest.
    .filter_map(|(other, go)| Some((other, state.keymap.key_at(Context::Global, go)?)))
    .flat_map(|(other, key)| {
        [
            (format!("  {} ", key.word()), theme.key),
            (other.title().to_lowercase(), theme.dim),
        ]
    })
    .collect();
    let width = width_of(&others);
    if used + 4 + width < pen.width() {
        let x = pen.width() - width - 1;
        draw_spans(pen, x, 0, &others);
    }
    None
}

/// Where the cursor is: `4 of 17`.
#[must_use]
pub fn place(state: &State, kind: Kind) -> String {
    fn of<T: Listed>(list: &ObjectList<T>) -> String {
        let shown = list.shown();
        match list.position_in(&shown) {
            Some(at) if shown.len() < list.all().len() => {
                format!("{} of {} ({} in all)", at + 1, shown.len(), list.all().len())
            }
            Some(at) => format!("{} of {}", at + 1, shown.len()),
            None => String::new(),
        }
    }
    let objects = &state.objects;
    match kind {
        Kind::Flags => of(&objects.flags),
        Kind::Deployments => of(&objects.deployments),
        Kind::Projects => of(&objects.projects),
        Kind::Tokens => of(&objects.tokens),
        Kind::Labs => of(&objects.labs),
    }
}

/// Draws a list, or what stands in its place.
pub fn draw(pen: &mut Pen<'_>, state: &State, kind: Kind, now: Timestamp) -> Laid {
    let objects = &state.objects;
    match kind {
        Kind::Flags => {
            let shown = objects.flags.shown();
            if shown.is_empty() {
                return nothing(pen, state, &objects.flags, kind);
            }
            rows::flags(
                pen,
                state,
                &shown,
                objects.flags.position_in(&shown).unwrap_or(0),
                now,
            )
        }
        Kind::Deployments => {
            let shown = objects.deployments.shown();
            if shown.is_empty() {
                return nothing(pen, state, &objects.deployments, kind);
            }
            rows::deployments(
                pen,
                state,
                &shown,
                objects.deployments.position_in(&shown).unwrap_or(0),
                now,
            )
        }
        Kind::Projects => {
            let shown = objects.projects.shown();
            if shown.is_empty() {
                return nothing(pen, state, &objects.projects, kind);
            }
            rows::projects(
                pen,
                state,
                &shown,
                objects.projects.position_in(&shown).unwrap_or(0),
            )
        }
        Kind::Labs => {
            let shown = objects.labs.shown();
            if shown.is_empty() {
                return nothing(pen, state, &objects.labs, kind);
            }
            let at = objects.labs.position_in(&shown).unwrap_or(0);
            rows::labs(pen, state, &shown, at, now)
        }
        Kind::Tokens => {
            let shown = objects.tokens.shown();
            if shown.is_empty() {
                return nothing(pen, state, &objects.tokens, kind);
            }
            let at = objects.tokens.position_in(&shown).unwrap_or(0);
            rows::tokens(pen, state, &shown, at, now)
        }
    }
}

fn nothing<T: Listed>(pen: &mut Pen<'_>, state: &State, list: &ObjectList<T>, kind: Kind) -> Laid {
    let (width, height) = (pen.width(), pen.height());
    let mut inside = pen.part(2, 0, width.saturating_sub(4), height);
    let title = kind.title().to_lowercase();
    if list.rows.value.is_some() && !list.filter.text().is_empty() {
        empty(
            &mut inside,
            &format!("None of the {title} matches \"{}\".", list.filter.text()),
            &clears(&state.keymap, "filter"),
        );
    } else if list.rows.value.is_some() {
        let (what, hint) = teach(&state.keymap, kind);
        empty(&mut inside, what, &hint);
    } else if let Some(failure) = &list.rows.failure {
        empty(
            &mut inside,
            &format!("Cannot load the {title}: {}", failure.message),
            &again(&state.keymap, failure),
        );
    } else {
        let text = inside.glyphs().text(&format!("Asking {} …", state.settings.api));
        let dim = inside.theme.dim;
        inside.text(0, 0, &text, dim);
    }
    Laid::default()
}

/// What is said where there is nothing yet.
fn teach(keymap: &Keymap, kind: Kind) -> (&'static str, String) {
    let makes =
        |text: &str, does: &str| keymap.sentence(text, &[(Context::Objects, Command::ObjectNew, does)]);
    match kind {
        Kind::Flags => (
            "No flags yet.",
            makes(
                "A flag switches something on for a share of subjects.",
                "makes one; an experiment brings its own",
            ),
        ),
        Kind::Deployments => (
            "No deployments yet.",
            makes(
                "A deployment is a program that asks for variants, with a key of its own.",
                "makes one",
            ),
        ),
        Kind::Projects => (
            "No projects.",
            "This token has no role in any project; an administrator gives it one.".to_owned(),
        ),
        Kind::Labs => (
            "No labs yet: every experiment is in DEFAULT.",
            makes(
                "A lab groups experiments, such as those of one team.",
                "makes one; Setup puts an experiment into it",
            ),
        ),
        Kind::Tokens => (
            "No tokens.",
            makes(
                "A token lets a person or a program use this server.",
                "makes one, and shows it once",
            ),
        ),
    }
}

/// What happens after a failure.
#[must_use]
pub fn again(keymap: &Keymap, failure: &Failure) -> String {
    match failure.kind {
        FailureKind::Refused | FailureKind::Configuration => keymap.sentence(
            "",
            &[
                (Context::Always, Command::Back, "goes back"),
                (Context::Global, Command::Reload, "asks again"),
            ],
        ),
        FailureKind::Lost | FailureKind::Limit => retried(keymap, failure),
    }
}

/// The second line of a flag: what it is, and how it stands.
pub fn flag_title(pen: &mut Pen<'_>, state: &State) {
    let theme = pen.theme;
    let Some((detail, row)) = state.objects.open_flag() else {
        pen.text(1, 0, "Flag", theme.heading);
        return;
    };
    let flag = &row.flag;
    let dirty = state
        .objects
        .draft(detail.id)
        .is_some_and(|d| !d.changed().is_empty());
    let (mark, word, style) = rows::standing(theme, flag);
    let mut spans: Vec<Span> = vec![
        (
            format!("{}{}", flag.key, if dirty { "*" } else { "" }),
            theme.heading,
        ),
        (format!("  {mark} {word}"), style),
        (format!("  v{}", flag.resource_version), theme.dim),
    ];
    if let Some(experiment) = &row.decided_by {
        spans.push((format!("  decided by {experiment}"), theme.info));
    }
    draw_spans(pen, 1, 0, &spans);
    let right = "flag";
    let width = pen.width();
    if width_of(&spans) + 4 + columns(right) < width {
        pen.text(width - columns(right) - 1, 0, right, theme.dim);
    }
}
