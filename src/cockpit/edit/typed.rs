//! What is typed into a field, as the value it stands for.

use serde_json::Value;

use crate::domain::{Experiment, FieldError, Key, Operator, Percent, Prior};

/// JSON, or nothing.
pub(super) fn payload(text: &str) -> Result<Value, FieldError> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|error| {
        let line = text
            .lines()
            .nth(error.line().saturating_sub(1))
            .unwrap_or_default();
        FieldError::new("payload", line.trim(), format!("JSON; {error}"))
    })
}

/// A share in percent; a sign behind the number is allowed.
pub(super) fn percent(text: &str, field: &str) -> Result<Percent, FieldError> {
    let number = text.trim_end_matches('%').trim_end();
    let allowed = "a number from 0 to 100 with at most two decimals";
    let refused = || FieldError::new(field, text, allowed);
    let number: f64 = number.parse().map_err(|_| refused())?;
    Percent::new(number).map_err(|_| refused())
}

/// `a b`, `a, b` or `Beta(a, b)`.
pub(super) fn prior(text: &str) -> Result<Prior, FieldError> {
    let (least, most) = Prior::SHAPES;
    let refused = || FieldError::new("prior", text, format!("two numbers, each {least} to {most}"));
    let inside = text.trim_start_matches("Beta").trim_matches(['(', ')', ' ']);
    let numbers: Vec<f64> = inside
        .split([',', ' '])
        .filter(|part| !part.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| refused())?;
    match numbers[..] {
        [a, b] if (least..=most).contains(&a) && (least..=most).contains(&b) => Ok(Prior { a, b }),
        _ => Err(refused()),
    }
}

/// A link whose label no other one has; `instead_of` is the label of the one that it is typed over.
pub(super) fn new_link(
    text: &str,
    e: &Experiment,
    instead_of: Option<&String>,
) -> Result<Option<(String, String)>, FieldError> {
    let link = link(text)?;
    let taken = link
        .as_ref()
        .filter(|(label, _)| Some(label) != instead_of && e.links.contains_key(label));
    match taken {
        Some((label, _)) => {
            let allowed = format!("a label of its own: {label} is there already, and is changed there");
            Err(FieldError::new("links", text, allowed))
        }
        None => Ok(link),
    }
}

/// `label https://…`; none when there is nothing.
fn link(text: &str) -> Result<Option<(String, String)>, FieldError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = |given: &str| {
        FieldError::new(
            "links",
            given,
            "a label and a URL that begins with https:// or http://",
        )
    };
    let (label, url) = text
        .rsplit_once(char::is_whitespace)
        .ok_or_else(|| refused(text))?;
    let web = url.starts_with("https://") || url.starts_with("http://");
    let label = label.trim().trim_end_matches(':');
    if !web || label.is_empty() {
        return Err(refused(text));
    }
    Ok(Some((label.to_owned(), url.to_owned())))
}

pub(super) fn operator(text: &str) -> Result<Operator, FieldError> {
    let words: Vec<&str> = Operator::ALL.iter().map(|o| o.as_str()).collect();
    Operator::ALL
        .into_iter()
        .find(|o| o.as_str() == text)
        .ok_or_else(|| FieldError::new("operator", text, words.join(", ")))
}

/// The key of a variant as the variant itself writes it.
pub(super) fn variant_key(e: &Experiment, text: &str, field: &str) -> Result<Key, FieldError> {
    e.variant(text).map(|v| v.key.clone()).ok_or_else(|| {
        let keys: Vec<&str> = e.variants.iter().map(|v| v.key.as_str()).collect();
        FieldError::new(field, text, format!("the key of a variant ({})", keys.join(", ")))
    })
}
