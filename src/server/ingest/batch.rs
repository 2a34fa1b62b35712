//! A sealed segment as rows for ClickHouse. The same segment is always the same rows under the same tokens.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;

use uuid::Uuid;

use super::record::EventRecord;
use crate::warehouse::{
    EVENTS, EXPERIMENT_EVENTS, EventId, EventRow, ExperimentEventRow, Extent, Warehouse, WarehouseError,
};

/// The events of one segment.
#[derive(Debug)]
pub(super) struct Batch {
    /// The segment's id.
    pub id: Uuid,
    pub events: Vec<EventRecord>,
}

/// What of a batch is to be stored: of several events with an id the first one that is stored anywhere, which once it
/// is known stays the same.
#[derive(Debug)]
pub(super) struct Firsts<'a> {
    id: Uuid,
    events: Vec<&'a EventRecord>,
}

impl Batch {
    /// Leaves out the events whose id an earlier one of the batch has, or one of another batch.
    pub(super) async fn firsts(&self, warehouse: &Warehouse) -> Result<Firsts<'_>, WarehouseError> {
        let mut events = first_of_each(&self.events);
        let ids: Vec<EventId> = events.iter().map(|event| id_of(event)).collect();
        let repeats = warehouse.claim(self.id, &ids).await?;
        events.retain(|event| !repeats.contains(&(event.project_id, event.event_id)));
        Ok(Firsts { id: self.id, events })
    }
}

fn first_of_each(events: &[EventRecord]) -> Vec<&EventRecord> {
    let mut seen = HashSet::with_capacity(events.len());
    let mut is_first = |event: &&EventRecord| seen.insert((event.project_id, event.event_id));
    events.iter().filter(|event| is_first(event)).collect()
}

fn id_of(event: &EventRecord) -> EventId {
    EventId {
        project_id: event.project_id,
        event_id: event.event_id,
        ingested_at: event.ingested_at,
    }
}

impl Firsts<'_> {
    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    fn token(&self, table: &str) -> String {
        format!("{}:{table}", self.id)
    }

    /// The rows of `events`, in the order in which the events were taken.
    fn rows(&self) -> Vec<EventRow<'_>> {
        self.events.iter().map(|event| event_row(event)).collect()
    }

    /// The rows of `experiment_events`.
    fn experiment_rows(&self) -> Vec<ExperimentEventRow<'_>> {
        self.events
            .iter()
            .flat_map(|event| experiment_rows(event))
            .collect()
    }

    /// Sends everything, both tables at once, under the batch's own tokens.
    pub(super) async fn send(&self, warehouse: &Warehouse) -> Result<(), WarehouseError> {
        let (rows, experiment_rows) = (self.rows(), self.experiment_rows());
        let (events_token, experiments_token) = (self.token(EVENTS), self.token(EXPERIMENT_EVENTS));
        let events = async {
            if rows.is_empty() {
                return Ok(());
            }
            warehouse.insert_events(&events_token, &rows).await
        };
        let experiments = async {
            if experiment_rows.is_empty() {
                return Ok(());
            }
            warehouse
                .insert_experiment_events(&experiments_token, &experiment_rows)
                .await
        };
        // Both run to their end: an insert that is dropped half-way would be one more uncertain one.
        let (events, experiments) = tokio::join!(events, experiments);
        events.and(experiments)
    }

    /// Looks whether every row is there, and sends those that are not under a token of their own. Returns
    /// how many were missing.
    pub(super) async fn repair(&self, warehouse: &Warehouse) -> Result<u64, WarehouseError> {
        let mut missing = 0;
        let rows = self.rows();
        if let Some(extent) = extent(rows.iter().map(|r| (r.project_id, r.ts, r.ingested_at))) {
            let there = warehouse.stored_events(&extent).await?;
            let absent = |row: &EventRow<'_>| !there.contains(&(row.project_id, row.event_id));
            let absent: Vec<EventRow<'_>> = rows.into_iter().filter(absent).collect();
            if !absent.is_empty() {
                missing += absent.len() as u64;
                warehouse
                    .insert_events(&repair_token(self.id, EVENTS), &absent)
                    .await?;
            }
        }
        let rows = self.experiment_rows();
        if let Some(extent) = extent(rows.iter().map(|r| (r.experiment_id, r.ts, r.ingested_at))) {
            let there: HashSet<(Uuid, Uuid)> = warehouse.stored_experiment_events(&extent).await?;
            let absent = |row: &ExperimentEventRow<'_>| !there.contains(&(row.experiment_id, row.event_id));
            let absent: Vec<ExperimentEventRow<'_>> = rows.into_iter().filter(absent).collect();
            if !absent.is_empty() {
                missing += absent.len() as u64;
                let token = repair_token(self.id, EXPERIMENT_EVENTS);
                warehouse.insert_experiment_events(&token, &absent).await?;
            }
        }
        Ok(missing)
    }
}

/// A new token each time: what is missing was looked up just now, so an earlier repair did not store it,
/// whatever its token says.
fn repair_token(id: Uuid, table: &str) -> String {
    format!("{id}:{table}:repair:{}", Uuid::new_v4())
}

/// Where rows of (id, ts, ingested_at) lie; none where there are none.
fn extent(rows: impl Iterator<Item = (Uuid, i64, i64)>) -> Option<Extent> {
    let mut ids = BTreeSet::new();
    let mut ts: Option<RangeInclusive<i64>> = None;
    let mut ingested_at: Option<RangeInclusive<i64>> = None;
    for (id, at, taken) in rows {
        ids.insert(id);
        widen(&mut ts, at);
        widen(&mut ingested_at, taken);
    }
    Some(Extent {
        ids: ids.into_iter().collect(),
        ts: ts?,
        ingested_at: ingested_at?,
    })
}

fn widen(range: &mut Option<RangeInclusive<i64>>, to: i64) {
    *range = Some(match range.take() {
        None => to..=to,
        Some(range) => *range.start().min(&to)..=*range.end().max(&to),
    });
}

fn event_row(event: &EventRecord) -> EventRow<'_> {
    let known = &event.well_known;
    EventRow {
        project_id: event.project_id,
        event_id: event.event_id,
        name: &event.name,
        ts: event.ts,
        ingested_at: event.ingested_at,
        profile_id: &event.profile_id,
        session_id: &event.session_id,
        device_id: &event.device_id,
        country: &known.country,
        region: &known.region,
        os: &known.os,
        browser: &known.browser,
        device: &known.device,
        platform: &known.platform,
        app_version: &known.app_version,
        sdk: &known.sdk,
        props: Cow::Borrowed(&event.props),
    }
}

fn experiment_rows(event: &EventRecord) -> impl Iterator<Item = ExperimentEventRow<'_>> {
    let known = &event.well_known;
    event.attributions.iter().map(move |to| ExperimentEventRow {
        project_id: event.project_id,
        experiment_id: to.experiment_id,
        variant: &to.variant,
        reason: &to.reason,
        cohort: to.cohort,
        event_id: event.event_id,
        name: &event.name,
        ts: event.ts,
        ingested_at: event.ingested_at,
        profile_id: &event.profile_id,
        session_id: &event.session_id,
        device_id: &event.device_id,
        subject: &to.subject,
        country: &known.country,
        region: &known.region,
        os: &known.os,
        browser: &known.browser,
        device: &known.device,
        platform: &known.platform,
        app_version: &known.app_version,
        sdk: &known.sdk,
        props: Cow::Borrowed(&event.props),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_an_id_stays() {
        let event = |project: u128, id: u128, name: &str| EventRecord {
            project_id: Uuid::from_u128(project),
            event_id: Uuid::from_u128(id),
            name: name.to_owned(),
            ..EventRecord::default()
        };
        let events = [
            event(1, 1, "a"),
            event(1, 1, "b"),
            event(2, 1, "c"),
            event(1, 2, "d"),
            event(2, 1, "e"),
        ];
        let names: Vec<&str> = first_of_each(&events).iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["a", "c", "d"]);
    }

    #[test]
    fn the_extent_covers_every_row() {
        let rows = [(2, 50, 7), (1, -3, 9), (2, 20, 8)];
        let found = extent(rows.into_iter().map(|(id, ts, at)| (Uuid::from_u128(id), ts, at)));
        let expected = Extent {
            ids: vec![Uuid::from_u128(1), Uuid::from_u128(2)],
            ts: -3..=50,
            ingested_at: 7..=9,
        };
        assert_eq!(found, Some(expected));
        assert_eq!(extent(std::iter::empty()), None);
    }

    #[test]
    fn tokens_are_stable_and_repairs_are_not() {
        let batch = Firsts {
            id: Uuid::from_u128(5),
            events: Vec::new(),
        };
        assert_eq!(batch.token(EVENTS), format!("{}:events", batch.id));
        assert_ne!(batch.token(EVENTS), batch.token(EXPERIMENT_EVENTS));
        assert_ne!(repair_token(batch.id, EVENTS), repair_token(batch.id, EVENTS));
    }
}
