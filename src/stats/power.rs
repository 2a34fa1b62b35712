//! How many subjects a comparison of two rates needs.
//!
//! Two-sided, pooled under the null. With control of size n, a treatment of size kn, p̄ = (p₁ + k p₂)/(1 + k) and q = 1 − p,
//!
//! ```text
//! n = [ z_{1−α/2} √(p̄ q̄ (1 + 1/k)) + z_{1−β} √(p₁q₁ + p₂q₂/k) ]² / (p₂ − p₁)²
//! ```
//!
//! which for k = 1 is the familiar [z_{1−α/2} √(2 p̄ q̄) + z_{1−β} √(p₁q₁ + p₂q₂)]²/(p₂ − p₁)². (J. Fleiss et al., Statistical Methods for Rates and
//! Proportions, 3rd ed., ch. 4, without the continuity correction.)

use statrs::distribution::{ContinuousCDF as _, Normal};

use super::StatsError;

/// Below this many events in any arm results are only being gathered.
pub const ARM_FLOOR: u64 = 100;

/// Below this many events in all arms together results are only being gathered.
pub const TOTAL_FLOOR: u64 = 300;

/// The largest size computed with; what needs more cannot be tested.
const MAX_SIZE: f64 = 1e15;

/// What is to be detected, and how surely.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The rate of control, between 0 and 1.
    pub baseline: f64,
    /// The relative lift to detect: 0.2 is 20 % more, −0.1 is 10 % less. Not zero.
    pub lift: f64,
    /// The chance of seeing the lift when it is there; usually 0.8.
    pub power: f64,
    /// The chance of seeing one that is not there, two-sided; usually 0.05. It holds for each treatment by itself.
    pub alpha: f64,
    /// The weight of each arm, on any scale, all positive; control first. At least two.
    pub allocation: Vec<f64>,
}

impl Design {
    /// Two arms of the same size, power 80 %, α 0.05.
    #[must_use]
    pub fn new(baseline: f64, lift: f64) -> Self {
        Design {
            baseline,
            lift,
            power: 0.8,
            alpha: 0.05,
            allocation: vec![1.0, 1.0],
        }
    }

    /// The same with `count` arms of the same size.
    #[must_use]
    pub fn arms(mut self, count: usize) -> Self {
        self.allocation = vec![1.0; count];
        self
    }
}

/// What [`sample_size`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSize {
    /// The size of control before it is rounded up.
    pub exact: f64,
    /// The size of each arm, rounded up; control first.
    pub per_arm: Vec<u64>,
    /// All arms together.
    pub total: u64,
}

impl SampleSize {
    /// How many weeks it takes at `per_week` events in all arms together, which must be positive.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] unless `per_week` is positive and finite.
    pub fn weeks(&self, per_week: f64) -> Result<f64, StatsError> {
        if !(per_week > 0.0 && per_week.is_finite()) {
            return Err(StatsError::OutOfRange {
                name: "the traffic per week",
                value: per_week,
                allowed: "a positive number",
            });
        }
        Ok(self.total as f64 / per_week)
    }
}

/// The sizes that the arms need so that control against each treatment has the power asked for.
///
/// With more than two arms each treatment is compared with control at the full α: no correction for their number.
///
/// # Errors
/// [`StatsError`] when a rate, power or α is not between 0 and 1, the lift is zero or carries the rate out of that range or is so small
/// that it cannot be tested, there are fewer than two arms, or a weight is not positive.
pub fn sample_size(design: &Design) -> Result<SampleSize, StatsError> {
    let Design {
        baseline,
        lift,
        power,
        alpha,
        allocation,
    } = design;
    let (p1, p2) = (*baseline, baseline * (1.0 + lift));
    for (name, value) in [
        ("the baseline", p1),
        ("the baseline with the lift", p2),
        ("the power", *power),
        ("alpha", *alpha),
    ] {
        if !(value > 0.0 && value < 1.0) {
            return Err(StatsError::OutOfRange {
                name,
                value,
                allowed: "between 0 and 1, both excluded",
            });
        }
    }
    if allocation.len() < 2 {
        return Err(StatsError::TooFewArms {
            arms: allocation.len(),
        });
    }
    if let Some((arm, &value)) = allocation
        .iter()
        .enumerate()
        .find(|(_, w)| !w.is_finite() || **w <= 0.0)
    {
        return Err(StatsError::Weight { arm, value });
    }
    let normal = Normal::standard();
    // Upper quantiles as minus the lower ones: 1 − α/2 would round a tiny α away.
    let z_alpha = -normal.inverse_cdf(0.5 * alpha);
    let z_beta = normal.inverse_cdf(*power);
    let difference = baseline * lift;
    let mut exact = 0.0_f64;
    for weight in &allocation[1..] {
        let k = weight / allocation[0];
        let mean = (p1 + k * p2) / (1.0 + k);
        let null = (mean * (1.0 - mean) * (1.0 + 1.0 / k)).sqrt();
        let alternative = (p1 * (1.0 - p1) + p2 * (1.0 - p2) / k).sqrt();
        let root = (z_alpha * null + z_beta * alternative) / difference;
        exact = exact.max(root * root);
    }
    let mut per_arm = Vec::with_capacity(allocation.len());
    for weight in allocation {
        let size = (exact * (weight / allocation[0])).ceil();
        // A lift of zero makes it infinite.
        if size > MAX_SIZE {
            return Err(StatsError::OutOfRange {
                name: "the lift",
                value: *lift,
                allowed: "large enough to be detected with 10^15 subjects in an arm",
            });
        }
        per_arm.push((size as u64).max(1));
    }
    Ok(SampleSize {
        exact,
        total: per_arm.iter().sum(),
        per_arm,
    })
}

/// How far an experiment is from the power floor, under which no winner is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Events so far, in all arms with positive weight.
    pub events: u64,
    /// Whether data is still being gathered: fewer than [`ARM_FLOOR`] events in an arm or [`TOTAL_FLOOR`] in all.
    pub gathering: bool,
    /// How many more events are needed for 80 % power to detect a 20 % lift on a 5 % baseline; 0 when there are enough.
    pub needed: u64,
}

/// Compares the events of each arm with the power floor.
///
/// `weights` is the split, on any scale, control first. Arms of weight zero get no events and are left out. What is needed is counted
/// arm by arm: an arm that has more than it needs does not make up for another.
///
/// # Errors
/// As [`sample_size`]; in particular fewer than two arms with positive weight cannot be compared.
pub fn floor(counts: &[u64], weights: &[f64]) -> Result<Floor, StatsError> {
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
    let (counts, allocation): (Vec<u64>, Vec<f64>) = counts
        .iter()
        .zip(weights)
        .filter(|(_, weight)| **weight > 0.0)
        .map(|(count, weight)| (*count, *weight))
        .unzip();
    let enough = sample_size(&Design {
        allocation,
        ..Design::new(0.05, 0.2)
    })?;
    let events = counts.iter().fold(0_u64, |sum, n| sum.saturating_add(*n));
    let needed = enough
        .per_arm
        .iter()
        .zip(&counts)
        .map(|(enough, n)| enough.saturating_sub(*n))
        .sum();
    Ok(Floor {
        events,
        gathering: events < TOTAL_FLOOR || counts.iter().any(|n| *n < ARM_FLOOR),
        needed,
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::excessive_precision,
        reason = "references are quoted as they were computed"
    )]

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!(
            (found - expected).abs() <= relative * expected.abs(),
            "{found:e} instead of {expected:e}"
        );
    }

    #[test]
    fn agrees_with_the_reference() {
        // The formula in mpmath at 40 digits; the first two are the design's.
        for (baseline, lift, alpha, power, ratio, exact) in [
            (0.05, 0.2, 0.05, 0.8, 1.0, 8157.7314478492733),
            (0.5, 0.5, 0.05, 0.9, 1.0, 76.706928451777447),
            (0.05, 0.2, 0.05, 0.8, 3.0, 5528.865480319385),
            (0.05, 0.2, 0.05, 0.8, 0.25, 19_962.328_732_632_588),
            (1e-6, 0.1, 0.05, 0.8, 1.0, 1_648_263_012.356_390_5),
            (0.1, -0.1, 0.001, 0.95, 1.0, 41_879.486_190_373_449),
        ] {
            let found = sample_size(&Design {
                baseline,
                lift,
                power,
                alpha,
                allocation: vec![1.0, ratio],
            })
            .unwrap();
            close(found.exact, exact, 1e-12);
            assert_eq!(
                found.per_arm,
                [exact.ceil() as u64, (exact * ratio).ceil() as u64]
            );
            assert_eq!(found.total, found.per_arm.iter().sum::<u64>());
        }
    }

    #[test]
    fn more_arms_and_weeks() {
        let found = sample_size(&Design::new(0.05, 0.2).arms(3)).unwrap();
        assert_eq!(
            (found.per_arm.as_slice(), found.total),
            (&[8158, 8158, 8158][..], 24_474)
        );
        close(found.weeks(10_000.0).unwrap(), 2.4474, 1e-14);
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(found.weeks(bad).is_err());
        }
        // The smallest treatment decides; the scale of the weights does not matter.
        let uneven = |allocation: Vec<f64>| {
            sample_size(&Design {
                allocation,
                ..Design::new(0.05, 0.2)
            })
            .unwrap()
        };
        let found = uneven(vec![60.0, 30.0, 10.0]);
        let pair = uneven(vec![6.0, 1.0]);
        assert_eq!(found.exact, pair.exact);
        assert_eq!(found.per_arm[0], pair.per_arm[0]);
        assert_eq!(found.per_arm[2], pair.per_arm[1]);
    }

    #[test]
    fn wrong_input_is_named() {
        let name = |design: Design| match sample_size(&design).unwrap_err() {
            StatsError::OutOfRange { name, .. } => name,
            error => panic!("{error}"),
        };
        for bad in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!(name(Design::new(bad, 0.2)), "the baseline");
            assert_eq!(
                name(Design {
                    power: bad,
                    ..Design::new(0.05, 0.2)
                }),
                "the power"
            );
            assert_eq!(
                name(Design {
                    alpha: bad,
                    ..Design::new(0.05, 0.2)
                }),
                "alpha"
            );
        }
        for bad in [1.0, 3.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(name(Design::new(0.5, bad)), "the baseline with the lift");
        }
        for bad in [0.0, 1e-12] {
            assert_eq!(name(Design::new(0.5, bad)), "the lift");
        }
        for count in [0, 1] {
            assert_eq!(
                sample_size(&Design::new(0.05, 0.2).arms(count)).unwrap_err(),
                StatsError::TooFewArms { arms: count }
            );
        }
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let design = Design {
                allocation: vec![1.0, bad],
                ..Design::new(0.05, 0.2)
            };
            assert!(matches!(
                sample_size(&design).unwrap_err(),
                StatsError::Weight { arm: 1, .. }
            ));
        }
    }

    #[test]
    fn the_floor_is_a_hundred_in_each_arm_and_three_hundred_in_all() {
        let even = [1.0, 1.0];
        let at = |counts: &[u64], weights: &[f64]| floor(counts, weights).unwrap();
        assert_eq!(
            at(&[0, 0], &even),
            Floor {
                events: 0,
                gathering: true,
                needed: 16_316
            }
        );
        assert!(at(&[99, 500], &even).gathering);
        assert!(at(&[149, 150], &even).gathering);
        assert!(!at(&[150, 150], &even).gathering);
        assert!(!at(&[100, 200], &even).gathering);
        assert_eq!(at(&[100, 200], &even).needed, 16_016);
        // What one arm has too much does not help the other.
        assert_eq!(at(&[1_000_000, 8000], &even).needed, 158);
        assert_eq!(at(&[10_000, 10_000], &even).needed, 0);
        // An arm without traffic is not waited for, and does not count.
        let found = at(&[200, 5, 200], &[1.0, 0.0, 1.0]);
        assert_eq!((found.events, found.gathering), (400, false));
        assert_eq!(
            floor(&[1, 2], &[1.0, 0.0]).unwrap_err(),
            StatsError::TooFewArms { arms: 1 }
        );
        assert_eq!(
            floor(&[1, 2], &[1.0]).unwrap_err(),
            StatsError::Lengths {
                counts: 2,
                weights: 1
            }
        );
        assert!(matches!(
            floor(&[1, 2], &[1.0, f64::NAN]).unwrap_err(),
            StatsError::Weight { arm: 1, .. }
        ));
    }

    proptest! {
        #[test]
        fn smaller_lifts_more_power_and_less_alpha_need_more(
            baseline in 0.001_f64..0.5, lift in 0.02_f64..0.9, power in 0.5_f64..0.98, alpha in 0.001_f64..0.2,
        ) {
            let size = |lift, power, alpha| {
                sample_size(&Design { power, alpha, ..Design::new(baseline, lift) }).unwrap().exact
            };
            let base = size(lift, power, alpha);
            prop_assert!(base.is_finite() && base > 0.0);
            prop_assert!(size(lift * 0.9, power, alpha) > base);
            prop_assert!(size(lift, power + 0.01, alpha) > base);
            prop_assert!(size(lift, power, alpha * 0.9) > base);
        }

        #[test]
        fn an_even_split_needs_the_fewest_in_all(baseline in 0.01_f64..0.5, lift in 0.1_f64..0.9, ratio in 3.0_f64..20.0) {
            let total = |allocation| {
                sample_size(&Design { allocation, ..Design::new(baseline, lift) }).unwrap().total
            };
            prop_assert!(total(vec![1.0, ratio]) > total(vec![1.0, 1.0]));
            prop_assert!(total(vec![ratio, 1.0]) > total(vec![1.0, 1.0]));
        }
    }
}
