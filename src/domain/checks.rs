//! Checks that experiments and flags share. Each adds its refusals to a list, so that all are told at once.

use std::collections::BTreeSet;

use super::filter::number;
use super::{FieldError, Filter, Key, Operator, Rule, Variant};

/// The longest name, in characters.
pub const MAX_NAME_LENGTH: usize = 200;
/// The longest description or hypothesis, in characters. They are part of every list of experiments.
pub const MAX_TEXT_LENGTH: usize = 20_000;
/// The longest name of an event or of an id, in characters: longer ones cannot be tracked.
pub const MAX_EVENT_LENGTH: usize = 256;

/// The most filters of a metric.
pub const MAX_FILTERS: usize = 20;
/// The most rules of an experiment or a flag.
pub const MAX_RULES: usize = 200;
/// The most conditions of a rule.
pub const MAX_CONDITIONS: usize = 50;
/// The most dots in the field of a condition: each may part a name from what stands below it, or belong to a name, so that
/// each makes finding the field dearer.
pub const MAX_DOTS: usize = 10;
/// The longest value of a filter or a condition, in characters.
pub const MAX_VALUE_LENGTH: usize = 2_000;
/// The longest payload, in bytes of JSON: each decision for the variant carries it.
pub const MAX_PAYLOAD: usize = 64 << 10;

/// Whether nobody sees a character: with one a text looks like another one. Joiners (U+200C, U+200D) are part of words and
/// emoji; these are part of nothing.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
    ) || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether a text says nothing that anybody sees.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_whitespace() || c.is_control() || is_unseen(c))
}

fn longer(text: &str, most: usize) -> bool {
    // Bytes are counted at once, and are never fewer than characters.
    text.len() > most && text.chars().count() > most
}

/// One line that people read; empty where a key stands in for it.
pub(super) fn name(field: impl Into<String>, text: &str, errors: &mut Vec<FieldError>) {
    if longer(text, MAX_NAME_LENGTH) || text.chars().any(char::is_control) {
        let allowed =
            format!("at most {MAX_NAME_LENGTH} characters, no line breaks and no control characters");
        errors.push(FieldError::new(field, text.escape_debug(), allowed));
    }
}

/// A text of any number of lines.
pub(super) fn text(field: impl Into<String>, text: &str, errors: &mut Vec<FieldError>) {
    if longer(text, MAX_TEXT_LENGTH) {
        let given = format!("{} characters", text.chars().count());
        errors.push(FieldError::new(
            field,
            given,
            format!("at most {MAX_TEXT_LENGTH} characters"),
        ));
    }
}

/// The name of an event, as it is tracked.
pub(super) fn event(field: impl Into<String>, name: &str, errors: &mut Vec<FieldError>) {
    if name.trim().is_empty() || longer(name, MAX_EVENT_LENGTH) {
        let allowed = format!("the name of an event, at most {MAX_EVENT_LENGTH} characters");
        errors.push(FieldError::new(field, name, allowed));
    }
}

/// Keys that differ whatever their case, and texts.
pub(super) fn variants(variants: &[Variant], errors: &mut Vec<FieldError>) {
    let mut keys = BTreeSet::new();
    for (at, variant) in variants.iter().enumerate() {
        if !keys.insert(variant.key.folded()) {
            errors.push(FieldError::new(
                format!("variants[{at}].key"),
                &variant.key,
                "a key of its own for each variant, whatever the case",
            ));
        }
        name(format!("variants[{at}].name"), &variant.name, errors);
        text(
            format!("variants[{at}].description"),
            &variant.description,
            errors,
        );
        let bytes = variant.payload.to_string().len();
        if bytes > MAX_PAYLOAD {
            errors.push(FieldError::new(
                format!("variants[{at}].payload"),
                format!("{bytes} bytes of JSON"),
                format!("at most {MAX_PAYLOAD} bytes: every decision carries it"),
            ));
        }
    }
}

/// Rules that route to a variant there is, each with an id of its own, on fields that have a name.
pub(super) fn rules(rules: &[Rule], variants: &[Variant], errors: &mut Vec<FieldError>) {
    let mut ids = BTreeSet::new();
    most("rules", "rules", rules.len(), MAX_RULES, errors);
    for (at, rule) in rules.iter().enumerate() {
        if !variants.iter().any(|v| v.key.folded() == rule.variant.folded()) {
            errors.push(no_variant(
                format!("rules[{at}].variant"),
                &rule.variant,
                variants.iter().map(|v| &v.key),
            ));
        }
        if !ids.insert(rule.id) {
            errors.push(FieldError::new(
                format!("rules[{at}].id"),
                rule.id,
                "an id of its own for each rule",
            ));
        }
        let path = format!("rules[{at}].conditions");
        let count = rule.conditions.len();
        most(&path, "conditions", count, MAX_CONDITIONS, errors);
        for (c, condition) in rule.conditions.iter().enumerate().take(MAX_CONDITIONS) {
            property(format!("{path}[{c}].field"), &condition.field, errors);
            let dots = condition.field.matches('.').count();
            if dots > MAX_DOTS {
                let allowed = format!("a path of at most {MAX_DOTS} dots");
                errors.push(FieldError::new(
                    format!("{path}[{c}].field"),
                    &condition.field,
                    allowed,
                ));
            }
            compared(
                format!("{path}[{c}].value"),
                condition.operator,
                &condition.value,
                errors,
            );
        }
    }
}

/// The filters of a metric.
pub(super) fn filters(path: &str, filters: &[Filter], errors: &mut Vec<FieldError>) {
    most(path, "filters", filters.len(), MAX_FILTERS, errors);
    for (at, filter) in filters.iter().enumerate().take(MAX_FILTERS) {
        property(format!("{path}[{at}].field"), &filter.field, errors);
        compared(
            format!("{path}[{at}].value"),
            filter.operator,
            &filter.value,
            errors,
        );
    }
}

fn most(field: &str, what: &str, count: usize, most: usize, errors: &mut Vec<FieldError>) {
    if count > most {
        let given = format!("{count} {what}");
        errors.push(FieldError::new(field, given, format!("at most {most} {what}")));
    }
}

fn property(field: String, name: &str, errors: &mut Vec<FieldError>) {
    if name.trim().is_empty() || longer(name, MAX_EVENT_LENGTH) {
        let allowed = format!("the name of a property, at most {MAX_EVENT_LENGTH} characters");
        errors.push(FieldError::new(field, name, allowed));
    }
}

/// A value that can be compared with: one that is missing would catch everybody, or nobody for ever.
fn compared(path: String, operator: Operator, value: &str, errors: &mut Vec<FieldError>) {
    if longer(value, MAX_VALUE_LENGTH) {
        let given = format!("{} characters", value.chars().count());
        errors.push(FieldError::new(
            path,
            given,
            format!("at most {MAX_VALUE_LENGTH} characters"),
        ));
        return;
    }
    let refused = match operator {
        Operator::Contains | Operator::DoesNotContain | Operator::StartsWith | Operator::EndsWith => {
            value.is_empty().then_some("a text that is not empty")
        }
        Operator::Gt | Operator::Gte | Operator::Lt | Operator::Lte => {
            number(value).is_none().then_some("a number")
        }
        Operator::Is | Operator::IsNot | Operator::IsNull | Operator::IsNotNull => None,
    };
    if let Some(allowed) = refused {
        errors.push(FieldError::new(
            path,
            value,
            format!("{allowed}, to compare with {operator}"),
        ));
    }
}

/// The refusal of a key that none of the variants with these `keys` has.
pub fn no_variant<'a>(
    field: impl Into<String>,
    given: impl std::fmt::Display,
    keys: impl IntoIterator<Item = &'a Key>,
) -> FieldError {
    let keys: Vec<&str> = keys.into_iter().map(Key::as_str).collect();
    FieldError::new(
        field,
        given,
        format!("the key of a variant ({})", keys.join(", ")),
    )
}
