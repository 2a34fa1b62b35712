//! A database for the results' tests, and events to fill it with.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::test_runner::Config;
use serde_json::{Value, json};
use splitdeck::api::results::{Results, ResultsQuery};
use splitdeck::domain::Experiment;
use splitdeck::warehouse::{EventId, EventRow, ExperimentEventRow, Login, Warehouse};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::support::engine;

/// 2026-01-15T00:00:00Z, a Thursday.
pub const T0: i64 = 1_768_435_200_000;
pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;

/// How often a property is tried: `n` times, or as `PROPTEST_CASES` says.
pub fn cases(n: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(n),
    }
}

/// The two ways into one database: its owner's, and that of the user who may only read the two tables.
pub struct World {
    pub owner: Warehouse,
    pub reader: Warehouse,
    pub project: Uuid,
}

impl World {
    /// A project of its own in the database that all these tests share.
    pub async fn new() -> Self {
        static DATABASE: OnceCell<String> = OnceCell::const_new();
        let shared = engine::shared();
        let open = |database: &str, login: &splitdeck::engine::Login| {
            Warehouse::new(&Login::new(
                &shared.http_url,
                database,
                &login.user,
                &login.password,
            ))
            .expect("a login")
        };
        let database = DATABASE
            .get_or_init(|| async {
                let database = engine::fresh_database();
                open(&database, &shared.server).migrate().await.expect("tables");
                database
            })
            .await;
        Self {
            owner: open(database, &shared.server),
            reader: open(database, &shared.cockpit),
            project: Uuid::new_v4(),
        }
    }

    /// The reader by another way to the same engine.
    pub fn reader_at(&self, base: &str) -> Warehouse {
        let login = &engine::shared().cockpit;
        let database = self.reader.database();
        Warehouse::new(&Login::new(base, database, &login.user, &login.password)).expect("a login")
    }

    /// Stores events as the drain does: each in `events`, and once more for each attribution.
    pub async fn insert(&self, events: &[Event]) {
        let rows: Vec<EventRow<'_>> = events.iter().map(|e| e.row(self.project)).collect();
        let attributed: Vec<ExperimentEventRow<'_>> = events
            .iter()
            .flat_map(|e| e.attributed.iter().map(|a| e.attributed_row(self.project, a)))
            .collect();
        let token = Uuid::new_v4().to_string();
        if !rows.is_empty() {
            self.owner.insert_events(&token, &rows).await.expect("inserted");
        }
        if !attributed.is_empty() {
            self.owner
                .insert_experiment_events(&token, &attributed)
                .await
                .expect("inserted");
        }
    }

    /// Stores events as [`Self::insert`] does, without those whose id another call has brought before.
    pub async fn take(&self, events: &[Event]) {
        let ids: Vec<EventId> = events
            .iter()
            .map(|e| EventId {
                project_id: self.project,
                event_id: e.id,
                ingested_at: e.ingested_at,
            })
            .collect();
        let repeats = self.owner.claim(Uuid::new_v4(), &ids).await.expect("claimed");
        let firsts: Vec<Event> = events
            .iter()
            .filter(|e| !repeats.contains(&(self.project, e.id)))
            .cloned()
            .collect();
        self.insert(&firsts).await;
    }

    /// The results as the reader gets them.
    pub async fn results(&self, experiment: &Experiment, query: &ResultsQuery) -> Results {
        let now = Timestamp::from_millisecond(T0).expect("an instant");
        self.reader
            .results(experiment, query, now)
            .await
            .unwrap_or_else(|error| panic!("no results: {error}"))
    }
}

/// An event to store.
#[derive(Debug, Clone, Default)]
pub struct Event {
    pub id: Uuid,
    pub name: String,
    pub ts: i64,
    pub ingested_at: i64,
    pub profile: String,
    pub session: String,
    pub device: String,
    pub country: String,
    pub props: BTreeMap<String, String>,
    pub attributed: Vec<Attributed>,
}

/// An attribution of an event.
#[derive(Debug, Clone)]
pub struct Attributed {
    pub experiment: Uuid,
    pub variant: String,
    pub reason: String,
    pub cohort: u32,
    pub subject: String,
}

impl Event {
    /// An event of a person.
    pub fn new(name: &str, profile: &str, ts: i64) -> Self {
        Self {
            id: Uuid::new_v4(),
            name: name.to_owned(),
            ts,
            ingested_at: ts,
            profile: profile.to_owned(),
            ..Self::default()
        }
    }

    /// With a property.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.props.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Attributed to an experiment of which the person is the subject.
    pub fn exposed(self, experiment: &Experiment, variant: &str) -> Self {
        let subject = self.profile.clone();
        self.attributed(experiment, variant, "allocation", 1, &subject)
    }

    pub fn attributed(
        mut self,
        experiment: &Experiment,
        variant: &str,
        reason: &str,
        cohort: u32,
        subject: &str,
    ) -> Self {
        self.attributed.push(Attributed {
            experiment: experiment.id,
            variant: variant.to_owned(),
            reason: reason.to_owned(),
            cohort,
            subject: subject.to_owned(),
        });
        self
    }

    pub fn row(&self, project_id: Uuid) -> EventRow<'_> {
        EventRow {
            project_id,
            event_id: self.id,
            name: &self.name,
            ts: self.ts,
            ingested_at: self.ingested_at,
            profile_id: &self.profile,
            session_id: &self.session,
            device_id: &self.device,
            country: &self.country,
            region: "",
            os: "",
            browser: "",
            device: "",
            platform: "",
            app_version: "",
            sdk: "",
            props: Cow::Borrowed(&self.props),
        }
    }

    fn attributed_row<'a>(&'a self, project_id: Uuid, to: &'a Attributed) -> ExperimentEventRow<'a> {
        ExperimentEventRow {
            project_id,
            experiment_id: to.experiment,
            variant: &to.variant,
            reason: &to.reason,
            cohort: to.cohort,
            event_id: self.id,
            name: &self.name,
            ts: self.ts,
            ingested_at: self.ingested_at,
            profile_id: &self.profile,
            session_id: &self.session,
            device_id: &self.device,
            subject: &to.subject,
            country: &self.country,
            region: "",
            os: "",
            browser: "",
            device: "",
            platform: "",
            app_version: "",
            sdk: "",
            props: Cow::Borrowed(&self.props),
        }
    }
}

/// An active experiment with the arms `control` and `treatment`, 50 to 50; `change` overwrites its fields.
pub fn experiment(change: Value) -> Experiment {
    let mut json = json!({
        "id": Uuid::new_v4(), "key": "exp", "name": "Exp", "assignmentMode": "profile", "status": "active",
        "variants": [
            {"key": "control", "isControl": true, "trafficPct": 50},
            {"key": "treatment", "trafficPct": 50, "orderIndex": 1},
        ],
        "cohorts": [cohort(1, "2025-01-01T00:00:00Z", &[("control", 0.5), ("treatment", 0.5)])],
        "defaultVariantId": "control", "salt": "exp", "resourceVersion": 1,
        "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z",
    });
    let Value::Object(change) = change else {
        panic!("an object")
    };
    json.as_object_mut().expect("an object").extend(change);
    serde_json::from_value(json).expect("an experiment")
}

/// One split of an experiment.
pub fn cohort(index: u32, created_at: &str, shares: &[(&str, f64)]) -> Value {
    let shares: Vec<Value> = shares
        .iter()
        .map(|(variant, split)| json!({"variant": variant, "split": split}))
        .collect();
    json!({"index": index, "createdAt": created_at, "variants": shares})
}
