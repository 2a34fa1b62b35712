//! Whose event an id is: of several with the same id the one that was stored first counts, and no other is stored.
//!
//! `event_ids` has a row for each event, in the order of the ids, so that a batch finds out which of its ids are new
//! without reading all of them. It is written before the events are: where the attempt that noted an id
//! ends in between, the next attempt finds the id to be its own. ([ADR](../../docs/adr/0013-the-first-of-an-id-counts.md))
//!
//! Servers take turns, so that of two which meet the same new id at once only one gets it. The turns are numbered from
//! 1, and each is a row of the table, too, stored in one insert with the ids of the batch that took it. The number is
//! the insert's deduplication token: of two inserts for the same turn ClickHouse stores one. Who stored turn `n + 1`
//! after having looked for its ids with turn `n` as the last one has looked at all ids that were noted before its own.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EVENT_IDS, Warehouse, WarehouseError};

/// How many ids one query names; ClickHouse takes parameters of 128 KiB.
const NAMED: usize = 1_500;

/// How often a batch goes for the next turn before it is put off. Each turn that is lost is another batch's.
const TURNS: u32 = 50;
/// How long to wait after a turn was lost, at most, times the attempts so far: those who wait for the same turn should
/// not meet again.
const PAUSE: Duration = Duration::from_millis(5);

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

#[derive(Row, Deserialize)]
struct Turn {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
}

/// What of a batch is new, and what is another batch's.
#[derive(Default)]
struct Sorted {
    new: Vec<IdRow>,
    repeats: HashSet<(Uuid, Uuid)>,
}

/// The id of the row that says whose turn `number` was; its project is nil, which no project is. ClickHouse sorts
/// such ids by number, since only the lower half of each is used.
fn turn_id(number: u64) -> Uuid {
    Uuid::from_u128(u128::from(number))
}

impl Warehouse {
    /// Notes the ids for `batch`, which names one batch for ever, and returns those (project, event) that are another
    /// batch's: their events are repeats, and not to be stored. What it returns for a batch stays the same once it has
    /// returned, and of several batches that ask for the same new id, from however many servers, one gets it.
    ///
    /// # Errors
    /// As [`Self::insert_events`]; nothing is noted, or all of what is new. Of [`super::Class::Retry`] where other
    /// batches were faster each time.
    pub async fn claim(&self, batch: Uuid, ids: &[EventId]) -> Result<HashSet<(Uuid, Uuid)>, WarehouseError> {
        let mut of_project: BTreeMap<Uuid, BTreeMap<Uuid, i64>> = BTreeMap::new();
        for id in ids {
            let ids = of_project.entry(id.project_id).or_default();
            ids.entry(id.event_id).or_insert(id.ingested_at);
        }
        // The turns that are known to be taken though nothing shows them any more.
        let mut gone = 0;
        let mut lost = 0;
        while lost < TURNS {
            let last = self.last_turn().await?.max(gone);
            let Sorted { mut new, repeats } = self.sorted(batch, &of_project).await?;
            let Some(first) = new.first() else {
                return Ok(repeats);
            };
            let next = last + 1;
            new.push(IdRow {
                project_id: Uuid::nil(),
                event_id: turn_id(next),
                ingested_at: first.ingested_at,
                batch,
            });
            self.insert::<IdRow>(EVENT_IDS, &format!("turn:{next}"), new.iter())
                .await?;
            // Whether the rows were stored or left out as repeated is not told. Where this batch has the turn by an
            // attempt whose answer was lost, that one noted the same: it had looked at the same turns.
            match self.whose_turn(next).await? {
                Some(whose) if whose == batch => return Ok(repeats),
                Some(_) => {
                    lost += 1;
                    tokio::time::sleep((PAUSE * lost).mul_f64(fastrand::f64())).await;
                }
                // The turn was taken, and somebody has deleted its row since.
                None => gone = next,
            }
        }
        Err(WarehouseError::contended(
            format!("insert into {EVENT_IDS}"),
            TURNS,
        ))
    }

    /// The ids of a batch by whose they are.
    async fn sorted(
        &self,
        batch: Uuid,
        of_project: &BTreeMap<Uuid, BTreeMap<Uuid, i64>>,
    ) -> Result<Sorted, WarehouseError> {
        let mut sorted = Sorted::default();
        for (&project_id, ids) in of_project {
            let (mut own, mut others) = (HashSet::new(), HashSet::new());
            let named: Vec<Uuid> = ids.keys().copied().collect();
            for named in named.chunks(NAMED) {
                for noted in self.noted(project_id, named).await? {
                    // Events from before there was this table are known by when they were taken.
                    let is_same = noted.batch == batch
                        || noted.batch.is_nil() && ids.get(&noted.event_id) == Some(&noted.ingested_at);
                    let whose = if is_same { &mut own } else { &mut others };
                    whose.insert(noted.event_id);
                }
            }
            for (&event_id, &ingested_at) in ids {
                if own.contains(&event_id) {
                    continue;
                }
                if others.contains(&event_id) {
                    sorted.repeats.insert((project_id, event_id));
                    continue;
                }
                sorted.new.push(IdRow {
                    project_id,
                    event_id,
                    ingested_at,
                    batch,
                });
            }
        }
        Ok(sorted)
    }

    /// The number of the last turn that was taken; 0 before the first.
    async fn last_turn(&self) -> Result<u64, WarehouseError> {
        let sql = format!(
            "SELECT event_id FROM `{}`.{EVENT_IDS} WHERE project_id = {{nobody:UUID}} \
             ORDER BY project_id DESC, event_id DESC LIMIT 1",
            self.database
        );
        let query = self
            .client
            .query_raw(&sql)
            .param("nobody", Uuid::nil().to_string());
        let found = query.fetch_optional::<Turn>();
        let last = self.timed("looking for the last turn to note ids", found).await?;
        Ok(last.map_or(0, |turn| turn.event_id.as_u64_pair().1))
    }

    /// The batch that took a turn.
    async fn whose_turn(&self, number: u64) -> Result<Option<Uuid>, WarehouseError> {
        let found = self.noted(Uuid::nil(), &[turn_id(number)]).await?;
        Ok(found.first().map(|noted| noted.batch))
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
