//! Everything that the Analytics tab shows of one experiment.

use jiff::Timestamp;

use super::analysis::{analyse, sample_ratio};
use super::query::{
    Bucketed, Buckets, By, EventCount, Scope, TrackedRow, Window, breakdown, choose_interval, exposures,
    first_exposures, latest_tracked, series, subjects, tracked, unknown,
};
use super::{Class, Warehouse, WarehouseError};
use crate::api::results::{Breakdown, MultiVariant, Results, ResultsQuery, Series, Srm, TrackedResult};
use crate::domain::{Experiment, FieldError};
use crate::stats::StatsError;

/// Why there are no results.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResultsError {
    /// The query asks for what cannot be; names its field.
    #[error(transparent)]
    Query(#[from] FieldError),
    /// ClickHouse did not answer.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The counts cannot be computed with.
    #[error("the results of experiment {key} cannot be computed: {reason}")]
    Stats {
        /// The experiment's key.
        key: String,
        /// What is wrong with the numbers.
        reason: StatsError,
    },
}

impl ResultsError {
    /// Whether the cause may be in the experiment that was counted, so that others can be counted all the same.
    pub(super) fn is_of_one(&self) -> bool {
        match self {
            Self::Query(_) | Self::Stats { .. } => true,
            Self::Warehouse(error) => matches!(error.class, Class::Limit | Class::Content | Class::Other),
        }
    }

    pub(super) fn stats(experiment: &Experiment, reason: StatsError) -> Self {
        Self::Stats {
            key: experiment.key.to_string(),
            reason,
        }
    }
}

impl Warehouse {
    /// The results of an experiment as of now.
    ///
    /// Counted from raw events at every call; [`Self::data_version`] says whether that is worth it. First
    /// come the exposures, which say where and when to look; then all panels at once. Exposures that arrive
    /// between two of these queries are in none of them, as long as they arrive in the order in which they were taken
    /// in (several servers, or a spool that catches up, may bring older ones); a metric event that does is counted already.
    ///
    /// # Errors
    /// [`ResultsError`]
    pub async fn results(
        &self,
        experiment: &Experiment,
        query: &ResultsQuery,
        now: Timestamp,
    ) -> Result<Results, ResultsError> {
        for (field, key) in [
            ("segmentKey", &query.segment_key),
            ("propertyKey", &query.property_key),
        ] {
            if key.trim().is_empty() {
                return Err(FieldError::new(field, key, "the name of a property").into());
            }
        }
        let mut scope = Scope::new(experiment, Window::new(query)?, query.multi_variant)?;
        let exposures = exposures(self, &scope).await?;
        scope.as_of = exposures.iter().map(|row| row.ingested).max();
        let mut found = Found::default();
        let (first, last) = exposures.iter().fold((i64::MAX, i64::MIN), |(first, last), row| {
            (first.min(row.first), last.max(row.last))
        });
        // Without a row of its own an experiment has no subjects, so there is nothing else to count.
        let interval;
        if let Some(project) = exposures.first().map(|row| row.project_id) {
            let last = latest_tracked(self, &scope, project)
                .await?
                .unwrap_or(last)
                .max(last);
            interval = choose_interval(query.interval, first, last);
            let count = EventCount::of(&exposures);
            (
                found.subjects,
                found.series,
                found.tracked,
                found.segments,
                found.properties,
            ) = tokio::try_join!(
                subjects(self, &scope, project),
                series(self, &scope, interval, count),
                tracked(self, &scope, project, interval),
                breakdown(self, &scope, &query.segment_key, By::FirstExposure, count),
                breakdown(self, &scope, &query.property_key, By::Events, count),
            )?;
        } else {
            interval = query.interval.unwrap_or_default();
            found.segments.key.clone_from(&query.segment_key);
            found.properties.key.clone_from(&query.property_key);
        }
        let arms = scope.arms();
        let is_unknown = |row: &super::query::ExposureRow| row.inside && usize::from(row.variant) >= arms;
        let unknown_variants = if exposures.iter().any(is_unknown) {
            unknown(self, &scope).await?
        } else {
            Vec::new()
        };

        let analysis = analyse(experiment, query.multi_variant, &exposures, &found.subjects)
            .map_err(|e| ResultsError::stats(experiment, e))?;
        // One axis for all charts.
        let named = found.series.iter().map(|row| row.bucket);
        let in_buckets = found.tracked.iter().filter(|row| !row.total);
        let named = named.chain(in_buckets.map(|row| row.bucket));
        let buckets = Buckets::new(interval, &scope.window.zone, named);
        Ok(Results {
            experiment_id: experiment.id,
            key: experiment.key.to_string(),
            status: experiment.status,
            assignment_mode: experiment.assignment_mode,
            auto_paused: experiment.is_auto_paused(),
            computed_at: now,
            data_as_of: scope.as_of.and_then(|at| Timestamp::from_millisecond(at).ok()),
            query: query.clone(),
            metric: experiment.primary_metric.clone(),
            secondary: experiment
                .secondary_event
                .as_ref()
                .filter(|s| s.enabled)
                .map(|s| s.metric.clone()),
            prior: experiment.prior,
            arms: analysis.arms,
            winner: analysis.winner,
            multi_variant_subjects: analysis.multi_variant_subjects,
            forced_subjects: analysis.forced_subjects,
            outside_subjects: analysis.outside_subjects,
            unknown_variants,
            srm: analysis.srm,
            power: analysis.power,
            series: buckets.series(arms, &found.series),
            tracked: tracked_results(experiment, &buckets, &found.tracked),
            segments: found.segments,
            properties: found.properties,
        })
    }
}

impl Warehouse {
    /// The sample ratio test alone, as the guard makes it: over all time, of subjects whose first exposure was
    /// at `since` or later.
    ///
    /// # Errors
    /// [`ResultsError`]
    pub async fn sample_ratio(
        &self,
        experiment: &Experiment,
        since: Option<Timestamp>,
    ) -> Result<Srm, ResultsError> {
        let scope = Scope::new(experiment, Window::all(), MultiVariant::default())?;
        let subjects = first_exposures(self, &scope, since).await?;
        sample_ratio(experiment, &subjects).map_err(|e| ResultsError::stats(experiment, e))
    }
}

/// What the panels' queries found.
#[derive(Debug, Default)]
struct Found {
    subjects: Vec<super::query::SubjectRow>,
    series: Vec<Bucketed>,
    tracked: Vec<TrackedRow>,
    segments: Breakdown,
    properties: Breakdown,
}

fn tracked_results(experiment: &Experiment, buckets: &Buckets, rows: &[TrackedRow]) -> Vec<TrackedResult> {
    let arms = experiment.variants.len();
    experiment
        .tracked_events
        .iter()
        .enumerate()
        .map(|(at, metric)| {
            let of_metric = || rows.iter().filter(move |row| usize::from(row.tracked) == at);
            let (mut events, mut subjects) = (vec![0; arms], vec![0; arms]);
            for row in of_metric().filter(|row| row.total) {
                events[usize::from(row.variant)] = row.events;
                subjects[usize::from(row.variant)] = row.subjects;
            }
            let over_time: Vec<Bucketed> = of_metric()
                .filter(|row| !row.total)
                .map(|row| Bucketed {
                    variant: row.variant,
                    bucket: row.bucket,
                    events: row.events,
                })
                .collect();
            let series: Series = buckets.series(arms, &over_time);
            TrackedResult {
                metric: metric.clone(),
                events,
                subjects,
                series,
            }
        })
        .collect()
}
