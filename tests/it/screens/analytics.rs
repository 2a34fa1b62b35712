use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use super::canvas::{screen, stays_inside, text};
use super::results_fixture::{self as fixture, now};
use jiff::SignedDuration;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use splitdeck::api::results::{
    ArmPosterior, ArmResult, Breakdown, BreakdownRow, DifferenceInterval, Exposures, Interval, Results,
    Series, SeriesPoint, SrmTest, TrackedResult, Uplift,
};
use splitdeck::cockpit::keymap::Keymap;
use splitdeck::cockpit::ports::{Failure, FailureKind, Service};
use splitdeck::cockpit::state::analytics::{AnalyticsState, Panel, Prompt, PromptKind};
use splitdeck::cockpit::state::text::TextField;
use splitdeck::cockpit::state::{ExperimentDetail, Health, Screen, Settings, State, Tab};
use splitdeck::cockpit::{Action, Effect, update};
use splitdeck::domain::Metric;
use splitdeck::tui::glyphs::Glyphs;
use splitdeck::tui::sgr;
use splitdeck::tui::tabs::analytics::{Page, draw};
use splitdeck::tui::theme::Theme;
use termprofile::TermProfile;

/// The tab's part of a terminal of 200×50, 120×40, 80×24, 40×10: without header, tabs, a blank line where there
/// is room for one, and the footer.
const SIZES: [(u16, u16); 4] = [(200, 46), (120, 36), (80, 20), (40, 7)];
/// The terminals.
const TERMINALS: [(u16, u16); 4] = [(200, 50), (120, 40), (80, 24), (40, 10)];

/// The keys as they are built in.
static KEYMAP: LazyLock<Keymap> = LazyLock::new(Keymap::default);

fn page<'a>(results: Option<&'a Results>, analytics: &'a AnalyticsState) -> Page<'a> {
    Page {
        results,
        experiment: None,
        guarded: None,
        analytics,
        row: 0,
        received: Some(now()),
        trouble: None,
        held: None,
        keymap: &KEYMAP,
        now: now(),
    }
}

fn render(page: &Page<'_>, theme: &Theme, (width, height): (u16, u16)) -> Buffer {
    screen(theme, width, height, |area, buf| {
        draw(page, theme, area, buf);
    })
}

fn default_theme() -> Theme {
    Theme::built_in("default").expect("built in")
}

fn snapshot(name: &str, page: &Page<'_>) {
    for (size, terminal) in SIZES.into_iter().zip(TERMINALS) {
        let name = format!("{name}_{}x{}", terminal.0, terminal.1);
        insta::assert_snapshot!(name, text(&render(page, &default_theme(), size)));
    }
}

fn snapshot_results(name: &str, results: &Results) {
    let analytics = AnalyticsState::default();
    snapshot(name, &page(Some(results), &analytics));
}

#[test]
fn healthy() {
    snapshot_results("healthy", &fixture::cookie_cats());
}

#[test]
fn sample_ratio_mismatch() {
    snapshot_results("srm", &fixture::srm());
}

#[test]
fn auto_paused() {
    snapshot_results("auto_paused", &fixture::auto_paused());
}

#[test]
fn gathering() {
    snapshot_results("gathering", &fixture::gathering());
}

#[test]
fn no_metric() {
    snapshot_results("no_metric", &fixture::no_metric());
}

#[test]
fn two_steps() {
    snapshot_results("two_steps", &fixture::two_steps());
}

#[test]
fn four_arms() {
    snapshot_results("four_arms", &fixture::four_arms());
}

#[test]
fn nothing_yet() {
    snapshot_results("nothing_yet", &fixture::nothing());
}

#[test]
fn stale_held_and_filtered() {
    let results = fixture::cookie_cats();
    let mut analytics = AnalyticsState::default();
    analytics.query.start = Some(jiff::civil::date(2026, 11, 1));
    let mut page = page(Some(&results), &analytics);
    page.trouble = Some("ClickHouse is lost, retry in 5 s".to_owned());
    page.received = Some(now() - SignedDuration::from_secs(42));
    page.held = Some(3);
    snapshot("stale", &page);
}

#[test]
fn what_is_lost_is_said_once_with_its_age_and_the_next_try() {
    let mut state = State::new(Settings::default(), (120, 40));
    let mut detail = ExperimentDetail::unknown("cookie-cats".into());
    detail.tab = Tab::Analytics;
    let trouble = |state: &State, after: i64| {
        let page = Page::of(state, now() + SignedDuration::from_secs(after)).expect("open");
        page.trouble
    };
    state.open = Some(Box::new(detail));
    assert_eq!(trouble(&state, 0), None);
    state
        .warehouse
        .lost("no answer within 30 s".to_owned(), 1.0, now());
    assert_eq!(trouble(&state, 0).expect("lost"), "no answer within 30 s");
    let results = Arc::new(fixture::cookie_cats());
    state.open.as_mut().expect("open").results.set(results, now());
    state.warehouse.health = Health::Lost {
        since: now(),
        attempt: 3,
        retry_at: now() + SignedDuration::from_secs(5),
        message: "no answer within 30 s".to_owned(),
    };
    assert_eq!(
        trouble(&state, 0).expect("lost"),
        "ClickHouse is lost, retry in 5 s"
    );
    assert_eq!(trouble(&state, 6).expect("lost"), "ClickHouse is lost, retrying");
    state.warehouse.health = Health::Up;
    let failure = Failure::new(Service::Warehouse, FailureKind::Limit, "out of memory");
    state.open.as_mut().expect("open").results.fail(failure);
    assert_eq!(trouble(&state, 0).expect("failed"), "out of memory");
}

#[test]
fn before_the_first_answer() {
    let analytics = AnalyticsState::default();
    let mut page = page(None, &analytics);
    let shown = |page: &Page<'_>| text(&render(page, &default_theme(), (80, 21)));
    assert!(shown(&page).contains("Asking ClickHouse"));
    page.trouble = Some("access denied for user cockpit".to_owned());
    assert!(shown(&page).contains("access denied for user cockpit"));
    assert!(shown(&page).contains("ctrl-r asks again"), "{}", shown(&page));
}

#[test]
fn every_panel_fills_the_tab() {
    let results = fixture::two_steps();
    for panel in Panel::ALL {
        let analytics = AnalyticsState {
            panel,
            zoomed: true,
            ..AnalyticsState::default()
        };
        let shown = text(&render(
            &page(Some(&results), &analytics),
            &default_theme(),
            (100, 24),
        ));
        insta::assert_snapshot!(format!("zoomed_{panel:?}"), shown);
    }
}

#[test]
fn what_finds_no_room_in_the_results_is_shown_below_them() {
    let results = fixture::cookie_cats();
    let analytics = AnalyticsState {
        zoomed: true,
        ..AnalyticsState::default()
    };
    let mut page = page(Some(&results), &analytics);
    let theme = default_theme();
    for width in [40, 80, 120, 200] {
        let mut last = 1;
        let mut shown = String::new();
        page.row = 0;
        while page.row < last {
            let buf = screen(&theme, width, 12, |area, buf| {
                last = draw(&page, &theme, area, buf).0.last
            });
            shown.push_str(&text(&buf));
            page.row += 1;
        }
        page.row = last;
        shown.push_str(&text(&render(&page, &theme, (width, 12))));
        for title in [
            "subjects",
            "95 % interval",
            "P(best)",
            "uplift 95 %",
            "always-valid points",
            "loss points",
        ] {
            assert!(shown.contains(title), "{title} at {width}:\n{shown}");
        }
    }
}

#[test]
fn a_line_is_typed_and_refused() {
    let results = fixture::cookie_cats();
    let analytics = AnalyticsState {
        prompt: Some(Prompt {
            kind: PromptKind::Filter,
            field: TextField::new("from 2026-11-01 by year"),
            problem: Some("by: got \"year\", wanted minute, hour, day, week or auto".to_owned()),
        }),
        ..AnalyticsState::default()
    };
    let theme = Theme::built_in("dark").expect("built in");
    let page = page(Some(&results), &analytics);
    let buf = render(&page, &theme, (80, 20));
    let shown = text(&buf);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[18], " filter ▏from 2026-11-01 by year");
    assert_eq!(
        lines[19],
        " by: got \"year\", wanted minute, hour, day, week or auto"
    );
    let mut cursor = None;
    screen(&theme, 80, 20, |area, buf| {
        cursor = draw(&page, &theme, area, buf).1
    });
    assert_eq!(cursor, Some((32, 18).into()), "the cursor is after the text");
    assert_eq!(Some(buf[(3, 19)].fg), theme.danger.fg);
}

#[test]
fn ascii_is_ascii() {
    let theme = default_theme().with_glyphs(Glyphs::Ascii);
    for results in [fixture::auto_paused(), fixture::two_steps(), fixture::nothing()] {
        let mut results = results;
        // What people name in other scripts is theirs.
        results
            .segments
            .rows
            .retain(|row| row.value.as_deref().is_none_or(str::is_ascii));
        let analytics = AnalyticsState::default();
        for panel in Panel::ALL {
            let mut zoomed = AnalyticsState {
                panel,
                ..AnalyticsState::default()
            };
            zoomed.zoomed = true;
            for analytics in [&analytics, &zoomed] {
                let shown = text(&render(&page(Some(&results), analytics), &theme, (120, 37)));
                let strange: BTreeSet<char> = shown.chars().filter(|c| !c.is_ascii()).collect();
                assert!(strange.is_empty(), "{strange:?} in\n{shown}");
            }
        }
    }
}

/// All cells that show this glyph.
fn cells<'a>(buf: &'a Buffer, glyph: &'a str) -> impl Iterator<Item = &'a ratatui::buffer::Cell> {
    buf.content.iter().filter(move |cell| cell.symbol() == glyph)
}

#[test]
fn an_arm_has_one_glyph_and_one_colour_everywhere() {
    let analytics = AnalyticsState::default();
    for name in Theme::names() {
        let theme = Theme::built_in(name).expect("built in");
        for profile in [TermProfile::TrueColor, TermProfile::Ansi256, TermProfile::Ansi16] {
            let theme = theme.adapted(profile);
            let results = fixture::four_arms();
            let buf = render(&page(Some(&results), &analytics), &theme, (200, 47));
            for (slot, glyph) in ["◆", "●", "▲", "■"].into_iter().enumerate() {
                let found: Vec<_> = cells(&buf, glyph).collect();
                // Table, posterior, distribution, flow, segments, breakdown, exposures at least.
                assert!(found.len() >= 7, "{glyph} stands {} times", found.len());
                for cell in found {
                    assert_eq!(
                        Some(cell.fg),
                        theme.arm(slot).fg,
                        "{glyph} in {name} as {profile:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn configured_is_blue_beside_observed_green() {
    let theme = default_theme();
    let analytics = AnalyticsState::default();
    let results = fixture::cookie_cats();
    let buf = render(&page(Some(&results), &analytics), &theme, (120, 37));
    let shown = text(&buf);
    for (word, colour) in [("configured", Color::Blue), ("observed", Color::Green)] {
        let mut seen = 0;
        for (y, line) in (0..).zip(shown.lines()) {
            let Some(at) = line.find(word) else { continue };
            let column = u16::try_from(line[..at].chars().count()).expect("narrow");
            let bar = &buf[(column + 12, y)];
            assert_eq!((bar.symbol(), bar.fg), ("█", colour), "{word} in row {y}");
            seen += 1;
        }
        assert_eq!(seen, 2, "{word}");
    }
}

#[test]
fn banners_have_their_colours() {
    let theme = Theme::built_in("dark").expect("built in");
    let analytics = AnalyticsState::default();
    let paused = fixture::auto_paused();
    let buf = render(&page(Some(&paused), &analytics), &theme, (120, 37));
    assert_eq!(
        (buf[(0, 0)].symbol(), Some(buf[(0, 0)].fg)),
        ("▲", theme.danger.fg)
    );
    assert_eq!((buf[(0, 1)].symbol(), Some(buf[(0, 1)].fg)), ("▲", theme.warn.fg));
    assert!(text(&buf).lines().next().expect("a line").ends_with("r resume"));
    let gathering = fixture::gathering();
    let buf = render(&page(Some(&gathering), &analytics), &theme, (120, 37));
    assert_eq!((buf[(0, 0)].symbol(), Some(buf[(0, 0)].fg)), ("◔", theme.info.fg));
}

#[test]
fn without_colour_there_is_none_and_the_focus_is_still_seen() {
    let analytics = AnalyticsState::default();
    for name in Theme::names() {
        let theme = Theme::built_in(name)
            .expect("built in")
            .adapted(TermProfile::NoColor);
        for results in [fixture::auto_paused(), fixture::four_arms(), fixture::nothing()] {
            let mut page = page(Some(&results), &analytics);
            for trouble in [None, Some("lost".to_owned())] {
                page.trouble = trouble;
                let buf = render(&page, &theme, (120, 37));
                for cell in &buf.content {
                    assert_eq!(
                        (cell.fg, cell.bg),
                        (Color::Reset, Color::Reset),
                        "{cell:?} in {name}"
                    );
                }
            }
            let buf = render(&page, &theme, (120, 37));
            let title = text(&buf)
                .lines()
                .position(|line| line.starts_with(" Results"))
                .expect("a title");
            let cell = &buf[(1, u16::try_from(title).expect("small"))];
            assert!(cell.modifier.contains(Modifier::BOLD), "{name}");
        }
    }
}

#[test]
fn stale_results_lose_their_colours_and_not_their_place() {
    let theme = Theme::built_in("dark").expect("built in");
    let analytics = AnalyticsState::default();
    let results = fixture::cookie_cats();
    let mut page = page(Some(&results), &analytics);
    let fresh = text(&render(&page, &theme, (120, 36)));
    page.trouble = Some("lost".to_owned());
    let buf = render(&page, &theme, (120, 37));
    let stale = text(&buf);
    assert!(stale.starts_with("▲ Stale 0 s — lost\n"), "{stale}");
    assert_eq!(stale.split_once('\n').expect("lines").1, fresh);
    for glyph in ["◆", "●", "█"] {
        for cell in cells(&buf, glyph) {
            assert_eq!(Some(cell.fg), theme.stale.fg, "{glyph}");
        }
    }
}

#[test]
fn widths_stay_when_numbers_grow() {
    let analytics = AnalyticsState::default();
    let column = |results: &Results| {
        let shown = text(&render(
            &page(Some(results), &analytics),
            &default_theme(),
            (120, 37),
        ));
        let line = shown.lines().next().expect("a heading").to_owned();
        line.find("P(best)").expect("a column")
    };
    let small = fixture::results(
        "x",
        Some("m"),
        &[
            fixture::arm("control", 310, 9, 50.0),
            fixture::arm("b", 301, 7, 50.0),
        ],
    );
    let large = fixture::results(
        "x",
        Some("m"),
        &[
            fixture::arm("control", 9_310_000, 900_000, 50.0),
            fixture::arm("b", 9_301_000, 700_000, 50.0),
        ],
    );
    assert_eq!(column(&small), column(&large));
}

#[test]
fn the_focused_panel_is_always_in_view() {
    let results = fixture::two_steps();
    for size in SIZES {
        for (panel, title) in [
            (Panel::Results, "Results"),
            (Panel::Posterior, "posterior"),
            (Panel::Distribution, "distribution"),
            (Panel::Series, "exposures per hour"),
            (Panel::Flow, "flow"),
            (Panel::Segments, "Segments"),
            (Panel::Properties, "Breakdown"),
            (Panel::Exposures, "Exposures"),
            (Panel::Tracked, "Tracked events"),
            (Panel::Checks, "Checks"),
        ] {
            let analytics = AnalyticsState {
                panel,
                ..AnalyticsState::default()
            };
            let shown = text(&render(&page(Some(&results), &analytics), &default_theme(), size));
            assert!(shown.contains(title), "{title} at {size:?}:\n{shown}");
        }
    }
}

#[test]
fn the_prior_is_shown_however_long_the_metric() {
    let mut results = fixture::cookie_cats();
    results.metric = Some(Metric::event("a_metric_with_a_name_that_goes_on_and_on_and_on"));
    let analytics = AnalyticsState::default();
    for size in SIZES {
        let shown = text(&render(&page(Some(&results), &analytics), &default_theme(), size));
        assert!(shown.contains("Beta(1,1)"), "{shown}");
    }
}

#[test]
fn a_panel_higher_than_the_tab_is_scrolled_to_its_end() {
    let results = fixture::four_arms();
    let analytics = AnalyticsState::default();
    let mut page = page(Some(&results), &analytics);
    let theme = default_theme();
    let mut last = 0;
    screen(&theme, 40, 7, |area, buf| {
        last = draw(&page, &theme, area, buf).0.last
    });
    assert!(last > 0);
    page.row = last;
    let shown = text(&render(&page, &theme, (40, 7)));
    assert!(shown.contains("■ -0.60 – +0.49"), "{shown}");
    page.row = usize::MAX;
    assert_eq!(text(&render(&page, &theme, (40, 7))), shown);
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), 0..100_000_u64, Just(u64::MAX), any::<u64>()]
}

fn fraction() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(1.0),
        0.0..1.0,
        Just(1e-12),
        Just(1e12),
        Just(-3.0)
    ]
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_-]{0,12}", "\\PC{0,40}"]
}

prop_compose! {
    fn any_arm()(
        variant in word(),
        is_control in any::<bool>(),
        numbers in (count(), proptest::option::of(count()), count(), count()),
        rate in proptest::option::of(fraction()),
        inferred in proptest::option::of((fraction(), fraction(), fraction(), fraction())),
        pct in (fraction(), proptest::option::of(fraction())),
    ) -> ArmResult {
        ArmResult {
            name: variant.clone(),
            variant,
            is_control,
            subjects: numbers.0,
            starters: numbers.1,
            conversions: numbers.2,
            n: numbers.3,
            rate,
            posterior: inferred.map(|(a, b, c, d)| ArmPosterior {
                alpha: a,
                beta: b,
                ci_low: c,
                ci_high: d,
                prob_best: a,
                expected_loss: b,
                uplift: Some(Uplift { mean: None, median: a, low: c, high: d }),
                always_valid: Some(DifferenceInterval { difference: a, low: c, high: d }),
            }),
            exposures: Exposures { events: numbers.0, profiles: numbers.2, sessions: numbers.3, devices: 0 },
            configured_pct: pct.0 * 100.0,
            observed_pct: pct.1.map(|pct| pct * 100.0),
        }
    }
}

prop_compose! {
    fn any_series(max: usize)(
        interval in proptest::sample::select(Interval::ALL.to_vec()),
        counts in proptest::collection::vec(proptest::collection::vec(count(), 0..5), 0..max),
    ) -> Series {
        let points = counts.into_iter().enumerate().map(|(hour, counts)| SeriesPoint {
            at: now() - SignedDuration::from_hours(i64::try_from(hour).expect("small")),
            counts,
        });
        Series { interval, points: points.collect() }
    }
}

prop_compose! {
    fn any_breakdown()(
        key in word(),
        rows in proptest::collection::vec(
            (proptest::option::of(word()), proptest::collection::vec(count(), 0..5)),
            0..50,
        ),
        more in count(),
    ) -> Breakdown {
        let rows = rows.into_iter().map(|(value, counts)| BreakdownRow {
            value,
            events: counts.clone(),
            subjects: counts,
        });
        Breakdown { key, rows: rows.collect(), more }
    }
}

prop_compose! {
    fn any_results()(
        arms in proptest::collection::vec(any_arm(), 0..7),
        (metric, secondary) in (proptest::option::of(word()), proptest::option::of(word())),
        winner in word(),
        counts in (count(), count(), count(), any::<bool>()),
        p in proptest::option::of(0.0..=1.0_f64),
        series in any_series(200),
        tracked in proptest::collection::vec((word(), any_series(20)), 0..5),
        (segments, properties) in (any_breakdown(), any_breakdown()),
    ) -> Results {
        let mut results = fixture::cookie_cats();
        results.metric = metric.map(Metric::event);
        results.secondary = secondary.map(Metric::event);
        results.winner = arms.first().map_or(winner, |arm| arm.variant.clone());
        results.arms = arms;
        results.auto_paused = counts.3;
        results.multi_variant_subjects = counts.0;
        results.forced_subjects = counts.1;
        results.outside_subjects = counts.2;
        results.power.events = counts.0;
        results.power.needed = counts.1;
        results.power.gathering = counts.3;
        results.srm.test = p.map(|p| SrmTest { chi_square: 3.0, df: 1, p, e_value: 1.0, always_valid_p: p });
        results.srm.alarm = p.is_some_and(|p| p < 0.001);
        results.tracked = tracked
            .into_iter()
            .map(|(event, series)| TrackedResult {
                metric: Metric::event(event),
                events: vec![counts.0; 2],
                subjects: vec![counts.1],
                series,
            })
            .collect();
        results.series = series;
        results.segments = segments;
        results.properties = properties;
        results
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_results_are_drawn_at_any_size_and_nowhere_else(
        results in any_results(),
        (x, y, width, height) in (0..5_u16, 0..5_u16, 0..210_u16, 0..60_u16),
        (panel, zoomed, row) in (0..Panel::ALL.len(), any::<bool>(), 0..300_usize),
        (typed, trouble) in (proptest::option::of(word()), proptest::option::of(word())),
        glyphs in proptest::sample::select(vec![Glyphs::Braille, Glyphs::Block, Glyphs::Ascii]),
    ) {
        let theme = Theme::built_in("dark").expect("built in").with_glyphs(glyphs);
        let analytics = AnalyticsState {
            panel: Panel::ALL[panel],
            zoomed,
            prompt: typed.map(|typed| Prompt {
                kind: PromptKind::Filter,
                field: TextField::new(&typed),
                problem: None,
            }),
            ..AnalyticsState::default()
        };
        let mut page = page(Some(&results), &analytics);
        page.row = row;
        page.trouble = trouble;
        let area = Rect::new(x, y, width, height);
        stays_inside(area, |area, buf| {
            let (laid, _) = draw(&page, &theme, area, buf);
            assert!(laid.rows <= usize::from(height));
        });
    }
}

#[test]
fn the_results_are_exported_with_all_their_digits() {
    let mut state = State::new(Settings::default(), (120, 40));
    let mut detail = ExperimentDetail::unknown("cookie-cats".into());
    detail.tab = Tab::Analytics;
    let results = fixture::cookie_cats();
    detail.results.set(Arc::new(results.clone()), now());
    state.open = Some(Box::new(detail));
    state.screen = Screen::Experiment;
    let effects = update(&mut state, Action::Key("e".parse().expect("a key")), now());
    let files = effects
        .into_iter()
        .find_map(|effect| match effect {
            Effect::Save(files) => Some(files),
            _ => None,
        })
        .expect("files to be saved");
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "results.csv",
            "results.json",
            "segments.csv",
            "properties.csv",
            "series.csv",
        ]
        .map(|name| format!("cookie-cats-{}", name.replace('.', "-20261118T020009Z.")))
    );
    let (csv, json) = (&files[0], &files[1]);
    assert_eq!(csv.name, "cookie-cats-results-20261118T020009Z.csv");
    assert_eq!(json.name, "cookie-cats-results-20261118T020009Z.json");
    let read: Results = serde_json::from_str(&json.content).expect("results");
    assert_eq!((read.key, read.series), (results.key, results.series));
    let best = |results: &[ArmResult]| results[1].posterior.expect("inferred").prob_best;
    assert!((best(&read.arms) - best(&results.arms)).abs() < 1e-15);

    let mut reader = csv::Reader::from_reader(csv.content.as_bytes());
    let titles = reader.headers().expect("titles").clone();
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("rows");
    let value = |row: usize, title: &str| {
        let at = titles.iter().position(|t| t == title).expect("a column");
        rows[row][at].to_owned()
    };
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (value(0, "subjects"), value(0, "conversions")),
        ("44700".into(), "8502".into())
    );
    assert_eq!(
        (value(1, "subjects"), value(1, "conversions")),
        ("45489".into(), "8279".into())
    );
    let best: f64 = value(1, "probBest").parse().expect("a number");
    assert!((best - 0.000_777_338_664_576_2).abs() < 1e-9, "{best}");
    assert_eq!(
        (value(0, "upliftMedian"), value(0, "starters")),
        (String::new(), String::new())
    );
}

#[test]
fn a_frame_of_charts_is_small() {
    let analytics = AnalyticsState::default();
    for name in Theme::names() {
        for results in [fixture::two_steps(), fixture::four_arms(), fixture::auto_paused()] {
            let theme = Theme::built_in(name).expect("built in");
            let buf = render(&page(Some(&results), &analytics), &theme, (120, 40));
            let empty = Buffer::empty(buf.area);
            let bytes = sgr::bytes(empty.diff(&buf).into_iter()).len();
            // Colours in full cost more, and so does a ground of one's own.
            let most = if name == "default" { 9_000 } else { 12_500 };
            assert!(bytes <= most, "{bytes} bytes in {name}");
        }
    }
}
