//! The split of a population of which some parts are thinned by unknown factors.
//!
//! Where a split is widened, subjects that were due before and have come are gone from those who come for the first time
//! now; of the newly opened part nobody is. Each part has shares of its own, and how much of each is left is not known:
//! the factors 0 ≤ t_s are fitted by maximum likelihood, t_s ≤ 1 where a part is surely thinned more than the one they are
//! relative to. A χ² or an E at the best fit is at most the one at the true factors, so a split that is right is not
//! reported more often than the test promises; what differs from every possible thinning still is.

/// How often each factor is fitted, one after the other.
const ROUNDS: usize = 200;

/// Halvings of the range of one factor.
const STEPS: usize = 60;

/// The relative change of a factor in a round below which it has settled.
const SETTLED: f64 = 1e-12;

/// How near a bound a factor counts as at it.
const AT_BOUND: f64 = 1e-6;

/// The bound of a factor that has none: of the part that is whole next to nobody is left then.
const NO_BOUND: f64 = 1e6;

/// A part of which an unknown share is left.
#[derive(Debug, Clone, PartialEq)]
pub struct Thinned {
    /// One weight for each count, on the scale of all parts.
    pub shares: Vec<f64>,
    /// Whether no more of it can be left than of the part that is whole.
    pub at_most_whole: bool,
}

/// By how much two shares of parts may differ that count as the same: splits are rounded to slots.
const ALIKE: f64 = 1e-4;

impl Thinned {
    /// Whether two parts have the same shares, so that a factor of the one is as good as one of the other.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let sum = |part: &Self| part.shares.iter().sum::<f64>();
        let (mine, theirs) = (sum(self), sum(other));
        let pairs = self.shares.iter().zip(&other.shares);
        mine > 0.0
            && theirs > 0.0
            && pairs
                .into_iter()
                .all(|(a, b)| (a / mine - b / theirs).abs() < ALIKE)
    }

    /// Both parts as one. Of two that are alike everything is left that could be left of each.
    pub fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.shares.iter_mut().zip(&other.shares) {
            *mine += theirs;
        }
        self.at_most_whole &= other.at_most_whole;
    }

    fn most(&self) -> f64 {
        if self.at_most_whole { 1.0 } else { NO_BOUND }
    }
}

/// The weights that explain counts best.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The weight of each arm, on the scale of the parts.
    pub weights: Vec<f64>,
    /// How many factors are at no bound: with as many as there are arms but one, whatever came is explained. The test
    /// keeps its degrees of freedom all the same, so that it is rather too calm than too loud.
    pub free: usize,
}

/// Fits the factors of `thinned` parts beside one that is `whole`; a part has one weight for each count, on one scale.
///
/// The likelihood of the counts given their sum, Σ n_j ln(w_j/Σw) with w = whole + Σ t_s thinned_s, has one maximum along
/// each factor, which is where its slope changes sign.
#[must_use]
pub fn fit(counts: &[u64], whole: &[f64], thinned: &[Thinned]) -> Fit {
    let mut factors = vec![1.0; thinned.len()];
    let weights = |factors: &[f64]| -> Vec<f64> {
        let parts = factors.iter().zip(thinned);
        parts.fold(whole.to_vec(), |mut sum, (factor, part)| {
            add(&mut sum, *factor, &part.shares);
            sum
        })
    };
    let all: f64 = counts.iter().map(|n| *n as f64).sum();
    for _ in 0..ROUNDS {
        let before = factors.clone();
        let mut sum = weights(&factors);
        for (at, part) in thinned.iter().enumerate() {
            // The weights of all other parts, once for all halvings.
            add(&mut sum, -factors[at], &part.shares);
            // Rounding must not leave less than nobody.
            sum.iter_mut().for_each(|weight| *weight = weight.max(0.0));
            let others = &sum;
            let rises = |factor: f64| slope(counts, all, others, factor, &part.shares) > 0.0;
            let (mut low, mut high) = (0.0, part.most());
            if rises(high) {
                low = high;
            }
            for _ in 0..STEPS {
                if low == high {
                    break;
                }
                let middle = (low + high) / 2.0;
                if rises(middle) {
                    low = middle
                } else {
                    high = middle
                }
            }
            // The lower end is reached in the limit only.
            factors[at] = if low < AT_BOUND { 0.0 } else { low };
            add(&mut sum, factors[at], &part.shares);
        }
        let moved = factors
            .iter()
            .zip(&before)
            .any(|(now, before)| (now - before).abs() > SETTLED * before);
        if !moved {
            break;
        }
    }
    let inside = |(factor, part): &(&f64, &Thinned)| **factor > 0.0 && **factor < part.most();
    Fit {
        free: factors.iter().zip(thinned).filter(inside).count(),
        weights: weights(&factors),
    }
}

fn add(weights: &mut [f64], factor: f64, shares: &[f64]) {
    for (weight, share) in weights.iter_mut().zip(shares) {
        *weight += factor * share;
    }
}

/// d/dt of the likelihood at this factor of a part beside `others`; where an arm has no weight and some came, more of it
/// can only be better.
fn slope(counts: &[u64], all: f64, others: &[f64], factor: f64, part: &[f64]) -> f64 {
    let (mut of_arms, mut sum, mut of_part) = (0.0, 0.0, 0.0);
    for ((count, other), share) in counts.iter().zip(others).zip(part) {
        let weight = other + factor * share;
        if *count > 0 && *share > 0.0 {
            of_arms += *count as f64 * share / weight;
        }
        sum += weight;
        of_part += share;
    }
    of_arms - all * of_part / sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<const N: usize>(parts: [Vec<f64>; N]) -> Vec<Thinned> {
        let bounded = |shares| Thinned {
            shares,
            at_most_whole: true,
        };
        parts.into_iter().map(bounded).collect()
    }

    fn shares(fit: &Fit) -> Vec<f64> {
        let total: f64 = fit.weights.iter().sum();
        fit.weights.iter().map(|w| w / total).collect()
    }

    #[test]
    fn what_a_thinning_explains_fits_exactly() {
        // 50/10 widened to 50/50, and of the former 40 % are left: 20 of 50 and 4 + 40.
        let fit = fit(&[2_000, 4_400], &[0.0, 40.0], &parts([vec![50.0, 10.0]]));
        assert_eq!(fit.free, 1);
        assert!((shares(&fit)[0] - 2.0 / 6.4).abs() < 1e-9, "{fit:?}");
    }

    #[test]
    fn what_no_thinning_explains_stays_at_a_bound() {
        // More of the first arm than even all of the former would give.
        let fit = fit(&[6_000, 4_000], &[0.0, 40.0], &parts([vec![50.0, 10.0]]));
        assert_eq!((fit.free, shares(&fit)), (0, vec![0.5, 0.5]));
        // Less of an arm than if nobody of the former were left.
        let split = ([20.0, 20.0, 20.0], parts([vec![10.0, 0.0, 0.0]]));
        let less = super::fit(&[1_000, 2_000, 2_000], &split.0, &split.1);
        assert_eq!((less.free, less.weights), (0, split.0.to_vec()));
        let between = super::fit(&[2_500, 2_000, 2_000], &split.0, &split.1);
        assert!(
            between.free == 1 && (between.weights[0] - 25.0).abs() < 1e-9,
            "{between:?}"
        );
    }

    #[test]
    fn of_a_part_that_missed_a_time_more_may_be_left() {
        // 30/30 to 30/50, to 10/50 for long, and back to 30/50: of 20 points of the second arm a tenth is left, of 20 of
        // the first nearly all.
        let counts = [18_000 + 1_000, 2_000 + 3_000];
        let (whole, mut split) = ([0.0, 20.0], parts([vec![20.0, 0.0], vec![10.0, 30.0]]));
        let bounded = fit(&counts, &whole, &split);
        assert!((shares(&bounded)[0] - 19.0 / 24.0).abs() > 0.1, "{bounded:?}");
        split[0].at_most_whole = false;
        let free = fit(&counts, &whole, &split);
        assert!((shares(&free)[0] - 19.0 / 24.0).abs() < 1e-9, "{free:?}");
        assert!(free.free >= 1, "{free:?}");
    }

    #[test]
    fn three_arms_leave_something_to_be_tested() {
        // 30/30/0 widened to 30/30/30, two thirds of the former left; right, and with one arm a fifth short.
        let split = ([0.0, 0.0, 30.0], parts([vec![30.0, 30.0, 0.0]]));
        let right = fit(&[2_000, 2_000, 3_000], &split.0, &split.1);
        for (share, expected) in shares(&right).iter().zip([2.0 / 7.0, 2.0 / 7.0, 3.0 / 7.0]) {
            assert!((share - expected).abs() < 1e-9, "{right:?}");
        }
        let wrong = shares(&fit(&[1_600, 2_000, 3_000], &split.0, &split.1));
        assert!((wrong[0] - wrong[1]).abs() < 1e-9 && (wrong[0] - 1_800.0 / 6_600.0).abs() < 1e-9);
    }

    #[test]
    fn several_parts_are_fitted_together() {
        // Opened at three times; a half and a quarter of the former ones left.
        let split = (
            [0.0, 10.0, 30.0, 5.0],
            parts([vec![20.0, 10.0, 0.0, 5.0], vec![40.0, 0.0, 10.0, 5.0]]),
        );
        let expected = [20.0, 15.0, 32.5, 8.75];
        let counts = expected.map(|w| (w * 4_000.0) as u64);
        let fit = fit(&counts, &split.0, &split.1);
        let total: f64 = expected.iter().sum();
        for (share, expected) in shares(&fit).iter().zip(expected) {
            assert!((share - expected / total).abs() < 1e-6, "{fit:?}");
        }
        assert_eq!(fit.free, 2);
    }

    #[test]
    fn without_parts_or_counts_the_weights_are_what_is_whole() {
        assert_eq!(fit(&[3, 4], &[1.0, 2.0], &[]).weights, [1.0, 2.0]);
        let nobody = fit(&[0, 0], &[1.0, 2.0], &parts([vec![1.0, 0.0]]));
        assert!(nobody.weights.iter().all(|w| w.is_finite()));
    }
}
