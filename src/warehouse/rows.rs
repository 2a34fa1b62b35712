//! The rows of the two tables, column for column as `schema` declares them.
//!
//! Rows borrow from the event they are made of; they are only ever written. The hash columns are computed
//! by ClickHouse (`MATERIALIZED cityHash64(…)`), so every writer gets the same ones.

use std::borrow::Cow;
use std::collections::BTreeMap;

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Properties that have a column of their own beside their place in `props`; empty where missing.
///
/// The columns are for segments and for reading fast. `props` still holds the property under the name it
/// was sent with, so a filter never depends on which of the two is read.
#[derive(Debug, Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WellKnown {
    /// Country code: `country`, `$country`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// Region or state: `region`, `$region`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// Operating system: `os`, `$os`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os: String,
    /// Browser: `browser`, `$browser`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub browser: String,
    /// Kind of device (`desktop`, `mobile` …): `device`, `$device`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub device: String,
    /// `web`, `ios`, `server` …: `platform`, `$platform`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// Version of the app that sent it: `app_version`, `appVersion`, `$app_version`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// Library that sent it: `sdk`, `$sdk`, `$lib`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sdk: String,
}

/// One row of `events`.
#[derive(Debug, Clone, Row, Serialize)]
pub struct EventRow<'a> {
    /// The project the event belongs to.
    #[serde(with = "clickhouse::serde::uuid")]
    pub project_id: Uuid,
    /// The same for every retry of the event.
    #[serde(with = "clickhouse::serde::uuid")]
    pub event_id: Uuid,
    /// The event's name.
    pub name: &'a str,
    /// When it happened, in milliseconds since 1970, UTC.
    pub ts: i64,
    /// When the server took it, likewise.
    pub ingested_at: i64,
    /// The person; empty where unknown, as are the next two.
    pub profile_id: &'a str,
    /// The visit.
    pub session_id: &'a str,
    /// The device or browser.
    pub device_id: &'a str,
    /// [`WellKnown::country`]
    pub country: &'a str,
    /// [`WellKnown::region`]
    pub region: &'a str,
    /// [`WellKnown::os`]
    pub os: &'a str,
    /// [`WellKnown::browser`]
    pub browser: &'a str,
    /// [`WellKnown::device`]
    pub device: &'a str,
    /// [`WellKnown::platform`]
    pub platform: &'a str,
    /// [`WellKnown::app_version`]
    pub app_version: &'a str,
    /// [`WellKnown::sdk`]
    pub sdk: &'a str,
    /// All properties as text (`domain::filter::property_text`); a null one is not there.
    pub props: Cow<'a, BTreeMap<String, String>>,
}

/// One row of `experiment_events`: an event and one experiment it is attributed to.
#[derive(Debug, Clone, Row, Serialize)]
pub struct ExperimentEventRow<'a> {
    /// The project the event belongs to.
    #[serde(with = "clickhouse::serde::uuid")]
    pub project_id: Uuid,
    /// The experiment.
    #[serde(with = "clickhouse::serde::uuid")]
    pub experiment_id: Uuid,
    /// The variant's key, as the experiment writes it.
    pub variant: &'a str,
    /// The reason of the assignment (`domain::Reason`), empty where the event does not say.
    pub reason: &'a str,
    /// The cohort of the assignment, 0 where the event does not say.
    pub cohort: u32,
    /// The event's id, as in `events`.
    #[serde(with = "clickhouse::serde::uuid")]
    pub event_id: Uuid,
    /// The event's name.
    pub name: &'a str,
    /// When it happened, in milliseconds since 1970, UTC.
    pub ts: i64,
    /// When the server took it, likewise.
    pub ingested_at: i64,
    /// The person; empty where unknown, as are the next two.
    pub profile_id: &'a str,
    /// The visit.
    pub session_id: &'a str,
    /// The device or browser.
    pub device_id: &'a str,
    /// What the experiment counts: the id of its mode and subject type. Never empty.
    pub subject: &'a str,
    /// [`WellKnown::country`]
    pub country: &'a str,
    /// [`WellKnown::region`]
    pub region: &'a str,
    /// [`WellKnown::os`]
    pub os: &'a str,
    /// [`WellKnown::browser`]
    pub browser: &'a str,
    /// [`WellKnown::device`]
    pub device: &'a str,
    /// [`WellKnown::platform`]
    pub platform: &'a str,
    /// [`WellKnown::app_version`]
    pub app_version: &'a str,
    /// [`WellKnown::sdk`]
    pub sdk: &'a str,
    /// All properties as text, as in `events`.
    pub props: Cow<'a, BTreeMap<String, String>>,
}
