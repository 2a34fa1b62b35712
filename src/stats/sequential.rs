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

use serde::{Deserialize, Serialize};

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

/// The running evidence of one experiment. It is kept with the experiment, for the maximum is over all looks.
///
/// While a split lasts (an epoch), counts are cumulative; when it changes, [`Monitor::close_epoch`] multiplies the epoch's E in and counting starts
/// anew under the new weights.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitor {
    /// ln of the product of the finished epochs' E.
    pub log_finished: f64,
    /// ln of the largest E so far; 0 (E = 1) before any look.
    pub log_highest: f64,
}

/// What a [`Monitor`] says at a look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// E now, finished epochs included.
    pub e: EValue,
    /// The largest E so far.
    pub highest: EValue,
    /// min(1, 1/highest): never rises.
    pub p: f64,
    /// Whether E has ever been [`ALARM_E`] or more.
    pub alarm: bool,
}

impl Monitor {
    /// Looks at the current epoch's cumulative counts.
    ///
    /// # Errors
    /// As [`e_value`]; then nothing is changed.
    pub fn look(&mut self, counts: &[u64], weights: &[f64]) -> Result<Look, StatsError> {
        let e = EValue {
            log: self.log_finished + e_value(counts, weights)?.log,
        };
        self.log_highest = self.log_highest.max(e.log);
        let highest = EValue {
            log: self.log_highest,
        };
        Ok(Look {
            e,
            highest,
            p: highest.p(),
            alarm: highest.alarm(),
        })
    }

    /// Takes a last look at an epoch and multiplies its E in.
    ///
    /// # Errors
    /// As [`Monitor::look`].
    pub fn close_epoch(&mut self, counts: &[u64], weights: &[f64]) -> Result<Look, StatsError> {
        let look = self.look(counts, weights)?;
        self.log_finished = look.e.log;
        Ok(look)
    }
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
