//! Where the panels go.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::View;
use super::results::{ResultsPanel, title};
use super::{charts, checks, tables};
use crate::cockpit::state::Laid;
use crate::cockpit::state::analytics::Panel;
use crate::tui::widgets::Pen;
use crate::tui::widgets::empty::empty;
use crate::tui::widgets::table::Table;

/// Columns from which there are two columns of panels.
const TWO_COLUMNS: u16 = 120;
/// Rows of a breakdown that are shown beside the other panels.
const FEW: usize = 6;

/// The rows a panel can do with, and those it would like.
#[derive(Debug, Clone, Copy)]
struct Need {
    least: u16,
    wish: u16,
    /// Whether more rows make it better.
    grows: bool,
    /// Whether a blank row sets it apart from what is above.
    apart: bool,
}

/// A row of one or two panels.
struct Band {
    panels: Vec<(Panel, u16, u16)>,
    need: Need,
    y: u16,
    height: u16,
}

impl Band {
    /// The row after it.
    fn bottom(&self) -> u16 {
        self.y.saturating_add(self.height)
    }
}

/// All panels. What does not fit is scrolled so that the focused one is seen.
pub fn dashboard(view: &View<'_>, area: Rect, buf: &mut Buffer) -> Laid {
    if area.is_empty() {
        return Laid::default();
    }
    if charts::no_exposures(view) {
        return nothing_yet(view, area, buf);
    }
    let two = area.width >= TWO_COLUMNS;
    let mut bands = arrange(view, two, area.width, area.height);
    if bands.last().is_some_and(|band| band.bottom() > area.height) {
        // The last column says whether there is more above or below.
        bands = arrange(view, two, area.width.saturating_sub(1), area.height);
    }
    let total = bands.last().map_or(0, Band::bottom);
    let focused = bands
        .iter()
        .find(|band| band.panels.iter().any(|(panel, ..)| view.focused(*panel)));
    let (top, last) = match focused {
        Some(band) if band.height > area.height => {
            let last = band.height - area.height;
            let row = last.min(u16::try_from(view.page.row).unwrap_or(last));
            (band.y.saturating_add(row), last)
        }
        Some(band) => (band.bottom().saturating_sub(area.height), 0),
        None => (0, 0),
    };
    if total <= area.height {
        for band in &bands {
            for (panel, x, width) in &band.panels {
                let place = Rect::new(area.x + x, area.y + band.y, *width, band.height);
                panel_into(view, *panel, false, 0, &mut Pen::new(view.theme, place, buf));
            }
        }
    } else {
        through_sheet(view, area, total, top, buf, |sheet| {
            for band in &bands {
                if band.bottom() <= top || band.y >= top.saturating_add(area.height) {
                    continue;
                }
                for (panel, x, width) in &band.panels {
                    let place = Rect::new(*x, band.y, *width, band.height);
                    panel_into(view, *panel, false, 0, &mut Pen::new(view.theme, place, sheet));
                }
            }
        });
    }
    Laid {
        rows: usize::from(area.height),
        last: usize::from(last),
    }
}

/// Draws on a sheet `total` rows high and copies what is in view from row `top` on; arrows in the last column
/// say whether there is more above or below.
fn through_sheet(
    view: &View<'_>,
    area: Rect,
    total: u16,
    top: u16,
    buf: &mut Buffer,
    paint: impl FnOnce(&mut Buffer),
) {
    let sheet_area = Rect::new(0, 0, area.width, total);
    let mut sheet = Buffer::empty(sheet_area);
    sheet.set_style(sheet_area, view.theme.base());
    paint(&mut sheet);
    for y in 0..area.height.min(total.saturating_sub(top)) {
        for x in 0..area.width {
            let from = sheet.cell((x, top.saturating_add(y))).cloned();
            if let (Some(from), Some(to)) = (from, buf.cell_mut((area.x + x, area.y + y))) {
                *to = from;
            }
        }
    }
    let theme = view.theme;
    let [up, down] = theme.glyphs.more();
    let mut pen = Pen::new(theme, area, buf);
    let right = area.width.saturating_sub(1);
    if top > 0 {
        pen.glyph(right, 0, up, theme.accent);
    }
    if top.saturating_add(area.height) < total {
        pen.glyph(right, area.height.saturating_sub(1), down, theme.accent);
    }
}

/// The counts, which are all zero, and what to do about that: empty charts would say it many times over.
fn nothing_yet(view: &View<'_>, area: Rect, buf: &mut Buffer) -> Laid {
    let mut pen = Pen::new(view.theme, area, buf);
    let (width, height) = (pen.width(), pen.height());
    let title = title(view, width);
    let results = ResultsPanel::new(view, &title, false);
    let rows = results.height(width).min(height);
    results.draw(&mut pen.part(0, 0, width, rows));
    let left = height - rows;
    let mut below = pen.part(3, rows, width.saturating_sub(4), left.min(8));
    let (text, hint) = charts::no_exposures_text(view);
    empty(&mut below, text, &hint);
    Laid {
        rows: usize::from(height),
        last: 0,
    }
}

/// One panel on the whole screen.
pub fn zoomed(view: &View<'_>, area: Rect, buf: &mut Buffer) -> Laid {
    if area.is_empty() {
        return Laid::default();
    }
    let panel = view.page.analytics.panel;
    let rows = usize::from(area.height);
    let lines = |width: u16| match panel {
        Panel::Posterior | Panel::Distribution | Panel::Series | Panel::Flow => 0,
        _ => need(view, panel, width, true).wish,
    };
    let narrow = area.width.saturating_sub(1);
    let total = match lines(area.width) {
        total if total > area.height => lines(narrow).max(total),
        total => total,
    };
    let last = usize::from(total.saturating_sub(area.height));
    let row = view.page.row.min(last);
    let draw = |pen: &mut Pen<'_>, row| panel_into(view, panel, true, row, pen);
    match panel {
        // These have lines of several kinds; the others are charts, and tables whose heading stays in view.
        Panel::Results | Panel::Checks if last > 0 => {
            let top = u16::try_from(row).unwrap_or(u16::MAX);
            through_sheet(view, area, total, top, buf, |sheet| {
                let all = Rect::new(0, 0, narrow, total);
                draw(&mut Pen::new(view.theme, all, sheet), 0);
            });
        }
        _ => draw(&mut Pen::new(view.theme, area, buf), row),
    }
    Laid { rows, last }
}

fn arrange(view: &View<'_>, two: bool, width: u16, height: u16) -> Vec<Band> {
    let mut bands: Vec<Band> = if two {
        let left = width * 11 / 20;
        let right = width - left - 1;
        let pair = |a, b| vec![(a, 0, left), (b, left + 1, right)];
        vec![
            vec![(Panel::Results, 0, width)],
            pair(Panel::Posterior, Panel::Distribution),
            pair(Panel::Series, Panel::Flow),
            pair(Panel::Segments, Panel::Properties),
            pair(Panel::Exposures, Panel::Tracked),
            vec![(Panel::Checks, 0, width)],
        ]
    } else {
        Panel::ALL.iter().map(|panel| vec![(*panel, 0, width)]).collect()
    }
    .into_iter()
    .map(|panels| {
        let needs: Vec<Need> = panels
            .iter()
            .map(|(panel, _, width)| need(view, *panel, *width, false))
            .collect();
        let most = |of: fn(&Need) -> u16| needs.iter().map(of).max().unwrap_or(0);
        let least = most(|need| need.least);
        Band {
            need: Need {
                least,
                wish: most(|need| need.wish).max(least),
                grows: needs.iter().any(|need| need.grows),
                apart: needs.iter().any(|need| need.apart),
            },
            panels,
            y: 0,
            height: 0,
        }
    })
    .collect();

    let sum = |bands: &[Band], of: fn(&Band) -> u16| bands.iter().map(of).fold(0, u16::saturating_add);
    let wish = sum(&bands, |band| band.need.wish);
    let least = sum(&bands, |band| band.need.least);
    let gaps = sum(&bands, |band| u16::from(band.need.apart));
    let cramped = wish.saturating_add(gaps) > height && least <= height;
    for band in &mut bands {
        band.height = if cramped { band.need.least } else { band.need.wish };
    }
    let mut spare = if cramped {
        height - least
    } else {
        height.saturating_sub(wish.saturating_add(gaps))
    };
    // In turns, so that all get their share: first up to what they wish, then what makes charts better.
    let mut gap = !cramped;
    if cramped {
        while spare > 0 {
            let mut given = false;
            for band in &mut bands {
                if spare > 0 && band.height < band.need.wish {
                    band.height += 1;
                    spare -= 1;
                    given = true;
                }
            }
            if !given {
                break;
            }
        }
        if spare >= gaps {
            gap = true;
            spare -= gaps;
        }
    }
    let most = (height / 3).max(8);
    while spare > 0 {
        let mut given = false;
        for band in &mut bands {
            if spare > 0 && band.need.grows && band.height < most {
                band.height += 1;
                spare -= 1;
                given = true;
            }
        }
        if !given {
            break;
        }
    }
    let mut y: u16 = 0;
    for band in &mut bands {
        if gap && band.need.apart {
            y = y.saturating_add(1);
        }
        band.y = y;
        y = y.saturating_add(band.height);
    }
    bands
}

fn need(view: &View<'_>, panel: Panel, width: u16, all: bool) -> Need {
    let fixed = |rows: u16| Need {
        least: rows,
        wish: rows,
        grows: false,
        apart: true,
    };
    let chart = |least: u16, wish: u16, grows: bool| Need {
        least: least.saturating_add(2),
        wish: wish.saturating_add(2),
        grows,
        apart: false,
    };
    let arms = view.arms();
    match panel {
        Panel::Results => {
            let title = title(view, width);
            Need {
                apart: false,
                ..fixed(ResultsPanel::new(view, &title, all).height(width))
            }
        }
        Panel::Posterior => chart(arms.saturating_mul(2).max(3), arms.saturating_mul(3).max(3), true),
        Panel::Distribution => chart(arms.saturating_mul(2), arms.saturating_mul(2), false),
        Panel::Series => chart(4, 6, true),
        Panel::Flow => chart(charts::flow_rows(view), charts::flow_rows(view), false),
        Panel::Checks => fixed(checks::height(view, width)),
        Panel::Segments | Panel::Properties if !all => {
            let table = table_of(view, panel, "", width, all);
            let heading = table.heading_height(width);
            let rows = |most: usize| {
                let all = table.rows.len() + usize::from(table.more > 0);
                u16::try_from(all.min(most)).unwrap_or(u16::MAX)
            };
            Need {
                least: heading + rows(3),
                wish: heading + rows(FEW),
                ..fixed(0)
            }
        }
        Panel::Segments | Panel::Properties | Panel::Exposures | Panel::Tracked => {
            let detail = detail_of(view, panel, width);
            fixed(table_of(view, panel, &detail, width, all).height(width))
        }
    }
}

fn detail_of(view: &View<'_>, panel: Panel, width: u16) -> String {
    let query = &view.page.analytics.query;
    let results = view.results;
    // Beside the longer of the two titles and the blanks around it.
    let room = width.saturating_sub(12);
    match panel {
        Panel::Segments => tables::breakdown_detail(view, &results.segments, &query.segment_key, room),
        Panel::Properties => tables::breakdown_detail(view, &results.properties, &query.property_key, room),
        Panel::Exposures => tables::exposures_detail(view),
        _ => String::new(),
    }
}

fn table_of<'a>(view: &View<'_>, panel: Panel, detail: &'a str, width: u16, all: bool) -> Table<'a> {
    match panel {
        Panel::Exposures => tables::exposures(view, detail),
        Panel::Tracked => tables::tracked(view),
        panel => tables::breakdown(view, panel, detail, width, all),
    }
}

fn panel_into(view: &View<'_>, panel: Panel, zoomed: bool, row: usize, pen: &mut Pen<'_>) {
    match panel {
        Panel::Results => {
            let title = title(view, pen.width());
            ResultsPanel::new(view, &title, zoomed).draw(pen);
        }
        Panel::Posterior => charts::posterior(view, pen),
        Panel::Distribution => charts::distribution(view, pen, zoomed),
        Panel::Series => charts::series(view, pen, zoomed),
        Panel::Flow => charts::flow(view, pen),
        Panel::Checks => checks::draw(view, pen),
        Panel::Segments | Panel::Properties | Panel::Exposures | Panel::Tracked => {
            let detail = detail_of(view, panel, pen.width());
            let mut table = table_of(view, panel, &detail, pen.width(), zoomed);
            table.offset = if zoomed { row } else { 0 };
            table.draw(pen);
        }
    }
}
