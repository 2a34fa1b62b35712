//! The beta distribution in **log-odds**, measured from the log-odds of its mean.
//!
//! With θ = ln(x/(1 − x)) the density of Beta(a, b) is `x^a (1−x)^b / B(a, b)`: smooth, log-concave, without singular
//! ends whatever the shapes, and as fine near 1 as near 0. With h = θ − ln(a/b), μ = a/(a + b) and n = a + b it is
//!
//! ```text
//! √(ab/2πn) · e^(δ(n) − δ(a) − δ(b)) · exp(a·h − n·ln(1 + μ(e^h − 1)))
//! ```
//!
//! (δ being Stirling's correction), and the last exponent equals −a(e^h − 1 − h) − n(ln(1+w) − w) with w = μ(e^h − 1), where nothing
//! cancels at small h. So the density keeps its digits at n = 10⁹, where its peak is 6·10⁻⁵ wide in h, provided that h is known
//! to more than the precision of θ: distances between two means therefore come from [`Beta::centre_minus`], never from a subtraction.

use super::quadrature::{NODES, Panel, steps};
use super::special::{SMALL, difference_of_products, exp_m1_minus, ln_1p_minus, softplus, stirling};

/// The depths below the peak of the log density at which a panel ends. Between two of them 24 nodes resolve the density and its running
/// integral to working precision; beyond the last one (11 standard deviations of a normal curve) there is nothing worth having.
const LEVELS: [f64; 6] = [0.7, 3.5, 9.0, 18.0, 35.0, 65.0];

/// The widest panel where the log density still bends, in log-odds: its features there are of order 1 however flat the density.
pub(super) const BEND_STEP: f64 = 3.5;

/// How far from the bend the log density is straight to working precision: e^−28 < 1e-12 of the slope.
pub(super) const BEND_REACH: f64 = 28.0;

/// A beta distribution with shapes `a`, `b` > 0.
#[derive(Debug, Clone)]
pub(super) struct Beta {
    pub(super) a: f64,
    pub(super) b: f64,
    /// `ln(a/b)`: the origin of h.
    pub(super) centre: f64,
    /// The density in h at h = 0, its peak.
    peak: f64,
}

impl Beta {
    pub(super) fn new(a: f64, b: f64) -> Self {
        let n = a + b;
        let (small, large) = if a <= b { (a, b) } else { (b, a) };
        let correction = stirling(n) - (stirling(small) + stirling(large));
        let peak = (small * (large / n) / (2.0 * std::f64::consts::PI)).sqrt() * correction.exp();
        Beta {
            a,
            b,
            centre: (a / b).ln(),
            peak,
        }
    }

    pub(super) fn mean(&self) -> f64 {
        self.a / (self.a + self.b)
    }

    /// The log density in h, less its peak.
    fn exponent(&self, h: f64) -> f64 {
        // Seen from the rarer outcome μ ≤ ½, so that the two terms below cannot cancel by more than half.
        let (h, small, large) = if self.a <= self.b {
            (h, self.a, self.b)
        } else {
            (-h, self.b, self.a)
        };
        let n = small + large;
        let mu = small / n;
        if h.abs() <= SMALL {
            let curved = exp_m1_minus(h);
            -small * curved - n * ln_1p_minus(mu * (h + curved))
        } else if h < 700.0 {
            small * h - n * (mu * h.exp_m1()).ln_1p()
        } else {
            // e^h overflows: ln(1 + μ(e^h − 1)) = h + ln μ.
            -large * h - n * mu.ln()
        }
    }

    /// The density in h.
    pub(super) fn density(&self, h: f64) -> f64 {
        self.peak * self.exponent(h).exp()
    }

    /// The density at each node, exactly zero outside `edges`: a panel out there may be so wide that even e^−36 would count.
    pub(super) fn densities(&self, edges: &[f64], nodes: &[f64; NODES]) -> [f64; NODES] {
        let (low, high) = ends(edges);
        if nodes[NODES - 1] < low || nodes[0] > high {
            return [0.0; NODES];
        }
        nodes.map(|h| if h < low || h > high { 0.0 } else { self.density(h) })
    }

    /// The proportion x at h.
    pub(super) fn proportion(&self, h: f64) -> f64 {
        if h <= 0.0 {
            let odds = self.a * h.exp();
            odds / (self.b + odds)
        } else {
            self.a / (self.a + self.b * (-h).exp())
        }
    }

    /// `1 − x` at h.
    pub(super) fn complement(&self, h: f64) -> f64 {
        if h >= 0.0 {
            let odds = self.b * (-h).exp();
            odds / (self.a + odds)
        } else {
            self.b / (self.b + self.a * h.exp())
        }
    }

    /// `ln x` at h.
    pub(super) fn ln_proportion(&self, h: f64) -> f64 {
        -softplus(-(self.centre + h))
    }

    /// h of a proportion `0 < x < 1`.
    pub(super) fn offset(&self, x: f64) -> f64 {
        // x b − (1 − x) a over (1 − x) a, the numerator as x n − a.
        let ratio = difference_of_products(x, self.a + self.b, 1.0, self.a) / ((1.0 - x) * self.a);
        if ratio.abs() < 0.5 {
            ratio.ln_1p()
        } else {
            x.ln() - (-x).ln_1p() - self.centre
        }
    }

    /// `ln(a/b)` of this one less that of `other`, to full relative precision however close they are.
    pub(super) fn centre_minus(&self, other: &Beta) -> f64 {
        let ratio = difference_of_products(self.a, other.b, self.b, other.a) / (self.b * other.a);
        if ratio.abs() < 0.5 {
            ratio.ln_1p()
        } else {
            self.centre - other.centre
        }
    }

    /// The ascending edges, in h, of the panels that hold all the mass.
    pub(super) fn edges(&self) -> Vec<f64> {
        let mut below = self.levels(-1.0);
        below.reverse();
        below.push(0.0);
        below.extend(self.levels(1.0));
        self.split_at_the_bend(&below)
    }

    /// Those of the edges within which all but 10⁻¹⁵ of the mass lies.
    pub(super) fn core<'a>(&self, edges: &'a [f64]) -> &'a [f64] {
        // Past the level 35, whose place is known to 2 %, and short of the next.
        let inside = |h: &f64| self.exponent(*h) >= -45.0;
        let from = edges.iter().position(inside).unwrap_or(0);
        let to = edges
            .iter()
            .rposition(inside)
            .map_or(edges.len(), |last| last + 1);
        &edges[from..to]
    }

    /// Where the log density has fallen to each of [`LEVELS`], on one side.
    fn levels(&self, side: f64) -> Vec<f64> {
        // Were the density normal, its standard deviation in h would be this.
        let sd = (1.0 / self.a + 1.0 / self.b).sqrt();
        let mut inner = 0.0;
        LEVELS
            .iter()
            .map(|level| {
                // The places need not be exact, 2 % is plenty: step out, then halve.
                let mut outer = (2.0 * level).sqrt() * sd;
                while self.exponent(side * outer) > -level {
                    inner = outer;
                    outer *= 1.5;
                }
                while outer - inner > 0.02 * outer {
                    let middle = 0.5 * (inner + outer);
                    if self.exponent(side * middle) > -level {
                        inner = middle;
                    } else {
                        outer = middle;
                    }
                }
                inner = outer;
                side * outer
            })
            .collect()
    }

    /// Splits the panels that are wide although the log density bends in them; only flat posteriors have any.
    fn split_at_the_bend(&self, edges: &[f64]) -> Vec<f64> {
        let reach = BEND_REACH + (self.a + self.b).max(1.0).ln();
        let (bend_low, bend_high) = (-reach - self.centre, reach - self.centre);
        let mut out = Vec::with_capacity(edges.len());
        for pair in edges.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            out.push(from);
            if to - from > BEND_STEP {
                let pieces = steps(from.max(bend_low), to.min(bend_high), BEND_STEP);
                out.extend(pieces.into_iter().filter(|edge| *edge > from && *edge < to));
            }
        }
        out.extend(edges.last());
        out
    }
}

/// The first and the last of the edges.
pub(super) fn ends(edges: &[f64]) -> (f64, f64) {
    (
        edges.first().copied().unwrap_or(0.0),
        edges.last().copied().unwrap_or(0.0),
    )
}

/// A beta distribution with its cumulative distribution function tabulated at the edges of its panels.
#[derive(Debug, Clone)]
pub(super) struct Cumulative {
    pub(super) beta: Beta,
    pub(super) edges: Vec<f64>,
    /// The mass below each edge.
    below: Vec<f64>,
    /// The mass above each edge.
    above: Vec<f64>,
}

impl Cumulative {
    pub(super) fn new(beta: Beta) -> Self {
        let edges = beta.edges();
        let masses: Vec<f64> = edges
            .windows(2)
            .map(|pair| mass(&beta, pair[0], pair[1]))
            .collect();
        let mut below = vec![0.0];
        let mut sum = 0.0;
        for m in &masses {
            sum += m;
            below.push(sum);
        }
        let mut above = vec![0.0];
        sum = 0.0;
        for m in masses.iter().rev() {
            sum += m;
            above.push(sum);
        }
        above.reverse();
        Cumulative {
            beta,
            edges,
            below,
            above,
        }
    }

    /// The mass below h, which keeps ten digits down to 10⁻²⁰ and fades out below.
    pub(super) fn cdf(&self, h: f64) -> f64 {
        let Some(i) = self.panel(h) else {
            return if h <= 0.0 { 0.0 } else { 1.0 };
        };
        (self.below[i] + mass(&self.beta, self.edges[i], h)).min(1.0)
    }

    /// The mass above h, which keeps ten digits down to 10⁻²⁰ and fades out below.
    pub(super) fn sf(&self, h: f64) -> f64 {
        let Some(i) = self.panel(h) else {
            return if h <= 0.0 { 1.0 } else { 0.0 };
        };
        (self.above[i + 1] + mass(&self.beta, h, self.edges[i + 1])).min(1.0)
    }

    /// The panel that holds h.
    fn panel(&self, h: f64) -> Option<usize> {
        let i = self.edges.partition_point(|edge| *edge <= h);
        (i > 0 && i < self.edges.len()).then(|| i - 1)
    }

    /// h below which the mass is `p`, for `0 < p < 1`.
    pub(super) fn quantile(&self, p: f64) -> f64 {
        // From the nearer end, so that a small tail is not the difference of two large masses.
        let from_below = p <= 0.5;
        let target = if from_below { p } else { 1.0 - p };
        let panel = if from_below {
            self.below.partition_point(|m| *m < target).max(1) - 1
        } else {
            self.above.partition_point(|m| *m > target).max(1) - 1
        };
        let panel = panel.min(self.edges.len() - 2);
        let (mut low, mut high) = (self.edges[panel], self.edges[panel + 1]);
        let excess = |h: f64| {
            if from_below {
                self.below[panel] + mass(&self.beta, self.edges[panel], h) - target
            } else {
                target - self.above[panel + 1] - mass(&self.beta, h, self.edges[panel + 1])
            }
        };
        // Between which two nodes it lies, from the running integral; then Newton, held in the bracket.
        let nodes = Panel::new(low, high);
        let values = nodes.nodes(0.0).map(|h| self.beta.density(h));
        let running = if from_below {
            nodes.running_up(&values).map(|m| self.below[panel] + m - target)
        } else {
            nodes
                .running_down(&values)
                .map(|m| target - self.above[panel + 1] - m)
        };
        for (h, e) in nodes.nodes(0.0).iter().zip(running) {
            if e < 0.0 {
                low = *h;
            } else {
                high = *h;
                break;
            }
        }
        let mut at = 0.5 * (low + high);
        for _ in 0..60 {
            let e = excess(at);
            if e < 0.0 {
                low = low.max(at);
            } else {
                high = high.min(at);
            }
            let step = e / self.beta.density(at);
            let mut to = at - step;
            if !(low..=high).contains(&to) {
                to = 0.5 * (low + high);
            }
            let moved = (to - at).abs();
            at = to;
            // Newton doubles the digits: this step leaves an error of the order of its square.
            if moved <= 1e-9 * (self.edges[panel + 1] - self.edges[panel]) {
                break;
            }
        }
        at
    }
}

/// The mass between two points of one panel.
fn mass(beta: &Beta, low: f64, high: f64) -> f64 {
    let panel = Panel::new(low, high);
    panel.integral(&panel.nodes(0.0).map(|h| beta.density(h)))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::excessive_precision,
        reason = "references are quoted as they were computed"
    )]

    // Reference values: mpmath at 40 digits (the density from its log-gammas, the masses by quadrature or `betainc`), of the same
    // f64 arguments.
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!(
            (found - expected).abs() <= relative * expected.abs(),
            "{found:e} instead of {expected:e}"
        );
    }

    /// Shapes whose edges, masses and quantiles are checked for consistency.
    fn shapes() -> Vec<(f64, f64)> {
        let sizes = [0.01, 0.5, 1.0, 2.5, 40.0, 1e3, 1e6, 1e9 + 1.0, 1e12];
        sizes
            .iter()
            .flat_map(|a| sizes.iter().map(|b| (*a, *b)))
            .collect()
    }

    #[test]
    fn density_of_a_proportion() {
        for (a, b, x, expected) in [
            (8503.0, 36199.0, 0.19, 213.65727887302348),
            (8503.0, 36199.0, 0.17, 1.2342593044725225e-25),
            (500_000_001.0, 500_000_001.0, 0.50001, 20_657.661_913_395_678),
            (1001.0, 999_999_001.0, 1e-6, 12_614_617.668_646_521),
            (0.5, 0.5, 0.25, 0.73510519389572273),
            (0.5, 100.5, 1e-9, 178_635.547_867_984_32),
            (1.0, 1_000_000_001.0, 1e-9, 367_879_441.355_382_02),
            (3.0, 7.0, 0.3, 2.66827932),
            (77.5, 23.5, 0.99, 4.8849484033043042e-22),
        ] {
            let beta = Beta::new(a, b);
            close(beta.density(beta.offset(x)) / (x * (1.0 - x)), expected, 3e-12);
        }
    }

    #[test]
    fn masses_below_and_above_keep_their_digits_when_small() {
        for (a, b, x, below, above) in [
            (8503.0, 36199.0, 0.19, 0.45482658810736744, 0.54517341189263256),
            (8503.0, 36199.0, 0.174, 2.0486974696133509e-19, 1.0),
            (8503.0, 36199.0, 0.2065, 1.0, 4.1933558405694593e-18),
            (
                500_000_001.0,
                500_000_001.0,
                0.50001,
                0.73645537174188095,
                0.26354462825811905,
            ),
            (
                1001.0,
                999_999_001.0,
                1.1e-6,
                0.99882477593425246,
                0.0011752240657475373,
            ),
            (0.5, 0.5, 0.25, 1.0 / 3.0, 2.0 / 3.0),
            (1.5, 2.5, 0.9, 0.99379260427955193, 0.0062073957204480692),
            (3.0, 7.0, 1e-6, 8.3999622000755988e-17, 1.0),
            (3.0, 7.0, 0.999, 1.0, 3.5937028000000223e-20),
        ] {
            let posterior = Cumulative::new(Beta::new(a, b));
            let h = posterior.beta.offset(x);
            let tolerance = if f64::min(below, above) < 1e-15 {
                1e-9
            } else {
                2e-12
            };
            close(posterior.cdf(h), below, tolerance);
            close(posterior.sf(h), above, tolerance);
        }
    }

    #[test]
    fn the_mass_is_one_whatever_the_shapes() {
        for (a, b) in shapes() {
            let posterior = Cumulative::new(Beta::new(a, b));
            let mass = posterior.below.last().copied().unwrap();
            assert!((mass - 1.0).abs() < 2e-13, "Beta({a}, {b}): {mass}");
            assert!(posterior.edges.is_sorted(), "Beta({a}, {b})");
            assert!(
                posterior.edges.len() < 60,
                "Beta({a}, {b}): {}",
                posterior.edges.len()
            );
        }
    }

    #[test]
    fn quantiles_invert_the_distribution_function() {
        for (a, b) in shapes() {
            let posterior = Cumulative::new(Beta::new(a, b));
            let mut last = f64::NEG_INFINITY;
            for p in [1e-9, 0.001, 0.005, 0.025, 0.3, 0.5, 0.7, 0.975, 0.995, 0.999] {
                let h = posterior.quantile(p);
                assert!(h > last, "Beta({a}, {b}) at {p}: {h} after {last}");
                last = h;
                let (found, target) = if p <= 0.5 {
                    (posterior.cdf(h), p)
                } else {
                    (posterior.sf(h), 1.0 - p)
                };
                assert!(
                    (found - target).abs() <= 1e-11 * target,
                    "Beta({a}, {b}) at {p}: {found}"
                );
            }
        }
    }

    #[test]
    fn swapping_the_outcomes_mirrors_everything() {
        for (a, b) in shapes() {
            let (this, that) = (Beta::new(a, b), Beta::new(b, a));
            for h in [-30.0, -1.0, -0.05, -1e-4, 0.0, 1e-5, 0.09, 0.11, 2.0, 800.0] {
                let (left, right) = (this.density(h), that.density(-h));
                assert!(
                    (left - right).abs() <= 1e-12 * right + 1e-30,
                    "Beta({a}, {b}) at {h}: {left} {right}"
                );
                close(this.proportion(h), that.complement(-h), 1e-15);
            }
        }
    }

    #[test]
    fn two_means_that_differ_in_the_ninth_digit_are_told_apart() {
        // ln(500000002/500000000), mpmath at 40 digits.
        let (a, b) = (
            Beta::new(500_000_001.0, 500_000_001.0),
            Beta::new(500_000_002.0, 500_000_000.0),
        );
        close(b.centre_minus(&a), 3.999_999_992_000_000_2e-9, 1e-15);
        close(a.centre_minus(&b), -b.centre_minus(&a), 1e-15);
        assert_eq!(a.centre_minus(&a), 0.0);
    }
}
