//! Replays the cookie-cats data through `POST /track` as the experiment `cookie-cats`.
//!
//! The file has no times. They are made up: each player is exposed at a moment of the fourteen days that
//! ended a week before the experiment was created here, and comes back a day and a week later. Everything
//! is a pure function of the file and of the experiment's creation, and every event has an id of its own:
//! replaying again changes nothing.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::cookie_cats::{DataError, Gate, Player, players};
use super::sender::send;
use crate::api::experiments::CreateExperiment;
use crate::api::track::{EventTime, TrackEvent};
use crate::client::{Client, ClientError};
use crate::domain::{Experiment, Metric};

/// Key of the experiment.
pub const KEY: &str = "cookie-cats";
/// The event of a player who installed the game and so was exposed.
pub const INSTALLED: &str = "game_installed";
/// The event of a player who came back after a day.
pub const RETAINED_DAY_1: &str = "retained_day_1";
/// The event of a player who came back after a week; the primary metric.
pub const RETAINED_DAY_7: &str = "retained_day_7";

/// Players sent in one request.
const BATCH: usize = 2_000;
/// Over how many days the made-up exposures are spread.
const DAYS: i64 = 14;
/// Namespace of the events' ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x5b1d_0c47_93e2_4f6a_8d70_c00c_1eca_7500);

/// The replay could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The shipped data is damaged.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The server refused.
    #[error("cannot replay {KEY}: {0}")]
    Client(#[from] ClientError),
}

/// The experiment as it is created.
#[must_use]
pub fn experiment() -> CreateExperiment {
    CreateExperiment {
        name: "Cookie Cats: first gate at level 30 or 40 (real data, made-up timestamps)".to_owned(),
        key: Some(KEY.to_owned()),
        description: "A public A/B test of a mobile game with 90,189 players, replayed through the tracking \
                      API. The file has no times: all timestamps are made up."
            .to_owned(),
        hypothesis: "Moving the first gate from level 30 to level 40 keeps more players in the game."
            .to_owned(),
        variants: serde_json::from_value(json!([
            {"key": Gate::Thirty.key(), "name": "Gate at level 30", "isControl": true, "trafficPct": 50},
            {"key": Gate::Forty.key(), "name": "Gate at level 40", "trafficPct": 50, "orderIndex": 1},
        ]))
        .ok(),
        primary_metric: Some(Metric::event(RETAINED_DAY_7)),
        tracked_events: vec![Metric::event(RETAINED_DAY_1)],
        ..CreateExperiment::default()
    }
}

/// Sends all events of all players; returns how many.
///
/// # Errors
/// See [`ReplayError`].
pub async fn replay(client: &Client, experiment: &Experiment) -> Result<usize, ReplayError> {
    let players = players()?;
    let mut sent = 0;
    for batch in players.chunks(BATCH) {
        let events: Vec<TrackEvent> = batch
            .iter()
            .flat_map(|player| events(player, experiment))
            .collect();
        send(client, &events).await?;
        sent += events.len();
    }
    Ok(sent)
}

/// The events of one player, one to three.
fn events(player: &Player, experiment: &Experiment) -> Vec<TrackEvent> {
    let installed = installed_at(player, experiment.created_at);
    let mut attributed = Map::new();
    attributed.insert("__experimentId".to_owned(), json!(experiment.id));
    attributed.insert("__variantId".to_owned(), json!(player.gate.key()));
    attributed.insert("gameRounds".to_owned(), json!(player.game_rounds));
    attributed.insert("category".to_owned(), json!(rounds_category(player.game_rounds)));

    let mut events = vec![event(player, INSTALLED, installed, attributed)];
    let returns = [
        (player.retained_day_1, RETAINED_DAY_1, 1),
        (player.retained_day_7, RETAINED_DAY_7, 7),
    ];
    for (retained, name, days) in returns {
        if retained {
            let at = installed.saturating_add(SignedDuration::from_hours(24 * days));
            // Not attributed again: an exposure is counted once, where it happened.
            events.push(event(player, name, at.unwrap_or(installed), Map::new()));
        }
    }
    events
}

fn event(player: &Player, name: &str, at: Timestamp, properties: Map<String, Value>) -> TrackEvent {
    let id = Uuid::new_v5(&NAMESPACE, format!("{}/{name}", player.user_id).as_bytes());
    TrackEvent {
        name: name.to_owned(),
        properties,
        profile_id: Some(player.user_id.to_string()),
        timestamp: Some(EventTime::Millis(at.as_millisecond())),
        id: Some(id.to_string()),
        ..TrackEvent::default()
    }
}

/// The made-up moment of the exposure: at least a week before `created`, so that the return after a week
/// lies in the past, too.
fn installed_at(player: &Player, created: Timestamp) -> Timestamp {
    let span = DAYS * 24 * 3600 * 1000;
    // A spread over the ids that has nothing to do with their order in the file.
    let spread = player.user_id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
    let offset = i64::try_from(spread % span.unsigned_abs()).unwrap_or_default();
    let week = 7 * 24 * 3600 * 1000;
    let millis = created.as_millisecond() - week - span + offset;
    Timestamp::from_millisecond(millis).unwrap_or(created)
}

/// A few classes of play, so that the property breakdown has something to tell.
fn rounds_category(rounds: u32) -> &'static str {
    match rounds {
        0..=4 => "0-4 rounds",
        5..=29 => "5-29 rounds",
        30..=99 => "30-99 rounds",
        _ => "100+ rounds",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn experiment_at(created: &str) -> Experiment {
        serde_json::from_value(json!({
            "id": Uuid::nil(), "key": KEY, "name": "x", "assignmentMode": "profile", "status": "active",
            "variants": experiment().variants, "defaultVariantId": "gate_30", "salt": KEY, "resourceVersion": 1,
            "createdAt": created, "updatedAt": created,
        }))
        .expect("an experiment")
    }

    #[test]
    fn events_are_the_same_each_time_and_in_the_past() {
        let experiment = experiment_at("2026-11-01T12:00:00Z");
        let players = players().expect("reads");
        for player in players.iter().step_by(997) {
            let events = events(player, &experiment);
            let again = super::events(player, &experiment);
            assert_eq!(
                events
                    .iter()
                    .map(|e| (e.id.clone(), e.timestamp.clone()))
                    .collect::<Vec<_>>(),
                again
                    .iter()
                    .map(|e| (e.id.clone(), e.timestamp.clone()))
                    .collect::<Vec<_>>()
            );
            for event in events {
                let Some(EventTime::Millis(at)) = event.timestamp else {
                    panic!("a time in milliseconds");
                };
                let age = experiment.created_at.as_millisecond() - at;
                assert!((0..=21 * 24 * 3600 * 1000).contains(&age), "{age}");
            }
        }
    }

    #[test]
    fn ids_are_distinct() {
        let experiment = experiment_at("2026-11-01T12:00:00Z");
        let players = players().expect("reads");
        let ids: std::collections::BTreeSet<_> = players
            .iter()
            .flat_map(|p| events(p, &experiment))
            .filter_map(|e| e.id)
            .collect();
        assert_eq!(ids.len(), 90_189 + 20_034 + 20_119 + 8_502 + 8_279);
    }
}
