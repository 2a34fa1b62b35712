//! Whose event an id is: of several with the same id the one that was stored first counts, and no other is stored.
//!
//! `event_ids` has a row for each event, in the order of the ids, so that a batch finds out which of its ids are new
//! without reading all of them. It is written before the events are: where the attempt that noted an id
//! ends in between, the next attempt finds the id to be its own. ([ADR](../../docs/adr/0013-the-first-of-an-id-counts.md))

use std::collections::{BTreeMap, HashSet};

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EVENT_IDS, Warehouse, WarehouseError};

/// How many ids one query names; ClickHouse takes parameters of 128 KiB.
const NAMED: usize = 1_500;

/// An event, as far as its id is concerned.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub struct EventId {
    /// The project, within which ids are compared.
    pub project_id: Uuid,
    /// The id.
    pub event_id: Uuid,
    /// When the server took it, in milliseconds since 1970.
    pub ingested_at: i64,
}

/// One row of `event_ids`.
#[derive(Debug, Clone, Row, Serialize)]
struct IdRow {
    #[serde(with = "clickhouse::serde::uuid")]
    project_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    ingested_at: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    batch: Uuid,
}

#[derive(Row, Deserialize)]
struct Noted {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    ingested_at: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    batch: Uuid,
}

impl Warehouse {
    /// Notes the ids for `batch`, which names one batch for ever, and returns those (project, event) that are another
    /// batch's: their events are repeats, and not to be stored. What it returns for a batch stays the same once it has
    /// returned.
    ///
    /// Two batches that ask for the same new id at the same time may both get it.
    ///
    /// # Errors
    /// As [`Self::insert_events`]; nothing is noted, or all of what is new.
    pub async fn claim(&self, batch: Uuid, ids: &[EventId]) -> Result<HashSet<(Uuid, Uuid)>, WarehouseError> {
        let mut of_project: BTreeMap<Uuid, BTreeMap<Uuid, i64>> = BTreeMap::new();
        for id in ids {
            let ids = of_project.entry(id.project_id).or_default();
            ids.entry(id.event_id).or_insert(id.ingested_at);
        }
        let (mut repeats, mut new) = (HashSet::new(), Vec::new());
        for (project, ids) in of_project {
            let (mut own, mut others) = (HashSet::new(), HashSet::new());
            let named: Vec<Uuid> = ids.keys().copied().collect();
            for named in named.chunks(NAMED) {
                for noted in self.noted(project, named).await? {
                    // Events from before there was this table are known by when they were taken.
                    let is_same = noted.batch == batch
                        || noted.batch.is_nil() && ids.get(&noted.event_id) == Some(&noted.ingested_at);
                    let whose = if is_same { &mut own } else { &mut others };
                    whose.insert(noted.event_id);
                }
            }
            for (event_id, ingested_at) in ids {
                if own.contains(&event_id) {
                    continue;
                }
                if others.contains(&event_id) {
                    repeats.insert((project, event_id));
                    continue;
                }
                new.push(IdRow {
                    project_id: project,
                    event_id,
                    ingested_at,
                    batch,
                });
            }
        }
        if !new.is_empty() {
            // Nothing tells how much of an earlier attempt is there: a row that is there twice is one.
            let token = Uuid::new_v4().to_string();
            self.insert::<IdRow>(EVENT_IDS, &token, new.iter()).await?;
        }
        Ok(repeats)
    }

    /// What is known of ids of a project.
    async fn noted(&self, project: Uuid, ids: &[Uuid]) -> Result<Vec<Noted>, WarehouseError> {
        let sql = format!(
            "SELECT event_id, toUnixTimestamp64Milli(ingested_at) AS ingested_at, batch FROM `{}`.{EVENT_IDS} \
             WHERE project_id = {{project:UUID}} AND event_id IN {{ids:Array(UUID)}}",
            self.database
        );
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let query = self.client.query_raw(&sql).param("project", project.to_string());
        let found = query.param("ids", ids).fetch_all::<Noted>();
        let doing = format!("looking in {EVENT_IDS} for ids that were seen before");
        self.timed(&doing, found).await
    }
}
