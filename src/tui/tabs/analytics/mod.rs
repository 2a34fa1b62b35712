//! The Analytics tab: banners, then panels in two columns where there is room, else in one.

mod charts;
mod checks;
mod layout;
mod prompt;
mod results;
mod tables;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::api::banners::{BannerKind, banners};
use crate::api::results::{Results, Srm};
use crate::cockpit::format;
use crate::cockpit::keymap::{Command, Context, Keymap};
use crate::cockpit::state::analytics::{AnalyticsState, Panel, filter_text};
use crate::cockpit::state::{Health, Laid, State};
use crate::cockpit::update::age;
use crate::domain::{Experiment, Status};
use crate::tui::glyphs::{Glyphs, Tone, arm_slots};
use crate::tui::theme::Theme;
use crate::tui::widgets::Pen;
use crate::tui::widgets::banner::Banner;
use crate::tui::widgets::empty::empty;

/// All that the tab shows.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// The last results; none before the first answer.
    pub results: Option<&'a Results>,
    /// The experiment as it is configured.
    pub experiment: Option<&'a Experiment>,
    /// The test of the split as the guard makes it.
    pub guarded: Option<&'a Srm>,
    /// Focus, zoom, and what is being typed.
    pub analytics: &'a AnalyticsState,
    /// The first line of the focused panel that is shown.
    pub row: usize,
    /// When the results were received, or last known to be the newest.
    pub received: Option<Timestamp>,
    /// Why there are no newer results: they are dimmed and say their age.
    pub trouble: Option<String>,
    /// How many refreshes wait while live updates are held back.
    pub held: Option<u32>,
    /// Which key does what: the tab speaks of some.
    pub keymap: &'a Keymap,
    /// The present.
    pub now: Timestamp,
}

impl<'a> Page<'a> {
    /// The tab of the open experiment; none while no experiment is open.
    #[must_use]
    pub fn of(state: &'a State, now: Timestamp) -> Option<Self> {
        let detail = state.open.as_deref()?;
        let failure = detail
            .results
            .failure
            .as_ref()
            .map(|failure| failure.message.clone());
        let shown = detail.results.value.is_some();
        let old = age::results(state).filter(|age| age.is_old(now));
        // What ClickHouse said is in a line of its own above the tab; it is not said twice.
        let trouble = match &state.warehouse.health {
            Health::Lost { retry_at, .. } if shown && *retry_at > now => {
                let wait = format::span(retry_at.duration_since(now));
                Some(format!("ClickHouse is lost, retry in {wait}"))
            }
            Health::Lost { .. } if shown => Some("ClickHouse is lost, retrying".to_owned()),
            Health::Stopped { .. } if shown => Some("ClickHouse refuses".to_owned()),
            Health::Lost { message, .. } | Health::Stopped { message } => Some(message.clone()),
            Health::Unknown | Health::Up => failure.or_else(|| old.map(|age| age.why(now))),
        };
        Some(Self {
            results: detail.results.value.as_deref(),
            experiment: detail.config().map(|experiment| &**experiment),
            guarded: detail.guarded.value.as_ref(),
            analytics: &detail.analytics,
            row: detail.row(),
            received: old.map(|age| age.since).or(detail.results.at),
            trouble,
            held: state.hold.on.then_some(state.hold.waiting()),
            keymap: &state.keymap,
            now,
        })
    }

    fn auto_paused(&self) -> bool {
        match self.experiment {
            Some(experiment) => experiment.is_auto_paused(),
            None => self.results.is_some_and(|results| results.auto_paused),
        }
    }

    fn status(&self) -> Option<Status> {
        let results = self.results.map(|results| results.status);
        self.experiment.map(|experiment| experiment.status).or(results)
    }
}

/// Draws the tab; how many rows its scrolled part has, how far the focused panel can be scrolled, and where
/// the cursor stands while something is typed.
pub fn draw(page: &Page<'_>, theme: &Theme, area: Rect, buf: &mut Buffer) -> (Laid, Option<Position>) {
    let mut pen = Pen::new(theme, area, buf);
    let (width, mut height) = (pen.width(), pen.height());
    if pen.is_empty() {
        return (Laid::default(), None);
    }
    let mut cursor = None;
    if page.analytics.prompt.is_some() {
        let rows = prompt::height(page, width).min(height);
        height -= rows;
        cursor = prompt::draw(page, &mut pen.part(0, height, width, rows));
    }
    let mut pen = pen.part(0, 0, width, height);
    let top = draw_banners(page, &mut pen);
    let mut pen = pen.part(0, top, width, height - top);
    let Some(results) = page.results else {
        without_results(page, &mut pen);
        let laid = Laid {
            rows: usize::from(pen.height()),
            last: 0,
        };
        return (laid, cursor);
    };
    let theme = if page.trouble.is_some() {
        theme.faded()
    } else {
        theme.clone()
    };
    let view = View {
        page,
        results,
        slots: arm_slots(results.arms.iter().map(|arm| arm.is_control)),
        zone: TimeZone::get(&results.query.time_zone).unwrap_or(TimeZone::UTC),
        theme: &theme,
    };
    let area = pen.area();
    let laid = if page.analytics.zoomed {
        layout::zoomed(&view, area, buf)
    } else {
        layout::dashboard(&view, area, buf)
    };
    (laid, cursor)
}

/// What the panels draw from.
struct View<'a> {
    page: &'a Page<'a>,
    results: &'a Results,
    /// For each arm its slot, which decides glyph and colour.
    slots: Vec<usize>,
    /// Of days and buckets.
    zone: TimeZone,
    /// Faded where the results are stale.
    theme: &'a Theme,
}

impl View<'_> {
    /// Glyph and colour of an arm.
    fn mark(&self, arm: usize) -> (&'static str, Style) {
        let slot = self.slots.get(arm).copied().unwrap_or(arm);
        (self.theme.glyphs.arm(slot), self.theme.arm(slot))
    }

    fn focused(&self, panel: Panel) -> bool {
        self.page.analytics.panel == panel
    }

    fn arms(&self) -> u16 {
        u16::try_from(self.results.arms.len()).unwrap_or(u16::MAX)
    }

    /// The index of the control.
    fn control(&self) -> Option<usize> {
        self.results.arms.iter().position(|arm| arm.is_control)
    }
}

/// Banners, and below them what is special about what is shown. The rows that were used.
fn draw_banners(page: &Page<'_>, pen: &mut Pen<'_>) -> u16 {
    let (width, height) = (pen.width(), pen.height());
    let glyphs = pen.glyphs();
    // The results keep at least two thirds of the tab; a banner wraps only where there is plenty of room.
    let mut left = height / 3;
    let limit = if height >= 16 && !page.analytics.zoomed {
        3
    } else {
        1
    };
    let mut y = 0;
    let resume = page.keymap.way(Context::Experiment, Command::Resume);
    let resume = resume.as_deref().map(|key| (key, "resume"));
    let evidence = page.keymap.way(Context::Analytics, Command::Evidence);
    let evidence = evidence.as_deref().map(|key| (key, "evidence"));
    let said = banners(page.auto_paused(), page.results);
    let troubles = trouble_text(page);
    let loud = said.iter().map(|banner| {
        let (tone, key) = match banner.kind {
            BannerKind::AutoPaused => (Tone::Danger, resume),
            BannerKind::Srm => (Tone::Warn, evidence),
            BannerKind::Power => (Tone::Info, None),
        };
        (tone, banner.text.as_str(), key)
    });
    let stale = troubles.iter().map(|text| (Tone::Warn, text.as_str(), None));
    for (tone, text, key) in stale.chain(loud) {
        let banner = Banner { tone, text, key };
        let rows = banner.height(width, limit, glyphs).min(left);
        if rows == 0 {
            break;
        }
        banner.draw(&mut pen.part(0, y, width, rows));
        y += rows;
        left -= rows;
    }
    for (glyph, word, meaning) in special_lines(page, glyphs) {
        if left == 0 {
            break;
        }
        let theme = pen.theme;
        pen.text(0, y, glyph, theme.accent);
        let end = pen.text(2, y, &word, theme.accent);
        pen.text(end + 1, y, &glyphs.text(&meaning), theme.dim);
        y += 1;
        left -= 1;
    }
    y
}

/// Why the results are old, and how old they are.
fn trouble_text(page: &Page<'_>) -> Option<String> {
    let trouble = page.trouble.as_ref()?;
    page.results?;
    let age = page.received.map(|at| format!(" {}", format::age(at, page.now)));
    Some(format!("Stale{} — {trouble}", age.unwrap_or_default()))
}

/// What a person has set and could forget: held updates, a filter.
///
/// For each a glyph, its word, and what it means.
fn special_lines(page: &Page<'_>, glyphs: Glyphs) -> Vec<(&'static str, String, String)> {
    let mut lines = Vec::new();
    if let Some(waiting) = page.held {
        let waiting = format::counted(u64::from(waiting), "refresh waits", "refreshes wait");
        lines.push((
            glyphs.status(Status::Paused, false),
            "Held".to_owned(),
            page.keymap.after(
                &waiting,
                " · ",
                &[(Context::Global, Command::Hold, "lets them in")],
            ),
        ));
    }
    let query = &page.analytics.query;
    if query.start.is_some() || query.end.is_some() || query.multi_variant != Default::default() {
        let filter = filter_text(query);
        let asked = page.results.is_some_and(|results| results.query != *query);
        let state = if asked { " · being computed" } else { "" };
        let changes = (Context::Analytics, Command::FilterResults, "changes it");
        lines.push((
            glyphs.dot(),
            "Filter".to_owned(),
            (page.keymap).after(&format!("{filter}{state}"), " · ", &[changes]),
        ));
    }
    lines
}

fn without_results(page: &Page<'_>, pen: &mut Pen<'_>) {
    let (width, height) = (pen.width(), pen.height());
    let mut pen = pen.part(2, 1, width.saturating_sub(4), height.saturating_sub(1));
    let (what, hint) = match (&page.trouble, page.status()) {
        (Some(trouble), _) => (
            format!("The results cannot be had: {trouble}"),
            (page.keymap).sentence("", &[(Context::Global, Command::Reload, "asks again at once")]),
        ),
        (None, Some(Status::Draft)) => (
            "A draft has no results yet.".to_owned(),
            page.keymap.sentence(
                "",
                &[
                    (Context::Experiment, Command::Activate, "activates it"),
                    (
                        Context::Experiment,
                        Command::Attach,
                        "shows how to attach the attribution to your events",
                    ),
                ],
            ),
        ),
        (None, _) => ("Asking ClickHouse for the results …".to_owned(), String::new()),
    };
    let glyphs = pen.glyphs();
    empty(&mut pen, &glyphs.text(&what), &glyphs.text(&hint));
}
