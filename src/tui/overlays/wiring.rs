//! `w`: snippets that ask for the variant and attach the attribution to events, ready to copy.

use ratatui::layout::Position;

use super::{Canvas, rows};
use crate::cockpit::state::overlay::WiringPanel;
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::overlays::{snippet, wiring_deployments};
use crate::cockpit::wiring::{KEY_VARIABLE, Way};
use crate::domain::DeploymentKind;
use crate::tui::page::{Page, Span, draw_spans, width_of};

/// Wider than other overlays: code is not broken into lines of our own.
const WIDEST: u16 = 116;

/// Draws the panel.
pub fn draw(canvas: &mut Canvas<'_, '_>, state: &State, panel: &WiringPanel) -> (Laid, Option<Position>) {
    let theme = canvas.theme;
    let width = canvas.inside_width(WIDEST);
    let at = panel.tab % Way::ALL.len();
    let mut page = Page::new(theme, width);
    let Some(text) = snippet(state, panel) else {
        let laid = canvas.boxed("Wiring", "Esc closes", (width, 3), |pen| {
            pen.text(0, 0, &theme.glyphs.text("Asking …"), theme.dim);
            Laid::default()
        });
        return (laid, None);
    };
    for line in text.lines() {
        let comment = line.trim_start().starts_with('#') || line.trim_start().starts_with("//");
        let style = if comment { theme.dim } else { theme.text };
        page.line(vec![(line.replace('\t', "    "), style)]);
    }
    let deployments = wiring_deployments(state);
    let deployment = deployments.get(panel.deployment % deployments.len().max(1));
    let whose = match deployment {
        None if state.objects.deployments.rows.value.is_none() => "asking for the deployments …".to_owned(),
        None => "no deployment: D makes one".to_owned(),
        Some(d) if d.kind == DeploymentKind::Client => format!("key of {}, d for another", d.name),
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
