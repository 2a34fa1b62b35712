//! The evidence about the split of an experiment, whether or not anything is wrong with it.

use jiff::Timestamp;
use ratatui::layout::Position;

use super::resume::{self, About, Length};
use super::step::EVIDENCE;
use super::{CLOSES, Canvas, corner, rows};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::update::age;
use crate::cockpit::update::dialog::test_now;
use crate::tui::page::Page;

/// Draws the panel.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    state: &State,
    scroll: usize,
    now: Timestamp,
) -> (Laid, Option<Position>) {
    let width = canvas.inside_width(EVIDENCE);
    let stale = age::evidence(state).is_some_and(|age| age::is_stale(state, &age, now));
    let theme = if stale {
        canvas.theme.faded()
    } else {
        canvas.theme.clone()
    };
    let mut page = Page::new(&theme, width);
    let experiment = state.open.as_deref().and_then(|detail| detail.config());
    let title = match experiment {
        Some(experiment) => {
            let about = About {
                experiment,
                resumes: false,
            };
            resume::evidence(&mut page, state, about, (test_now(state), Length::Whole), now);
            format!("Split of {}", experiment.key)
        }
        None => {
            page.text("The experiment is not there any more.", theme.warn);
            "Split".to_owned()
        }
    };
    let height = rows(page.len());
    let laid = canvas.boxed(
        &title,
        &corner(&state.keymap, &[CLOSES]),
        (width, height),
        |pen| page.draw(pen, scroll),
    );
    (laid, None)
}
