//! The dialogs that ask before something is changed or thrown away.

use jiff::Timestamp;
use ratatui::layout::Position;

use super::form::{Form, Row, note, sending};
use super::{Canvas, WIDEST, counted};
use crate::api::overrides::OverridePage;
use crate::cockpit::edit::consequences::consequences;
use crate::cockpit::edit::{Draft, Path, rows as edit_rows};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::lifecycle;
use crate::cockpit::ports::Loaded;
use crate::cockpit::state::ask::{Ask, AskDialog, AskField};
use crate::cockpit::state::editor::Found;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::{age, ask, guard};
use crate::domain::{Experiment, Key};
use crate::tui::glyphs::Glyphs;
use crate::tui::page::Page;
use crate::tui::sheet::arm;
use crate::tui::widgets::pen::{columns, fit, fit_middle, padded};

/// Draws the dialog.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    dialog: &AskDialog,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    // What is stale is faded, and not what says so.
    let age = age::of_ask(state, &dialog.ask);
    let stale = age.is_some_and(|age| age::is_stale(state, &age, now));
    let of_numbers = if stale { theme.faded() } else { theme.clone() };
    let mut page = Page::new(&of_numbers, width);
    body(&mut page, state, dialog);
    if let Some(age) = &age {
        counted(&mut page, state, theme, age, now);
    }
    let form = Form {
        rows: form_rows(canvas, state, dialog),
        focus: dialog.focus,
        buttons: [AskField::Cancel, AskField::Confirm],
        armed: now >= dialog.armed_at(),
    };
    canvas.dialog(
        (&ask::title(state, dialog), ""),
        (&page, dialog.scroll),
        form.rows.len(),
        |pen| form.draw(pen),
    )
}

fn body(page: &mut Page<'_>, state: &State, dialog: &AskDialog) {
    let theme = page.theme;
    match &dialog.ask {
        Ask::Save { id } => match state.drafts.get(id) {
            Some(draft) if !draft.is_clean() => {
                difference(page, draft);
                let lines = consequences(draft, state.list.overview(*id));
                if !lines.is_empty() {
                    page.blank();
                }
                for line in lines {
                    page.hanging(&[("! ".to_owned(), theme.warn)], &line, theme.warn);
                }
            }
            _ => page.text("There are no unsaved changes any more.", theme.dim),
        },
        Ask::Discard { id } => {
            let found = state.editor().map(|editor| &editor.found);
            if let Some(stored) = found.and_then(Found::offered) {
                let draft = Draft::restored(stored.clone());
                page.text("Left from the last time:", theme.dim);
                difference(page, &draft);
                page.text("They cannot be brought back.", theme.warn);
            } else if let Some(draft) = state.drafts.get(id) {
                difference(page, draft);
                let back = "brings them back, as long as this cockpit runs";
                let back = (Context::Edit, Command::Undo, back);
                let back = state.keymap.sentence("", &[back]);
                if !back.is_empty() {
                    page.blank();
                    page.text(&back, theme.dim);
                }
            }
        }
        Ask::RemoveVariant { id, key } => {
            if let Some(e) = state.edited(*id) {
                let detail = state.open.as_deref().filter(|detail| detail.id() == Some(*id));
                let overrides = detail.map(|detail| &detail.overrides.page);
                removing(page, &state.keymap, (e, key), overrides);
            }
        }
        Ask::AddOverride { .. } => {
            match &dialog.held_back {
                None => page.text(
                    "From the next decision on the subject sees this variant, whatever the rules and the split say.",
                    theme.text,
                ),
                Some(why) => page.text(why, theme.warn),
            }
            page.text("Its exposures are left out of the test of the split.", theme.dim);
        }
        Ask::RemoveOverride { item, .. } => {
            let after = match dialog.held_back {
                None => ": rules and the split decide again.",
                Some(_) => ".",
            };
            page.text(
                &format!(
                    "The {} {} is forced into {} no longer{after}",
                    item.subject_type.as_str(),
                    item.subject_id,
                    item.variant
                ),
                theme.text,
            );
            if let Some(why) = &dialog.held_back {
                page.text(why, theme.warn);
            }
            page.text("Its past exposures stay counted where they are.", theme.dim);
        }
        Ask::Create => {
            page.text(
                "It begins as a draft: everybody sees the default until it is activated.",
                theme.text,
            );
            page.text("Key and assignment mode are fixed from here on.", theme.warn);
        }
        Ask::ApplyWinner { experiment, winner } => applying(page, state, experiment, winner),
    }
}

/// Columns of what a part is called.
const LABEL: u16 = 20;

/// What a part is called, in [`LABEL`] columns: where it names something long, that gives way in its middle, so that
/// the parts of one variant are told apart, and those of two.
fn label(path: &Path, copies: &[&Experiment], glyphs: Glyphs) -> String {
    let within = |before: &str, name: &str, after: &str| {
        let room = LABEL.saturating_sub(columns(before) + columns(after));
        format!("{before}{}{after}", fit_middle(name, room, glyphs))
    };
    match path {
        Path::VariantAttr(key, attr) => within("", key, &format!(" {}", attr.label())),
        Path::Variant(key) => within("variant ", key, ""),
        Path::Link(name) => within("link ", name, ""),
        _ => fit(&path.label(copies), LABEL, glyphs).into_owned(),
    }
}

/// What differs, a line each.
fn difference(page: &mut Page<'_>, draft: &Draft) {
    let theme = page.theme;
    let copies = [&draft.mine, draft.base.as_ref()];
    let room = page.width().saturating_sub(24).max(10);
    for (path, from, to) in draft.changes() {
        let mark = match (from.is_null(), to.is_null()) {
            (true, false) => "+ ",
            (false, true) => "- ",
            _ => "~ ",
        };
        let label = label(&path, &copies, theme.glyphs);
        let (old, new) = (path.show(&from), path.show(&to));
        let before = vec![(mark.to_owned(), theme.dirty), (padded(&label, 21), theme.dim)];
        let short = columns(&old).saturating_add(columns(&new)).saturating_add(3) <= room;
        if mark == "+ " {
            page.hanging(&before, &new, theme.dirty);
        } else if mark == "- " {
            page.hanging(&before, &old, theme.dim);
        } else if short {
            let mut before = before;
            before.push((old, theme.dim));
            before.push((format!(" {} ", theme.glyphs.arrow()), theme.dim));
            page.hanging(&before, &new, theme.dirty);
        } else {
            page.hanging(&before, &old, theme.dim);
            page.hanging(
                &[(format!("{:>22} ", theme.glyphs.arrow()), theme.dim)],
                &new,
                theme.dirty,
            );
        }
    }
    for (cell, unread) in &draft.unread {
        let label = cell
            .path()
            .map_or_else(String::new, |path| label(&path, &copies, theme.glyphs));
        page.hanging(
            &[
                ("? ".to_owned(), theme.danger),
                (format!("{label:<21}"), theme.dim),
            ],
            &unread.text,
            theme.danger,
        );
    }
}

fn removing(
    page: &mut Page<'_>,
    keymap: &Keymap,
    (e, key): (&Experiment, &str),
    overrides: Option<&Loaded<OverridePage>>,
) {
    let theme = page.theme;
    let Some(variant) = e.variant(key) else {
        page.text("It is gone already.", theme.dim);
        return;
    };
    let share = variant.traffic_pct;
    if share.basis_points() > 0 {
        page.text(
            &format!("Its {share} % of the traffic become unallocated."),
            theme.text,
        );
    }
    let rules = edit_rows::in_order(e)
        .into_iter()
        .filter(|rule| rule.variant.as_str().eq_ignore_ascii_case(key))
        .count();
    if rules > 0 {
        let count = format::counted(rules as u64, "rule that routes", "rules that route");
        let text = format!(
            "Removed with it: {count} to it. Those subjects fall to the next rule, then to the split."
        );
        page.text(&text, theme.warn);
    }
    if e.default_variant_id.as_str().eq_ignore_ascii_case(key) {
        page.text("It is the default: the control takes its place.", theme.warn);
    }
    let forced = overrides.map(|overrides| (overrides.value.as_ref(), overrides.failure.as_ref()));
    let (text, style) = match forced {
        Some((Some(page), _)) => {
            let of = |(variant, _): &(&Key, &u64)| variant.as_str().eq_ignore_ascii_case(key);
            match page.by_variant.iter().find(of).map_or(0, |(_, count)| *count) {
                0 => ("No override forces a subject into it.".to_owned(), theme.dim),
                n => {
                    let count = format::counted(n, "override forces a subject", "overrides force subjects");
                    let text = format!(
                        "{count} into it, and stay as they are: saving is refused until they are removed, or \
                         forced into another variant, on the Overrides tab."
                    );
                    (text, theme.danger)
                }
            }
        }
        Some((None, Some(failure))) => (
            format!(
                "How many overrides force subjects into it is not known ({}): saving is refused while there are any.",
                failure.message
            ),
            theme.warn,
        ),
        Some((None, None)) => (
            "Counting the overrides that force subjects into it …".to_owned(),
            theme.dim,
        ),
        None => (String::new(), theme.dim),
    };
    if !text.is_empty() {
        page.text(&text, style);
    }
    let text = "It is an unsaved change until it is saved";
    let back = (Context::Edit, Command::Undo, "brings it back");
    page.text(&format!("{}.", keymap.after(text, "; ", &[back])), theme.dim);
}

fn applying(page: &mut Page<'_>, state: &State, experiment: &Experiment, winner: &Key) {
    let theme = page.theme;
    let key = winner.as_str();
    let results = state.open.as_deref().and_then(|d| d.decisive());
    let arms = results.map(|r| r.arms.as_slice()).unwrap_or_default();
    let best = arms
        .iter()
        .find(|a| a.variant == key)
        .and_then(|a| a.posterior.as_ref());
    let (mark, style) = arm(theme, experiment, key).unwrap_or(("", theme.text));
    let mut line = vec![(format!("{mark} {winner}"), style)];
    if let Some(best) = best {
        line.push((
            format!("   P(best) {}", format::prob_best(best.prob_best)),
            theme.text,
        ));
        if let Some(uplift) = &best.uplift {
            line.push((format!("   uplift {}", format::uplift(uplift.median)), theme.text));
        }
    }
    // What it gains is told whole, however long the key is.
    page.flowing(&line);
    let linked = experiment.linked_flag.as_ref();
    let flag = linked.map(ToString::to_string).unwrap_or_default();
    page.text(
        &format!("The flag {flag} is switched on and serves {winner} to 100 %."),
        theme.warn,
    );
    let row = linked.and_then(|key| state.objects.flag_named(key.as_str()));
    if let Some(line) = lifecycle::forced_after_winner(experiment, winner, row) {
        page.text(&line, theme.warn);
    }
    for line in lifecycle::replaced(experiment, key, state.list.overview(experiment.id)) {
        page.text(&line, theme.warn);
    }
    page.text(
        "The experiment is completed: it cannot be made active again.",
        theme.warn,
    );
    page.text(
        "The server computes the results anew and refuses if they say otherwise.",
        theme.dim,
    );
}

fn form_rows<'a>(canvas: &Canvas<'_, '_>, state: &State, dialog: &'a AskDialog) -> Vec<Row<'a, AskField>> {
    let theme = canvas.theme;
    let key = ask::about(state, dialog)
        .map(|e| e.key.to_string())
        .unwrap_or_default();
    let mut rows = vec![Row::Blank];
    for field in dialog.fields() {
        let label = field.label();
        match field {
            AskField::Id => rows.push(Row::Text(field, label, &dialog.id, "required")),
            AskField::Kind => rows.push(Row::Choice(field, label, dialog.kind.as_str().to_owned())),
            AskField::Variant => {
                if let Ask::AddOverride { experiment } = &dialog.ask {
                    let variant = experiment.variants.get(dialog.variant);
                    let key = variant.map_or_else(String::new, |v| v.key.to_string());
                    let mark = arm(theme, experiment, &key).map_or("", |(mark, _)| mark);
                    rows.push(Row::Choice(field, label, format!("{mark} {key}")));
                }
            }
            AskField::Comment => rows.push(Row::Text(field, label, &dialog.comment, "optional")),
            AskField::TypedKey => {
                let text = format!("This project is protected: type {key} to go on.");
                rows.extend(note(canvas, WIDEST, &text, theme.warn));
                rows.push(Row::Text(field, label, &dialog.typed_key, "required"));
            }
            AskField::Cancel => {
                let refused = guard::refusal(state, canvas.now).filter(|_| !local(&dialog.ask));
                let (text, style) = match (&dialog.error, dialog.sending, refused) {
                    (_, true, _) => {
                        let slot = ask::slot_of(&dialog.ask);
                        let text = slot.map(|slot| sending(state, slot, canvas.now));
                        (text.unwrap_or_default(), theme.dim)
                    }
                    (Some(error), false, _) => (error.clone(), theme.danger),
                    (None, false, Some(why)) => (why, theme.warn),
                    (None, false, None) => (String::new(), theme.dim),
                };
                if !text.is_empty() {
                    rows.extend(note(canvas, WIDEST, &text, style));
                }
                rows.push(Row::Buttons(dialog.keep(), dialog.verb()));
            }
            AskField::Confirm => {}
        }
    }
    rows
}

/// Whether nothing is sent for it.
fn local(ask: &Ask) -> bool {
    matches!(ask, Ask::Discard { .. } | Ask::RemoveVariant { .. })
}
