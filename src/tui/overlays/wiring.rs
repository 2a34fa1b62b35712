//! `w`: snippets that ask for the variant and attach the attribution to events, ready to copy.

use ratatui::layout::Position;

use super::{CLOSES, Canvas, corner, rows};
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::overlay::WiringPanel;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::overlays::{snippet, wiring_deployments};
use crate::cockpit::wiring::{KEY_VARIABLE, Way};
use crate::domain::DeploymentKind;
use crate::tui::page::{Page, Span, draw_spans, width_of};
use crate::tui::theme::Theme;
use crate::tui::widgets::pen::columns;

/// Wider than other overlays: code is broken into lines of our own only where it does not fit.
const WIDEST: u16 = 116;

/// Draws the panel.
pub fn draw(canvas: &mut Canvas<'_, '_>, state: &State, panel: &WiringPanel) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let at = panel.tab % Way::ALL.len();
    let mut page = Page::new(theme, width);
    let Some(text) = snippet(state, panel) else {
        let laid = canvas.boxed("Wiring", &corner(&state.keymap, &[CLOSES]), (width, 3), |pen| {
            pen.text(0, 0, &theme.glyphs.text("Asking …"), theme.dim);
            Laid::default()
        });
        return (laid, None);
    };
    for line in text.lines() {
        let comment = line.trim_start().starts_with('#') || line.trim_start().starts_with("//");
        let style = if comment { theme.dim } else { theme.text };
        let line = line.replace('\t', "    ");
        // Of a page the first column is left free, and the last one says that it goes on.
        let room = width.saturating_sub(2).max(9);
        let whole = columns(&line) <= room;
        let room = usize::from(if whole { room } else { room - 1 });
        for (at, piece) in pieces(&line, room).into_iter().enumerate() {
            // What is copied is the line as a whole.
            let goes_on = (theme.glyphs.ellipsis().to_owned(), theme.accent);
            page.line(
                [(at > 0).then_some(goes_on), Some((piece, style))]
                    .into_iter()
                    .flatten()
                    .collect(),
            );
        }
    }
    let deployments = wiring_deployments(state);
    let deployment = deployments.get(panel.deployment % deployments.len().max(1));
    let whose = match deployment {
        None if state.objects.deployments.rows.value.is_none() => "asking for the deployments …".to_owned(),
        None => {
            let makes = (
                Context::Global,
                Command::GoDeployments,
                "leads to where one is made",
            );
            state.keymap.after("no deployment", ": ", &[makes])
        }
        Some(d) if d.kind == DeploymentKind::Client => {
            let other = (Context::Wiring, Command::NextDeployment, "for another");
            state.keymap.after(&format!("key of {}", d.name), ", ", &[other])
        }
        Some(d) => format!("{}: its key is a secret, read from {KEY_VARIABLE}", d.name),
    };
    let title = match (crate::cockpit::update::flag::target(state), state.open.as_deref()) {
        (Some(flag), _) => format!("Wire up {}", flag.key),
        (None, Some(detail)) => format!("Wire up {}", detail.name),
        (None, None) => "Wire up".to_owned(),
    };
    let height = rows(page.len() + 2);
    let laid = canvas.boxed(&title, &whose, (width, height), |pen| {
        draw_spans(pen, 0, 0, &tabs(theme, at, pen.width()));
        let (width, height) = (pen.width(), pen.height());
        let top = if height >= 6 { 2 } else { 1 };
        page.draw(
            &mut pen.part(0, top, width, height.saturating_sub(top)),
            panel.scroll,
        )
    });
    (laid, None)
}

/// The names of the ways, the chosen one always among them, in at most `width` columns as far as that has room. Where they
/// do not all fit, short ones; then only whole ones, and a mark where there are more.
fn tabs(theme: &Theme, chosen: usize, width: u16) -> Vec<Span> {
    let named = |name: fn(Way) -> &'static str| -> Vec<Span> {
        let style = |at| if at == chosen { theme.selection } else { theme.dim };
        let ways = Way::ALL.into_iter().enumerate();
        ways.map(|(at, way)| (format!(" {} ", name(way)), style(at)))
            .collect()
    };
    let all = named(Way::title);
    if width_of(&all) <= width {
        return all;
    }
    let all = named(Way::brief);
    let more = (theme.glyphs.ellipsis().to_owned(), theme.dim);
    let of_more = width_of(std::slice::from_ref(&more));
    let fits = |first: usize, last: usize| {
        let marks = u16::from(first > 0) + u16::from(last + 1 < all.len());
        width_of(&all[first..=last]) + marks * of_more <= width
    };
    // From the first one on, as long as the chosen one is among them; then as many as there is room for.
    let mut first = 0;
    while first < chosen && !fits(first, chosen) {
        first += 1;
    }
    let mut last = chosen;
    while last + 1 < all.len() && fits(first, last + 1) {
        last += 1;
    }
    let before = (first > 0).then(|| more.clone());
    let after = (last + 1 < all.len()).then_some(more);
    let shown = all[first..=last].iter().cloned();
    before.into_iter().chain(shown).chain(after).collect()
}

/// The line in pieces of at most `width` columns.
fn pieces(line: &str, width: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let next = usize::from(columns(c.encode_utf8(&mut [0; 4])));
        if used + next > width {
            pieces.push(String::new());
            used = 0;
        }
        used += next;
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_ways_are_shown_whole_and_the_chosen_one_always() {
        let theme = Theme::built_in("default").expect("built in");
        let names: Vec<&str> = Way::ALL
            .iter()
            .flat_map(|way| [way.title(), way.brief()])
            .collect();
        for width in 20..120 {
            for (chosen, way) in Way::ALL.into_iter().enumerate() {
                let shown = tabs(&theme, chosen, width);
                assert!(width_of(&shown) <= width, "{width}: {shown:?}");
                let mut told: Vec<&str> = shown.iter().map(|(name, _)| name.trim()).collect();
                assert!(
                    told.contains(&way.title()) || told.contains(&way.brief()),
                    "{told:?}"
                );
                told.retain(|name| *name != theme.glyphs.ellipsis());
                assert!(told.iter().all(|name| names.contains(name)), "{told:?}");
                // A box in a terminal of 80 columns has room for all of them.
                assert!(width < 78 || told.len() == Way::ALL.len(), "{width}: {told:?}");
            }
        }
    }

    #[test]
    fn a_long_line_is_shown_in_pieces_and_whole() {
        assert_eq!(pieces("short", 8), ["short"]);
        assert_eq!(pieces("", 8), [""]);
        assert_eq!(
            pieces("a key of 21 columns…!", 8),
            ["a key of", " 21 colu", "mns…!"]
        );
        assert_eq!(pieces("日本語", 4), ["日本", "語"]);
    }
}
