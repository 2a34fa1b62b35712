//! Quadrature that knows where the mass lies: Gauss-Legendre on panels whose edges come from the posteriors.
//!
//! Nothing here looks for a peak. The caller says, for each function, at which points its scale changes ([`merge`]
//! unites several such lists), and on each panel between two points 24 Legendre nodes give both the integral (exact for
//! degree 47) and the running integral at every node (exact for degree 23). So a posterior of 10⁹ subjects, six millionths
//! wide, and a flat one are integrated on the same panels, and a cumulative distribution function costs no more than its density.

use std::sync::LazyLock;

/// Nodes in a panel.
pub(super) const NODES: usize = 24;

/// The Legendre rule on [−1, 1] and its running integrals.
pub(super) struct Rule {
    /// The nodes, ascending.
    pub(super) nodes: [f64; NODES],
    /// The weights; they sum to 2.
    pub(super) weights: [f64; NODES],
    /// `running[j][i]`: the weight of the value at node j in the integral from −1 to node i. The integral from node i to 1 has the
    /// mirrored weights `running[N−1−j][N−1−i]`.
    running: [[f64; NODES]; NODES],
}

/// The rule, computed once.
pub(super) static RULE: LazyLock<Rule> = LazyLock::new(Rule::new);

/// P₀(x) … P_N(x) by the three-term recurrence.
fn legendre(x: f64) -> [f64; NODES + 1] {
    let mut p = [1.0; NODES + 1];
    p[1] = x;
    let mut k = 1.0;
    for i in 2..=NODES {
        p[i] = ((2.0 * k + 1.0) * x * p[i - 1] - k * p[i - 2]) / (k + 1.0);
        k += 1.0;
    }
    p
}

impl Rule {
    fn new() -> Self {
        let count = NODES as f64;
        let mut nodes = [0.0; NODES];
        let mut weights = [0.0; NODES];
        for i in 0..NODES / 2 {
            // Newton from Tricomi's approximation of the i-th root; it converges quadratically, six steps are ample.
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (count + 0.5)).cos();
            let mut slope = 0.0;
            for _ in 0..6 {
                let p = legendre(x);
                slope = count * (x * p[NODES] - p[NODES - 1]) / (x * x - 1.0);
                x -= p[NODES] / slope;
            }
            let weight = 2.0 / ((1.0 - x * x) * slope * slope);
            nodes[i] = -x;
            nodes[NODES - 1 - i] = x;
            weights[i] = weight;
            weights[NODES - 1 - i] = weight;
        }
        // The interpolating polynomial in Legendre form has coefficients (2k+1)/2 Σⱼ wⱼ P_k(xⱼ) fⱼ, and
        // (2k+1) ∫₋₁ˣ P_k = P_{k+1}(x) − P_{k−1}(x).
        let values: Vec<[f64; NODES + 1]> = nodes.iter().map(|&x| legendre(x)).collect();
        let mut running = [[0.0; NODES]; NODES];
        for i in 0..NODES {
            for j in 0..NODES {
                let mut sum = nodes[i] + 1.0;
                for k in 1..NODES {
                    sum += values[j][k] * (values[i][k + 1] - values[i][k - 1]);
                }
                running[j][i] = 0.5 * weights[j] * sum;
            }
        }
        Rule {
            nodes,
            weights,
            running,
        }
    }
}

/// One stretch of the line with its nodes.
///
/// The nodes are kept as distances from the lower edge: in a panel 10⁻⁵ wide at a coordinate of 20 the sum of both would place them to ten digits
/// of its width only. Whoever needs a coordinate with another origin adds that origin to the edge first ([`Panel::nodes`]).
#[derive(Clone, Copy)]
pub(super) struct Panel {
    /// Half the width of the panel.
    pub(super) half: f64,
    low: f64,
    /// From `low`, ascending.
    distances: [f64; NODES],
}

impl Panel {
    /// The panel from `low` to `high`.
    pub(super) fn new(low: f64, high: f64) -> Self {
        let half = 0.5 * (high - low);
        Panel {
            half,
            low,
            distances: RULE.nodes.map(|x| half * (1.0 + x)),
        }
    }

    /// The nodes, ascending, in a coordinate that is greater by `shift`.
    pub(super) fn nodes(&self, shift: f64) -> [f64; NODES] {
        let low = self.low + shift;
        self.distances.map(|distance| low + distance)
    }

    /// ∫ over the whole panel of the function with these values at the nodes.
    pub(super) fn integral(&self, values: &[f64; NODES]) -> f64 {
        let sum: f64 = values.iter().zip(&RULE.weights).map(|(f, w)| f * w).sum();
        self.half * sum
    }

    /// ∫ from the lower edge to each node.
    pub(super) fn running_up(&self, values: &[f64; NODES]) -> [f64; NODES] {
        let mut out = [0.0; NODES];
        // Column by column, which the compiler can do several rows at a time.
        for (value, column) in values.iter().zip(&RULE.running) {
            let scaled = self.half * value;
            for (to, weight) in out.iter_mut().zip(column) {
                *to += weight * scaled;
            }
        }
        out
    }

    /// ∫ from each node to the upper edge.
    pub(super) fn running_down(&self, values: &[f64; NODES]) -> [f64; NODES] {
        let mut mirrored = *values;
        mirrored.reverse();
        let mut out = self.running_up(&mirrored);
        out.reverse();
        out
    }
}

/// Edges no further apart than `width` from `low` to `high`; none when there is nothing between.
pub(super) fn steps(low: f64, high: f64, width: f64) -> Vec<f64> {
    if high <= low {
        return Vec::new();
    }
    let pieces = ((high - low) / width).ceil();
    let mut edges = vec![low];
    let mut i = 1.0;
    while i < pieces {
        edges.push(low + (high - low) * i / pieces);
        i += 1.0;
    }
    edges.push(high);
    edges
}

/// The panels on which all of several functions are resolved, from `low` to `high`, in one coordinate.
///
/// Each list holds the ascending edges between which one function is smooth enough for one panel; outside its list a
/// function is taken to be constant to working precision. Each panel of the result is no wider than any panel of a list
/// that it touches, so a list may be united with others without keeping its own edges.
pub(super) fn merge(lists: &[Vec<f64>], low: f64, high: f64) -> Vec<Panel> {
    let mut panels = Vec::new();
    // For each list the index of the first edge above the current point.
    let mut next_edge = vec![0_usize; lists.len()];
    let mut at = low;
    while at < high {
        let mut to = high;
        for (edges, next) in lists.iter().zip(&mut next_edge) {
            while *next < edges.len() && edges[*next] <= at {
                *next += 1;
            }
            // The stretches of this list from here to `to`, nearest first; index 0 is what lies below the list.
            let mut i = (*next).max(1);
            while i < edges.len() && edges[i - 1] < to {
                // Stop before the stretch begins, unless what is taken is no wider than it.
                to = to.min(edges[i - 1].max(at + (edges[i] - edges[i - 1])));
                i += 1;
            }
        }
        // Progress even where the edges are closer together than the numbers there.
        if to <= at {
            to = at.next_up();
        }
        panels.push(Panel::new(at, to));
        at = to;
    }
    panels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_exact_to_degree_47() {
        let panel = Panel::new(0.0, 1.0);
        for degree in 0..=47 {
            let integral = panel.integral(&panel.nodes(0.0).map(|x| x.powi(degree)));
            let exact = 1.0 / f64::from(degree + 1);
            assert!((integral - exact).abs() < 1e-15, "x^{degree}: {integral} {exact}");
        }
    }

    #[test]
    fn running_integrals_are_exact_to_degree_23_from_both_ends() {
        let panel = Panel::new(-0.5, 2.0);
        for degree in 0..=23 {
            let antiderivative = |x: f64| x.powi(degree + 1) / f64::from(degree + 1);
            let values = panel.nodes(0.0).map(|x| x.powi(degree));
            let below = panel.running_up(&values);
            let above = panel.running_down(&values);
            let scale = antiderivative(2.0) - antiderivative(-0.5);
            for i in 0..NODES {
                let x = panel.nodes(0.0)[i];
                let (b, a) = (
                    antiderivative(x) - antiderivative(-0.5),
                    antiderivative(2.0) - antiderivative(x),
                );
                assert!(
                    (below[i] - b).abs() < 2e-14 * scale,
                    "x^{degree} below {x}: {} {b}",
                    below[i]
                );
                assert!(
                    (above[i] - a).abs() < 2e-14 * scale,
                    "x^{degree} above {x}: {} {a}",
                    above[i]
                );
            }
        }
    }

    #[test]
    fn merged_panels_cover_the_line_and_resolve_every_list() {
        let wide = vec![-10.0, 0.0, 10.0];
        let narrow = vec![1.0, 1.001, 1.002, 1.003];
        let panels = merge(&[wide, narrow.clone()], -10.0, 10.0);
        let mut at = -10.0;
        for panel in &panels {
            let (low, high) = (
                panel.nodes(0.0)[0] - panel.half * (1.0 + RULE.nodes[0]),
                panel.nodes(0.0)[NODES - 1] + panel.half * (1.0 + RULE.nodes[0]),
            );
            assert!((low - at).abs() < 1e-9);
            if high > narrow[0] + 1e-9 && low < narrow[3] - 1e-9 {
                assert!(2.0 * panel.half <= 0.001 + 1e-9, "{low} {high}");
            }
            at = high;
        }
        assert!((at - 10.0).abs() < 1e-9);
        assert!(panels.len() < 15, "{}", panels.len());
    }

    #[test]
    fn many_like_functions_do_not_multiply_the_panels() {
        let lists: Vec<Vec<f64>> = (0..10)
            .map(|arm| (0..12).map(|i| f64::from(arm) * 0.3 + f64::from(i)).collect())
            .collect();
        let panels = merge(&lists, 0.0, 13.7);
        assert!(panels.len() < 30, "{}", panels.len());
    }
}
