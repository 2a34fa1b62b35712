//! The real A/B test of the demo, against the numbers that are known of it.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::json;
use splitdeck::api::results::ResultsQuery;

use super::world::{Event, SECOND, T0, World, experiment};

#[tokio::test]
async fn the_known_numbers_come_out() {
    let world = World::new().await;
    let experiment = experiment(json!({
        "key": "cookie-cats",
        "variants": [
            {"key": "gate_30", "isControl": true, "trafficPct": 50},
            {"key": "gate_40", "trafficPct": 50, "orderIndex": 1},
        ],
        "defaultVariantId": "gate_30",
        "cohorts": [],
        "primaryMetric": {"event": "retained", "filters": [{"field": "day", "operator": "is", "value": "7"}]},
    }));
    let mut csv = String::new();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/data/cookie_cats.csv.gz");
    GzDecoder::new(std::fs::File::open(file).expect("the file"))
        .read_to_string(&mut csv)
        .expect("gzip");
    let mut events = Vec::new();
    for (at, line) in (0_i64..).zip(csv.lines().skip(1)) {
        let [user, version, _rounds, day_1, day_7] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("five columns: {line}");
        };
        let at = T0 + at * SECOND / 10;
        events.push(Event::new("install", user, at).exposed(&experiment, version));
        for (day, retained) in [("1", day_1), ("7", day_7)] {
            if retained == "TRUE" {
                events.push(Event::new("retained", user, at + 1).with("day", day));
            }
        }
    }
    for batch in events.chunks(50_000) {
        world.insert(batch).await;
    }
    // A retried batch changes nothing.
    world.insert(&events[..20_000]).await;

    let results = world.results(&experiment, &ResultsQuery::default()).await;
    let arms = &results.arms;
    assert_eq!((arms[0].subjects, arms[1].subjects), (44_700, 45_489));
    assert_eq!((arms[0].conversions, arms[1].conversions), (8_502, 8_279));
    assert_eq!(
        (arms[0].exposures.events, arms[0].exposures.profiles),
        (44_700, 44_700)
    );
    let near = |got: f64, known: f64, within: f64| {
        assert!((got - known).abs() <= within, "{got} is not {known}");
    };
    let [control, treatment] = [0, 1].map(|at: usize| arms[at].posterior.expect("a posterior"));
    near(treatment.prob_best, 0.000_777_338_664_576_2, 1e-9);
    near(control.ci_low, 0.186_590_16, 1e-7);
    near(control.ci_high, 0.193_866_5, 1e-7);
    near(treatment.ci_low, 0.178_481_57, 1e-7);
    near(treatment.ci_high, 0.185_572_96, 1e-7);
    let test = results.srm.test.expect("a test");
    near(test.p, 0.008_607_987_810_836, 1e-12);
    assert!(!results.srm.alarm);
    assert_eq!(results.winner, "gate_30");
    assert!(!results.power.gathering);
    assert_eq!(results.power.needed, 0);
    let uplift = treatment.uplift.expect("an uplift");
    near(uplift.median, 0.182_000_0 / 0.190_201_3 - 1.0, 1e-3);
    let interval = treatment.always_valid.expect("an interval");
    near(
        interval.difference,
        8_279.0 / 45_489.0 - 8_502.0 / 44_700.0,
        1e-12,
    );
    assert!(control.always_valid.is_none() && control.uplift.is_none());

    let day_1 = experiment_of_day_1(&experiment);
    let results = world.results(&day_1, &ResultsQuery::default()).await;
    near(
        results.arms[1].posterior.expect("a posterior").prob_best,
        0.037_206_025_175_38,
        1e-9,
    );
    assert_eq!(
        (results.arms[0].conversions, results.arms[1].conversions),
        (20_034, 20_119)
    );
}

fn experiment_of_day_1(experiment: &splitdeck::domain::Experiment) -> splitdeck::domain::Experiment {
    let mut day_1 = experiment.clone();
    day_1.primary_metric.as_mut().expect("a metric").filters[0].value = "1".into();
    day_1
}
