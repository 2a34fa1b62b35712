//! The distribution of a ratio of two proportions: the relative uplift of a treatment over control.
//!
//! With ρ = ln(1 + r), P(x_T ≤ e^ρ x_C) is one integral over log-odds. It is taken over the **larger** of the two proportions (x_T when
//! ρ ≥ 0), so that the smaller one, x e^−|ρ|, stays inside (0, 1) and nothing has a corner: with A the larger and B the smaller,
//!
//! ```text
//! P(x_B ≤ x_A e^−ρ) = ∫ g_A(θ) F_B(θ_B(θ)) dθ,   θ_B(θ) = θ − ρ − ln(1 + c e^θ),   c = 1 − e^−ρ
//! ```

use statrs::distribution::{Continuous as _, ContinuousCDF as _, Normal};

use super::beta::{BEND_REACH, BEND_STEP, Beta, Cumulative, ends};
use super::quadrature::{NODES, RULE, merge, steps};
use super::special::{difference_of_products, softplus};

/// `P(x_B ≤ x_A e^−ρ)` for ρ ≥ 0, and the (positive) rate at which it falls with ρ.
fn shrunk(a: &Cumulative, b: &Cumulative, rho: f64) -> (f64, f64) {
    let apart = a.beta.centre_minus(&b.beta);
    let c = -(-rho).exp_m1();
    let ln_c = c.ln();
    // B's edges, seen in A's coordinate; those at x_B ≥ e^−ρ are beyond x_A = 1.
    let ln_growth = rho.exp_m1().ln();
    let (a_edges, own_b_edges) = (a.beta.core(&a.edges), b.beta.core(&b.edges));
    let mut b_edges: Vec<f64> = own_b_edges
        .iter()
        .map(|h| (h, (b.beta.centre + h + ln_growth).exp()))
        .take_while(|(_, beyond)| *beyond < 1.0)
        .map(|(h, beyond)| h - apart + rho - (-beyond).ln_1p())
        .collect();
    let (a_low, a_high) = ends(a_edges);
    let (b_low, b_high) = ends(own_b_edges);
    if b_edges.len() < own_b_edges.len() && b_edges.last().is_none_or(|last| *last < a_high) {
        if b_edges.is_empty() {
            b_edges.push(a_low);
        }
        b_edges.push(a_high);
    }
    let low = a_low.min(b_edges.first().copied().unwrap_or(a_low));
    // Where θ_B(θ) turns from a slope of 1 to a limit, which it approaches like e^−θ and must come to within 1e-13 of the narrowest
    // posterior's width. Only flat posteriors have panels so wide that this matters.
    let turn = -ln_c - a.beta.centre;
    let turning = steps(
        (turn - BEND_REACH).max(low),
        (turn + BEND_REACH + 14.0).min(a_high),
        BEND_STEP,
    );
    let lists = [a_edges.to_vec(), b_edges, turning];

    let mut below = 0.0;
    let mut probability = 0.0;
    let mut rate = 0.0;
    for panel in merge(&lists, low, a_high) {
        let from_a = panel.nodes(0.0);
        let from_b = panel.nodes(apart);
        let density_a = a.beta.densities(a_edges, &from_a);
        let mut density_b = [0.0; NODES];
        let mut by_rho = [0.0; NODES];
        for i in 0..NODES {
            let theta = a.beta.centre + from_a[i];
            // ln(1 + c e^θ), 1/(1 + c e^θ) = dθ_B/dθ and (1 + e^θ)/(1 + c e^θ) = −dθ_B/dρ.
            let (squeeze, slope, by) = if theta < 700.0 {
                let odds = theta.exp();
                let slope = 1.0 / (1.0 + c * odds);
                ((c * odds).ln_1p(), slope, (1.0 + odds) * slope)
            } else {
                let squeeze = softplus(theta + ln_c);
                (squeeze, (-squeeze).exp(), (theta - squeeze).exp())
            };
            let h = from_b[i] - rho - squeeze;
            if h < b_low || h > b_high {
                continue;
            }
            let g = b.beta.density(h);
            density_b[i] = g * slope;
            by_rho[i] = g * by;
        }
        let running = panel.running_up(&density_b);
        for i in 0..NODES {
            let weight = panel.half * RULE.weights[i] * density_a[i];
            probability += weight * (below + running[i]);
            rate += weight * by_rho[i];
        }
        below += panel.integral(&density_b);
    }
    (probability, rate)
}

/// `P(x_T ≤ e^ρ x_C)` and its derivative in ρ.
fn at_most(control: &Cumulative, treatment: &Cumulative, rho: f64) -> (f64, f64) {
    if rho >= 0.0 {
        let (p, rate) = shrunk(treatment, control, rho);
        (1.0 - p, rate)
    } else {
        shrunk(control, treatment, -rho)
    }
}

/// The quantiles of x_T/x_C − 1 at the given probabilities, each between 0.02 and 0.98.
pub(super) fn quantiles<const N: usize>(
    control: &Cumulative,
    treatment: &Cumulative,
    probabilities: [f64; N],
) -> [f64; N] {
    let normal = Normal::standard();
    let extremes = |c: &Cumulative| {
        (
            c.beta.ln_proportion(c.quantile(0.005)),
            c.beta.ln_proportion(c.quantile(0.995)),
        )
    };
    let (of_control, of_treatment) = (extremes(control), extremes(treatment));
    // P(x_T/x_C ≤ t/c) ≤ P(x_T ≤ t) + P(x_C ≥ c), so these hold every quantile from 1 % to 99 %.
    let (lowest, highest) = (of_treatment.0 - of_control.1, of_treatment.1 - of_control.0);
    let spread = (of_control.1 - of_control.0, of_treatment.1 - of_treatment.0);
    // Were both logarithms normal, between 0.5 % and 99.5 % lay 5.15 standard deviations.
    let middle = 0.5 * (lowest + highest);
    let sd = spread.0.hypot(spread.1) / 5.15;

    probabilities.map(|p| {
        let z = normal.inverse_cdf(p);
        let (mut low, mut high) = (lowest, highest);
        let mut rho = (middle + z * sd).clamp(low, high);
        for _ in 0..100 {
            let (found, rate) = at_most(control, treatment, rho);
            if found < p {
                low = low.max(rho);
            } else {
                high = high.min(rho);
            }
            // Newton on the normal scale, where the function is nearly a line; halving where it leaves the bracket.
            let z_found = normal.inverse_cdf(found.clamp(0.0, 1.0));
            let off = z - z_found;
            let mut to = rho + off * normal.pdf(z_found) / rate;
            if !(low..=high).contains(&to) {
                to = 0.5 * (low + high);
            } else if off.abs() < 1e-7 {
                // The error after this step is of the order of off².
                return to.exp_m1();
            }
            if to == rho {
                break;
            }
            rho = to;
        }
        rho.exp_m1()
    })
}

/// E[x_T/x_C] − 1 = mean_T (a_C + b_C − 1)/(a_C − 1) − 1, or `None` where it is infinite (a_C ≤ 1).
pub(super) fn mean(control: &Beta, treatment: &Beta) -> Option<f64> {
    let below = control.a - 1.0;
    if below <= 0.0 {
        return None;
    }
    let n_control = control.a + control.b - 1.0;
    let n_treatment = treatment.a + treatment.b;
    Some(difference_of_products(treatment.a, n_control, n_treatment, below) / (n_treatment * below))
}
