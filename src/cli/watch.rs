//! `splitdeck watch`: the list of experiments with its live numbers, as lines of text or as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use uuid::Uuid;

use super::CliError;
use super::output::{plain, remark, still_read, stream, stream_as_is};
use super::remote::{Remote, Session, runtime};
use crate::api::problem::Code;
use crate::api::results::{Overview, WINNER_PROBABILITY};
use crate::client::Client;
use crate::cockpit::alarms::{self, Alarm};
use crate::cockpit::format;
use crate::cockpit::state::ListState;
use crate::domain::{Experiment, Status};
use crate::runtime::reader::Reader;

/// How often it is asked whether to end.
const ASKS_PER_SECOND: u64 = 5;

/// Arguments of `splitdeck watch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Look once
    #[arg(long)]
    once: bool,
    /// Print each look as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Runs `splitdeck watch`: everything at first, then only what changed, until it is ended, or nobody reads what
/// it prints.
///
/// # Errors
/// See [`CliError`]. A server that is lost later is said on standard error, and tried again.
pub fn run(args: Args, session: &Session) -> Result<(), CliError> {
    until(args, session, || false)
}

/// The same, ended as well when `ends` says so, which is asked several times a second.
///
/// # Errors
/// As [`run`].
pub(super) fn until(args: Args, session: &Session, mut ends: impl FnMut() -> bool) -> Result<(), CliError> {
    let server = args.remote.server(session)?;
    let mut watch = Watch::new(server.client()?, server.allow_plain_http);
    let runtime = runtime()?;
    let (mut answered, mut lost) = (false, false);
    loop {
        match runtime.block_on(watch.look(Timestamp::now())) {
            Ok(look) => {
                (answered, lost) = (true, false);
                match args.json {
                    true => stream_as_is(&look.json()?)?,
                    false => stream(&look.changed_lines())?,
                }
            }
            Err(error) if args.once || !answered => return Err(error),
            Err(error) => {
                if !std::mem::replace(&mut lost, true) {
                    remark(&format!(
                        "{error}; what was printed is old, tried again every {} s",
                        args.every
                    ));
                }
            }
        }
        if args.once {
            return Ok(());
        }
        // What changes seldom is printed seldom: a reader that has gone is looked for in between.
        for _ in 0..args.every * ASKS_PER_SECOND {
            runtime
                .block_on(async { tokio::time::sleep(Duration::from_millis(1_000 / ASKS_PER_SECOND)).await });
            if ends() {
                return Ok(());
            }
            still_read()?;
        }
    }
}

/// Looks at the list again and again.
pub(super) struct Watch {
    client: Client,
    reader: Reader,
    /// What was printed of each experiment; nothing was before the first look.
    before: Option<BTreeMap<Uuid, Printed>>,
}

/// What was printed of an experiment.
struct Printed {
    key: String,
    line: String,
}

/// One experiment, as it is printed for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    key: String,
    name: String,
    status: String,
    auto_paused: bool,
    subjects: Option<u64>,
    exposures_per_minute: Option<u64>,
    leader: Option<String>,
    prob_best: Option<f64>,
    alarms: Vec<String>,
    last_event_at: Option<Timestamp>,
    #[serde(skip)]
    changed: bool,
    #[serde(skip)]
    line: String,
}

/// What one look found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Look {
    at: Timestamp,
    /// Why there are no live numbers.
    numbers_missing: Option<String>,
    experiments: Vec<Row>,
    /// Those of the look before that are not listed any more.
    gone: Vec<Gone>,
    /// Whether the list is empty, and was not at the look before.
    #[serde(skip)]
    emptied: bool,
}

/// An experiment that is not listed any more.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Gone {
    key: String,
    /// `archived` or `deleted`.
    now: &'static str,
}

impl Watch {
    pub(super) fn new(client: Client, allow_plain_http: bool) -> Self {
        Self {
            reader: Reader::new(client.clone(), allow_plain_http),
            client,
            before: None,
        }
    }

    /// Asks for the experiments and their numbers; without ClickHouse the experiments alone.
    pub(super) async fn look(&mut self, now: Timestamp) -> Result<Look, CliError> {
        let all: Vec<Arc<Experiment>> = self
            .client
            .experiments(false)
            .await?
            .experiments
            .into_iter()
            .map(Arc::new)
            .collect();
        let serving: Vec<Arc<Experiment>> = all
            .iter()
            .filter(|e| e.status != Status::Draft)
            .cloned()
            .collect();
        let numbers = if serving.is_empty() {
            Ok(Vec::new())
        } else {
            self.reader.overview(&serving, now).await
        };
        let (numbers, numbers_missing) = match numbers {
            Ok(numbers) => (numbers, None),
            Err(failure) => (Vec::new(), Some(failure.message)),
        };
        // In the order of the cockpit: what needs a person comes first.
        let mut list = ListState::default();
        list.overviews
            .set(numbers.into_iter().map(|o| (o.experiment_id, o)).collect(), now);
        list.experiments.set(all, now);
        list.arrange(now);
        let mut printed = BTreeMap::new();
        let before = self.before.as_ref();
        let rows = list.rows.iter().filter_map(|id| {
            let experiment = list.experiment(*id)?;
            let mut row = row(experiment, list.overview(*id), now);
            let last = before.and_then(|before| before.get(id));
            row.changed = last.is_none_or(|last| last.line != row.line);
            let (key, line) = (row.key.clone(), row.line.clone());
            printed.insert(*id, Printed { key, line });
            Some(row)
        });
        let experiments: Vec<Row> = rows.collect();
        let gone = self.gone(&printed).await?;
        let before = self.before.replace(printed);
        Ok(Look {
            at: now,
            numbers_missing,
            emptied: experiments.is_empty() && before.is_none_or(|before| !before.is_empty()),
            experiments,
            gone,
        })
    }

    /// What was listed at the look before and is not now, and what became of it.
    async fn gone(&self, printed: &BTreeMap<Uuid, Printed>) -> Result<Vec<Gone>, CliError> {
        let mut gone = Vec::new();
        for (id, last) in self.before.iter().flatten() {
            if printed.contains_key(id) {
                continue;
            }
            let now = match self.client.experiment(&id.to_string()).await {
                Ok(experiment) if experiment.status == Status::Archived => "archived",
                // It is listed again since: the next look tells.
                Ok(_) => continue,
                Err(error) if error.code() == Some(Code::NotFound) => "deleted",
                Err(error) => return Err(error.into()),
            };
            gone.push(Gone {
                key: last.key.clone(),
                now,
            });
        }
        Ok(gone)
    }
}

impl Look {
    /// A line for each experiment that is not as it was printed last, or not there any more; nothing while nothing
    /// changes.
    pub(super) fn changed_lines(&self) -> String {
        let changed = self.experiments.iter().filter(|row| row.changed);
        let mut text: String = changed.map(|row| format!("{}\n", row.line)).collect();
        if let (Some(why), false) = (&self.numbers_missing, text.is_empty()) {
            text.push_str(&format!("no live numbers: {}\n", plain(why)));
        }
        for Gone { key, now } in &self.gone {
            text.push_str(&format!("{}, {now}\n", plain(key)));
        }
        if self.emptied {
            text.push_str("no experiments\n");
        }
        text
    }

    fn json(&self) -> Result<String, CliError> {
        let json = serde_json::to_string(self);
        let json =
            json.map_err(|error| CliError::Failed(format!("cannot write the look as JSON: {error}")))?;
        Ok(json + "\n")
    }
}

fn row(experiment: &Experiment, overview: Option<&Overview>, now: Timestamp) -> Row {
    let auto_paused = experiment.is_auto_paused();
    let status = format::status(experiment.status, auto_paused);
    let alarms: Vec<String> = alarms::of(experiment, overview, now)
        .into_iter()
        .map(words)
        .collect();
    let leader = overview.and_then(|o| o.leader.as_ref());
    let per_minute = overview.and_then(|o| o.per_minute.last().copied());
    let mut parts = vec![experiment.key.to_string(), status.to_owned()];
    if let Some(overview) = overview {
        parts.push(format::counted(overview.subjects, "subject", "subjects"));
        parts.push(format!("{} a minute", format::count(per_minute.unwrap_or(0))));
        match leader {
            Some(leader) => parts.push(format!(
                "{} {} with {}",
                leader.variant,
                if leader.prob_best >= WINNER_PROBABILITY {
                    "is best"
                } else {
                    "leads, inconclusive yet,"
                },
                format::prob_best(leader.prob_best)
            )),
            None => parts.push("inconclusive".to_owned()),
        }
    }
    parts.extend(alarms.iter().cloned());
    Row {
        key: experiment.key.to_string(),
        name: experiment.name.clone(),
        status: experiment.status.as_str().to_owned(),
        auto_paused,
        subjects: overview.map(|o| o.subjects),
        exposures_per_minute: per_minute,
        leader: leader.map(|l| l.variant.clone()),
        prob_best: leader.map(|l| l.prob_best),
        alarms,
        last_event_at: overview.and_then(|o| o.last_event_at),
        changed: true,
        line: plain(&parts.join(", ")),
    }
}

fn words(alarm: Alarm) -> String {
    match alarm {
        Alarm::AutoPaused(Some(p)) => format!(
            "alarm: paused by the guard, sample ratio mismatch p {}",
            format::p_value(p)
        ),
        Alarm::AutoPaused(None) => "alarm: paused by the guard".to_owned(),
        Alarm::Srm(p) => format!("alarm: sample ratio mismatch p {}", format::p_value(p)),
        Alarm::NoData(Some(at)) => format!("alarm: no data since {}", at.strftime("%Y-%m-%d %H:%M UTC")),
        Alarm::NoData(None) => "alarm: no data yet".to_owned(),
        Alarm::NotCounted => "its subjects cannot be counted".to_owned(),
        Alarm::Gathering => "gathering data".to_owned(),
    }
}
