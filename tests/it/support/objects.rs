//! What a server with flags, deployments, projects, tokens and imports answers.

use serde_json::{Value, json};
use splitdeck::api::imports::ImportRows;
use splitdeck::cockpit::change::{Change, Changed};
use splitdeck::cockpit::ports::{Answer, Failure, FailureKind, ImportStep, Request, Service};
use uuid::Uuid;

use super::cockpit::{CHECKOUT, history, id, override_page};

pub const NEW_CHECKOUT: u128 = 21;
pub const BROWSER: u128 = 31;
pub const BACKEND: u128 = 32;
pub const IMPORT: u128 = 41;

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("reads")
}

fn flag(n: u128, key: &str, patch: Value) -> Value {
    let mut value = json!({
        "id": id(n), "key": key, "name": "", "enabled": true, "rolloutPct": 100,
        "variants": [{"key": "on", "trafficPct": 100}], "rules": [], "evaluationMode": "remote",
        "deployments": [id(BROWSER)], "salt": key, "resourceVersion": 3, "overrides": 0,
        "createdAt": "2026-11-10T08:00:00Z", "updatedAt": "2026-11-19T05:03:00Z",
    });
    let fields = value.as_object_mut().expect("an object");
    for (field, patched) in patch.as_object().expect("an object") {
        fields.insert(field.clone(), patched.clone());
    }
    value
}

pub fn flags() -> Value {
    json!({ "flags": [
        flag(22, "checkout-cta", json!({
            "name": "Checkout button", "rolloutPct": 50, "decidedBy": "checkout-cta", "overrides": 40_012,
            "variants": [{"key": "control", "trafficPct": 50, "isControl": true}, {"key": "treatment", "trafficPct": 50}],
        })),
        flag(NEW_CHECKOUT, "new-checkout", json!({
            "name": "New checkout", "description": "The checkout on one page", "rolloutPct": 12.5, "overrides": 3,
            "deployments": [id(BROWSER), id(BACKEND)],
            "variants": [
                {"key": "on", "trafficPct": 80, "payload": {"steps": 1}},
                {"key": "on-with-chat", "name": "With chat", "trafficPct": 20},
            ],
            "rules": [
                {"id": id(92), "variant": "on", "priority": 10, "conditions": [
                    {"scope": "profile", "field": "country", "operator": "is", "value": "TH"},
                    {"scope": "event", "field": "plan", "operator": "contains", "value": "pro plus"}]},
                {"id": id(93), "variant": "on-with-chat", "priority": 5, "conditions": []},
            ],
        })),
        flag(23, "old-banner", json!({ "enabled": false, "archived": true, "evaluationMode": "local" })),
    ] })
}

pub fn deployments() -> Value {
    let deployment = |n, name: &str, kind: &str, key: Value, patch: Value| {
        let mut value = json!({
            "id": id(n), "name": name, "kind": kind, "keyHint": if kind == "client" { "cl_4f…91aa" } else { "sv_77…02cd" },
            "resourceVersion": 2, "experiments": 3, "flags": 2,
            "createdAt": "2026-11-01T08:00:00Z", "updatedAt": "2026-11-19T05:03:00Z",
        });
        let fields = value.as_object_mut().expect("an object");
        if !key.is_null() {
            fields.insert("key".to_owned(), key);
        }
        for (field, patched) in patch.as_object().expect("an object") {
            fields.insert(field.clone(), patched.clone());
        }
        value
    };
    json!({ "deployments": [
        deployment(BACKEND, "backend", "server", Value::Null, json!({
            "rotatedAt": "2026-11-19T05:03:00Z", "previousKeyUntil": "2026-11-26T05:03:00Z" })),
        deployment(BROWSER, "browser", "client", json!("cl_4f5e6d7c8b9a91aa"), json!({ "isDefault": true })),
        deployment(33, "old-app", "client", json!("cl_00000000000000ff"), json!({ "revokedAt": "2026-11-17T05:03:00Z" })),
    ] })
}

pub fn projects() -> Value {
    let project = |n, key: &str, name: &str, environment: &str, protected, role: &str| {
        json!({
            "id": id(n), "key": key, "name": name, "environment": environment, "protected": protected,
            "role": role, "experiments": 4, "active": 2, "flags": 3, "resourceVersion": 1,
        })
    };
    json!({ "projects": [
        project(9, "shop-prod", "Shop", "production", true, "admin"),
        project(10, "shop-staging", "Shop, before it is shown to people", "staging", false, "editor"),
    ] })
}

pub fn labs() -> Value {
    let lab = |n, key: &str, name: &str, description: &str, archived| {
        json!({
            "id": id(n), "key": key, "name": name, "description": description, "archived": archived,
            "resourceVersion": 2, "createdAt": "2026-11-01T08:00:00Z", "updatedAt": "2026-11-10T08:00:00Z",
        })
    };
    json!({ "labs": [
        lab(61, "checkout", "Checkout", "Everything between the cart and the receipt", false),
        lab(62, "search-2025", "Search of last year", "", true),
    ] })
}

pub fn tokens() -> Value {
    json!({ "tokens": [
        {"id": id(51), "name": "ana", "roles": {"shop-prod": "admin", "shop-staging": "editor"},
         "createdAt": "2026-11-01T08:00:00Z"},
        {"id": id(52), "name": "deploy-bot", "roles": {"shop-prod": "editor"},
         "createdAt": "2026-11-10T08:00:00Z", "expiresAt": "2026-12-10T08:00:00Z"},
        {"id": id(53), "name": "old-laptop", "roles": {"shop-prod": "viewer"},
         "createdAt": "2026-10-01T08:00:00Z", "revokedAt": "2026-11-18T05:03:00Z"},
    ] })
}

/// The import of the design's sketch, with so many of its 100 chunks in force.
pub fn import(state: &str, applied: u32) -> Value {
    json!({
        "id": id(IMPORT), "experiment": "checkout-cta", "variant": "treatment", "subjectType": "user",
        "sourceName": "ids.txt", "sha256": "9f2c44aa0011", "state": state,
        "received": 1_000_000, "unique": 998_412, "duplicates": 1_571, "malformed": 17,
        "malformedLines": [{"line": 12, "given": "a\u{7}b", "allowed": "no control characters"}],
        "first": ["u-000001", "u-000002", "u-000003"], "last": ["u-998410", "u-998411", "u-998412"],
        "effect": {"added": 812_004, "changed": 186_391, "changedFrom": {"control": 186_391}, "unchanged": 17},
        "exposedElsewhere": 12_209, "chunks": 100, "appliedChunks": applied, "actor": "ana",
        "createdAt": "2026-11-20T05:00:00Z", "updatedAt": "2026-11-20T05:01:00Z",
    })
}

fn import_rows() -> ImportRows {
    let row = |n: u32| match n % 3 {
        0 => json!({"subjectId": format!("u-{n:06}"), "effect": "added"}),
        1 => json!({"subjectId": format!("u-{n:06}"), "effect": "changed", "from": "control"}),
        _ => json!({"subjectId": format!("u-{n:06}"), "effect": "unchanged", "from": "treatment"}),
    };
    let rows: Vec<Value> = (1..=200).map(row).collect();
    read(json!({ "rows": rows, "nextAfter": 200 }))
}

fn insight() -> Value {
    json!({
        "paragraphs": [
            {"title": "In short", "text": "Treatment is ahead with a probability of 97.2 %."},
            {"title": "Next", "text": "Apply the winner, or wait for a week to be full."},
        ],
        "author": "rules", "actor": "ana", "generatedAt": "2026-11-18T05:03:00Z", "resourceVersion": 15,
        "subjects": 70_000, "conversions": 13_000, "changedSince": ["variants.treatment.trafficPct", "holdoutPct"],
    })
}

/// The answer; none to what is not about these objects.
pub fn answer(request: &Request) -> Option<Result<Answer, Failure>> {
    let refused = |message: &str| Failure::new(Service::Api, FailureKind::Refused, message);
    Some(Ok(match request {
        Request::Flags => Answer::Flags(read(flags())),
        Request::Deployments => Answer::Deployments(read(deployments())),
        Request::Projects => Answer::Projects(read(projects())),
        Request::Labs => Answer::Labs(read(labs())),
        Request::Tokens => Answer::Tokens(read(tokens())),
        Request::FlagOverrides { .. } => Answer::FlagOverrides(override_page(0, 3, false)),
        Request::FlagHistory { id: of } => {
            let mut told = history();
            for (entry, version) in told.entries.iter_mut().zip((0..5).rev()) {
                entry.object_id = *of;
                entry.resource_version = version;
            }
            Answer::FlagHistory(told)
        }
        Request::Audit { .. } => Answer::Audit(history()),
        Request::Insight { id: of } if *of == id(CHECKOUT) => {
            Answer::Insight(Some(Box::new(read(insight()))))
        }
        Request::Insight { .. } => Answer::Insight(None),
        Request::WriteInsight { .. } => Answer::Insight(Some(Box::new(read(insight())))),
        Request::Imports { of, id } => Answer::Imports(*of, *id, read(json!({ "imports": [] }))),
        Request::ImportRows { .. } => Answer::ImportRows(import_rows()),
        Request::ImportStep { step, .. } => Answer::Import(match &**step {
            ImportStep::Stage { .. } => Some(Box::new(read(import("staged", 0)))),
            ImportStep::Apply { .. } => Some(Box::new(read(import("applying", 34)))),
            ImportStep::Undo { .. } => Some(Box::new(read(import("undone", 0)))),
            ImportStep::Forget { .. } => None,
        }),
        Request::Change(change) => Answer::Changed(match changed(change) {
            Some(changed) => changed,
            None => return Some(Err(refused("there is no such object"))),
        }),
        _ => return None,
    }))
}

fn changed(change: &Change) -> Option<Changed> {
    let flag = |of: &Uuid| {
        let all = flags();
        let rows = all["flags"].as_array().expect("rows").clone();
        let found = rows.into_iter().find(|row| row["id"] == json!(of))?;
        Some(found)
    };
    let deployment = |name: &str, kind: &str| {
        let mut value = deployments()["deployments"][0].clone();
        value["name"] = json!(name);
        value["kind"] = json!(kind);
        value["key"] = json!("sv_0123456789abcdef");
        value
    };
    Some(match change {
        Change::CreateFlag(_) | Change::CopyFlag(..) => {
            Changed::Flag(Box::new(read(flag(&id(NEW_CHECKOUT))?)))
        }
        Change::UpdateFlag(of, update) => {
            let mut value = flag(of)?;
            value["resourceVersion"] = json!(update.resource_version + 1);
            if let Some(enabled) = update.enabled {
                value["enabled"] = json!(enabled);
            }
            Changed::Flag(Box::new(read(value)))
        }
        Change::CreateDeployment(body) => {
            Changed::Deployment(Box::new(read(deployment(&body.name, body.kind.as_str()))))
        }
        Change::RotateKey(..) => Changed::Deployment(Box::new(read(deployment("backend", "server")))),
        Change::CreateToken(body) => Changed::Token(Box::new(read(json!({
            "id": id(54), "name": body.name, "roles": body.roles, "createdAt": "2026-11-20T05:03:00Z",
            "token": "sd_0123456789abcdef",
        })))),
        _ => Changed::Gone,
    })
}
