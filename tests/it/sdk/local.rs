//! Local evaluation by the real SDKs is what the server decides: generated configurations, 20,000 users.
//!
//! What the two SDKs read differently from us is about data, and stands in `docs/sdks.md`; the users here have
//! none of it. Python is asked about fewer users: it takes a hundred times as long.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use splitdeck::api::amplitude;
use splitdeck::decide::{Lookups, Prepared, split};
use splitdeck::domain::{Experiment, Key, Operator, OverrideSubject, Percent, User};
use splitdeck::server::evaluate::export::{Source, export, is_default};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::exchange;

/// Configurations of one run.
const CONFIGURATIONS: u64 = 32;
/// Users of a run with npm.
const USERS: usize = 20_000;
/// Users of a run with PyPI.
const FEWER_USERS: usize = 2_000;

/// A configuration with who is forced into what.
struct Case {
    experiment: Experiment,
    overrides: Vec<(OverrideSubject, String, Key)>,
}

impl Lookups for Case {
    fn forced(&self, subject: OverrideSubject, id: &str) -> Option<&str> {
        let found = self.overrides.iter().find(|(s, i, _)| *s == subject && i == id);
        found.map(|(_, _, variant)| variant.as_str())
    }

    fn random(&self) -> u32 {
        panic!("nothing is drawn at random in profile mode")
    }
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

/// Shares in basis points that add up to at most 100 %, often exactly.
fn shares(rng: &mut Rng, count: usize) -> Vec<u32> {
    let of = if rng.bool() { 10_000 } else { rng.u32(..=10_000) };
    let weights: Vec<u32> = (0..count).map(|_| rng.u32(1..100)).collect();
    let sum: u32 = weights.iter().sum();
    let mut shares: Vec<u32> = weights.iter().map(|w| w * of / sum).collect();
    shares[0] += of - shares.iter().sum::<u32>();
    shares
}

fn condition(rng: &mut Rng) -> Value {
    let operator = Operator::ALL[rng.usize(..Operator::ALL.len())].as_str();
    let (field, value) = match rng.u8(..10) {
        0 => ("plan", pick(rng, &["pro", "free", "p", "o", "Pro", "pro+", ""])),
        1 => ("profile.country", pick(rng, &["TH", "DE", "T", "th"])),
        2 | 3 => ("age", pick(rng, &["18", "41", "40.5", "1e1", "-3", "old"])),
        4 => (
            "email",
            pick(rng, &["@example.com", "a.b", "(x)", "$", "é", ".com", "a|b"]),
        ),
        5 => ("nested.tier", pick(rng, &["gold", "go", "silver"])),
        6 => ("properties.dotted.key", pick(rng, &["yes", "no"])),
        7 => ("user_id", pick(rng, &["user-1", "user-17", "9"])),
        8 => ("group_properties.org.seats", pick(rng, &["5", "20"])),
        _ => {
            // As a text a boolean is another one in each language.
            let operator = pick(rng, &["is", "isNot", "isNull", "isNotNull"]);
            return json!({"scope": "profile", "field": "vip", "operator": operator, "value": "true"});
        }
    };
    // Three names with a dot are one too many.
    let field = field
        .strip_prefix("properties.")
        .filter(|f| *f == "dotted.key")
        .unwrap_or(field);
    // What the server takes: numbers are compared with numbers, and no text with nothing.
    let value = match operator {
        "gt" | "gte" | "lt" | "lte" if value.parse::<f64>().is_err() => pick(rng, &["18", "40.5", "-3"]),
        "is" | "isNot" => value,
        _ if value.is_empty() => "p",
        _ => value,
    };
    json!({"scope": "profile", "field": field, "operator": operator, "value": value})
}

fn case(seed: u64) -> Case {
    let mut rng = Rng::with_seed(seed);
    let rng = &mut rng;
    let names = &["control", "b", "C", "d_4"][..rng.usize(2..=4)];
    let parts = shares(rng, names.len());
    let variants: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(at, key)| {
            json!({
                "key": key, "isControl": at == 0, "orderIndex": names.len() - at, "payload": {"n": at},
                "trafficPct": f64::from(parts[at]) / 100.0,
            })
        })
        .collect();
    let rules: Vec<Value> = (0..rng.usize(..4))
        .map(|_| {
            let conditions: Vec<Value> = (0..rng.usize(..4)).map(|_| condition(rng)).collect();
            json!({"variant": pick(rng, names), "priority": rng.i32(0..3), "conditions": conditions})
        })
        // One without conditions would hide everything behind it.
        .filter(|rule| rule["conditions"] != json!([]))
        .collect();
    let subject = pick(
        rng,
        &[
            "ANY",
            "ANY",
            "ANY",
            "group:org",
            "user_id",
            "device_id",
            "customer",
        ],
    );
    let status = match rng.u8(..12) {
        0 => "paused",
        1 => "completed",
        2 => "ended",
        _ => "active",
    };
    let mut experiment: Experiment = serde_json::from_value(json!({
        "id": uuid::Uuid::from_u128(u128::from(seed)), "key": format!("exp-{seed}"), "name": "x",
        "salt": format!("salt {seed} é"), "assignmentMode": "profile", "subjectType": subject, "status": status,
        "variants": variants, "rules": rules, "defaultVariantId": pick(rng, names),
        "holdoutPct": f64::from(rng.u32(..=2_500)) / 100.0 * f64::from(u8::from(rng.bool())),
        "winningVariant": if status == "completed" && rng.bool() { json!(pick(rng, names)) } else { Value::Null },
        "linkedFlag": if rng.bool() { json!(format!("flag-{seed}")) } else { Value::Null },
        "resourceVersion": 3, "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    }))
    .expect("an experiment");
    experiment.variants.sort_by_key(|v| v.order_index);
    experiment.cohorts = vec![split::first_cohort(&experiment.variants, Timestamp::UNIX_EPOCH)];
    for _ in 0..rng.usize(..4) {
        for (variant, share) in experiment.variants.iter_mut().zip(shares(rng, names.len())) {
            variant.traffic_pct = Percent::from_basis_points(share).expect("a share");
        }
        let last = experiment.cohorts.last().expect("a cohort");
        let next = split::rebalance(last, &experiment.variants, Timestamp::UNIX_EPOCH);
        experiment.cohorts.push(next);
    }
    experiment.check(4).expect("sound");
    let overrides = (0..rng.usize(..20))
        .map(|_| {
            let variant = Key::new(pick(rng, names)).expect("a key");
            match rng.bool() {
                true => (OverrideSubject::User, format!("user-{}", rng.u32(..200)), variant),
                false => (
                    OverrideSubject::Device,
                    format!("device-{}", rng.u32(..200)),
                    variant,
                ),
            }
        })
        .collect::<Vec<_>>();
    // An id is forced once.
    let mut once = BTreeMap::new();
    for (subject, id, variant) in overrides {
        once.insert((subject, id), variant);
    }
    Case {
        experiment,
        overrides: once.into_iter().map(|((s, id), v)| (s, id, v)).collect(),
    }
}

/// A user as SDKs know them. `falsy` allows for what Python takes for missing.
fn user(n: usize, falsy: bool) -> Value {
    let mut rng = Rng::with_seed(n as u64 ^ 0x5eed);
    let rng = &mut rng;
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let known = rng.u8(..10);
    if known > 1 {
        put("user_id", format!("user-{n}").into());
    }
    if known < 8 {
        put("device_id", format!("device-{n}").into());
    }
    if rng.bool() {
        put("country", pick(rng, &["TH", "DE"]).into());
    }
    let mut properties = Map::new();
    let mut set = |name: &str, value: Value| properties.insert(name.to_owned(), value);
    if rng.bool() {
        set("plan", pick(rng, &["pro", "free", "PRO", "prop", "pro+"]).into());
    }
    if rng.u8(..4) == 0 {
        set("country", pick(rng, &["TH", "US"]).into());
    }
    match rng.u8(..5) {
        0 => set("age", rng.u32(1..80).into()),
        1 => set("age", (f64::from(rng.u32(1..160)) + 0.5).into()),
        2 => set(
            "age",
            pick(rng, &["18", "41 ", "old", "1e2", "0x12", "Infinity", "-4"]).into(),
        ),
        3 if falsy => set("age", 0.into()),
        _ => None,
    };
    match rng.u8(..4) {
        0 => set(
            "email",
            pick(
                rng,
                &["a.b@example.com", "axb@EXAMPLE.COM", "é(x)$", "a|b", "x\\y"],
            )
            .into(),
        ),
        1 if falsy => set("email", "".into()),
        _ => None,
    };
    match rng.u8(..4) {
        0 => set("nested", json!({"tier": pick(rng, &["gold", "silver"])})),
        1 => set("nested.tier", "gold".into()),
        _ => None,
    };
    match rng.u8(..3) {
        0 => set("dotted.key", "yes".into()),
        1 => set("dotted", json!({"key": "no"})),
        _ => None,
    };
    match rng.u8(..3) {
        0 => set("vip", true.into()),
        1 if falsy => set("vip", false.into()),
        _ => None,
    };
    if rng.bool() {
        set(
            "customer",
            if rng.bool() {
                json!(n + 1)
            } else {
                json!(format!("c{n}"))
            },
        );
    }
    put("user_properties", properties.into());
    if rng.bool() {
        let org = format!("org-{}", rng.u32(..500));
        put(
            "group_properties",
            json!({"org": {&org: {"seats": rng.u32(1..40)}}}),
        );
        put("groups", json!({"org": [org]}));
    }
    fields.into()
}

fn domain_user(user: &Value) -> User {
    match user {
        Value::Object(fields) => amplitude::user(fields.clone()).expect("a user"),
        _ => panic!("an object"),
    }
}

/// What the server decides, as the programs write it down: the variant, with `!` where it is the default.
/// Each reason is added to `reached`.
fn expected(
    cases: &[(Case, Prepared)],
    user: &Value,
    reached: &mut BTreeSet<&'static str>,
) -> Map<String, Value> {
    let user = domain_user(user);
    let decided = cases.iter().map(|(case, prepared)| {
        let decided = prepared.decide(&user, case);
        reached.insert(decided.reason.as_str());
        let mark = if is_default(decided.reason) { "!" } else { "" };
        (
            case.experiment.key.to_string(),
            Value::from(format!("{}{mark}", decided.variant_id)),
        )
    });
    decided.collect()
}

async fn compare(program: &str, count: usize, falsy: bool) {
    let cases: Vec<(Case, Prepared)> = (0..CONFIGURATIONS)
        .map(|seed| {
            let case = case(seed);
            let prepared = Prepared::new(&case.experiment).expect("compiles");
            (case, prepared)
        })
        .collect();
    let flags: Vec<amplitude::Flag> = cases
        .iter()
        .map(|(case, _)| {
            export(&Source {
                key: case.experiment.key.as_str(),
                experiment: &case.experiment,
                is_flag: false,
                overrides: &case.overrides,
            })
            .unwrap_or_else(|why| panic!("{}: {why:?}", case.experiment.key))
        })
        .collect();
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(&flags);
    Mock::given(method("GET"))
        .and(path("/sdk/v2/flags"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let users: Vec<Value> = (0..count).map(|n| user(n, falsy)).collect();
    let told = json!({"serverUrl": server.uri(), "key": "k", "users": users, "remote": [], "flagKeys": null});
    let Some(seen) = exchange(program, &told).await else {
        return;
    };
    let evaluated = seen["evaluated"].as_array().expect("answers");
    assert_eq!(evaluated.len(), count);
    let mut reached = BTreeSet::new();
    for (user, evaluated) in users.iter().zip(evaluated) {
        let expected = Value::Object(expected(&cases, user, &mut reached));
        if expected != *evaluated {
            let differs = |(key, value): &(&String, &Value)| evaluated[key.as_str()] != **value;
            let (key, value) = expected
                .as_object()
                .expect("one")
                .iter()
                .find(differs)
                .expect("a difference");
            let flag = flags.iter().find(|f| f.key == *key).expect("its flag");
            panic!(
                "{key}: the server says {value}, the SDK {} for {user:#}\n{}",
                evaluated[key.as_str()],
                serde_json::to_string_pretty(flag).expect("JSON")
            );
        }
    }
    // Each step of a decision has decided for somebody.
    for reason in [
        "override",
        "holdout",
        "rule",
        "allocation",
        "unallocated",
        "winner",
        "experiment_inactive",
    ] {
        assert!(
            reached.contains(reason),
            "{reason} decided for nobody: {reached:?}"
        );
    }
}

#[tokio::test]
async fn npm_decides_as_the_server() {
    compare("experiment.cjs", USERS, true).await;
}

#[tokio::test]
async fn pypi_decides_as_the_server() {
    compare("experiment.py", FEWER_USERS, false).await;
}
