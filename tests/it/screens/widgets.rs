//! Every widget draws any data at any size, and only where it may.

use super::canvas::stays_inside;
use proptest::prelude::*;
use ratatui::layout::Rect;
use ratatui::style::Style;
use splitdeck::domain::Prior;
use splitdeck::stats::posterior::{Arm, PlotRange, Posterior};
use splitdeck::tui::glyphs::{Glyphs, Tone};
use splitdeck::tui::theme::Theme;
use splitdeck::tui::widgets::Pen;
use splitdeck::tui::widgets::banner::Banner;
use splitdeck::tui::widgets::bars::{Bar, Bars};
use splitdeck::tui::widgets::empty::empty;
use splitdeck::tui::widgets::frame::{Frame, Tick};
use splitdeck::tui::widgets::heading::Heading;
use splitdeck::tui::widgets::posterior::{Curve, Posteriors};
use splitdeck::tui::widgets::series::{Line, Series};
use splitdeck::tui::widgets::sparkline::sparkline;
use splitdeck::tui::widgets::table::{Align, Cell, Column, Row, Table};
use unicode_width::UnicodeWidthStr as _;

fn theme() -> impl Strategy<Value = Theme> {
    let names = proptest::sample::select(Theme::names());
    let glyphs = proptest::sample::select(vec![Glyphs::Braille, Glyphs::Block, Glyphs::Ascii]);
    (names, glyphs).prop_map(|(name, glyphs)| Theme::built_in(name).expect("built in").with_glyphs(glyphs))
}

fn area() -> impl Strategy<Value = Rect> {
    let length = || prop_oneof![Just(0_u16), Just(1), 0..20_u16, 0..160_u16];
    (0..6_u16, 0..6_u16, length(), length()).prop_map(|(x, y, width, height)| Rect::new(x, y, width, height))
}

/// Also areas that lie partly or wholly outside of what can be drawn on.
fn far_area() -> impl Strategy<Value = Rect> {
    (any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>())
        .prop_map(|(x, y, width, height)| Rect::new(x % 500, y % 300, width, height))
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{0,30}", "\\PC{0,60}"]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(f64::MAX),
        Just(f64::MIN),
        Just(f64::MIN_POSITIVE),
        Just(f64::INFINITY),
        0.0..1.0,
        any::<f64>()
    ]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0..1000_u64, any::<u64>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn text_keeps_to_its_area(theme in theme(), area in far_area(), text in words(), x in 0..90_u16, y in 0..90_u16) {
        stays_inside(area, |area, buf| {
            let mut pen = Pen::new(&theme, area, buf);
            pen.text(x, y, &text, Style::default());
            pen.text_before(x, y, &text, y, Style::default());
            pen.repeat(x, y, x, "─", Style::default());
            pen.part(y, x, x, y).text(0, 0, &text, Style::default());
            pen.restyle_row(y, theme.selection);
        });
    }

    #[test]
    fn headings_frames_and_banners(
        theme in theme(),
        area in area(),
        (title, detail, right) in (words(), words(), words()),
        focused in any::<bool>(),
        ticks in proptest::collection::vec((any::<u16>(), words()), 0..9),
    ) {
        stays_inside(area, |area, buf| {
            Heading { title: &title, detail: &detail, right: &right, focused }.draw(&mut Pen::new(&theme, area, buf));
        });
        stays_inside(area, |area, buf| {
            let mut pen = Pen::new(&theme, area, buf);
            let mut inside = Frame { title: &title, right: &right, focused }.draw(&mut pen);
            empty(&mut inside, &detail, &right);
            let ticks: Vec<Tick> = ticks.iter().map(|(at, text)| Tick { at: *at, text: text.clone() }).collect();
            Frame::ticks(&mut pen, &ticks);
        });
        stays_inside(area, |area, buf| {
            let banner = Banner { tone: Tone::Warn, text: &detail, key: Some((&title, &right)) };
            assert!(banner.height(area.width, 4, theme.glyphs) <= 4);
            banner.draw(&mut Pen::new(&theme, area, buf));
        });
    }

    #[test]
    fn tables(
        theme in theme(),
        area in area(),
        columns in proptest::collection::vec((words(), 0..30_u16, 0..12_u8, any::<bool>()), 0..12),
        rows in proptest::collection::vec((words(), proptest::collection::vec(words(), 0..12)), 0..30),
        (offset, more, stacked, note) in (any::<usize>(), count(), any::<bool>(), words()),
    ) {
        let table = Table {
            heading: Heading { title: &note, ..Heading::default() },
            columns: columns
                .into_iter()
                .map(|(title, min, rank, left)| Column {
                    title,
                    min,
                    rank,
                    align: if left { Align::Left } else { Align::Right },
                    ..Column::default()
                })
                .collect(),
            rows: rows
                .into_iter()
                .map(|(label, cells)| Row {
                    mark: Some(("◆", Style::default())),
                    label: Cell::new(label),
                    cells: cells.into_iter().map(Cell::new).collect(),
                })
                .collect(),
            label_min: 3,
            offset,
            more,
            stacked,
            note: note.clone(),
        };
        stays_inside(area, |area, buf| table.draw(&mut Pen::new(&theme, area, buf)));
    }

    #[test]
    fn bars(
        theme in theme(),
        area in area(),
        bars in proptest::collection::vec((words(), words(), number(), proptest::collection::vec(words(), 0..4)), 0..9),
        (max, number_min) in (number(), proptest::collection::vec(any::<u16>(), 0..4)),
    ) {
        let bars = Bars {
            bars: bars
                .into_iter()
                .map(|(group, label, value, numbers)| Bar {
                    mark: Some(("◆", Style::default())),
                    group,
                    label,
                    value,
                    style: Style::default(),
                    numbers: numbers.into_iter().map(|text| (text, Style::default())).collect(),
                })
                .collect(),
            max,
            number_min,
        };
        stays_inside(area, |area, buf| bars.draw(&mut Pen::new(&theme, area, buf)));
    }

    #[test]
    fn lines_over_time(
        theme in theme(),
        area in area(),
        values in proptest::collection::vec(proptest::collection::vec(count(), 0..300), 0..12),
    ) {
        let series = Series {
            lines: values.iter().map(|values| Line { mark: ("◆", Style::default()), values: values.clone() }).collect(),
        };
        stays_inside(area, |area, buf| series.draw(&mut Pen::new(&theme, area, buf)));
        series.ticks(area.width, theme.glyphs, |index: usize| index.to_string());
        for values in &values {
            let line = sparkline(values, usize::from(area.width), theme.glyphs);
            prop_assert_eq!(line.width(), usize::from(area.width));
        }
    }

    #[test]
    fn posteriors(
        theme in theme(),
        area in area(),
        arms in proptest::collection::vec((0..1_000_000_u64, 0..1_000_000_u64, words()), 0..6),
        prior in (0.01..5.0_f64, 0.01..5.0_f64),
        ends in (0.0..1.0_f64, 0.0..1.0_f64),
    ) {
        let prior = Prior { a: prior.0, b: prior.1 };
        let curves = arms.iter().map(|(conversions, rest, name)| {
            let arm = Arm { conversions: *conversions, n: conversions + rest };
            Curve {
                mark: ("◆", Style::default()),
                name,
                posterior: Posterior::new(arm, prior).expect("counts"),
                interval: ends,
            }
        });
        let low = ends.0.min(ends.1);
        let posteriors = Posteriors {
            curves: curves.collect(),
            range: PlotRange { low, high: ends.0.max(ends.1) },
        };
        stays_inside(area, |area, buf| {
            let mut pen = Pen::new(&theme, area, buf);
            posteriors.draw(&mut pen);
            Frame::ticks(&mut pen, &posteriors.ticks(area.width));
        });
    }
}
