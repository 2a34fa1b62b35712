//! Whose event an id is: of several with the same id the one that was stored first counts, and no other is stored.
//!
//! `event_ids` has a row for each event, in the order of the ids, so that a batch finds out which of its ids are new
//! without reading all of them. It is written before the events are: where the attempt that noted an id
//! ends in between, the next attempt finds the id to be its own. ([ADR](../../docs/adr/0013-the-first-of-an-id-counts.md))
//!
//! Servers take turns, so that of two which meet the same new id at once only one gets it. The turns are numbered from
//! 1, and each is a row of the table, too, stored in one insert with the ids that a batch notes in it. The number is the
//! insert's deduplication token: of two inserts for the same turn ClickHouse stores one. Who stored turn `n + 1`
//! after having looked for its ids with turn `n` as the last one has looked at all ids that were noted before its own.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EVENT_IDS, Warehouse, WarehouseError};

/// Where the table has several replicas, turns have to be seen as soon as they are taken; one replica takes no notice.
const CONSISTENT: (&str, &str) = ("select_sequential_consistency", "1");

/// How many ids one query names; ClickHouse takes parameters of 128 KiB.
const NAMED: usize = 1_500;

/// How often in a row a batch loses the next turn before it is put off. Each turn that is lost is another batch's.
const TURNS: u32 = 50;
/// How many turns are passed over of which nothing is there any more: more than ClickHouse remembers tokens.
const GONE: u32 = 10_100;
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
struct Last {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
}

/// What of some ids is new, and what is another batch's.
#[derive(Default)]
struct Sorted {
    new: Vec<IdRow>,
    repeats: HashSet<(Uuid, Uuid)>,
}

/// How going for a turn ended.
enum Turn {
    /// It was taken: these of the ids are another batch's.
    Taken(HashSet<(Uuid, Uuid)>),
    /// Another batch was faster.
    Lost,
    /// It was taken once, and somebody has deleted its row since.
    Gone(u64),
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
    /// A batch that loses its turn goes on with fewer ids at a time: what is looked up faster than others take turns
    /// gets one, however many ids there are.
    ///
    /// # Errors
    /// As [`Self::insert_events`], and of [`super::Class::Retry`] where other batches were faster each time. What was
    /// noted by then is the batch's own when it asks again.
    pub async fn claim(&self, batch: Uuid, ids: &[EventId]) -> Result<HashSet<(Uuid, Uuid)>, WarehouseError> {
        let mut distinct = BTreeMap::new();
        for id in ids {
            distinct.entry((id.project_id, id.event_id)).or_insert(*id);
        }
        let ids: Vec<EventId> = distinct.into_values().collect();
        let (mut rest, mut step) = (ids.as_slice(), ids.len());
        let mut repeats = HashSet::new();
        // The last turn that is known to be taken though nothing shows it any more, and how many there were.
        let (mut gone, mut passed) = (0, 0);
        let mut lost = 0;
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(step.min(rest.len()));
            match self.turn(batch, part, gone).await? {
                Turn::Taken(others) => {
                    repeats.extend(others);
                    rest = behind;
                    step = step.saturating_mul(2);
                    lost = 0;
                }
                Turn::Lost if lost < TURNS => {
                    lost += 1;
                    step = (part.len() / 2).clamp(1, NAMED);
                    tokio::time::sleep((PAUSE * lost).mul_f64(fastrand::f64())).await;
                }
                Turn::Gone(turn) if passed < GONE => {
                    passed += 1;
                    gone = turn;
                }
                Turn::Lost | Turn::Gone(_) => {
                    let doing = format!("insert into {EVENT_IDS}");
                    return Err(WarehouseError::contended(doing, lost + passed));
                }
            }
        }
        Ok(repeats)
    }

    /// Forgets which ids are a batch's: its events are not going to be stored, and others with these ids may be.
    ///
    /// # Errors
    /// Why ClickHouse did not.
    pub async fn forget(&self, batch: Uuid) -> Result<(), WarehouseError> {
        let sql = format!(
            "DELETE FROM `{}`.{EVENT_IDS} WHERE batch = {{batch:UUID}} AND project_id != {{nobody:UUID}}",
            self.database
        );
        let query = self.client.query_raw(&sql).param("batch", batch.to_string());
        let query = query.param("nobody", Uuid::nil().to_string());
        let doing = format!("delete the ids of a batch from {EVENT_IDS}");
        self.timed(&doing, query.execute()).await
    }

    /// Goes for the next turn, after `gone` at least, to note those of the ids that are new.
    async fn turn(&self, batch: Uuid, ids: &[EventId], gone: u64) -> Result<Turn, WarehouseError> {
        let next = self.last_turn().await?.max(gone) + 1;
        let Sorted { mut new, repeats } = self.sorted(batch, ids).await?;
        let Some(first) = new.first() else {
            return Ok(Turn::Taken(repeats));
        };
        // Not the batch's id: an attempt whose answer was lost may have noted other ids in this turn than this one. What
        // it did note is found to be the batch's own at the next look.
        let attempt = Uuid::new_v4();
        new.push(IdRow {
            project_id: Uuid::nil(),
            event_id: turn_id(next),
            ingested_at: first.ingested_at,
            batch: attempt,
        });
        self.insert::<IdRow>(EVENT_IDS, &format!("turn:{next}"), new.iter())
            .await?;
        // Whether the rows were stored or left out as repeated is not told.
        Ok(match self.whose_turn(next).await? {
            Some(whose) if whose == attempt => Turn::Taken(repeats),
            Some(_) => Turn::Lost,
            None => Turn::Gone(next),
        })
    }

    /// The ids of a batch by whose they are.
    async fn sorted(&self, batch: Uuid, ids: &[EventId]) -> Result<Sorted, WarehouseError> {
        let mut sorted = Sorted::default();
        for ids in ids.chunk_by(|a, b| a.project_id == b.project_id) {
            let project_id = ids[0].project_id;
            let mut whose: HashMap<Uuid, Vec<Noted>> = HashMap::new();
            for named in ids.chunks(NAMED) {
                let named: Vec<Uuid> = named.iter().map(|id| id.event_id).collect();
                for noted in self.noted(project_id, &named).await? {
                    whose.entry(noted.event_id).or_default().push(noted);
                }
            }
            for id in ids {
                // Events from before there was this table are known by when they were taken.
                let is_own = |noted: &Noted| {
                    noted.batch == batch || noted.batch.is_nil() && noted.ingested_at == id.ingested_at
                };
                match whose.get(&id.event_id) {
                    Some(noted) if noted.iter().any(is_own) => {}
                    Some(_) => {
                        sorted.repeats.insert((project_id, id.event_id));
                    }
                    None => sorted.new.push(IdRow {
                        project_id,
                        event_id: id.event_id,
                        ingested_at: id.ingested_at,
                        batch,
                    }),
                }
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
            .with_setting(CONSISTENT.0, CONSISTENT.1)
            .param("nobody", Uuid::nil().to_string());
        let found = query.fetch_optional::<Last>();
        let last = self.timed("looking for the last turn to note ids", found).await?;
        Ok(last.map_or(0, |last| last.event_id.as_u64_pair().1))
    }

    /// The attempt that took a turn.
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
        let query = self
            .client
            .query_raw(&sql)
            .with_setting(CONSISTENT.0, CONSISTENT.1);
        let query = query.param("project", project.to_string());
        let found = query.param("ids", ids).fetch_all::<Noted>();
        let doing = format!("looking in {EVENT_IDS} for ids that were seen before");
        self.timed(&doing, found).await
    }
}
