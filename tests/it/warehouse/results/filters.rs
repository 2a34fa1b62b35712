//! The SQL of every operator says what `Operator::matches` says, whatever the texts are.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use splitdeck::api::results::{Interval, ResultsQuery};
use splitdeck::domain::{Filter, Metric, Operator};

use super::world::{Event, MINUTE, T0, World, cases, experiment};

/// Pieces that mean something to somebody: to SQL, to `LIKE`, to regular expressions, to the wire.
const PIECES: &[&str] = &[
    "'",
    "''",
    "\\",
    "\\'",
    "\"",
    "`",
    "%",
    "_",
    "\\%",
    "*",
    ".",
    "^",
    "$",
    "(",
    ")",
    "[",
    "?",
    "{",
    "}",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "é",
    "e\u{301}",
    "ß",
    "İ",
    "ไทย",
    "😀",
    "\u{feff}",
    "\u{2028}",
    "a",
    "A",
    "ab",
    "null",
    "NULL",
    "true",
    "TH",
    "--",
    "/*",
    ";",
    "{p0:String}",
    "' OR 1=1 --",
    "1",
    "12",
    "-",
    "+",
    ".5",
    "e3",
    "\\N",
    "\\x41",
    "--boundary",
];

/// What is a number, what is not, and what only some parsers take for one.
const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "00",
    "1",
    "01",
    "9",
    "10",
    "-1",
    "+5",
    "5.",
    ".5",
    "-.5",
    ".",
    "",
    "-",
    "+",
    "1.0",
    "1e3",
    "1E3",
    "1e+3",
    "1e-3",
    "1.e2",
    "1e",
    "e1",
    "1e1.5",
    "1000",
    "999.9999999999999",
    "1000.0000000000001",
    "0.1",
    "0.10000000000000001",
    "0.30000000000000004",
    "1e308",
    "1.7976931348623157e308",
    "1.8e308",
    "1e400",
    "-1e400",
    "1e-400",
    "5e-324",
    "2e-324",
    "9007199254740993",
    "9007199254740992",
    "123456789012345678901234567890",
    "inf",
    "Inf",
    "-inf",
    "infinity",
    "nan",
    "NaN",
    "0x10",
    "0b1",
    "1_000",
    "1,000",
    " 5",
    "5 ",
    "\t5",
    "5\n",
    "5\0",
    "٣",
    "１",
    "1e99999999999999999999",
    "true",
    "2.2250738585072011e-308",
    "8.41e21",
    "9.5367431640625e-7",
    "--1",
    "+-1",
    "1-1",
    "1+1",
    "1..2",
    "1.2.3",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::collection::vec(prop::sample::select(PIECES), 0..4).prop_map(|pieces| pieces.concat()),
        3 => prop::sample::select(NUMBERS).prop_map(str::to_owned),
        1 => any::<f64>().prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| format!("{number:e}")),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => "[0-9]{1,25}\\.[0-9]{1,25}",
        2 => any::<String>(),
    ]
}

/// The properties of one event, and filters to hold against them all.
#[derive(Debug, Clone)]
struct Case {
    key: String,
    fields: Vec<Option<String>>,
    filters: Vec<(Operator, String)>,
}

fn case() -> impl Strategy<Value = Case> {
    let fields = prop::collection::vec(prop::option::weighted(0.9, text()), 1..60);
    (text(), fields, prop::collection::vec(text(), 1..4)).prop_flat_map(|(key, fields, others)| {
        // Half of the values are looked for where they are: a whole field, or a part of one.
        let there: Vec<String> = fields.iter().flatten().cloned().chain([String::new()]).collect();
        let value = prop_oneof![
            2 => prop::sample::select(there.clone()),
            2 => (prop::sample::select(there), any::<prop::sample::Index>(), any::<prop::sample::Index>())
                .prop_map(|(text, from, to)| {
                    let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                    let (from, to) = (*from.get(&cuts), *to.get(&cuts));
                    text[from.min(to)..from.max(to)].to_owned()
                }),
            2 => prop::sample::select(others),
            1 => text(),
        ];
        let filter = (prop::sample::select(Operator::ALL.to_vec()), value);
        prop::collection::vec(filter, 1..40).prop_map(move |filters| Case {
            key: if key.is_empty() { "key".into() } else { key.clone() },
            fields: fields.clone(),
            filters,
        })
    })
}

/// Each event lies in a minute of its own and each filter is a tracked event of its own, so that every single
/// decision of ClickHouse can be read from the time series.
async fn holds(world: &World, case: &Case) -> Result<(), TestCaseError> {
    let tracked: Vec<Metric> = case
        .filters
        .iter()
        .map(|(operator, value)| Metric {
            event: "seen".into(),
            filters: vec![Filter {
                field: format!("properties.{}", case.key),
                operator: *operator,
                value: value.clone(),
            }],
        })
        .collect();
    let experiment = experiment(json!({"trackedEvents": tracked}));
    let events: Vec<Event> = (0_i64..)
        .zip(&case.fields)
        .map(|(minute, field)| {
            let event = Event::new("seen", "somebody", T0 + minute * MINUTE).exposed(&experiment, "control");
            match field {
                Some(text) => event.with(&case.key, text),
                None => event.with("another key", "x"),
            }
        })
        .collect();
    world.insert(&events).await;
    let query = ResultsQuery {
        interval: Some(Interval::Minute),
        ..ResultsQuery::default()
    };
    let results = world.results(&experiment, &query).await;
    for ((operator, value), tracked) in case.filters.iter().zip(&results.tracked) {
        for (field, point) in case.fields.iter().zip(&tracked.series.points) {
            prop_assert_eq!(
                point.counts[0] == 1,
                operator.matches(field.as_deref(), value),
                "{:?} {} {:?}",
                field,
                operator,
                value
            );
        }
        prop_assert_eq!(tracked.series.points.len(), case.fields.len());
    }
    Ok(())
}

#[test]
fn every_operator_matches_as_the_model_does() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut runner = TestRunner::new(cases(40));
    let outcome = runner.run(&case(), |case| {
        // A project of its own: the events of one case must not be seen by another.
        runtime.block_on(async { holds(&World::new().await, &case).await })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// All pairs of what looks like a number, with all operators: nothing is left to chance.
#[tokio::test]
async fn numbers_are_the_same_to_sql_and_to_the_model() {
    let world = World::new().await;
    let fields: Vec<Option<String>> = NUMBERS
        .iter()
        .chain(PIECES)
        .map(|text| Some((*text).to_owned()))
        .chain([None])
        .collect();
    for some in NUMBERS.chunks(16) {
        let filters = some.iter().flat_map(|value| {
            Operator::ALL
                .into_iter()
                .map(move |operator| (operator, (*value).to_owned()))
        });
        let case = Case {
            key: "number".into(),
            fields: fields.clone(),
            filters: filters.collect(),
        };
        let world = World::new().await;
        if let Err(failure) = holds(&world, &case).await {
            panic!("{failure}");
        }
    }
    drop(world);
}

/// Keys, values, event names, segment keys and time zones that try to leave their place.
#[tokio::test]
async fn text_never_becomes_sql() {
    const ATTEMPTS: &[&str] = &[
        "x'] = '' OR 1=1 --",
        "x'); DROP TABLE events; --",
        "\\'); SELECT 1; --",
        "{p0:String}",
        "}) OR 1=1 --",
        "x\0y",
        "a`b\"c",
        "properties.",
        "\\",
        "\\\\'",
        "--\r\n\r\n--boundary--",
    ];
    let world = World::new().await;
    for attempt in ATTEMPTS {
        let metric = Metric {
            event: (*attempt).into(),
            filters: vec![Filter {
                field: (*attempt).into(),
                operator: Operator::Is,
                value: (*attempt).into(),
            }],
        };
        let experiment = experiment(json!({"primaryMetric": metric, "trackedEvents": [metric]}));
        world
            .insert(&[
                Event::new(attempt, "converts", T0)
                    .with(attempt, attempt)
                    .exposed(&experiment, "control"),
                Event::new("another event", "does-not", T0)
                    .with(attempt, "another value")
                    .exposed(&experiment, "control"),
            ])
            .await;
        let query = ResultsQuery {
            segment_key: (*attempt).into(),
            property_key: (*attempt).into(),
            ..ResultsQuery::default()
        };
        let results = world.results(&experiment, &query).await;
        assert_eq!(results.arms[0].subjects, 2, "{attempt:?}");
        assert_eq!(results.arms[0].conversions, 1, "{attempt:?}");
        assert_eq!(results.tracked[0].events, [1, 0], "{attempt:?}");
        let values: BTreeSet<Option<&str>> = results
            .segments
            .rows
            .iter()
            .map(|row| row.value.as_deref())
            .collect();
        assert_eq!(
            values,
            BTreeSet::from([Some("another value"), Some(*attempt)]),
            "{attempt:?}"
        );
        assert_eq!(results.segments.rows, results.properties.rows);
    }
}
