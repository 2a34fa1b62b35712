//! What has arrived: cheap questions for many experiments at once.

use std::collections::{BTreeSet, HashMap};

use clickhouse::Row;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::inside;
use crate::domain::Experiment;
use crate::warehouse::sql::Args;
use crate::warehouse::{EVENTS, EXPERIMENT_EVENTS, Warehouse, WarehouseError};

/// What an experiment's results are made of, in short: while it stays the same, so do they.
///
/// It changes with every event that is attributed to the experiment and with every event that has the name
/// of one of its metrics. (It may also change when ClickHouse drops rows that were sent twice.)
#[derive(Debug, Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct DataVersion {
    /// The project its events belong to; none without events.
    project: Option<Uuid>,
    /// Rows of the experiment.
    rows: u64,
    /// When the newest of them was taken in, milliseconds since 1970.
    ingested: i64,
    /// Rows of events with the names of its metrics.
    metric_rows: u64,
    /// When the newest of those was taken in.
    metric_ingested: i64,
}

impl DataVersion {
    /// The project that the experiment's events belong to; none without events.
    pub(in crate::warehouse) fn project(&self) -> Option<Uuid> {
        self.project
    }

    /// Rows of the experiment.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows of events with the names of its metrics.
    pub(super) fn metric_rows(&self) -> u64 {
        self.metric_rows
    }

    /// When the newest event of the experiment was taken in; none without events.
    #[must_use]
    pub fn last_event_at(&self) -> Option<Timestamp> {
        (self.rows > 0)
            .then(|| Timestamp::from_millisecond(self.ingested).ok())
            .flatten()
    }
}

#[derive(Debug, Row, Deserialize)]
struct ExperimentRow {
    #[serde(with = "clickhouse::serde::uuid")]
    experiment_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    project_id: Uuid,
    rows: u64,
    ingested: i64,
}

#[derive(Debug, Row, Deserialize)]
struct NameRow {
    name: String,
    rows: u64,
    ingested: i64,
}

/// The names of the events that an experiment's results look at beside its own.
fn metric_names(experiment: &Experiment) -> BTreeSet<&str> {
    let primary = experiment.primary_metric.as_ref();
    let secondary = experiment.secondary_event.as_ref().filter(|s| s.enabled);
    primary
        .into_iter()
        .chain(secondary.map(|s| &s.metric))
        .chain(&experiment.tracked_events)
        .map(|m| m.event.as_str())
        .collect()
}

/// Slices of the experiments whose ids and names of metric events one query can carry; ClickHouse takes parameters of
/// 128 KiB, in which a byte may be two.
fn named_at_once(experiments: &[Experiment]) -> impl Iterator<Item = &[Experiment]> {
    const NAMED: usize = 60 << 10;
    const IDS: usize = 1_000;
    let size = |e: &Experiment| metric_names(e).iter().map(|name| name.len() + 3).sum::<usize>();
    let mut rest = experiments;
    std::iter::from_fn(move || {
        let mut room = NAMED;
        let fits = |e: &&Experiment| {
            let left = room.checked_sub(size(e));
            room = left.unwrap_or(0);
            left.is_some()
        };
        let many = rest.iter().take(IDS).take_while(fits).count();
        // One that is too large by itself is refused by ClickHouse, which says so.
        let (now, later) = rest.split_at(many.max(1).min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

impl Warehouse {
    /// Whether anything arrived for an experiment; see [`DataVersion`].
    ///
    /// # Errors
    /// Why ClickHouse cannot be asked.
    pub async fn data_version(&self, experiment: &Experiment) -> Result<DataVersion, WarehouseError> {
        let versions = self.data_versions(std::slice::from_ref(experiment)).await?;
        Ok(versions.get(&experiment.id).copied().unwrap_or_default())
    }

    /// [`Self::data_version`] of many experiments of one project, in two queries for as many as ClickHouse lets one
    /// name.
    ///
    /// # Errors
    /// Why ClickHouse cannot be asked.
    pub async fn data_versions(
        &self,
        experiments: &[Experiment],
    ) -> Result<HashMap<Uuid, DataVersion>, WarehouseError> {
        let mut versions = HashMap::with_capacity(experiments.len());
        for named in named_at_once(experiments) {
            versions.extend(self.versions_of(named).await?);
        }
        Ok(versions)
    }

    async fn versions_of(
        &self,
        experiments: &[Experiment],
    ) -> Result<HashMap<Uuid, DataVersion>, WarehouseError> {
        let mut args = Args::default();
        let ids = args.uuids(experiments.iter().map(|e| e.id));
        let sql = format!(
            "SELECT experiment_id, any(project_id) AS project_id, count() AS rows,
                toUnixTimestamp64Milli(max(ingested_at)) AS ingested
            FROM {EXPERIMENT_EVENTS} WHERE experiment_id IN {ids}
            GROUP BY experiment_id"
        );
        let own = self.select::<ExperimentRow>("looking for new events", &sql, &args);

        let names: BTreeSet<&str> = experiments.iter().flat_map(metric_names).collect();
        let metrics = async {
            if names.is_empty() {
                return Ok(Vec::new());
            }
            let mut args = Args::default();
            let ids = args.uuids(experiments.iter().map(|e| e.id));
            let names = args.texts(names);
            let sql = format!(
                "SELECT toString(name) AS name, count() AS rows,
                    toUnixTimestamp64Milli(max(ingested_at)) AS ingested
                FROM {EVENTS}
                WHERE project_id IN (
                    SELECT DISTINCT project_id FROM {EXPERIMENT_EVENTS} WHERE experiment_id IN {ids}
                ) AND name IN {names}
                GROUP BY name"
            );
            self.select::<NameRow>("looking for new metric events", &sql, &args)
                .await
        };
        let (own, metrics) = tokio::try_join!(own, metrics)?;

        let metrics: HashMap<String, NameRow> = metrics.into_iter().map(|m| (m.name.clone(), m)).collect();
        let mut versions: HashMap<Uuid, DataVersion> = own
            .into_iter()
            .map(|row| {
                let version = DataVersion {
                    project: Some(row.project_id),
                    rows: row.rows,
                    ingested: row.ingested,
                    ..DataVersion::default()
                };
                (row.experiment_id, version)
            })
            .collect();
        for experiment in experiments {
            let version = versions.entry(experiment.id).or_default();
            for metric in metric_names(experiment)
                .into_iter()
                .filter_map(|n| metrics.get(n))
            {
                version.metric_rows += metric.rows;
                version.metric_ingested = version.metric_ingested.max(metric.ingested);
            }
        }
        Ok(versions)
    }
}

#[derive(Debug, Row, Deserialize)]
struct MinuteRow {
    #[serde(with = "clickhouse::serde::uuid")]
    experiment_id: Uuid,
    minute: i64,
    events: u64,
}

/// Exposure events of each of the last `minutes` full minutes before `now`, oldest first, by experiment.
/// An experiment without any is not in the answer.
pub(in crate::warehouse) async fn per_minute(
    warehouse: &Warehouse,
    experiments: &[Experiment],
    minutes: u16,
    now: Timestamp,
) -> Result<HashMap<Uuid, Vec<u64>>, WarehouseError> {
    let mut counts = HashMap::with_capacity(experiments.len());
    for named in named_at_once(experiments) {
        counts.extend(per_minute_of(warehouse, named, minutes, now).await?);
    }
    Ok(counts)
}

async fn per_minute_of(
    warehouse: &Warehouse,
    experiments: &[Experiment],
    minutes: u16,
    now: Timestamp,
) -> Result<HashMap<Uuid, Vec<u64>>, WarehouseError> {
    let until = now.as_second().div_euclid(60) * 60;
    let from = until - i64::from(minutes) * 60;
    let mut args = Args::default();
    let ids = args.uuids(experiments.iter().map(|e| e.id));
    let (after, before) = (args.int(from * 1_000), args.int(until * 1_000));
    let inside = inside();
    let sql = format!(
        "SELECT experiment_id, minute, count() AS events
        FROM (
            SELECT experiment_id, toInt64(toUnixTimestamp(toStartOfMinute(min(ts), 'UTC'))) AS minute
            FROM {EXPERIMENT_EVENTS}
            WHERE experiment_id IN {ids} AND ts >= fromUnixTimestamp64Milli({after}, 'UTC')
                AND ts < fromUnixTimestamp64Milli({before}, 'UTC') AND {inside}
            GROUP BY experiment_id, event_id
        )
        GROUP BY experiment_id, minute"
    );
    let rows: Vec<MinuteRow> = warehouse
        .select("counting events per minute", &sql, &args)
        .await?;
    let mut counts: HashMap<Uuid, Vec<u64>> = HashMap::new();
    for row in rows {
        let of_experiment = counts
            .entry(row.experiment_id)
            .or_insert_with(|| vec![0; usize::from(minutes)]);
        let at = usize::try_from((row.minute - from).div_euclid(60)).ok();
        if let Some(count) = at.and_then(|at| of_experiment.get_mut(at)) {
            *count = row.events;
        }
    }
    Ok(counts)
}
