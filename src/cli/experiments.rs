//! `splitdeck experiments`: list, read, create, and move through the lifecycle.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use crate::api::experiments::{ApplyWinner, CreateExperiment, ExperimentList, HistoryQuery, WinnerApplied};
use crate::api::flags::Convert;
use crate::api::problem::Code;
use crate::client::Client;
use crate::cockpit::format::prob_best;
use crate::cockpit::wiring::{self, Way, Wiring};
use crate::domain::{Deployment, Experiment, Key, Status};

use super::CliError;
use super::life::{self, Life, Step};
use super::output::{Align, Table, print_as_is, print_json, say};
use super::remote::{Remote, Session};

/// Arguments of `splitdeck experiments`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// All experiments of the project
    List {
        /// Archived ones too
        #[arg(long)]
        archived: bool,
    },
    /// One experiment
    Show {
        /// Its key or UUID
        key: String,
    },
    /// Snippets that ask for the variant of an experiment (or flag) and attach the attribution to events
    Wiring {
        /// Key or UUID of the experiment, or key of a flag without one
        key: String,
        /// curl, js-server, js-web, python, go, amplitude-node or amplitude-python; with --json all of them
        #[arg(long = "for", value_name = "WAY", default_value = "curl", value_parser = way)]
        way: Way,
        /// Name of the deployment whose key stands in it; one that sees the experiment where it is missing
        #[arg(long, value_name = "NAME")]
        deployment: Option<String>,
    },
    /// Create a draft
    Create {
        /// File with the experiment as JSON, as `POST /experiments` takes it; `-` reads standard input
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    #[command(flatten)]
    Life(Life),
    /// Serve the winner to everybody through the flag, and complete the experiment
    ApplyWinner {
        #[command(flatten)]
        step: Step,
        /// The variant that you see win; the server computes it anew
        #[arg(long, value_name = "VARIANT")]
        winner: Key,
    },
    /// Copy an experiment to another project, as a draft
    Copy(super::copy::Args),
    /// Make a flag of an experiment that is not running
    Convert {
        /// Key or UUID of the experiment
        key: String,
    },
    /// Delete a draft
    Delete {
        /// Key or UUID of the experiment
        key: String,
    },
    /// Whether the split is what it should be, by the guard's own test: since when not, and what was changed before that
    SampleRatio {
        /// Key or UUID of the experiment
        key: String,
    },
    /// What was changed, the newest first, 50 entries a page
    History {
        /// Key or UUID of the experiment
        key: String,
        /// Only before this entry: the number that the page before ended with
        #[arg(long, value_name = "N")]
        before: Option<i64>,
    },
}

fn way(text: &str) -> Result<Way, String> {
    let found = Way::ALL.into_iter().find(|way| way.as_str() == text);
    found.ok_or_else(|| {
        let all: Vec<&str> = Way::ALL.iter().map(|way| way.as_str()).collect();
        format!("allowed are {}", all.join(", "))
    })
}

/// A snippet, ready to run; as JSON all of them.
async fn wiring(
    client: &Client,
    key: &str,
    way: Way,
    deployment: Option<&str>,
    json: bool,
) -> Result<(), CliError> {
    let deployments = client.deployments().await?.deployments;
    let chosen = |named: &[uuid::Uuid]| -> Result<Option<&Deployment>, CliError> {
        let usable = wiring::usable(&deployments, named);
        match deployment {
            None => Ok(usable.first().copied()),
            Some(name) => {
                let found = usable.iter().find(|d| d.name.eq_ignore_ascii_case(name)).copied();
                if let Some(unseeing) = found.filter(|d| !named.contains(&d.id)) {
                    return Err(CliError::Usage(format!(
                        "the deployment {} does not see {key}: who asks with its key is told that there is no such \
                         flag; add it to the deployments of {key}, or name one of them",
                        unseeing.name
                    )));
                }
                found.map(Some).ok_or_else(|| {
                    let names: Vec<&str> = usable.iter().map(|d| d.name.as_str()).collect();
                    CliError::Usage(format!(
                        "no deployment \"{name}\" whose key is taken; there are: {}",
                        names.join(", ")
                    ))
                })
            }
        }
    };
    let wiring = match client.experiment(key).await {
        Ok(experiment) => Wiring::of_experiment(client.base(), &experiment, chosen(&experiment.deployments)?),
        Err(error) if error.code() == Some(Code::NotFound) => match client.flag(key).await {
            Ok(row) => Wiring::of_flag(client.base(), &row.flag, chosen(&row.flag.deployments)?),
            // What was asked for first is what is missing.
            Err(_) => return Err(error.into()),
        },
        Err(error) => return Err(error.into()),
    };
    if !json {
        return print_as_is(&wiring.snippet(way));
    }
    let all: BTreeMap<&str, String> = Way::ALL
        .into_iter()
        .map(|way| (way.as_str(), wiring.snippet(way)))
        .collect();
    print_json(&all)
}

/// Runs `splitdeck experiments`.
///
/// # Errors
/// See [`CliError`].
pub fn run(args: Args, session: &Session) -> Result<(), CliError> {
    let Args {
        command,
        remote,
        json,
    } = args;
    // A file that is no experiment is told before the server is asked for anything.
    let create = match &command {
        Command::Create { file } => Some(read(file)?),
        _ => None,
    };
    remote.run(session, async |client| match command {
        Command::List { archived } => {
            let list = client.experiments(archived).await?;
            say(json, &list, || list_text(&list))
        }
        Command::Show { key } => {
            let experiment = client.experiment(&key).await?;
            say(json, &experiment, || show_text(&experiment))
        }
        Command::Wiring { key, way, deployment } => {
            wiring(&client, &key, way, deployment.as_deref(), json).await
        }
        Command::Create { .. } => {
            let experiment = client.create_experiment(&create.unwrap_or_default()).await?;
            say(json, &experiment, || now(&experiment))
        }
        Command::Life(step) => {
            let experiment = life::take(&client, step).await?;
            say(json, &experiment, || now(&experiment))
        }
        Command::ApplyWinner { step, winner } => apply_winner(&client, step, winner, json).await,
        Command::Copy(args) => {
            let (key, body) = args.read();
            let copy = client.copy_experiment(&key, &body).await?;
            say(json, &copy, || {
                format!("{} is a draft in {} now\n", copy.key, body.project)
            })
        }
        Command::Convert { key } => convert(&client, &key, json).await,
        Command::Delete { key } => delete(&client, &key, json).await,
        Command::SampleRatio { key } => {
            super::sample_ratio::tell(&client, &key, json, jiff::Timestamp::now()).await
        }
        Command::History { key, before } => {
            let query = HistoryQuery {
                before,
                ..HistoryQuery::default()
            };
            let page = client.history(&key, &query).await?;
            say(json, &page, || super::audit::text(&page))
        }
    })
}

/// Where an experiment is after what was done.
fn now(experiment: &Experiment) -> String {
    let Experiment {
        key,
        resource_version,
        ..
    } = experiment;
    format!(
        "{key} is {} now (version {resource_version})\n",
        status(experiment)
    )
}

async fn apply_winner(client: &Client, step: Step, winner: Key, json: bool) -> Result<(), CliError> {
    let live = client.experiment(&step.key).await?;
    let body = ApplyWinner {
        resource_version: live.resource_version,
        winner,
        comment: step.comment,
    };
    let applied = client.apply_winner(&live.id.to_string(), &body).await?;
    say(json, &applied, || applied_text(&applied))
}

async fn convert(client: &Client, key: &str, json: bool) -> Result<(), CliError> {
    let live = client.experiment(key).await?;
    let body = Convert {
        resource_version: live.resource_version,
        key: None,
    };
    let done = client.flag_of_experiment(&live.id.to_string(), &body).await?;
    say(json, &done, || {
        let (flag, experiment) = (&done.flag.key, &done.experiment);
        format!(
            "the flag {flag} stands for {} now, which is {}\n",
            experiment.key, experiment.status
        )
    })
}

async fn delete(client: &Client, key: &str, json: bool) -> Result<(), CliError> {
    let live = client.experiment(key).await?;
    client
        .delete_experiment(&live.id.to_string(), live.resource_version)
        .await?;
    let answer = serde_json::json!({ "deleted": live.id });
    say(json, &answer, || format!("{} is deleted\n", live.key))
}

fn applied_text(applied: &WinnerApplied) -> String {
    let WinnerApplied {
        experiment,
        flag,
        p_best,
    } = applied;
    let winner = experiment.winning_variant.as_ref().map_or("", Key::as_str);
    format!(
        "{winner} won {} (P(best) {}); the flag {} serves it to everybody\n",
        experiment.key,
        prob_best(*p_best),
        flag.key
    )
}

/// The experiment to create, from a file or from standard input.
fn read(file: &PathBuf) -> Result<CreateExperiment, CliError> {
    let name = file.display();
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).map(|_| ())
    } else {
        std::fs::read_to_string(file).map(|content| text = content)
    };
    read.map_err(|error| CliError::Failed(format!("cannot read {name}: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("{name} is no experiment to create: {error}")))
}

/// What an experiment is at the moment, in words.
pub(super) fn status(experiment: &Experiment) -> String {
    if experiment.is_auto_paused() {
        return "paused by the guard".to_owned();
    }
    match (&experiment.winning_variant, experiment.status) {
        (Some(winner), Status::Completed) => format!("completed, winner {winner}"),
        (_, status) => status.to_string(),
    }
}

fn list_text(list: &ExperimentList) -> String {
    if list.experiments.is_empty() {
        return "no experiments; `splitdeck experiments create --file FILE` makes one\n".to_owned();
    }
    let mut table = Table::new(&[
        ("KEY", Align::Left),
        ("STATUS", Align::Left),
        ("MODE", Align::Left),
        ("SPLIT", Align::Left),
        ("VERSION", Align::Right),
        ("UPDATED", Align::Left),
        ("NAME", Align::Left),
    ]);
    for experiment in &list.experiments {
        let split: Vec<String> = experiment
            .variants
            .iter()
            .map(|v| format!("{} {}", v.key, v.traffic_pct.percent()))
            .collect();
        table.row([
            experiment.key.as_str(),
            &status(experiment),
            experiment.assignment_mode.as_str(),
            &split.join(" / "),
            &experiment.resource_version.to_string(),
            &minute(experiment.updated_at),
            &experiment.name,
        ]);
    }
    table.text()
}

/// `2026-01-31 09:30Z`
pub(super) fn minute(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}

fn show_text(experiment: &Experiment) -> String {
    let e = experiment;
    let mut about = Table::pairs();
    about.pair("key", e.key.as_str());
    about.pair("name", &e.name);
    about.pair("id", &e.id.to_string());
    about.pair("status", &status(e));
    about.pair("version", &e.resource_version.to_string());
    about.pair("mode", e.assignment_mode.as_str());
    about.pair("subject", &e.subject_type.to_string());
    about.pair("hypothesis", &e.hypothesis);
    about.pair("description", &e.description);
    for (label, url) in &e.links {
        about.pair("link", &format!("{label}: {url}"));
    }
    about.pair("flag", e.linked_flag.as_ref().map_or("", Key::as_str));
    about.pair("lab", &e.parent_id);
    about.pair("default", e.default_variant_id.as_str());
    about.pair("holdout", &percent(e.holdout_pct.percent()));
    about.pair("sticky", if e.sticky { "yes" } else { "no" });
    about.pair(
        "primary",
        &e.primary_metric
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
    );
    if let Some(secondary) = &e.secondary_event {
        let off = if secondary.enabled { "" } else { " (switched off)" };
        about.pair("first step", &format!("{}{off}", secondary.metric));
    }
    for tracked in &e.tracked_events {
        about.pair("tracked", &tracked.to_string());
    }
    about.pair("created", &minute(e.created_at));
    about.pair("updated", &minute(e.updated_at));
    about.pair("activated", &e.activated_at.map_or_else(String::new, minute));

    let mut variants = Table::new(&[
        ("VARIANT", Align::Left),
        ("SHARE", Align::Right),
        ("CONTROL", Align::Left),
        ("NAME", Align::Left),
        ("PAYLOAD", Align::Left),
    ]);
    for variant in &e.variants {
        let payload = if variant.payload.is_null() {
            String::new()
        } else {
            variant.payload.to_string()
        };
        variants.row([
            variant.key.as_str(),
            &percent(variant.traffic_pct.percent()),
            if variant.is_control { "control" } else { "" },
            &variant.name,
            &payload,
        ]);
    }
    let mut text = format!("{}\n{}", about.text(), variants.text());
    if !e.rules.is_empty() {
        let mut rules = Table::new(&[
            ("PRIORITY", Align::Right),
            ("RULE", Align::Left),
            ("VARIANT", Align::Left),
        ]);
        for rule in &e.rules {
            let conditions: Vec<String> = rule.conditions.iter().map(ToString::to_string).collect();
            let all = if conditions.is_empty() {
                "everybody".to_owned()
            } else {
                conditions.join(" and ")
            };
            rules.row([&rule.priority.to_string(), &all, rule.variant.as_str()]);
        }
        text.push('\n');
        text.push_str(&rules.text());
    }
    text
}

fn percent(percent: f64) -> String {
    format!("{percent} %")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn experiment() -> Experiment {
        serde_json::from_value(json!({
            "id": "018f2c7e-0000-7000-8000-000000000001", "key": "checkout-cta", "name": "Checkout\u{1b}[31m",
            "assignmentMode": "profile", "status": "paused", "pausedBy": "srm_guard", "salt": "checkout-cta",
            "variants": [
                {"key": "control", "isControl": true, "trafficPct": 50},
                {"key": "blue", "name": "Blue button", "trafficPct": 33.33, "orderIndex": 1, "payload": {"c": "#00f"}},
            ],
            "rules": [
                {"variant": "blue", "priority": 2, "conditions": [
                    {"scope": "profile", "field": "profile.country", "operator": "is", "value": "TH"},
                    {"scope": "event", "field": "plan", "operator": "isNotNull"},
                ]},
                {"variant": "control"},
            ],
            "primaryMetric": {"event": "paid", "filters": [{"field": "amount", "operator": "gt", "value": 9}]},
            "secondaryEvent": {"event": "opened", "enabled": false},
            "trackedEvents": [{"event": "clicked"}], "links": {"doc": "https://example.com"},
            "defaultVariantId": "control", "holdoutPct": 2.5, "resourceVersion": 7,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-31T09:30:59Z",
        }))
        .expect("an experiment")
    }

    #[test]
    fn the_list_is_one_line_each() {
        let list = ExperimentList {
            experiments: vec![experiment()],
        };
        assert_eq!(
            list_text(&list),
            "KEY           STATUS               MODE     SPLIT                    VERSION  UPDATED            NAME\n\
             checkout-cta  paused by the guard  profile  control 50 / blue 33.33        7  2026-01-31 09:30Z  \
             Checkout\\u{1b}[31m\n"
        );
        let none = ExperimentList { experiments: vec![] };
        assert!(list_text(&none).starts_with("no experiments;"));
    }

    #[test]
    fn one_experiment_says_everything() {
        assert_eq!(
            show_text(&experiment()),
            "key         checkout-cta\n\
             name        Checkout\\u{1b}[31m\n\
             id          018f2c7e-0000-7000-8000-000000000001\n\
             status      paused by the guard\n\
             version     7\n\
             mode        profile\n\
             subject     ANY\n\
             link        doc: https://example.com\n\
             lab         DEFAULT\n\
             default     control\n\
             holdout     2.5 %\n\
             sticky      no\n\
             primary     paid where amount gt 9\n\
             first step  opened (switched off)\n\
             tracked     clicked\n\
             created     2026-01-01 00:00Z\n\
             updated     2026-01-31 09:30Z\n\
             \n\
             VARIANT    SHARE  CONTROL  NAME         PAYLOAD\n\
             control     50 %  control\n\
             blue     33.33 %           Blue button  {\"c\":\"#00f\"}\n\
             \n\
             PRIORITY  RULE                                            VARIANT\n       \
             2  profile.country is TH and event.plan isNotNull  blue\n       \
             0  everybody                                       control\n"
        );
    }
}
