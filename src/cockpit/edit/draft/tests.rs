//! The working copy, tried.

use uuid::Uuid;

use super::*;
use crate::cockpit::edit::{Attr, DraftKey, rows};

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn base() -> Arc<Experiment> {
    let mut e = crate::cockpit::edit::wizard::blank(now());
    e.name = "Exp".into();
    Arc::new(e)
}

fn key() -> DraftKey {
    DraftKey {
        server: "http://127.0.0.1:1".into(),
        project: Uuid::nil(),
        of: super::super::disk::Of::Experiment,
        object: base().id,
    }
}

fn newer(change: impl FnOnce(&mut Experiment)) -> Arc<Experiment> {
    let mut e = (*base()).clone();
    change(&mut e);
    e.resource_version += 1;
    Arc::new(e)
}

#[test]
fn changes_are_counted_undone_and_done_again() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Name, "New", now());
    draft.enter(&Cell::Holdout, "many", now());
    assert_eq!(draft.count(), 2);
    assert!(draft.touches(Tab::Setup) && !draft.touches(Tab::Variants));
    assert!(
        draft.unread[&Cell::Holdout]
            .why
            .starts_with("holdout: got \"many\"")
    );
    assert!(draft.undo(now()) && draft.undo(now()) && !draft.undo(now()));
    assert!(draft.is_clean());
    assert!(draft.redo(now()) && draft.redo(now()) && !draft.redo(now()));
    assert_eq!(draft.count(), 2);
    draft.enter(&Cell::Holdout, "2", now());
    assert!(draft.unread.is_empty());
    draft.revert(now());
    assert!(draft.is_clean());
    assert!(draft.undo(now()));
    assert_eq!(draft.mine.name, "New", "even what was thrown away comes back");
}

#[test]
fn a_text_that_is_not_read_stays_with_its_variant() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Variant("treatment".into(), Attr::Traffic), "half", now());
    draft.enter(&Cell::Variant("treatment".into(), Attr::Key), "b", now());
    assert!(
        draft
            .unread
            .contains_key(&Cell::Variant("b".into(), Attr::Traffic))
    );
    draft.change(now(), |e| rows::remove_variant(e, "b"));
    assert!(draft.unread.is_empty());
}

#[test]
fn a_text_that_is_not_read_stays_with_its_row() {
    let rule = Uuid::from_u128(5);
    let mut draft = Draft::new(base(), now());
    draft.change(now(), |e| {
        rows::add_rule(e, rule);
        for _ in 0..2 {
            rows::add_condition(e, rule);
        }
        let conditions = &mut e.rules[0].conditions;
        for (field, condition) in ["a", "b", "c"].into_iter().zip(conditions) {
            condition.field = field.to_owned();
        }
    });
    let count = draft.mine.rules[0].conditions.len();
    assert!(count >= 2, "{count}");
    let last = |at: usize| Cell::Condition(rule, at, super::super::Part::Field);
    let waits = || Unread {
        text: "waits".to_owned(),
        why: String::new(),
        half: false,
    };
    draft.unread.insert(last(1), waits());
    let conditions = Rows::Conditions(rule);
    // Up, and the one that stood there down.
    draft.change_rows(now(), Some((conditions, Moved::Swapped(1, 0))), |e| {
        rows::shift(&mut e.rules[0].conditions, 1, false)
    });
    assert_eq!(draft.unread.keys().collect::<Vec<_>>(), [&last(0)]);
    draft.change_rows(now(), Some((conditions, Moved::Swapped(0, 1))), |e| {
        rows::shift(&mut e.rules[0].conditions, 0, true)
    });
    // The one before it goes.
    draft.change_rows(now(), Some((conditions, Moved::Gone(0))), |e| {
        e.rules[0].conditions.remove(0);
    });
    assert_eq!(draft.unread.keys().collect::<Vec<_>>(), [&last(0)]);
    assert!(draft.undo(now()));
    assert_eq!(draft.unread.keys().collect::<Vec<_>>(), [&last(1)]);
    // It goes itself.
    draft.change_rows(now(), Some((conditions, Moved::Gone(1))), |e| {
        e.rules[0].conditions.remove(1);
    });
    assert!(draft.unread.is_empty());
    // A tracked event before it goes.
    let event = |at: usize| Cell::Filter(Which::Tracked(at), 0, super::super::Part::Value);
    draft.enter(&Cell::NewTracked, "first", now());
    draft.enter(&Cell::NewTracked, "second", now());
    draft.unread.insert(event(1), waits());
    draft.enter(&Cell::Event(Which::Tracked(0)), "", now());
    assert_eq!(draft.mine.tracked_events.len(), 1);
    assert_eq!(draft.unread.keys().collect::<Vec<_>>(), [&event(0)]);
}

#[test]
fn news_merge_and_the_same_field_is_decided() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Name, "Mine", now());
    draft.rebase(&newer(|e| e.description = "theirs".into()), now());
    assert_eq!(draft.news.as_ref().expect("told").taken, [Path::Description]);
    assert_eq!((draft.count(), draft.open_conflicts()), (1, 0));
    draft.rebase(
        &newer(|e| {
            e.description = "theirs".into();
            e.name = "Theirs".into();
            e.resource_version += 1;
        }),
        now(),
    );
    assert_eq!(draft.open_conflicts(), 1);
    assert_eq!(draft.mine.name, "Mine", "mine stands until it is decided");
    draft.decide(0, Side::Theirs, now());
    assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Theirs", 0));
    draft.decide(0, Side::Mine, now());
    assert_eq!(draft.mine.name, "Mine");
    assert_eq!(draft.news.as_ref().expect("told").from, 1);
}

#[test]
fn what_was_typed_while_it_was_sent_is_left_after_it_was_saved() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Name, "Sent", now());
    draft.sent = Some(Box::new(draft.mine.clone()));
    draft.enter(&Cell::Description, "later", now());
    draft.saved(&newer(|e| e.name = "Sent".into()), now());
    let paths: Vec<Path> = draft.changes().into_iter().map(|(path, ..)| path).collect();
    assert_eq!(paths, [Path::Description]);
    assert_eq!(draft.base.resource_version, 2);
}

#[test]
fn what_nobody_has_decided_is_still_asked_after_a_part_was_saved() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Name, "Mine", now());
    let theirs = newer(|e| e.name = "Theirs".into());
    draft.rebase(&theirs, now());
    // The table of variants saves itself meanwhile.
    draft.enter(&Cell::Variant("treatment".into(), Attr::Name), "Tall", now());
    let mut sent = (*theirs).clone();
    sent.variants[1].name = "Tall".into();
    draft.sent = Some(Box::new(sent.clone()));
    sent.resource_version += 1;
    draft.saved(&Arc::new(sent), now());
    assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Mine", 1));
    assert!(draft.news.is_some(), "who it was is still told");
    draft.decide(0, Side::Theirs, now());
    assert!(draft.is_clean());
}

#[test]
fn a_decision_that_is_taken_back_is_asked_again() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Name, "Mine", now());
    draft.rebase(&newer(|e| e.name = "Theirs".into()), now());
    draft.decide(0, Side::Theirs, now());
    assert!(draft.undo(now()));
    assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Mine", 1));
    assert!(draft.redo(now()));
    assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Theirs", 0));
    // Thrown away and brought back.
    assert!(draft.undo(now()));
    draft.revert(now());
    assert_eq!((draft.is_clean(), draft.open_conflicts()), (true, 0));
    assert!(draft.undo(now()));
    assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("Mine", 1));
    // An older state of mine meets theirs as well.
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Name, "First", now());
    draft.enter(&Cell::Name, "Second", now());
    draft.rebase(&newer(|e| e.name = "Theirs".into()), now());
    draft.decide(0, Side::Mine, now());
    assert!(draft.undo(now()) && draft.undo(now()));
    assert_eq!((draft.mine.name.as_str(), draft.open_conflicts()), ("First", 1));
}

#[test]
fn undo_goes_back_beyond_a_save() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Variant("treatment".into(), Attr::Traffic), "30", now());
    draft.sent = Some(Box::new(draft.mine.clone()));
    let mut result = draft.mine.clone();
    result.resource_version += 1;
    draft.saved(&Arc::new(result), now());
    assert!(draft.is_clean());
    assert!(draft.undo(now()));
    assert_eq!(draft.count(), 1);
    assert_eq!(draft.mine.variants[1].traffic_pct, base().variants[1].traffic_pct);
    assert_eq!(draft.mine.resource_version, draft.base.resource_version);
    assert!(draft.redo(now()) && draft.is_clean());
}

#[test]
fn the_changes_of_two_drafts_become_one_and_the_same_field_is_decided() {
    let mut first = Draft::new(base(), now());
    first.enter(&Cell::Name, "First", now());
    first.enter(&Cell::Description, "of the first", now());
    let newer = newer(|e| e.hypothesis = "theirs".into());
    let mut second = Draft::new(Arc::clone(&newer), now());
    second.enter(&Cell::Name, "Second", now());
    second.enter(&Cell::Holdout, "many", now());
    second.instead_of.push("a file".to_owned());
    first.join(second, now());
    assert_eq!(first.base.resource_version, newer.resource_version);
    assert_eq!(first.mine.name, "First", "mine stands until it is decided");
    assert_eq!(first.mine.description, "of the first");
    assert_eq!(first.unread[&Cell::Holdout].text, "many");
    assert_eq!(first.open_conflicts(), 1);
    assert_eq!(first.instead_of, ["a file"]);
    first.decide(0, Side::Theirs, now());
    assert_eq!((first.mine.name.as_str(), first.open_conflicts()), ("Second", 0));
    // The same once more brings nothing new.
    let count = first.count();
    let again = first.clone();
    first.join(again, now());
    assert_eq!((first.count(), first.open_conflicts()), (count, 0));
}

#[test]
fn what_is_chosen_once_for_ever_counts_too() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Mode, "session", now());
    draft.enter(&Cell::NewKey, "mine", now());
    assert_eq!(draft.count(), 2);
}

#[test]
fn a_draft_comes_back_from_disk_as_it_was() {
    let mut draft = Draft::new(base(), now());
    draft.enter(&Cell::Name, "New", now());
    draft.enter(&Cell::Holdout, "many", now());
    let key = key();
    let stored = draft.stored(key, Some((Cell::Description, "half a sen".into())));
    let text = serde_json::to_string(&stored).expect("writes");
    let stored: StoredDraft = serde_json::from_str(&text).expect("reads");
    assert_eq!(stored.count(), 3);
    let back = Draft::restored(stored);
    assert_eq!(back.mine.name, "New");
    assert_eq!(back.mine.description, "", "nothing that is half typed is taken");
    assert_eq!(back.unread[&Cell::Description].text, "half a sen");
    assert!(back.unread[&Cell::Description].half && !back.unread[&Cell::Holdout].half);
    assert_eq!(back.unread[&Cell::Holdout].text, "many");
}

#[test]
fn what_they_changed_under_a_text_that_was_left_half_typed_is_asked() {
    let key = key();
    let typing = Some((Cell::Hypothesis, "shorter forms".to_owned()));
    let mut draft = Draft::restored(Draft::new(base(), now()).stored(key, typing));
    assert_eq!(draft.open_conflicts(), 0);
    draft.rebase(&newer(|e| e.description = "theirs".into()), now());
    assert_eq!(draft.open_conflicts(), 0, "another field");
    let mut both = (*newer(|e| e.description = "theirs".into())).clone();
    both.hypothesis = "longer forms".into();
    both.resource_version += 1;
    draft.rebase(&Arc::new(both), now());
    let asked: Vec<&Path> = draft.conflicts.iter().map(|c| &c.both.path).collect();
    assert_eq!(asked, [&Path::Hypothesis]);
    let news = draft.news.as_ref().unwrap();
    assert!(!news.taken.contains(&Path::Hypothesis), "{news:?}");
    // It stays a question until somebody answers, and the text waits.
    assert_eq!(draft.unread[&Cell::Hypothesis].text, "shorter forms");
}
