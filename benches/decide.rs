//! Decisions per second on one core: `cargo bench --bench decide`.
//!
//! Every line decides for 20,000 users in turn, each against all experiments of the line, until about a
//! second has passed. `outcome` is the decision alone, `decide` also writes the answer that is sent.

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;
use splitdeck::decide::{Prepared, split};
use splitdeck::domain::{Experiment, Key, OverrideSource, OverrideSubject, User};
use splitdeck::server::override_table::OverrideTable;

const USERS: u32 = 20_000;
const RUN_FOR: Duration = Duration::from_secs(1);

/// Every other user of the benchmark is forced, when there are any overrides.
fn overrides(count: u32) -> Result<OverrideTable, Box<dyn std::error::Error>> {
    let table = OverrideTable::default();
    for (at, variant) in [(0, "control"), (1, "treatment")] {
        let ids: Vec<String> = (at..count)
            .step_by(2)
            .map(|id| format!("user-{:08}", id * 2))
            .collect();
        let ids = ids.iter().map(String::as_str);
        table.put(
            OverrideSubject::User,
            &Key::new(variant)?,
            OverrideSource::Manual,
            ids,
        );
    }
    Ok(table)
}

fn experiment(number: u32, rules: bool) -> Result<Experiment, serde_json::Error> {
    let rule = json!({"variant": "treatment", "conditions": [
        {"scope": "profile", "field": "country", "operator": "is", "value": "TH"},
        {"scope": "event", "field": "properties.plan", "operator": "contains", "value": "pro"},
    ]});
    let mut experiment: Experiment = serde_json::from_value(json!({
        "id": uuid::Uuid::from_u128(u128::from(number)), "key": format!("experiment-{number}"),
        "salt": format!("experiment-{number}"), "name": format!("Experiment {number}"),
        "assignmentMode": "profile", "status": "active", "holdoutPct": 5,
        "variants": [
            {"key": "control", "name": "Control", "isControl": true, "trafficPct": 50},
            {"key": "treatment", "name": "Treatment", "trafficPct": 50, "orderIndex": 1, "payload": {"colour": "blue"}},
        ],
        "rules": if rules { vec![rule] } else { vec![] },
        "defaultVariantId": "control", "resourceVersion": 1,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    }))?;
    let cohort = split::first_cohort(&experiment.variants, experiment.created_at);
    experiment.cohorts.push(cohort);
    Ok(experiment)
}

fn user(number: u32) -> Result<User, serde_json::Error> {
    serde_json::from_value(json!({
        "user_id": format!("user-{number:08}"), "device_id": format!("a3f1c9d2-{number:08}"),
        "user_properties": {"country": if number.is_multiple_of(10) { "TH" } else { "DE" }, "age": number % 90},
        "event": {"name": "view", "properties": {"plan": "pro monthly"}},
    }))
}

fn measure(
    label: &str,
    experiments: usize,
    users: &[User],
    mut decide: impl FnMut(&User),
) -> std::io::Result<()> {
    let start = Instant::now();
    let mut decisions = 0_u64;
    'outer: loop {
        for batch in users.chunks(1_000.min(200_000 / experiments.max(1)).max(1)) {
            for user in batch {
                decide(black_box(user));
            }
            decisions += (batch.len() * experiments) as u64;
            if start.elapsed() > RUN_FOR {
                break 'outer;
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 decisions")]
    let rate = decisions as f64 / start.elapsed().as_secs_f64();
    let nanoseconds = 1e9 / rate;
    writeln!(
        std::io::stdout(),
        "{label:<58} {nanoseconds:>8.1} ns/decision {rate:>12.0} decisions/s"
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let users = (0..USERS).map(user).collect::<Result<Vec<_>, _>>()?;
    let (none, million) = (overrides(0)?, overrides(1_000_000)?);
    for rules in [false, true] {
        for count in [1_u32, 100, 1_000] {
            let mut prepared = Vec::new();
            for number in 0..count {
                prepared.push(Prepared::new(&experiment(number, rules)?)?);
            }
            for (table, words) in [(&none, "no overrides"), (&million, "1,000,000 overrides")] {
                let kind = if rules { "one rule" } else { "no rules" };
                let label = format!("{count} experiments, {kind}, {words}");
                measure(&format!("outcome: {label}"), prepared.len(), &users, |user| {
                    for experiment in &prepared {
                        black_box(experiment.outcome(user, &table.lookups()));
                    }
                })?;
                measure(&format!("decide:  {label}"), prepared.len(), &users, |user| {
                    for experiment in &prepared {
                        black_box(experiment.decide(user, &table.lookups()));
                    }
                })?;
            }
        }
    }
    Ok(())
}
