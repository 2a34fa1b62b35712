//! Results for the screens: counts go in, everything that is inferred comes from `stats`.

use jiff::{SignedDuration, Timestamp};
use splitdeck::api::results::{
    ArmPosterior, ArmResult, Breakdown, BreakdownRow, DifferenceInterval, Exposures, INCONCLUSIVE, Interval,
    PowerFloor, Results, ResultsQuery, Series, SeriesPoint, Srm, SrmTest, TrackedResult, UnknownVariant,
    Uplift,
};
use splitdeck::domain::{AssignmentMode, Metric, Prior, Status};
use splitdeck::stats::posterior::{self, Arm};
use splitdeck::stats::power::{self, Design};
use splitdeck::stats::{sequential, srm};

/// The moment at which all screens are looked at.
pub fn now() -> Timestamp {
    "2026-11-18T02:00:09Z".parse().expect("a timestamp")
}

/// An arm as it goes in.
#[derive(Clone, Copy)]
pub struct Counts {
    pub variant: &'static str,
    pub subjects: u64,
    pub starters: Option<u64>,
    pub conversions: u64,
    pub weight: f64,
}

pub fn arm(variant: &'static str, subjects: u64, conversions: u64, weight: f64) -> Counts {
    Counts {
        variant,
        subjects,
        starters: None,
        conversions,
        weight,
    }
}

/// Results of these arms, the first being control.
pub fn results(key: &str, metric: Option<&str>, arms: &[Counts]) -> Results {
    let counted: Vec<Arm> = arms
        .iter()
        .map(|arm| Arm {
            n: arm.starters.unwrap_or(arm.subjects),
            conversions: arm.conversions,
        })
        .collect();
    let prior = Prior::default();
    let planned = power::sample_size(&Design::new(0.05, 0.2))
        .expect("a design")
        .total;
    let known = posterior::compare(&counted, prior).expect("counts");
    let weights: Vec<f64> = arms.iter().map(|arm| arm.weight).collect();
    let counts: Vec<u64> = arms.iter().map(|arm| arm.subjects).collect();
    let floor = power::floor(&counts, &weights).expect("counts");
    let total: u64 = counts.iter().sum();

    let tested = srm::test(&[srm::Cohort {
        counts: counts.clone(),
        weights: weights.clone(),
    }])
    .expect("counts");
    let e = sequential::e_value(&counts, &weights).expect("counts");
    let test = tested.p.map(|p| SrmTest {
        chi_square: tested.chi_square,
        df: tested.df,
        p,
        e_value: e.value(),
        always_valid_p: e.p(),
    });
    let why_not = test
        .is_none()
        .then(|| "no subject was assigned at random yet".to_owned());

    let arm_results: Vec<ArmResult> = arms
        .iter()
        .zip(&known)
        .enumerate()
        .map(|(index, (arm, known))| {
            let always_valid = (index > 0 && counted[0].n > 0 && counted[index].n > 0).then(|| {
                let interval = sequential::interval(counted[0], counted[index], planned, 0.05);
                let interval = interval.expect("counts");
                DifferenceInterval {
                    difference: interval.difference,
                    low: interval.low,
                    high: interval.high,
                }
            });
            ArmResult {
                variant: arm.variant.to_owned(),
                name: arm.variant.to_owned(),
                is_control: index == 0,
                subjects: arm.subjects,
                starters: arm.starters,
                conversions: if metric.is_some() { arm.conversions } else { 0 },
                n: counted[index].n,
                rate: metric.and_then(|_| counted[index].rate()),
                posterior: metric.map(|_| ArmPosterior {
                    alpha: known.alpha,
                    beta: known.beta,
                    ci_low: known.ci_low,
                    ci_high: known.ci_high,
                    prob_best: known.prob_best,
                    expected_loss: known.expected_loss,
                    uplift: known.uplift.map(|uplift| Uplift {
                        mean: uplift.mean,
                        median: uplift.median,
                        low: uplift.low,
                        high: uplift.high,
                    }),
                    always_valid,
                }),
                exposures: Exposures {
                    events: arm.subjects * 3,
                    profiles: arm.subjects,
                    sessions: arm.subjects + arm.subjects / 2,
                    devices: arm.subjects + arm.subjects / 9,
                },
                configured_pct: arm.weight / weights.iter().sum::<f64>() * 100.0,
                observed_pct: (total > 0).then(|| arm.subjects as f64 / total as f64 * 100.0),
            }
        })
        .collect();
    let winner = arm_results
        .iter()
        .filter(|_| !floor.gathering && metric.is_some())
        .find(|arm| arm.posterior.is_some_and(|p| p.prob_best >= 0.95))
        .map_or_else(|| INCONCLUSIVE.to_owned(), |arm| arm.variant.clone());

    Results {
        experiment_id: uuid::Uuid::nil(),
        key: key.to_owned(),
        status: Status::Active,
        assignment_mode: AssignmentMode::Profile,
        auto_paused: false,
        computed_at: now(),
        data_as_of: (total > 0).then(|| now() - SignedDuration::from_secs(2)),
        query: ResultsQuery::default(),
        metric: metric.map(Metric::event),
        secondary: None,
        prior,
        arms: arm_results,
        winner,
        multi_variant_subjects: 0,
        forced_subjects: 0,
        outside_subjects: 0,
        unknown_variants: Vec::new(),
        srm: Srm {
            test,
            why_not,
            observed: counts.clone(),
            expected: tested
                .cohorts
                .first()
                .map(|c| c.expected.clone())
                .unwrap_or_default(),
            leaks: Vec::new(),
            alarm: tested.alarm,
            watch: None,
        },
        power: PowerFloor {
            events: floor.events,
            gathering: floor.gathering,
            needed: floor.needed,
        },
        series: series(&counts, 48),
        tracked: Vec::new(),
        segments: Breakdown {
            key: "country".to_owned(),
            rows: breakdown(
                &counts,
                &[
                    (Some("TH"), 31),
                    (Some("DE"), 24),
                    (Some("BR"), 18),
                    (Some("US"), 12),
                    (None, 9),
                    (Some("日本"), 6),
                ],
            ),
            more: 38,
        },
        properties: Breakdown {
            key: "category".to_owned(),
            rows: breakdown(
                &counts,
                &[(Some("shoes"), 44), (Some("hats"), 33), (Some(""), 23)],
            ),
            more: 0,
        },
    }
}

/// Each arm's subjects over `hours` hours up to now, with a day's rise and fall.
fn series(subjects: &[u64], hours: u64) -> Series {
    if subjects.iter().all(|n| *n == 0) {
        return Series {
            interval: Interval::Hour,
            points: Vec::new(),
        };
    }
    let end: Timestamp = "2026-11-18T02:00:00Z".parse().expect("a timestamp");
    let points = (0..hours).map(|hour| {
        let back = i64::try_from(hours - 1 - hour).expect("hours");
        let day = 60 + (hour % 24) * (24 - hour % 24);
        // The hour that has just begun has a few events only.
        let share = if hour + 1 == hours { 3 } else { day };
        SeriesPoint {
            at: end - SignedDuration::from_hours(back),
            counts: subjects
                .iter()
                .enumerate()
                .map(|(arm, n)| n * (share + (hour * 7 + arm as u64 * 13) % 29) / (hours * 140))
                .collect(),
        }
    });
    Series {
        interval: Interval::Hour,
        points: points.collect(),
    }
}

fn breakdown(subjects: &[u64], parts: &[(Option<&str>, u64)]) -> Vec<BreakdownRow> {
    let rows = parts.iter().map(|(value, percent)| BreakdownRow {
        value: value.map(str::to_owned),
        events: subjects.iter().map(|n| n * 3 * percent / 100).collect(),
        subjects: subjects.iter().map(|n| n * percent / 100).collect(),
    });
    rows.filter(|row| row.subjects.iter().any(|n| *n > 0)).collect()
}

/// The cookie-cats data at day 7.
pub fn cookie_cats() -> Results {
    let arms = [
        arm("gate_30", 44_700, 8_502, 50.0),
        arm("gate_40", 45_489, 8_279, 50.0),
    ];
    results("cookie-cats", Some("retention_7"), &arms)
}

/// A mismatch that cannot be overlooked.
pub fn srm() -> Results {
    let arms = [
        arm("control", 4_072, 212, 80.0),
        arm("treatment", 2_035, 118, 20.0),
    ];
    let mut results = results("search-ranking", Some("result_clicked"), &arms);
    results.multi_variant_subjects = 12;
    results.forced_subjects = 340;
    results.outside_subjects = 1_204;
    results.unknown_variants = vec![UnknownVariant {
        variant: "treatmnet".to_owned(),
        subjects: 7,
    }];
    results.srm.leaks = vec![UnknownVariant {
        variant: "holdback".to_owned(),
        subjects: 1,
    }];
    results
}

/// The guard has stopped it.
pub fn auto_paused() -> Results {
    let mut results = srm();
    results.status = Status::Paused;
    results.auto_paused = true;
    results
}

/// Too few to say anything.
pub fn gathering() -> Results {
    let arms = [arm("control", 61, 3, 50.0), arm("treatment", 52, 5, 50.0)];
    results("onboarding-copy", Some("signed_up"), &arms)
}

/// Exposures, and nothing to convert to.
pub fn no_metric() -> Results {
    let arms = [arm("control", 8_100, 0, 50.0), arm("treatment", 8_211, 0, 50.0)];
    results("pricing-page-v3", None, &arms)
}

/// Exposed, started, converted; and two tracked events.
pub fn two_steps() -> Results {
    let steps = |variant, subjects, starters, conversions| Counts {
        variant,
        subjects,
        starters: Some(starters),
        conversions,
        weight: 50.0,
    };
    let arms = [
        steps("control", 44_871, 12_040, 3_311),
        steps("one-page", 45_318, 12_398, 3_640),
    ];
    let mut results = results("checkout-cta", Some("purchase"), &arms);
    results.secondary = Some(Metric::event("checkout_started"));
    results.tracked = ["coupon_applied", "support_opened"]
        .into_iter()
        .zip([7_u64, 2])
        .map(|(event, percent)| TrackedResult {
            metric: Metric::event(event),
            events: arms.iter().map(|arm| arm.subjects * percent * 2 / 100).collect(),
            subjects: arms.iter().map(|arm| arm.subjects * percent / 100).collect(),
            series: series(&[44_871 * percent / 100, 45_318 * percent / 100], 24),
        })
        .collect();
    results
}

/// As many arms as the default limit allows.
pub fn four_arms() -> Results {
    let arms = [
        arm("control", 31_480, 1_574, 25.0),
        arm("blue", 31_611, 1_602, 25.0),
        arm("large-and-green", 31_502, 1_711, 25.0),
        arm("sticky", 31_333, 1_549, 25.0),
    ];
    results("button-colour", Some("clicked_button"), &arms)
}

/// Active, and nothing has come in.
pub fn nothing() -> Results {
    let arms = [arm("control", 0, 0, 50.0), arm("treatment", 0, 0, 50.0)];
    let mut results = results("fresh", Some("purchase"), &arms);
    results.power.gathering = true;
    results
}
