//! `splitdeck experiments sample-ratio`: whether an experiment's split is what it should be, by the test that pauses it.

use jiff::Timestamp;
use serde::Serialize;

use crate::api::experiments::{History, HistoryQuery};
use crate::api::results::{ResultsQuery, Srm};
use crate::client::Client;
use crate::cockpit::evidence::{changes_before, crossed_at};
use crate::cockpit::format;
use crate::domain::AuditEntry;

use super::CliError;
use super::audit;
use super::experiments::minute;
use super::output::{Table, say};

/// How many changes before the mismatch are told.
const CHANGES: usize = 3;

/// What is known of the split.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SampleRatio {
    #[serde(flatten)]
    srm: Srm,
    /// Only subjects first exposed since then are tested; all where there is none.
    checked_from: Option<Timestamp>,
    /// From when on the exposures fail the test; none while they pass.
    crossed_at: Option<Timestamp>,
    /// Hours since then.
    hours_since: Option<f64>,
    /// What was changed before that, or before the guard paused it, the newest first.
    changes_before: Vec<AuditEntry>,
}

/// Asks and says.
pub(super) async fn tell(client: &Client, key: &str, json: bool, now: Timestamp) -> Result<(), CliError> {
    let experiment = client.experiment(key).await?;
    let id = experiment.id.to_string();
    let srm = client.sample_ratio(&id).await?;
    let results = client.results(&id, &ResultsQuery::default()).await?;
    let history = client.history(&id, &HistoryQuery::default()).await?;
    let crossed = crossed_at(&experiment, &results, experiment.srm_checked_from);
    let changes: Vec<AuditEntry> = if crossed.is_some() || experiment.is_auto_paused() {
        changes_before(&experiment, &history.entries, Some(&results), crossed, now)
            .take(CHANGES)
            .cloned()
            .collect()
    } else {
        Vec::new()
    };
    let told = SampleRatio {
        srm,
        checked_from: experiment.srm_checked_from,
        crossed_at: crossed,
        hours_since: crossed.map(|at| now.duration_since(at).as_secs_f64() / 3_600.0),
        changes_before: changes,
    };
    say(json, &told, || text(&told))
}

fn text(told: &SampleRatio) -> String {
    let srm = &told.srm;
    let mut table = Table::pairs();
    let stands = match (&srm.test, srm.alarm) {
        (None, _) => "cannot be told",
        (Some(_), true) => "the split fails the test",
        (Some(_), false) => "the split passes the test",
    };
    table.pair("now", stands);
    match &srm.test {
        Some(test) => {
            let (p, always) = (format::p_value(test.p), format::p_value(test.always_valid_p));
            table.pair("chi-square", &format!("p {p}"));
            table.pair("always valid", &format!("p {always}"));
        }
        None => table.pair("why", srm.why_not.as_deref().unwrap_or("no reason is given")),
    }
    if let Some(watch) = &srm.watch {
        let looks = format!(
            "{} looks, the last {}, always valid p {}",
            watch.looks,
            minute(watch.last_look_at),
            format::p_value(watch.always_valid_p)
        );
        table.pair("guard", &looks);
    }
    if let Some(from) = told.checked_from {
        table.pair("tested from", &minute(from));
    }
    if let (Some(at), Some(hours)) = (told.crossed_at, told.hours_since) {
        let since = format!("{}, {hours:.1} h ago (by exposures)", minute(at));
        table.pair("first crossed", &since);
    }
    let mut text = table.text();
    if !told.changes_before.is_empty() {
        let before = History {
            entries: told.changes_before.clone(),
            next_before: None,
        };
        text.push_str(&format!("\nchanged before it:\n{}", audit::text(&before)));
    }
    text
}
