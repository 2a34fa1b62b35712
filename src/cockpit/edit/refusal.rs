//! What a refusal is about: the field on the screen, and its words as the screen calls things.

use super::cell::{Attr, Cell, Part, Which};
use crate::domain::{Experiment, FieldError};

impl Cell {
    /// The field that a refusal of the server or of [`Experiment::check`] is about, by its path.
    #[must_use]
    pub fn of_refusal(field: &str, e: &Experiment) -> Option<Self> {
        let (head, rest) = field.split_once(['.', '[']).unwrap_or((field, ""));
        let at: Option<usize> = rest.split(']').next().and_then(|n| n.parse().ok());
        Some(match head {
            "name" => Self::Name,
            "key" => Self::NewKey,
            "description" => Self::Description,
            "hypothesis" => Self::Hypothesis,
            "links" => Self::Link(rest.to_owned()),
            "subjectType" => Self::SubjectType,
            "holdoutPct" => Self::Holdout,
            "sticky" => Self::Sticky,
            "linkedFlag" => Self::LinkedFlag,
            "parentId" => Self::Lab,
            "prior" => Self::Prior,
            "defaultVariantId" => Self::DefaultVariant,
            "primaryMetric" => Self::Metric(Which::Primary),
            "secondaryEvent" => Self::Metric(Which::Secondary),
            "trackedEvents" => Self::Metric(Which::Tracked(at.unwrap_or(0))),
            "variants" => {
                let variant = e.variants.get(at.unwrap_or(0))?;
                let attr = match rest.rsplit('.').next() {
                    Some("key") => Attr::Key,
                    Some("name") => Attr::Name,
                    Some("description") => Attr::Description,
                    Some("isControl") => Attr::Control,
                    Some("payload") => Attr::Payload,
                    _ => Attr::Traffic,
                };
                Self::Variant(variant.key.to_string(), attr)
            }
            "rules" => Self::Rule(e.rules.get(at.unwrap_or(0))?.id),
            _ => return None,
        })
    }

    /// The field of an opened rule or metric that a refusal is about; none where it is about the whole.
    #[must_use]
    pub fn exactly(field: &str, e: &Experiment) -> Option<Self> {
        let mut parts = field.split('.').skip(1);
        let (head, at) = parts
            .next()
            .map(|part| part.split_once('[').unwrap_or((part, "")))?;
        let at: Option<usize> = at.trim_end_matches(']').parse().ok();
        let part = match parts.next() {
            Some("scope") => Some(Part::Scope),
            Some("field") => Some(Part::Field),
            Some("operator") => Some(Part::Operator),
            Some("value") => Some(Part::Value),
            _ => None,
        };
        Some(match (Self::of_refusal(field, e)?, head, at, part) {
            (Self::Rule(id), "conditions", Some(at), Some(part)) => Self::Condition(id, at, part),
            (Self::Rule(id), "variant", ..) => Self::RuleVariant(id),
            (Self::Rule(id), "priority", ..) => Self::RulePriority(id),
            (Self::Metric(which), "filters", Some(at), Some(part)) => Self::Filter(which, at, part),
            (Self::Metric(which), "event", ..) => Self::Event(which),
            _ => return None,
        })
    }
}

/// A refusal in words: the field as the screen names it, what was given, what is allowed.
#[must_use]
pub fn refused(error: &FieldError, e: &Experiment) -> String {
    let FieldError { field, .. } = error;
    match field_words(field, e) {
        Some(words) => error.clone().named(words).to_string(),
        None => error.to_string(),
    }
}

/// What the screen calls a field of the request; none for what is no field of the screen.
fn field_words(field: &str, e: &Experiment) -> Option<String> {
    let cell = Cell::of_refusal(field, e)?;
    let label = cell.path().map(|path| path.label(&[e]));
    let place = field.find(['.', '[']);
    match (&cell, place) {
        // The key of an experiment that is being created has no path.
        (_, None) if label.is_none() => None,
        (Cell::Variant(..), Some(_)) => label,
        // All of them, not the first.
        (Cell::Variant(..), None) => Some(field.to_owned()),
        (Cell::Rule(_), Some(_)) => {
            let rest = field.split_once("].").map(|(_, rest)| spoken(rest));
            label.map(|label| {
                [Some(label), rest]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        }
        (_, None) => label,
        (_, Some(_)) => Some(spoken(field)),
    }
}

/// `conditions[0].eventName` as a person says it: `condition 1 event name`.
fn spoken(path: &str) -> String {
    let part = |part: &str| {
        let (name, at) = part.split_once('[').unwrap_or((part, ""));
        let mut words = String::new();
        for c in name.chars() {
            if c.is_ascii_uppercase() {
                words.push(' ');
            }
            words.push(c.to_ascii_lowercase());
        }
        match at.trim_end_matches(']').parse::<usize>() {
            Ok(at) => format!("{} {}", words.trim_end_matches('s'), at + 1),
            Err(_) => words,
        }
    };
    path.split('.').map(part).collect::<Vec<_>>().join(" ")
}
