//! Three copies become one: where I started, mine, theirs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::path::{Path, arrange, common, order, renumber};
use crate::domain::Experiment;

/// A part that both changed, differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Both {
    /// The part.
    pub path: Path,
    /// Its value where both started.
    pub base: Value,
    /// My value.
    pub mine: Value,
    /// Their value.
    pub theirs: Value,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Merged {
    /// Theirs with my changes; of what both changed it holds mine, until somebody decides.
    pub mine: Experiment,
    /// The parts that only they changed.
    pub taken: Vec<Path>,
    /// The parts that both changed.
    pub both: Vec<Both>,
}

/// Brings my changes and theirs together, both made from `base`.
#[must_use]
pub fn merge(base: &Experiment, mine: &Experiment, theirs: &Experiment) -> Merged {
    let mut merged = Merged {
        mine: theirs.clone(),
        taken: Vec::new(),
        both: Vec::new(),
    };
    for path in Path::of(&[base, mine, theirs]) {
        let [was, here, there] = if path == Path::VariantOrder {
            let keys = common(&[base, mine, theirs]);
            [base, mine, theirs].map(|e| Value::from(order(e, &keys)))
        } else {
            [base, mine, theirs].map(|e| path.get(e))
        };
        if here == was || here == there {
            if there != was && here == was {
                merged.taken.push(path);
            }
            continue;
        }
        path.set(&mut merged.mine, &here);
        if there != was {
            merged.both.push(Both {
                path,
                base: was,
                mine: here,
                theirs: there,
            });
        }
    }
    // New variants of mine stand where I put them, as far as there is such a place.
    let mut wanted = order(mine, &common(&[mine, &merged.mine]));
    let others = merged.mine.variants.iter().map(|v| v.key.folded());
    let missing: Vec<String> = others.filter(|key| !wanted.contains(key)).collect();
    let added = mine
        .variants
        .iter()
        .any(|v| theirs.variant(v.key.as_str()).is_none());
    if added {
        wanted.extend(missing);
        arrange(&mut merged.mine, &wanted);
    }
    renumber(&mut merged.mine);
    merged
}

#[cfg(test)]
mod tests {
    use super::super::path::changes;
    use super::*;
    use crate::domain::{Key, Percent};
    use uuid::Uuid;

    fn base() -> Experiment {
        serde_json::from_value(serde_json::json!({
            "id": Uuid::nil(), "key": "exp", "name": "Exp", "assignmentMode": "profile", "status": "active",
            "variants": [
                {"key": "control", "isControl": true, "trafficPct": 50},
                {"key": "treatment", "trafficPct": 50, "orderIndex": 1},
            ],
            "defaultVariantId": "control", "salt": "exp", "resourceVersion": 3,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))
        .expect("reads")
    }

    fn changed(change: impl FnOnce(&mut Experiment)) -> Experiment {
        let mut e = base();
        change(&mut e);
        e
    }

    fn percent(points: u32) -> Percent {
        Percent::from_basis_points(points).expect("in range")
    }

    #[test]
    fn different_fields_merge() {
        let mine = changed(|e| e.variants[1].name = "Tall".into());
        let theirs = changed(|e| {
            e.holdout_pct = percent(200);
            e.variants[1].traffic_pct = percent(4_000);
            e.resource_version = 4;
        });
        let merged = merge(&base(), &mine, &theirs);
        assert_eq!(merged.both, []);
        assert_eq!(
            merged.taken,
            [
                Path::Holdout,
                Path::VariantAttr("treatment".into(), super::super::Attr::Traffic)
            ]
        );
        assert_eq!(merged.mine.variants[1].name, "Tall");
        assert_eq!(merged.mine.variants[1].traffic_pct, percent(4_000));
        assert_eq!(merged.mine.resource_version, 4);
        assert_eq!(changes(&theirs, &merged.mine).len(), 1);
    }

    #[test]
    fn the_same_field_is_for_a_person_to_decide() {
        let mine = changed(|e| e.name = "Mine".into());
        let theirs = changed(|e| e.name = "Theirs".into());
        let merged = merge(&base(), &mine, &theirs);
        assert_eq!(merged.mine.name, "Mine");
        assert_eq!(merged.both.len(), 1);
        assert_eq!(merged.both[0].theirs, "Theirs");
        // The same change by both is none.
        assert_eq!(merge(&base(), &mine, &mine).both, []);
    }

    #[test]
    fn a_variant_that_one_changed_and_the_other_removed_is_asked_for_as_a_whole() {
        let mine = changed(|e| e.variants[1].name = "Tall".into());
        let theirs = changed(|e| {
            e.variants.remove(1);
        });
        let merged = merge(&base(), &mine, &theirs);
        assert_eq!(merged.both.len(), 1);
        assert_eq!(merged.both[0].path, Path::Variant("treatment".into()));
        assert_eq!(merged.both[0].theirs, Value::Null);
        assert_eq!(merged.mine.variants[1].name, "Tall");
    }

    #[test]
    fn both_may_add_variants_and_order_them() {
        let add = |key: &str, at: usize| {
            changed(|e| {
                let mut variant = e.variants[1].clone();
                variant.key = Key::new(key).expect("a key");
                variant.traffic_pct = Percent::ZERO;
                e.variants.insert(at, variant);
                for (v, n) in e.variants.iter_mut().zip(0..) {
                    v.order_index = n;
                }
            })
        };
        let merged = merge(&base(), &add("mine", 1), &add("theirs", 2));
        assert_eq!(merged.both, []);
        let keys: Vec<&str> = merged.mine.variants.iter().map(|v| v.key.as_str()).collect();
        assert_eq!(keys, ["control", "mine", "treatment", "theirs"]);
        let indexes: Vec<u32> = merged.mine.variants.iter().map(|v| v.order_index).collect();
        assert_eq!(indexes, [0, 1, 2, 3]);
    }
}
