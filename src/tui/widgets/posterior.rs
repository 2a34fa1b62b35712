//! Posterior densities of the arms' rates.

use ratatui::style::Style;

use super::Pen;
use super::frame::Tick;
use super::pen::{columns, fit_middle};
use crate::stats::posterior::{PlotRange, Posterior};
use crate::tui::glyphs::Glyphs;

/// The posterior of one arm.
#[derive(Debug, Clone)]
pub struct Curve<'a> {
    /// Its glyph and colour.
    pub mark: (&'static str, Style),
    /// Its name.
    pub name: &'a str,
    /// The posterior.
    pub posterior: Posterior,
    /// 2.5 % and 97.5 % quantiles.
    pub interval: (f64, f64),
}

/// The posteriors of all arms over one axis of rates.
#[derive(Debug, Clone)]
pub struct Posteriors<'a> {
    /// The arms.
    pub curves: Vec<Curve<'a>>,
    /// The rates from the left edge to the right one.
    pub range: PlotRange,
}

/// The range with its ends at round rates: as data come in it moves now and then, not every time, and the axis with it.
#[must_use]
pub fn steady(range: PlotRange) -> PlotRange {
    let span = range.high - range.low;
    if span.is_nan() || span <= 0.0 {
        return range;
    }
    let step = round_step(span / 12.0);
    PlotRange {
        low: ((range.low / step).floor() * step).max(0.0),
        high: ((range.high / step).ceil() * step).min(1.0),
    }
}

/// Rows from which the curves are laid over each other.
const OVERLAY_FROM: u16 = 16;
/// The widest a name beside a band may be.
const LONGEST_NAME: u16 = 12;
/// Names are left out where the curves would get fewer columns than this.
const LEAST_PLOT: u16 = 30;

impl Posteriors<'_> {
    /// Draws one band for each arm, or all curves over each other where there is much room.
    ///
    /// In bands each curve is scaled to its own peak: their widths are to be compared, not their heights.
    /// Over each other all have one scale, so that the area under each is the same. The 95 % interval is
    /// what is drawn in the arm's colour, and the line below the curve where there is a row for it.
    pub fn draw(&self, pen: &mut Pen<'_>) {
        if self.curves.is_empty() || pen.is_empty() {
            return;
        }
        let arms = u16::try_from(self.curves.len()).unwrap_or(u16::MAX);
        let overlay = pen.height() >= OVERLAY_FROM.saturating_add(arms) && pen.glyphs() == Glyphs::Braille;
        let left = self.left(pen.width());
        if overlay {
            self.overlay(pen, left, arms);
        } else {
            self.bands(pen, left, arms);
        }
    }

    /// Ticks at round rates in percent, for a chart `width` columns wide.
    #[must_use]
    pub fn ticks(&self, width: u16) -> Vec<Tick> {
        let left = self.left(width);
        let plot = width.saturating_sub(left);
        let (low, high) = (self.range.low * 100.0, self.range.high * 100.0);
        let span = high - low;
        if plot < 8 || span.is_nan() || span <= 0.0 {
            return Vec::new();
        }
        // Ticks closer than this run into each other.
        let step = round_step(span / f64::from(plot) * 9.0);
        let decimals = decimals_of(step);
        let mut ticks = Vec::new();
        let mut number = (low / step).ceil();
        while number * step <= high && ticks.len() < 64 {
            let share = (number * step - low) / span;
            ticks.push(Tick {
                at: left + cell(share * f64::from(plot)).min(plot - 1),
                text: format!("{:.decimals$}", number * step),
            });
            number += 1.0;
        }
        ticks
    }

    /// Columns before the curves: glyph, and the names where there is room for them.
    fn left(&self, width: u16) -> u16 {
        let name = self
            .curves
            .iter()
            .map(|curve| columns(curve.name))
            .max()
            .unwrap_or(0);
        let name = name.min(LONGEST_NAME);
        if width >= name + 4 + LEAST_PLOT {
            name + 4
        } else {
            2
        }
    }

    fn label(&self, pen: &mut Pen<'_>, y: u16, left: u16, curve: &Curve<'_>) {
        let text = pen.theme.text;
        pen.text(0, y, curve.mark.0, curve.mark.1);
        if left > 2 {
            pen.text(2, y, &fit_middle(curve.name, left - 4, pen.glyphs()), text);
        }
    }

    fn bands(&self, pen: &mut Pen<'_>, left: u16, arms: u16) {
        let height = pen.height();
        // The first bands get what is left over.
        let (each, mut spare) = (height / arms, height % arms);
        let mut y = 0;
        for curve in &self.curves {
            let mut rows = each;
            if spare > 0 && each > 0 {
                spare -= 1;
                rows += 1;
            }
            // More arms than rows: as many as there are rows get one.
            let rows = rows.max(1).min(height.saturating_sub(y));
            if rows == 0 {
                break;
            }
            self.band(pen, y, rows.min(6), left, curve);
            y += rows;
        }
    }

    fn band(&self, pen: &mut Pen<'_>, y: u16, rows: u16, left: u16, curve: &Curve<'_>) {
        let theme = pen.theme;
        let glyphs = pen.glyphs();
        let plot = pen.width().saturating_sub(left);
        // Two rows are better spent on the curve and its interval than on a taller curve.
        let tall = if rows > 1 { rows - 1 } else { rows };
        self.label(pen, y + tall - 1, left, curve);
        let density = curve.posterior.curve(self.range, usize::from(plot));
        let peak = density.iter().copied().fold(0.0, f64::max);
        let inside = self.columns_of(curve.interval, plot);
        for (x, density) in (0..plot).zip(&density) {
            let eighths = share_of(*density, peak, usize::from(tall) * 8);
            let style = if inside.contains(&x) {
                curve.mark.1
            } else {
                theme.dim
            };
            for row in 0..tall {
                let filled = eighths.saturating_sub(usize::from(row) * 8).min(8);
                if filled > 0 {
                    pen.char(left + x, y + tall - 1 - row, glyphs.up(filled), style);
                }
            }
        }
        if rows > tall {
            self.interval(pen, y + tall, left, curve);
        }
    }

    /// The 95 % interval as a line with its ends and the posterior mean.
    fn interval(&self, pen: &mut Pen<'_>, y: u16, left: u16, curve: &Curve<'_>) {
        let glyphs = pen.glyphs();
        let plot = pen.width().saturating_sub(left);
        let inside = self.columns_of(curve.interval, plot);
        let (start, end) = (*inside.start(), *inside.end());
        let style = curve.mark.1;
        let [line, from, to, mean] = if glyphs.is_ascii() {
            ["-", "[", "]", "|"]
        } else {
            ["─", "├", "┤", "┼"]
        };
        pen.repeat(left + start, y, end - start + 1, line, style);
        pen.glyph(left + start, y, from, style);
        pen.glyph(left + end, y, to, style);
        let at = self.column(curve.posterior.mean(), plot);
        if at > start && at < end {
            pen.glyph(left + at, y, mean, style);
        }
    }

    fn overlay(&self, pen: &mut Pen<'_>, left: u16, arms: u16) {
        let plot = pen.width().saturating_sub(left);
        let rows = pen.height() - arms;
        let (across, down) = (usize::from(plot) * 2, usize::from(rows) * 4);
        let densities: Vec<Vec<f64>> = self
            .curves
            .iter()
            .map(|curve| curve.posterior.curve(self.range, across))
            .collect();
        let peak = densities.iter().flatten().copied().fold(0.0, f64::max);
        for (curve, density) in self.curves.iter().zip(&densities) {
            let mut cells = vec![0_u8; usize::from(plot) * usize::from(rows)];
            let mut before = None;
            for (x, density) in density.iter().enumerate() {
                let share = share_of(*density, peak, down - 1);
                if share == 0 {
                    // Far from the peak there is no line, so that the axis stays clear.
                    before = None;
                    continue;
                }
                let y = down - 1 - share;
                let from = before.unwrap_or(y);
                for y in y.min(from)..=y.max(from) {
                    if let Some(mask) = cells.get_mut((y / 4) * usize::from(plot) + x / 2) {
                        *mask |= super::series::dot(x % 2, y % 4);
                    }
                }
                before = Some(y);
            }
            for (index, mask) in cells.into_iter().enumerate() {
                if let (Ok(index), true) = (u16::try_from(index), mask != 0) {
                    let glyph = super::series::braille(mask);
                    pen.char(left + index % plot, index / plot, glyph, curve.mark.1);
                }
            }
        }
        self.peaks(pen, left, &densities, (peak, down));
        for (y, curve) in (rows..).zip(&self.curves) {
            self.label(pen, y, left, curve);
            self.interval(pen, y, left, curve);
        }
    }

    /// Each curve's glyph on its peak, so that curves are told apart without their colours. Where two peaks are in
    /// one place the later glyph steps down its own right side.
    fn peaks(&self, pen: &mut Pen<'_>, left: u16, densities: &[Vec<f64>], (peak, down): (f64, usize)) {
        let mut taken: Vec<(usize, usize)> = Vec::new();
        for (curve, density) in self.curves.iter().zip(densities) {
            let highest = density.iter().copied().fold(0.0, f64::max);
            let Some(top) = density.iter().position(|density| *density >= highest) else {
                continue;
            };
            let places = (top..density.len()).step_by(2).filter_map(|x| {
                let share = share_of(*density.get(x)?, peak, down - 1);
                (share > 0).then_some((x / 2, (down - 1 - share) / 4))
            });
            let mut free = places.filter(|place| !taken.contains(place));
            if let Some((x, y)) = free.next()
                && let (Ok(column), Ok(row)) = (u16::try_from(x), u16::try_from(y))
            {
                pen.glyph(left + column, row, curve.mark.0, curve.mark.1);
                taken.push((x, y));
            }
        }
    }

    /// The column of a rate.
    fn column(&self, rate: f64, plot: u16) -> u16 {
        let share = (rate - self.range.low) / (self.range.high - self.range.low);
        cell(share * f64::from(plot)).min(plot.saturating_sub(1))
    }

    /// The columns of an interval of rates.
    fn columns_of(&self, (low, high): (f64, f64), plot: u16) -> std::ops::RangeInclusive<u16> {
        let start = self.column(low, plot);
        start..=self.column(high, plot).max(start)
    }
}

/// The part of `full` that `value` is of `max`, rounded up, so that what is there is seen.
fn share_of(value: f64, max: f64, full: usize) -> usize {
    if !(value > 0.0 && max > 0.0) {
        return 0;
    }
    // An infinite density at an end of [0, 1] (a prior with a shape below 1) is as high as it goes.
    let share = if value.is_infinite() {
        1.0
    } else {
        (value / max).min(1.0)
    };
    let full = full as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and full"
    )]
    let part = (share * full).round() as usize;
    part
}

/// The cell in which a place lies; below 0 is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as saturates at both ends"
)]
fn cell(at: f64) -> u16 {
    at.floor() as u16
}

/// The next of 1, 2, 5, 10, 20, 50 … that is not smaller.
fn round_step(least: f64) -> f64 {
    let magnitude = 10_f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * magnitude >= least * 0.999);
    step.unwrap_or(10.0) * magnitude
}

/// Decimals that tell ticks of this step apart, at most eight.
fn decimals_of(step: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 0 to 8"
    )]
    let decimals = (-(step * 1.001).log10().floor()).clamp(0.0, 8.0) as usize;
    decimals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::posterior::{Arm, Prior, plot_range};
    use crate::tui::theme::Theme;
    use crate::tui::widgets::testing::{draw, lines};
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;

    fn cookie_cats() -> Posteriors<'static> {
        posteriors(&[("control", 8_502, 44_700), ("gate_40", 8_279, 45_489)])
    }

    fn posteriors(arms: &[(&'static str, u64, u64)]) -> Posteriors<'static> {
        let prior = Prior::default();
        let counts: Vec<Arm> = arms
            .iter()
            .map(|(_, conversions, n)| Arm {
                conversions: *conversions,
                n: *n,
            })
            .collect();
        let curves = arms
            .iter()
            .zip(&counts)
            .enumerate()
            .map(|(slot, ((name, ..), arm))| {
                let posterior = Posterior::new(*arm, prior).expect("counts");
                let quantile = |p| posterior.quantile(p).expect("a probability");
                Curve {
                    mark: (Glyphs::Braille.arm(slot), Style::default()),
                    name,
                    interval: (quantile(0.025), quantile(0.975)),
                    posterior,
                }
            });
        Posteriors {
            curves: curves.collect(),
            range: plot_range(&counts, prior).expect("counts"),
        }
    }

    #[test]
    fn each_arm_has_a_band_with_its_interval() {
        let drawn = lines(&draw(50, 6, |pen| cookie_cats().draw(pen)));
        let expected = [
            "                                  ▂▅▇██▆▃▁",
            "◆ control                    ▁▂▃▅▇████████▆▄▂▁▁",
            "                               ├─────┼──────┤",
            "                   ▂▅▇██▆▄▁",
            "● gate_40     ▁▁▃▄▇████████▆▄▂▁▁",
            "                ├─────┼──────┤",
        ];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn one_row_each_is_enough() {
        let drawn = lines(&draw(40, 2, |pen| cookie_cats().draw(pen)));
        let expected = ["◆                   ▁▁▂▃▅▆▇██▇▆▅▃▂▁▁", "●     ▁▁▂▄▅▇███▇▅▄▂▁▁"];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn the_interval_is_in_the_arms_colour_and_the_tails_are_quiet() {
        let theme = Theme::built_in("dark").expect("built in");
        let area = Rect::new(0, 0, 80, 2);
        let mut buf = Buffer::empty(area);
        let mut both = cookie_cats();
        both.curves[0].mark.1 = theme.arm_1;
        both.draw(&mut Pen::new(&theme, area, &mut buf));
        let plot = 80 - 11;
        let inside = both.columns_of(both.curves[0].interval, plot);
        for x in 0..plot {
            let cell = buf.cell((11 + x, 0)).expect("inside");
            if cell.symbol() != " " {
                let expected = if inside.contains(&x) {
                    theme.arm_1.fg
                } else {
                    theme.dim.fg
                };
                assert_eq!(Some(cell.fg), expected, "column {x}");
            }
        }
    }

    #[test]
    fn much_room_lays_the_curves_over_each_other() {
        let drawn = lines(&draw(60, 20, |pen| cookie_cats().draw(pen)));
        assert!(
            drawn[..18]
                .iter()
                .any(|line| line.contains('⠉') || line.contains('⡠')),
            "{drawn:#?}"
        );
        for mark in ['◆', '●'] {
            let curves = drawn[..18].iter().flat_map(|line| line.chars());
            assert_eq!(curves.filter(|c| *c == mark).count(), 1, "{drawn:#?}");
        }
        assert!(
            drawn[18].starts_with("◆ control") && drawn[18].contains('┼'),
            "{drawn:#?}"
        );
        assert!(
            drawn[19].starts_with("● gate_40") && drawn[19].contains('┼'),
            "{drawn:#?}"
        );
    }

    #[test]
    fn ticks_are_round_and_in_their_place() {
        let ticks = cookie_cats().ticks(60);
        let texts: Vec<&str> = ticks.iter().map(|tick| tick.text.as_str()).collect();
        assert_eq!(texts, ["18.0", "18.5", "19.0", "19.5"]);
        let range = cookie_cats().range;
        let expected = 11.0 + (0.185 - range.low) / (range.high - range.low) * 49.0;
        assert!((f64::from(ticks[1].at) - expected).abs() <= 1.0);
        assert_eq!(cookie_cats().ticks(3), []);
        assert_eq!(round_step(0.21), 0.5);
        assert_eq!(
            (decimals_of(0.5), decimals_of(10.0), decimals_of(0.002)),
            (1, 0, 3)
        );
    }

    #[test]
    fn extreme_counts_are_drawn_too() {
        for arms in [
            vec![("a", 0, 0), ("b", 0, 0)],
            vec![("a", 0, 10), ("b", 10, 10)],
            vec![("a", 1, 1_000_000_000_000), ("b", 3, 7)],
        ] {
            for (width, height) in [(1, 1), (9, 3), (60, 8), (60, 40)] {
                draw(width, height, |pen| posteriors(&arms).draw(pen));
            }
        }
    }

    /// A few hundred refreshes of a live experiment: its axis stands still in nearly all of them.
    #[test]
    fn a_steady_range_holds_all_and_moves_now_and_then() {
        let prior = Prior { a: 1.0, b: 1.0 };
        let mut moves = [0_u32; 2];
        let mut before = [None, None];
        for n in 0..300_u64 {
            let arms = [
                Arm {
                    n: 15_000 + n * 9,
                    conversions: 4_500 + n * 3 + n % 5,
                },
                Arm {
                    n: 11_500 + n * 7,
                    conversions: 3_640 + n * 2 + n % 3,
                },
            ];
            let range = plot_range(&arms, prior).expect("counts");
            let steady = steady(range);
            assert!(
                steady.low <= range.low && steady.high >= range.high,
                "{range:?} {steady:?}"
            );
            assert!(steady.high - steady.low < (range.high - range.low) * 1.35);
            for (at, range) in [range, steady].into_iter().enumerate() {
                let curves = Vec::new();
                let ticks = Posteriors { curves, range }.ticks(100);
                let before = before[at].replace(ticks.clone());
                moves[at] += u32::from(before.is_some_and(|before| before != ticks));
            }
        }
        // As it comes the axis moves all the time.
        assert!(moves[1] * 10 < moves[0], "{moves:?}");
        let all = PlotRange { low: 0.0, high: 1.0 };
        assert_eq!(steady(all), all);
    }
}
