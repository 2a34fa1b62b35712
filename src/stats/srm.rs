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
        let mut expected = vec![0.0; cohort.counts.len()];
        let mut chi_square = 0.0;
        for arm in &split.arms {
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
