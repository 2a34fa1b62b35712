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

use super::quadrature::{NODES, Panel};
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
        let correction = stirling(n) - stirling(a) - stirling(b);
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
                let (low, high) = (from.max(bend_low), to.min(bend_high));
                if high > low {
                    let pieces = ((high - low) / BEND_STEP).ceil().max(1.0);
                    let mut i = if low > from { 0.0 } else { 1.0 };
                    while i < pieces {
                        out.push(low + (high - low) * i / pieces);
                        i += 1.0;
                    }
                    if high < to {
                        out.push(high);
                    }
                }
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

    /// The mass below h, to full relative precision also where it is small.
    pub(super) fn cdf(&self, h: f64) -> f64 {
        let Some(i) = self.panel(h) else {
            return if h <= 0.0 { 0.0 } else { 1.0 };
        };
        (self.below[i] + mass(&self.beta, self.edges[i], h)).min(1.0)
    }

    /// The mass above h, to full relative precision also where it is small.
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
        let values = nodes.nodes.map(|h| self.beta.density(h));
        let running = if from_below {
            nodes.running_up(&values).map(|m| self.below[panel] + m - target)
        } else {
            nodes
                .running_down(&values)
                .map(|m| target - self.above[panel + 1] - m)
        };
        for (h, e) in nodes.nodes.iter().zip(running) {
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
    panel.integral(&panel.nodes.map(|h| beta.density(h)))
}
