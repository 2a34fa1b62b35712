use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::fixtures::{Known, experiment, user};
use super::super::hash::bucket;
use super::super::split;
use super::*;

fn prepared(fields: Value) -> Prepared {
    Prepared::new(&experiment(fields)).expect("prepares")
}

/// `variant reason cohort`
fn served(prepared: &Prepared, user: &User, lookups: &Known) -> String {
    let assignment = prepared.decide(user, lookups);
    let Assignment {
        variant_id,
        reason,
        cohort,
        ..
    } = assignment;
    format!("{variant_id} {} {cohort}", reason.as_str())
}

fn serve(fields: Value, json: Value, lookups: &Known) -> String {
    served(&prepared(fields), &user(json), lookups)
}

/// Ids by the slot's owner: 1 to 2,000 under the salt `exp`.
fn id_of(prepared: &Prepared, variant: Option<&str>) -> String {
    let wanted = variant.map(|key| prepared.index(key).expect("a variant"));
    (1..2_000)
        .map(|id| format!("user-{id}"))
        .find(|id| prepared.owner(slot(prepared.salt.hashed.hash(id))) == wanted)
        .expect("an id")
}

#[test]
fn every_status_serves_what_the_table_says() {
    let won = json!({"winningVariant": "Treatment"});
    let rows = [
        ("draft", json!({}), "off experiment_inactive 0"),
        ("draft", won.clone(), "off experiment_inactive 0"),
        ("paused", json!({}), "off experiment_inactive 0"),
        ("paused", won.clone(), "off experiment_inactive 0"),
        ("completed", json!({}), "off experiment_inactive 0"),
        ("completed", won.clone(), "Treatment winner 0"),
        ("winner_declared", won.clone(), "Treatment winner 0"),
        ("ended", json!({}), "off experiment_ended 0"),
        ("ended", won.clone(), "off experiment_ended 0"),
        ("archived", json!({}), "off experiment_ended 0"),
        ("archived", won, "off experiment_ended 0"),
    ];
    // Nothing that would decide in an active experiment does here.
    let known = Known::default()
        .force(OverrideSubject::User, "u", "control")
        .remember("u", "control");
    for (status, mut fields, expected) in rows {
        fields["status"] = json!(status);
        fields["sticky"] = json!(true);
        fields["holdoutPct"] = json!(25);
        fields["rules"] = json!([{"variant": "control"}]);
        let prepared = prepared(fields.clone());
        assert_eq!(
            served(&prepared, &user(json!({"user_id": "u"})), &known),
            expected,
            "{fields}"
        );
        assert_eq!(
            prepared.records_assignments(),
            !expected.contains("ended"),
            "{status}"
        );
    }
}

#[test]
fn the_first_match_wins() {
    let everything = json!({
        "holdoutPct": 25, "sticky": true,
        "rules": [{"variant": "control", "conditions":
            [{"scope": "profile", "field": "country", "operator": "is", "value": "TH"}]}],
    });
    let plain = prepared(json!({}));
    // An id that is in the holdout, and one that is not, both allocated to Treatment.
    let id = |held_out: bool| {
        let allocated = |id: &String| plain.owner(slot(plain.salt.hashed.hash(id))) == Some(1);
        let holdout = |id: &String| (bucket(id, "the-flag:holdout") < 2_500) == held_out;
        (1..2_000)
            .map(|id| format!("user-{id}"))
            .find(|id| allocated(id) && holdout(id))
            .expect("an id")
    };
    let (held, free) = (id(true), id(false));
    let forced = Known::default().force(OverrideSubject::User, &held, "off");
    let device = Known::default().force(OverrideSubject::Device, "d", "off");
    let sticky = Known::default().remember(&free, "off").remember(&held, "off");
    let nothing = Known::default();
    let th = json!({"country": "TH"});
    let all = prepared(everything);
    for (json, lookups, expected) in [
        (
            json!({"user_id": held, "user_properties": th}),
            &forced,
            "off override 1",
        ),
        (
            json!({"user_id": held, "device_id": "d", "user_properties": th}),
            &device,
            "off override 1",
        ),
        (
            json!({"user_id": held, "user_properties": th}),
            &sticky,
            "control holdout 1",
        ),
        (
            json!({"user_id": free, "user_properties": th}),
            &sticky,
            "control rule 1",
        ),
        (json!({"user_id": free}), &sticky, "off sticky 1"),
        (json!({"user_id": free}), &nothing, "Treatment allocation 1"),
    ] {
        assert_eq!(served(&all, &user(json.clone()), lookups), expected, "{json}");
    }
    let outside = id_of(&plain, None);
    assert_eq!(
        served(&plain, &user(json!({"user_id": outside})), &nothing),
        "off unallocated 1"
    );
}

#[test]
fn the_user_s_override_comes_before_the_device_s() {
    let ids = json!({"user_id": "u", "device_id": "d"});
    let both = Known::default()
        .force(OverrideSubject::User, "u", "control")
        .force(OverrideSubject::Device, "d", "treatment");
    assert_eq!(serve(json!({}), ids.clone(), &both), "control override 1");
    // A user id is no device id.
    let crossed =
        Known::default()
            .force(OverrideSubject::Device, "u", "off")
            .force(OverrideSubject::User, "d", "off");
    assert!(!serve(json!({}), ids.clone(), &crossed).contains("override"));
    // One that names a variant which is gone is passed over.
    let stale = Known::default().force(OverrideSubject::User, "u", "gone").force(
        OverrideSubject::Device,
        "d",
        "treatment",
    );
    assert_eq!(serve(json!({}), ids, &stale), "Treatment override 1");
    // It holds in every mode, whatever is bucketed.
    assert_eq!(
        serve(
            json!({"assignmentMode": "session"}),
            json!({"user_id": "u"}),
            &both
        ),
        "control override 1"
    );
}

#[test]
fn the_holdout_is_hashed_with_the_flag_s_key() {
    let nothing = Known::default();
    for (flag, salt) in [
        (json!("the-flag"), "the-flag:holdout"),
        (Value::Null, "exp:holdout"),
    ] {
        let prepared = prepared(json!({"holdoutPct": 12.34, "linkedFlag": flag}));
        let mut held = 0;
        for id in 0..5_000 {
            let id = format!("user-{id}");
            let decided = served(&prepared, &User::with_user_id(&id), &nothing);
            let expected = bucket(&id, salt) < 1_234;
            assert_eq!(decided == "control holdout 1", expected, "{id}: {decided}");
            held += usize::from(expected);
        }
        // 617 expected; five standard deviations are 117.
        assert!((500..735).contains(&held), "{held} held out");
    }
}

#[test]
fn rules_go_by_priority_then_by_the_variant_s_order() {
    let rule = |id: u32, variant: &str, priority: i32, country: &str| {
        json!({
            "id": format!("018f2c7e-0000-7000-8000-00000000000{id}"), "variant": variant, "priority": priority,
            "conditions": [{"scope": "profile", "field": "country", "operator": "is", "value": country}],
        })
    };
    let prepared = prepared(json!({"rules": [
        rule(1, "off", 5, "TH"),
        rule(2, "control", -1, "TH"),
        rule(3, "Treatment", 5, "TH"),
        rule(4, "treatment", 5, "TH"),
        rule(5, "control", 9, "DE"),
    ]}));
    let decide = |country: &str| {
        let user = user(json!({"user_id": "u", "user_properties": {"country": country}}));
        let assignment = prepared.decide(&user, &Known::default());
        let rule = assignment.rule_id.map(|id| id.to_string());
        (assignment.variant_id, rule.map(|id| id[35..].to_owned()))
    };
    // Of three with priority 5, Treatment comes before off; of its two the first written.
    assert_eq!(decide("TH"), ("Treatment".to_owned(), Some("3".to_owned())));
    assert_eq!(decide("DE"), ("control".to_owned(), Some("5".to_owned())));
    assert_eq!(decide("FR").1, None);
}

#[test]
fn a_rule_needs_all_its_conditions_and_one_without_any_catches_everybody() {
    let condition = |field: &str, value: &str| json!({"scope": "event", "field": field, "operator": "is", "value": value});
    let rules = json!([{"variant": "Treatment", "conditions": [condition("a", "1"), condition("b", "2")]}]);
    let fields = json!({"rules": rules});
    let id = id_of(&prepared(fields.clone()), None);
    let nothing = Known::default();
    let both = json!({"user_id": id, "event": {"a": 1, "b": 2}});
    assert_eq!(serve(fields.clone(), both, &nothing), "Treatment rule 1");
    let one = json!({"user_id": id, "event": {"a": 1, "b": 3}});
    assert_eq!(serve(fields, one, &nothing), "off unallocated 1");
    let all = json!({"rules": [{"variant": "control"}]});
    assert_eq!(serve(all, json!({"session_id": "s"}), &nothing), "control rule 1");
}

#[test]
fn sticky_memory_is_asked_only_where_it_is_on_and_known() {
    let id = id_of(&prepared(json!({})), Some("control"));
    let ids = json!({"user_id": id});
    let memory = Known::default().remember(&id, "TREATMENT");
    assert_eq!(
        serve(json!({"sticky": true}), ids.clone(), &memory),
        "Treatment sticky 1"
    );
    assert_eq!(serve(json!({}), ids.clone(), &memory), "control allocation 1");
    let stale = Known::default().remember(&id, "gone");
    assert_eq!(
        serve(json!({"sticky": true}), ids, &stale),
        "control allocation 1"
    );
}

#[test]
fn the_last_cohort_holds() {
    let mut experiment = experiment(json!({}));
    let before = Prepared::new(&experiment).expect("prepares");
    let id = id_of(&before, None);
    experiment.variants[1].traffic_pct = crate::domain::Percent::new(60.0).expect("a share");
    let second = split::rebalance(
        &experiment.cohorts[0],
        &experiment.variants,
        experiment.created_at,
    );
    experiment.cohorts.push(second);
    let after = Prepared::new(&experiment).expect("prepares");
    let user = User::with_user_id(id);
    assert_eq!(served(&before, &user, &Known::default()), "off unallocated 1");
    assert_eq!(served(&after, &user, &Known::default()), "Treatment allocation 2");
    // Without any cohort nobody is allocated.
    experiment.cohorts.clear();
    let none = Prepared::new(&experiment).expect("prepares");
    assert_eq!(served(&none, &user, &Known::default()), "off unallocated 0");
}

#[test]
fn every_slot_of_the_table_has_its_owner() {
    let experiment = experiment(json!({}));
    let prepared = Prepared::new(&experiment).expect("prepares");
    let cohort = &experiment.cohorts[0];
    for edge in [
        0, 1, 8_589_934, 17_179_869, 17_179_870, 34_359_738, 34_359_739, 42_949_672,
    ] {
        for slot in [edge - edge.min(1), edge, edge + 1] {
            let owner = prepared
                .owner(slot)
                .map(|at| experiment.variants[at].key.as_str());
            assert_eq!(owner, cohort.owner(slot).map(Key::as_str), "slot {slot}");
        }
    }
}

#[test]
fn a_subject_without_an_id_of_the_kind_gets_the_default() {
    let nothing = Known::default();
    // Holdout, memory and allocation are passed over; the rule does not match.
    let fields = |mode: &str, kind: &str| json!({"assignmentMode": mode, "subjectType": kind, "holdoutPct": 25, "sticky": true});
    for (mode, kind, ids) in [
        ("session", "ANY", json!({"user_id": "u"})),
        (
            "profile",
            "ANY",
            json!({"session_id": "s", "user_id": "", "device_id": ""}),
        ),
        (
            "profile",
            "customer_id",
            json!({"user_id": "u", "user_properties": {"customer_id": ""}}),
        ),
        (
            "profile",
            "group:org",
            json!({"user_id": "u", "groups": {"org": [""]}}),
        ),
        ("event", "order_id", json!({"event_id": "e"})),
    ] {
        assert_eq!(
            serve(fields(mode, kind), ids, &nothing),
            "off unallocated 1",
            "{mode} {kind}"
        );
    }
    assert_eq!(nothing.draws.get(), 0, "something was drawn");
}

#[test]
fn an_event_without_an_id_is_drawn_at_random() {
    let prepared = prepared(json!({"assignmentMode": "event"}));
    let known = Known::default();
    let mut counts = [0; 3];
    for _ in 0..10_000 {
        counts[prepared
            .outcome(&User::with_user_id("always-the-same"), &known)
            .variant] += 1;
    }
    assert_eq!(known.draws.get(), 10_000);
    // 4,000, 4,000 and 2,000 expected; five standard deviations are 245.
    assert!(
        (3_755..4_245).contains(&counts[0]) && (3_755..4_245).contains(&counts[1]),
        "{counts:?}"
    );
    // With an id it is the id that decides.
    let with_id = user(json!({"event_id": "e-1"}));
    let first = prepared.outcome(&with_id, &known);
    assert!((0..100).all(|_| prepared.outcome(&with_id, &known) == first));
    assert_eq!(known.draws.get(), 10_000);
}

#[test]
fn the_holdout_of_events_is_drawn_apart_from_the_split() {
    let prepared = prepared(json!({"assignmentMode": "event", "holdoutPct": 25}));
    let known = Known::default();
    let user = User::with_user_id("u");
    let outcomes: Vec<Outcome> = (0..8_000).map(|_| prepared.outcome(&user, &known)).collect();
    let held = outcomes.iter().filter(|o| o.reason == Reason::Holdout).count();
    // 2,000 expected; one draw for the holdout each, one more for those who are not held out.
    assert!((1_800..2_200).contains(&held), "{held} held out");
    assert_eq!(known.draws.get() as usize, 8_000 + 8_000 - held);
}

#[test]
fn long_and_foreign_ids_are_ids() {
    let nothing = Known::default();
    let long = "x".repeat(100_000);
    let ids = [
        long.as_str(),
        "пользователь",
        "用户-1",
        "🦀",
        " ",
        "\u{0}",
        "a/b",
        "é",
        "e\u{301}",
    ];
    let prepared = prepared(json!({}));
    let mut hashes = BTreeSet::new();
    for id in ids {
        let first = prepared.outcome(&User::with_user_id(id), &nothing);
        assert_eq!(first, prepared.outcome(&User::with_user_id(id), &nothing));
        assert!(
            matches!(first.reason, Reason::Allocation | Reason::Unallocated),
            "{first:?}"
        );
        hashes.insert(prepared.salt.hashed.hash(id));
    }
    assert_eq!(hashes.len(), ids.len());
}

#[test]
fn the_answer_carries_the_attribution() {
    let prepared = prepared(json!({}));
    let id = id_of(&prepared, Some("treatment"));
    let assignment = prepared.decide(&User::with_user_id(id), &Known::default());
    let experiment_id = "018f2c7e-0000-7000-8000-000000000001";
    assert_eq!(
        serde_json::to_value(assignment).expect("writes"),
        json!({
            "experimentId": experiment_id, "variantId": "Treatment", "variantName": "Shiny", "payload": [1, 2],
            "reason": "allocation", "ruleId": null, "cohort": 1,
            "attribution": {
                "__experimentId": experiment_id, "__variantId": "Treatment", "__experimentName": "Experiment",
                "__variantName": "Shiny", "__assignmentReason": "allocation", "__cohort": 1,
            },
        })
    );
}

#[test]
fn an_experiment_that_names_what_it_lacks_is_refused() {
    type Spoil = fn(&mut Experiment);
    let cases: [(&str, Spoil); 4] = [
        ("isControl", |e| e.variants[0].is_control = false),
        ("defaultVariantId", |e| {
            e.default_variant_id = Key::new("gone").expect("a key")
        }),
        ("winningVariant", |e| e.winning_variant = Key::new("gone").ok()),
        ("rules[0].variant", |e| {
            e.rules[0].variant = Key::new("gone").expect("a key")
        }),
    ];
    for (part, spoil) in cases {
        let mut experiment = experiment(json!({"rules": [{"variant": "off"}]}));
        spoil(&mut experiment);
        let error = Prepared::new(&experiment).expect_err("refused");
        assert_eq!(error.part, part);
        assert!(error.to_string().contains("control, Treatment, off"), "{error}");
    }
}

#[test]
fn slots_of_a_variant_that_is_gone_are_nobody_s() {
    let mut experiment = experiment(json!({}));
    let id = id_of(&Prepared::new(&experiment).expect("prepares"), Some("treatment"));
    experiment.variants.remove(1);
    let prepared = Prepared::new(&experiment).expect("prepares");
    assert_eq!(
        served(&prepared, &User::with_user_id(id), &Known::default()),
        "off unallocated 1"
    );
}
