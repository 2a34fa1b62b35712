use uuid::Uuid;

use super::*;
use crate::domain::Percent;

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn flag(version: u64, change: impl FnOnce(&mut Flag)) -> Flag {
    let rule = |id: u128, variant: &str| serde_json::json!({"id": Uuid::from_u128(id), "variant": variant, "priority": 1, "conditions": []});
    let mut flag = serde_json::from_value(serde_json::json!({
        "id": Uuid::nil(), "key": "new-checkout", "salt": "new-checkout", "resourceVersion": version,
        "variants": [{"key": "on", "trafficPct": 50}, {"key": "blue", "trafficPct": 50, "orderIndex": 1}],
        "rules": [rule(1, "on"), rule(2, "blue")], "rolloutPct": 10,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    }))
    .expect("reads");
    change(&mut flag);
    flag
}

fn draft(change: impl FnOnce(&mut Flag)) -> FlagDraft {
    let mut draft = FlagDraft::new(flag(1, |_| ()), now());
    draft.change(now(), change);
    draft
}

fn percent(n: f64) -> Percent {
    Percent::new(n).expect("a share")
}

#[test]
fn what_is_asked_first_is_decided_first_whatever_they_change_next() {
    let mut draft = draft(|f| {
        f.name = "mine".to_owned();
        f.description = "mine".to_owned();
    });
    let theirs = |version, name: &str| {
        flag(version, |f| {
            f.name = name.to_owned();
            f.description = "theirs".to_owned();
        })
    };
    draft.merge(&theirs(2, "theirs"), now());
    draft.merge(&theirs(3, "theirs again"), now());
    let asked: Vec<FlagPart> = draft.both.iter().map(|clash| clash.part).collect();
    assert_eq!(asked, [FlagPart::Name, FlagPart::Description]);
    assert_eq!(draft.both[0].start.name, flag(1, |_| ()).name, "where I started");
    assert_eq!(draft.decide(false, now()), Some(FlagPart::Name));
    assert_eq!(draft.mine.name, "theirs again");
    assert_eq!(draft.mine.description, "mine");
}

#[test]
fn changes_of_different_parts_merge_and_the_same_part_is_asked_about() {
    let mut draft = draft(|f| f.name = "mine".to_owned());
    draft.change(now(), |f| f.rollout_pct = Percent::HUNDRED);
    let theirs = flag(2, |f| {
        f.description = "theirs".to_owned();
        f.enabled = true;
    });
    assert_eq!(draft.merge(&theirs, now()), [FlagPart::Description]);
    assert_eq!(draft.both, []);
    assert_eq!(draft.changed(), [FlagPart::Name, FlagPart::Rollout]);
    assert_eq!(
        (draft.mine.description.as_str(), draft.mine.enabled),
        ("theirs", true)
    );
    let theirs = flag(3, |f| {
        f.description = "theirs".to_owned();
        f.rollout_pct = percent(30.0);
        f.name = "mine".to_owned();
    });
    assert_eq!(draft.merge(&theirs, now()), []);
    let [clash] = &draft.both[..] else {
        panic!("{:?}", draft.both);
    };
    assert_eq!(clash.part, FlagPart::Rollout);
    assert_eq!(
        [&clash.start, &draft.mine, &clash.theirs].map(|f| f.rollout_pct),
        [percent(10.0), Percent::HUNDRED, percent(30.0)],
        "three copies"
    );
    assert_eq!(draft.changed(), [FlagPart::Rollout], "the name is the same now");
    assert_eq!(draft.mine.resource_version, 3);
    let news = draft.news.as_ref().expect("told");
    assert_eq!((news.from, news.to), (1, 3));
    assert!(draft.take_back(now()));
    assert_eq!(
        draft.mine.rollout_pct,
        percent(30.0),
        "undo takes mine back, not theirs"
    );
    assert_eq!((draft.changed(), draft.both), (vec![], vec![]));
}

#[test]
fn variants_and_rules_merge_one_by_one() {
    let mut draft = draft(|f| {
        f.variants[0].name = "mine".to_owned();
        f.rules.remove(0);
    });
    let theirs = flag(2, |f| {
        f.variants[0].payload = serde_json::json!(1);
        f.variants[1].traffic_pct = percent(20.0);
        f.rules[1].priority = 7;
    });
    assert_eq!(draft.merge(&theirs, now()), [FlagPart::Variants, FlagPart::Rules]);
    assert_eq!(draft.both, []);
    let mine = &draft.mine;
    assert_eq!(mine.variants[0].name, "mine");
    assert_eq!(mine.variants[0].payload, serde_json::json!(1));
    assert_eq!(mine.variants[1].traffic_pct, percent(20.0));
    assert_eq!(mine.rules.iter().map(|r| r.priority).collect::<Vec<_>>(), [7]);
}

#[test]
fn taking_theirs_takes_what_they_saved_since_it_is_asked() {
    for mine in [true, false] {
        let mut draft = draft(|f| f.variants[0].payload = serde_json::json!("mine"));
        let mut theirs = flag(2, |f| f.variants[0].payload = serde_json::json!("theirs"));
        draft.merge(&theirs, now());
        assert_eq!(draft.both.len(), 1);
        // This touches nothing of mine, and is no second question.
        theirs.resource_version = 3;
        theirs.variants[1].name = "newer".to_owned();
        draft.merge(&theirs, now());
        assert_eq!(draft.both.len(), 1);
        assert_eq!(draft.mine.variants[1].name, "newer");
        draft.decide(mine, now());
        assert_eq!(draft.mine.variants[1].name, "newer", "{mine}");
        assert_eq!(draft.changed().is_empty(), !mine);
        // Also where it is decided once more.
        assert!(draft.take_back(now()));
        draft.decide(!mine, now());
        assert_eq!(draft.mine.variants[1].name, "newer", "{mine}");
    }
}

#[test]
fn what_only_together_is_wrong_is_asked_about() {
    let mut draft = draft(|f| {
        f.variants[0].traffic_pct = percent(30.0);
        f.variants[1].traffic_pct = percent(70.0);
    });
    let theirs = flag(2, |f| {
        f.variants[0].traffic_pct = percent(80.0);
        f.variants[1].traffic_pct = percent(20.0);
    });
    draft.merge(&theirs, now());
    assert_eq!(draft.both[0].part, FlagPart::Variants);
    assert_eq!(draft.decide(false, now()), Some(FlagPart::Variants));
    assert_eq!(draft.mine.variants, theirs.variants);
    assert!(draft.changed().is_empty());
    // A rule of mine for a variant that they removed.
    let mut mine = FlagDraft::new(flag(1, |_| ()), now());
    mine.change(now(), |f| f.rules[1].priority = 9);
    let theirs = flag(2, |f| {
        f.variants.pop();
        f.rules.pop();
    });
    mine.merge(&theirs, now());
    assert!(mine.both.iter().any(|clash| clash.part == FlagPart::Rules));
    assert_eq!(mine.mine.rules[1].priority, 9, "nothing is lost");
}

#[test]
fn a_draft_comes_back_from_disk_and_two_become_one() {
    let key = DraftKey {
        server: "http://127.0.0.1:1".to_owned(),
        project: Uuid::nil(),
        of: super::super::disk::Of::Flag,
        object: Uuid::nil(),
    };
    let first = draft(|f| f.name = "first".to_owned());
    let text = serde_json::to_string(&first.stored(key)).expect("writes");
    let stored: StoredFlag = serde_json::from_str(&text).expect("reads");
    assert_eq!(stored.count(), 1);
    let mut first = FlagDraft::restored(stored);
    let mut second = draft(|f| {
        f.name = "second".to_owned();
        f.description = "of the second".to_owned();
    });
    second.merge(&flag(2, |f| f.rollout_pct = percent(30.0)), now());
    first.join(second, now());
    assert_eq!(first.mine.name, "first", "until it is decided");
    assert_eq!(first.mine.description, "of the second");
    assert_eq!(first.mine.rollout_pct, percent(30.0));
    assert_eq!(first.both.len(), 1);
    assert_eq!(first.decide(false, now()), Some(FlagPart::Name));
    assert_eq!(first.mine.name, "second");
    // Taken back, it is asked again.
    assert!(first.take_back(now()));
    assert_eq!((first.mine.name.as_str(), first.both.len()), ("first", 1));
    assert_eq!(first.decide(true, now()), Some(FlagPart::Name));
    assert!(first.take_back(now()));
    assert_eq!(first.both.len(), 1);
}
