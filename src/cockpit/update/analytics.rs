//! The Analytics tab: focus and zoom of its panels, the filter, the export.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::results::Interval;
use crate::cockpit::keymap::Command;
use crate::cockpit::state::analytics::{Panel, Prompt, PromptKind, filter_text, parse_filter};
use crate::cockpit::state::text::TextField;
use crate::cockpit::state::{ExperimentDetail, State};

/// A text field of the tab changed.
pub fn text_changed(detail: &mut ExperimentDetail) {
    if let Some(prompt) = &mut detail.analytics.prompt {
        prompt.problem = None;
    }
}

/// Esc in the tab: closes what it has open. False when there is nothing to close.
pub fn back(detail: &mut ExperimentDetail) -> bool {
    let analytics = &mut detail.analytics;
    if analytics.prompt.take().is_some() {
        return true;
    }
    let zoomed = std::mem::take(&mut analytics.zoomed);
    if zoomed {
        *detail.row_mut() = 0;
    }
    zoomed
}

/// Moves within the tab: through the lines of the focused panel while there are more than fit (`last` is
/// the furthest first line), then to the next panel. A panel that fills the tab keeps the focus.
pub fn move_by(detail: &mut ExperimentDetail, by: isize, last: usize) {
    let row = detail.row();
    if detail.analytics.zoomed {
        *detail.row_mut() = row.saturating_add_signed(by).min(last);
        return;
    }
    // Top and bottom; a page is as many lines as the tab shows.
    let far = by.unsigned_abs() > usize::from(u16::MAX);
    if by == 1 && row < last {
        *detail.row_mut() = row + 1;
    } else if by == -1 && row > 0 {
        *detail.row_mut() = row - 1;
    } else {
        // A page is a few panels; a leap goes to the end.
        let by = if far || by.abs() == 1 { by } else { by.signum() * 3 };
        detail.analytics.panel = detail.analytics.panel.step(by);
        *detail.row_mut() = 0;
    }
}

/// Runs one of the tab's own commands.
pub fn command(state: &mut State, command: Command) {
    let Some(detail) = state.open.as_deref_mut() else {
        return;
    };
    let query = &detail.analytics.query;
    match command {
        Command::Zoom => {
            detail.analytics.zoomed = !detail.analytics.zoomed;
            *detail.row_mut() = 0;
        }
        Command::NextPanel | Command::PreviousPanel => {
            let by = if command == Command::NextPanel { 1 } else { -1 };
            detail.analytics.panel = detail.analytics.panel.step(by);
            *detail.row_mut() = 0;
        }
        Command::FilterResults => {
            let text = filter_text(query);
            open_prompt(detail, PromptKind::Filter, &text);
        }
        Command::SegmentBy => {
            let text = query.segment_key.clone();
            open_prompt(detail, PromptKind::Segment, &text);
        }
        Command::BreakDownBy => {
            let text = query.property_key.clone();
            open_prompt(detail, PromptKind::Property, &text);
        }
        Command::NextInterval => {
            detail.analytics.query.interval = next_interval(query.interval);
        }
        _ => {}
    }
}

fn open_prompt(detail: &mut ExperimentDetail, kind: PromptKind, text: &str) {
    detail.analytics.prompt = Some(Prompt {
        kind,
        field: TextField::new(text),
        problem: None,
    });
}

/// Takes what was typed; what cannot be taken stays, with the reason.
pub fn accept(detail: &mut ExperimentDetail, now: Timestamp) {
    let analytics = &mut detail.analytics;
    let Some(prompt) = &mut analytics.prompt else {
        return;
    };
    let text = prompt.field.text().trim();
    match prompt.kind {
        PromptKind::Filter => match parse_filter(text, |zone| today(zone, now)) {
            Ok(query) => analytics.query = query,
            Err(problem) => {
                prompt.problem = Some(problem);
                return;
            }
        },
        PromptKind::Segment | PromptKind::Property if text.is_empty() => {
            prompt.problem = Some("the name of a property is missing".to_owned());
            return;
        }
        PromptKind::Segment => text.clone_into(&mut analytics.query.segment_key),
        PromptKind::Property => text.clone_into(&mut analytics.query.property_key),
    }
    analytics.panel = match prompt.kind {
        PromptKind::Filter => analytics.panel,
        PromptKind::Segment => Panel::Segments,
        PromptKind::Property => Panel::Properties,
    };
    analytics.prompt = None;
}

fn today(zone: &str, now: Timestamp) -> Result<jiff::civil::Date, String> {
    match TimeZone::get(zone) {
        Ok(zone) => Ok(now.to_zoned(zone).date()),
        Err(_) => Err(format!(
            "zone: got {zone:?}, wanted an IANA name such as Europe/Berlin or UTC"
        )),
    }
}

/// Automatic, then from the finest to the coarsest, and round again.
fn next_interval(interval: Option<Interval>) -> Option<Interval> {
    match interval {
        None => Interval::ALL.first().copied(),
        Some(interval) => {
            let at = Interval::ALL.iter().position(|other| *other == interval)?;
            Interval::ALL.get(at + 1).copied()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cockpit::state::{Screen, Settings, Tab};
    use crate::cockpit::{Action, Effect, Key, update};

    fn now() -> Timestamp {
        "2026-11-18T02:00:09Z".parse().expect("a timestamp")
    }

    fn open_tab() -> State {
        let mut state = State::new(Settings::default(), (120, 40));
        let mut detail = ExperimentDetail::unknown("checkout-cta".into());
        detail.tab = Tab::Analytics;
        state.open = Some(Box::new(detail));
        state.screen = Screen::Experiment;
        state
    }

    fn press(state: &mut State, keys: &[&str]) -> Vec<Effect> {
        let mut effects = Vec::new();
        for key in keys {
            let key: Key = key.parse().expect("a key");
            effects.extend(update(state, Action::Key(key), now()));
        }
        effects
    }

    fn type_text(state: &mut State, text: &str) {
        for c in text.chars() {
            update(state, Action::Key(Key::char(c)), now());
        }
    }

    fn detail(state: &State) -> &ExperimentDetail {
        state.open.as_deref().expect("open")
    }

    #[test]
    fn the_focus_goes_through_a_tall_panel_before_it_leaves_it() {
        let mut state = open_tab();
        update(&mut state, Action::Laid { rows: 5, last: 2 }, now());
        let at = |state: &State| (detail(state).analytics.panel, detail(state).row());
        press(&mut state, &["down", "j"]);
        assert_eq!(at(&state), (Panel::Results, 2));
        press(&mut state, &["down"]);
        assert_eq!(at(&state), (Panel::Posterior, 0));
        press(&mut state, &["up"]);
        assert_eq!(at(&state), (Panel::Results, 0));
        press(&mut state, &["G"]);
        assert_eq!(at(&state).0, Panel::Checks);
        press(&mut state, &["g"]);
        assert_eq!(at(&state).0, Panel::Results);
        for rows in [5, 18, 43] {
            update(&mut state, Action::Laid { rows, last: 2 }, now());
            press(&mut state, &["pagedown"]);
            assert_eq!(at(&state).0, Panel::Series);
            press(&mut state, &["pagedown"]);
            assert_eq!(at(&state).0, Panel::Properties);
            press(&mut state, &["pageup", "pageup"]);
            assert_eq!(at(&state).0, Panel::Results);
        }
    }

    #[test]
    fn a_zoomed_panel_keeps_the_focus_until_esc() {
        let mut state = open_tab();
        press(&mut state, &["z"]);
        update(&mut state, Action::Laid { rows: 5, last: 7 }, now());
        press(&mut state, &["down", "G", "down"]);
        assert_eq!(
            (detail(&state).analytics.panel, detail(&state).row()),
            (Panel::Results, 7)
        );
        press(&mut state, &["esc"]);
        assert!(!detail(&state).analytics.zoomed && detail(&state).row() == 0);
        assert_eq!(state.screen, Screen::Experiment);
        press(&mut state, &["esc"]);
        assert_eq!(state.screen, Screen::Experiments);
    }

    #[test]
    fn a_filter_is_typed_and_a_wrong_one_stays_with_its_reason() {
        let mut state = open_tab();
        press(&mut state, &["/"]);
        type_text(&mut state, "last 2d by year");
        press(&mut state, &["enter"]);
        let problem = |state: &State| {
            let prompt = detail(state).analytics.prompt.as_ref().expect("still open");
            prompt.problem.clone()
        };
        assert!(problem(&state).expect("refused").contains("year"));
        assert_eq!(detail(&state).analytics.query.start, None);
        press(&mut state, &["ctrl-w"]);
        assert_eq!(problem(&state), None);
        type_text(&mut state, "day");
        press(&mut state, &["enter"]);
        let analytics = &detail(&state).analytics;
        assert!(analytics.prompt.is_none());
        assert_eq!(filter_text(&analytics.query), "from 2026-11-17 by day");

        press(&mut state, &["/"]);
        let prompt = detail(&state).analytics.prompt.as_ref().expect("open");
        assert_eq!(prompt.field.text(), "from 2026-11-17 by day");
        press(&mut state, &["ctrl-u"]);
        type_text(&mut state, "zone Mars/Olympus");
        press(&mut state, &["enter"]);
        assert!(problem(&state).expect("refused").contains("Mars/Olympus"));
        press(&mut state, &["esc"]);
        assert_eq!(
            filter_text(&detail(&state).analytics.query),
            "from 2026-11-17 by day"
        );
    }

    #[test]
    fn keys_of_segment_and_breakdown_are_typed_and_their_panels_get_the_focus() {
        let mut state = open_tab();
        press(&mut state, &["s", "ctrl-u"]);
        press(&mut state, &["enter"]);
        assert!(
            detail(&state)
                .analytics
                .prompt
                .as_ref()
                .expect("open")
                .problem
                .is_some()
        );
        type_text(&mut state, "q");
        press(&mut state, &["enter"]);
        assert_eq!(detail(&state).analytics.query.segment_key, "q");
        assert_eq!(detail(&state).analytics.panel, Panel::Segments);
        press(&mut state, &["b", "ctrl-u"]);
        type_text(&mut state, "plan");
        press(&mut state, &["enter"]);
        assert_eq!(detail(&state).analytics.query.property_key, "plan");
        assert_eq!(detail(&state).analytics.panel, Panel::Properties);
        assert!(!state.quitting);
    }

    #[test]
    fn intervals_go_round() {
        let mut state = open_tab();
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(detail(&state).analytics.query.interval);
            press(&mut state, &["i"]);
        }
        let [minute, hour, day, week] = Interval::ALL.map(Some);
        assert_eq!(seen, [None, minute, hour, day, week, None]);
    }

    #[test]
    fn nothing_is_exported_before_there_are_results() {
        let mut state = open_tab();
        let effects = press(&mut state, &["e"]);
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Save(_))));
        assert!(
            state
                .notice
                .as_ref()
                .is_some_and(|notice| notice.text.contains("no results"))
        );
    }

    #[test]
    fn where_the_files_are_is_said() {
        let mut state = open_tab();
        let paths = vec!["/tmp/a.csv".to_owned(), "/tmp/a.json".to_owned()];
        update(&mut state, Action::Saved(Ok(paths)), now());
        let text = |state: &State| state.notice.as_ref().expect("said").text.clone();
        assert_eq!(text(&state), "Saved /tmp/a.csv and .json");
        update(&mut state, Action::Saved(Err("disk full".into())), now());
        assert_eq!(text(&state), "disk full");
    }

    #[test]
    fn a_line_that_is_typed_takes_the_keys_of_commands() {
        let mut state = open_tab();
        press(&mut state, &["s", "ctrl-u"]);
        type_text(&mut state, "ez?:q");
        let prompt = detail(&state).analytics.prompt.as_ref().expect("open");
        assert_eq!(prompt.field.text(), "ez?:q");
        assert!(!state.quitting && !detail(&state).analytics.zoomed);
    }
}
