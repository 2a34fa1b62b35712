//! The results of the real engine against a naive model of what they mean, on random events: permuted,
//! repeated, late, in several variants, cohorts and steps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use splitdeck::api::results::{Breakdown, Interval, MultiVariant, Overview, Results, ResultsQuery};
use splitdeck::domain::{AssignmentMode, Experiment, Filter, Metric, Operator, SubjectType};
use splitdeck::stats::{sequential, srm};
use uuid::Uuid;

use super::world::{Event, HOUR, MINUTE, SECOND, T0, World, cases, cohort, experiment};
use crate::support::engine;
use crate::support::line::{FAST, Line};
use crate::support::tables::ask;

const NAMES: [&str; 3] = ["view", "add", "buy"];
const REASONS: [&str; 13] = [
    "",
    "allocation",
    "allocation",
    "sticky",
    "override",
    "rule",
    "holdout",
    "unallocated",
    "experiment_inactive",
    "experiment_ended",
    "winner",
    "flag_disabled",
    "of_a_later_version",
];
const VARIANTS: [&str; 5] = ["control", "treatment", "TREATMENT", "Third", "ghost"];
/// Nothing was decided, or everything was decided already.
const OUTSIDE: [&str; 5] = [
    "unallocated",
    "experiment_inactive",
    "experiment_ended",
    "winner",
    "flag_disabled",
];
const COHORT_2: i64 = T0 + HOUR;

// ---------------------------------------------------------------------------------------------------------
// Random experiments and events

#[derive(Debug, Clone)]
struct Case {
    mode: &'static str,
    subject: &'static str,
    sticky: bool,
    primary: Option<usize>,
    secondary: Option<usize>,
    cohorts: usize,
    first_seen: bool,
    days: (Option<i8>, Option<i8>),
    interval: Interval,
    /// Stored in this order; what is stored again comes after it.
    events: Vec<Raw>,
    again: Vec<prop::sample::Index>,
    /// Sent later with the id of another one.
    changed: Vec<(prop::sample::Index, Raw)>,
}

#[derive(Debug, Clone)]
struct Raw {
    name: usize,
    at: i64,
    late: bool,
    profile: u8,
    device: u8,
    session: u8,
    plan: u8,
    customer: u8,
    attribution: Option<(usize, usize, u32)>,
}

fn raw() -> impl Strategy<Value = Raw> {
    // Few moments, so that many events share one; and a few days, for windows.
    let at = prop_oneof![
        4 => (0_i64..20).prop_map(|s| s * SECOND),
        2 => (0_i64..100).prop_map(|m| m * MINUTE),
        1 => (-30_i64..60).prop_map(|h| h * HOUR),
    ];
    let attribution = prop::option::weighted(0.6, (0..VARIANTS.len(), 0..REASONS.len(), 0_u32..4));
    let ids = (0_u8..5, 0_u8..3, 0_u8..4);
    (
        0..NAMES.len(),
        at,
        any::<bool>(),
        ids,
        0_u8..4,
        0_u8..5,
        attribution,
    )
        .prop_map(
            |(name, at, late, (profile, device, session), plan, customer, attribution)| Raw {
                name,
                at,
                late,
                profile,
                device,
                session,
                plan,
                customer,
                attribution,
            },
        )
}

fn case() -> impl Strategy<Value = Case> {
    let kind = (
        prop::sample::select(&["profile", "profile", "session", "event"][..]),
        prop::sample::select(&["ANY", "ANY", "customer", "group:org"][..]),
        any::<bool>(),
    );
    // Metrics, by position in `metrics()`.
    let metrics = (
        prop::option::weighted(0.9, 0..METRICS),
        prop::option::of(0..METRICS),
    );
    let query = (
        any::<bool>(),
        prop::option::of(14_i8..16),
        prop::option::of(15_i8..17),
    );
    let interval = prop::sample::select(Interval::ALL.to_vec());
    (
        kind,
        metrics,
        1_usize..4,
        query,
        interval,
        prop::collection::vec(raw(), 0..50),
        prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        prop::collection::vec((any::<prop::sample::Index>(), raw()), 0..10),
    )
        .prop_map(
            |(
                (mode, subject, sticky),
                (primary, secondary),
                cohorts,
                (first_seen, start, end),
                interval,
                events,
                again,
                changed,
            )| Case {
                mode,
                subject,
                sticky,
                primary,
                secondary,
                cohorts,
                first_seen,
                days: (start, end),
                interval,
                events,
                again,
                changed,
            },
        )
}

/// How many metrics there are to choose from.
const METRICS: usize = 5;

fn metric(at: usize) -> Metric {
    let filtered = |event: &str, operator, value: &str| Metric {
        event: event.into(),
        filters: vec![Filter {
            field: "plan".into(),
            operator,
            value: value.into(),
        }],
    };
    match at {
        0 => Metric::event("buy"),
        1 => Metric::event("add"),
        2 => filtered("buy", Operator::IsNot, "p1"),
        3 => filtered("buy", Operator::IsNotNull, ""),
        _ => filtered("view", Operator::EndsWith, "2"),
    }
}

impl Case {
    /// Some of the events of each of many people, so that there is enough to infer from.
    fn crowd(&self, experiment: &Experiment, many: usize) -> Vec<Event> {
        let once = self.events(experiment);
        let mut random = fastrand::Rng::with_seed(7);
        (0..many)
            .flat_map(|n| {
                let some = once.iter().filter(|_| random.u8(..8) == 0);
                let some: Vec<&Event> = some.collect();
                some.into_iter().map(move |event| {
                    let another = |id: &str| match id {
                        "" => String::new(),
                        id => format!("{id}-{n}"),
                    };
                    let mut event = Event {
                        id: Uuid::new_v4(),
                        profile: another(&event.profile),
                        device: another(&event.device),
                        session: another(&event.session),
                        ..event.clone()
                    };
                    for (key, value) in &mut event.props {
                        if key != "plan" {
                            *value = value.replace('c', &format!("c{n}-"));
                        }
                    }
                    let subject = subject(experiment, &event).unwrap_or_default();
                    event
                        .attributed
                        .iter_mut()
                        .for_each(|a| a.subject.clone_from(&subject));
                    event
                })
            })
            .collect()
    }

    fn experiment(&self) -> Experiment {
        let shares = [
            [("control", 0.5), ("treatment", 0.3), ("third", 0.2)],
            [("control", 0.4), ("treatment", 0.4), ("third", 0.2)],
            [("control", 0.5), ("treatment", 0.5), ("third", 0.0)],
        ];
        let starts = [T0 - 48 * HOUR, COHORT_2, COHORT_2 + HOUR];
        let cohorts: Vec<Value> = (0..self.cohorts)
            .map(|at| cohort(at as u32 + 1, &instant(starts[at]).to_string(), &shares[at]))
            .collect();
        let mut fields = json!({
            "assignmentMode": self.mode,
            "subjectType": self.subject,
            "sticky": self.sticky,
            "variants": [
                {"key": "control", "isControl": true, "trafficPct": 50},
                {"key": "treatment", "trafficPct": 30, "orderIndex": 1},
                {"key": "Third", "trafficPct": 20, "orderIndex": 2},
            ],
            "cohorts": cohorts,
            "primaryMetric": self.primary.map(metric),
            "trackedEvents": [metric(1), metric(3)],
        });
        if let Some(secondary) = self.secondary {
            let secondary = metric(secondary);
            fields["secondaryEvent"] =
                json!({"event": secondary.event, "filters": secondary.filters, "enabled": true});
        }
        experiment(fields)
    }

    fn query(&self) -> ResultsQuery {
        let day = |day: i8| jiff::civil::date(2026, 1, day);
        ResultsQuery {
            start: self.days.0.map(day),
            end: self.days.1.map(day),
            interval: Some(self.interval),
            segment_key: "plan".into(),
            property_key: "event".into(),
            multi_variant: if self.first_seen {
                MultiVariant::FirstSeen
            } else {
                MultiVariant::Exclude
            },
            ..ResultsQuery::default()
        }
    }

    /// The events as ingestion would make them.
    fn events(&self, experiment: &Experiment) -> Vec<Event> {
        let with_new_id = |raw| Self::event(experiment, raw, Uuid::new_v4());
        self.events.iter().map(with_new_id).collect()
    }

    /// Events whose ids were seen before, with whatever else: no two of them need to be the same.
    fn changed(&self, experiment: &Experiment, events: &[Event]) -> Vec<Event> {
        let changed = self.changed.iter();
        changed
            .map(|(at, raw)| Self::event(experiment, raw, at.get(events).id))
            .collect()
    }

    fn event(experiment: &Experiment, raw: &Raw, event_id: Uuid) -> Event {
        {
            let id = |prefix: &str, n: u8| match n {
                0 => String::new(),
                n => format!("{prefix}{n}"),
            };
            let mut event = Event {
                id: event_id,
                name: NAMES[raw.name].into(),
                ts: T0 + raw.at,
                ingested_at: T0 + raw.at + if raw.late { 24 * HOUR } else { 0 },
                profile: id("p", raw.profile),
                device: id("d", raw.device),
                session: id("s", raw.session),
                ..Event::default()
            };
            if raw.plan > 0 {
                event = event.with("plan", &format!("p{}", raw.plan));
            }
            if raw.customer > 0 {
                let customer = format!("c{}", raw.customer);
                // A group comes in each of the ways that attribution reads.
                event = match raw.customer {
                    1 => event.with("groups", &json!({"org": customer}).to_string()),
                    2 => event.with("$groups", &json!({"org": ["", customer, "x"]}).to_string()),
                    3 => event.with("org", &customer),
                    _ => event.with("org", &json!([customer]).to_string()),
                };
                event = event.with("customer", &customer);
            }
            let subject = subject(experiment, &event);
            if let (Some((variant, reason, cohort)), Some(subject)) = (raw.attribution, subject) {
                event = event.attributed(experiment, VARIANTS[variant], REASONS[reason], cohort, &subject);
            }
            event
        }
    }
}

fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).expect("an instant")
}

// ---------------------------------------------------------------------------------------------------------
// The model

/// Who an event belongs to.
fn subject(experiment: &Experiment, event: &Event) -> Option<String> {
    let given = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    match (&experiment.subject_type, experiment.assignment_mode) {
        (SubjectType::Any, AssignmentMode::Profile) => given(&event.profile).or(given(&event.device)),
        (SubjectType::Any, AssignmentMode::Session) => given(&event.session),
        (SubjectType::Any, AssignmentMode::Event) => Some(event.id.to_string()),
        // Both are written from the same number, so the property says them all.
        (SubjectType::Named(_) | SubjectType::Group(_), _) => event.props.get("customer").cloned(),
    }
}

fn matches(metric: &Metric, event: &Event) -> bool {
    event.name == metric.event
        && metric.filters.iter().all(|f| {
            f.operator
                .matches(event.props.get(&f.field).map(String::as_str), &f.value)
        })
}

fn arm_of(experiment: &Experiment, variant: &str) -> usize {
    experiment
        .variants
        .iter()
        .position(|v| v.key.as_str().eq_ignore_ascii_case(variant))
        .unwrap_or(63)
}

#[derive(Debug, Clone, PartialEq)]
struct Subject {
    arm: usize,
    first: i64,
    kind: u8,
    cohort: usize,
    multi: bool,
    starter: bool,
    converted: bool,
}

struct Model<'a> {
    experiment: &'a Experiment,
    /// Everything in the window, each event once.
    events: Vec<&'a Event>,
    subjects: BTreeMap<String, Subject>,
    outside: BTreeSet<String>,
    first_seen: bool,
}

impl<'a> Model<'a> {
    fn new(case: &Case, experiment: &'a Experiment, events: &'a [Event]) -> Self {
        let day_start = |day: i8| T0 + i64::from(day - 15) * 24 * HOUR;
        let in_window = |e: &&Event| {
            case.days.0.is_none_or(|day| e.ts >= day_start(day))
                && case.days.1.is_none_or(|day| e.ts < day_start(day + 1))
        };
        let mut model = Self {
            experiment,
            events: events.iter().filter(in_window).collect(),
            subjects: BTreeMap::new(),
            outside: BTreeSet::new(),
            first_seen: case.first_seen,
        };
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for event in &model.events {
            seen.extend(event.attributed.iter().map(|a| a.subject.clone()));
        }
        for id in seen {
            match model.subject(&id) {
                Some(subject) => drop(model.subjects.insert(id, subject)),
                None => drop(model.outside.insert(id)),
            }
        }
        model
    }

    /// The rows of the experiment that take part: event, variant's arm, kind of assignment, cohort.
    fn rows(&self) -> impl Iterator<Item = (&'a Event, &'a str, usize, u8, u32)> {
        let experiment = self.experiment;
        self.events.iter().flat_map(move |event| {
            event
                .attributed
                .iter()
                .filter(|a| !OUTSIDE.contains(&a.reason.as_str()))
                .map(move |a| {
                    let kind = match a.reason.as_str() {
                        "" if experiment.sticky => 3,
                        "" | "allocation" => 0,
                        "override" | "rule" => 1,
                        "sticky" => 3,
                        _ => 2,
                    };
                    (
                        *event,
                        a.subject.as_str(),
                        arm_of(experiment, &a.variant),
                        kind,
                        a.cohort,
                    )
                })
        })
    }

    fn subject(&self, id: &str) -> Option<Subject> {
        let rows: Vec<_> = self.rows().filter(|row| row.1 == id).collect();
        let (event, _, arm, kind, cohort) = rows.iter().min_by_key(|r| (r.0.ts, r.2, r.3, r.4))?;
        let first = event.ts;
        let cohorts = &self.experiment.cohorts;
        let named = cohorts.iter().position(|c| c.index == *cohort);
        let held = cohorts
            .iter()
            .filter(|c| c.created_at.as_millisecond() <= first)
            .count()
            .saturating_sub(1);
        let later = |metric: &Metric| -> Vec<&Event> {
            self.candidates(id)
                .into_iter()
                .filter(|e| e.ts >= first && matches(metric, e))
                .collect()
        };
        let (mut starter, mut converted) = (false, false);
        if let Some(primary) = &self.experiment.primary_metric {
            match &self.experiment.secondary_event {
                None => converted = !later(primary).is_empty(),
                Some(secondary) => {
                    let starts = later(&secondary.metric);
                    starter = !starts.is_empty();
                    // In event mode there is no other event of the same draw.
                    converted = self.experiment.assignment_mode != AssignmentMode::Event
                        && later(primary)
                            .iter()
                            .any(|p| starts.iter().any(|s| s.id != p.id && s.ts <= p.ts));
                }
            }
        }
        Some(Subject {
            arm: *arm,
            first,
            kind: *kind,
            cohort: named.unwrap_or(held),
            multi: rows.iter().any(|r| r.2 != *arm),
            starter,
            converted,
        })
    }

    /// The rows of a subject's first exposure: several, where they say the same of all that the first one is told by.
    fn first_rows(&self, id: &str) -> Vec<(&'a Event, &'a str, usize, u8, u32)> {
        let rows: Vec<_> = self.rows().filter(|row| row.1 == id).collect();
        let first = rows.iter().map(|r| (r.0.ts, r.2, r.3, r.4)).min();
        rows.into_iter()
            .filter(|r| Some((r.0.ts, r.2, r.3, r.4)) == first)
            .collect()
    }

    /// Events that may be a metric of the subject.
    fn candidates(&self, id: &str) -> Vec<&'a Event> {
        if self.experiment.assignment_mode == AssignmentMode::Event {
            return self.rows().filter(|row| row.1 == id).map(|row| row.0).collect();
        }
        let is_of = |e: &&&Event| subject(self.experiment, e).as_deref() == Some(id);
        self.events.iter().filter(is_of).copied().collect()
    }

    /// Subjects that are counted for an arm.
    fn counted(&self, arm: usize) -> impl Iterator<Item = (&String, &Subject)> {
        self.subjects
            .iter()
            .filter(move |(_, s)| s.arm == arm && (self.first_seen || !s.multi))
    }
}

fn bucket(interval: Interval, millis: i64) -> Timestamp {
    let at = instant(millis).to_zoned(TimeZone::UTC);
    let day = at.start_of_day().expect("a day");
    match interval {
        Interval::Minute => instant(millis.div_euclid(MINUTE) * MINUTE),
        Interval::Hour => instant(millis.div_euclid(HOUR) * HOUR),
        Interval::Day => day.timestamp(),
        Interval::Week => {
            let since_monday = i64::from(day.weekday().to_monday_zero_offset());
            day.checked_sub(since_monday.days()).expect("a day").timestamp()
        }
    }
}

// ---------------------------------------------------------------------------------------------------------
// Comparison

fn compare(
    case: &Case,
    experiment: &Experiment,
    events: &[Event],
    results: &Results,
    hashes: &BTreeMap<Option<String>, u64>,
) -> Result<(), TestCaseError> {
    let model = Model::new(case, experiment, events);
    let two_steps = case.primary.is_some() && case.secondary.is_some();
    let count = |number: usize| number as u64;
    let distinct = |values: Vec<&str>| {
        let values: BTreeSet<&str> = values.into_iter().filter(|v| !v.is_empty()).collect();
        values.len() as u64
    };
    for (at, arm) in results.arms.iter().enumerate() {
        let counted: Vec<&Subject> = model.counted(at).map(|(_, s)| s).collect();
        let starters = count(counted.iter().filter(|s| s.starter).count());
        prop_assert_eq!(arm.subjects, count(counted.len()), "subjects of {}", at);
        prop_assert_eq!(arm.starters, two_steps.then_some(starters), "starters of {}", at);
        prop_assert_eq!(
            arm.conversions,
            count(counted.iter().filter(|s| s.converted).count()),
            "conversions of {}",
            at
        );
        prop_assert_eq!(arm.n, if two_steps { starters } else { arm.subjects });

        let rows: Vec<&Event> = model.rows().filter(|r| r.2 == at).map(|r| r.0).collect();
        prop_assert_eq!(arm.exposures.events, count(rows.len()));
        prop_assert_eq!(
            arm.exposures.profiles,
            distinct(rows.iter().map(|e| e.profile.as_str()).collect())
        );
        prop_assert_eq!(
            arm.exposures.sessions,
            distinct(rows.iter().map(|e| e.session.as_str()).collect())
        );
        prop_assert_eq!(
            arm.exposures.devices,
            distinct(rows.iter().map(|e| e.device.as_str()).collect())
        );
    }
    let subjects = || model.subjects.values();
    prop_assert_eq!(
        results.multi_variant_subjects,
        count(subjects().filter(|s| s.multi).count())
    );
    prop_assert_eq!(results.outside_subjects, count(model.outside.len()));
    let forced = (0..3)
        .flat_map(|arm| model.counted(arm))
        .filter(|(_, s)| s.kind == 1);
    prop_assert_eq!(results.forced_subjects, count(forced.count()));
    let ghosts: BTreeSet<&str> = model.rows().filter(|r| r.2 == 63).map(|r| r.1).collect();
    let unknown: u64 = results.unknown_variants.iter().map(|u| u.subjects).sum();
    prop_assert_eq!(unknown, count(ghosts.len()));
    let ingested = model
        .events
        .iter()
        .filter(|e| !e.attributed.is_empty())
        .map(|e| e.ingested_at);
    prop_assert_eq!(results.data_as_of, ingested.max().map(instant));
    sample_ratio(experiment, &model, results)?;
    series(case, &model, results)?;
    tracked(&model, results)?;
    let plan = |e: &Event| e.props.get("plan").cloned();
    let segment = |id: &str| {
        let first = model.first_rows(id).into_iter().map(|row| plan(row.0));
        first.min_by_key(|plan| hashes[plan]).into_iter().collect()
    };
    breakdown(&model, &results.segments, plan, segment)?;
    let name = |e: &Event| Some(e.name.clone());
    let names = |id: &str| {
        model
            .rows()
            .filter(|row| row.1 == id)
            .map(|row| name(row.0))
            .collect()
    };
    breakdown(&model, &results.properties, name, names)
}

fn sample_ratio(experiment: &Experiment, model: &Model<'_>, results: &Results) -> Result<(), TestCaseError> {
    let (mut observed, mut leaks, mut log_e) = (vec![0; 3], BTreeMap::new(), 0.0);
    let mut cohorts = Vec::new();
    for (at, cohort) in experiment.cohorts.iter().enumerate() {
        let weights: Vec<f64> = cohort.variants.iter().map(|v| v.split.fraction()).collect();
        let mut counts = vec![0_u64; 3];
        for s in model.subjects.values() {
            let drawn = s.kind == 0 || (s.kind == 3 && at == 0);
            if drawn && s.cohort == at && s.arm < 3 {
                counts[s.arm] += 1;
            }
        }
        for arm in 0..3 {
            if weights[arm] > 0.0 {
                observed[arm] += counts[arm];
            } else if counts[arm] > 0 {
                *leaks.entry(experiment.variants[arm].key.to_string()).or_insert(0) += counts[arm];
            }
        }
        log_e += sequential::e_value(&counts, &weights).expect("an E").log;
        cohorts.push(srm::Cohort { counts, weights });
    }
    let expected = srm::test(&cohorts).expect("a test");
    prop_assert_eq!(&results.srm.observed, &observed);
    let leaked: BTreeMap<String, u64> = results
        .srm
        .leaks
        .iter()
        .map(|l| (l.variant.clone(), l.subjects))
        .collect();
    prop_assert_eq!(leaked, leaks);
    prop_assert_eq!(results.srm.test.map(|t| t.p), expected.p);
    prop_assert_eq!(results.srm.test.is_none(), results.srm.why_not.is_some());
    if let Some(test) = results.srm.test {
        let e = log_e.exp();
        prop_assert!((test.e_value / e - 1.0).abs() < 1e-9, "{} {}", test.e_value, e);
    }
    Ok(())
}

fn series(case: &Case, model: &Model<'_>, results: &Results) -> Result<(), TestCaseError> {
    let interval = results.series.interval;
    // Too many buckets make it coarser, nothing else does.
    let minutes = |e: &&Event| e.ts.div_euclid(MINUTE);
    let span = model.events.iter().map(minutes).max().unwrap_or(0)
        - model.events.iter().map(minutes).min().unwrap_or(0);
    prop_assert!(interval == case.interval || (case.interval == Interval::Minute && span >= 2_000));
    let mut expected: BTreeMap<Timestamp, Vec<u64>> = BTreeMap::new();
    for (event, _, arm, ..) in model.rows().filter(|row| row.2 < 3) {
        expected
            .entry(bucket(results.series.interval, event.ts))
            .or_insert_with(|| vec![0; 3])[arm] += 1;
    }
    let points = &results.series.points;
    for pair in points.windows(2) {
        let (this, next) = (pair[0].at, pair[1].at);
        let after = match interval {
            Interval::Minute => this + 1.minutes(),
            Interval::Hour => this + 1.hours(),
            Interval::Day => this + 24.hours(),
            Interval::Week => this + 168.hours(),
        };
        prop_assert_eq!(next, after, "no gaps");
    }
    let got: BTreeMap<Timestamp, Vec<u64>> = points
        .iter()
        .filter(|p| p.counts.iter().any(|n| *n > 0))
        .map(|p| (p.at, p.counts.clone()))
        .collect();
    prop_assert_eq!(got, expected);
    Ok(())
}

fn tracked(model: &Model<'_>, results: &Results) -> Result<(), TestCaseError> {
    for tracked in &results.tracked {
        let (mut events, mut subjects) = (vec![0; 3], vec![0; 3]);
        let mut over_time: BTreeMap<Timestamp, Vec<u64>> = BTreeMap::new();
        // An event counts for the variant that its subject is counted for.
        for arm in 0..3 {
            let mut of_arm: Vec<(&str, &Event)> = Vec::new();
            for (id, subject) in model.counted(arm) {
                let later = model.candidates(id).into_iter().filter(|e| e.ts >= subject.first);
                of_arm.extend(later.map(|e| (id.as_str(), e)));
            }
            of_arm.retain(|(_, e)| matches(&tracked.metric, e));
            events[arm] = of_arm.len() as u64;
            subjects[arm] = of_arm.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len() as u64;
            for (_, event) in &of_arm {
                over_time
                    .entry(bucket(results.series.interval, event.ts))
                    .or_insert_with(|| vec![0; 3])[arm] += 1;
            }
        }
        prop_assert_eq!(&tracked.events, &events);
        prop_assert_eq!(&tracked.subjects, &subjects);
        let got: BTreeMap<Timestamp, Vec<u64>> = tracked
            .series
            .points
            .iter()
            .filter(|p| p.counts.iter().any(|n| *n > 0))
            .map(|p| (p.at, p.counts.clone()))
            .collect();
        prop_assert_eq!(got, over_time);
        let axis = |s: &splitdeck::api::results::Series| s.points.iter().map(|p| p.at).collect::<Vec<_>>();
        prop_assert_eq!(axis(&tracked.series), axis(&results.series), "one axis");
    }
    Ok(())
}

/// `value` of an event; and the values of a subject.
fn breakdown(
    model: &Model<'_>,
    breakdown: &Breakdown,
    value: impl Fn(&Event) -> Option<String>,
    values: impl Fn(&str) -> BTreeSet<Option<String>>,
) -> Result<(), TestCaseError> {
    let mut expected: BTreeMap<Option<String>, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
    let none = || (vec![0; 3], vec![0; 3]);
    for (event, _, arm, ..) in model.rows().filter(|row| row.2 < 3) {
        expected.entry(value(event)).or_insert_with(none).0[arm] += 1;
    }
    for arm in 0..3 {
        for (id, _) in model.counted(arm) {
            for value in values(id) {
                // A value that only events of unknown variants have is not listed.
                if let Some(row) = expected.get_mut(&value) {
                    row.1[arm] += 1;
                }
            }
        }
    }
    let got: BTreeMap<Option<String>, (Vec<u64>, Vec<u64>)> = breakdown
        .rows
        .iter()
        .map(|row| (row.value.clone(), (row.events.clone(), row.subjects.clone())))
        .collect();
    prop_assert_eq!(got, expected);
    prop_assert_eq!(breakdown.more, 0);
    let totals: Vec<u64> = breakdown.rows.iter().map(|r| r.events.iter().sum()).collect();
    prop_assert!(totals.is_sorted_by(|a, b| a >= b), "most first: {:?}", totals);
    Ok(())
}

/// What ClickHouse makes of the plans, which decides where a first exposure has several.
async fn hashes_of_plans() -> BTreeMap<Option<String>, u64> {
    let world = World::new().await;
    let mut hashes = BTreeMap::new();
    for plan in [None, Some("p1"), Some("p2"), Some("p3"), Some("p4")] {
        let sql = format!(
            "SELECT cityHash64({}, '{}')",
            u8::from(plan.is_none()),
            plan.unwrap_or_default()
        );
        let hash = ask(&world.owner, &sql).await.parse().expect("a number");
        hashes.insert(plan.map(str::to_owned), hash);
    }
    hashes
}

#[test]
fn results_are_those_of_the_model() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(cases(60));
    let hashes = runtime.block_on(hashes_of_plans());
    let outcome = runner.run(&case(), |case| {
        runtime.block_on(async {
            let world = World::new().await;
            let experiment = case.experiment();
            let events = case.events(&experiment);
            world.take(&events).await;
            if !events.is_empty() {
                let again: Vec<Event> = case.again.iter().map(|at| at.get(&events).clone()).collect();
                world.insert(&again).await;
                world.take(&case.changed(&experiment, &events)).await;
            }
            let results = world.results(&experiment, &case.query()).await;
            compare(&case, &experiment, &events, &results, &hashes)
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Many experiments of one project: all shapes of metrics, modes, subjects and lifecycles, and each of these with the
/// same metric as others and with one of its own.
fn many_cases() -> Vec<(Case, Value)> {
    let mut runner = TestRunner::deterministic();
    let mut case = |mode, subject, primary, secondary, cohorts| {
        let events = prop::collection::vec(raw(), 40..60);
        Case {
            mode,
            subject,
            sticky: false,
            primary,
            secondary,
            cohorts,
            first_seen: false,
            days: (None, None),
            interval: Interval::Hour,
            events: events.new_tree(&mut runner).expect("events").current(),
            again: Vec::new(),
            changed: Vec::new(),
        }
    };
    let mut all = Vec::new();
    for (mode, subject) in [
        ("profile", "ANY"),
        ("profile", "group:org"),
        ("session", "ANY"),
        ("event", "ANY"),
    ] {
        for (primary, secondary, cohorts, change) in [
            (None, None, 1, json!({"status": "draft", "cohorts": []})),
            (None, Some(1), 2, json!({"status": "paused"})),
            (Some(0), None, 1, json!({})),
            (Some(0), None, 3, json!({"sticky": true})),
            (
                Some(2),
                None,
                2,
                json!({"status": "completed", "winningVariant": "treatment"}),
            ),
            (Some(3), None, 1, json!({"status": "ended"})),
            (Some(0), Some(1), 2, json!({"status": "paused"})),
            (Some(2), Some(1), 1, json!({})),
            (Some(0), Some(3), 1, json!({})),
            (Some(0), Some(0), 3, json!({"sticky": true, "status": "archived"})),
        ] {
            all.push((case(mode, subject, primary, secondary, cohorts), change));
        }
    }
    all
}

#[tokio::test]
async fn many_experiments_at_once_have_the_numbers_that_each_has_by_itself() {
    let world = World::new().await;
    let (mut experiments, mut shapes) = (Vec::new(), Vec::new());
    for (case, change) in many_cases() {
        let mut experiment = serde_json::to_value(case.experiment()).expect("JSON");
        let (Value::Object(fields), Value::Object(change)) = (&mut experiment, change) else {
            panic!("objects")
        };
        fields.extend(change);
        let experiment: Experiment = serde_json::from_value(experiment).expect("an experiment");
        let events = case.crowd(&experiment, 600);
        world.insert(&events).await;
        world.insert(&events[..events.len() / 3]).await;
        experiments.push(experiment);
        shapes.push((case.primary, case.secondary));
    }
    let now = instant(T0 + 30 * HOUR);
    let mut by_themselves = Vec::new();
    for experiment in &experiments {
        let one = world.reader.overview(std::slice::from_ref(experiment), now).await;
        by_themselves.extend(one.expect("an overview"));
    }
    let engine = Line::to(&engine::shared().http_url, FAST).await;
    let together = world.reader_at(&engine.base).overview(&experiments, now).await;
    assert_eq!(together.expect("overviews"), by_themselves);
    // Two for the versions, one for the minutes, and one for each way in which subjects convert.
    let asked = engine.requests("POST");
    assert!(
        asked <= 8,
        "{asked} statements for {} experiments",
        experiments.len()
    );

    // What was compared has all that can be in it.
    let with = |has: fn(&Overview) -> bool| by_themselves.iter().filter(|o| has(o)).count();
    for steps in [(Some(0), None), (Some(2), Some(1)), (Some(0), Some(3))] {
        let alike = shapes
            .iter()
            .zip(&by_themselves)
            .filter(|(shape, _)| **shape == steps);
        assert!(alike.clone().any(|(_, o)| o.leader.is_some()), "{steps:?}");
    }
    let [leaders, tested, recent] = [
        with(|o| o.leader.is_some()),
        with(|o| o.srm_p.is_some()),
        with(|o| o.subjects_per_day.is_some()),
    ];
    assert!(
        leaders > 12 && tested > 20 && recent > 20,
        "{leaders}, {tested}, {recent}"
    );
    assert_eq!(with(|o| o.not_counted.is_some()), 0);
}

#[tokio::test]
async fn more_experiments_than_one_statement_can_name_are_counted() {
    let world = World::new().await;
    let many: Vec<Experiment> = (0..4_000)
        .map(|_| experiment(json!({"primaryMetric": {"event": "buy"}})))
        .collect();
    let last = many.last().expect("one");
    let seen = Event::new("view", "p", T0).exposed(last, "control");
    world.insert(&[seen]).await;
    let overviews = world.reader.overview(&many, instant(T0 + MINUTE)).await;
    let overviews = overviews.expect("overviews");
    assert_eq!(overviews.len(), many.len());
    let counted = overviews.iter().filter(|o| o.subjects > 0);
    assert_eq!(counted.map(|o| o.experiment_id).collect::<Vec<_>>(), [last.id]);
    assert_eq!(overviews[3_999].per_minute.iter().sum::<u64>(), 1);
}
