//! What must be said above an experiment's results: one wording for the cockpit and the command line.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::results::Results;
use crate::domain::Status;

/// How loud a banner is.
#[derive(Debug, Clone, Copy, Eq, Hash, PartialEq, Ord, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BannerKind {
    /// Red: the guard paused the experiment.
    AutoPaused,
    /// Yellow: the observed split is not the configured one.
    Srm,
    /// Blue: too little data to name a winner.
    Power,
}

/// One line above the results.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Banner {
    /// How loud it is.
    pub kind: BannerKind,
    /// The whole text.
    pub text: String,
}

/// The text of the red banner.
pub const AUTO_PAUSED: &str = "Auto-paused — sample ratio mismatch detected";

/// The banners that apply, the loudest first.
///
/// `auto_paused` says whether the guard holds the experiment
/// ([`Experiment::is_auto_paused`](crate::domain::Experiment::is_auto_paused)); it is known before any
/// results are.
#[must_use]
pub fn banners(auto_paused: bool, results: Option<&Results>) -> Vec<Banner> {
    let mut banners = Vec::new();
    if auto_paused {
        banners.push(Banner {
            kind: BannerKind::AutoPaused,
            text: AUTO_PAUSED.to_owned(),
        });
    }
    let Some(results) = results else {
        return banners;
    };
    if results.srm.alarm
        && let Some(test) = &results.srm.test
    {
        banners.push(Banner {
            kind: BannerKind::Srm,
            text: srm_text(test.p),
        });
    }
    if results.power.gathering {
        banners.push(Banner {
            kind: BannerKind::Power,
            text: if results.status == Status::Draft {
                DRAFT.to_owned()
            } else if results.query.start.is_some() || results.query.end.is_some() {
                windowed_power_text(results.power.events, results.power.needed)
            } else {
                power_text(results.power.events, results.power.needed)
            },
        });
    }
    banners
}

/// What a draft has in the place of the power floor.
pub const DRAFT: &str =
    "Nothing is counted before the experiment is active: until then everybody sees the default.";

/// The text of the yellow banner.
#[must_use]
pub fn srm_text(p: f64) -> String {
    format!(
        "Sample ratio mismatch detected — actual split differs from expected ({}). Check for bucketing \
         bugs or traffic source bias before trusting results.",
        p_tight(p)
    )
}

/// The text of the blue banner: `events` there are, `needed` are missing.
#[must_use]
pub fn power_text(events: u64, needed: u64) -> String {
    format!(
        "Still gathering data — {} events so far. Need ~{} more for 80% power to detect a 20% lift on a 5% \
         baseline.",
        group(events),
        group(needed)
    )
}

/// The text of the blue banner where only some days are looked at: the experiment may well have had enough.
fn windowed_power_text(events: u64, needed: u64) -> String {
    format!(
        "Too little data in the days that are looked at — {} events. ~{} more would give 80% power to detect a 20% \
         lift on a 5% baseline.",
        group(events),
        group(needed)
    )
}

/// A p-value with two significant digits: `0.0086`, `0.00086`, `2.4e-149`.
///
/// Below 0.0001 the exponent is written. What a `f64` can no longer tell from 0 is `<1e-300`.
#[must_use]
pub fn format_p(p: f64) -> String {
    if p.is_nan() {
        return "unknown".to_owned();
    }
    if p < 1e-300 {
        return "<1e-300".to_owned();
    }
    // The mantissa is rounded first, so that 0.0000996 is 0.00010 and not 1.0e-4.
    let scientific = format!("{p:.1e}");
    let exponent = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse::<i32>().ok())
        .unwrap_or_default();
    if exponent < -4 {
        return scientific;
    }
    let decimals = usize::try_from(1 - exponent).unwrap_or_default();
    format!("{p:.decimals$}")
}

/// The same as a sentence has it: `p = 0.0086`, `p < 1e-300`.
#[must_use]
pub fn p_text(p: f64) -> String {
    match format_p(p).strip_prefix('<') {
        Some(bound) => format!("p < {bound}"),
        None => format!("p = {}", format_p(p)),
    }
}

/// The same without blanks: `p=0.0086`, `p<1e-300`.
#[must_use]
pub fn p_tight(p: f64) -> String {
    p_text(p).replace(' ', "")
}

/// A count with its thousands set apart by commas.
#[must_use]
pub fn group(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::results::{Breakdown, Interval, PowerFloor, ResultsQuery, Series, Srm, SrmTest};
    use crate::domain::{AssignmentMode, Prior, Status};

    fn results(p: f64, gathering: bool) -> Results {
        Results {
            experiment_id: uuid::Uuid::nil(),
            key: "exp".into(),
            status: Status::Active,
            assignment_mode: AssignmentMode::Profile,
            auto_paused: false,
            computed_at: jiff::Timestamp::UNIX_EPOCH,
            data_as_of: None,
            query: ResultsQuery::default(),
            metric: None,
            secondary: None,
            prior: Prior::default(),
            arms: Vec::new(),
            winner: "inconclusive".into(),
            multi_variant_subjects: 0,
            forced_subjects: 0,
            outside_subjects: 0,
            unknown_variants: Vec::new(),
            srm: Srm {
                test: Some(SrmTest {
                    chi_square: 0.0,
                    df: 1,
                    p,
                    e_value: 1.0,
                    always_valid_p: 1.0,
                }),
                why_not: None,
                observed: Vec::new(),
                expected: Vec::new(),
                leaks: Vec::new(),
                alarm: p < 0.001,
                watch: None,
            },
            power: PowerFloor {
                events: 1_234,
                gathering,
                needed: 15_082,
            },
            series: Series {
                interval: Interval::Hour,
                points: Vec::new(),
            },
            tracked: Vec::new(),
            segments: Breakdown::default(),
            properties: Breakdown::default(),
        }
    }

    #[test]
    fn of_some_days_it_is_not_said_that_there_is_no_more() {
        let mut results = results(0.5, true);
        let text = |results: &Results| banners(false, Some(results)).remove(0).text;
        assert!(text(&results).contains("events so far"));
        results.query.start = Some(jiff::civil::date(2026, 1, 1));
        assert!(text(&results).starts_with("Too little data in the days that are looked at"));
    }

    #[test]
    fn the_wording_is_exact_and_the_loudest_comes_first() {
        let texts: Vec<(BannerKind, String)> = banners(true, Some(&results(2.402_003e-149, true)))
            .into_iter()
            .map(|b| (b.kind, b.text))
            .collect();
        assert_eq!(
            texts,
            [
                (
                    BannerKind::AutoPaused,
                    "Auto-paused — sample ratio mismatch detected".to_owned()
                ),
                (
                    BannerKind::Srm,
                    "Sample ratio mismatch detected — actual split differs from expected (p=2.4e-149). Check for \
                     bucketing bugs or traffic source bias before trusting results."
                        .to_owned()
                ),
                (
                    BannerKind::Power,
                    "Still gathering data — 1,234 events so far. Need ~15,082 more for 80% power to detect a 20% \
                     lift on a 5% baseline."
                        .to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_healthy_experiment_says_nothing() {
        assert_eq!(banners(false, Some(&results(0.0086, false))), []);
        assert_eq!(banners(false, None), []);
        assert_eq!(banners(true, None).len(), 1);
    }

    #[test]
    fn a_p_value_below_all_is_less_and_not_equal() {
        assert!(
            srm_text(0.0).contains("expected (p<1e-300). Check"),
            "{}",
            srm_text(0.0)
        );
        assert!(
            srm_text(0.000_5).contains("expected (p=0.00050). Check"),
            "{}",
            srm_text(0.000_5)
        );
    }

    #[test]
    fn p_values_have_two_significant_digits() {
        for (p, text) in [
            (2.402_003e-149, "2.4e-149"),
            (0.008_607_987_8, "0.0086"),
            (0.000_86, "0.00086"),
            (0.000_1, "0.00010"),
            (0.000_099_6, "0.00010"),
            (0.000_099_4, "9.9e-5"),
            (2.007_865_612e-5, "2.0e-5"),
            (0.205_903_211, "0.21"),
            (0.999, "1.0"),
            (1.0, "1.0"),
            (0.0, "<1e-300"),
        ] {
            assert_eq!(format_p(p), text, "{p}");
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (90_189, "90,189"),
            (123_456_789, "123,456,789"),
        ] {
            assert_eq!(group(count), text);
        }
    }
}
