//! What is said in words: the summary written by rules, the effects of a step, the evidence of a mismatch.

use jiff::SignedDuration;
use splitdeck::api::results::{Interval, MultiVariant, Results, SeriesPoint, UnknownVariant};
use splitdeck::cockpit::evidence::{crossed_at, distribution, shares};
use splitdeck::cockpit::keymap::Keymap;
use splitdeck::cockpit::lifecycle::{Step, effects, held_back, replaced, unallocated};
use splitdeck::cockpit::state::overlay::StepDialog;
use splitdeck::domain::{Experiment, Percent, Status};
use splitdeck::insights::summary;

use crate::support::cockpit::{NOW, at, experiments, overviews, results};

fn said(experiment: &Experiment, results: &Results, title: &str) -> String {
    summary(experiment, results, at(NOW))
        .into_iter()
        .find(|paragraph| paragraph.title == title)
        .map(|paragraph| paragraph.text)
        .unwrap_or_default()
}

fn checkout() -> Experiment {
    experiments().remove(1)
}

/// Even shares, so that even counts pass the test of the split.
fn even() -> Experiment {
    let mut experiment = checkout();
    let half = Percent::new(50.0).expect("a share");
    experiment.variants[1].traffic_pct = half;
    experiment.cohorts[0].variants[1].split = half;
    experiment
}

#[test]
fn what_matters_most_is_said_first() {
    let auto_paused = experiments().remove(0);
    let draft = experiments().remove(3);
    let mut no_metric = even();
    no_metric.primary_metric = None;
    for (experiment, counts, says) in [
        (
            &auto_paused,
            [(58_735, 17_000), (29_367, 8_650)],
            "The guard paused this experiment",
        ),
        (
            &even(),
            [(58_735, 17_000), (29_367, 8_650)],
            "the arms are not comparable",
        ),
        (
            &even(),
            [(120, 20), (110, 30)],
            "Too early to tell: 230 subjects so far",
        ),
        (
            &even(),
            [(10_000, 1_000), (10_000, 1_300)],
            "treatment is the best with probability over 99.9 %",
        ),
        (&even(), [(10_000, 1_000), (10_000, 1_005)], "No winner"),
        (&even(), [(0, 0), (0, 0)], "No exposures yet"),
        (&draft, [(0, 0), (0, 0)], "This is a draft"),
        (
            &no_metric,
            [(10_000, 0), (10_000, 0)],
            "There is no primary metric",
        ),
    ] {
        let results = results(experiment, &counts);
        let text = said(experiment, &results, "In short");
        assert!(text.contains(says), "{says}: {text}");
    }
    let mut two_steps = results(&even(), &[(120, 20), (110, 30)]);
    for arm in &mut two_steps.arms {
        arm.starters = Some(arm.n);
    }
    let text = said(&even(), &two_steps, "In short");
    assert!(
        text.contains("230 subjects with the first of two steps so far"),
        "{text}"
    );
}

#[test]
fn the_numbers_are_those_of_the_results() {
    let experiment = even();
    let results = results(&experiment, &[(44_700, 8_502), (45_489, 8_279)]);
    let text = said(&experiment, &results, "Result");
    assert!(
        text.contains("8,502 of 44,700 converted, 19.02 % (95 % between 18.66 % and 19.39 %)"),
        "{text}"
    );
    let text = said(&experiment, &results, "Split");
    assert!(text.contains("p = 0.0086"), "{text}");
    let text = said(&experiment, &results, "Traffic");
    assert!(
        text.contains("90,189 subjects") && text.contains("6 days"),
        "{text}"
    );
}

#[test]
fn a_mismatch_names_the_arm_that_is_short() {
    let experiment = even();
    let results = results(&experiment, &[(6_000, 600), (5_000, 500)]);
    let text = said(&experiment, &results, "Split");
    assert!(text.contains("The test of the split fails"), "{text}");
    assert!(text.contains("treatment is short by about 500"), "{text}");
    assert!(said(&experiment, &results, "Next").contains("Pause it"));
}

#[test]
fn what_was_left_out_is_said() {
    let experiment = even();
    let mut results = results(&experiment, &[(10_000, 1_000), (10_000, 1_005)]);
    results.outside_subjects = 7;
    results.unknown_variants = vec![UnknownVariant {
        variant: "old".into(),
        subjects: 9,
    }];
    results.srm.leaks = vec![UnknownVariant {
        variant: "zero".into(),
        subjects: 4,
    }];
    let text = said(&experiment, &results, "Take care");
    for part in [
        "12 subjects saw more than one variant and are left out",
        "3 were put into their arm",
        "7 only saw the default",
        "9 carry the variant \"old\"",
        "4 were seen in zero",
        "no stopping rule",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    results.query.multi_variant = MultiVariant::FirstSeen;
    assert!(said(&experiment, &results, "Take care").contains("counted for the first"));
}

#[test]
fn a_sudden_silence_is_said() {
    let experiment = even();
    let mut results = results(&experiment, &[(10_000, 1_000), (10_000, 1_005)]);
    let counts = [100, 110, 90, 20, 3];
    results.series.interval = Interval::Hour;
    results.series.points = (0_i64..)
        .zip(counts)
        .map(|(n, count)| SeriesPoint {
            at: at(NOW) + SignedDuration::from_mins(60 * n - 270),
            counts: vec![count, 0],
        })
        .collect();
    let text = said(&experiment, &results, "Traffic");
    assert!(
        text.contains(
            "The last full hour had 20 exposures, 80 % fewer than the mean of those before it (100)"
        ),
        "{text}"
    );
}

#[test]
fn a_traffic_that_has_ended_is_not_compared() {
    let experiment = even();
    let mut results = results(&experiment, &[(10_000, 1_000), (10_000, 1_005)]);
    let mut traffic = |interval, seconds: i64, ended: i64, counts: &[u64]| {
        results.series.interval = interval;
        let first = at(NOW) - SignedDuration::from_secs(ended + seconds * counts.len() as i64);
        results.series.points = (0_i64..)
            .zip(counts)
            .map(|(n, count)| SeriesPoint {
                at: first + SignedDuration::from_secs(seconds * n),
                counts: vec![*count, 0],
            })
            .collect();
        said(&experiment, &results, "Traffic")
    };
    let text = traffic(Interval::Minute, 60, 185, &[260, 250, 262, 262]);
    assert!(
        text.contains("The last 3 full minutes had none; the newest are of "),
        "{text}"
    );
    // Other events may go on and make buckets of their own.
    let text = traffic(Interval::Minute, 60, 5, &[260, 250, 262, 262, 0]);
    assert!(text.contains("The last full minute had none"), "{text}");
    let text = traffic(Interval::Day, 86_400, 6 * 86_400, &[6_000, 6_100, 6_050, 6_098]);
    assert!(text.contains("The last 6 full days had none"), "{text}");
    // The newest bucket has just ended, or still fills.
    let text = traffic(Interval::Minute, 60, 30, &[100, 100, 100, 50]);
    assert!(
        text.contains("The last full minute had 50 exposures, 50 % fewer"),
        "{text}"
    );
    // A clock that is ahead makes buckets of its own, which have not begun.
    let ahead = [&[40; 8][..], &[0; 20][..], &[1][..]].concat();
    let text = traffic(Interval::Minute, 60, -21 * 60 - 30, &ahead);
    assert!(
        text.contains("The last full minute had 40 exposures, about as many"),
        "{text}"
    );
    let text = traffic(Interval::Minute, 60, -30, &[100, 100, 100, 50]);
    assert!(
        text.contains("The last full minute had 100 exposures, about as many"),
        "{text}"
    );
    // Days are those of the calendar of the zone, also where one has 25 hours.
    results.query.time_zone = "Europe/Berlin".into();
    results.series.interval = Interval::Day;
    results.series.points = ["2026-10-22", "2026-10-23", "2026-10-24", "2026-10-25"]
        .map(|day| {
            let day: jiff::civil::Date = day.parse().expect("a day");
            SeriesPoint {
                at: day.in_tz("Europe/Berlin").expect("a day").timestamp(),
                counts: vec![100, 0],
            }
        })
        .to_vec();
    let text = summary(&experiment, &results, at("2026-10-25T22:30:00Z"))
        .into_iter()
        .map(|paragraph| paragraph.text)
        .collect::<String>();
    assert!(text.contains("The last full day had 100 exposures"), "{text}");
}

#[test]
fn an_override_says_when_it_does_nothing() {
    let said = |status, winner: Option<&str>| {
        let mut experiment = checkout();
        experiment.status = status;
        experiment.winning_variant = winner.map(|key| key.parse().expect("a key"));
        held_back(&experiment).unwrap_or_default()
    };
    assert_eq!(said(Status::Active, None), "");
    for (status, winner, part) in [
        (Status::Draft, None, "nobody gets it before it is active"),
        (Status::Paused, None, "everybody sees control until it is resumed"),
        (
            Status::Completed,
            None,
            "everybody sees control, overrides or not",
        ),
        (
            Status::Completed,
            Some("treatment"),
            "everybody sees treatment, overrides or not",
        ),
        (Status::Ended, None, "changes nothing for anybody"),
        (Status::Archived, None, "changes nothing for anybody"),
    ] {
        let text = said(status, winner);
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_step_says_what_it_does() {
    let overview = &overviews()[1];
    let said = |step, experiment: Experiment, winner| {
        let mut dialog = StepDialog::new(step, experiment.into(), false, at(NOW));
        dialog.winner = winner;
        effects(&dialog, Some(overview), None, None, &Keymap::default()).join("\n")
    };
    let draft = experiments().remove(3);
    let text = said(Step::Activate, draft, 0);
    assert!(text.contains("50.00 % of the subjects see treatment"), "{text}");
    assert!(text.contains("no primary metric"), "{text}");
    // The holdout is taken out before anybody is drawn.
    let mut draft = experiments().remove(3);
    draft.holdout_pct = Percent::new(20.0).expect("a share");
    let text = said(Step::Activate, draft, 0);
    for part in [
        "The holdout, 20.00 % of the subjects, always sees control",
        "40.00 % of the subjects see control by the split, and 20.00 % as the holdout.",
        "40.00 % of the subjects see treatment.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = said(Step::Pause, checkout(), 0);
    assert!(
        text.contains("Everybody sees control until it is resumed"),
        "{text}"
    );
    assert!(
        text.contains("stop seeing treatment") && !text.contains("stop seeing control"),
        "{text}"
    );
    let text = said(Step::Complete, checkout(), 2);
    assert!(text.contains("Everybody sees treatment"), "{text}");
    assert!(text.contains("stop seeing control"), "{text}");
    // Nobody loses what nobody sees.
    let mut paused = checkout();
    paused.status = Status::Paused;
    assert!(!said(Step::Complete, paused, 2).contains("stop seeing"));
    assert_eq!(unallocated(&checkout()).as_deref(), Some("10.00"));
    assert_eq!(unallocated(&even()), None);
}

#[test]
fn a_winner_says_what_people_stop_seeing() {
    let overview = &overviews()[1];
    let mut experiment = checkout();
    assert_eq!(
        replaced(&experiment, "treatment", Some(overview)),
        [
            "49.00 % of the subjects stop seeing control (about 7,160 subjects/day).",
            "The holdout, 2.00 % of the subjects, stops seeing control.",
            "9.80 % of the subjects are unallocated, and stop seeing control.",
        ]
    );
    assert_eq!(
        replaced(&experiment, "control", None),
        ["39.20 % of the subjects stop seeing treatment."]
    );
    // While it is paused everybody sees the default, whatever the shares are.
    experiment.status = Status::Paused;
    assert_eq!(
        replaced(&experiment, "treatment", Some(overview)),
        ["It is paused: everybody sees control now, and stops seeing it."]
    );
    assert_eq!(
        replaced(&experiment, "control", None),
        ["It is paused: everybody sees control already, and goes on seeing it."]
    );
}

#[test]
fn a_changed_split_is_compared_with_what_each_was_drawn_by() {
    let experiment = even();
    let mut results = results(&experiment, &[(4_600, 500), (1_400, 100)]);
    // 4,000 at 90/10, then 2,000 at 50/50.
    results.srm.observed = vec![4_600, 1_400];
    results.srm.expected = vec![4_600.0, 1_400.0];
    let ramp = distribution(&results);
    assert!(!ramp.is_as_configured);
    for (expected, observed) in ramp.arms {
        assert!((expected - observed.expect("subjects")).abs() < 1e-9);
    }
    results.srm.expected = vec![3_000.0, 3_000.0];
    let now = distribution(&results);
    assert!(now.is_as_configured);
    assert!(
        (now.arms[0].0 - 50.0).abs() < 1e-9 && (now.arms[0].1.expect("subjects") - 76.666_666).abs() < 1e-4
    );
    // Nobody yet: the shares are those that are configured.
    results.srm.observed = vec![0, 0];
    results.srm.expected = vec![0.0, 0.0];
    assert_eq!(distribution(&results).arms[0].0, 50.0);
}

#[test]
fn the_moment_of_a_mismatch_is_when_it_began_to_stay() {
    let experiment = even();
    let mut results = results(&experiment, &[(5_000, 500), (4_000, 400)]);
    let series = |counts: &[(u64, u64)]| -> Vec<SeriesPoint> {
        (0_i64..)
            .zip(counts)
            .map(|(n, (a, b))| SeriesPoint {
                at: at("2026-11-18T00:00:00Z") + SignedDuration::from_hours(n),
                counts: vec![*a, *b],
            })
            .collect()
    };
    // Skewed at first, then even for long, then skewed for good.
    results.series.points = series(&[(90, 10), (500, 590), (1_000, 990), (900, 300), (900, 300)]);
    assert_eq!(
        crossed_at(&experiment, &results, None),
        Some(at("2026-11-18T03:00:00Z"))
    );
    let later = at("2030-01-01T00:00:00Z");
    assert_eq!(
        crossed_at(&experiment, &results, Some(later)),
        None,
        "nothing was counted since"
    );
    results.series.points = series(&[(90, 10), (500, 590), (1_000, 990)]);
    assert_eq!(crossed_at(&experiment, &results, None), None);
    results.series.points = Vec::new();
    assert_eq!(crossed_at(&experiment, &results, None), None);
    let shares = shares(&results, &results.srm);
    assert!(
        (shares[0].0 - 0.5).abs() < 1e-9 && (shares[0].1 - 5.0 / 9.0).abs() < 1e-9,
        "{shares:?}"
    );
}

/// A ramp that is right is no mismatch, and one that goes wrong later went wrong later.
#[test]
fn the_moment_of_a_mismatch_is_told_for_each_split() {
    let mut experiment = even();
    let share = |n: f64| Percent::new(n).expect("a share");
    let mut first = experiment.cohorts[0].clone();
    first.created_at = at("2026-11-18T00:10:00Z");
    first.variants[0].split = share(90.0);
    first.variants[1].split = share(10.0);
    let mut second = experiment.cohorts[0].clone();
    second.index = 2;
    second.created_at = at("2026-11-18T02:30:00Z");
    experiment.cohorts = vec![first, second];
    let mut results = results(&experiment, &[(9_000, 2_800), (4_000, 400)]);
    let points = |counts: &[(u64, u64)]| -> Vec<SeriesPoint> {
        let hours = (0_i64..).zip(counts);
        hours
            .map(|(n, (a, b))| SeriesPoint {
                at: at("2026-11-18T00:00:00Z") + SignedDuration::from_hours(n),
                counts: vec![*a, *b],
            })
            .collect()
    };
    // In the third hour both splits were in force.
    let right = [(4_500, 500), (4_510, 490), (3_000, 900), (1_000, 1_010)];
    results.series.points = points(&right);
    assert_eq!(crossed_at(&experiment, &results, None), None);
    let wrong = [&right[..], &[(1_500, 900), (1_500, 900)]].concat();
    results.series.points = points(&wrong);
    assert_eq!(
        crossed_at(&experiment, &results, None),
        Some(at("2026-11-18T04:00:00Z"))
    );
    // Who is remembered keeps what the first split gave: the events of later hours are of both.
    experiment.sticky = true;
    assert_eq!(crossed_at(&experiment, &results, None), None);
}
