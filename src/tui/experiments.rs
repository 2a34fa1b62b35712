//! The list of experiments.

use jiff::Timestamp;
use ratatui::style::Style;

use super::theme::Theme;
use super::widgets::Pen;
use super::widgets::empty::{clears, empty, retried};
use super::widgets::pen::fit_middle;
use super::widgets::sparkline::sparkline;
use crate::api::results::{INCONCLUSIVE, Overview};
use crate::cockpit::alarms::{self, Alarm, Severity};
use crate::cockpit::edit::Of;
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context};
use crate::cockpit::state::{Laid, State};
use crate::cockpit::times::Times;
use crate::cockpit::update::drafts;
use crate::domain::{Experiment, Status};
use crate::tui::glyphs::arm_slots;

/// Where the cursor is: `4 of 17`.
pub fn place(state: &State) -> String {
    let list = &state.list;
    match list.position() {
        Some(at) => {
            let all = list.all().len();
            let rows = list.rows.len();
            let filtered = if rows < all {
                format!(" ({all} in all)")
            } else {
                String::new()
            };
            format!("{} of {rows}{filtered}", at + 1)
        }
        None => String::new(),
    }
}

/// The columns that are shown, with their widths; 0 for those that are not.
#[derive(Clone, Copy)]
struct Columns {
    status: u16,
    key: u16,
    name: u16,
    age: u16,
    subjects: u16,
    rate: u16,
    spark: u16,
    best: u16,
    alarms: u16,
}

const GAP: u16 = 2;
/// The glyph of the status with the blanks around it.
const MARK: u16 = 3;

/// Columns of the key that a long one keeps, whatever else there is to show: where something else would go, and where
/// that is not enough.
const LEAST_KEY: u16 = 20;
const SHORTEST_KEY: u16 = 16;
/// Columns under which no names are shown.
const LEAST_NAME: u16 = 16;

impl Columns {
    fn all(&self) -> [u16; 9] {
        [
            self.status,
            self.key,
            self.name,
            self.age,
            self.subjects,
            self.rate,
            self.spark,
            self.best,
            self.alarms,
        ]
    }

    fn total(&self) -> u16 {
        let columns: u16 = self.all().iter().filter(|w| **w > 0).map(|w| w + GAP).sum();
        MARK + columns.saturating_sub(GAP)
    }

    /// What fits. Each column has its place in one order, in which they come as there is more room, so that none that is
    /// there goes when the terminal gets wider; a long key is shortened before a column goes.
    fn plan(width: u16, longest_key: u16, longest_name: u16, times: Times) -> Self {
        let key = longest_key.clamp(12, 32);
        let mut plan = Self {
            status: 0,
            key: key.min(SHORTEST_KEY),
            name: 0,
            age: 0,
            subjects: 0,
            rate: 0,
            spark: 0,
            best: 0,
            alarms: 0,
        };
        type Come = fn(&mut Columns, Times);
        let age: Come = |c, times| c.age = times.width(9);
        let best: Come = |c, _| c.best = 12;
        // Dates were asked for: the best variant comes after them.
        let (first, then) = match times {
            Times::Ages => (best, age),
            Times::Dates => (age, best),
        };
        let rate: Come = |c, _| c.rate = 5;
        let (second, third) = match times {
            Times::Ages => (rate, then),
            Times::Dates => (then, rate),
        };
        let name: Come = |c, _| c.name = LEAST_NAME;
        let order: [Come; 8] = [
            |c, _| c.status = 11,
            |c, _| c.alarms = 14,
            |c, _| c.subjects = 9,
            first,
            second,
            third,
            |c, _| c.spark = 5,
            name,
        ];
        for (at, come) in order.into_iter().enumerate() {
            let mut with = plan;
            come(&mut with, times);
            let names = at + 1 == order.len();
            if names {
                with.key = key.min(LEAST_KEY);
            }
            if with.total() > width || (names && longest_name == 0) {
                break;
            }
            plan = with;
        }
        // One long key does not take the names from all rows, and what room is left is its own first.
        let spare = width.saturating_sub(plan.total());
        plan.key = key.min(plan.key + spare);
        let spare = width.saturating_sub(plan.total());
        if plan.name > 0 {
            plan.name = longest_name.min(plan.name + spare).min(48);
        }
        // Words that are longer than most: since when there is no data.
        let spare = width.saturating_sub(plan.total());
        if plan.alarms > 0 {
            plan.alarms += spare.min(1);
        }
        // What is left makes the sparkline longer: it shows up to thirty minutes.
        let spare = width.saturating_sub(plan.total());
        if plan.spark > 0 {
            plan.spark += spare.min(25);
        }
        // And then the key of a winner.
        let spare = width.saturating_sub(plan.total());
        if plan.best > 0 {
            plan.best += spare.min(12);
        }
        // And then the rest of the names.
        let spare = width.saturating_sub(plan.total());
        if plan.name > 0 {
            plan.name = longest_name.min(plan.name + spare).max(plan.name);
        }
        plan.key = plan.key.min(width.saturating_sub(MARK));
        plan
    }
}

/// Draws the list, or what stands in its place.
pub fn draw(pen: &mut Pen<'_>, state: &State, now: Timestamp) -> Laid {
    let list = &state.list;
    if list.rows.is_empty() {
        nothing(pen, state);
        return Laid::default();
    }
    let widths = list.widths();
    let plan = Columns::plan(pen.width(), widths.key, widths.name, pen.theme.times);
    let titled = u16::from(pen.height() >= 3);
    if titled > 0 {
        titles(pen, &plan);
    }
    let rows = usize::from(pen.height() - titled);
    let at = list.position().unwrap_or(0);
    // The cursor in the middle, and no rows wasted at the end.
    let first = at
        .saturating_sub(rows / 2)
        .min(list.rows.len().saturating_sub(rows));
    for (y, id) in (titled..pen.height()).zip(list.rows.iter().skip(first)) {
        let Some(experiment) = list.experiment(*id) else {
            continue;
        };
        let dirty = drafts::unsaved(state, Of::Experiment, *id);
        row(pen, y, &plan, experiment, (list.listed(experiment), dirty), now);
        if list.selected == Some(*id) {
            pen.restyle_row(y, pen.theme.selection);
        }
    }
    Laid {
        rows,
        last: list.rows.len().saturating_sub(1),
    }
}

fn nothing(pen: &mut Pen<'_>, state: &State) {
    let list = &state.list;
    let width = pen.width();
    let height = pen.height();
    let mut inside = pen.part(2, 0, width.saturating_sub(4), height);
    if !list.filter.text().is_empty() {
        empty(
            &mut inside,
            &format!("No experiment matches \"{}\".", list.filter.text()),
            format!(
                "{} Key, name and status are searched.",
                clears(&state.keymap, "filter")
            )
            .trim_start(),
        );
    } else if list.experiments.value.is_some() {
        let first =
            "makes the first one, step by step: what is changed, what counts, the variants and their shares";
        let first = (state.keymap).sentence("", &[(Context::List, Command::Create, first)]);
        let hint = format!("{first} It is a draft until you activate it.");
        let hint = hint.trim_start();
        empty(&mut inside, "No experiments yet.", hint);
    } else if let Some(failure) = &list.experiments.failure {
        empty(
            &mut inside,
            &format!("Cannot load the experiments: {}", failure.message),
            &retried(&state.keymap, failure),
        );
    } else {
        let text = inside.glyphs().text(&format!("Asking {} …", state.settings.api));
        inside.text(0, 0, &text, inside.theme.dim);
    }
}

fn titles(pen: &mut Pen<'_>, plan: &Columns) {
    let dim = pen.theme.dim;
    let age = match pen.theme.times {
        Times::Ages => "age".to_owned(),
        dates @ Times::Dates => dates.title("started"),
    };
    let mut row = Cursor::new(MARK);
    row.left(pen, 0, plan.status, "status", dim);
    row.left(pen, 0, plan.key, "key", dim);
    row.left(pen, 0, plan.name, "name", dim);
    row.left(pen, 0, plan.age, &age, dim);
    row.right(pen, 0, plan.subjects, "subjects", dim);
    row.right(pen, 0, plan.rate, "/min", dim);
    row.left(pen, 0, plan.spark, "", dim);
    row.left(pen, 0, plan.best, "best", dim);
    row.left(pen, 0, plan.alarms, "alarms", dim);
}

fn row(
    pen: &mut Pen<'_>,
    y: u16,
    plan: &Columns,
    experiment: &Experiment,
    (overview, dirty): (Option<&Overview>, bool),
    now: Timestamp,
) {
    let theme = pen.theme;
    let glyphs = theme.glyphs;
    let none = || glyphs.none().to_owned();
    let auto = experiment.is_auto_paused();
    let status_style = theme.status(experiment.status, auto);
    pen.text(1, y, glyphs.status(experiment.status, auto), status_style);
    let mut cursor = Cursor::new(MARK);
    cursor.left(
        pen,
        y,
        plan.status,
        format::status(experiment.status, auto),
        status_style,
    );
    let key_style = if experiment.status == Status::Active || auto {
        theme.heading
    } else {
        theme.text
    };
    let (key, key_style) = if dirty {
        let key = experiment.key.as_str();
        let room = plan.key.saturating_sub(1);
        (format!("{}*", fit_middle(key, room, glyphs)), theme.dirty)
    } else {
        (experiment.key.to_string(), key_style)
    };
    let key = fit_middle(&key, plan.key, glyphs);
    cursor.left(pen, y, plan.key, &key, key_style);
    cursor.left(pen, y, plan.name, &experiment.name, theme.dim);
    let age = experiment
        .activated_at
        .map_or_else(none, |at| theme.times.cell(at, now));
    cursor.left(pen, y, plan.age, &age, theme.dim);
    let subjects = overview.map_or_else(none, |o| format::count_within(o.subjects, plan.subjects));
    cursor.right(pen, y, plan.subjects, &subjects, theme.text);
    let per_minute = overview.filter(|_| experiment.status == Status::Active);
    let rate = per_minute
        .and_then(|o| o.per_minute.last())
        .map_or_else(none, |n| format::short_count(*n));
    cursor.right(pen, y, plan.rate, &rate, theme.text);
    let spark = overview.map_or_else(String::new, |o| {
        if o.per_minute.iter().all(|n| *n == 0) {
            return String::new();
        }
        sparkline(&o.per_minute, usize::from(plan.spark), glyphs)
    });
    cursor.left(pen, y, plan.spark, &spark, theme.accent);
    let (best, style) = best(theme, experiment, overview);
    cursor.left(pen, y, plan.best, &best, style);
    let (alarm, style) = alarm(theme, experiment, overview, now);
    cursor.left(pen, y, plan.alarms, &alarm, style);
}

/// The arm in front with its P(best), the winner that was named, or why there is none.
fn best(theme: &Theme, experiment: &Experiment, overview: Option<&Overview>) -> (String, Style) {
    let glyphs = theme.glyphs;
    let slots = arm_slots(experiment.variants.iter().map(|v| v.is_control));
    let slot_of = |key: &str| {
        let at = experiment
            .variants
            .iter()
            .position(|v| v.key.as_str().eq_ignore_ascii_case(key))?;
        slots.get(at).copied()
    };
    if let Some(winner) = &experiment.winning_variant {
        let slot = slot_of(winner.as_str()).unwrap_or(0);
        return (format!("{} {winner}", glyphs.arm(slot)), theme.arm(slot));
    }
    match overview {
        Some(Overview {
            leader: Some(leader), ..
        }) => {
            let slot = slot_of(&leader.variant).unwrap_or(0);
            let text = format!("{} {}", glyphs.arm(slot), format::prob_best(leader.prob_best));
            (text, theme.arm(slot))
        }
        Some(overview)
            if overview.subjects > 0 && !overview.gathering && experiment.primary_metric.is_some() =>
        {
            (INCONCLUSIVE.to_owned(), theme.dim)
        }
        _ => (glyphs.none().to_owned(), theme.dim),
    }
}

fn alarm(
    theme: &Theme,
    experiment: &Experiment,
    overview: Option<&Overview>,
    now: Timestamp,
) -> (String, Style) {
    let alarms = alarms::of(experiment, overview, now);
    let Some(worst) = alarms.first() else {
        return (theme.glyphs.none().to_owned(), theme.dim);
    };
    let style = match worst.severity() {
        Severity::Danger => theme.danger,
        Severity::Warn => theme.warn,
        Severity::Info => theme.dim,
    };
    (alarm_text(*worst, now), style)
}

/// An alarm in a few characters.
#[must_use]
pub fn alarm_text(alarm: Alarm, now: Timestamp) -> String {
    match alarm {
        Alarm::AutoPaused(Some(p)) | Alarm::Srm(p) => format!("SRM {}", format::p_value(p)),
        Alarm::AutoPaused(None) => "SRM".to_owned(),
        Alarm::NoData(Some(at)) => format!("no data {}", format::age(at, now)),
        Alarm::NoData(None) => "no data yet".to_owned(),
        Alarm::NotCounted => "not counted".to_owned(),
        Alarm::Gathering => "gathering".to_owned(),
    }
}

/// Writes one column after the other.
struct Cursor {
    x: u16,
}

impl Cursor {
    fn new(x: u16) -> Self {
        Self { x }
    }

    fn left(&mut self, pen: &mut Pen<'_>, y: u16, width: u16, text: &str, style: Style) {
        if width > 0 {
            pen.text_within(self.x, y, text, width, style);
            self.x += width + GAP;
        }
    }

    fn right(&mut self, pen: &mut Pen<'_>, y: u16, width: u16, text: &str, style: Style) {
        if width > 0 {
            pen.text_before(self.x + width, y, text, width, style);
            self.x += width + GAP;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::cockpit::edit::wizard;
    use crate::cockpit::state::Settings;
    use crate::tui::widgets::pen::counting::texts;

    /// A list of so many experiments.
    fn list_of(count: u32, now: Timestamp) -> State {
        let settings = Settings {
            api: "http://127.0.0.1:9".to_owned(),
            context: None,
            token_from_file: false,
            experiment: None,
            flag: None,
            import: None,
            read_only: false,
            seed: 1,
        };
        let mut state = State::new(settings, (120, 40));
        let blank = wizard::blank(now);
        let all = (0..count).map(|n| {
            let mut experiment = blank.clone();
            experiment.id = Uuid::from_u128(u128::from(n) + 1);
            experiment.key = format!("experiment-{n:06}").parse().expect("a key");
            experiment.name = format!("Experiment number {n:06}");
            Arc::new(experiment)
        });
        state.list.experiments.set(all.collect(), now);
        state.list.arrange(now);
        state
    }

    /// What a frame measures and writes is what it shows: a window on the rows, however many there are.
    #[test]
    fn a_frame_of_a_hundred_thousand_rows_costs_as_much_as_one_of_a_hundred() {
        let now = Timestamp::UNIX_EPOCH;
        let theme = Theme::built_in("default").expect("built in");
        let size = (120, 40);
        let mut costs = Vec::new();
        for count in [100, 100_000] {
            let mut state = list_of(count, now);
            assert_eq!(state.list.rows.len(), count as usize);
            let end = isize::MAX;
            for (by, last) in [(0, false), (end, true), (1 - count as isize / 2, false)] {
                if by != 0 {
                    state.list.move_by(by, now);
                }
                let (texts, buffer) = texts(|| crate::tui::view::buffer(&state, &theme, size, now));
                costs.push((count, texts));
                let shown: String = buffer.content.iter().map(|cell| cell.symbol()).collect();
                let at = state.list.current().expect("a row");
                assert!(shown.contains(at.key.as_str()), "the row under the cursor");
                let newest = format!("experiment-{:06}", count - 1);
                assert_eq!(shown.contains(&newest), last, "{by}");
                let rows = shown.matches("experiment-").count();
                assert!((30..40).contains(&rows), "{rows}");
            }
        }
        let (few, many) = costs.split_at(3);
        for (few, many) in few.iter().zip(many) {
            // Less where the larger numbers leave less room for the footer.
            assert!(many.1 <= few.1, "{costs:?}");
        }
    }

    #[test]
    fn one_long_key_leaves_the_names() {
        for (longest_key, key, name) in [(12, 12, true), (64, 20, true), (26, 20, true)] {
            let plan = Columns::plan(120, longest_key, 30, Times::Ages);
            assert_eq!((plan.key, plan.name >= LEAST_NAME), (key, name), "{longest_key}");
        }
        // Without names, and where there is room, it is shown whole.
        assert_eq!(Columns::plan(120, 64, 0, Times::Ages).key, 32);
        assert_eq!(Columns::plan(160, 64, 30, Times::Ages).key, 32);
    }

    /// The terminal that most begin with, and the width of the picture that everybody has in mind.
    #[test]
    fn one_long_key_takes_no_numbers_away() {
        let shown = |width, key| {
            let plan = Columns::plan(width, key, 30, Times::Ages);
            assert!(plan.total() <= width, "{width}");
            (plan.age > 0, plan.rate > 0, plan.spark > 0, plan.best > 0)
        };
        assert_eq!(shown(80, 12), (false, true, false, true));
        assert_eq!(shown(80, 15), (false, true, false, true));
        assert_eq!(shown(80, 80), (false, true, false, true), "shortened to sixteen");
        assert_eq!(shown(100, 14), (true, true, true, true));
        assert_eq!(shown(100, 80), (true, true, true, true));
        // At 200 columns nothing is cut that there is room for.
        let plan = Columns::plan(200, 20, 30, Times::Ages);
        assert!(plan.alarms >= "no data 2 d 3 h".len() as u16 && plan.best >= 20);
    }

    #[test]
    fn no_column_goes_as_the_terminal_gets_wider() {
        for times in [Times::Ages, Times::Dates] {
            for (key, name) in [(1, 0), (12, 30), (17, 8), (26, 30), (64, 0), (64, 30)] {
                let shown = |width| Columns::plan(width, key, name, times).all().map(|w| w > 0);
                for width in 10..250 {
                    let (narrow, wide) = (shown(width), shown(width + 1));
                    let gone = narrow.iter().zip(wide).any(|(there, still)| *there && !still);
                    assert!(!gone, "{key} {name} {width}: {narrow:?} {wide:?}");
                }
            }
        }
    }

    #[test]
    fn columns_fit_every_width_and_the_key_stays() {
        for width in 0..300 {
            for key in [1, 12, 40] {
                for (name, times) in [(0, Times::Ages), (30, Times::Ages), (30, Times::Dates)] {
                    let plan = Columns::plan(width, key, name, times);
                    assert!(plan.total() <= width.max(MARK + plan.key), "{width}");
                    assert!(plan.key > 0 || width <= MARK, "{width}");
                }
            }
        }
        let wide = Columns::plan(100, 18, 0, Times::Ages);
        assert!(
            wide.all().iter().filter(|w| **w > 0).count() >= 8,
            "all but the name at 100"
        );
    }
}
