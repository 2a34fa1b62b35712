//! Fields that take more than a value to be set.

use super::cell::{Attr, Which, metric_mut};
use super::typed::{payload, percent};
use crate::domain::{Experiment, FieldError, Key, Metric, SecondaryEvent};

/// Names the event of a metric, which begins or ends it.
pub(super) fn set_event(e: &mut Experiment, which: Which, event: &str) {
    if event.is_empty() {
        match which {
            Which::Primary => e.primary_metric = None,
            Which::Secondary => e.secondary_event = None,
            Which::Tracked(at) => {
                if at < e.tracked_events.len() {
                    e.tracked_events.remove(at);
                }
            }
        }
        return;
    }
    if let Some(metric) = metric_mut(e, which) {
        event.clone_into(&mut metric.event);
        return;
    }
    let metric = Metric::event(event);
    match which {
        Which::Primary => e.primary_metric = Some(metric),
        Which::Secondary => {
            e.secondary_event = Some(SecondaryEvent {
                metric,
                enabled: true,
            });
        }
        Which::Tracked(_) => e.tracked_events.push(metric),
    }
}

pub(super) fn set_variant(e: &mut Experiment, key: &str, attr: Attr, text: &str) -> Result<(), FieldError> {
    let Some(at) = e
        .variants
        .iter()
        .position(|v| v.key.as_str().eq_ignore_ascii_case(key))
    else {
        return Ok(());
    };
    let line = text.trim();
    let within = |error: FieldError| error.within(format!("variants[{at}]"));
    match attr {
        Attr::Key => {
            let new = Key::new(line).map_err(within)?;
            let twice = (e.variants.iter().enumerate())
                .any(|(other, v)| other != at && v.key.folded() == new.folded());
            if twice {
                return Err(within(FieldError::new(
                    "key",
                    line,
                    "a key of its own for each variant, whatever the case",
                )));
            }
            let old = std::mem::replace(&mut e.variants[at].key, new.clone());
            // Whoever named the variant goes on naming it.
            if e.default_variant_id.folded() == old.folded() {
                e.default_variant_id = new.clone();
            }
            for rule in &mut e.rules {
                if rule.variant.folded() == old.folded() {
                    rule.variant = new.clone();
                }
            }
        }
        Attr::Name => e.variants[at].name = line.to_owned(),
        Attr::Traffic => e.variants[at].traffic_pct = percent(line, "trafficPct").map_err(within)?,
        Attr::Control => {
            if line == "yes" {
                for (other, variant) in e.variants.iter_mut().enumerate() {
                    variant.is_control = other == at;
                }
            }
        }
        Attr::Payload => e.variants[at].payload = payload(text).map_err(within)?,
        Attr::Description => e.variants[at].description = text.trim_end().to_owned(),
    }
    Ok(())
}
