//! Tests and intervals that may be looked at all the time.
//!
//! **Sample ratio mismatch** (M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", arXiv 2011.03567): for
//! cumulative counts n_j, N = Σ n_j and shares p_j, with a Dirichlet(κp) mixture over the alternatives,
//!
//! ```text
//! log E(κ) = lnΓ(κ) − lnΓ(κ+N) + Σ_j [lnΓ(κ p_j + n_j) − lnΓ(κ p_j)] − Σ_j n_j ln p_j
//! ```
//!
//! E is the mean of E(κ) over [`KAPPAS`]. Without a mismatch its expectation is 1 at every N, so the chance that it **ever** reaches 1/α is at
//! most α (Ville's inequality): p = min(1, 1/max E so far), and an alarm at E ≥ [`ALARM_E`] is false in at most 0.1 % of experiments,
//! however often one looks.
//!
//! **The difference of two rates**: the asymptotic confidence sequence of I. Waudby-Smith et al., "Time-uniform central limit theory and
//! asymptotic confidence sequences", arXiv 2103.06476.

use super::StatsError;
use super::posterior::{Arm, MAX_SUBJECTS};
use super::special::{deviance, log_sum_exp, stirling};
use super::srm::Split;

/// The concentrations mixed over: small ones see a gross mismatch soon, large ones a slight one late.
pub const KAPPAS: [f64; 4] = [1e2, 1e3, 1e4, 1e5];

/// E from which on a mismatch is reported.
pub const ALARM_E: f64 = 1000.0;

/// A measure of evidence against the configured split, kept as a logarithm because it has no upper limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EValue {
    /// ln E.
    pub log: f64,
}

impl EValue {
    /// E itself; beyond the range of `f64` it is [`f64::MAX`].
    #[must_use]
    pub fn value(self) -> f64 {
        self.log.exp().min(f64::MAX)
    }

    /// min(1, 1/E): the always-valid p, when this E is the largest so far.
    #[must_use]
    pub fn p(self) -> f64 {
        (-self.log).exp().min(1.0)
    }

    /// Whether E is [`ALARM_E`] or more.
    #[must_use]
    pub fn alarm(self) -> bool {
        self.log >= ALARM_E.ln()
    }
}

/// E of cumulative counts against weights (on any scale), mixed over [`KAPPAS`]. Subjects in arms of weight zero take no part.
///
/// # Errors
/// As [`super::srm::test()`].
pub fn e_value(counts: &[u64], weights: &[f64]) -> Result<EValue, StatsError> {
    let split = Split::new(counts, weights)?;
    let logs = KAPPAS.map(|kappa| log_e(&split, kappa));
    Ok(EValue {
        log: log_sum_exp(&logs) - (KAPPAS.len() as f64).ln(),
    })
}

/// E of cumulative counts against weights for one concentration κ > 0.
///
/// # Errors
/// As [`e_value`]; [`StatsError::OutOfRange`] when κ is not positive and finite.
pub fn e_value_at(counts: &[u64], weights: &[f64], kappa: f64) -> Result<EValue, StatsError> {
    if !(kappa > 0.0 && kappa.is_finite()) {
        return Err(StatsError::OutOfRange {
            name: "kappa",
            value: kappa,
            allowed: "positive and finite",
        });
    }
    let split = Split::new(counts, weights)?;
    Ok(EValue {
        log: log_e(&split, kappa),
    })
}

/// log E(κ), rearranged so that no term exceeds the result by much: at N = 10⁹ the log-gammas are of order 10¹⁰ and their sum would
/// keep six digits. With x_j = κp_j + n_j, X = κ + N and Stirling's lnΓ(x) = (x − ½) ln x − x + ½ ln 2π + δ(x),
///
/// ```text
/// log E = Σ [x_j ln(x_j/(X p_j)) + X p_j − x_j]      deviances, all ≥ 0; x_j − X p_j = n_j − N p_j
///       − ½ Σ ln(x_j/(κ p_j)) + ½ ln(X/κ)
///       + Σ [δ(x_j) − δ(κp_j)] − δ(X) + δ(κ)
/// ```
fn log_e(split: &Split, kappa: f64) -> f64 {
    let total = kappa + split.n as f64;
    let mut sum = 0.5 * (split.n as f64 / kappa).ln_1p() + stirling(kappa) - stirling(total);
    for arm in &split.arms {
        let prior = kappa * arm.share;
        let n = arm.count as f64;
        sum += deviance(total * arm.share, arm.excess) - 0.5 * (n / prior).ln_1p() + stirling(prior + n)
            - stirling(prior);
    }
    sum
}

/// An interval for the rate of the treatment less that of control, in absolute rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DifferenceInterval {
    /// The observed difference.
    pub difference: f64,
    /// Half the width, before it is cut to [−1, 1].
    pub half_width: f64,
    /// `difference − half_width`, at least −1.
    pub low: f64,
    /// `difference + half_width`, at most 1.
    pub high: f64,
}

/// The always-valid interval for a difference of rates: it covers the true difference at **every** look at once with probability 1 − α,
/// asymptotically.
///
/// With N subjects in both arms and σ̂ the standard error of the difference (so that σ̂√N is the standard deviation of one subject's
/// share in it), the half-width is
///
/// ```text
/// σ̂ √N · √( 2(Nρ² + 1)/(N²ρ²) · ln( √(Nρ² + 1)/α ) ),   ρ² = [−2 ln α + ln(1 − 2 ln α)]/planned
/// ```
///
/// which is tightest when N is `planned`, the number of subjects of both arms together that was planned for.
///
/// An arm in which none or all converted would have a variance of zero and shrink the interval to a point; there, and only there,
/// its variance is taken at (s + ½)/(n + 1).
///
/// # Errors
/// [`StatsError`] when an arm has no subjects, more conversions than subjects or more than [`MAX_SUBJECTS`], `planned` is zero, or α is not
/// between 0 and 1.
pub fn interval(
    control: Arm,
    treatment: Arm,
    planned: u64,
    alpha: f64,
) -> Result<DifferenceInterval, StatsError> {
    if !(alpha > 0.0 && alpha < 1.0) {
        return Err(StatsError::OutOfRange {
            name: "alpha",
            value: alpha,
            allowed: "between 0 and 1",
        });
    }
    if planned == 0 {
        return Err(StatsError::OutOfRange {
            name: "the planned number of subjects",
            value: 0.0,
            allowed: "at least 1",
        });
    }
    let (rate_control, variance_control) = rate(0, control)?;
    let (rate_treatment, variance_treatment) = rate(1, treatment)?;
    let variance = variance_control / control.n as f64 + variance_treatment / treatment.n as f64;
    let n = (control.n + treatment.n) as f64;
    let m = -2.0 * alpha.ln();
    let rho_squared = (m + m.ln_1p()) / planned as f64;
    let x = n * rho_squared;
    // 2(x + 1)/(N x) ln(√(x + 1)/α) · N: the N of σ̂√N cancels one of N².
    let factor = 2.0 * (x + 1.0) / x * (0.5 * x.ln_1p() - alpha.ln());
    let half_width = (variance * factor).sqrt();
    let difference = rate_treatment - rate_control;
    Ok(DifferenceInterval {
        difference,
        half_width,
        low: (difference - half_width).max(-1.0),
        high: (difference + half_width).min(1.0),
    })
}

/// An arm's rate and the variance of one subject.
fn rate(index: usize, arm: Arm) -> Result<(f64, f64), StatsError> {
    let Arm { conversions, n } = arm;
    if conversions > n {
        return Err(StatsError::ConversionsExceedSubjects {
            arm: index,
            conversions,
            n,
        });
    }
    if n > MAX_SUBJECTS {
        return Err(StatsError::TooManySubjects {
            arm: index,
            n,
            max: MAX_SUBJECTS,
        });
    }
    let Some(rate) = arm.rate() else {
        return Err(StatsError::NoSubjects { arm: index });
    };
    let (s, f, n) = (conversions as f64, (n - conversions) as f64, n as f64);
    let variance = if conversions == 0 || conversions == arm.n {
        (s + 0.5) * (f + 0.5) / ((n + 1.0) * (n + 1.0))
    } else {
        s * f / (n * n)
    };
    Ok((rate, variance))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::excessive_precision,
        reason = "references are quoted as they were computed"
    )]

    use proptest::prelude::*;

    use super::*;

    const THIRDS: [f64; 3] = [0.34, 0.33, 0.33];

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!(
            (found - expected).abs() <= relative * expected.abs(),
            "{found:e} instead of {expected:e}"
        );
    }

    #[test]
    fn agrees_with_the_table() {
        // The design's table, which comes from elsewhere; mpmath's log-gammas at 40 digits give the same and the digits after.
        for (counts, weights, at_ten_thousand, p) in [
            (
                &[1000, 1200][..],
                &[1.0, 1.0][..],
                4.66516012323009,
                0.00256581716897606,
            ),
            (&[5000, 5300], &[1.0, 1.0], 6.44244481976477, 0.127983508834657),
            (
                &[50_000, 51_000],
                &[1.0, 1.0],
                27.1427702070897,
                0.0749613982714742,
            ),
            (
                &[821_588, 815_482],
                &[1.0, 1.0],
                6412.29353962134,
                0.00019755518562925,
            ),
            (&[500, 500, 600], &THIRDS, 2.39516471826127, 0.0421327257241283),
            (
                &[44_700, 45_489],
                &[1.0, 1.0],
                7.06065086268744,
                0.266513772943649,
            ),
            // 10⁹ in each arm, where log-gammas added up plainly would be right to six digits of 10¹⁰.
            (
                &[1_000_000_000, 1_000_200_000],
                &[1.0, 1.0],
                49.197180355813,
                0.0177647573027839,
            ),
            (
                &[999_999_000, 1000],
                &[0.999999, 0.000001],
                0.000753793308891461,
                1.0,
            ),
            (
                &[0, 1, 7, 3],
                &[1.0, 2.0, 3.0, 4.0],
                1.00224924343239,
                0.943063790717606,
            ),
            (&[0, 0], &[1.0, 1.0], 1.0, 1.0),
        ] {
            close(
                e_value_at(counts, weights, 1e4).unwrap().value(),
                at_ten_thousand,
                1e-10,
            );
            close(e_value(counts, weights).unwrap().p(), p, 1e-10);
        }
    }

    #[test]
    fn the_logarithm_has_no_limit_and_its_digits() {
        // mpmath at 40 digits.
        for (counts, weights, log) in [
            (&[4072, 2035][..], &[0.8, 0.2][..], 289.201383133806975),
            (&[10, 0], &[1e-9, 1.0], 156.042_005_339_273_94),
            (&[1_000_000_000, 1_000_000_000], &[1.0, 1.0], -5.96805488544899561),
            (&[1_000_000_000, 0], &[1.0, 1.0], 693_146_357.578_816_799),
        ] {
            close(e_value(counts, weights).unwrap().log, log, 1e-11);
        }
        let beyond = e_value(&[1_000_000_000, 0], &[1.0, 1.0]).unwrap();
        assert_eq!(
            (beyond.value(), beyond.p(), beyond.alarm()),
            (f64::MAX, 0.0, true)
        );
    }

    #[test]
    fn arms_of_weight_zero_take_no_part() {
        assert_eq!(
            e_value(&[1000, 1200, 9], &[1.0, 1.0, 0.0]).unwrap(),
            e_value(&[1000, 1200], &[1.0, 1.0]).unwrap()
        );
        // A single arm cannot be out of balance.
        close(e_value(&[12_345], &[1.0]).unwrap().log.exp(), 1.0, 1e-14);
    }

    #[test]
    fn an_unbiased_split_is_worth_one_on_average() {
        // E is a martingale: its expectation over all splits of N subjects by the configured weights is exactly 1.
        let n = 40_u64;
        for weights in [[1.0, 1.0], [9.0, 1.0]] {
            let share = weights[0] / (weights[0] + weights[1]);
            let mut chance = f64::powi(1.0 - share, 40);
            let mut mean = 0.0;
            for s in 0..=n {
                mean += chance * e_value(&[s, n - s], &weights).unwrap().value();
                chance *= (n - s) as f64 / (s + 1) as f64 * share / (1.0 - share);
            }
            close(mean, 1.0, 1e-12);
        }
    }

    #[test]
    fn interval_agrees_with_the_reference() {
        // The design's formula in mpmath at 40 digits.
        for ((s1, n1), (s2, n2), planned, alpha, difference, half_width) in [
            (
                (500, 10_000),
                (600, 10_000),
                20_000,
                0.05,
                0.01,
                0.009783547856609076,
            ),
            (
                (8502, 44_700),
                (8279, 45_489),
                90_000,
                0.05,
                -0.008201298315205933,
                0.007867277384398209,
            ),
            (
                (190_000_000, 1_000_000_000),
                (190_020_000, 1_000_000_000),
                1_000_000,
                0.05,
                2e-5,
                6.943942505587662e-5,
            ),
            ((3, 10), (5, 10), 10_000, 0.01, 0.2, 4.340160620079942),
        ] {
            let arm = |conversions, n| Arm { conversions, n };
            let found = interval(arm(s1, n1), arm(s2, n2), planned, alpha).unwrap();
            close(found.difference, difference, 1e-10);
            close(found.half_width, half_width, 1e-12);
            assert_eq!(found.low, (found.difference - found.half_width).max(-1.0));
            assert_eq!(found.high, (found.difference + found.half_width).min(1.0));
        }
    }

    #[test]
    fn interval_is_tightest_where_it_was_planned_and_never_a_point() {
        let at = |n: u64, planned| {
            let arm = Arm {
                conversions: n / 20,
                n,
            };
            interval(arm, arm, planned, 0.05).unwrap().half_width
        };
        let (early, on_time, late) = (at(10_000, 2_000), at(10_000, 20_000), at(10_000, 200_000));
        assert!(on_time < early && on_time < late, "{early} {on_time} {late}");
        for conversions in [0, 1000] {
            let arm = Arm { conversions, n: 1000 };
            let found = interval(arm, arm, 2000, 0.05).unwrap();
            assert!(found.half_width > 1e-3, "{found:?}");
        }
    }

    #[test]
    fn interval_names_wrong_input() {
        let good = Arm {
            conversions: 1,
            n: 10,
        };
        let empty = Arm { conversions: 0, n: 0 };
        let wrong = Arm { conversions: 2, n: 1 };
        assert_eq!(
            interval(good, empty, 10, 0.05).unwrap_err(),
            StatsError::NoSubjects { arm: 1 }
        );
        assert!(matches!(
            interval(wrong, good, 10, 0.05).unwrap_err(),
            StatsError::ConversionsExceedSubjects { arm: 0, .. }
        ));
        let huge = Arm {
            conversions: 0,
            n: MAX_SUBJECTS + 1,
        };
        assert!(matches!(
            interval(good, huge, 10, 0.05).unwrap_err(),
            StatsError::TooManySubjects { arm: 1, .. }
        ));
        for alpha in [0.0, 1.0, f64::NAN] {
            assert!(matches!(
                interval(good, good, 10, alpha).unwrap_err(),
                StatsError::OutOfRange { name: "alpha", .. }
            ));
        }
        assert!(interval(good, good, 0, 0.05).is_err());
        for kappa in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(e_value_at(&[1, 2], &[1.0, 1.0], kappa).is_err());
        }
    }

    proptest! {
        #[test]
        fn evidence_is_a_number_whatever_the_counts(
            arms in prop::collection::vec((prop_oneof![Just(0_u64), 0_u64..1000, 0_u64..=1_000_000_000], 0.001_f64..100.0), 1..8),
        ) {
            let (counts, weights): (Vec<u64>, Vec<f64>) = arms.iter().copied().unzip();
            let e = e_value(&counts, &weights).unwrap();
            prop_assert!(e.log.is_finite());
            prop_assert!((0.0..=1.0).contains(&e.p()));
            let (back_counts, back_weights): (Vec<u64>, Vec<f64>) = arms.iter().rev().copied().unzip();
            let backward = e_value(&back_counts, &back_weights).unwrap();
            prop_assert!((e.log - backward.log).abs() <= 1e-9 * e.log.abs().max(1.0));
        }

        #[test]
        fn the_interval_is_symmetric(x in 0_u64..=1000, y in 0_u64..=1000, planned in 1_u64..1_000_000_000) {
            let (x, y) = (Arm { conversions: x, n: 1000 }, Arm { conversions: y, n: 1000 });
            let (one, other) = (interval(x, y, planned, 0.05).unwrap(), interval(y, x, planned, 0.05).unwrap());
            prop_assert!(one.half_width.is_finite() && one.half_width > 0.0);
            prop_assert!((one.half_width - other.half_width).abs() <= 1e-14 * one.half_width);
            prop_assert_eq!((one.low, one.high), (-other.high, -other.low));
        }
    }
}
