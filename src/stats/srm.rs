//! Sample ratio mismatch: Pearson's chi-square of the observed against the configured split.
//!
//! χ² = Σ (O − Np)²/(Np) with k − 1 degrees of freedom, and p from the survival function: 1 − cdf would lose everything below 10⁻¹⁶.
//! (A. Fabijan et al., "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019.)
//!
//! The counts are distinct subjects, at first exposure, **assigned at random**: overrides, rules and holdouts are for the caller to
//! leave out. This test is for one look; [`super::sequential`] has the one for looking all the time.

use statrs::distribution::{ChiSquared, ContinuousCDF as _};

use super::StatsError;
use super::posterior::MAX_SUBJECTS;
use super::special::difference_of_products;

/// p below which a mismatch is reported.
pub const ALARM_P: f64 = 0.001;

/// The expected count that every arm of a cohort must have for chi-square to be a fair approximation.
pub const MIN_EXPECTED: f64 = 5.0;

/// The smallest share of the traffic, other than zero, that an arm may be allotted.
pub const MIN_SHARE: f64 = 1e-12;

/// Subjects that were split by the same weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Cohort {
    /// Distinct subjects in each arm.
    pub counts: Vec<u64>,
    /// The configured weight of each arm, on any scale; they are normalised over the arms with positive weight.
    pub weights: Vec<f64>,
}

/// The outcome of [`test()`].
#[derive(Debug, Clone, PartialEq)]
pub struct SrmTest {
    /// χ², summed over the cohorts that could be tested.
    pub chi_square: f64,
    /// Degrees of freedom, summed likewise.
    pub df: u32,
    /// The chance of a χ² at least this large without a mismatch; `None` when no cohort could be tested.
    pub p: Option<f64>,
    /// Whether p is below [`ALARM_P`].
    pub alarm: bool,
    /// Each cohort by itself, in the order given.
    pub cohorts: Vec<CohortTest>,
    /// Subjects seen in arms of weight zero, which take no part in the test.
    pub leaks: Vec<Leak>,
}

/// One cohort's part in a [`SrmTest`].
#[derive(Debug, Clone, PartialEq)]
pub struct CohortTest {
    /// Subjects in arms with positive weight.
    pub n: u64,
    /// The share of the traffic configured for each arm: the weights divided by their sum.
    pub shares: Vec<f64>,
    /// What each arm was expected to get; 0 for an arm of weight zero.
    pub expected: Vec<f64>,
    /// χ² of this cohort, also when it could not be counted.
    pub chi_square: f64,
    /// The number of arms with positive weight, less one.
    pub df: u32,
    /// Whether it counts: at least two arms with positive weight, and [`MIN_EXPECTED`] subjects expected in each.
    pub tested: bool,
}

/// Subjects that turned up in an arm that should have got none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leak {
    /// The cohort, from 0.
    pub cohort: usize,
    /// The arm, from 0.
    pub arm: usize,
    /// How many subjects.
    pub count: u64,
}

/// Tests the split of one or more cohorts together: one test for each, statistics and degrees of freedom added.
///
/// A cohort too small to be tested adds nothing and says so ([`CohortTest::tested`]).
///
/// # Errors
/// [`StatsError`] when a cohort has not one weight for each count, a weight is negative or not finite, all weights are zero, a share
/// is positive but below [`MIN_SHARE`], or a count is above [`MAX_SUBJECTS`].
pub fn test(cohorts: &[Cohort]) -> Result<SrmTest, StatsError> {
    let mut all = SrmTest {
        chi_square: 0.0,
        df: 0,
        p: None,
        alarm: false,
        cohorts: Vec::with_capacity(cohorts.len()),
        leaks: Vec::new(),
    };
    for (index, cohort) in cohorts.iter().enumerate() {
        let split = Split::new(&cohort.counts, &cohort.weights)?;
        let mut shares = vec![0.0; cohort.counts.len()];
        let mut expected = shares.clone();
        let mut chi_square = 0.0;
        for arm in &split.arms {
            shares[arm.index] = arm.share;
            expected[arm.index] = split.n as f64 * arm.share;
            if split.n > 0 {
                chi_square += arm.excess * (arm.excess / expected[arm.index]);
            }
        }
        let df = u32::try_from(split.arms.len() - 1).unwrap_or(u32::MAX);
        let enough = split.arms.iter().all(|arm| expected[arm.index] >= MIN_EXPECTED);
        let tested = df > 0 && enough;
        if tested {
            all.chi_square += chi_square;
            all.df = all.df.saturating_add(df);
        }
        all.leaks.extend(split.leaks.iter().map(|&(arm, count)| Leak {
            cohort: index,
            arm,
            count,
        }));
        all.cohorts.push(CohortTest {
            n: split.n,
            shares,
            expected,
            chi_square,
            df,
            tested,
        });
    }
    all.p = survival(all.chi_square, all.df);
    all.alarm = all.p.is_some_and(|p| p < ALARM_P);
    Ok(all)
}

/// P(χ² ≥ `x`) with `df` degrees of freedom; `None` without any.
fn survival(x: f64, df: u32) -> Option<f64> {
    // Only a degree of freedom that is not positive is refused.
    let distribution = ChiSquared::new(f64::from(df)).ok()?;
    Some(distribution.sf(x))
}

/// Counts beside their shares.
pub(super) struct Split {
    /// The arms with positive weight.
    pub(super) arms: Vec<Share>,
    /// Arm and count of subjects in arms of weight zero.
    leaks: Vec<(usize, u64)>,
    /// Subjects in arms with positive weight.
    pub(super) n: u64,
}

/// An arm with positive weight.
pub(super) struct Share {
    index: usize,
    pub(super) count: u64,
    /// Its part of the traffic; all shares sum to 1.
    pub(super) share: f64,
    /// `count − n · share`, to full precision.
    pub(super) excess: f64,
}

impl Split {
    pub(super) fn new(counts: &[u64], weights: &[f64]) -> Result<Self, StatsError> {
        if counts.is_empty() {
            return Err(StatsError::NoArms);
        }
        if counts.len() != weights.len() {
            return Err(StatsError::Lengths {
                counts: counts.len(),
                weights: weights.len(),
            });
        }
        if let Some((arm, &value)) = weights
            .iter()
            .enumerate()
            .find(|(_, w)| !w.is_finite() || **w < 0.0)
        {
            return Err(StatsError::Weight { arm, value });
        }
        if let Some((arm, &n)) = counts.iter().enumerate().find(|(_, n)| **n > MAX_SUBJECTS) {
            return Err(StatsError::TooManySubjects {
                arm,
                n,
                max: MAX_SUBJECTS,
            });
        }
        let largest = weights.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return Err(StatsError::NoWeight);
        }
        // By the largest first, so that no scale of weights overflows the sum.
        let scaled: Vec<f64> = weights.iter().map(|w| w / largest).collect();
        let sum: f64 = scaled.iter().sum();
        let (mut n, mut leaks) = (0, Vec::new());
        for (arm, (&count, &weight)) in counts.iter().zip(weights).enumerate() {
            if weight > 0.0 {
                n += count;
            } else if count > 0 {
                leaks.push((arm, count));
            }
        }
        let mut arms = Vec::with_capacity(counts.len());
        for (index, (&count, &weight)) in counts.iter().zip(&scaled).enumerate() {
            let share = weight / sum;
            if weights[index] > 0.0 {
                if share < MIN_SHARE {
                    return Err(StatsError::OutOfRange {
                        name: "the smallest weight, as a share of all,",
                        value: share,
                        allowed: "zero or at least 1e-12",
                    });
                }
                let excess = difference_of_products(count as f64, sum, n as f64, weight) / sum;
                arms.push(Share {
                    index,
                    count,
                    share,
                    excess,
                });
            }
        }
        Ok(Split { arms, leaks, n })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::excessive_precision,
        reason = "references are quoted as they were computed"
    )]

    use proptest::prelude::*;

    use super::*;

    fn cohort(counts: &[u64], weights: &[f64]) -> Cohort {
        Cohort {
            counts: counts.to_vec(),
            weights: weights.to_vec(),
        }
    }

    fn one(counts: &[u64], weights: &[f64]) -> SrmTest {
        test(&[cohort(counts, weights)]).unwrap()
    }

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!(
            (found - expected).abs() <= relative * expected.abs(),
            "{found:e} instead of {expected:e}"
        );
    }

    #[test]
    fn agrees_with_the_reference() {
        // The table of the design (to the digits it gives), with all digits from mpmath's incomplete gamma at 40.
        let thirds = [0.34, 0.33, 0.33];
        for (counts, weights, chi_square, p) in [
            (
                &[1000, 1200][..],
                &[50.0, 50.0][..],
                18.181818181818182,
                2.0078656124264846e-5,
            ),
            (&[135, 115], &[1.0, 1.0], 1.6, 0.20590321073206831),
            (
                &[310, 98],
                &[0.75, 0.25],
                0.20915032679738562,
                0.64743418570179696,
            ),
            (&[0, 10, 10], &thirds, 10.303030303030303, 0.0057906244034231947),
            (
                &[500, 500, 600],
                &thirds,
                14.861853832442068,
                0.00059263793152731845,
            ),
            (&[3400, 3300, 3300], &[1.0, 1.0, 1.0], 2.0, (-1.0_f64).exp()),
            (
                &[821_588, 815_482],
                &[0.5, 0.5],
                22.77436884189436,
                1.8217928726191872e-6,
            ),
            (
                &[4072, 2035],
                &[0.8, 0.2],
                677.44489929588996,
                2.4020031111532784e-149,
            ),
            // The cookie-cats file.
            (
                &[44_700, 45_489],
                &[1.0, 1.0],
                6.9024049496058278,
                0.0086079878108362404,
            ),
            (
                &[1_000_000_000, 1_000_200_000],
                &[1.0, 1.0],
                19.998000199980002,
                7.7523197851880134e-6,
            ),
        ] {
            let found = one(counts, weights);
            close(found.chi_square, chi_square, 1e-13);
            close(found.p.unwrap(), p, 1e-12);
            assert_eq!(found.alarm, p < 0.001, "{counts:?}");
            assert_eq!(found.df as usize, counts.len() - 1);
            assert!(found.leaks.is_empty());
        }
    }

    #[test]
    fn the_survival_function_holds_over_the_whole_range() {
        // mpmath: gammainc(df/2, x/2, inf, regularized).
        for (x, df, expected) in [
            (0.0, 1, 1.0),
            (1e-12, 1, 0.99999920211543919),
            (18.18, 1, 2.0097834214087433e-5),
            (678.0, 1, 1.819104473748177e-149),
            (1400.0, 5, 1.3765875143943704e-300),
            (2000.0, 1900, 0.05420667388901861),
            (100.0, 1900, 1.0),
        ] {
            close(survival(x, df).unwrap(), expected, 1e-12);
        }
        // Below the smallest f64 there is 0, not an error.
        assert_eq!(survival(1e9, 1), Some(0.0));
        assert_eq!(survival(1.0, 0), None);
    }

    #[test]
    fn a_leak_is_reported_and_takes_no_part() {
        let with = one(&[1000, 1200, 7, 0], &[1.0, 1.0, 0.0, 0.0]);
        let without = one(&[1000, 1200], &[1.0, 1.0]);
        assert_eq!(with.chi_square, without.chi_square);
        assert_eq!((with.df, with.p), (without.df, without.p));
        assert_eq!(
            with.leaks,
            [Leak {
                cohort: 0,
                arm: 2,
                count: 7
            }]
        );
        assert_eq!(with.cohorts[0].n, 2200);
        assert_eq!(with.cohorts[0].shares, [0.5, 0.5, 0.0, 0.0]);
        assert_eq!(with.cohorts[0].expected, [1100.0, 1100.0, 0.0, 0.0]);
    }

    #[test]
    fn an_arm_that_got_nobody_stays_in() {
        let found = one(&[0, 100], &[0.5, 0.5]);
        assert_eq!((found.chi_square, found.df, found.alarm), (100.0, 1, true));
    }

    #[test]
    fn cohorts_are_added() {
        let found = test(&[
            cohort(&[1000, 1200], &[1.0, 1.0]),
            cohort(&[500, 500, 600], &[0.34, 0.33, 0.33]),
            // Too small: says so and adds nothing.
            cohort(&[4, 4], &[1.0, 1.0]),
        ])
        .unwrap();
        close(found.chi_square, 33.04367201426025, 1e-13);
        assert_eq!(found.df, 3);
        close(found.p.unwrap(), 3.1530766431590558e-7, 1e-12);
        let tested: Vec<bool> = found.cohorts.iter().map(|c| c.tested).collect();
        assert_eq!(tested, [true, true, false]);
    }

    #[test]
    fn five_must_be_expected_in_each_arm() {
        assert!(one(&[5, 5], &[1.0, 1.0]).p.is_some());
        let small = one(&[5, 4], &[1.0, 1.0]);
        assert_eq!(
            (small.p, small.alarm, small.df, small.chi_square),
            (None, false, 0, 0.0)
        );
        assert!(!small.cohorts[0].tested);
        for found in [
            one(&[0, 0], &[1.0, 1.0]),
            one(&[100, 0], &[1.0, 0.0]),
            one(&[100], &[1.0]),
            test(&[]).unwrap(),
        ] {
            assert_eq!((found.p, found.alarm), (None, false));
            assert_eq!(found.chi_square, 0.0);
        }
    }

    #[test]
    fn wrong_input_is_named() {
        let error = |counts: &[u64], weights: &[f64]| test(&[cohort(counts, weights)]).unwrap_err();
        assert_eq!(error(&[], &[]), StatsError::NoArms);
        assert_eq!(
            error(&[1, 2], &[1.0]),
            StatsError::Lengths {
                counts: 2,
                weights: 1
            }
        );
        assert_eq!(error(&[1, 2], &[0.0, 0.0]), StatsError::NoWeight);
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                error(&[1, 2], &[1.0, bad]),
                StatsError::Weight { arm: 1, .. }
            ));
        }
        assert!(matches!(
            error(&[1, MAX_SUBJECTS + 1], &[1.0, 1.0]),
            StatsError::TooManySubjects { arm: 1, .. }
        ));
        for tiny in [1e-13, f64::MIN_POSITIVE, 5e-324] {
            assert!(matches!(
                error(&[1, 2], &[1.0, tiny]),
                StatsError::OutOfRange { .. }
            ));
        }
    }

    proptest! {
        #[test]
        fn the_scale_of_the_weights_and_the_order_of_the_arms_do_not_matter(
            arms in prop::collection::vec((0_u64..=1_000_000_000, 0.01_f64..100.0), 2..8),
            scale in prop_oneof![1e-6_f64..1e6, Just(1e300), Just(1e-300)],
        ) {
            let (counts, weights): (Vec<u64>, Vec<f64>) = arms.iter().copied().unzip();
            let found = one(&counts, &weights);
            let scaled: Vec<f64> = weights.iter().map(|w| w * scale).collect();
            let rescaled = one(&counts, &scaled);
            let (back_counts, back_weights): (Vec<u64>, Vec<f64>) = arms.iter().rev().copied().unzip();
            let backward = one(&back_counts, &back_weights);
            for other in [rescaled, backward] {
                prop_assert!((found.chi_square - other.chi_square).abs() <= 1e-9 * found.chi_square + 1e-12);
                prop_assert_eq!(found.df, other.df);
            }
            if let Some(p) = found.p {
                prop_assert!((0.0..=1.0).contains(&p));
            }
        }

        #[test]
        fn the_further_from_the_split_the_smaller_p(n in 10_u64..1_000_000_000, off in 0.0_f64..0.9, more in 1_u64..100) {
            let half = n / 2;
            let shift = (off * half as f64) as u64;
            let further = (shift + more).min(half);
            let near = one(&[half + shift, half - shift], &[1.0, 1.0]);
            let far = one(&[half + further, half - further], &[1.0, 1.0]);
            prop_assert!(far.p <= near.p);
        }
    }
}
