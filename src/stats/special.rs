//! The few special functions that the rest of [`stats`](super) is built on, each written so that nothing
//! cancels at counts of 10⁹.
//!
//! Why not `statrs` for all of it: measured against mpmath at 40 digits, its `ln_gamma` is right to 16 digits,
//! but the **sums** of log-gammas that a beta density or a Dirichlet-multinomial needs are differences of numbers
//! around 10¹⁰, so that only six digits remain at n = 10⁹. Its regularized incomplete beta inherits that and caps its
//! continued fraction at 140 terms (I₀.₅(5·10⁸, 5·10⁸) comes out as −3.73 instead of 0.5), and its inverse does
//! not return for Beta(1, 10⁹). Its `erfc` is good to ten digits only. What is used of `statrs` is what holds there: the
//! normal quantile (16 digits) and the survival function of chi-square (13 digits down to 10⁻³⁰⁰).
//!
//! The way round is Loader's: split Γ into Stirling's leading terms, which combine exactly into deviances
//! that are sums of terms of one sign, and a small correction δ (C. Loader, "Fast and accurate computation of
//! binomial probabilities", 2000).

/// Up to where [`ln_1p_minus`] and [`exp_m1_minus`] are short series.
pub(super) const SMALL: f64 = 0.1;

/// `ln(1 + x) − x` for `x > −1`; never positive. Without cancellation up to [`SMALL`], to 14 digits beyond.
pub(super) fn ln_1p_minus(x: f64) -> f64 {
    if x.abs() > SMALL {
        return x.ln_1p() - x;
    }
    // ln(1 + x) = 2 artanh(r) with r = x/(2 + x); 2r − x = −r x, so the linear term never appears.
    let r = x / (2.0 + x);
    let s = r * r;
    // |r| ≤ 0.053: s^6/15 < 4e-17.
    let sum =
        1.0 / 3.0 + s * (1.0 / 5.0 + s * (1.0 / 7.0 + s * (1.0 / 9.0 + s * (1.0 / 11.0 + s * (1.0 / 13.0)))));
    r * (2.0 * s * sum - x)
}

/// `e^x − 1 − x`; never negative. Without cancellation up to [`SMALL`], to 14 digits beyond.
pub(super) fn exp_m1_minus(x: f64) -> f64 {
    if x.abs() > SMALL {
        return x.exp_m1() - x;
    }
    // Σ 2 x^k/(k + 2)! for k from 0 to 9, in pairs so that the processor can work on several at once.
    let s = x * x;
    let c01 = 1.0 + x * (1.0 / 3.0);
    let c23 = 1.0 / 12.0 + x * (1.0 / 60.0);
    let c45 = 1.0 / 360.0 + x * (1.0 / 2520.0);
    let c67 = 1.0 / 20_160.0 + x * (1.0 / 181_440.0);
    let c89 = 1.0 / 1_814_400.0 + x * (1.0 / 19_958_400.0);
    0.5 * s * (c01 + s * (c23 + s * (c45 + s * (c67 + s * c89))))
}

/// Stirling's correction `δ(x) = lnΓ(x) − [(x − ½) ln x − x + ½ ln 2π]` for `x > 0`.
pub(super) fn stirling(x: f64) -> f64 {
    // Below 10 by recurrence: δ(x) = δ(x + 1) + (x + ½) ln(1 + 1/x) − 1.
    let mut x = x;
    let mut shift = 0.0;
    while x < 10.0 {
        shift += (x + 0.5) * (1.0 / x).ln_1p() - 1.0;
        x += 1.0;
    }
    // The asymptotic series B₂ₖ/(2k(2k − 1) x^(2k−1)); at x = 10 the first term left out is below 1e-17.
    let s = 1.0 / (x * x);
    let series = 1.0 / 12.0
        + s * (-1.0 / 360.0
            + s * (1.0 / 1260.0
                + s * (-1.0 / 1680.0
                    + s * (1.0 / 1188.0
                        + s * (-691.0 / 360_360.0 + s * (1.0 / 156.0 + s * (-3617.0 / 122_400.0)))))));
    shift + series / x
}

/// `x ln(x/m) + m − x` for `x ≥ 0`, `m > 0`, given `x − m` by itself, because the caller usually knows that difference
/// better than a subtraction would. Never negative.
pub(super) fn deviance(m: f64, x_minus_m: f64) -> f64 {
    let d = x_minus_m / m;
    if d <= -1.0 {
        return m;
    }
    // (1 + d) ln(1 + d) − d = (1 + d)(ln(1 + d) − d) + d²
    if d.abs() < 0.3 {
        // Σ over k ≥ 2 of (−d)^k/(k(k − 1)), which has no cancellation to speak of: at |d| = 0.3, 0.3^28/756 < 1e-17.
        let mut sum = 0.0;
        let mut k = 30.0;
        while k >= 2.0 {
            sum = 1.0 / (k * (k - 1.0)) - d * sum;
            k -= 1.0;
        }
        return m * d * d * sum;
    }
    m * ((1.0 + d) * d.ln_1p() - d)
}

/// `ln(1 + e^x)` for any `x`.
pub(super) fn softplus(x: f64) -> f64 {
    if x > 0.0 {
        x + (-x).exp().ln_1p()
    } else {
        x.exp().ln_1p()
    }
}

/// `a·b − c·d` to one or two units in the last place, however close the products are (Kahan's scheme).
pub(super) fn difference_of_products(a: f64, b: f64, c: f64, d: f64) -> f64 {
    let cd = c * d;
    let rounding = (-c).mul_add(d, cd);
    a.mul_add(b, -cd) + rounding
}

/// `ln Σ exp(xᵢ)`, without overflow; `−∞` for no terms.
pub(super) fn log_sum_exp(terms: &[f64]) -> f64 {
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !top.is_finite() {
        return top;
    }
    top + terms.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::excessive_precision,
        reason = "references are quoted as they were computed"
    )]

    // Reference values: mpmath at 50 digits, of the same f64 arguments.
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!(
            (found - expected).abs() <= relative * expected.abs(),
            "{found:e} instead of {expected:e}"
        );
    }

    #[test]
    fn logarithm_less_its_argument() {
        for (x, expected) in [
            (-0.999_f64, -5.9087552789821362),
            (-0.4, -0.1108256237659907),
            (-0.11, -0.0065338162559515298),
            (-0.1, -0.0053605156578263018),
            (-0.05, -0.0012932943875505336),
            (-1e-5, -5.0000333335833362e-11),
            (1e-12, -4.9999999999966665e-25),
            (1e-3, -4.9966691646683321e-7),
            (0.09, -0.0038223037589476674),
            (0.11, -0.0056399846757572323),
            (0.6, -0.12999637075426444),
            (5.0, -3.208240530771945),
            (1e6, -999_986.184_488_442),
        ] {
            let tolerance = if x.abs() <= SMALL { 2e-15 } else { 1e-14 };
            close(ln_1p_minus(x), expected, tolerance);
        }
        assert_eq!(ln_1p_minus(0.0), 0.0);
    }

    #[test]
    fn exponential_less_its_tangent() {
        for (x, expected) in [
            (-50.0_f64, 49.0),
            (-1.0, 0.36787944117144232),
            (-0.11, 0.0058341352965282507),
            (-0.1, 0.0048374180359595737),
            (-0.05, 0.0012294245007140092),
            (-1e-5, 4.9999833333750007e-11),
            (1e-12, 5.0000000000016665e-25),
            (1e-3, 5.0016670834166808e-7),
            (0.09, 0.0041742837052103576),
            (0.11, 0.0062780704588712916),
            (1.0, 0.71828182845904524),
            (10.0, 22_015.465_794_806_717),
        ] {
            let tolerance = if x.abs() <= SMALL { 2e-15 } else { 1e-14 };
            close(exp_m1_minus(x), expected, tolerance);
        }
        assert_eq!(exp_m1_minus(0.0), 0.0);
    }

    #[test]
    fn correction_to_stirling() {
        for (x, expected) in [
            (0.01, 1.4340079537031842),
            (0.1, 0.51274008133191493),
            (0.5, 0.15342640972002735),
            (1.0, 0.081061466795327258),
            (2.5, 0.033162873519936287),
            (9.99, 0.0083388967977343301),
            (10.0, 0.0083305634333628713),
            (100.5, 0.00082918465990464866),
            (1e6, 8.3333333333330556e-8),
            (1e9, 8.3333333333333333e-11),
        ] {
            // The recurrence subtracts numbers near 1, so below 10 the error is absolute.
            assert!((stirling(x) - expected).abs() <= 1e-15, "{x}: {}", stirling(x));
            if x >= 10.0 {
                close(stirling(x), expected, 1e-15);
            }
        }
    }

    #[test]
    fn deviances() {
        for (m, x, expected) in [
            (10.0, 0.0, 10.0),
            (10.0, 1.0, 6.6974149070059543),
            (10.0, 9.5, 0.012713703318269932),
            (10.0, 10.000001, 4.9999998258493375e-14),
            (10.0, 12.9, 0.38488461701919172),
            (10.0, 13.1, 0.43735549749108821),
            (10.0, 1e3, 3615.1701859880914),
            (1e9, 1_000_000_100.0, 4.9999998333333417e-6),
        ] {
            close(deviance(m, x - m), expected, 1e-14);
        }
        assert_eq!(deviance(7.0, 0.0), 0.0);
    }

    #[test]
    fn products_are_subtracted_exactly() {
        // (2^53 − 1)² − (2^53 − 2)·2^53 = 1: both products round to the same f64.
        let big = 9_007_199_254_740_991.0_f64;
        assert_eq!(big * big, (big - 1.0) * (big + 1.0));
        assert_eq!(difference_of_products(big, big, big - 1.0, big + 1.0), 1.0);
        assert_eq!(difference_of_products(3.0, 4.0, 5.0, 2.0), 2.0);
    }

    #[test]
    fn sums_of_exponentials_do_not_overflow() {
        close(log_sum_exp(&[1e9, 1e9]), 1e9 + 2.0_f64.ln(), 1e-16);
        close(log_sum_exp(&[0.0, -1e9]), 0.0, 0.0);
        assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY]), f64::NEG_INFINITY);
        close(softplus(0.0), 2.0_f64.ln(), 1e-16);
        assert_eq!(softplus(1e9), 1e9);
        assert_eq!(softplus(-1e9), 0.0);
    }
}
