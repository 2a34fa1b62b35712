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
        let mut tabs: Vec<Span> = Vec::new();
        for (n, way) in Way::ALL.into_iter().enumerate() {
            let style = if n == at { theme.selection } else { theme.dim };
            tabs.push((format!(" {} ", way.title()), style));
        }
        // The chosen one is always in view.
        let mut first = 0;
        while first < at && width_of(&tabs[first..=at]) > pen.width() {
            first += 1;
        }
        draw_spans(pen, 0, 0, &tabs[first..]);
        let (width, height) = (pen.width(), pen.height());
        let top = if height >= 6 { 2 } else { 1 };
        page.draw(
            &mut pen.part(0, top, width, height.saturating_sub(top)),
            panel.scroll,
        )
    });
    (laid, None)
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
