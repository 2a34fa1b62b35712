//! What is to be known before anything is edited: drafts of the last time, changes of others.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::State;
use crate::cockpit::update::{drafts, guard};
use crate::tui::chrome::keyed;
use crate::tui::page::Span;
use crate::tui::theme::Theme;

/// What is to be known before anything is edited: a draft of the last time, what came in from others.
#[must_use]
pub fn banners(state: &State, theme: &Theme, now: Timestamp) -> Vec<Vec<Span>> {
    let Some((id, _)) = state.sheet() else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if let Some(editor) = state.editor()
        && let Some(stored) = editor.found.offered()
    {
        let refused = guard::edit_refusal(state);
        lines.push(offer(
            (theme, &state.keymap),
            Context::Edit,
            (stored.count(), stored.at),
            editor.found.more(),
            refused,
            now,
        ));
    }
    let Some(draft) = state.drafts.get(&id) else {
        return lines;
    };
    if let Some(news) = &draft.news {
        let (who, when) = match drafts::who(state, id) {
            Some((who, at)) => (who, format!(", {}", theme.times.ago(at, now))),
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
        let mut line = vec![(format!("! Both of you changed {}", names.join(", ")), theme.warn)];
        let decide = (Context::Edit, Command::Decide, "decide");
        line.extend(keyed(theme, &state.keymap, &[decide]));
        lines.push(line);
    }
    lines
}

/// The line that offers a draft on disk, with the keys of a place; `more` are offered after it. It only says that there is one where nothing may
/// be changed: `refused` says why.
#[must_use]
pub fn offer(
    (theme, keymap): (&Theme, &Keymap),
    place: Context,
    (count, at): (usize, Timestamp),
    more: usize,
    refused: Option<String>,
    now: Timestamp,
) -> Vec<Span> {
    let dim = |text: &str| (text.to_owned(), theme.dim);
    let throws = (place, Command::Discard, "throw away");
    let count = format::counted(count as u64, "unsaved change", "unsaved changes");
    let same_day = now.duration_since(at).as_hours() < 20;
    let moment = format::moment(at, &TimeZone::UTC);
    let at = if same_day {
        moment.get(11..16).unwrap_or(&moment)
    } else {
        &moment
    };
    let what = (format!("~ {count} from {at} UTC"), theme.dirty);
    if let Some(why) = refused {
        // What is refused is not offered.
        let mut spans = vec![what];
        spans.extend(keyed(theme, keymap, &[throws]));
        spans.push(dim(&format!("   {why}")));
        return spans;
    }
    let mut spans = vec![what];
    spans.extend(keyed(
        theme,
        keymap,
        &[(place, Command::Restore, "restore"), throws],
    ));
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
    let draft = state.drafts.get(&id)?;
    let count = draft.count();
    if id.is_nil() || count == 0 {
        return None;
    }
    let text = format::counted(count as u64, "unsaved change", "unsaved changes");
    let half = draft.unread.values().filter(|unread| unread.half).count();
    let mut text = match draft.unread.len() - half {
        0 => text,
        unread if unread == count => format!("{text}, not understood"),
        unread => format!("{text}, {unread} not understood"),
    };
    if half > 0 {
        text += &format!(", {half} half typed");
    }
    Some(text)
}
