//! The page of a flag: what can be edited, its draft, its overrides.

use jiff::Timestamp;
use uuid::Uuid;

use super::{drafts, edit, form, notify};
use crate::api::problem::Code;
use crate::cockpit::edit::{FlagDraft, FlagPart, Kept, Left, Of};
use crate::cockpit::effect::Effect;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Does};
use crate::cockpit::ports::{Failure, Request};
use crate::cockpit::state::editor::Found;
use crate::cockpit::state::form::Purpose;
use crate::cockpit::state::objects::{FlagDetail, Kind};
use crate::cockpit::state::overlay::Overlay;
use crate::cockpit::state::overrides::OverridesState;
use crate::cockpit::state::{Level, Screen, State};
use crate::domain::{AuditEntry, Flag, Key};

/// A line of the page that can be chosen.
#[derive(Debug, Clone, Eq, PartialEq)]
pub enum Item {
    /// Whether it is on.
    Enabled,
    /// A part that is edited as a whole.
    Part(FlagPart),
    /// A variant.
    Variant(Key),
    /// A new variant.
    AddVariant,
    /// A rule.
    Rule(Uuid),
    /// A new rule.
    AddRule,
    /// The overrides.
    Overrides,
}

/// The lines of a flag that can be chosen, in their order.
#[must_use]
pub fn items(flag: &Flag) -> Vec<Item> {
    let mut items = vec![Item::Enabled];
    items.extend(
        [
            FlagPart::Name,
            FlagPart::Description,
            FlagPart::Rollout,
            FlagPart::Mode,
            FlagPart::Deployments,
        ]
        .map(Item::Part),
    );
    items.extend(flag.variants.iter().map(|v| Item::Variant(v.key.clone())));
    items.push(Item::AddVariant);
    items.extend(flag.rules.iter().map(|rule| Item::Rule(rule.id)));
    items.push(Item::AddRule);
    items.push(Item::Overrides);
    items
}

/// The line under the cursor.
#[must_use]
pub fn current(state: &State) -> Option<Item> {
    let detail = state.objects.flag.as_deref()?;
    let items = items(state.objects.edited(detail.id)?);
    items.get(detail.item.min(items.len() - 1)).cloned()
}

/// Something came in: the cursor stays on its line, wherever that stands now.
pub fn stay_on(state: &mut State, line: Option<Item>) {
    let Some(line) = line else { return };
    let flag = state.objects.flag.as_deref();
    let edited = flag.and_then(|detail| state.objects.edited(detail.id));
    let at = edited.and_then(|flag| items(flag).iter().position(|item| *item == line));
    if let (Some(detail), Some(at)) = (state.objects.flag.as_deref_mut(), at) {
        detail.item = at;
    }
}

/// Looks at a flag.
pub fn open(state: &mut State, id: Uuid) {
    state.objects.flag = Some(Box::new(FlagDetail {
        id,
        item: 0,
        overrides: None,
        found: Found::Unknown,
        held: Vec::new(),
    }));
    state.screen = Screen::Flag;
    state.close_overlays();
}

/// The cockpit was started with `--flag`: opens the page once everything for it is known, unless somebody has
/// gone elsewhere meanwhile.
pub fn open_if_asked(state: &mut State, now: Timestamp) {
    let (Some(_), Some(flags)) = (&state.me, state.objects.flags.rows.value.as_deref()) else {
        return;
    };
    let Some(name) = state.settings.flag.take() else {
        return;
    };
    if state.screen != Screen::Objects(Kind::Flags) {
        state.settings.import = None;
        return;
    }
    let named = |flag: &Flag| flag.key.as_str() == name || flag.id.to_string() == name;
    match flags.iter().map(|row| &row.flag).find(|flag| named(flag)) {
        Some(flag) => {
            let id = flag.id;
            state.objects.flags.selected = Some(id);
            open(state, id);
        }
        None => {
            state.settings.import = None;
            let text = format!("There is no flag {name} in this project");
            notify(state, Level::Warn, text, now);
        }
    }
}

/// The flag that a command is about: the open one, or the one under the cursor.
#[must_use]
pub fn target(state: &State) -> Option<&Flag> {
    match state.screen {
        Screen::Flag => state.objects.open_flag().map(|(_, row)| &row.flag),
        Screen::Objects(Kind::Flags) => state.objects.flags.current().map(|row| &row.flag),
        _ => None,
    }
}

/// Looks on disk for a draft of the open flag, once.
pub fn look(state: &mut State, effects: &mut Vec<Effect>) {
    if state.screen != Screen::Flag {
        return;
    }
    let Some(id) = state.objects.open_flag().map(|(detail, _)| detail.id) else {
        return;
    };
    let Some(key) = state.key_of(Of::Flag, id) else {
        return;
    };
    let known = state
        .objects
        .draft(id)
        .is_some_and(|draft| !draft.changed().is_empty());
    let Some(detail) = state.objects.flag.as_deref_mut() else {
        return;
    };
    if !matches!(detail.found, Found::Unknown) {
        return;
    }
    if known {
        detail.found = Found::Nothing;
        return;
    }
    detail.found = Found::Looking;
    effects.push(Effect::FindDraft(key));
}

/// Keeps the drafts on disk that changed since they were last kept, and forgets those that are none any more.
pub fn keep(state: &mut State, effects: &mut Vec<Effect>) {
    let open: Vec<Uuid> = (state.objects.drafts.iter())
        .filter(|draft| !draft.changed().is_empty())
        .map(|draft| draft.base.id)
        .collect();
    let gone: Vec<Uuid> = (state.objects.kept.keys().copied())
        .filter(|id| !open.contains(id))
        .collect();
    for id in gone {
        if let Some(key) = state.key_of(Of::Flag, id) {
            state.objects.kept.remove(&id);
            effects.push(Effect::DropDraft(key));
        }
    }
    for id in open {
        let Some(key) = state.key_of(Of::Flag, id) else {
            continue;
        };
        let objects = &mut state.objects;
        let draft = objects.drafts.iter().find(|draft| draft.base.id == id);
        if let Some(draft) = draft
            && objects.kept.insert(id, draft.revision) != Some(draft.revision)
        {
            effects.push(Effect::KeepDraft(Kept::Flag(Box::new(draft.stored(key)))));
        }
    }
    // Only behind it: what another cockpit left is here now.
    for draft in &mut state.objects.drafts {
        effects.extend(draft.instead_of.drain(..).map(Effect::DropLeft));
    }
}

/// Goes on with the draft that is offered. Beside changes that are here already it is merged with them.
pub fn restore(state: &mut State, now: Timestamp) {
    let found = state.objects.flag.as_deref_mut().map(|detail| &mut detail.found);
    let Some(Left { file, stored }) = found.and_then(Found::take) else {
        notify(state, Level::Info, "There is nothing to restore", now);
        return;
    };
    let id = stored.key.object;
    taken_up(state, id);
    let text = format!(
        "{} restored",
        format::counted(stored.count() as u64, "change", "changes")
    );
    let mut draft = FlagDraft::restored(stored);
    draft.instead_of.extend(file);
    match state.objects.drafts.iter_mut().find(|mine| mine.base.id == id) {
        Some(mine) => mine.join(draft, now),
        None => state.objects.drafts.push(draft),
    }
    notify(state, Level::Ok, text, now);
    // It may have been saved, or somebody may have changed the flag since.
    merge(state, now);
}

/// Throws the draft away: the one that is offered, or the one that is worked on.
pub fn discard(state: &mut State, now: Timestamp) {
    let Some((detail, row)) = state.objects.open_flag() else {
        return;
    };
    let draft = state.objects.draft(detail.id);
    if detail.found.offered().is_some() || draft.is_some_and(|draft| !draft.changed().is_empty()) {
        let flag = Box::new(row.flag.clone());
        form::open(state, Purpose::DiscardFlag(flag), now);
    } else {
        notify(state, Level::Info, "There are no unsaved changes", now);
    }
}

/// What is thrown away, as a draft.
#[must_use]
pub fn doomed(state: &State) -> Option<FlagDraft> {
    let detail = state.objects.flag.as_deref()?;
    match detail.found.offered() {
        Some(stored) => Some(FlagDraft::restored(stored.clone())),
        None => state.objects.draft(detail.id).cloned(),
    }
}

/// One that was left on disk is dealt with: the list does not mark it any more, unless there is another.
fn taken_up(state: &mut State, id: Uuid) {
    let detail = state.objects.flag.as_deref().filter(|detail| detail.id == id);
    if detail.is_some_and(|detail| detail.found.offered().is_none()) {
        state.waiting.1.remove(&(Of::Flag, id));
    }
}

/// The dialog's button: it is thrown away.
pub fn discarded(state: &mut State, now: Timestamp, effects: &mut Vec<Effect>) {
    let Some(detail) = state.objects.flag.as_deref_mut() else {
        return;
    };
    let text = match detail.found.take() {
        Some(left) => {
            effects.push(drafts::forget(left.file, left.stored.key));
            let id = detail.id;
            taken_up(state, id);
            "The unsaved changes of the last time are thrown away".to_owned()
        }
        None => {
            let id = detail.id;
            if let Some(draft) = state.objects.drafts.iter_mut().find(|d| d.base.id == id) {
                let base = draft.base.clone();
                draft.change(now, |flag| *flag = base);
            }
            let back = (Context::Flag, Command::FlagUndo, "brings them back");
            (state.keymap).after("The unsaved changes are thrown away", "; ", &[back])
        }
    };
    notify(state, Level::Info, text, now);
}

/// The history of a flag, while somebody's changes came into its draft and it is not known whose they are.
#[must_use]
pub fn wants_history(state: &State) -> Option<Request> {
    let (detail, _) = state
        .objects
        .open_flag()
        .filter(|_| state.screen == Screen::Flag)?;
    let news = state.objects.draft(detail.id)?.news.as_ref()?;
    news.who
        .is_none()
        .then_some(Request::FlagHistory { id: detail.id })
}

/// The history has come: who made the changes that came in, and when the last of them was made.
pub fn told(state: &mut State, id: Uuid, entries: &[AuditEntry]) {
    let Some(draft) = state.objects.drafts.iter_mut().find(|d| d.base.id == id) else {
        return;
    };
    let Some(news) = &mut draft.news else { return };
    let newer = entries
        .iter()
        .filter(|entry| entry.resource_version > news.from && entry.resource_version <= news.to);
    let mut names: Vec<&str> = Vec::new();
    let mut last = draft.base.updated_at;
    for entry in newer {
        last = last.max(entry.at);
        if !names.contains(&entry.actor.as_str()) {
            names.push(&entry.actor);
        }
    }
    news.who = Some((
        if names.is_empty() {
            "Somebody".to_owned()
        } else {
            names.join(", ")
        },
        last,
    ));
}

/// Saving was refused: what came in with the refusal is merged. What is said in the dialog; none for any other
/// refusal, and of anything else than the draft.
pub fn conflict(state: &mut State, failure: &Failure, now: Timestamp) -> Option<String> {
    if !matches!(state.objects.changing.as_deref(), Some(Purpose::SaveFlag(_))) {
        return None;
    }
    let problem = failure.problem.as_deref()?;
    if problem.code != Code::VersionConflict {
        return None;
    }
    let current: Flag = serde_json::from_value(problem.current.clone()?).ok()?;
    let id = current.id;
    let row = (state.objects.flags.rows.value.as_mut())
        .and_then(|rows| rows.iter_mut().find(|row| row.flag.id == id))?;
    row.flag = current;
    merge(state, now);
    state.notice = None;
    let who = problem
        .changed_by
        .clone()
        .unwrap_or_else(|| "Somebody".to_owned());
    let draft = state.objects.drafts.iter_mut().find(|d| d.base.id == id)?;
    if let (Some(news), Some(at)) = (&mut draft.news, problem.changed_at) {
        news.who = Some((who.clone(), at));
    }
    let next = Box::new(draft.clone());
    let open = !next.both.is_empty();
    for overlay in &mut state.overlays {
        if let Overlay::Form(form) = overlay
            && let Purpose::SaveFlag(sent) = &mut form.purpose
        {
            *sent = next.clone();
        }
    }
    Some(if open {
        let text = format!("{who} changed the same meanwhile. Close this and decide");
        state.keymap.after(&text, ": ", &DECIDES)
    } else {
        format!("{who} changed it meanwhile; it is merged with yours. Look at the difference again.")
    })
}

/// A draft was saved as it was `sent`. What was changed since is still to be saved.
pub fn saved(state: &mut State, sent: &FlagDraft, saved: &Flag, now: Timestamp) {
    let drafts = &mut state.objects.drafts;
    let Some(at) = drafts.iter().position(|draft| draft.base.id == saved.id) else {
        return;
    };
    drafts[at].saved(sent, saved, now);
    tidy(state);
}

/// What the keys do on the page of a flag about what both changed.
pub const DECIDES: [Does<'_>; 2] = [
    (Context::Flag, Command::FlagMine, "keeps yours"),
    (Context::Flag, Command::FlagTheirs, "takes theirs"),
];

/// Takes what a dialog made of the flag as it was when it opened into the draft.
pub fn take_edit(state: &mut State, start: &Flag, edited: &Flag, now: Timestamp) {
    let Some(saved) = state.objects.flags.get(start.id).map(|row| row.flag.clone()) else {
        return;
    };
    let draft = state.objects.draft_mut(&saved, now);
    draft.edit(start, edited, now);
    let clash = draft.both.first().map(|clash| clash.part);
    tidy(state);
    if let Some(part) = clash {
        let text = format!("Somebody else changed the {} meanwhile", part.label());
        let text = state.keymap.after(&text, ": ", &DECIDES);
        notify(state, Level::Warn, text, now);
    }
}

/// Drafts that differ in nothing are none, unless one is on its way: what was taken back since it was sent is a change
/// once it is saved.
fn tidy(state: &mut State) {
    let sent = match state.objects.changing.as_deref() {
        Some(Purpose::SaveFlag(sent)) => Some(sent.base.id),
        _ => None,
    };
    state
        .objects
        .drafts
        .retain(|draft| !draft.changed().is_empty() || !draft.undo.is_empty() || sent == Some(draft.base.id));
}

/// Newer flags came: what somebody else changed goes into the drafts.
pub fn merge(state: &mut State, now: Timestamp) {
    let mut said = None;
    let objects = &mut state.objects;
    for draft in &mut objects.drafts {
        let Some(row) = objects.flags.rows.value.as_ref().and_then(|rows| {
            let id = draft.base.id;
            rows.iter().find(|row| row.flag.id == id)
        }) else {
            continue;
        };
        let before = draft.base.resource_version;
        let clean = draft.changed().is_empty();
        let came = draft.merge(&row.flag, now);
        // Where nothing is unsaved it is no news of a draft.
        if clean || came.is_empty() && draft.both.is_empty() {
            continue;
        }
        if draft.base.resource_version != before
            && let Some(clash) = draft.both.first()
        {
            let label = clash.part.label();
            let text = format!("Somebody else changed the {label} of {} too", draft.base.key);
            said = said.or_else(|| Some(state.keymap.after(&text, ": ", &DECIDES)));
        } else if !came.is_empty() {
            let labels: Vec<&str> = came.iter().map(|part| part.label()).collect();
            said = said.or(Some(format!(
                "Somebody else changed {} of {}: taken into your draft",
                labels.join(", "),
                draft.base.key
            )));
        }
    }
    tidy(state);
    if let Some(text) = said {
        notify(state, Level::Warn, text, now);
    }
}

/// Whether a command of the page leads to nothing but unsaved changes: the switch alone is saved by itself.
#[must_use]
pub fn only_edits(state: &State, command: Command) -> bool {
    match command {
        Command::FlagAdd | Command::FlagRemove => true,
        Command::FlagEdit => !matches!(current(state), Some(Item::Enabled | Item::Overrides)),
        _ => false,
    }
}

/// Whether it leads to no change at all: the overrides are there for everybody to be looked at.
#[must_use]
pub fn only_looks(state: &State, command: Command) -> bool {
    let page = state.screen == Screen::Flag && state.overlays.is_empty();
    page && command == Command::FlagEdit && matches!(current(state), Some(Item::Overrides))
}

/// A command of the page.
pub fn command(state: &mut State, command: Command, now: Timestamp) {
    let Some((detail, row)) = state.objects.open_flag() else {
        notify(state, Level::Info, "There is no flag here yet", now);
        return;
    };
    let (id, saved) = (detail.id, row.flag.clone());
    let changes = matches!(
        command,
        Command::FlagEdit | Command::FlagAdd | Command::FlagRemove | Command::FlagUndo
    );
    let item = current(state);
    // The overrides and the switch are saved by themselves: no draft stands in their way.
    let changes =
        changes && !(command == Command::FlagEdit && matches!(item, Some(Item::Enabled | Item::Overrides)));
    if changes && let Some(stored) = detail.found.offered() {
        let why = edit::offered(&state.keymap, Context::Flag, stored.count(), stored.at);
        notify(state, Level::Warn, why, now);
        return;
    }
    // The dialogs begin from the flag as it is edited now, and remember it.
    let start = Box::new(state.objects.edited(id).unwrap_or(&saved).clone());
    match command {
        Command::FlagEdit => match item {
            Some(Item::Enabled) => form::open(state, Purpose::ToggleFlag(Box::new(saved)), now),
            Some(Item::Part(part)) => form::open(state, Purpose::FlagPart(start, part), now),
            Some(Item::Variant(key)) => form::open(state, Purpose::FlagVariant(start, Some(key)), now),
            Some(Item::AddVariant) => form::open(state, Purpose::FlagVariant(start, None), now),
            Some(Item::Rule(rule)) => form::open(state, Purpose::FlagRule(start, rule), now),
            Some(Item::AddRule) => {
                let rule = state.requests.uuid();
                form::open(state, Purpose::FlagRule(start, rule), now);
            }
            Some(Item::Overrides) => {
                if let Some(detail) = state.objects.flag.as_deref_mut() {
                    detail.overrides = Some(OverridesState::default());
                }
            }
            None => {}
        },
        Command::FlagAdd => {
            let purpose = match item {
                Some(Item::Rule(_) | Item::AddRule | Item::Overrides) => {
                    Purpose::FlagRule(start, state.requests.uuid())
                }
                _ => Purpose::FlagVariant(start, None),
            };
            form::open(state, purpose, now);
        }
        Command::FlagRemove => remove(state, &saved, item, now),
        Command::FlagSave => match state.objects.draft(id) {
            Some(draft) if !draft.both.is_empty() => {
                let text = "Somebody else changed the same: decide first";
                let text = state.keymap.after(text, ", ", &DECIDES);
                notify(state, Level::Warn, text, now);
            }
            Some(draft) if !draft.changed().is_empty() => {
                let draft = Box::new(draft.clone());
                form::open(state, Purpose::SaveFlag(draft), now);
            }
            _ => notify(state, Level::Info, "There is nothing to save", now),
        },
        Command::FlagUndo => {
            let draft = state.objects.draft_mut(&saved, now);
            if !draft.take_back(now) {
                let how = (draft.restored, draft.changed().is_empty());
                let text = drafts::no_undo(&state.keymap, how, Context::Flag);
                notify(state, Level::Info, text, now);
            }
            tidy(state);
        }
        Command::FlagMine | Command::FlagTheirs => decide(state, &saved, command == Command::FlagMine, now),
        _ => {}
    }
}

/// Settles one part that both changed.
fn decide(state: &mut State, saved: &Flag, mine: bool, now: Timestamp) {
    let settled = state.objects.draft_mut(saved, now).decide(mine, now);
    tidy(state);
    match settled {
        Some(part) => {
            let whose = if mine { "yours stays" } else { "theirs is taken" };
            notify(state, Level::Ok, format!("{}: {whose}", part.label()), now);
        }
        None => notify(state, Level::Info, "Nobody else changed the same", now),
    }
}

fn remove(state: &mut State, saved: &Flag, item: Option<Item>, now: Timestamp) {
    let forced = state.objects.flags.get(saved.id).map_or(0, |row| row.overrides);
    let draft = state.objects.draft_mut(saved, now);
    let refusal = match item {
        Some(Item::Variant(key)) => match draft.mine.variant(key.as_str()) {
            Some(variant) if draft.mine.rules.iter().any(|rule| rule.variant == variant.key) => Some(
                format!("A rule routes to {}: change or remove that first", variant.key),
            ),
            Some(_) if draft.mine.variants.len() == 1 => Some("A flag has at least one variant".to_owned()),
            Some(variant) => {
                let key = variant.key.clone();
                draft.change(now, |flag| flag.variants.retain(|v| v.key != key));
                (forced > 0).then(|| {
                    let forced = format::counted(forced, "override", "overrides");
                    format!("{key} is removed, unsaved. The flag has {forced}: while one forces into {key}, saving is refused")
                })
            }
            None => None,
        },
        Some(Item::Rule(rule)) => {
            draft.change(now, |flag| flag.rules.retain(|r| r.id != rule));
            None
        }
        _ => Some("Only variants and rules are removed here".to_owned()),
    };
    tidy(state);
    if let Some(why) = refusal {
        notify(state, Level::Info, why, now);
    }
}

/// A command of the flag's overrides.
pub fn overrides(state: &mut State, command: Command, now: Timestamp) {
    let Some((detail, row)) = state.objects.open_flag() else {
        return;
    };
    let flag = Box::new(row.flag.clone());
    let chosen = detail.overrides.as_ref().and_then(|o| {
        let page = o.page.value.as_ref()?;
        page.overrides.get(o.selected).cloned()
    });
    let Some(overrides) = state
        .objects
        .flag
        .as_deref_mut()
        .and_then(|d| d.overrides.as_mut())
    else {
        return;
    };
    let moved = match command {
        Command::Search => {
            overrides.searching = true;
            true
        }
        Command::NextPage => overrides.next_page(),
        Command::PreviousPage => overrides.previous_page(),
        Command::FlagAddOverride => {
            form::open(state, Purpose::AddFlagOverride(flag), now);
            true
        }
        Command::FlagDropOverride => {
            match chosen {
                Some(chosen) => form::open(state, Purpose::DropFlagOverride(flag, Box::new(chosen)), now),
                None => notify(state, Level::Info, "There is no override under the cursor", now),
            }
            true
        }
        _ => true,
    };
    if !moved {
        notify(state, Level::Info, "There are no more rows that way", now);
    }
}

/// Moves the cursor.
pub fn move_by(state: &mut State, by: isize) {
    let last = {
        let Some(detail) = state.objects.flag.as_deref() else {
            return;
        };
        state
            .objects
            .edited(detail.id)
            .map_or(0, |flag| items(flag).len() - 1)
    };
    let Some(detail) = state.objects.flag.as_deref_mut() else {
        return;
    };
    if let Some(overrides) = &mut detail.overrides {
        let rows = overrides.page.value.as_ref().map_or(0, |p| p.overrides.len());
        overrides.selected = overrides
            .selected
            .saturating_add_signed(by)
            .min(rows.saturating_sub(1));
    } else {
        detail.item = detail.item.min(last).saturating_add_signed(by).min(last);
    }
}

/// Esc: out of the search, back from the overrides. False when there is nothing of that to leave.
pub fn back(state: &mut State) -> bool {
    let Some(detail) = state.objects.flag.as_deref_mut() else {
        return false;
    };
    match &mut detail.overrides {
        Some(overrides) if overrides.searching => overrides.searching = false,
        Some(overrides) if !overrides.search.text().is_empty() => {
            overrides.search.clear();
            overrides.search_changed();
        }
        Some(_) => detail.overrides = None,
        None => return false,
    }
    true
}
