//! What saving will do to people, in words.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::path::{Path, changes};
use crate::api::results::Overview;
use crate::cockpit::format;
use crate::domain::experiment::AssignmentMode;
use crate::domain::flag::OFF;
use crate::domain::{Experiment, Flag, Key, Status};

/// Marks a line that counts subjects.
pub const SO_FAR: &str = "so far";

/// What saving the draft does to people while the experiment runs; empty when it does nothing to anybody.
///
/// `overview` tells how many there are.
#[must_use]
pub fn consequences(draft: &Draft, overview: Option<&Overview>) -> Vec<String> {
    let (base, mine) = (draft.base.as_ref(), &draft.mine);
    if !matches!(base.status, Status::Active | Status::Paused) {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let found = changes(base, mine);
    let has = |wanted: fn(&Path) -> bool| found.iter().any(|(path, ..)| wanted(path));
    split(base, mine, overview, &mut lines);
    for (path, from, to) in &found {
        match path {
            Path::Holdout => lines.push(holdout(base, mine)),
            Path::DefaultVariant => lines.push(format!(
                "Whoever is unallocated sees {} instead of {}.",
                mine.default_variant_id, base.default_variant_id
            )),
            Path::VariantAttr(key, super::Attr::Payload) => {
                lines.push(format!(
                    "Whoever sees {key} gets its new payload from the next decision on."
                ));
            }
            Path::PrimaryMetric | Path::SecondaryEvent => lines.push(format!(
                "The results are counted anew, from all events: {} instead of {}.",
                path.show(to),
                path.show(from)
            )),
            Path::Sticky if mine.sticky => {
                lines.push("Subjects keep their first variant from now on.".to_owned());
            }
            Path::Sticky => lines.push("Changes of the split move subjects again.".to_owned()),
            Path::Prior => lines.push("P(best), intervals and the winner are computed anew.".to_owned()),
            _ => {}
        }
    }
    if has(|path| matches!(path, Path::Rule(_))) {
        lines.push(
            "Rules decide before the split: whoever they catch may change the variant, and is left out of the \
             test of the split."
                .to_owned(),
        );
    }
    if base.status == Status::Paused && !lines.is_empty() {
        lines.push("It is paused: all of this begins when it is resumed.".to_owned());
    }
    lines
}

/// How many change their variant: the split moves as few slots as possible, so that is what the shrinking
/// variants give away.
fn split(base: &Experiment, mine: &Experiment, overview: Option<&Overview>, lines: &mut Vec<String>) {
    let shares = |e: &Experiment| -> BTreeMap<String, u32> {
        let shares = e
            .variants
            .iter()
            .map(|v| (v.key.folded(), v.traffic_pct.basis_points()));
        shares.collect()
    };
    let before: BTreeMap<String, u32> = match base.current_cohort() {
        Some(cohort) => {
            let shares = cohort
                .variants
                .iter()
                .map(|v| (v.variant.folded(), v.split.basis_points()));
            shares.collect()
        }
        None => shares(base),
    };
    let after = shares(mine);
    let named = |key: &str| {
        let variant = mine.variant(key).or(base.variant(key));
        variant.map_or_else(|| key.to_owned(), |v| v.key.to_string())
    };
    let sum = |shares: &BTreeMap<String, u32>| shares.values().sum::<u32>();
    let lost: Vec<(String, u32)> = before
        .iter()
        .map(|(key, old)| {
            (
                named(key),
                old.saturating_sub(after.get(key).copied().unwrap_or(0)),
            )
        })
        .filter(|(_, lost)| *lost > 0)
        .collect();
    let gains: Vec<(String, u32)> = after
        .iter()
        .map(|(key, new)| {
            (
                named(key),
                new.saturating_sub(before.get(key).copied().unwrap_or(0)),
            )
        })
        .filter(|(_, gained)| *gained > 0)
        .collect();
    if lost.is_empty() && gains.is_empty() {
        return;
    }
    let unit = match mine.assignment_mode {
        AssignmentMode::Profile => "subjects",
        AssignmentMode::Session => "sessions",
        AssignmentMode::Event => "events",
    };
    let moved: u32 = lost.iter().map(|(_, points)| points).sum();
    let known = overview.map(|o| o.subjects).filter(|n| *n > 0);
    let seen = |points: u32, of: u32| {
        known.filter(|_| of > 0).map_or_else(String::new, |n| {
            let count = n.saturating_mul(u64::from(points)) / u64::from(of);
            format!(
                " (about {} of {} {SO_FAR})",
                format::count(count),
                format::count(n)
            )
        })
    };
    for (key, points) in &lost {
        lines.push(format!(
            "{} of the {unit} stop seeing {key}{}.",
            share(*points),
            seen(*points, sum(&before))
        ));
    }
    for (key, points) in &gains {
        let fresh = sum(&after).saturating_sub(sum(&before));
        let from = if lost.is_empty() || fresh >= *points {
            "that were unallocated "
        } else {
            ""
        };
        lines.push(format!(
            "{} of the {unit} {from}see {key} from now on.",
            share(*points)
        ));
    }
    if moved > 0 && mine.sticky {
        lines.push("Sticky is on: who has a variant already keeps it.".to_owned());
    }
    let next = base.cohorts.last().map_or(1, |cohort| cohort.index + 1);
    lines.push(format!(
        "Cohort {next} is appended; the test of the split begins anew with it."
    ));
}

fn holdout(base: &Experiment, mine: &Experiment) -> String {
    let (old, new) = (base.holdout_pct.basis_points(), mine.holdout_pct.basis_points());
    let control = mine
        .control()
        .map_or_else(|| "control".to_owned(), |v| v.key.to_string());
    if new > old {
        format!("{} more are held out and see {control}.", share(new - old))
    } else {
        format!(
            "{} are held out no longer and are split like the others.",
            share(old - new)
        )
    }
}

/// What saving a flag does to people while it is on; empty when it does nothing to anybody. `decided_by` is the
/// experiment that decides in its place, and `overrides` are those of the flag.
#[must_use]
pub fn of_flag(base: &Flag, mine: &Flag, decided_by: Option<&Key>, overrides: u64) -> Vec<String> {
    if !base.enabled || base.archived {
        return Vec::new();
    }
    let mut lines = Vec::new();
    rollout(base, mine, overrides, &mut lines);
    for v in &mine.variants {
        let before = base.variant(v.key.as_str());
        if before.is_some_and(|before| before.payload != v.payload) {
            let key = &v.key;
            lines.push(format!(
                "Whoever gets {key} gets its new payload from the next decision on."
            ));
        }
    }
    if base.rules != mine.rules {
        lines.push("Rules decide before the rollout: whoever they catch may change the variant.".to_owned());
    }
    if let Some(experiment) = decided_by.filter(|_| !lines.is_empty()) {
        let first = format!("While {experiment} decides it, this changes nothing for anybody; afterwards:");
        lines.insert(0, first);
    }
    lines
}

/// Who loses or gets a variant: slots change hands only where a share makes it necessary.
fn rollout(base: &Flag, mine: &Flag, overrides: u64, lines: &mut Vec<String>) {
    // The share of all subjects that a variant has, in basis points; what is called off has none.
    let share_of = |flag: &Flag, key: &str| {
        let served = flag
            .variant(key)
            .filter(|v| !v.key.as_str().eq_ignore_ascii_case(OFF));
        served.map_or(0, |v| {
            v.traffic_pct.basis_points() * flag.rollout_pct.basis_points() / 10_000
        })
    };
    let gone = base
        .variants
        .iter()
        .filter(|v| mine.variant(v.key.as_str()).is_none());
    let keys: Vec<&str> = mine.variants.iter().chain(gone).map(|v| v.key.as_str()).collect();
    let more = |flag: &Flag, than: &Flag| -> Vec<(String, u32)> {
        let more = |key: &&str| {
            let points = share_of(flag, key).saturating_sub(share_of(than, key));
            (points > 0).then(|| ((*key).to_owned(), points))
        };
        keys.iter().filter_map(more).collect()
    };
    let (lost, gained) = (more(base, mine), more(mine, base));
    if lost.is_empty() && gained.is_empty() {
        return;
    }
    let whole = |all: &[(String, u32)]| share(all.iter().map(|(_, points)| points).sum());
    let several = keys.iter().filter(|key| !key.eq_ignore_ascii_case(OFF)).count() > 1;
    let each = |all: &[(String, u32)]| {
        let each: Vec<String> = all
            .iter()
            .map(|(key, points)| format!("{key} {}", share(*points)))
            .collect();
        if several {
            format!(" ({})", each.join(", "))
        } else {
            String::new()
        }
    };
    if gained.is_empty() {
        let (whole, each) = (whole(&lost), each(&lost));
        lines.push(format!(
            "{whole} of subjects lose their variant{each} and get {OFF}."
        ));
    } else if lost.is_empty() {
        let (whole, each) = (whole(&gained), each(&gained));
        lines.push(format!(
            "{whole} of subjects get a variant{each} in place of {OFF}."
        ));
    } else {
        for (key, points) in &lost {
            lines.push(format!("{} of subjects stop getting {key}.", share(*points)));
        }
        for (key, points) in &gained {
            lines.push(format!("{} of subjects get {key} from now on.", share(*points)));
        }
    }
    // They come before the rollout, whatever it is.
    let apart = match (mine.rules.is_empty(), overrides > 0) {
        (true, false) => return,
        (false, false) => "its rules catch",
        (true, true) => "its overrides force",
        (false, true) => "its overrides force or its rules catch",
    };
    lines.push(format!("Whoever {apart} is not among them."));
}

fn share(points: u32) -> String {
    format!("{}.{:02} %", points / 100, points % 100)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::super::{Attr, Cell, rows};
    use super::*;
    use crate::domain::{Cohort, CohortVariant};

    fn active() -> Arc<Experiment> {
        let now = Timestamp::UNIX_EPOCH;
        let mut e = super::super::wizard::blank(now);
        e.status = Status::Active;
        e.cohorts = vec![Cohort {
            index: 1,
            created_at: now,
            variants: e
                .variants
                .iter()
                .map(|v| CohortVariant {
                    variant: v.key.clone(),
                    split: v.traffic_pct,
                    slots: Vec::new(),
                })
                .collect(),
        }];
        Arc::new(e)
    }

    fn overview() -> Overview {
        serde_json::from_value(serde_json::json!({
            "experimentId": uuid::Uuid::nil(), "subjects": 90_000, "perMinute": [], "gathering": false,
        }))
        .expect("reads")
    }

    fn said(entries: &[(Cell, &str)]) -> Vec<String> {
        let now = Timestamp::UNIX_EPOCH;
        let mut draft = Draft::new(active(), now);
        for (cell, text) in entries {
            draft.enter(cell, text, now);
            assert_eq!(draft.unread.len(), 0);
        }
        consequences(&draft, Some(&overview()))
    }

    #[test]
    fn who_moves_is_counted() {
        let traffic = |key: &str| Cell::Variant(key.into(), Attr::Traffic);
        assert_eq!(
            said(&[(traffic("treatment"), "40"), (traffic("control"), "60")]),
            [
                "10.00 % of the subjects stop seeing treatment (about 9,000 of 90,000 so far).",
                "10.00 % of the subjects see control from now on.",
                "Cohort 2 is appended; the test of the split begins anew with it.",
            ]
        );
        assert_eq!(
            said(&[(traffic("treatment"), "40")])[..1],
            ["10.00 % of the subjects stop seeing treatment (about 9,000 of 90,000 so far)."]
        );
        assert_eq!(said(&[(Cell::Name, "other")]), [""; 0], "a name moves nobody");
        assert_eq!(
            said(&[(Cell::Holdout, "5")]),
            ["5.00 % more are held out and see control."]
        );
    }

    /// What saving a flag says that had this rollout and has that one.
    fn of_rollout(enabled: bool, from: u32, to: u32, change: impl FnOnce(&mut Flag)) -> Vec<String> {
        let flag = |rollout: u32| -> Flag {
            serde_json::from_value(serde_json::json!({
                "id": uuid::Uuid::nil(), "key": "f", "salt": "f", "resourceVersion": 1, "enabled": enabled,
                "rolloutPct": rollout, "variants": [
                    {"key": "on", "trafficPct": 80}, {"key": "blue", "trafficPct": 20}, {"key": "off", "trafficPct": 9}],
                "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
            }))
            .expect("a flag")
        };
        let mut mine = flag(to);
        change(&mut mine);
        of_flag(&flag(from), &mine, None, 0)
    }

    #[test]
    fn who_loses_or_gets_a_variant_of_a_flag_is_told() {
        for (from, to, said) in [
            (
                100,
                50,
                "50.00 % of subjects lose their variant (on 40.00 %, blue 10.00 %) and get off.",
            ),
            (
                100,
                0,
                "100.00 % of subjects lose their variant (on 80.00 %, blue 20.00 %) and get off.",
            ),
            (
                50,
                100,
                "50.00 % of subjects get a variant (on 40.00 %, blue 10.00 %) in place of off.",
            ),
        ] {
            assert_eq!(of_rollout(true, from, to, |_| ()), [said]);
            assert_eq!(
                of_rollout(false, from, to, |_| ()),
                [""; 0],
                "off it changes nothing for anybody"
            );
        }
        assert_eq!(of_rollout(true, 50, 50, |f| f.name = "other".to_owned()), [""; 0]);
        let percent = |share| crate::domain::Percent::new(share).expect("a share");
        // One takes from the other.
        let turned = of_rollout(true, 50, 50, |f| {
            f.variants[0].traffic_pct = percent(60.0);
            f.variants[1].traffic_pct = percent(40.0);
        });
        assert_eq!(
            turned,
            [
                "10.00 % of subjects stop getting on.",
                "10.00 % of subjects get blue from now on."
            ]
        );
        // The only one is not named.
        let base: Flag = serde_json::from_value(serde_json::json!({
            "id": uuid::Uuid::nil(), "key": "f", "salt": "f", "resourceVersion": 1, "enabled": true, "rolloutPct": 100,
            "variants": [{"key": "on", "trafficPct": 100, "payload": 1}],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))
        .expect("a flag");
        let mut mine = base.clone();
        mine.rollout_pct = percent(50.0);
        mine.variants[0].payload = serde_json::json!(2);
        let key = Key::new("exp").expect("a key");
        assert_eq!(
            of_flag(&base, &mine, Some(&key), 3),
            [
                "While exp decides it, this changes nothing for anybody; afterwards:",
                "50.00 % of subjects lose their variant and get off.",
                "Whoever its overrides force is not among them.",
                "Whoever gets on gets its new payload from the next decision on.",
            ]
        );
    }

    #[test]
    fn a_draft_moves_nobody_and_a_variant_that_goes_moves_all_of_its_own() {
        let now = Timestamp::UNIX_EPOCH;
        let mut draft = Draft::new(active(), now);
        draft.change(now, |e| rows::remove_variant(e, "treatment"));
        let lines = consequences(&draft, None);
        assert_eq!(lines[0], "50.00 % of the subjects stop seeing treatment.");
        let mut draft = Draft::new(Arc::new(super::super::wizard::blank(now)), now);
        draft.change(now, |e| rows::remove_variant(e, "treatment"));
        assert_eq!(consequences(&draft, None), [""; 0]);
    }
}
