//! The list of experiments: what is happening now, for all of them.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use uuid::Uuid;

use super::analysis::{Analysis, analyse};
use super::query::{
    Asked, DataVersion, Part, Scope, SubjectRow, Window, per_minute, subjects, subjects_of_part,
};
use super::{ResultsError, Warehouse};
use crate::api::results::{Leader, MultiVariant, Overview};
use crate::domain::Experiment;

/// How many full minutes an overview shows.
const MINUTES: u16 = 30;
/// How many parts of the experiments are counted at the same time.
const AT_ONCE: usize = 3;
const MINUTE_MS: i64 = 60 * 1_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What was counted before, so that the list is counted again only where something changed.
#[derive(Debug, Default)]
pub struct OverviewMemo {
    known: HashMap<Uuid, Known>,
}

#[derive(Debug, Clone)]
struct Known {
    resource_version: u64,
    data: DataVersion,
    counted: Counted,
    /// When it was counted.
    at: Timestamp,
}

/// The part of an overview that follows from subjects.
#[derive(Debug, Clone, Default, PartialEq)]
struct Counted {
    subjects: u64,
    per_day: Option<PerDay>,
    leader: Option<Leader>,
    srm_p: Option<f64>,
    gathering: bool,
    not_counted: Option<String>,
}

/// New subjects of a day.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
struct PerDay {
    subjects: u64,
    /// Over how many seconds they were counted.
    seconds: u64,
}

impl Known {
    /// Whether what was new then may not be so any more.
    fn has_aged(&self, now: Timestamp) -> bool {
        let age = now.as_millisecond().saturating_sub(self.at.as_millisecond());
        self.counted.per_day.is_some() && age >= HOUR_MS
    }
}

impl OverviewMemo {
    /// Forgets all experiments but these.
    pub fn keep(&mut self, experiments: &[Uuid]) {
        let experiments: HashSet<&Uuid> = experiments.iter().collect();
        self.known.retain(|id, _| experiments.contains(id));
    }

    fn learn(&mut self, experiment: &Experiment, data: DataVersion, now: Timestamp, counted: Counted) {
        let known = Known {
            resource_version: experiment.resource_version,
            data,
            counted,
            at: now,
        };
        self.known.insert(experiment.id, known);
    }

    /// What the numbers of an experiment were counted from; see [`DataVersion`].
    #[must_use]
    pub fn data_version(&self, experiment: Uuid) -> DataVersion {
        let known = self.known.get(&experiment);
        known.map(|known| known.data).unwrap_or_default()
    }
}

impl Warehouse {
    /// One overview for each experiment, in their order. All belong to one project.
    ///
    /// # Errors
    /// [`ResultsError`] of the first experiment that cannot be counted.
    pub async fn overview(
        &self,
        experiments: &[Experiment],
        now: Timestamp,
    ) -> Result<Vec<Overview>, ResultsError> {
        self.overview_since(&mut OverviewMemo::default(), experiments, now)
            .await
    }

    /// [`Self::overview`] that counts only those experiments again that were changed or have new events
    /// since the last call with the same `memo`: three small queries when nothing happened, and a few more for all that
    /// did, however many they are. What the memo knows of other experiments stays.
    ///
    /// # Errors
    /// As [`Self::overview`]; what was counted until then is kept. One that cannot be counted for a reason of its own
    /// says so in its place.
    pub async fn overview_since(
        &self,
        memo: &mut OverviewMemo,
        experiments: &[Experiment],
        now: Timestamp,
    ) -> Result<Vec<Overview>, ResultsError> {
        let (versions, mut minutes) = tokio::try_join!(
            self.data_versions(experiments),
            per_minute(self, experiments, MINUTES, now)
        )?;
        let version_of = |id: &Uuid| versions.get(id).copied().unwrap_or_default();
        let changed: Vec<&Experiment> = experiments
            .iter()
            .filter(|experiment| {
                memo.known.get(&experiment.id).is_none_or(|known| {
                    known.resource_version != experiment.resource_version
                        || known.data != version_of(&experiment.id)
                        || known.has_aged(now)
                })
            })
            .collect();
        let mut asked = Vec::new();
        for experiment in changed {
            let data = version_of(&experiment.id);
            match (scope(experiment, now), data.project()) {
                (Ok(scope), Some(project)) => asked.push(Asked { scope, project, data }),
                (scope, _) => {
                    let counted = scope.and_then(|_| count(experiment, &[], now));
                    memo.learn(experiment, data, now, counted.or_else(not_counted)?);
                }
            }
        }
        // Futures first, then the stream: a closure over borrowed experiments inside of it would keep this
        // function's own future from being `Send`.
        let counting: Vec<_> = Part::all(asked)
            .into_iter()
            .map(|part| self.count_part(part, now))
            .collect();
        let mut counted = stream::iter(counting).buffer_unordered(AT_ONCE);
        while let Some(part) = counted.try_next().await.map_err(|e: ResultsError| e)? {
            for (experiment, counted) in part {
                memo.learn(experiment, version_of(&experiment.id), now, counted);
            }
        }
        Ok(experiments
            .iter()
            .map(|experiment| {
                let counted = memo
                    .known
                    .get(&experiment.id)
                    .map(|known| known.counted.clone())
                    .unwrap_or_default();
                Overview {
                    experiment_id: experiment.id,
                    subjects: counted.subjects,
                    subjects_per_day: counted.per_day.map(|a_day| a_day.subjects),
                    subjects_per_day_seconds: counted.per_day.map(|a_day| a_day.seconds),
                    per_minute: minutes
                        .remove(&experiment.id)
                        .unwrap_or_else(|| vec![0; usize::from(MINUTES)]),
                    last_event_at: version_of(&experiment.id).last_event_at(),
                    leader: counted.leader,
                    srm_p: counted.srm_p,
                    gathering: counted.gathering,
                    not_counted: counted.not_counted,
                }
            })
            .collect())
    }

    /// Counts the subjects of a part's experiments over all time: in one statement, or where that fails for a reason
    /// that may be one experiment's own, each by itself.
    async fn count_part<'a>(
        &self,
        part: Part<'a>,
        now: Timestamp,
    ) -> Result<Vec<(&'a Experiment, Counted)>, ResultsError> {
        let subjects_of_all = match &part.asked[..] {
            [_one] => None,
            _many => match subjects_of_part(self, &part).await.map_err(ResultsError::from) {
                Err(error) if error.is_of_one() => None,
                subjects => Some(subjects?),
            },
        };
        let mut all = Vec::with_capacity(part.asked.len());
        match subjects_of_all {
            Some(subjects_of_all) => {
                for (asked, subjects) in part.asked.iter().zip(subjects_of_all) {
                    let counted = count(asked.scope.experiment, &subjects, now);
                    all.push((asked.scope.experiment, counted.or_else(not_counted)?));
                }
            }
            None => {
                for asked in &part.asked {
                    let counted = match subjects(self, &asked.scope, asked.project).await {
                        Ok(subjects) => count(asked.scope.experiment, &subjects, now),
                        Err(error) => Err(error.into()),
                    };
                    all.push((asked.scope.experiment, counted.or_else(not_counted)?));
                }
            }
        }
        Ok(all)
    }
}

/// All time, with what is new at `now`.
fn scope(experiment: &Experiment, now: Timestamp) -> Result<Scope<'_>, ResultsError> {
    let mut scope = Scope::new(experiment, Window::all(), MultiVariant::Exclude)?;
    scope.recent_since = now.as_millisecond().saturating_sub(DAY_MS);
    Ok(scope)
}

/// What follows from an experiment's subjects.
fn count(experiment: &Experiment, subjects: &[SubjectRow], now: Timestamp) -> Result<Counted, ResultsError> {
    let analysis = analyse(experiment, MultiVariant::Exclude, &[], subjects)
        .map_err(|e| ResultsError::stats(experiment, e))?;
    Ok(Counted {
        per_day: per_day(subjects, now.as_millisecond()),
        ..counted(&analysis)
    })
}

/// Says in an experiment's own place that it cannot be counted, unless that concerns all of them.
fn not_counted(error: ResultsError) -> Result<Counted, ResultsError> {
    if !error.is_of_one() {
        return Err(error);
    }
    Ok(Counted {
        not_counted: Some(error.to_string()),
        ..Counted::default()
    })
}

/// The new subjects of the last day; of a younger experiment, as many as a day of what there is would bring. None
/// without any, and in the first minute, in which one more or less would be thousands.
fn per_day(rows: &[SubjectRow], now: i64) -> Option<PerDay> {
    let inside = || rows.iter().filter(|row| row.inside);
    let recent: u64 = inside().map(|row| row.recent).sum();
    let began = i64::try_from(inside().map(|row| row.began).min()?).ok()?;
    let span = now.saturating_sub(began).min(DAY_MS);
    let a_day = u128::from(recent) * u128::try_from(DAY_MS).ok()? / u128::try_from(span).ok()?.max(1);
    let subjects = u64::try_from(a_day).ok()?;
    let seconds = u64::try_from(span / 1_000).ok()?;
    (span >= MINUTE_MS && subjects > 0).then_some(PerDay { subjects, seconds })
}

fn counted(analysis: &Analysis) -> Counted {
    let best = analysis
        .arms
        .iter()
        .filter_map(|arm| arm.posterior.map(|p| (arm, p.prob_best)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .filter(|_| !analysis.power.gathering);
    Counted {
        subjects: analysis.arms.iter().map(|arm| arm.subjects).sum(),
        per_day: None,
        leader: best.map(|(arm, prob_best)| Leader {
            variant: arm.variant.clone(),
            prob_best,
        }),
        srm_p: analysis.srm.test.map(|test| test.p),
        gathering: analysis.power.gathering,
        not_counted: None,
    }
}
