//! Simulated live traffic through assign and track, for two experiments.
//!
//! - `checkout-cta` is healthy: a winner emerges within minutes.
//! - `search-ranking` is broken on purpose: Safari loses most of the treatment's events, as a script error
//!   in one variant would, so that a sample ratio mismatch shows within minutes.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::population::Visitor;
use super::sender::{may_pass, send};
use crate::api::assign::AssignRequest;
use crate::api::experiments::CreateExperiment;
use crate::api::track::{EventTime, TrackEvent};
use crate::client::{Client, ClientError};
use crate::domain::{Assignment, Experiment, Metric};

/// One simulated experiment: what is configured and how its visitors behave.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Key of the experiment.
    pub key: &'static str,
    /// Its name, which says that the traffic is simulated.
    pub name: &'static str,
    /// What it changes.
    pub description: &'static str,
    /// What is expected.
    pub hypothesis: &'static str,
    /// The event at which a visitor is exposed.
    pub exposure: &'static str,
    /// An event on the way, done by this many times as many visitors as convert.
    pub step: (&'static str, f64),
    /// The primary metric.
    pub metric: &'static str,
    /// True conversion rate of the control.
    pub control_rate: f64,
    /// True conversion rate of the treatment.
    pub treatment_rate: f64,
    /// The browser that loses events of the treatment, and the share it loses.
    pub loss: Option<(&'static str, f64)>,
}

/// The two experiments.
pub const SCENARIOS: [Scenario; 2] = [
    Scenario {
        key: "checkout-cta",
        name: "Checkout button says what happens next (simulated traffic)",
        description: "Simulated visitors see \"Continue\" or \"Pay now\" at the checkout.",
        hypothesis: "A button that names the next step makes more visitors finish their purchase.",
        exposure: "checkout_viewed",
        step: ("payment_started", 2.2),
        metric: "purchase",
        control_rate: 0.10,
        treatment_rate: 0.145,
        loss: None,
    },
    Scenario {
        key: "search-ranking",
        name: "Search results ranked by popularity (simulated traffic, broken in Safari)",
        description: "Simulated visitors search. In Safari most events of the treatment are lost, on purpose.",
        hypothesis: "Ranking by popularity makes more visitors click a result.",
        exposure: "search_viewed",
        step: ("result_hovered", 1.5),
        metric: "result_clicked",
        control_rate: 0.30,
        treatment_rate: 0.31,
        loss: Some(("Safari", 0.65)),
    },
];

impl Scenario {
    /// The experiment as it is created.
    #[must_use]
    pub fn experiment(&self) -> CreateExperiment {
        CreateExperiment {
            name: self.name.to_owned(),
            key: Some(self.key.to_owned()),
            description: self.description.to_owned(),
            hypothesis: self.hypothesis.to_owned(),
            primary_metric: Some(Metric::event(self.metric)),
            tracked_events: vec![Metric::event(self.step.0)],
            rules: serde_json::from_value(json!([{
                "variant": "control",
                "priority": 10,
                "conditions": [{"scope": "profile", "field": "plan", "operator": "is", "value": "staff"}],
            }]))
            .unwrap_or_default(),
            ..CreateExperiment::default()
        }
    }

    /// What a visitor with this assignment sends, at `now`; nothing when the events are lost.
    ///
    /// `draw` is a number from 0 to 1 that decides about the loss.
    fn events(
        &self,
        visitor: &Visitor,
        assignment: &Assignment,
        now: Timestamp,
        draw: f64,
    ) -> Vec<TrackEvent> {
        let treated = assignment.variant_id == "treatment";
        if let Some((browser, share)) = self.loss
            && treated
            && visitor.browser == browser
            && draw < share
        {
            return Vec::new();
        }
        let mut properties = visitor.properties();
        properties.insert("category".to_owned(), json!(visitor.plan));
        if let Ok(Value::Object(attribution)) = serde_json::to_value(&assignment.attribution) {
            properties.extend(attribution);
        }
        let rate = if treated {
            self.treatment_rate
        } else {
            self.control_rate
        };
        let mut events = vec![event(visitor, self.exposure, now, 0, properties)];
        // The metric events are not attributed again: an exposure is counted once, where it happened.
        if visitor.does(rate * self.step.1) {
            events.push(event(visitor, self.step.0, now, 1, visitor.properties()));
        }
        if visitor.does(rate) {
            events.push(event(visitor, self.metric, now, 2, visitor.properties()));
        }
        events
    }
}

/// The events of a visit are a millisecond apart, so that their order is sure.
fn event(
    visitor: &Visitor,
    name: &str,
    now: Timestamp,
    step: i64,
    properties: Map<String, Value>,
) -> TrackEvent {
    TrackEvent {
        name: name.to_owned(),
        properties,
        profile_id: Some(visitor.id.clone()),
        session_id: Some(format!("{}-s1", visitor.id)),
        timestamp: Some(EventTime::Millis(now.as_millisecond() + step)),
        id: Some(Uuid::now_v7().to_string()),
        ..TrackEvent::default()
    }
}

/// How often visitors arrive.
const TICK: Duration = Duration::from_millis(250);
/// The longest time whose visitors arrive together.
const LONGEST: Duration = Duration::from_secs(1);
/// The most visitors of one batch; the server takes no more assignments at once.
const MAX_BATCH: usize = 1_000;

/// Runs one scenario until it is dropped: `rate` visitors a second, beginning with number `first`.
///
/// Visitors keep coming when the experiment is paused, as real ones would: they see the default variant,
/// and their events say so.
///
/// # Errors
/// What the server refuses for good.
pub async fn run(
    client: &Client,
    scenario: &Scenario,
    experiment: &Experiment,
    rate: f64,
    first: u64,
) -> Result<(), ClientError> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut rng = fastrand::Rng::new();
    // Whoever seeds by the experiment gets other people for each.
    let seed = experiment.id.as_u64_pair().0;
    let mut next = first;
    let mut arrivals = Arrivals { rate, due: 0.0 };
    let mut looked = ticks.tick().await;
    loop {
        // By the clock, so that a server that took longer than a tick does not make them fewer.
        let now = ticks.tick().await;
        let arrived = arrivals.after(now - looked);
        looked = now;
        let visitors: Vec<Visitor> = (next..next + arrived)
            .map(|number| Visitor::new(seed, number))
            .collect();
        next += arrived;
        for batch in visitors.chunks(MAX_BATCH) {
            visit(client, scenario, experiment, batch, &mut rng).await?;
        }
    }
}

/// How many visitors come.
struct Arrivals {
    /// A second.
    rate: f64,
    /// How many should have come and did not; less than one, for nobody comes in parts.
    due: f64,
}

impl Arrivals {
    /// How many came in this time. After a pause of the machine they do not come all at once: at most those of
    /// [`LONGEST`].
    fn after(&mut self, time: Duration) -> u64 {
        self.due += self.rate * time.min(LONGEST).as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive number, whose fraction stays due"
        )]
        let arrived = self.due.floor() as u64;
        self.due -= self.due.floor();
        arrived
    }
}

async fn visit(
    client: &Client,
    scenario: &Scenario,
    experiment: &Experiment,
    visitors: &[Visitor],
    rng: &mut fastrand::Rng,
) -> Result<(), ClientError> {
    let requests: Vec<AssignRequest> = visitors
        .iter()
        .map(|visitor| AssignRequest {
            experiment_id: experiment.id.to_string(),
            user: Some(visitor.user()),
            ..AssignRequest::default()
        })
        .collect();
    let assignments = match client.assign_many(&requests).await {
        Ok(assignments) => assignments,
        Err(error) if may_pass(&error) => {
            // Whoever gets no answer sees the page as it always was and is not part of the experiment.
            tracing::warn!(%error, visitors = visitors.len(), "visitors were not assigned");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let now = Timestamp::now();
    let mut events = Vec::with_capacity(visitors.len() * 2);
    for (visitor, assignment) in visitors.iter().zip(assignments) {
        match assignment {
            Ok(assignment) => events.extend(scenario.events(visitor, &assignment, now, rng.f64())),
            Err(problem) => tracing::warn!(%problem, visitor = visitor.id, "a visitor was not assigned"),
        }
    }
    send(client, &events).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Attribution, Reason};

    #[test]
    fn as_many_come_as_were_promised() {
        for rate in [0.3, 50.0, 4_000.0, 5_000.0] {
            let mut arrivals = Arrivals { rate, due: 0.0 };
            // Ticks that come late, one after another, for a minute.
            let come: u64 = [200, 250, 300, 450, 800, 1_000]
                .into_iter()
                .cycle()
                .take(120)
                .map(|late| arrivals.after(Duration::from_millis(late)))
                .sum();
            assert!(
                (come as f64 - rate * 60.0).abs() <= 1.0,
                "{come} at {rate} a second"
            );
        }
        let mut arrivals = Arrivals { rate: 50.0, due: 0.9 };
        assert_eq!(arrivals.after(Duration::from_secs(3_600)), 50);
        assert_eq!(arrivals.after(Duration::ZERO), 0);
    }

    fn assigned(variant: &str) -> Assignment {
        Assignment {
            experiment_id: Uuid::nil(),
            variant_id: variant.to_owned(),
            variant_name: variant.to_owned(),
            payload: Value::Null,
            reason: Reason::Allocation,
            rule_id: None,
            cohort: 1,
            attribution: Attribution {
                experiment_id: Uuid::nil(),
                variant_id: variant.to_owned(),
                experiment_name: "x".to_owned(),
                variant_name: variant.to_owned(),
                assignment_reason: Reason::Allocation,
                cohort: 1,
            },
        }
    }

    fn sent(scenario: &Scenario, variant: &str) -> Vec<TrackEvent> {
        let mut rng = fastrand::Rng::with_seed(1);
        (0..20_000)
            .flat_map(|i| {
                scenario.events(
                    &Visitor::new(1, i),
                    &assigned(variant),
                    Timestamp::UNIX_EPOCH,
                    rng.f64(),
                )
            })
            .collect()
    }

    fn count(events: &[TrackEvent], name: &str) -> f64 {
        f64::from(u32::try_from(events.iter().filter(|e| e.name == name).count()).expect("fits"))
    }

    #[test]
    fn the_healthy_one_converts_at_its_rates_and_loses_nothing() {
        let scenario = &SCENARIOS[0];
        for (variant, rate) in [
            ("control", scenario.control_rate),
            ("treatment", scenario.treatment_rate),
        ] {
            let events = sent(scenario, variant);
            assert!((count(&events, scenario.exposure) - 20_000.0).abs() < 0.5);
            // Five standard errors.
            assert!(
                (count(&events, scenario.metric) / 20_000.0 - rate).abs() < 0.0125,
                "{variant}"
            );
        }
    }

    #[test]
    fn the_broken_one_loses_treatment_events_of_one_browser_only() {
        let scenario = &SCENARIOS[1];
        let control = sent(scenario, "control");
        let treatment = sent(scenario, "treatment");
        let share = count(&treatment, scenario.exposure) / count(&control, scenario.exposure);
        // 36 % use Safari and 65 % of them are lost.
        assert!((share - (1.0 - 0.36 * 0.65)).abs() < 0.02, "{share}");
        let safari = |events: &[TrackEvent]| {
            events
                .iter()
                .filter(|e| e.properties.get("browser") == Some(&json!("Safari")))
                .count()
        };
        assert!(safari(&treatment) * 2 < safari(&control));
    }
}
