//! What the tests of the decision share.

use std::cell::Cell;
use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::lookups::Lookups;
use super::{hash, split};
use crate::domain::{Experiment, OverrideSubject, User};

/// An active experiment `exp` with 40 % control, 40 % treatment and 20 % unallocated, changed by `fields`.
///
/// The default variant is `off`, which has no share, so that serving it cannot be mistaken for control.
pub(super) fn experiment(fields: Value) -> Experiment {
    let mut json = json!({
        "id": "018f2c7e-0000-7000-8000-000000000001", "key": "exp", "name": "Experiment", "salt": "exp",
        "assignmentMode": "profile", "status": "active", "linkedFlag": "the-flag",
        "variants": [
            {"key": "control", "isControl": true, "trafficPct": 40, "payload": {"colour": "grey"}},
            {"key": "Treatment", "name": "Shiny", "trafficPct": 40, "orderIndex": 1, "payload": [1, 2]},
            {"key": "off", "trafficPct": 0, "orderIndex": 2},
        ],
        "defaultVariantId": "off", "resourceVersion": 1,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
    });
    let Value::Object(fields) = fields else {
        panic!("fields are an object");
    };
    json.as_object_mut().expect("an object").extend(fields);
    let mut experiment: Experiment = serde_json::from_value(json).expect("an experiment");
    // A decision takes any value to compare with, also those that are refused today.
    let mut refused = experiment.check(4).err().unwrap_or_default();
    refused.retain(|error| !error.field.ends_with(".value"));
    assert_eq!(refused, [], "sound");
    if experiment.cohorts.is_empty() {
        let first = split::first_cohort(&experiment.variants, Timestamp::UNIX_EPOCH);
        experiment.cohorts.push(first);
    }
    experiment
}

pub(super) fn user(json: Value) -> User {
    serde_json::from_value(json).expect("a user")
}

/// The `at`th number of [`Known::random`], the same each time.
pub(super) fn drawn(at: u32) -> u32 {
    hash::murmur3(&at.to_le_bytes())
}

/// Overrides, sticky memory, and a source of "random" numbers that counts.
#[derive(Default)]
pub(super) struct Known {
    pub(super) forced: HashMap<(OverrideSubject, String), String>,
    pub(super) remembered: HashMap<String, String>,
    pub(super) draws: Cell<u32>,
}

impl Known {
    pub(super) fn force(mut self, subject: OverrideSubject, id: &str, variant: &str) -> Self {
        self.forced.insert((subject, id.to_owned()), variant.to_owned());
        self
    }

    pub(super) fn remember(mut self, id: &str, variant: &str) -> Self {
        self.remembered.insert(id.to_owned(), variant.to_owned());
        self
    }
}

impl Lookups for Known {
    fn forced(&self, subject: OverrideSubject, id: &str) -> Option<&str> {
        assert!(!id.is_empty(), "an empty id is looked up");
        self.forced.get(&(subject, id.to_owned())).map(String::as_str)
    }

    fn remembered(&self, subject_id: &str) -> Option<&str> {
        assert!(!subject_id.is_empty(), "an empty id is looked up");
        self.remembered.get(subject_id).map(String::as_str)
    }

    fn random(&self) -> u32 {
        self.draws.set(self.draws.get() + 1);
        drawn(self.draws.get())
    }
}
