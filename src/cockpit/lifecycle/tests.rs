use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::cockpit::edit::wizard;

#[test]
fn how_many_overrides_go_with_a_draft_is_said() {
    let experiment = wizard::blank(Timestamp::UNIX_EPOCH);
    let dialog = StepDialog::new(Step::Delete, Arc::new(experiment), false, Timestamp::UNIX_EPOCH);
    let said = |overrides| effects(&dialog, None, None, overrides, &Keymap::default()).join(" ");
    assert!(said(Some(1_000_001)).contains("with its rules and 1,000,001 overrides;"));
    assert!(said(Some(1)).contains("with its rules and 1 override;"));
    assert!(said(Some(0)).contains("with its rules; it has no overrides;"));
    assert!(said(None).contains("with its rules and overrides;"));
}

#[test]
fn who_loses_an_arm_is_counted_while_it_runs() {
    let mut experiment = wizard::blank(Timestamp::UNIX_EPOCH);
    experiment.status = Status::Active;
    let mut overview = Overview {
        experiment_id: Uuid::nil(),
        subjects: 1_000,
        subjects_per_day: None,
        subjects_per_day_seconds: None,
        per_minute: Vec::new(),
        last_event_at: None,
        leader: None,
        srm_p: None,
        gathering: true,
        not_counted: None,
    };
    assert!(losing(&experiment, "control", Some(&overview)).is_empty());
    overview.subjects_per_day = Some(288_000);
    let lines = losing(&experiment, "control", Some(&overview));
    assert_eq!(lines, ["About 144,000 subjects/day stop seeing treatment."]);
    // What that is worth is said where it is less than it seems.
    overview.subjects_per_day_seconds = Some(20 * 60 + 31);
    overview.per_minute = vec![0, 3, 0];
    let lines = losing(&experiment, "control", Some(&overview));
    assert_eq!(lines[1..], ["A day is reckoned from only 20 min of data."]);
    overview.per_minute = vec![0; 30];
    let both = "A day is reckoned from only 20 min of data. No exposure came in the last 30 min.";
    assert_eq!(losing(&experiment, "control", Some(&overview))[1..], [both]);
    assert_eq!(
        replaced(&experiment, "control", Some(&overview))
            .last()
            .map(String::as_str),
        Some(both)
    );
    overview.subjects_per_day_seconds = Some(86_400);
    assert_eq!(
        basis(&overview).as_deref(),
        Some("No exposure came in the last 30 min.")
    );
    overview.per_minute = vec![1; 30];
    assert_eq!(basis(&overview), None);
    experiment.status = Status::Paused;
    assert!(losing(&experiment, "control", Some(&overview)).is_empty());
    overview.per_minute = vec![0; 30];
    assert!(!replaced(&experiment, "treatment", Some(&overview)).contains(&both.to_owned()));
}

#[test]
fn what_is_served_afterwards_is_what_the_flag_says() {
    let mut experiment = wizard::blank(Timestamp::UNIX_EPOCH);
    experiment.status = Status::Completed;
    experiment.winning_variant = Key::new("treatment").ok();
    assert_eq!(
        no_longer_served(&experiment, None),
        ["Its winner treatment is no longer served: everybody who asks for it sees control."]
    );
    experiment.linked_flag = Key::new("checkout").ok();
    let flag = |change: serde_json::Value| -> FlagRow {
        let mut flag = serde_json::json!({
            "id": Uuid::nil(), "key": "checkout", "salt": "checkout", "enabled": true, "rolloutPct": 100,
            "variants": [{ "key": "treatment", "trafficPct": 100 }], "resourceVersion": 1, "overrides": 0,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        let fields = change.as_object().expect("fields").clone();
        flag.as_object_mut().expect("fields").extend(fields);
        serde_json::from_value(flag).expect("a flag")
    };
    let said = |change| no_longer_served(&experiment, Some(&flag(change))).remove(1);
    assert_eq!(
        said(serde_json::json!({})),
        "checkout is on and serves treatment to everybody."
    );
    assert_eq!(
        said(serde_json::json!({ "enabled": false })),
        "checkout is switched off: everybody who asks for it gets off."
    );
    assert_eq!(
        said(serde_json::json!({ "rolloutPct": 20 })),
        "checkout is on: 20.00 % of the subjects get one of its variants; the others get off."
    );
    let halves = serde_json::json!([
        { "key": "on", "trafficPct": 25 }, { "key": "off", "trafficPct": 75, "orderIndex": 1 },
    ]);
    assert_eq!(
        said(serde_json::json!({ "rolloutPct": 50, "variants": halves })),
        "checkout is on: 12.50 % of the subjects get one of its variants; the others get off."
    );
    // Whom its overrides force gets something else, and is told; who is forced into what it serves is none of them.
    let forces =
        |n: u64, by: serde_json::Value| serde_json::json!({ "overrides": n, "overridesByVariant": by });
    let some = serde_json::json!({ "control": 3, "Treatment": 1_200, "other": 1_000 });
    assert_eq!(
        said(forces(2_203, some.clone())),
        "checkout is on and serves treatment to everybody but 1,003 subjects (control 3, other 1,000) whom its \
         overrides force."
    );
    assert_eq!(
        said(forces(2, serde_json::json!({ "treatment": 2 }))),
        "checkout is on and serves treatment to everybody."
    );
    assert_eq!(
        said(forces(1, serde_json::json!({}))),
        "checkout is on and serves treatment to everybody but 1 subject whom its overrides force."
    );
    assert_eq!(
        said(serde_json::json!({ "enabled": false, "overrides": 3 })),
        "checkout is switched off: everybody who asks for it gets off."
    );
    assert_eq!(
        said(serde_json::json!({ "rolloutPct": 20, "overrides": 3 })),
        "checkout is on: 20.00 % of the subjects get one of its variants; the others get off. Before all of that \
         its overrides force 3 subjects."
    );
    // A winner that is applied holds for them as well, until the end.
    let (won, row) = (Key::new("treatment").expect("a key"), flag(forces(2_203, some)));
    let until = "That holds for everybody until the experiment is ended; then overrides of checkout";
    assert_eq!(
        forced_after_winner(&experiment, &won, Some(&row)),
        Some(format!("{until} force 1,003 subjects (control 3, other 1,000)."))
    );
    assert_eq!(
        forced_after_winner(&experiment, &won, None),
        Some(format!("{until} hold, where it has any."))
    );
    let none = flag(serde_json::json!({}));
    assert_eq!(forced_after_winner(&experiment, &won, Some(&none)), None);
    // So does a flag that takes the place of the experiment.
    let instead = |flag| serves_instead(&won, "the winner", flag);
    assert_eq!(
        instead(Known::Yes(Some(&row))),
        "The flag is switched on at once: 100 % get treatment, the winner, but for 1,003 subjects (control 3, other \
         1,000) whom its overrides force."
    );
    assert!(instead(Known::No).ends_with("but for those whom overrides of the flag force."));
    for none in [None, Some(&none)] {
        assert!(instead(Known::Yes(none)).contains("switched on for everybody at once"));
    }
}
