//! Results of an experiment: what the Analytics tab shows and `splitdeck results --json` prints.
//!
//! Counts come from ClickHouse and are exact; everything that is inferred comes from
//! [`crate::stats`] and is a pure function of the counts.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::moment;
use crate::domain::{AssignmentMode, Metric, Prior, Status};

/// Bucket of the time series.
#[derive(Debug, Clone, Copy, Default, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// One minute: for what has just begun.
    Minute,
    /// One hour.
    #[default]
    Hour,
    /// One day of the time zone.
    Day,
    /// One week of the time zone, from Monday.
    Week,
}

impl Interval {
    /// All, the finest first.
    pub const ALL: [Self; 4] = [Self::Minute, Self::Hour, Self::Day, Self::Week];

    /// The word on the wire and on the screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}

/// What is done with a subject that was seen in more than one variant.
#[derive(Debug, Clone, Copy, Default, Eq, Hash, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MultiVariant {
    /// Left out of the results (and counted apart).
    #[default]
    Exclude,
    /// Counted for the variant it saw first.
    FirstSeen,
}

/// Which results are wanted; query of `GET /experiments/{idOrKey}/results`.
#[derive(Debug, Clone, Eq, Hash, PartialEq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ResultsQuery {
    /// The first day that counts, in the time zone; all time where it is missing.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::date")]
    pub start: Option<Date>,
    /// The last day that counts, in the time zone.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::date")]
    pub end: Option<Date>,
    /// Bucket of the time series; chosen by the length of the data where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// IANA name of the time zone of days and buckets.
    pub time_zone: String,
    /// Property of the Segments table.
    pub segment_key: String,
    /// Property of the Property breakdown table.
    pub property_key: String,
    /// What is done with subjects in more than one variant.
    pub multi_variant: MultiVariant,
}

impl Default for ResultsQuery {
    fn default() -> Self {
        Self {
            start: None,
            end: None,
            interval: None,
            time_zone: "UTC".to_owned(),
            segment_key: "country".to_owned(),
            property_key: "category".to_owned(),
            multi_variant: MultiVariant::Exclude,
        }
    }
}

/// All that is known of an experiment at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// The experiment.
    pub experiment_id: Uuid,
    /// Its key.
    pub key: String,
    /// Its status when this was computed.
    pub status: Status,
    /// What is counted as one: profiles, sessions or events.
    pub assignment_mode: AssignmentMode,
    /// Whether the guard holds the experiment for a sample ratio mismatch.
    #[serde(default)]
    pub auto_paused: bool,
    /// When this was computed.
    pub computed_at: Timestamp,
    /// When the newest event in it was taken in; none without events.
    pub data_as_of: Option<Timestamp>,
    /// The query it answers.
    pub query: ResultsQuery,
    /// The primary metric; without one there are exposures and no conversions.
    pub metric: Option<Metric>,
    /// The first step, when the conversion has two.
    pub secondary: Option<Metric>,
    /// The prior of every arm's rate.
    pub prior: Prior,
    /// One for each configured variant, in their order.
    pub arms: Vec<ArmResult>,
    /// The variant with P(best) ≥ 0.95 once the power floor is passed, else `inconclusive`.
    pub winner: String,
    /// Subjects that were seen in more than one variant.
    pub multi_variant_subjects: u64,
    /// Subjects in the arms whose first exposure was forced by an override or a rule: not randomised,
    /// left out of the sample ratio test, and said beside the results.
    pub forced_subjects: u64,
    /// Subjects that only ever saw the default variant because they took no part (`unallocated`,
    /// `experiment_inactive`, `experiment_ended`) or came after the decision (`winner`); in no arm.
    pub outside_subjects: u64,
    /// Subjects with a variant that is not configured, by its name; in no arm.
    pub unknown_variants: Vec<UnknownVariant>,
    /// The test of the split.
    pub srm: Srm,
    /// Whether there is enough data to speak of a winner.
    pub power: PowerFloor,
    /// Exposure events over time.
    pub series: Series,
    /// The tracked events.
    pub tracked: Vec<TrackedResult>,
    /// Events by value of the segment key.
    pub segments: Breakdown,
    /// Events by value of the property key.
    pub properties: Breakdown,
}

/// P(best) from which on an arm is named the winner, and may be applied.
pub const WINNER_PROBABILITY: f64 = 0.95;

/// Name of the winner while there is none.
pub const INCONCLUSIVE: &str = "inconclusive";

/// One arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArmResult {
    /// The variant's key.
    pub variant: String,
    /// The variant's name.
    pub name: String,
    /// Whether it is the control.
    pub is_control: bool,
    /// Exposed subjects that count for the results; the unit is that of the assignment mode.
    pub subjects: u64,
    /// Subjects that fired the secondary event; none in one-step mode.
    pub starters: Option<u64>,
    /// Subjects that converted.
    pub conversions: u64,
    /// What the rate is taken of: `starters` in two-step mode, else `subjects`.
    pub n: u64,
    /// `conversions / n`; none while n is 0 or no metric is set.
    pub rate: Option<f64>,
    /// What is inferred; none without a metric.
    pub posterior: Option<ArmPosterior>,
    /// The exposures.
    pub exposures: Exposures,
    /// The configured share of the traffic (`trafficPct`), percent. The arms' shares need not add up to
    /// 100: the rest is unallocated, and its subjects are in no arm.
    pub configured_pct: f64,
    /// The observed share of the subjects in the test of the split (`srm.observed`), percent: who was forced or has a
    /// variant by a rule is in no draw. Where nobody is in the test, that of all subjects; none without any. These add
    /// up to 100.
    pub observed_pct: Option<f64>,
}

/// What is inferred about one arm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArmPosterior {
    /// First parameter of the posterior Beta.
    pub alpha: f64,
    /// Second parameter of the posterior Beta.
    pub beta: f64,
    /// 2.5 % quantile of the rate.
    pub ci_low: f64,
    /// 97.5 % quantile of the rate.
    pub ci_high: f64,
    /// Probability that this arm's rate is the highest.
    pub prob_best: f64,
    /// What one loses in rate, on average, by choosing this arm.
    pub expected_loss: f64,
    /// Relative uplift over control; none for the control itself.
    pub uplift: Option<Uplift>,
    /// Interval of the difference of rates to control that holds at every look; none for the control
    /// and while an arm is empty.
    pub always_valid: Option<DifferenceInterval>,
}

/// Relative uplift over control: 0.1 is 10 % more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Uplift {
    /// Posterior mean; none where it does not exist (a control posterior with α ≤ 1).
    pub mean: Option<f64>,
    /// Median.
    pub median: f64,
    /// 2.5 % quantile.
    pub low: f64,
    /// 97.5 % quantile.
    pub high: f64,
}

/// An interval for a difference of rates (this arm minus control).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceInterval {
    /// Observed difference.
    pub difference: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Exposures of one arm, counted exactly.
#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exposures {
    /// Events attributed to the arm.
    pub events: u64,
    /// Distinct profiles among them.
    pub profiles: u64,
    /// Distinct sessions among them.
    pub sessions: u64,
    /// Distinct devices among them.
    pub devices: u64,
}

/// Subjects of a variant that the experiment does not have.
#[derive(Debug, Clone, Eq, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnknownVariant {
    /// The name in the events.
    pub variant: String,
    /// Distinct subjects.
    pub subjects: u64,
}

/// The test for a sample ratio mismatch, over subjects that were assigned at random.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Srm {
    /// The numbers; none while the test cannot be made, and `why_not` says why.
    pub test: Option<SrmTest>,
    /// Why there is no test, in words.
    pub why_not: Option<String>,
    /// Subjects in the test, for each variant in their order, all cohorts together.
    pub observed: Vec<u64>,
    /// What the split would give, for each variant in their order.
    pub expected: Vec<f64>,
    /// Subjects seen in an arm of weight zero, by variant.
    pub leaks: Vec<UnknownVariant>,
    /// Whether p < 0.001.
    pub alarm: bool,
    /// What the guard saw at its looks so far, where it has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<SrmWatch>,
}

/// What the guard's looks at the split have come to: the evidence that may be looked at any time, at its
/// highest. It begins anew when an experiment that the guard had paused is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SrmWatch {
    /// Only subjects first exposed since then are looked at; all where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_from: Option<Timestamp>,
    /// The largest value of the evidence so far; alarm at 1,000.
    pub highest_e_value: f64,
    /// `min(1, 1 / highestEValue)`.
    pub always_valid_p: f64,
    /// How often the guard has looked.
    pub looks: u64,
    /// When it looked first.
    pub first_look_at: Timestamp,
    /// When it looked last.
    pub last_look_at: Timestamp,
}

/// Numbers of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SrmTest {
    /// Statistic of the chi-square test.
    pub chi_square: f64,
    /// Its degrees of freedom.
    pub df: u32,
    /// Its p-value.
    pub p: f64,
    /// Evidence against the configured split that may be looked at any time; alarm at 1,000.
    pub e_value: f64,
    /// `min(1, 1 / eValue)`, with the largest value seen so far where one is kept.
    pub always_valid_p: f64,
}

/// The floor under which no winner is named.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PowerFloor {
    /// Subjects (in event mode events) in all arms that count for the rate.
    pub events: u64,
    /// Whether an arm has under 100 or all together under 300.
    pub gathering: bool,
    /// How many more are needed for 80 % power to detect a 20 % lift on a 5 % baseline.
    pub needed: u64,
}

/// Counts over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// Width of a bucket.
    pub interval: Interval,
    /// The buckets, oldest first, without gaps between the first and the last.
    pub points: Vec<SeriesPoint>,
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeriesPoint {
    /// When the bucket begins.
    pub at: Timestamp,
    /// Distinct events of each arm, in the order of `arms`.
    pub counts: Vec<u64>,
}

/// One tracked event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrackedResult {
    /// The event and its filters.
    pub metric: Metric,
    /// Distinct events of each arm at or after the subject's first exposure, in the order of `arms`.
    pub events: Vec<u64>,
    /// Distinct subjects of each arm among them.
    pub subjects: Vec<u64>,
    /// The events over time.
    pub series: Series,
}

/// Events by value of a property.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Breakdown {
    /// The property.
    pub key: String,
    /// The values with the most events, at most 50, most first.
    pub rows: Vec<BreakdownRow>,
    /// How many more values there are.
    pub more: u64,
}

/// One value of a property.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakdownRow {
    /// The value; none where the property is missing.
    pub value: Option<String>,
    /// Distinct events of each arm, in the order of `arms`: also those of subjects of several variants, each for the
    /// variant that it names.
    pub events: Vec<u64>,
    /// Subjects of each arm as the results count them: one of two variants in no arm, or in the first one. In the
    /// segments each subject has the value of its first exposure and is in one row; in the property breakdown it is in
    /// the rows of all values that its events have.
    pub subjects: Vec<u64>,
}

/// One experiment's line in the list: what is happening now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The experiment.
    pub experiment_id: Uuid,
    /// Distinct subjects so far.
    pub subjects: u64,
    /// How many subjects a day are new: those of the last 24 hours, or as many as a day would bring of an experiment
    /// that is younger. None while nobody is new, and in its first minute.
    #[serde(default)]
    pub subjects_per_day: Option<u64>,
    /// Over how many seconds these were counted: 86,400, or fewer of an experiment that is younger, of which a day is
    /// reckoned. None where `subjectsPerDay` is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects_per_day_seconds: Option<u64>,
    /// Exposure events of each of the last 30 full minutes, oldest first.
    pub per_minute: Vec<u64>,
    /// When the newest event was taken in.
    pub last_event_at: Option<Timestamp>,
    /// The arm that leads, with its P(best); none without a metric or below the power floor.
    pub leader: Option<Leader>,
    /// p-value of the sample ratio test; none while it cannot be made.
    pub srm_p: Option<f64>,
    /// Whether the power floor is not passed yet.
    pub gathering: bool,
    /// Why its subjects could not be counted, where they could not: then all that follows from them is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<String>,
}

/// The arm in front.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Leader {
    /// The variant's key.
    pub variant: String,
    /// Its P(best).
    pub prob_best: f64,
}
