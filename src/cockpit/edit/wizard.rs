//! The steps of a new experiment, and how long it will take.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::cell::Cell;
use super::sheet::Sheet;
use crate::api::experiments::CreateExperiment;
use crate::api::results::Overview;
use crate::cockpit::state::text::TextField;
use crate::domain::experiment::DEFAULT_LAB;
use crate::domain::{AssignmentMode, Experiment, Key, Percent, Prior, Status, SubjectType, Variant};
use crate::stats::power::{Design, SampleSize, sample_size};

/// The steps, in their order.
pub const STEPS: [(Sheet, &str); 4] = [
    (Sheet::Basics, "What"),
    (Sheet::Measure, "Measure"),
    (Sheet::Arms, "Variants"),
    (Sheet::Power, "Power"),
];

/// The step on which a field stands, or the field that opens its panel.
#[must_use]
pub fn step_of(cell: &Cell, e: &Experiment) -> Option<usize> {
    let panel = cell.panel();
    let place = panel.as_ref().map_or(cell, |(_, opens)| opens);
    STEPS.iter().position(|(sheet, _)| {
        let rows = sheet.rows(e);
        rows.iter().any(|row| row.cells.contains(place))
    })
}

/// The name of the last step, which is no sheet.
pub const REVIEW: &str = "Review";

/// A new experiment while it is thought about.
#[derive(Debug)]
pub struct Wizard {
    /// The step that is looked at; the one after the last sheet is the review.
    pub step: usize,
    /// Whether the key was written by a person: it follows the name no longer.
    pub own_key: bool,
    /// The rate without a change, in percent.
    pub baseline: TextField,
    /// The relative lift that is to be seen, in percent.
    pub lift: TextField,
}

impl Default for Wizard {
    fn default() -> Self {
        Self {
            step: 0,
            own_key: false,
            baseline: TextField::new("5"),
            lift: TextField::new("20"),
        }
    }
}

impl Wizard {
    /// The sheet of the step; none for the review.
    #[must_use]
    pub fn sheet(&self) -> Option<Sheet> {
        STEPS.get(self.step).map(|(sheet, _)| *sheet)
    }

    /// The number of steps.
    #[must_use]
    pub fn steps() -> usize {
        STEPS.len() + 1
    }

    /// The text of a field of the power estimate.
    pub fn field_mut(&mut self, cell: &Cell) -> Option<&mut TextField> {
        match cell {
            Cell::Baseline => Some(&mut self.baseline),
            Cell::Lift => Some(&mut self.lift),
            _ => None,
        }
    }

    /// The sample that the experiment needs for what is to be seen.
    ///
    /// # Errors
    /// What is wrong with the numbers, in words.
    pub fn sample(&self, e: &Experiment) -> Result<SampleSize, String> {
        let number = |field: &TextField, name: &str| {
            let text = field.text().trim().trim_end_matches('%').trim_end();
            text.parse::<f64>()
                .map_err(|_| format!("{name}: got \"{text}\", allowed is a number in percent"))
        };
        let mut design = Design::new(
            number(&self.baseline, "baseline")? / 100.0,
            number(&self.lift, "lift")? / 100.0,
        );
        // Control first, whatever the order on the screen.
        let mut arms: Vec<&Variant> = e.variants.iter().collect();
        arms.sort_by_key(|v| !v.is_control);
        design.allocation = arms
            .iter()
            .map(|v| v.traffic_pct.fraction())
            .filter(|share| *share > 0.0)
            .collect();
        // In percent, as they are typed.
        let (baseline, lifted) = (
            design.baseline * 100.0,
            design.baseline * (1.0 + design.lift) * 100.0,
        );
        let within = |rate: f64| rate > 0.0 && rate < 100.0;
        if !within(baseline) {
            return Err(format!(
                "baseline: got {}, allowed is a rate between 0 % and 100 %",
                rate(baseline)
            ));
        }
        if !within(lifted) {
            return Err(format!(
                "lift: the baseline with it is {}, and a rate stays between 0 % and 100 %",
                rate(lifted)
            ));
        }
        sample_size(&design).map_err(|error| error.to_string())
    }
}

/// A rate in percent with as many digits as say something.
fn rate(percent: f64) -> String {
    let text = format!("{percent:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// The new subjects of a day of a running experiment, as a guess for a new one: the busiest of them, with its numbers.
#[must_use]
pub fn daily_traffic<'a>(
    running: impl Iterator<Item = (&'a Experiment, &'a Overview)>,
) -> Option<(u64, &'a Overview)> {
    running
        .filter(|(e, _)| e.status == Status::Active)
        .filter_map(|(_, overview)| Some((overview.subjects_per_day?, overview)))
        .max_by_key(|(daily, _)| *daily)
}

/// A new experiment: control and treatment, half each.
#[must_use]
pub fn blank(now: Timestamp) -> Experiment {
    let half = Percent::from_basis_points(5_000).unwrap_or_default();
    let variants: Vec<Variant> = ["control", "treatment"]
        .into_iter()
        .zip(0..)
        .filter_map(|(key, order_index)| {
            Some(Variant {
                key: Key::slug(key)?,
                name: String::new(),
                description: String::new(),
                payload: Value::Null,
                is_control: order_index == 0,
                traffic_pct: half,
                order_index,
            })
        })
        .collect();
    Experiment {
        id: Uuid::nil(),
        key: unnamed(),
        name: String::new(),
        description: String::new(),
        hypothesis: String::new(),
        links: BTreeMap::new(),
        assignment_mode: AssignmentMode::Profile,
        subject_type: SubjectType::Any,
        status: Status::Draft,
        paused_by: None,
        srm_checked_from: None,
        default_variant_id: variants.first().map_or_else(unnamed, |v| v.key.clone()),
        variants,
        holdout_pct: Percent::ZERO,
        cohorts: Vec::new(),
        sticky: false,
        primary_metric: None,
        secondary_event: None,
        tracked_events: Vec::new(),
        rules: Vec::new(),
        deployments: Vec::new(),
        linked_flag: None,
        parent_id: DEFAULT_LAB.to_owned(),
        winning_variant: None,
        ended_reason: None,
        salt: String::new(),
        prior: Prior::default(),
        resource_version: 1,
        created_at: now,
        updated_at: now,
        activated_at: None,
        status_changed_at: None,
    }
}

/// The key of an experiment that has no name yet.
#[must_use]
pub fn unnamed() -> Key {
    Key::slug("unnamed").unwrap_or_else(|| unreachable!("a slug of letters is a key"))
}

/// The request that creates it.
#[must_use]
pub fn request(e: &Experiment) -> CreateExperiment {
    CreateExperiment {
        name: e.name.clone(),
        key: Some(e.key.to_string()),
        description: e.description.clone(),
        hypothesis: e.hypothesis.clone(),
        links: e.links.clone(),
        assignment_mode: e.assignment_mode,
        subject_type: e.subject_type.clone(),
        variants: Some(e.variants.clone()),
        default_variant_id: Some(e.default_variant_id.to_string()),
        holdout_pct: e.holdout_pct,
        sticky: e.sticky,
        primary_metric: e.primary_metric.clone(),
        secondary_event: e.secondary_event.clone(),
        tracked_events: e.tracked_events.clone(),
        rules: e.rules.clone(),
        linked_flag: e.linked_flag.clone(),
        deployments: None,
        parent_id: Some(e.parent_id.clone()),
        prior: e.prior,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_that_of_the_calculator() {
        let e = blank(Timestamp::UNIX_EPOCH);
        let wizard = Wizard::default();
        let sample = wizard.sample(&e).expect("a sample");
        assert_eq!(
            (sample.per_arm.clone(), sample.total),
            (vec![8_158, 8_158], 16_316)
        );
        let wizard = Wizard {
            baseline: TextField::new("none"),
            ..Wizard::default()
        };
        let error = wizard.sample(&e).expect_err("no number");
        assert!(error.contains("baseline") && error.contains("none"), "{error}");
        let mut wizard = Wizard {
            lift: TextField::new("0"),
            ..Wizard::default()
        };
        assert!(wizard.sample(&e).is_err());
        // In percent, as it was typed.
        for (baseline, lift, says) in [
            (
                "99.99",
                "20",
                "lift: the baseline with it is 119.99 %, and a rate stays between 0 % and 100 %",
            ),
            (
                "100",
                "20",
                "baseline: got 100 %, allowed is a rate between 0 % and 100 %",
            ),
        ] {
            wizard.baseline = TextField::new(baseline);
            wizard.lift = TextField::new(lift);
            assert_eq!(wizard.sample(&e).expect_err("no rate"), says);
        }
    }

    #[test]
    fn a_blank_experiment_lacks_only_its_name() {
        let errors = blank(Timestamp::UNIX_EPOCH).check(4).expect_err("no name");
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].field, "name");
    }
}
